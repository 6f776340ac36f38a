//! `antumbra report`: what the comparison found, on a server or in a capture.
//!
//! A line of a capture that cannot be used fails a report.

use std::fs::File;
use std::io::{self, BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antumbra_engine::Report;
use antumbra_plugin::Runtime;
use clap::ValueEnum;
use serde::Serialize;

use super::client::Client;
use super::output::{self, print, print_json};
use super::terms::{DescriptorSet, Terms};
use super::values::NamedPlugin;
use super::{Failure, USAGE, commands};
use crate::replay::captured::{Accounts, Captured};
use crate::replay::comparing::Takes;

/// Where the evidence is.
#[derive(clap::Args)]
pub(super) struct Source {
    /// A capture of `antumbra capture` instead of a server; `-` is stdin. May be repeated: an exchange that several have counts once
    #[arg(long, value_name = "FILE")]
    pub(super) from: Vec<PathBuf>,
    /// The policy: its name, which may be left out while the server has one; with --from, the file whose `default`, `compare`
    /// and `gates` are to hold: it says whose answers are compared
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) policy: Option<String>,
    /// With --from: a component that the policy's `compare.plugins` names; may be repeated
    #[arg(long, value_name = "NAME=FILE", requires = "from")]
    pub(super) plugin: Vec<NamedPlugin>,
    #[command(flatten)]
    pub(super) descriptors: DescriptorSet,
    /// The comparator; its token, if it asks for one, is read from `ANTUMBRA_TOKEN`
    #[arg(long, env = "ANTUMBRA_SERVER", default_value = "http://127.0.0.1:7400", value_name = "URL")]
    pub(super) server: String,
}

impl Source {
    /// A server, and which of its releases is meant.
    pub(super) fn server(&self) -> Result<(Client, String), Failure> {
        if self.descriptors.is_given() {
            return Err(Failure::Usage("--descriptors is for --from: a server has its own".to_owned()));
        }
        let client = Client::new(&self.server)?;
        let name = commands::name(&client, self.policy.as_deref())?;
        Ok((client, name))
    }
}

/// What `antumbra report` is asked.
#[derive(clap::Args)]
pub(super) struct ReportOptions {
    #[command(flatten)]
    source: Source,
    /// Everything that is known, instead of at most twenty lines
    #[arg(long)]
    full: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

/// How a report is printed.
#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Form {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// For a pull request
    Markdown,
}

/// `antumbra report`.
pub(super) fn report(options: &ReportOptions, sandbox: &dyn Runtime) -> Result<ExitCode, Failure> {
    if options.source.from.is_empty() {
        print_report(options, &Server::new(&options.source)?.report()?, None);
        return Ok(ExitCode::SUCCESS);
    }
    let (report, capture) = offline(&options.source, sandbox)?;
    print_report(options, &report, Some(&capture));
    complain(&options.source.from, &capture);
    Ok(if capture.bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(USAGE) })
}

/// Prints a report, with what became of the lines that it was read from.
fn print_report(options: &ReportOptions, report: &Report, capture: Option<&Accounts>) {
    let head = capture.map(Accounts::to_text).unwrap_or_default();
    match options.output {
        Form::Json => print_json(&Found { report, capture }),
        Form::Text => {
            let rest = if capture.is_some() { FULL_OF_A_CAPTURE } else { FULL };
            print(&format!("{}{}", output::wrapped(&head), output::report(report, options.full, rest)));
        }
        Form::Markdown if head.is_empty() => print(&report.to_markdown()),
        Form::Markdown => print(&format!("{}\n{head}", report.to_markdown())),
    }
}

/// The report, and what it was read from if that was a file.
#[derive(Serialize)]
struct Found<'r> {
    #[serde(flatten)]
    report: &'r Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<&'r Accounts>,
}

/// The whole engine over captures.
pub(super) fn offline(source: &Source, sandbox: &dyn Runtime) -> Result<(Report, Accounts), Failure> {
    let policy = source.policy.as_deref().map(Path::new);
    let terms = Terms::read(policy, &source.plugin, &source.descriptors, sandbox)?;
    let Captured { evidence, accounts, release, .. } = captured(&source.from, &terms.comparing)?;
    let name = terms.name.or(release).unwrap_or_default();
    let report = antumbra_engine::report(&name, &evidence, &terms.gates, &accounts.delivery());
    Ok((report.with_unmet(&evidence, &terms.comparing.rules), accounts))
}

/// All captures together, as if they were one.
pub(super) fn captured<T: Takes>(files: &[PathBuf], taking: &T) -> Result<Captured<T::All>, Failure> {
    if files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
        return Err(Failure::Usage("--from is - twice, only one can be stdin".to_owned()));
    }
    let mut captured = Captured::default();
    for file in files {
        let failed = |error: io::Error| Failure::Runtime(format!("{}: {error}", file.display()));
        captured.read(open(file)?, taking).map_err(failed)?;
        if files.len() > 1 {
            captured.accounts.are_in(&file.display().to_string());
        }
    }
    Ok(captured)
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(stdin().lock()));
    }
    let opened = File::open(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())));
    Ok(Box::new(BufReader::new(opened?)))
}

/// Names what cannot be used, with the file, which each line of several names itself.
pub(super) fn complain(files: &[PathBuf], capture: &Accounts) {
    for complaint in capture.complaints() {
        match files {
            [file] => eprintln!("antumbra: {}: {complaint}", file.display()),
            _ => eprintln!("antumbra: {complaint}"),
        }
    }
}

pub(super) fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// A release on a server.
pub(super) struct Server {
    client: Client,
    path: String,
}

impl Server {
    pub(super) fn new(source: &Source) -> Result<Self, Failure> {
        let (client, name) = source.server()?;
        Ok(Self { client, path: format!("/v1/releases/{name}/report") })
    }

    pub(super) fn report(&self) -> Result<Report, Failure> {
        self.client.get(&self.path)
    }
}

/// How to see the rest of a summary.
const FULL: &str = "more: antumbra report --full";
const FULL_OF_A_CAPTURE: &str = "more: the same command with --full";

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra report
  antumbra report --full | less
  antumbra report --policy checkout --output json | jq .regressions
  antumbra report --output markdown > comment.md
  antumbra report --from shop.ndjson --policy shop.yaml --plugin prices=prices.wasm
  antumbra capture shop.ndjson --count 10000 && antumbra report --from shop.ndjson --output markdown

With --from the lines of each file are observations as `antumbra schema observation` describes them. Lines that \
are none are named on stderr, counted as observations that were lost, and make the exit code 2.";
