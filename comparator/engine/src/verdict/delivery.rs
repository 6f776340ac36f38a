//! What never reached the comparator, by reason, and how much of it a promotion bears.
//!
//! What a limit kept from the shadows makes the sample thinner, and was mostly left out by chance. An observation that was made and
//! lost may be missing because of what it showed. So a promotion bears less of the latter. What each reason means is decided where
//! the reasons are: [`antumbra_observation::Meaning`].

use std::collections::BTreeMap;

use antumbra_observation::{Accounts, Counts, Meaning, NotMirrored, Undelivered, UnsafeMethod};
use serde::{Deserialize, Serialize};

use super::missing::Missing;
use super::ratio;
use super::reason::{Code, Reason};
use super::witness::MAX_SOURCES;
use crate::evidence::Evidence;
use crate::forecast::Further;
use crate::unsent::worded;
use crate::wording::{by_reason, count, exchanges, many, percent};

/// What the filters say about shadows and observations: what never arrived cannot have been clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Whether a filter has reported at all. If not, the counts mean nothing, and nothing can be promoted.
    #[serde(default)]
    pub known: bool,
    /// Exchanges whose shadows left.
    pub mirrored: u64,
    /// Observations that were lost or whose delivery is unknown.
    pub undelivered: u64,
    /// Sampled exchanges that never left for the shadows, because a limit, a breaker or trouble kept them.
    pub not_sent: u64,
    /// Of `undelivered`, those of which somebody said why.
    #[serde(default)]
    pub undelivered_by: Counts<Undelivered>,
    /// Filters that spoke within the last minute.
    #[serde(default)]
    pub alive: u64,
    /// Filters that spoke, and missed three heartbeats since.
    #[serde(default)]
    pub silent: u64,
    /// All requests that were not mirrored and of which somebody said why. Those whose reason means [`Meaning::Thinned`] are part
    /// of `not_sent`, the others are not.
    #[serde(default)]
    pub not_mirrored_by: Counts<NotMirrored>,
    /// Of those in `not_mirrored_by` with [`NotMirrored::UnsafeMethod`], the methods, as far as somebody said them.
    #[serde(default)]
    pub unsafe_methods: Counts<UnsafeMethod>,
}

/// What the filters of one source say, and what it brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'e> {
    pub(crate) name: &'e str,
    pub(crate) evidence: &'e Evidence,
    pub(crate) delivery: Delivery,
    /// Whether what it sends is counted at all.
    pub(crate) has_place: bool,
}

impl Delivery {
    /// What the accounts of filters say.
    pub fn of(accounts: &Accounts) -> Self {
        Self {
            known: true,
            mirrored: accounts.mirrored,
            undelivered: accounts.lost(),
            not_sent: accounts.thinned(),
            undelivered_by: accounts.undelivered,
            not_mirrored_by: accounts.not_mirrored,
            unsafe_methods: accounts.unsafe_methods,
            ..Self::default()
        }
    }

