//! What is written to stdout: text for people, JSON for programs.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write as _};
use std::sync::OnceLock;

use antumbra_control::audit::Entry;
use antumbra_engine::{Report, TextStyle};
use antumbra_store::Accounts;
use console::Term;
use serde::Serialize;

use crate::api::policies::{Audit, Generation, History, Outcome};
use crate::api::status::Filter;
use crate::api::status::{ReleaseStatus, Status};

/// Writes text; a reader that closed the pipe has read enough. What else goes wrong is said at the end: see [`unwritten`].
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(UNWRITTEN.set(error.to_string())),
        _ => {}
    }
}

/// Why something could not be written, if so: whoever keeps the output in a file has a part of it.
pub(super) fn unwritten() -> Option<&'static str> {
    UNWRITTEN.get().map(String::as_str)
}

static UNWRITTEN: OnceLock<String> = OnceLock::new();

/// Writes a value as indented JSON.
pub(super) fn print_json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    print(&format!("{text}\n"));
}

/// A report in at most twenty lines, the last of which says how to see the `rest`; or in full.
pub(super) fn report(report: &Report, full: bool, rest: &str) -> String {
    let style = TextStyle { columns: columns(), colour: colour() };
    if full { report.to_text(style) } else { report.to_summary(style, rest) }
}

/// The width of the terminal; `COLUMNS` (POSIX) overrides it, and what is no terminal has the usual one.
fn columns() -> usize {
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let measured = || Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    given.or_else(measured).unwrap_or(TextStyle::default().columns)
}

/// Whether stdout takes colours: a terminal, and `NO_COLOR` (no-color.org) is not set.
pub(super) fn colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    std::io::stdout().is_terminal() && !refused && !dumb
}

/// Says on stderr what a change did that may not be meant.
pub(super) fn complain(outcome: &Outcome) {
    if !outcome.undone.is_empty() {
        eprintln!("antumbra: this takes back what was changed at run time since the policy was put last:");
    }
    for undone in &outcome.undone {
        eprintln!("  {undone}");
    }
}

/// What a change did.
pub(super) fn outcome(outcome: &Outcome) -> String {
    let Outcome { name, generation, changed, created, new_session, diff, .. } = outcome;
    if !changed {
        return format!("{name}: nothing to change, generation {generation} says so already\n");
    }
    let mut text = format!("{name}: generation {generation}\n");
    for line in diff {
        let _ = writeln!(text, "  {line}");
    }
    if *new_session && !*created {
        text.push_str("  the evidence begins anew: what is compared, or how, became different\n");
    }
    text
}

/// How everything stands.
pub(super) fn status(status: &Status) -> String {
    let mut text = String::new();
    for release in &status.releases {
        write_release(&mut text, release);
    }
    if status.releases.is_empty() {
        text.push_str("no policy is stored\n");
    }
    write_accounts(&mut text, &status.accounts);
    text
}

fn write_release(text: &mut String, release: &ReleaseStatus) {
    let converged = if release.converged { "yes" } else { "no" };
    let count = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let _ = writeln!(
        text,
        "{}  generation {}  converged {converged}  session {}  exchanges {}",
        release.name,
        release.generation,
        count(release.session),
        count(release.exchanges),
    );
    for problem in &release.problems {
        let _ = writeln!(text, "  the stored policy can only be replaced: {problem}");
    }
    if release.filters.is_empty() {
        text.push_str("  no filter was seen within the last minute\n\n");
        return;
    }
    let _ = writeln!(
        text,
        "  {:32} {:>10} {:>10} {:>10} {:>10} {:>10} {:>11} {:>8}",
        "filter", "generation", "seen", "requests", "mirrored", "delivered", "undelivered", "unknown"
    );
    for filter in &release.filters {
        write_filter(text, filter);
    }
    if release.more_filters > 0 {
        let _ = writeln!(text, "  and {} more", release.more_filters);
    }
    text.push('\n');
}

