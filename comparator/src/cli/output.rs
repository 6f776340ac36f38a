//! What is written to stdout: text for people, JSON for programs.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write as _};
use std::sync::OnceLock;

use antumbra_control::audit::Entry;
use antumbra_engine::{Report, TextStyle};
use console::Term;
use serde::Serialize;

use crate::api::policies::{Audit, Generation, History, Outcome};

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

/// The width of the terminal; what is no terminal has the usual one.
pub(super) fn columns() -> usize {
    known_columns().unwrap_or(TextStyle::default().columns)
}

/// The width of the terminal; `COLUMNS` (POSIX) overrides it.
fn known_columns() -> Option<usize> {
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    given.or_else(|| Term::stdout().size_checked().map(|(_, columns)| usize::from(columns)))
}

/// Lines about what was read, broken at blanks where the terminal is too narrow for them; programs that read a pipe find each whole.
pub(super) fn wrapped(text: &str) -> String {
    known_columns().map_or_else(|| text.to_owned(), |columns| broken(text, columns.max(NARROWEST)))
}

/// Each line in as many as it takes, of which all but the first stand further in.
fn broken(text: &str, columns: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let mut width = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if width > indent && width + length > columns {
                out.truncate(out.trim_end().len());
                out.push('\n');
                out.push_str(&" ".repeat(indent + 2));
                width = indent + 2;
            }
            out.push_str(word);
            out.push(' ');
            width += length + 1;
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

/// The least width that is kept to, as a report does.
const NARROWEST: usize = 60;

/// Whether stdout takes colours: a terminal, and `NO_COLOR` (no-color.org) is not set.
pub(super) fn colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    std::io::stdout().is_terminal() && !refused && !dumb
}

/// Says on stderr what a change did that may not be meant.
pub(super) fn complain(outcome: &Outcome) {
    for warning in &outcome.warnings {
        eprintln!("antumbra: {warning}");
    }
    if !outcome.undone.is_empty() {
        eprintln!("antumbra: this takes back what was changed at run time since the policy was put last:");
    }
    for undone in &outcome.undone {
        eprintln!("  {undone}");
    }
}

/// What a change did.
pub(super) fn outcome(outcome: &Outcome) -> String {
    let Outcome { release, generation, changed, created, new_session, diff, .. } = outcome;
    if !changed {
        return format!("{release}: already so, at generation {generation}\n");
    }
    let mut text = format!("{release}: generation {generation}\n");
    for line in diff {
        let _ = writeln!(text, "  {line}");
    }
    if *new_session && !*created {
        text.push_str("  a new session of evidence starts: what is compared, or how, changed\n");
    }
    text
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
    for finding in &audit.findings {
        let _ = writeln!(text, "{finding}");
    }
    let _ = match (audit.broken_at, audit.findings.is_empty()) {
        (None, true) => writeln!(text, "hash chain intact ({} checked)", audit.entries.len()),
        (None, false) => writeln!(text, "THE AUDIT IS BROKEN: it is not as it was written"),
        (Some(seq), _) => writeln!(text, "THE CHAIN IS BROKEN at entry {seq}: the audit was altered"),
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
    fn lines_are_broken_at_blanks() {
        let text = "one two three four\n  five six: seven, eight nine\n\na-word-that-is-longer-than-a-line\n";
        insta::assert_snapshot!(broken(text, 14), @r"
        one two three
          four
          five six:
            seven,
            eight nine

        a-word-that-is-longer-than-a-line
        ");
        assert_eq!(broken(text, 100), text);
    }

    #[test]
    fn changes_for_people() {
        let mut done = Outcome {
            release: "shop".to_owned(),
            generation: 5,
            changed: true,
            created: false,
            new_session: true,
            diff: vec!["rules[0].mirror[0].percent: 0 → 5".to_owned()],
            undone: Vec::new(),
            warnings: Vec::new(),
        };
        insta::assert_snapshot!(outcome(&done), @r"
        shop: generation 5
          rules[0].mirror[0].percent: 0 → 5
          a new session of evidence starts: what is compared, or how, changed
        ");
        done.changed = false;
        insta::assert_snapshot!(outcome(&done), @"shop: already so, at generation 5");
    }
}
