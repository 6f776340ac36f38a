//! The differences of one answer as they are found: what is wanted of each is kept, and the rest only counted.

use std::collections::BTreeSet;

use super::Subjects;
use crate::excerpt;
use crate::farther::{Measure, Told};
use crate::guess::{Guesses, Sampled};
use crate::kind::{Differing, Kind, Subject};
use crate::refusal::Refusal;
use crate::series::Settled;
use crate::tokens::Changed;

/// The first of the differences of a subject in one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) exact: String,
    pub(crate) primary: String,
    pub(crate) other: String,
    /// What the control has there, if that is known to be neither.
    pub(crate) control: Option<String>,
}

impl Detail {
    /// Where one side is a secret, the other is likely one that does not look like it.
    fn alike(mut self) -> Self {
        if excerpt::is_hidden(&self.primary) != excerpt::is_hidden(&self.other) {
            for shown in [&mut self.primary, &mut self.other].into_iter().filter(|shown| **shown != ABSENT) {
                *shown = excerpt::REDACTED.to_owned();
            }
        }
        self
    }
}

/// All differences of an answer, declared ones left out.
pub(crate) struct Differences<'w> {
    pub(crate) found: Subjects,
    /// What is wanted of a difference besides its subject.
    wants: &'w dyn Fn(&Subject) -> Wanted<'w>,
    /// Each difference by itself instead, where that was asked for.
    list: Option<List>,
    /// Why bodies, or parts of them, were compared as bytes.
    pub(crate) refused: BTreeSet<Refusal>,
    pub(super) seen: usize,
    /// The subject that is looked up. Its text is written over each time: most differences are of a subject that was found before.
    probe: Subject,
}

/// Differences in the order in which they are found.
struct List {
    found: Vec<(Subject, Detail)>,
    most: usize,
}

/// What is known of the differences of one subject in one answer: what was [`Wanted`].
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Found {
    /// The first of them.
    pub(crate) detail: Option<Box<Detail>>,
    /// Which rules would allow all of them.
    pub(crate) sampled: Option<Sampled>,
    /// Which values of the place need not be looked at.
    pub(crate) settled: Settled,
    /// How the answer lies to the primary's there.
    pub(crate) measure: Measure,
}

/// What to find out about a difference. Most are only counted, and what nobody reads costs as much as finding them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wanted<'b> {
    pub(crate) detail: bool,
    /// Its detail, if it is farther from the primary than the control's.
    pub(crate) farther: bool,
    pub(crate) measure: bool,
    /// Which values of the place need not be looked at.
    pub(crate) settled: Settled,
    /// What the control's answer changes of a text, if that is what differs.
    pub(crate) beside: Option<&'b Changed>,
    /// The number of exchanges for which this one stands where guesses are counted; `None` if its guesses are not.
    pub(crate) weight: Option<u64>,
}

impl<'w> Differences<'w> {
    /// Finds out about each subject what `wants` says.
    pub(crate) fn wanting(wants: &'w dyn Fn(&Subject) -> Wanted<'w>) -> Self {
        Self {
            found: Subjects::default(),
            wants,
            list: None,
            refused: BTreeSet::new(),
            seen: 0,
            probe: Subject(String::new(), Kind::Value),
        }
    }

    /// Keeps the first difference of each subject.
    pub(crate) fn detailed() -> Self {
        Self::wanting(&|_| Wanted { detail: true, ..Wanted::default() })
    }

    /// Keeps only the subjects.
    pub(crate) fn subjects() -> Self {
        Self::wanting(&|_| Wanted::default())
    }

    /// Keeps the first of all differences, each by itself, in the order in which they are found.
    pub(crate) fn listing() -> Self {
        Self { list: Some(List { found: Vec::new(), most: MAX_SUBJECTS }), ..Self::detailed() }
    }

    /// Keeps each difference that is looked at.
    pub(crate) fn listing_all() -> Self {
        Self { list: Some(List { found: Vec::new(), most: MAX_DIFFERENCES }), ..Self::detailed() }
    }

