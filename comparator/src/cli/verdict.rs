//! `antumbra verdict`: what to do with a release, as an exit code that a pipeline needs.
//!
//! A line of a capture that cannot be used counts as an observation that never arrived, so this fails only if nothing could be read.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use antumbra_engine::{Forecast, Reason, Report, Verdict};
use antumbra_plugin::Runtime;
use indicatif::ProgressBar;
use serde::Serialize;

use super::report::{Server, Source, complain, listed, offline};
use super::values::Lasting;
use super::{Failure, Output, commands};

/// What `antumbra verdict` is asked.
#[derive(clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    source: Source,
    /// Ask again until the verdict is another than wait, for at most this long, such as 10m. A comparator that does not answer yet is
    /// waited for, too
    #[arg(long, value_name = "DURATION", conflicts_with = "from")]
    wait: Option<Lasting>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// `antumbra verdict`.
pub(super) fn verdict(options: &Options, sandbox: &dyn Runtime) -> Result<ExitCode, Failure> {
    let report = match (&options.source.from[..], options.wait) {
        ([], None) => Server::new(&options.source)?.report()?,
        ([], Some(Lasting(most))) => decided(&options.source, most)?,
        (files, _) => {
            let (report, capture) = offline(&options.source, sandbox)?;
            complain(files, &capture);
            if capture.observations == 0 && capture.bad > 0 {
                return Err(Failure::Usage(format!("{}: no line holds an observation", listed(files))));
            }
            report
        }
    };
    commands::show(options.output, &Judgement::of(&report), Judgement::to_text)?;
    Ok(commands::code(report.verdict))
}

/// The report without the tables.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Judgement<'r> {
    release: &'r str,
    verdict: Verdict,
    reasons: &'r [String],
    reason_details: &'r [Reason],
    exchanges: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forecast: Option<Forecast>,
}

impl<'r> Judgement<'r> {
    fn of(report: &'r Report) -> Self {
        let Report { release, verdict, reasons, reason_details, exchanges, needed, forecast, .. } = report;
        Self {
            release,
            verdict: *verdict,
            reasons,
            reason_details,
            exchanges: *exchanges,
            needed: *needed,
            forecast: *forecast,
        }
    }

    fn to_text(&self) -> String {
        self.reasons.iter().fold(format!("{}\n", self.verdict), |text, reason| format!("{text}  {reason}\n"))
    }
}

/// The first report whose verdict is not wait, or the last one within the time. A server that does not answer may be starting.
fn decided(source: &Source, most: Duration) -> Result<Report, Failure> {
    let end = Instant::now() + most;
    let mut progress = Progress::new();
    let mut server = None;
    loop {
        let asked = match &server {
            None => Server::new(source).and_then(|new| server.insert(new).report()),
            Some(server) => server.report(),
        };
        let left = end.saturating_duration_since(Instant::now());
        match &asked {
            Ok(report) if report.verdict == Verdict::Wait => progress.waits(report),
            Err(failure) if failure.may_pass() => progress.says(failure.message()),
            _ => return asked,
        }
        if left.is_zero() {
            return asked;
        }
        std::thread::sleep(left.min(ASKED_EVERY));
    }
}

/// Why it is still waited, on stderr: a line that changes on a terminal, elsewhere a new one from time to time.
struct Progress {
    spinner: Option<ProgressBar>,
    said: Option<(Instant, String)>,
}

impl Progress {
    fn new() -> Self {
        let spinner = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        if let Some(spinner) = &spinner {
            spinner.enable_steady_tick(TICK);
        }
        Self { spinner, said: None }
    }

    fn waits(&mut self, report: &Report) {
        let needed = report.forecast.map_or_else(String::new, |forecast| format!("; needed: {forecast}"));
        let why = report.reasons.first().map_or("", String::as_str);
        let exchanges = if report.exchanges == 1 { "exchange" } else { "exchanges" };
        self.says(&format!("wait after {} {exchanges}: {why}{needed}", report.exchanges));
    }

    fn says(&mut self, text: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(text.to_owned());
            return;
        }
        let news = match &self.said {
            None => true,
            Some((at, said)) => said != text && at.elapsed() >= SAID_EVERY,
        };
        if news {
            eprintln!("antumbra: {text}");
            self.said = Some((Instant::now(), text.to_owned()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

/// A report costs the server a look at all its evidence.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// A log is no terminal: it keeps every line.
const SAID_EVERY: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(200);

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra verdict && ./promote.sh
  antumbra verdict --wait 30m --output json
  antumbra verdict --from shop.ndjson --policy shop.yaml

In a pipeline:
  antumbra verdict --wait 30m
  case $? in 0) ./promote.sh;; 1) ./roll-back.sh;; 3) echo 'not enough evidence';; *) exit 1;; esac

Exit codes: 0 promote, 1 roll back, 2 usage or configuration, 3 wait, also when --wait is over, \
4 failure while running. Lines of a capture that cannot be used count as observations that were lost.";
