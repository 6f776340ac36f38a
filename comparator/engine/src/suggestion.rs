//! Which rule would explain what two answers of the stable version differ in, ready to paste.
//!
//! A guess is held against the control's differences alone: what the candidate shows must not argue for a rule that hides it.
//! How many differences of the candidate alone the rule would hide as well is counted beside, and always said.

mod wording;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evidence::{Endpoint, Evidence};
use crate::guess::{Allowed, Guess, Tally};
use crate::hypothesis::Hypothesis;
use crate::kind::{Kind, Subject};

/// A rule that a person may declare.
///
/// The first 512 exchanges that differ at a place are counted each, later ones by a sample: beyond that the counts are estimates, without
/// bias and with a standard error of at most 4 %. `explains` and `of` are of the same sample, as are `hides` and `hides_of`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// The endpoint: method and route template; `*` if the rule is for every endpoint.
    pub endpoint: String,
    /// At how many endpoints the control differs there.
    #[serde(default = "one")]
    pub endpoints: u64,
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

/// Those of all places that have noise; `costs` says what undeclared noise costs at a place.
///
/// The same place at several endpoints is one kind of noise: if one rule explains it at all of them, that rule is suggested, and its reach
/// over every endpoint is counted.
pub(crate) fn suggestions(
    evidence: &Evidence,
    costs: impl Fn(&Subject, &Hypothesis) -> Option<u64>,
) -> Vec<Suggestion> {
    let mut places: BTreeMap<&Subject, Vec<Noisy<'_>>> = BTreeMap::new();
    for (name, endpoint) in &evidence.endpoints {
        for (subject, counts) in &endpoint.hypotheses {
            if counts.tally.control > 0 && !matches!(subject.1, Kind::Status | Kind::Outcome | Kind::Latency)
            {
                places.entry(subject).or_default().push(Noisy { name, endpoint, counts });
            }
        }
    }
    let mut by_rule: BTreeMap<String, Suggestion> = BTreeMap::new();
    for (subject, noisy) in &places {
        for suggestion in suggest(evidence, subject, noisy, &costs) {
            match by_rule.get_mut(&suggestion.rule) {
                Some(before) => before.join(&suggestion),
                None => drop(by_rule.insert(suggestion.rule.clone(), suggestion)),
            }
        }
    }
    let mut found: Vec<Suggestion> = by_rule.into_values().collect();
    found.sort_by_key(|suggestion| std::cmp::Reverse((suggestion.costs, suggestion.of)));
    found.truncate(MAX_LISTED);
    found
}

/// A place that is noisy at an endpoint.
struct Noisy<'e> {
    name: &'e str,
    endpoint: &'e Endpoint,
    counts: &'e Hypothesis,
}

/// One rule for the place at all endpoints, if it is as good as one for each; else one for each.
fn suggest(
    evidence: &Evidence,
    subject: &Subject,
    noisy: &[Noisy<'_>],
    costs: &impl Fn(&Subject, &Hypothesis) -> Option<u64>,
) -> Vec<Suggestion> {
    let each = || noisy.iter().filter_map(|noisy| of_endpoint(subject, noisy, costs)).collect::<Vec<_>>();
    let (Some(first), true) = (noisy.first(), noisy.len() > 1) else { return each() };
    let mut together = Tally::default();
    noisy.iter().for_each(|noisy| together.merge(&noisy.counts.tally));
    let narrower = |tally: &Tally| tally.best().is_some();
    // What only a rule that allows everything can say of all of them may be said more closely of each.
    if !narrower(&together) && noisy.iter().any(|noisy| narrower(&noisy.counts.tally)) {
        return each();
    }
    let reach = || evidence.endpoints.values().map(|endpoint| &**endpoint);
    let most = noisy.iter().filter_map(|noisy| costs(subject, noisy.counts)).max();
    let suggested = wording::place(first.name, &subject.0)
        .and_then(|at| at.split(' ').next_back().map(str::to_owned))
        .and_then(|at| of_tally(&at, subject, &together, reach()));
    let endpoints = noisy.len() as u64;
    match suggested {
        Some(suggestion) => {
            let endpoint = ANY_ENDPOINT.to_owned();
            vec![Suggestion { endpoint, endpoints, costs: most, ..suggestion }]
        }
        None => each(),
    }
}

fn of_endpoint(
    subject: &Subject,
    noisy: &Noisy<'_>,
    costs: &impl Fn(&Subject, &Hypothesis) -> Option<u64>,
) -> Option<Suggestion> {
    let at = wording::place(noisy.name, &subject.0)?;
    let suggestion = of_tally(&at, subject, &noisy.counts.tally, std::iter::once(noisy.endpoint))?;
    let endpoint = noisy.name.to_owned();
    Some(Suggestion { endpoint, costs: costs(subject, noisy.counts), ..suggestion })
}

/// The rule for a place that reaches these endpoints.
fn of_tally<'e>(
    at: &str,
    subject: &Subject,
    tally: &Tally,
    endpoints: impl Iterator<Item = &'e Endpoint>,
) -> Option<Suggestion> {
    let Subject(path, kind) = subject;
    if tally.control < MIN_SEEN {
        return None;
    }
    let (guess, allowed) =
        tally.best().unwrap_or((Guess::Anything, Allowed { control: tally.control, ..Allowed::default() }));
    let hidden = endpoints.map(|endpoint| hidden(endpoint, path, guess));
    let (hides, hides_of) = hidden.fold((0, 0), |(hides, of), more| (hides + more.0, of + more.1));
    Some(Suggestion {
        endpoint: String::new(),
        endpoints: 1,
        path: path.clone(),
        kind: *kind,
        rule: wording::rule(at, guess),
        because: guess.because().to_owned(),
        explains: allowed.control,
        of: tally.control,
        hides,
        hides_of,
        costs: None,
    })
}

impl Suggestion {
    /// The same rule for another kind of difference at the place. What it hides is that of all kinds already.
    fn join(&mut self, other: &Self) {
        self.explains += other.explains;
        self.of += other.of;
        self.costs = self.costs.zip(other.costs).map(|(one, another)| one.max(another));
        self.endpoints = self.endpoints.max(other.endpoints);
    }
}

fn one() -> u64 {
    1
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
/// As an endpoint: every one.
const ANY_ENDPOINT: &str = "*";

#[cfg(test)]
mod tests;
