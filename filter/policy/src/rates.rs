//! What each byte of a request costs, by the place that it stands in.
//!
//! A client may send a long path, or a long cookie, but not both: a proxy bounds its headers together. So what the longest request takes
//! is the rate of the dearest bytes, and not the sum over all places.

use std::collections::{BTreeMap, BTreeSet};

use crate::place::{HeaderSlot, Place};

/// Steps for each byte of the values of places, each with the path in the document that it is for.
#[derive(Debug, Default)]
pub(crate) struct Rates(BTreeMap<Place, Vec<(String, usize)>>);

impl Rates {
    pub(crate) fn add(&mut self, place: Place, path: String, steps_per_byte: usize) {
        if steps_per_byte > 0 {
            self.0.entry(place).or_default().push((path, steps_per_byte));
        }
    }

    /// Steps for each byte of the values of a place.
    pub(crate) fn of(&self, place: Place) -> usize {
        self.0.get(&place).into_iter().flatten().map(|(_, steps)| steps).sum()
    }

    /// The steps for `length` bytes in each of these places.
    pub(crate) fn spent(&self, places: &[Place], length: usize) -> Vec<(String, usize)> {
        let rates = places.iter().filter_map(|place| self.0.get(place)).flatten();
        rates.map(|(path, steps)| (path.clone(), steps.saturating_mul(length))).collect()
    }

    /// The places that see the dearest byte of a header. A byte of a path is seen as one of the header, and as one of the path or of a
    /// query parameter; `cookies` and `query` say in which headers those stand. What a client sends of the host's properties, such as
    /// the claims of a token, it sends in headers, too.
    pub(crate) fn dearest_header(&self, cookies: HeaderSlot, query: HeaderSlot) -> Vec<Place> {
        let slot_of = |place: &Place| match place {
            Place::Header(slot) | Place::Path(slot) | Place::Host(slot) => Some(*slot),
            Place::Cookie(_) => Some(cookies),
            Place::Query(_) => Some(query),
            Place::Property(_) | Place::Form(_) | Place::Json(_) => None,
        };
        let slots: BTreeSet<HeaderSlot> = self.0.keys().filter_map(slot_of).collect();
        let cookie = self.dearest(|place| matches!(place, Place::Cookie(_)));
        let of_path = |place: &Place| *place == Place::Path(query) || matches!(place, Place::Query(_));
        let of_path = self.dearest(of_path);
        let views = slots.into_iter().map(|slot| {
            let path = if slot == query { of_path } else { Some(Place::Path(slot)) };
            let cookie = cookie.filter(|_| slot == cookies);
            [Place::Header(slot), Place::Host(slot)].into_iter().chain(cookie).chain(path).collect()
        });
        let property = self.dearest(|place| matches!(place, Place::Property(_)));
        let views = views.chain(property.map(|property| vec![property]));
        views
            .max_by_key(|places: &Vec<Place>| places.iter().map(|place| self.of(*place)).sum::<usize>())
            .unwrap_or_default()
    }

    /// The dearest of some places.
    pub(crate) fn dearest(&self, among: impl Fn(&Place) -> bool) -> Option<Place> {
        self.0.keys().copied().filter(among).max_by_key(|place| self.of(*place))
    }
}
