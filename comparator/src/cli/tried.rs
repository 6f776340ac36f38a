//! What other rules would do, as text.

use std::fmt::Write as _;

use antumbra_control::Way;
use antumbra_engine::Report;

use crate::api::trial::{Counts, Kept, Outcome, Place};

/// Under which title a place stands.
#[derive(PartialEq, Eq)]
enum Said {
    Hidden,
    Shown,
    Explained,
    Left,
}

impl Said {
    fn of(place: &Place) -> Self {
        match place {
            _ if place.hidden() > 0 => Self::Hidden,
            _ if place.appears() > 0 => Self::Shown,
            _ if place.explains + place.hides > 0 => Self::Explained,
            _ => Self::Left,
        }
    }
}

/// What is hidden first.
pub(super) fn text(outcome: &Outcome) -> String {
    let Outcome { release, rules, kept, now, tried, candidate_only, places, more_places } = outcome;
    let way = match rules {
        Way::Extends => "the tried rules extend those of the policy",
        Way::Replaces => "the tried rules replace those of the policy",
    };
    let mut text = format!("{release}  {way}\n");
    if let Some(kept) = kept {
        write_kept(&mut text, kept);
    }
    write_verdict(&mut text, "now", now);
    write_verdict(&mut text, "tried", tried);
    let _ = writeln!(
        text,
        "  exchanges in which only the candidate differs: {} now, {} with the tried rules",
        candidate_only.now, candidate_only.tried
    );
    for (title, said) in [
        ("Hidden: the candidate differs alone, the control less often; maybe a defect", Said::Hidden),
        ("Shown by the tried rules", Said::Shown),
        ("Explained: the control differs alone as often", Said::Explained),
        ("Left as they are", Said::Left),
    ] {
        section(&mut text, title, places.iter().filter(|place| Said::of(place) == said));
    }
    if *more_places > 0 {
        let are = if *more_places == 1 { "place is" } else { "places are" };
        let _ = writeln!(text, "\n{more_places} more {are} not listed");
    }
    text.push_str(match kept {
        Some(_) => {
            "\nThe session of evidence goes on; with these rules in the policy a new one would begin.\n"
        }
        None => "\nWith these rules in the policy a new session of evidence would begin.\n",
    });
    text
}

fn write_kept(text: &mut String, kept: &Kept) {
    let Kept { session, since, exchanges, uniform, of, left_out } = kept;
    let Some(since) = since else {
        text.push_str("  no exchange has been compared since the server started, so none is kept\n");
        return;
    };
    let _ = writeln!(
        text,
        "  {exchanges} of {of} {} of session {session} {} kept, since {since}; a restart forgets them",
        if *of == 1 { "exchange" } else { "exchanges" },
        if *exchanges == 1 { "is" } else { "are" }
    );
    let _ =
        writeln!(text, "  the verdicts are those of {uniform} of them, a uniform sample of each endpoint");
    if *left_out > 0 {
        let _ = writeln!(text, "  not kept, too large or no memory left: {left_out}");
    }
}

fn write_verdict(text: &mut String, name: &str, report: &Report) {
    let _ = writeln!(text, "  {name:6} {}", report.verdict);
    for reason in report.reasons.iter().take(MAX_REASONS) {
        let _ = writeln!(text, "           {reason}");
    }
}

fn section<'p>(text: &mut String, title: &str, places: impl Iterator<Item = &'p Place>) {
    let places: Vec<&Place> = places.collect();
    if places.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for place in places.iter().take(MAX_SHOWN) {
        let path = if place.path.is_empty() { "(body)" } else { &place.path };
        let _ = writeln!(text, "  {} {path} {}", place.endpoint, place.kind);
        let _ = writeln!(text, "      {}", worth(place));
    }
    if places.len() > MAX_SHOWN {
        let _ = writeln!(text, "  … {} more with --output json", places.len() - MAX_SHOWN);
    }
}

/// What the tried rules do there, as a suggestion says it.
fn worth(place: &Place) -> String {
    let Place { now, tried, seen, hides, explains, .. } = place;
    let mut said = Vec::new();
    if *hides > 0 {
        said.push(format!("hides {hides} of {} of the candidate alone", now.candidate_only));
    }
    if now.of_control() > 0 {
        said.push(format!("explains {explains} of {} of the control", now.of_control()));
    }
    let (before, after) = (counts(*now), counts(*tried));
    said.push(if before == after { before } else { format!("{before} → {after}") });
    if let Some(seen) = seen.filter(|seen| seen.total() > now.total()) {
        said.push(format!("in all {}", counts(seen)));
    }
    said.join("; ")
}

fn counts(counts: Counts) -> String {
    let Counts { candidate_only, control_only, both, uncontrolled } = counts;
    let said: Vec<String> = [
        (candidate_only, "only the candidate"),
        (control_only, "only the control"),
        (both, "both"),
        (uncontrolled, "without a control"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{what} {count}"))
    .collect();
    if said.is_empty() { "nothing".to_owned() } else { said.join(", ") }
}

const MAX_REASONS: usize = 3;
const MAX_SHOWN: usize = 10;
