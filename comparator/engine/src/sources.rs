//! The evidence of several sources as one: which of them count, and what all of these together know.
//!
//! A *source* is whoever bears one filter's token; without tokens there is a single one, which is judged as it always was. What a source
//! brought is held against what its own filters' heartbeats say they mirrored. More than twice that (and a few for the start, as heartbeats
//! come later than observations) is odd, and the source is set aside as a whole: kept, counted and shown, and no part of the verdict.
//!
//! *Numbers of hypotheses.* The source at place s (from 0, in the order in which they first came) has the numbers (2i − 1)·2^s: all
//! numbers are different, and none depends on how many sources come later or are set aside, since the place of one that is set aside
//! stays empty. [`Evidence::merge`] makes just these if the sources are merged from the last to the first. A hypothesis that several
//! found has the largest of its numbers. So for the sources that count, the sum of weighted e-values is a supermartingale from 1 on, as
//! for one (see [`crate::merge`]); which of them count depends on how many observations and heartbeats came, never on what they show.
//! As long as there is one source, its numbers are its own, i. Once a second comes, its i-th becomes 2i − 1, whose weight is smaller; the
//! others get the even numbers, whose weights sum to 1 − ln 2. So the probability that a release without regression is ever rolled back
//! is at most α while one source is there, and 1.31·α over a session in which others join.

use std::borrow::Cow;
use std::collections::BTreeMap;

use antumbra_observation::Unsent;

use crate::evidence::Evidence;
use crate::outside::{PluginReport, Plugins};
use crate::report::{self, Gap, Report, SourceReport, SourceStanding, Uncovered};
use crate::stats::ratio;
use crate::verdict::{self, Delivery, Gates, MAX_SOURCES, Told, Witness};

/// What one source brought, and what its filters say of it.
#[derive(Debug, Clone, Copy)]
pub struct Sourced<'e> {
    /// The name of its token; none for what came without one.
    pub name: Option<&'e str>,
    /// What is known of the exchanges that it sent.
    pub evidence: &'e Evidence,
    /// What its own filters delivered, by their heartbeats.
    pub delivery: Delivery,
}

/// The sources of a release, not merged: what can be summed costs next to nothing.
#[derive(Debug)]
pub struct Apart<'e>(Vec<Sourced<'e>>);

/// The sources of a release, and what those together know that count.
#[derive(Debug)]
pub struct Together<'e> {
    sources: Apart<'e>,
    merged: Cow<'e, Evidence>,
}

impl Sourced<'_> {
    /// How it is called.
    fn called(&self) -> &str {
        self.name.unwrap_or(OPEN)
    }

    /// Exchanges that its filters say they mirrored.
    fn explained(&self) -> Option<u64> {
        self.name.map(|_| self.delivery.mirrored)
    }

    /// Whether it brought more than its filters' heartbeats explain.
    fn is_odd(&self) -> bool {
        let most = |explained: u64| explained.saturating_mul(MOST_TIMES).saturating_add(AT_THE_START);
        self.explained().is_some_and(|explained| self.evidence.taken() > most(explained))
    }

    fn brought_any(&self) -> bool {
        self.evidence.taken() > 0
    }

    /// What its filters say, for the sums of a report: a source that sent nothing mirrored no more than what it says was lost, as far as
    /// anybody can tell.
    fn borne_out(&self) -> Delivery {
        let Delivery { mirrored, undelivered, .. } = self.delivery;
        let mirrored = if self.brought_any() { mirrored } else { mirrored.min(undelivered) };
        Delivery { mirrored, ..self.delivery }
    }

    fn report(&self, standing: SourceStanding) -> SourceReport {
        SourceReport {
            source: self.called().to_owned(),
            observations: self.evidence.taken(),
            explained: self.explained(),
            standing,
        }
    }
}

impl<'e> Apart<'e> {
    /// Takes the sources of a release, in the order in which each first sent an observation.
    pub fn of(sources: Vec<Sourced<'e>>) -> Self {
        Self(sources)
    }

    /// Returns the number of exchanges that were compared, from the sources that count.
    pub fn exchanges(&self) -> u64 {
        self.counted().map(|source| source.evidence.exchanges()).sum()
    }

    /// Returns how many exchanges there are of which a shadow was not sent, as [`Evidence::not_sent`] does, from the sources that count.
    pub fn not_sent(&self) -> BTreeMap<Unsent, u64> {
        let mut sums = BTreeMap::new();
        for (why, exchanges) in self.counted().flat_map(|source| source.evidence.not_sent()) {
            *sums.entry(why).or_default() += exchanges;
        }
        sums
    }

    /// Returns how each plugin fared, from the sources that count.
    pub fn plugins(&self) -> Vec<PluginReport> {
        let mut all = Plugins::default();
        self.counted().for_each(|source| all.merge(&source.evidence.release.plugins));
        all.report()
    }

