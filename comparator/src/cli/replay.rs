//! `antumbra replay`: a recording against two versions before anybody uses the new one, and the verdict as an exit code.
//!
//! The file is read on a thread of its own: a pipe may be slow, and the pace of the requests must not be that of the file.

mod lacking;

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use antumbra_engine::Report;
use antumbra_plugin::Runtime;
use clap::ValueEnum;
use http::HeaderValue;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use lacking::Lacking;

use super::output::{self, print, print_json};
use super::terms::{DescriptorSet, Terms};
use super::values::{NamedHeader, NamedPlugin, Rate, Timeout};
use super::{Failure, Output, commands};
use crate::replay::{Accounts, Admission, Entry, Host, Plan, Recording, Replay};
use crate::shadows::{Limits, Network, Target, Url, resolve};

/// What to replay, and to whom.
#[derive(clap::Args)]
pub(super) struct Options {
    /// A capture of `antumbra capture`, a GoReplay file or a HAR file; `-` is stdin
    file: PathBuf,
    /// The stable version, as `http://10.0.0.7:8080`; its answers are what the others are compared with
    #[arg(long, value_name = "URL")]
    primary: Url,
    /// The new version
    #[arg(long, value_name = "URL")]
    candidate: Url,
    /// The stable version once more, instances of their own by preference: it shows what is noise. Without it differences are
    /// listed, and the verdict stays wait
    #[arg(long, value_name = "URL")]
    control: Option<Url>,
    /// The Host of all requests, or `recorded` for the one that each came with; unless given, that of each URL
    #[arg(long)]
    host: Option<String>,
    /// A header to send with each request in place of the recorded one, such as a credential that the capture blanked; may be
    /// repeated. All three services get it
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<NamedHeader>,
    /// A policy whose `compare` and `gates` are to hold
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A component that the policy's `compare.plugins` names; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    plugin: Vec<NamedPlugin>,
    #[command(flatten)]
    descriptors: DescriptorSet,
    /// Requests a second, sent whether or not earlier ones were answered
    #[arg(long, default_value = "50")]
    rate: Rate,
    /// Requests that may be under way at a time; one that is due beyond that is not sent, and counted
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,
    /// How long one answer may take
    #[arg(long, default_value = "2s")]
    timeout: Timeout,
    /// Send at most so many requests
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Whether to send methods other than GET, HEAD and OPTIONS, to all of the URLs
    #[arg(long, value_enum, default_value_t)]
    unsafe_methods: UnsafeMethods,
    /// Whether to send the conditions of the recorded client: If-None-Match, If-Modified-Since, If-Match, If-Unmodified-Since and
    /// If-Range. They are about copies that it had of other answers
    #[arg(long, value_enum, default_value_t)]
    conditional_headers: ConditionalHeaders,
    /// A private, link-local or otherwise guarded address or network that may be called; may be repeated. Loopback always may
    #[arg(long, value_name = "CIDR")]
    allow_address: Vec<Network>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Everything that is known, instead of a report of at most twenty lines
    #[arg(long)]
    full: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum UnsafeMethods {
    /// They are skipped
    #[default]
    Deny,
    /// They are sent
    Allow,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ConditionalHeaders {
    /// They are left out
    #[default]
    Drop,
    /// They are sent
    Send,
}

/// Replays a file and prints what came of it.
pub(super) fn replay(options: &Options, sandbox: &dyn Runtime) -> Result<ExitCode, Failure> {
    let terms = Terms::read(options.policy.as_deref(), &options.plugin, &options.descriptors, sandbox)?;
    let terms = terms.shortened(planned(options)?);
    let (file, bar) = open(&options.file)?;
    let recording = Recording::open(file)
        .map_err(|error| Failure::Usage(format!("{}: {error}", options.file.display())))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Runtime(error.to_string()))?;
    let (replay, unread) = runtime.block_on(run(options, &terms, recording, &bar))?;
    bar.finish_and_clear();
    let found = replay.found();
    let name = terms.name.as_deref().unwrap_or("replay");
    let report = antumbra_engine::report(name, &found.evidence, &terms.gates, &found.accounts.delivery());
    let report = report.with_unmet(&found.evidence, &terms.comparing.rules);
    let report = found.accounts.statuses.judged(report.with_unlooked(&found.accounts.unlooked()));
    match options.output {
        Output::Json => print_json(&Replayed { report: &report, replay: &found.accounts }),
        Output::Text => print(&text(&found.accounts, &report, options.full)),
    }
    match unread {
        Some(error) => {
            Err(Failure::Runtime(format!("{}: {error}; the rest was not read", options.file.display())))
        }
        None => Ok(commands::code(report.verdict)),
    }
}

/// The report as `antumbra report` has it, and what became of the requests.
#[derive(Serialize)]
struct Replayed<'r> {
    #[serde(flatten)]
    report: &'r Report,
    replay: &'r Accounts,
}