    /// Takes a difference in. `path` writes its place.
    pub(crate) fn add(
        &mut self,
        path: impl FnOnce(&mut String),
        kind: Kind,
        detail: impl FnOnce() -> Detail,
        guesses: impl FnOnce() -> Guesses,
    ) {
        self.add_measured(path, kind, |_, _| detail(), guesses, || Measure::None);
    }

    /// The same of what can be measured. The detail is given the measure, if that is wanted, and what the control changes of a text.
    pub(crate) fn add_measured(
        &mut self,
        path: impl FnOnce(&mut String),
        kind: Kind,
        detail: impl FnOnce(&Measure, Option<&Changed>) -> Detail,
        guesses: impl FnOnce() -> Guesses,
        measure: impl FnOnce() -> Measure,
    ) {
        self.seen += 1;
        if self.full() {
            return self.refuse(Refusal::Differences);
        }
        self.probe.0.clear();
        path(&mut self.probe.0);
        self.probe.1 = kind;
        if let Some(List { found, most }) = &mut self.list {
            if found.len() < *most {
                found.push((self.probe.clone(), detail(&Measure::None, None).alike()));
            }
            return;
        }
        if let Some(before) = self.found.get_mut(&self.probe) {
            before.narrow(guesses);
            before.measure.add(measure);
        } else if self.found.len() < MAX_SUBJECTS {
            let wanted = (self.wants)(&self.probe);
            let measure = if wanted.measure { measure() } else { Measure::None };
            let detail = wanted.shows(&measure).then(|| Box::new(detail(&measure, wanted.beside).alike()));
            let sampled = wanted.weight.map(|weight| Sampled { guesses: guesses(), weight });
            self.found.push(self.probe.clone(), Found { detail, sampled, settled: wanted.settled, measure });
        }
    }

    /// Each subject with its first difference, where that was wanted.
    pub(crate) fn into_details(self) -> impl Iterator<Item = (Subject, Detail)> {
        let details = self.found.into_found().filter_map(|(subject, found)| Some((subject, *found.detail?)));
        let mut details: Vec<(Subject, Detail)> = details.collect();
        details.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        details.into_iter()
    }

    /// The list, and how many differences there are besides: at least one where looking for them ended.
    pub(crate) fn into_list(self) -> (Vec<(Subject, Detail)>, usize) {
        let looked_at = self.seen.min(MAX_DIFFERENCES);
        let more = usize::from(self.full());
        let list = self.list.map(|list| list.found).unwrap_or_default();
        let unlisted = looked_at.saturating_sub(list.len()).max(more);
        (list, unlisted)
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.refused.insert(refusal);
    }

    /// One more than are looked at: there are others, and looking for them would only cost time.
    pub(super) fn full(&self) -> bool {
        self.seen > MAX_DIFFERENCES
    }
}

impl Wanted<'_> {
    /// Whether the detail of a difference that is so far from the primary will be read.
    fn shows(&self, measure: &Measure) -> bool {
        match (measure, self.beside) {
            (Measure::Text(changed), Some(beside)) => {
                let told = Told::of_texts(changed, beside);
                match told.of {
                    Differing::Candidate => self.detail,
                    _ => self.farther && told.is_candidate_farther(),
                }
            }
            _ => self.detail || self.farther,
        }
    }
}

impl Found {
    /// Another difference of the same subject: a rule has to allow both.
    fn narrow(&mut self, guesses: impl FnOnce() -> Guesses) {
        if let Some(sampled) = self.sampled.as_mut().filter(|sampled| !sampled.guesses.is_none()) {
            sampled.guesses = sampled.guesses.and(guesses());
        }
    }
}

/// What stands for a value that is not there.
pub(crate) const ABSENT: &str = "(absent)";
/// Most subjects that one answer may differ in.
pub(super) const MAX_SUBJECTS: usize = 512;
/// Most differences that are looked at in one answer.
const MAX_DIFFERENCES: usize = 8_192;