    /// Returns what both filters say, which are different ones.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            known: self.known || other.known,
            mirrored: self.mirrored.saturating_add(other.mirrored),
            undelivered: self.undelivered.saturating_add(other.undelivered),
            not_sent: self.not_sent.saturating_add(other.not_sent),
            undelivered_by: self.undelivered_by.plus(other.undelivered_by),
            alive: self.alive.saturating_add(other.alive),
            silent: self.silent.saturating_add(other.silent),
            not_mirrored_by: self.not_mirrored_by.plus(other.not_mirrored_by),
            unsafe_methods: self.unsafe_methods.plus(other.unsafe_methods),
        }
    }

    /// ` (outbox_full 3, unknown 1)`: why observations did not arrive, or nothing where nobody said.
    pub(crate) fn why_undelivered(&self) -> String {
        named(self.undelivered_by.iter().map(|(why, n)| (why.as_str(), n)).collect(), self.undelivered)
    }

    /// ` (rate 900)`: why shadows of sampled exchanges were not sent, or nothing where nobody said.
    pub(crate) fn why_not_sent(&self) -> String {
        named(self.thinned_by(), self.not_sent)
    }

    /// What keeps a promotion from resting on this evidence.
    fn missing(&self, evidence: &Evidence) -> Vec<Missing> {
        let received = evidence.taken();
        if let Some(missing) = self.unreported(received) {
            return vec![missing];
        }
        [self.lost(), self.thinned(evidence, received)].into_iter().flatten().collect()
    }

    /// It is not known how much was lost: then it may be any amount. The filters' next report may tell; no exchange has to be
    /// waited for.
    fn unreported(&self, received: u64) -> Option<Missing> {
        let unknown = Reason {
            bound: Some(MIN_REPORTED),
            ..Reason::new(Code::Unreported).needing(Some(Further::exactly(0)))
        };
        if !self.known {
            let why = "no filter has reported yet: whether anything was lost is not known";
            return Some(Missing { why: why.to_owned(), reason: unknown });
        }
        let mirrored = self.mirrored;
        let share = if received > 0 { ratio(mirrored, received) } else { 1.0 };
        (share < MIN_REPORTED).then(|| Missing {
            why: format!(
                "the filters have reported on {} of {}: whether more was lost is not known",
                count(mirrored),
                exchanges(received)
            ),
            reason: Reason { value: Some(share), ..unknown },
        })
    }

    fn lost(&self) -> Option<Missing> {
        let share = ratio(self.undelivered, self.mirrored.max(1));
        (share > MAX_UNDELIVERED).then(|| Missing {
            why: format!(
                "{} of {} did not arrive{}, at most {} may be missing",
                count(self.undelivered),
                many(self.mirrored, "observation"),
                self.why_undelivered(),
                percent(MAX_UNDELIVERED)
            ),
            reason: Reason::of(Code::Undelivered, share, MAX_UNDELIVERED),
        })
    }

    /// What the filters kept back, and the exchanges of which a shadow was not sent later.
    fn thinned(&self, evidence: &Evidence, received: u64) -> Option<Missing> {
        let sampled = self.mirrored.max(received).saturating_add(self.not_sent);
        let thinned = self.not_sent.saturating_add(evidence.release.all.not_sent);
        let share = ratio(thinned, sampled.max(1));
        if share <= MAX_NOT_SENT {
            return None;
        }
        let mut by = self.thinned_by();
        for (why, n) in evidence.not_sent() {
            *by.entry(why.as_str()).or_default() += n;
        }
        let why = format!(
            "{} of {} were not mirrored{}, at most {} may be: the rest may not be typical",
            count(thinned),
            many(sampled, "sampled exchange"),
            named(by, thinned),
            percent(MAX_NOT_SENT)
        );
        Some(Missing { why, reason: Reason::of(Code::NotSent, share, MAX_NOT_SENT) })
    }

    /// `not_sampled 900, unsafe_method 12`: requests that were not mirrored, by reason, most frequent first; empty where nobody said.
    pub(crate) fn not_mirrored(&self) -> String {
        let by =
            self.not_mirrored_by.iter().filter(|(_, n)| *n > 0).map(|(why, n)| (why.as_str(), n)).collect();
        by_reason(&by).trim_start_matches(" (").trim_end_matches(')').to_owned()
    }

    fn thinned_by(&self) -> BTreeMap<&'static str, u64> {
        self.by_meaning(Meaning::Thinned)
    }

    pub(crate) fn by_meaning(&self, meaning: Meaning) -> BTreeMap<&'static str, u64> {
        let meant = self.not_mirrored_by.iter().filter(|(why, _)| why.means() == meaning);
        meant.map(|(why, n)| (why.as_str(), n)).collect()
    }
}

