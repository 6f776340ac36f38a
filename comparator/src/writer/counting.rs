//! Which observations of a batch count: those of the session, decided under its rules, and each exchange once.

use std::collections::BTreeMap;

use antumbra_control::{Session, Version};
use antumbra_engine::Taken;
use antumbra_observation::Observation;
use antumbra_store::{StoreError, Writing};

use super::gathered::{Gathered, share_places};
use super::handle::{Batch, Under};
use crate::api::principal::Source;
use crate::live::kept::{Drawn, Marks};
use crate::live::ledger::Settled;
use crate::live::policies::Policies;
use crate::plugins::Prepared;

/// What one transaction counts.
pub(super) struct Counting<'t> {
    pub(super) releases: &'t mut BTreeMap<String, Gathered>,
    pub(super) policies: &'t Policies,
    /// How many places all releases together may name.
    pub(super) places: usize,
}

/// What became of a batch.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) settled: Settled,
    /// What each of its observations is to the session.
    pub(super) belong: Vec<Belongs>,
}

/// What an observation is to the session of its release.
#[derive(Debug, PartialEq)]
pub(super) enum Belongs {
    /// No part of it, or one that was met before.
    Not,
    /// A part that is only counted.
    Counted,
    /// A part that is only counted while a leg warms up.
    WarmUp,
    /// A part that was compared, until it is offered.
    Compared(Option<Drawn>),
}

/// What became of an observation.
#[derive(Debug, PartialEq)]
enum Became {
    /// Its policy was deleted since it arrived.
    Unknown,
    /// It does not belong to the session.
    Superseded,
    /// It was met before.
    SameId,
    /// So many other sources came before the one that sent it that there is no place for it.
    OneSourceTooMany,
    /// This.
    Taken(Taken),
}

impl Counting<'_> {
    /// Takes a batch in, unless it came before.
    pub(super) fn batch(&mut self, writing: &Writing<'_>, batch: &mut Batch) -> Result<Counted, StoreError> {
        let Counted { mut settled, mut belong } = Counted::default();
        let source = batch.source.clone();
        if let Some((instance, sequence)) = batch.id
            && !writing.note_batch(Source::name_of(source.as_ref()), instance, sequence)?
        {
            settled.duplicates = batch.observations.len() as u64;
            return Ok(Counted { settled, belong });
        }
        share_places(self.releases, self.places);
        let mut compared = std::mem::take(&mut batch.compared).into_iter();
        for (at, observation) in batch.observations.iter().enumerate() {
            let (prepared, under) = (batch.prepared.get(&at), compared.next().flatten());
            let (became, drawn) = self.one(source.as_ref(), observation, prepared, under);
            belong.push(match (&became, drawn) {
                (Became::Unknown | Became::Superseded | Became::SameId | Became::OneSourceTooMany, _) => {
                    Belongs::Not
                }
                (Became::Taken(Taken::Compared), Some(drawn)) => Belongs::Compared(Some(drawn)),
                (Became::Taken(Taken::WarmingUp), _) => Belongs::WarmUp,
                (Became::Taken(_), _) => Belongs::Counted,
            });
            match became {
                Became::Unknown => settled.unknown_release += 1,
                Became::Superseded => settled.superseded += 1,
                Became::SameId => settled.same_id += 1,
                Became::OneSourceTooMany => settled.one_source_too_many += 1,
                Became::Taken(Taken::Compared | Taken::WarmingUp) => settled.compared += 1,
                Became::Taken(Taken::Elsewhere) => settled.elsewhere += 1,
                Became::Taken(Taken::Repeated) => settled.repeated += 1,
            }
        }
        Ok(Counted { settled, belong })
    }

    fn one(
        &mut self,
        source: Option<&Source>,
        observation: &Observation,
        prepared: Option<&Prepared>,
        under: Option<Under>,
    ) -> (Became, Option<Drawn>) {
        let release = &observation.release;
        let (Some(gathered), Some(version)) = (self.releases.get_mut(release), self.policies.get(release))
        else {
            return (Became::Unknown, None);
        };
        let session = gathered.session;
        if !belongs(observation, session) || !is_prepared(prepared, &version, session) {
            return (Became::Superseded, None);
        }
        // Whoever sends nothing new gets no place, which would not be stored and is one of few; who gets none makes nothing known.
        if !gathered.has_place_for(source) {
            return (Became::OneSourceTooMany, None);
        }
        if !gathered.seen.is_new(observation.id) {
            return (Became::SameId, None);
        }
        let Some(brought) = gathered.of(source, version.document.gates().pace()) else {
            return (Became::OneSourceTooMany, None);
        };
        let (compared, drawn) = match under.filter(|under| under.holds(session)) {
            Some(Under { compared, drawn, .. }) => (compared, drawn),
            // Another session began since it was compared.
            None => {
                let rules = version.document.rules();
                let compared = Prepared::compare(prepared, observation, rules, &brought.evidence);
                let drawn = Marks::of(&compared).map(Drawn::counted);
                (compared, drawn)
            }
        };
        (Became::Taken(brought.take(compared)), drawn)
    }
}

impl Under {
    /// Whether it was compared by the rules of the session, and by what is known in it. All generations of a session have the same rules.
    fn holds(&self, session: Session) -> bool {
        self.generation >= session.since && self.session == session.number
    }
}

