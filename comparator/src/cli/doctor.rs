//! `antumbra doctor`: whether a running set-up fits together, from the comparator over the policy to the proxy, each with what mends it.
//!
//! It only reads, and every check says what it looked at: a check that could not be made is no success.

mod checks;
mod proxy;

use std::fmt;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use self::checks::Release;
use self::proxy::Proxy;
use super::client::{Client, Dated};
use super::output::{print, print_json};
use super::{Failure, Output, Target};
use crate::api::policies::Listed;
use crate::api::status::Status;

/// What is to be looked at.
#[derive(clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    target: Target,
    /// The admin interface of an Envoy that runs the filter; may be repeated
    #[arg(long, value_name = "URL")]
    envoy: Vec<String>,
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    /// What was looked at.
    subject: String,
    finding: Finding,
    /// What was seen, and what mends it.
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Finding {
    Ok,
    Warning,
    Failed,
}

impl Check {
    fn new(finding: Finding, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { subject: subject.into(), finding, detail: detail.into() }
    }

    fn ok(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Finding::Ok, subject, detail)
    }

    fn warning(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Finding::Warning, subject, detail)
    }

    fn failed(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Finding::Failed, subject, detail)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.finding {
            Finding::Ok => "ok     ",
            Finding::Warning => "warning",
            Finding::Failed => "FAILED ",
        };
        write!(f, "{mark}  {}: {}", self.subject, self.detail)
    }
}

/// Everything that was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Diagnosis {
    healthy: bool,
    checks: Vec<Check>,
}

/// `antumbra doctor`.
pub(super) fn doctor(options: &Options) -> Result<ExitCode, Failure> {
    let mut checks = Vec::new();
    let releases = comparator(options, &mut checks)?;
    for url in &options.envoy {
        let asked = envoy(url, &mut checks)?;
        if let Some(proxy) = asked {
            checks.extend(checks::proxy(&proxy, releases.as_deref()));
        }
    }
    if options.envoy.is_empty() {
        let detail = "not looked at; --envoy http://127.0.0.1:9901 names the admin interface of one";
        checks.push(Check::warning("proxy", detail));
    }
    let healthy = checks.iter().all(|check| check.finding != Finding::Failed);
    match options.target.output {
        Output::Json => print_json(&Diagnosis { healthy, checks }),
        Output::Text => print(&text(&checks)),
    }
    Ok(ExitCode::from(u8::from(!healthy)))
}

/// A line for each look, and how many there were.
fn text(checks: &[Check]) -> String {
    let count = |finding| checks.iter().filter(|check| check.finding == finding).count();
    let lines: String = checks.iter().map(|check| format!("{check}\n")).collect();
    let (failed, warnings) = (count(Finding::Failed), count(Finding::Warning));
    let (all, plural) = (checks.len(), if checks.len() == 1 { "check" } else { "checks" });
    format!("{lines}{all} {plural}: {failed} failed, {warnings} to look at\n")
}

/// The comparator, and the releases that it has; `None` if it does not answer.
fn comparator(options: &Options, checks: &mut Vec<Check>) -> Result<Option<Vec<Release>>, Failure> {
    let client = Client::new(&options.target.server)?;
    let subject = format!("comparator {}", options.target.server);
    let Dated { value: status, date } = match client.get_dated::<Status>("/v1/status") {
        Ok(status) => status,
        Err(failure) => {
            checks.push(Check::failed(subject, failure.message()));
            return Ok(None);
        }
    };
    checks.push(Check::ok(&subject, "answers"));
    checks.push(checks::comparator_version(&subject, status.version.as_deref(), env!("CARGO_PKG_VERSION")));
    checks.extend(clock(&subject, date));
    let listed: Vec<Listed> = client.get("/v1/policies")?;
    let wanted = |name: &str| options.target.policy.as_deref().is_none_or(|wanted| wanted == name);
    let mut releases = Vec::new();
    for Listed { release: name, .. } in listed.iter().filter(|listed| wanted(&listed.release)) {
        match client.get::<Value>(&format!("/v1/policies/{name}")) {
            Ok(policy) => releases.push(Release { name: name.clone(), policy }),
            Err(failure) => checks.push(Check::failed(format!("policy {name}"), failure.message())),
        }
    }
    if let (Some(wanted), true, false) = (&options.target.policy, releases.is_empty(), listed.is_empty()) {
        let names: Vec<&str> = listed.iter().map(|listed| listed.release.as_str()).collect();
        let detail = format!("the comparator has no policy of that name; there are {}", names.join(", "));
        checks.push(Check::failed(format!("policy {wanted}"), detail));
    }
    if listed.is_empty() {
        checks
            .push(Check::failed("policy", "none is stored; `antumbra policy put FILE --create` stores one"));
    }
    let reported = status.releases.iter().filter(|release| wanted(&release.release));
    checks.extend(reported.flat_map(|release| checks::release(release, status.version.as_deref())));
    Ok(Some(releases))
}

/// What an Envoy says of itself.
fn envoy(url: &str, checks: &mut Vec<Check>) -> Result<Option<Proxy>, Failure> {
    let client = Client::anonymous(url, "--envoy")?;
    let subject = format!("Envoy {url}");
    let read = || -> Result<(Proxy, Option<u64>), Failure> {
        let Dated { value: info, date } = client.get_dated::<Value>("/server_info")?;
        let clusters: Value = client.get("/clusters?format=json")?;
        let dump: Value = client.get("/config_dump?include_eds")?;
        Ok((Proxy::of(&subject, &info, &clusters, &dump), date))
    };
    match read() {
        Ok((proxy, date)) => {
            checks.extend(clock(&subject, date));
            Ok(Some(proxy))
        }
        Err(failure) => {
            checks.push(Check::failed(subject, failure.message()));
            Ok(None)
        }
    }
}

/// Spans of time and signatures that expire rest on clocks that agree.
fn clock(subject: &str, date: Option<u64>) -> Option<Check> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let apart = date?.abs_diff(now);
    Some(if apart <= MAX_APART {
        Check::ok(format!("{subject} clock"), format!("within {MAX_APART} s of this machine's"))
    } else {
        let detail = format!("{apart} s away from this machine's; set both by NTP");
        Check::warning(format!("{subject} clock"), detail)
    })
}

/// Seconds; a date of HTTP has no finer unit, and an answer takes a while.
const MAX_APART: u64 = 5;

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra doctor
  antumbra doctor --envoy http://127.0.0.1:9901
  antumbra doctor --policy shop --envoy http://127.0.0.1:9901 --output json

It changes nothing. With --envoy it looks for each variant's cluster and whether its hosts answer, for the routes that match the variant \
header, for the filter's configuration and the keys that the policy names. Exit code 0 if nothing failed, 1 if something did.";
