//! `antumbra completions` and `antumbra man`: what a shell and `man` need to know of the command line, made from the arguments themselves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::output::print;
use super::{Arguments, Failure};

/// Which shell.
#[derive(clap::Args)]
pub(super) struct Completions {
    /// The shell that is to complete commands and options
    #[arg(value_enum)]
    shell: Shell,
}

/// Where manual pages go.
#[derive(clap::Args)]
pub(super) struct Manual {
    /// A folder for a page of each command; without it, the page of `antumbra` itself is printed
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// `antumbra completions`.
pub(super) fn completions(options: &Completions) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), NAME, &mut script);
    print(&String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

/// `antumbra man`.
pub(super) fn manual(options: &Manual) -> Result<ExitCode, Failure> {
    let Some(folder) = &options.folder else {
        let page = page(&Arguments::command()).map_err(|error| Failure::Runtime(error.to_string()))?;
        print(&String::from_utf8_lossy(&page));
        return Ok(ExitCode::SUCCESS);
    };
    write(folder).map_err(|error| Failure::Runtime(format!("{}: {error}", folder.display())))?;
    Ok(ExitCode::SUCCESS)
}

/// `antumbra.1`, `antumbra-mirror-set.1` and so on.
fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = Arguments::command();
    command.build();
    let mut open = vec![command];
    while let Some(command) = open.pop() {
        let name = command.get_display_name().unwrap_or(NAME).to_owned();
        fs::write(folder.join(format!("{name}.1")), page(&command)?)?;
        open.extend(command.get_subcommands().filter(|below| below.get_name() != "help").cloned());
    }
    Ok(())
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

const NAME: &str = "antumbra";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  antumbra completions bash > /etc/bash_completion.d/antumbra
  antumbra completions zsh > \"${fpath[1]}/_antumbra\"
  antumbra completions fish > ~/.config/fish/completions/antumbra.fish";
pub(super) const MANUAL_EXAMPLES: &str = "\
Examples:
  antumbra man | man -l -
  antumbra man /usr/local/share/man/man1";