    /// Returns what each source brought, if a token tells whose that is.
    pub fn reports(&self) -> Vec<SourceReport> {
        let told = self.0.iter().any(|source| source.name.is_some());
        self.0.iter().filter(|_| told).map(|source| source.report(self.standing(source))).collect()
    }

    fn standing(&self, source: &Sourced<'_>) -> SourceStanding {
        match source.is_odd() {
            true => SourceStanding::SetAside,
            false if self.has_place_for(source) => SourceStanding::Counted,
            false => SourceStanding::NoPlace,
        }
    }

    /// Whether what it mirrors is compared, or would be. Who comes once all places are taken has none.
    fn has_place_for(&self, source: &Sourced<'_>) -> bool {
        source.brought_any() || source.delivery.mirrored == 0 || brought(&self.0).len() < MAX_SOURCES
    }

    /// What the filters of all sources that count say, as one. No verdict rests on the sums, which a single source can bend.
    fn delivery(&self) -> Delivery {
        let any = self.0.iter().any(Sourced::brought_any);
        let each = self.counted().map(|source| if any { source.borne_out() } else { source.delivery });
        each.fold(Delivery::default(), Delivery::and)
    }

    /// What each source that counts tells of its losses; also one that sent nothing, once it spoke: it may have lost all.
    fn told(&self) -> Vec<Told<'_>> {
        let telling = self.counted().filter(|source| source.brought_any() || source.delivery.known);
        let told = telling.map(|source| Told {
            name: source.called(),
            evidence: source.evidence,
            delivery: source.delivery,
            has_place: self.has_place_for(source),
        });
        told.collect()
    }

    fn counted(&self) -> impl Iterator<Item = &Sourced<'e>> {
        self.0.iter().filter(|source| !source.is_odd())
    }
}

impl<'e> Together<'e> {
    /// Puts together what the sources of a release know, which are in the order in which each first sent an observation.
    pub fn of(sources: Vec<Sourced<'e>>) -> Self {
        let merged = match brought(&sources).as_slice() {
            [one] if !one.is_odd() => Cow::Borrowed(one.evidence),
            _ => Cow::Owned(merged(&sources, |source| !source.is_odd())),
        };
        Self { sources: Apart(sources), merged }
    }

    /// Returns what the sources that count know.
    pub fn evidence(&self) -> &Evidence {
        &self.merged
    }

    /// Judges a release by the sources that count. May be called at any moment, as often as wanted.
    pub fn report(&self, release: &str, gates: &Gates) -> Report {
        let (delivery, told) = (self.sources.delivery(), self.sources.told());
        let counted = brought(&self.sources.0).into_iter().filter(|source| !source.is_odd());
        let witnesses: Vec<Witness<'_>> =
            counted.map(|source| Witness { name: source.called(), evidence: source.evidence }).collect();
        let judgement = if witnesses.len() > 1 {
            let without = |left_out: &Evidence| {
                merged(&self.sources.0, |source| !source.is_odd() && !std::ptr::eq(source.evidence, left_out))
            };
            verdict::judge_together(&self.merged, &witnesses, without, gates, &told)
        } else {
            verdict::judge(&self.merged, gates, &told)
        };
        let mut report = report::of(release, &self.merged, gates, &delivery, judgement);
        report.sources = self.sources.reports();
        let mirrored = |source: &SourceReport| source.explained.unwrap_or_default();
        let no_place = self.not_counted(SourceStanding::NoPlace, Gap::NoPlace, mirrored);
        let odd = self.not_counted(SourceStanding::SetAside, Gap::SetAside, |source| source.observations);
        report.not_covered.splice(0..0, odd.into_iter().chain(no_place));
        report
    }

    /// Sources that stand so, those with the most of what is counted first, and the share of it that each has.
    fn not_counted(
        &self,
        standing: SourceStanding,
        cause: Gap,
        counts: impl Fn(&SourceReport) -> u64,
    ) -> Vec<Uncovered> {
        let mut reports = self.sources.reports();
        reports.sort_by_key(|source| std::cmp::Reverse(counts(source)));
        let all = reports.iter().map(&counts).fold(0, u64::saturating_add);
        let each = reports.iter().filter(|source| source.standing == standing);
        let each = each.filter_map(|source| Some((ratio(counts(source), all), source.why_set_aside()?)));
        each.map(|(share, text)| Uncovered::new(cause, share, text)).collect()
    }
}

/// Those that sent anything, each of which has a place.
fn brought<'s, 'e>(sources: &'s [Sourced<'e>]) -> Vec<&'s Sourced<'e>> {
    sources.iter().filter(|source| source.brought_any()).collect()
}

