//! `antumbra report` and `antumbra verdict`: what the comparison found, by a server or out of a capture, and the exit code that a
//! pipeline needs.
//!
//! A line of a capture that cannot be used fails a report. A verdict already knows what is missing: it counts as observations
//! that never arrived, so it fails only if nothing could be read.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use antumbra_engine::{Report, Verdict};
use antumbra_plugin::Runtime;
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde::Serialize;

use super::client::Client;
use super::output::{self, print, print_json};
use super::terms::{DescriptorSet, Terms};
use super::values::{Lasting, NamedPlugin};
use super::{Failure, Output, USAGE, commands};
use crate::replay::captured::{Accounts, Captured};

/// Where the evidence is.
#[derive(clap::Args)]
pub(super) struct Source {
    /// A capture of `antumbra capture` instead of a server; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(super) from: Option<PathBuf>,
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
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

/// What `antumbra verdict` is asked.
#[derive(clap::Args)]
pub(super) struct VerdictOptions {
    #[command(flatten)]
    source: Source,
    /// Ask again until the verdict is another than wait, at most so long, as in 10m
    #[arg(long, value_name = "DURATION", conflicts_with = "from")]
    wait: Option<Lasting>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
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
    let Some(file) = &options.source.from else {
        print_report(options.output, &Server::new(&options.source)?.report()?, None);
        return Ok(ExitCode::SUCCESS);
    };
    let (report, capture) = offline(file, &options.source, sandbox)?;
    print_report(options.output, &report, Some(&capture));
    complain(file, &capture);
    Ok(if capture.bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(USAGE) })
}

/// `antumbra verdict`.
pub(super) fn verdict(options: &VerdictOptions, sandbox: &dyn Runtime) -> Result<ExitCode, Failure> {
    let report = match (&options.source.from, options.wait) {
        (Some(file), _) => {
            let (report, capture) = offline(file, &options.source, sandbox)?;
            complain(file, &capture);
            if capture.observations == 0 && capture.bad > 0 {
                return Err(Failure::Usage(format!("{}: no line holds an observation", file.display())));
            }
            report
        }
        (None, None) => Server::new(&options.source)?.report()?,
        (None, Some(Lasting(most))) => Server::new(&options.source)?.decided(most)?,
    };
    let judgement = Judgement { verdict: report.verdict, reasons: &report.reasons, needed: report.needed };
    commands::show(options.output, &judgement, Judgement::to_text)?;
    Ok(commands::code(report.verdict))
}

/// Prints a report, with what became of the lines that it was read from.
fn print_report(form: Form, report: &Report, capture: Option<&Accounts>) {
    let head = capture.map(Accounts::to_text).unwrap_or_default();
    match form {
        Form::Json => print_json(&Found { report, capture }),
        Form::Text => print(&format!("{head}{}", report.to_text(output::colour()))),
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

/// The verdict without the tables.
#[derive(Serialize)]
struct Judgement<'r> {
    verdict: Verdict,
    reasons: &'r [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<u64>,
}

impl Judgement<'_> {
    fn to_text(&self) -> String {
        self.reasons.iter().fold(format!("{}\n", self.verdict), |text, reason| format!("{text}  {reason}\n"))
    }
}

/// The whole engine over a file.
fn offline(file: &Path, source: &Source, sandbox: &dyn Runtime) -> Result<(Report, Accounts), Failure> {
    let policy = source.policy.as_deref().map(Path::new);
    let terms = Terms::read(policy, &source.plugin, &source.descriptors, sandbox)?;
    let mut captured = Captured::default();
    captured
        .read(open(file)?, &terms.comparing)
        .map_err(|error| Failure::Runtime(format!("{}: {error}", file.display())))?;
    let Captured { evidence, accounts, release, .. } = captured;
    let name = terms.name.or(release).unwrap_or_default();
    Ok((antumbra_engine::report(&name, &evidence, &terms.gates, &accounts.delivery()), accounts))
}

pub(super) fn open(file: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(stdin().lock()));
    }
    let opened = File::open(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())));
    Ok(Box::new(BufReader::new(opened?)))
}

pub(super) fn complain(file: &Path, capture: &Accounts) {
    for complaint in capture.complaints() {
        eprintln!("antumbra: {}: {complaint}", file.display());
    }
}

/// A release on a server.
struct Server {
    client: Client,
    path: String,
}

impl Server {
    fn new(source: &Source) -> Result<Self, Failure> {
        let (client, name) = source.server()?;
        Ok(Self { client, path: format!("/v1/releases/{name}/report") })
    }

    fn report(&self) -> Result<Report, Failure> {
        self.client.get(&self.path)
    }

    /// The first report whose verdict is not wait, or the last one within the time. A server that answered once may be away for a
    /// while: it may be starting anew.
    fn decided(&self, most: Duration) -> Result<Report, Failure> {
        let spinner = spinner();
        let end = Instant::now() + most;
        let mut last = self.report()?;
        let mut away = None;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if last.verdict != Verdict::Wait || left.is_zero() {
                break;
            }
            spinner.set_message(
                away.as_ref()
                    .map_or_else(|| last.reasons.join("; "), |why: &Failure| why.message().to_owned()),
            );
            std::thread::sleep(left.min(ASKED_EVERY));
            away = match self.report() {
                Ok(report) => {
                    last = report;
                    None
                }
                Err(failure @ Failure::Runtime(_)) => Some(failure),
                Err(failure) => return Err(failure),
            };
        }
        spinner.finish_and_clear();
        away.map_or(Ok(last), Err)
    }
}

/// For people who watch; what it says is why the verdict is still wait.
fn spinner() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(TICK);
    spinner
}

/// A report costs the server a look at all its evidence.
const ASKED_EVERY: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(200);

pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  antumbra report
  antumbra report --policy checkout --output json | jq .regressions
  antumbra report --output markdown > comment.md
  antumbra report --from shop.ndjson --policy shop.yaml --plugin prices=prices.wasm
  antumbra capture shop.ndjson --count 10000 && antumbra report --from shop.ndjson --output markdown

With --from the file's lines are observations as `antumbra schema observation` describes them. Lines that
are none are named on stderr, counted as observations that were lost, and make the exit code 2.";
pub(super) const VERDICT_EXAMPLES: &str = "\
Examples:
  antumbra verdict && ./promote.sh
  antumbra verdict --wait 30m --output json
  antumbra verdict --from shop.ndjson --policy shop.yaml

In a pipeline:
  antumbra verdict --wait 30m
  case $? in 0) ./promote.sh;; 1) ./roll-back.sh;; 3) echo 'not enough evidence';; *) exit 1;; esac

Exit codes: 0 promote, 1 roll back, 2 usage or configuration, 3 wait, also when --wait is over,
4 failure while running. Lines of a capture that cannot be used count as observations that were lost.";
