//! Place by place: in how many exchanges whose answers differ, under the rules in force and under the tried ones.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use antumbra_engine::{Compared, Kind, Whose};

use crate::api::trial::{BeforeAfter, Counts, Place};

/// What the tried rules do to each place.
#[derive(Default)]
pub(super) struct Effects {
    places: BTreeMap<At, Effect>,
    candidate_only: BeforeAfter,
    /// Differences at places beyond [`MAX_PLACES`].
    crowded: u64,
}

/// Endpoint, path and kind.
type At = (String, String, Kind);

#[derive(Default)]
struct Effect {
    now: Counts,
    tried: Counts,
    hides: u64,
    explains: u64,
}

/// Whose answers differ at one place of one exchange.
#[derive(Default)]
struct Here {
    now: Option<Whose>,
    tried: Option<Whose>,
}

impl Effects {
    /// Counts one exchange. The endpoint is that of the rules in force, also where the tried ones name it otherwise.
    pub(super) fn count(&mut self, now: &Compared, tried: &Compared) {
        let Some(endpoint) = now.endpoint().or(tried.endpoint()) else { return };
        let mut places: BTreeMap<(&str, Kind), Here> = BTreeMap::new();
        for one in now.differs() {
            places.entry((one.path, one.kind)).or_default().now = Some(one.whose);
        }
        for one in tried.differs() {
            places.entry((one.path, one.kind)).or_default().tried = Some(one.whose);
        }
        let alone = |whose: fn(&Here) -> Option<Whose>| {
            u64::from(places.values().any(|here| whose(here) == Some(Whose::Candidate)))
        };
        self.candidate_only.now += alone(|here| here.now);
        self.candidate_only.tried += alone(|here| here.tried);
        for ((path, kind), here) in &places {
            let at = (endpoint.to_owned(), (*path).to_owned(), *kind);
            if self.places.len() >= MAX_PLACES && !self.places.contains_key(&at) {
                self.crowded += 1;
            } else {
                self.places.entry(at).or_default().count(here);
            }
        }
    }

    /// In how many exchanges only the candidate differs somewhere; the places in the order of [`Place`]'s meaning; those left out.
    pub(super) fn listed(self, seen: &dyn Fn(&Place) -> Option<Counts>) -> (BeforeAfter, Vec<Place>, u64) {
        let place = |((endpoint, path, kind), effect): (At, Effect)| {
            let Effect { now, tried, hides, explains } = effect;
            let place = Place { endpoint, path, kind, now, tried, seen: None, hides, explains };
            Place { seen: seen(&place), ..place }
        };
        let mut places: Vec<Place> = self.places.into_iter().map(place).collect();
        places.sort_by_key(|place| {
            Reverse((place.hidden(), place.appears(), place.explains, place.hides, place.now.total()))
        });
        let more = places.len().saturating_sub(MAX_LISTED) as u64 + self.crowded;
        places.truncate(MAX_LISTED);
        (self.candidate_only, places, more)
    }
}

impl Effect {
    fn count(&mut self, here: &Here) {
        add(&mut self.now, here.now);
        add(&mut self.tried, here.tried);
        let of_control = |whose| matches!(whose, Some(Whose::Control | Whose::Both));
        let of_candidate = |whose| matches!(whose, Some(Whose::Candidate | Whose::Both));
        self.hides += u64::from(here.now == Some(Whose::Candidate) && !of_candidate(here.tried));
        self.explains += u64::from(of_control(here.now) && !of_control(here.tried));
    }
}

fn add(counts: &mut Counts, whose: Option<Whose>) {
    match whose {
        None => {}
        Some(Whose::Candidate) => counts.candidate_only += 1,
        Some(Whose::Control) => counts.control_only += 1,
        Some(Whose::Both) => counts.both += 1,
        Some(Whose::Uncontrolled) => counts.uncontrolled += 1,
    }
}

const MAX_LISTED: usize = 200;
const MAX_PLACES: usize = 20_000;

#[cfg(test)]
mod tests {
    use antumbra_engine::{Evidence, Outside, Pattern, Rules, compare};
    use antumbra_observation::{Leg, Observation};

    use super::*;

    fn counted(bodies: &[[&str; 3]], ignored: &str) -> (BeforeAfter, Vec<Place>) {
        let tried = Rules::new(vec![Pattern::parse(ignored).unwrap()], vec![]);
        let mut effects = Effects::default();
        for [primary, candidate, control] in bodies {
            let leg = |body: &str| Leg::answer("", 200).with_json(body);
            let one = Observation::new("shop", "GET", "/a").with_primary(leg(primary));
            let one = one.with_candidate(leg(candidate)).with_control(leg(control));
            let compared = |rules: &Rules| compare(&one, rules, &Outside::default(), &Evidence::new());
            effects.count(&compared(&Rules::default()), &compared(&tried));
        }
        let (candidate_only, places, more) = effects.listed(&|_| None);
        assert_eq!(more, 0);
        (candidate_only, places)
    }

    #[test]
    fn what_is_hidden_comes_before_what_is_explained() {
        let noisy =
            [r#"{"a":1,"b":{"x":1,"y":1}}"#, r#"{"a":1,"b":{"x":1,"y":2}}"#, r#"{"a":2,"b":{"x":2,"y":1}}"#];
        let noisier = [noisy[0], noisy[0], noisy[2]];
        let (candidate_only, places) = counted(&[noisy, noisier, noisier], "/b");
        assert_eq!(candidate_only, BeforeAfter { now: 1, tried: 0 });
        let told: Vec<_> = places
            .iter()
            .map(|place| {
                (place.path.as_str(), place.hides, place.explains, place.now.total(), place.tried.total())
            })
            .collect();
        assert_eq!(told, [("/b/y", 1, 0, 1, 0), ("/b/x", 0, 3, 3, 0), ("/a", 0, 0, 3, 3)]);
        // Where the control differs alone as often, the candidate does so by chance.
        let chance = [noisy[0], noisy[2], noisy[0]];
        let (_, places) = counted(&[chance, noisier, noisy, chance, noisier], "/b");
        let told: Vec<_> =
            places.iter().map(|place| (place.path.as_str(), place.hides, place.hidden())).collect();
        assert_eq!(told, [("/b/y", 1, 1), ("/b/x", 2, 0), ("/a", 0, 0)]);
    }
}