fn text(accounts: &Accounts, report: &Report, full: bool) -> String {
    let lines: String = accounts.lines().iter().map(|line| format!("{line}\n")).collect();
    format!("{}\n{}", output::wrapped(&lines), output::report(report, full, FULL))
}

/// The file, and how much of it was read, for people who watch.
fn open(file: &Path) -> Result<(impl BufRead + Send + use<>, ProgressBar), Failure> {
    let failed = |error: io::Error| Failure::Usage(format!("{}: {error}", file.display()));
    let (reader, length): (Box<dyn Read + Send>, Option<u64>) = if file == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let opened = File::open(file).map_err(failed)?;
        let about = opened.metadata().map_err(failed)?;
        (Box::new(opened), about.is_file().then_some(about.len()))
    };
    let bar = match length {
        _ if !io::stderr().is_terminal() => ProgressBar::hidden(),
        Some(length) => ProgressBar::new(length).with_style(style("{bar:30} {percent:>3} % read  {msg}")),
        None => ProgressBar::new_spinner().with_style(style("{spinner} {msg}")),
    };
    Ok((BufReader::new(bar.wrap_read(reader)), bar))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Replays until the recording ends or somebody interrupts; a second interrupt does not wait for the last answers. Answers why the
/// recording could not be read to its end, if so.
async fn run(
    options: &Options,
    terms: &Terms,
    recording: Recording<impl BufRead + Send + 'static>,
    bar: &ProgressBar,
) -> Result<(Arc<Replay>, Option<io::Error>), Failure> {
    let replay = Arc::new(Replay::new(plan(options).await?, Limits::default(), terms.comparing.clone()));
    let (entries, mut failed) = entries(recording, Lacking::new(&options.file, &options.header, bar));
    tokio::select! {
        () = replay.send(entries, interrupted()) => {}
        () = show(&replay, bar) => {}
    }
    tokio::select! {
        () = replay.drained() => {}
        () = show(&replay, bar) => {}
        () = interrupted() => {}
    }
    Ok((replay, failed.try_recv().ok()))
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn show(replay: &Replay, bar: &ProgressBar) {
    loop {
        let Accounts { sent, compared, late, .. } = replay.found().accounts;
        bar.set_message(format!("{sent} sent, {compared} compared, {late} late"));
        tokio::time::sleep(SHOWN_EVERY).await;
    }
}

/// What the recording holds, and why it could not be read to its end.
fn entries(
    mut recording: Recording<impl BufRead + Send + 'static>,
    mut lacking: Lacking,
) -> (mpsc::Receiver<Entry>, oneshot::Receiver<io::Error>) {
    let (entries, receiver) = mpsc::channel(MAX_WAITING);
    let (failed, failure) = oneshot::channel();
    std::thread::spawn(move || {
        loop {
            match recording.next() {
                Ok(Some(entry)) => {
                    lacking.look_at(&entry);
                    if entries.blocking_send(entry).is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => return drop(failed.send(error)),
            }
        }
    });
    (receiver, failure)
}

/// How long the replay is to last, if that can be told before: a pipe is read only once.
fn planned(options: &Options) -> Result<Option<Duration>, Failure> {
    let failed = |error: &dyn Display| Failure::Usage(format!("{}: {error}", options.file.display()));
    let limit = options.limit.unwrap_or(u64::MAX);
    let is_file = std::fs::metadata(&options.file).is_ok_and(|about| about.is_file());
    let requests = if is_file {
        let file = File::open(&options.file).map_err(|error| failed(&error))?;
        let mut recording = Recording::open(BufReader::new(file)).map_err(|error| failed(&error))?;
        let mut requests = 0;
        while requests < limit && matches!(recording.next(), Ok(Some(_))) {
            requests += 1;
        }
        requests
    } else if limit < u64::MAX {
        limit
    } else {
        return Ok(None);
    };
    // Both are bounded, the rate from below as well.
    Ok(Duration::try_from_secs_f64(requests as f64 / options.rate.0).ok())
}

async fn plan(options: &Options) -> Result<Plan, Failure> {
    let control = match &options.control {
        Some(url) => Some(target("control", url, options).await?),
        None => None,
    };
    Ok(Plan {
        primary: target("primary", &options.primary, options).await?,
        candidate: target("candidate", &options.candidate, options).await?,
        control,
        host: host(options.host.as_deref())?,
        timeout: options.timeout.0,
        rate: options.rate.0,
        concurrency: options.concurrency as usize,
        limit: options.limit.unwrap_or(u64::MAX),
        headers: options.header.iter().map(|one| (one.name.clone(), one.value.clone())).collect(),
        admission: Admission {
            unsafe_methods: options.unsafe_methods == UnsafeMethods::Allow,
            conditional: options.conditional_headers == ConditionalHeaders::Send,
        },
    })
}

async fn target(role: &str, url: &Url, options: &Options) -> Result<Arc<Target>, Failure> {
    let wrong = |why: String| Failure::Usage(format!("--{role} {url}: {why}"));
    let address = resolve(url, &options.allow_address).await.map_err(wrong)?;
    let target = Target::new(role, url, address, options.concurrency as usize);
    target.map(Arc::new).map_err(|bad| wrong(bad.to_string()))
}

fn host(named: Option<&str>) -> Result<Host, Failure> {
    match named {
        None => Ok(Host::Own),
        Some("recorded") => Ok(Host::Recorded),
        Some(name) => match name.parse::<http::uri::Authority>() {
            Ok(authority) if !name.contains('@') => {
                HeaderValue::from_str(authority.as_str()).map(Host::Named).map_err(|_| bad_host(name))
            }
            _ => Err(bad_host(name)),
        },
    }
}

fn bad_host(name: &str) -> Failure {
    Failure::Usage(format!("--host is {name:?}, must be a host, with a port or without, or recorded"))
}

/// How to see the rest of a summary.
const FULL: &str = "more: the same command with --full";
/// Requests that are read ahead.
const MAX_WAITING: usize = 16;
const SHOWN_EVERY: Duration = Duration::from_millis(200);

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra capture shop.ndjson --count 10000 && \\
    antumbra replay shop.ndjson --primary http://127.0.0.1:8001 --candidate http://127.0.0.1:8002 \\
      --control http://127.0.0.1:8003 && ./release.sh
  antumbra replay requests.gor --primary http://10.0.0.7:8080 --candidate http://10.0.0.8:8080 \\
    --allow-address 10.0.0.0/8 --rate 200 --policy shop.yaml --output json
  antumbra replay session.har --primary http://127.0.0.1:8001 --candidate http://127.0.0.1:8002 --host shop.example \\
    --header authorization=$TOKEN

Sent are GET, HEAD and OPTIONS, first to the primary, then to candidate and control together, with the \
header x-antumbra-shadow. Names are resolved once, redirects are not followed, and only http is \
spoken. Control-C ends early with the report of what was done. An exchange that the file has twice is \
asked once. Characters that no request line may have are percent-encoded, as browsers do.

Each entry that is skipped is counted by its reason, and the first twenty are named with their places: \
the line of a capture, the record of a GoReplay file, the index in log.entries of a HAR file. A HAR \
body is postData.text, or postData.params written as a form or as multipart/form-data.

A replay shortens the spans of time of the gates: the shortest block is a hundredth of its planned length, \
at least 100 ms, the warm-up a twentieth, and gates.atLeast does not hold. If more than 5 % of the \
primary's answers have another status than recorded, the verdict is wait (reason population). HAR files \
and captures have recorded statuses; of GoReplay files only requests are read.

Exit codes: 0 promote, 1 roll back, 2 usage, 3 wait, 4 failure while running";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        assert_eq!(host(None), Ok(Host::Own));
        assert_eq!(host(Some("recorded")), Ok(Host::Recorded));
        assert_eq!(host(Some("shop.test:80")), Ok(Host::Named(HeaderValue::from_static("shop.test:80"))));
        for bad in ["", "a b", "u@a", "a/b"] {
            assert_eq!(host(Some(bad)), Err(bad_host(bad)));
        }
    }
}
