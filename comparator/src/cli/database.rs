//! `antumbra db`: a database file, without a server.

use std::path::PathBuf;
use std::process::ExitCode;

use antumbra_store::{Salvaged, SalvagedTable, Store};
use serde::Serialize;

use super::output::{print, print_json};
use super::{Failure, Output};

/// What to do with it.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Read all of a database, also while a comparator has it; exit code 0 sound, 1 damaged
    #[command(after_help = EXAMPLES)]
    Check(Check),
    /// Copy what can be read of a damaged database to a new file. `antumbra serve` does so by itself at the start
    #[command(after_help = EXAMPLES)]
    Salvage(Salvage),
}

/// Which database to read.
#[derive(clap::Args)]
pub(super) struct Check {
    /// The database
    file: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Which database to copy.
#[derive(clap::Args)]
pub(super) struct Salvage {
    /// The damaged database, which stays as it is
    file: PathBuf,
    /// The new file
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Check(options) => check(options),
        Command::Salvage(options) => salvage(options),
    }
}

fn check(Check { file, output }: &Check) -> Result<ExitCode, Failure> {
    // SQLite says only that it cannot open it.
    std::fs::metadata(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    let problems = Store::open_to_read(file)
        .and_then(|store| store.problems())
        .map_err(|error| Failure::Runtime(error.to_string()))?;
    match output {
        Output::Json => print_json(&Checked { sound: problems.is_empty(), problems: &problems }),
        Output::Text if problems.is_empty() => print(&format!("{}: sound\n", file.display())),
        Output::Text => {
            let lines: String =
                problems.iter().map(|problem| format!("{}: {problem}\n", file.display())).collect();
            print(&lines);
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn salvage(Salvage { file, to, output }: &Salvage) -> Result<ExitCode, Failure> {
    std::fs::metadata(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    let salvaged = Store::salvage(file, to).map_err(|error| Failure::Runtime(error.to_string()))?;
    match output {
        Output::Json => print_json(&salvaged),
        Output::Text => print(&text(&salvaged)),
    }
    Ok(ExitCode::SUCCESS)
}

fn text(salvaged: &Salvaged) -> String {
    let line = |SalvagedTable { name, rows, loss }: &SalvagedTable| {
        let copied = if *rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        match loss {
            None => format!("{name}: {copied}, all there are\n"),
            Some(loss) => format!("{name}: {copied}, others may be missing: {loss}\n"),
        }
    };
    let mut text: String = salvaged.tables.iter().map(line).collect();
    if salvaged.lost_evidence() {
        text.push_str(
            "Evidence may be incomplete, so it is set aside: every release starts a new session.\n",
        );
    }
    text
}

#[derive(Serialize)]
struct Checked<'p> {
    sound: bool,
    problems: &'p [String],
}

pub(super) const EXAMPLES: &str = "Examples:
  antumbra db check antumbra.db
  antumbra db salvage antumbra.db --to sound.db";