/// A late observation of an earlier candidate would blame the new one. Generation 0 is an inline policy.
fn belongs(observation: &Observation, session: Session) -> bool {
    observation.generation == 0 || observation.generation >= session.since
}

/// Whether the policy's plugins had their turn, and under rules that still hold: a policy may have changed since the batch came.
fn is_prepared(prepared: Option<&Prepared>, version: &Version, session: Session) -> bool {
    match prepared {
        None => version.document.plugins().is_empty(),
        Some(prepared) => prepared.generation >= session.since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::gathered::MAX_PLACES;
    use antumbra_control::Document;
    use antumbra_engine::{Evidence, MAX_SOURCES, Outside, compare};
    use antumbra_observation::Leg;

    const SHOP: &str =
        "{version: 1, name: shop, variants: {stable: null, canary: null, control: null}, default: stable,
        rules: [{name: shadow, mirror: [{to: canary, percent: 5, control: {to: control, percent: 100}}]}],
        compare: {ignore: [/price]}, gates: {warmUp: 0s}}";

    fn exchange() -> Observation {
        let leg =
            |variant, price: u32| Leg::answer(variant, 200).with_json(&format!("{{\"price\":{price}}}"));
        Observation::new("shop", "GET", "/items/7")
            .with_id(1)
            .with_generation(5)
            .with_primary(leg("stable", 1))
            .with_candidate(leg("canary", 2))
            .with_control(leg("control", 1))
    }

    /// What was compared by other rules, or by what another session knew, is compared anew.
    #[test]
    fn what_was_overtaken_while_it_was_compared_is_compared_anew() {
        let session = Session { number: 3, since: 4 };
        for (generation, number, holds) in [(5, 3, true), (4, 3, true), (3, 3, false), (5, 2, false)] {
            let policies = Policies::default();
            policies.put(Version::new(Document::from_yaml(SHOP.as_bytes()).unwrap(), 5, 0));
            let mut releases = BTreeMap::from([("shop".to_owned(), Gathered::new(session))]);
            let mut counting = Counting { releases: &mut releases, policies: &policies, places: MAX_PLACES };
            // By rules that do not ignore the price.
            let by = antumbra_engine::Rules::default();
            let compared = compare(&exchange(), &by, &Outside::default(), &Evidence::new());
            let drawn = Marks::of(&compared).map(Drawn::counted);
            let under = Under { generation, session: number, compared, drawn };
            let (became, drawn) = counting.one(None, &exchange(), None, Some(under));
            assert_eq!((became, drawn.is_some()), (Became::Taken(Taken::Compared), true));
            let evidence = &releases["shop"].sources()[0].evidence;
            let gates = antumbra_engine::Gates::default();
            let delivery = antumbra_engine::Delivery::default();
            let report = antumbra_engine::report("shop", evidence, &gates, &delivery);
            let differs = report.to_text(antumbra_engine::TextStyle::default()).contains("/price");
            assert_eq!(differs, holds, "generation {generation}, session {number}");
        }
    }

    #[test]
    fn what_was_decided_before_the_session_is_no_part_of_it() {
        let session = Session { number: 3, since: 6 };
        let policies = Policies::default();
        policies.put(Version::new(Document::from_yaml(SHOP.as_bytes()).unwrap(), 6, 0));
        let mut releases = BTreeMap::from([("shop".to_owned(), Gathered::new(session))]);
        let mut counting = Counting { releases: &mut releases, policies: &policies, places: MAX_PLACES };
        assert_eq!(counting.one(None, &exchange(), None, None).0, Became::Superseded);
        let inline = exchange().with_generation(0);
        let unnamed = inline.clone().with_id(0);
        for (one, expected) in [
            (&inline, Became::Taken(Taken::Compared)),
            (&inline, Became::SameId),
            (&unnamed, Became::Taken(Taken::Compared)),
            (&unnamed, Became::Taken(Taken::Compared)),
        ] {
            assert_eq!(counting.one(None, one, None, None).0, expected);
        }
    }

    #[test]
    fn a_source_that_sends_nothing_new_takes_no_place() {
        let policies = Policies::default();
        policies.put(Version::new(Document::from_yaml(SHOP.as_bytes()).unwrap(), 5, 0));
        let session = Session { number: 3, since: 4 };
        let mut releases = BTreeMap::from([("shop".to_owned(), Gathered::new(session))]);
        let mut counting = Counting { releases: &mut releases, policies: &policies, places: MAX_PLACES };
        let mut sent = |source: &str, id| {
            counting.one(Source::written(source).as_ref(), &exchange().with_id(id), None, None).0
        };
        assert_eq!(sent("edge-1", 1), Became::Taken(Taken::Compared));
        for number in 0..MAX_SOURCES {
            assert_eq!(sent(&format!("echo-{number}"), 1), Became::SameId);
        }
        for number in 2..=MAX_SOURCES as u128 {
            assert_eq!(sent(&format!("edge-{number}"), number), Became::Taken(Taken::Compared));
        }
        assert_eq!(sent("one-too-many", 100), Became::OneSourceTooMany);
        assert_eq!(sent("edge-1", 100), Became::Taken(Taken::Compared), "it was not taken from the other");
        assert_eq!(releases["shop"].sources().len(), MAX_SOURCES);
    }
}
