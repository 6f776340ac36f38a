//! Which rule would explain what two answers of the stable version differ in, ready to paste.
//!
//! A guess is held against the control's differences alone: what the candidate shows must not argue for a rule that hides it.
//! How many differences of the candidate alone the rule would hide as well is counted beside, and always said.

mod wording;

use serde::{Deserialize, Serialize};

use crate::evidence::{Endpoint, Evidence};
use crate::guess::{Allowed, Guess};
use crate::hypothesis::Hypothesis;
use crate::kind::{Kind, Subject};

/// A rule that a person may declare.
///
/// The first 512 exchanges that differ at a place are counted each, later ones by a sample: beyond that the counts are estimates, without
/// bias and with a standard error of at most 4 %. `explains` and `of` are of the same sample, as are `hides` and `hides_of`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// The endpoint: method and route template.
    pub endpoint: String,
    /// The place where the control differs.
    pub path: String,
    /// How it differs there.
    pub kind: Kind,
    /// The rule as an entry of `compare.rules`, in JSON, which is YAML too.
    pub rule: String,
    /// What the control's differences have in common.
    pub because: String,
    /// The number of exchanges whose control would no longer differ there.
    pub explains: u64,
    /// The number of exchanges whose control differs there.
    pub of: u64,
    /// The number of exchanges in which only the candidate differs, and would no longer differ.
    pub hides: u64,
    /// The number of exchanges in which only the candidate differs.
    pub hides_of: u64,
    /// About how many exchanges a promotion could be had earlier by declaring it; `None` if that cannot be told.
    pub costs: Option<u64>,
}

/// Those of all places that have noise; `costs` says what undeclared noise costs.
pub(crate) fn suggestions(
    evidence: &Evidence,
    costs: impl Fn(&Hypothesis) -> Option<u64>,
) -> Vec<Suggestion> {
    let mut found: Vec<Suggestion> = Vec::new();
    for (name, endpoint) in &evidence.endpoints {
        let mut here: Vec<Suggestion> = Vec::new();
        for (subject, counts) in &endpoint.hypotheses {
            let Some(suggestion) = suggest(name, endpoint, subject, counts, &costs) else { continue };
            match here.iter_mut().find(|before| before.rule == suggestion.rule) {
                Some(before) => before.join(&suggestion),
                None => here.push(suggestion),
            }
        }
        found.extend(here);
    }
    found.sort_by_key(|suggestion| std::cmp::Reverse((suggestion.costs, suggestion.of)));
    found.truncate(MAX_LISTED);
    found
}

fn suggest(
    name: &str,
    endpoint: &Endpoint,
    subject: &Subject,
    counts: &Hypothesis,
    costs: impl Fn(&Hypothesis) -> Option<u64>,
) -> Option<Suggestion> {
    let Subject(path, kind) = subject;
    let tally = &counts.tally;
    if tally.control < MIN_SEEN || matches!(kind, Kind::Status | Kind::Outcome | Kind::Latency) {
        return None;
    }
    let at = wording::place(name, path)?;
    let (guess, allowed) =
        tally.best().unwrap_or((Guess::Anything, Allowed { control: tally.control, ..Allowed::default() }));
    let (hides, hides_of) = hidden(endpoint, path, guess);
    Some(Suggestion {
        endpoint: name.to_owned(),
        path: path.clone(),
        kind: *kind,
        rule: wording::rule(&at, guess),
        because: guess.because().to_owned(),
        explains: allowed.control,
        of: tally.control,
        hides,
        hides_of,
        costs: costs(counts),
    })
}

impl Suggestion {
    /// The same rule for another kind of difference at the place. What it hides is that of all kinds already.
    fn join(&mut self, other: &Self) {
        self.explains += other.explains;
        self.of += other.of;
        self.costs = self.costs.zip(other.costs).map(|(one, another)| one.saturating_add(another));
    }
}

/// How many differences of the candidate alone a rule would hide, wherever it reaches, and how many there are.
fn hidden(endpoint: &Endpoint, path: &str, guess: Guess) -> (u64, u64) {
    let reached = endpoint.hypotheses.iter().filter(|(Subject(other, kind), _)| {
        !matches!(kind, Kind::Status | Kind::Outcome | Kind::Latency) && reaches(path, other, guess)
    });
    reached.fold((0, 0), |(hides, of), (_, counts)| match guess {
        // Where both differ, too, the candidate may be farther off: those are counted as differences of a kind of their own.
        Guess::Anything => (hides + counts.candidate_only, of + counts.candidate_only),
        _ => (hides + counts.tally.allowed(guess).candidate_only, of + counts.tally.candidate_only),
    })
}

/// Whether a rule for one place reaches another: as patterns do, and cookies with their attributes.
fn reaches(path: &str, other: &str, guess: Guess) -> bool {
    let bare = |path: &str| path.split(';').next().unwrap_or_default().to_owned();
    if !path.is_empty() && !path.starts_with('/') {
        return bare(path) == bare(other);
    }
    let mut others = other.split('/');
    let along = path.split('/').all(|own| others.next().is_some_and(|other| own == "*" || own == other));
    let is_body = other.is_empty() || other.starts_with('/');
    is_body && along && (guess != Guess::Unordered || others.next().is_none())
}

/// How many differences have to be seen before any rule is suggested.
const MIN_SEEN: u64 = 5;
const MAX_LISTED: usize = 50;

#[cfg(test)]
mod tests;