/// What those together know that count; the places of the others stay empty.
fn merged(sources: &[Sourced<'_>], counts: impl Fn(&Sourced<'_>) -> bool) -> Evidence {
    let brought = brought(sources);
    let nothing = || {
        let mut nothing = Evidence::new();
        if let Some(first) = brought.first() {
            nothing.set_pace(first.evidence.pace);
        }
        nothing
    };
    brought.iter().rev().fold(nothing(), |behind, source| {
        let mut merged = if counts(source) { source.evidence.clone() } else { nothing() };
        merged.merge(behind);
        merged
    })
}

/// What the source is called that has no token.
const OPEN: &str = "open";
/// How many times what heartbeats explain a source may bring. They come about a second after what they count.
const MOST_TIMES: u64 = 2;
/// Observations that a source may bring before its first heartbeat counts any.
const AT_THE_START: u64 = 256;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use antumbra_observation::{Leg, Observation};

    use super::*;
    use crate::rules::Rules;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// What one source knows that found a difference at each of so many places, in this order.
    fn found(places: &[&str]) -> Evidence {
        let mut evidence = Evidence::new();
        for (number, place) in (1..).zip(places) {
            let leg = |price: u64| {
                let body = format!("{{\"{place}\":{price}}}");
                Leg::answer("v", 200).with_json(&body).with_latency_us(1_000)
            };
            let observation = Observation::new("shop", "GET", "/items")
                .with_id(number)
                .with_arrival_us(1_700_000_000_000_000 + number as u64)
                .with_primary(leg(1))
                .with_candidate(leg(2))
                .with_control(leg(1));
            evidence.set_pace(crate::Pace { warm_up_us: 0, ..evidence.pace });
            evidence.observe(&observation, &Rules::default());
        }
        evidence
    }

    fn numbers(evidence: &Evidence) -> BTreeMap<String, u64> {
        let all = evidence.endpoints.values().flat_map(|endpoint| &endpoint.hypotheses);
        all.filter_map(|(subject, counts)| Some((subject.0.clone(), counts.discovered?))).collect()
    }

    fn sourced<'e>(name: &'e str, evidence: &'e Evidence, mirrored: u64) -> Sourced<'e> {
        let delivery = Delivery { known: true, mirrored, ..Delivery::default() };
        Sourced { name: Some(name), evidence, delivery }
    }

    /// Whoever comes later, or is set aside, changes no number of the others: weights that are given are never given again.
    #[test]
    fn numbers_stay_when_sources_join_and_when_one_is_set_aside() {
        let all = [found(&["a", "b"]), found(&["c", "d"]), found(&["e", "a"])];
        let odd = found(&["x"; 300]);
        let of = |others: &[(&'static str, &Evidence, u64)]| {
            let sources = others.iter().map(|(name, evidence, mirrored)| sourced(name, evidence, *mirrored));
            numbers(Together::of(sources.collect()).evidence())
        };
        let [first, second, third] = all.each_ref();
        let two = of(&[("1", first, 2), ("2", second, 2)]);
        assert_eq!(two.values().copied().collect::<BTreeSet<_>>(), [1, 2, 3, 6].into());
        assert_eq!((two["/a"], two["/b"], two["/c"]), (1, 3, 2));
        let three = of(&[("1", first, 2), ("2", second, 2), ("3", third, 2)]);
        assert_eq!((three["/b"], three["/c"], three["/d"], three["/e"]), (3, 2, 6, 4));
        assert_eq!(three["/a"], 12, "the larger of the numbers of those that found it");
        let without = of(&[("1", first, 2), ("odd", &odd, 0), ("3", third, 2)]);
        assert_eq!((without["/b"], without["/e"], without.get("/x")), (3, 4, None));
    }

    #[test]
    fn what_sources_know_together_is_what_one_would_know() {
        let places = ["a", "b", "a", "c", "a", "b", "d", "a"];
        let one = found(&places);
        let parts = [found(&places[..3]), found(&places[3..5]), found(&places[5..])];
        let names = ["1", "2", "3"];
        let sources = names.iter().zip(&parts).map(|(name, part)| sourced(name, part, part.taken()));
        let together = Together::of(sources.collect());
        let counts = |evidence: &Evidence| {
            let report = report::report("shop", evidence, &Gates::default(), &Delivery::default());
            let noise = report.noise.into_iter();
            noise.map(|noise| (noise.path, noise.candidate_only)).collect::<BTreeSet<_>>()
        };
        assert_eq!(counts(together.evidence()), counts(&one));
        assert_eq!(together.evidence().exchanges(), one.exchanges());
    }

    #[test]
    fn a_source_may_bring_twice_what_is_explained_and_some_for_the_start() {
        let evidence = found(&["a"; 276]);
        let odd = |mirrored| sourced("edge", &evidence, mirrored).is_odd();
        assert_eq!([0, 9, 10, 276].map(odd), [true, true, false, false]);
        let open = Sourced { name: None, evidence: &evidence, delivery: Delivery::default() };
        assert!(!open.is_odd(), "nothing can be asked");
    }
}