impl Told<'_> {
    fn missing(&self) -> Vec<Missing> {
        if self.has_place {
            return self.delivery.missing(self.evidence);
        }
        let mirrored = many(self.delivery.mirrored, "exchange");
        let why = format!(
            "came after {MAX_SOURCES} others: nothing of the {mirrored} that it mirrored is compared"
        );
        vec![Missing { why, reason: Reason::of(Code::Undelivered, 1.0, MAX_UNDELIVERED) }]
    }
}

/// What keeps a promotion from resting on what these sources brought: of each kind that of the source of which it is worst. What one
/// says of itself makes up for nothing that another lost: counts are easily forged.
pub(super) fn missing(sources: &[Told<'_>]) -> Vec<Missing> {
    let mut worst: Vec<Missing> = Vec::new();
    for source in sources {
        for mut missing in source.missing() {
            if sources.len() > 1 {
                missing.why = format!("source {:?}: {}", source.name, missing.why);
            }
            match worst.iter_mut().find(|known| known.reason.code == missing.reason.code) {
                Some(known) if badness(&missing) > badness(known) => *known = missing,
                Some(_) => {}
                None => worst.push(missing),
            }
        }
    }
    worst
}

/// How far it is from what is needed: the share that is lost or kept back, or not reported on.
fn badness(missing: &Missing) -> f64 {
    match (missing.reason.code, missing.reason.value) {
        (Code::Unreported, share) => 1.0 - share.unwrap_or(-1.0),
        (_, share) => share.unwrap_or(0.0),
    }
}

/// No exchange had both its shadows: nothing was compared, and waiting does not help.
pub(super) fn never_sent(evidence: &Evidence) -> Missing {
    let exchanges = evidence.release.all.exchanges;
    let why = worded(&evidence.release.unsent, exchanges);
    let why = format!("no exchange could be compared: of {} {why}", count(exchanges));
    Missing { why, reason: Reason::of(Code::NotSent, 1.0, MAX_NOT_SENT) }
}

/// The reasons of `whole` in brackets, and how many of it have none; nothing where none has one.
fn named(mut by: BTreeMap<&'static str, u64>, whole: u64) -> String {
    let unknown = whole.saturating_sub(by.values().copied().fold(0, u64::saturating_add));
    if unknown > 0 && !by.is_empty() {
        by.insert("unknown", unknown);
    }
    by_reason(&by)
}

/// The share of the mirrored exchanges whose observations may be lost.
const MAX_UNDELIVERED: f64 = 0.01;
/// The share of the exchanges that the filters' reports must account for: those of the last second are not in yet.
const MIN_REPORTED: f64 = 0.95;
/// The share of the sampled exchanges that may be kept from the shadows.
const MAX_NOT_SENT: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;
    use antumbra_observation::Unsent;

    /// All of them are counted as such, whatever the reason.
    #[test]
    fn a_shadow_that_is_not_sent_thins_the_sample() {
        assert!(Unsent::ALL.iter().all(|why| why.means() == Meaning::Thinned));
    }

    #[test]
    fn reasons_are_named_most_frequent_first_and_what_has_none_is_unknown() {
        let accounts = Accounts {
            mirrored: 90,
            undelivered: [(Undelivered::Refused, 2), (Undelivered::OutboxFull, 3)].into(),
            not_mirrored: [(NotMirrored::Rate, 5), (NotMirrored::Red, 9), (NotMirrored::TooLong, 7)].into(),
            unknown: 1,
            ..Accounts::default()
        };
        let delivery = Delivery::of(&accounts);
        assert_eq!((delivery.undelivered, delivery.not_sent), (6, 5));
        assert_eq!(delivery.why_undelivered(), " (outbox_full 3, refused 2, unknown 1)");
        assert_eq!(delivery.why_not_sent(), " (rate 5)");
        let untold = Delivery { undelivered: 6, not_sent: 5, mirrored: 90, ..Delivery::default() };
        assert_eq!((untold.why_undelivered(), untold.why_not_sent()), (String::new(), String::new()));
    }
}