fn write_filter(text: &mut String, filter: &Filter) {
    let accounts = &filter.accounts;
    let _ = writeln!(
        text,
        "  {:32} {:>10} {:>10} {:>10} {:>10} {:>10} {:>11} {:>8}",
        filter.instance,
        filter.generation.map_or_else(|| "none".to_owned(), |generation| generation.to_string()),
        format!("{:.1} s ago", filter.seconds_since_seen),
        accounts.requests,
        accounts.mirrored,
        accounts.delivered,
        accounts.undelivered.total(),
        accounts.unknown,
    );
}

fn write_accounts(text: &mut String, accounts: &Accounts) {
    let refused: u64 = accounts.refused.values().sum();
    let reasons: Vec<String> = accounts.refused.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    let _ = writeln!(
        text,
        "observations: received {} = compared {} + refused {refused} + duplicates {} + in flight {}",
        accounts.received, accounts.compared, accounts.duplicates, accounts.in_flight
    );
    if refused > 0 {
        let _ = writeln!(text, "refused: {}", reasons.join(", "));
    }
}

/// All generations, newest last.
pub(super) fn history(history: &History) -> String {
    let mut text = String::new();
    for generation in &history.generations {
        let Generation { generation, at, who, action, reason, diff } = generation;
        let _ = writeln!(text, "generation {generation}  {at}  {who}  {action}{}", quoted(reason));
        for line in diff {
            let _ = writeln!(text, "      {line}");
        }
    }
    text
}

fn quoted(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!("  \"{reason}\"") }
}

/// The audit, newest last.
pub(super) fn audit(audit: &Audit) -> String {
    let mut text: String = audit.entries.iter().map(entry).collect();
    let _ = match audit.broken_at {
        None => writeln!(text, "the chain of {} entries holds", audit.entries.len()),
        Some(seq) => writeln!(text, "THE CHAIN IS BROKEN at entry {seq}: the audit was altered"),
    };
    text
}

fn entry(entry: &Entry) -> String {
    let Entry { seq, at, who, action, generation, reason, .. } = entry;
    let why = quoted(reason);
    let mut text = format!("{seq:>4}  {at}  {who}  {action}  generation {generation}{why}\n");
    for line in &entry.diff {
        let _ = writeln!(text, "      {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_for_people() {
        let filter = Filter {
            instance: "0".repeat(31) + "1",
            generation: Some(4),
            seconds_since_seen: 0.3,
            accounts: antumbra_observation::Accounts {
                requests: 900,
                mirrored: 45,
                delivered: 44,
                unknown: 1,
                ..Default::default()
            },
        };
        let release = |filters| ReleaseStatus {
            name: "shop".to_owned(),
            generation: 4,
            problems: Vec::new(),
            converged: true,
            filters,
            more_filters: 3,
            session: Some(1),
            exchanges: Some(44),
            verdict: None,
        };
        let accounts = Accounts {
            received: 47,
            compared: 44,
            refused: [("too_large".to_owned(), 2)].into(),
            duplicates: 1,
            in_flight: 0,
        };
        let status =
            super::status(&Status { releases: vec![release(vec![filter]), release(vec![])], accounts });
        insta::assert_snapshot!(status, @r"
        shop  generation 4  converged yes  session 1  exchanges 44
          filter                           generation       seen   requests   mirrored  delivered undelivered  unknown
          00000000000000000000000000000001          4  0.3 s ago        900         45         44           0        1
          and 3 more

        shop  generation 4  converged yes  session 1  exchanges 44
          no filter was seen within the last minute

        observations: received 47 = compared 44 + refused 2 + duplicates 1 + in flight 0
        refused: too_large 2
        ");
    }

    #[test]
    fn changes_for_people() {
        let mut done = Outcome {
            name: "shop".to_owned(),
            generation: 5,
            changed: true,
            created: false,
            new_session: true,
            diff: vec!["rules[0].mirror[0].percent: 0 → 5".to_owned()],
            undone: Vec::new(),
        };
        insta::assert_snapshot!(outcome(&done), @r"
        shop: generation 5
          rules[0].mirror[0].percent: 0 → 5
          the evidence begins anew: what is compared, or how, became different
        ");
        done.changed = false;
        insta::assert_snapshot!(outcome(&done), @"shop: nothing to change, generation 5 says so already");
    }
}
