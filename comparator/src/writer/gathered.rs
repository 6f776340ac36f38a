//! The evidence of one release in its current session, as the writer counts it: that of each source by itself.

use std::collections::BTreeMap;

use antumbra_control::Session;
use antumbra_engine::{Compared, Evidence, MAX_SOURCES, Pace, Taken, encode_compared};
use antumbra_store::JournalEntry;

use crate::api::principal::Source;
use crate::seen::Seen;

/// The evidence of a release in its current session.
pub(crate) struct Gathered {
    /// The session.
    pub(crate) session: Session,
    /// Which exchanges of the session were met since this process began or last lost a commit.
    pub(super) seen: Seen,
    /// In the order in which each first sent something.
    sources: Vec<Brought>,
    /// How many places a source that has sent nothing yet may name.
    free_places: usize,
}

/// What one source brought.
pub(crate) struct Brought {
    /// Who; none for what came without a token.
    pub(crate) source: Option<Source>,
    /// What is known from it.
    pub(crate) evidence: Evidence,
    /// Whether the store knows its place.
    pub(super) placed: bool,
    /// Exchanges in its journal of the session: what the stored evidence lacks.
    pub(super) journalled: u64,
    /// Bytes that they take there.
    pub(super) journal_bytes: u64,
    /// When the oldest exchange arrived of which the store may show an example, in its rows or its journal, in microseconds since 1970.
    pub(super) oldest_us: Option<u64>,
    /// Its rows must be written, whatever that costs: a start would count the journal by another pace, or it shows what is to be forgotten.
    pub(super) overdue: bool,
    /// What was counted since the last commit.
    compared: Vec<Compared>,
    repeated: u64,
}

impl Gathered {
    /// A session in which nothing was counted yet.
    pub(crate) fn new(session: Session) -> Self {
        Self { session, seen: Seen::new(MAX_SEEN), sources: Vec::new(), free_places: MAX_PLACES }
    }

    /// Adds what the store has of a source, behind those that are there.
    pub(super) fn add(&mut self, source: Option<Source>, evidence: Evidence) {
        let oldest_us = evidence.oldest_example_us();
        self.sources.push(Brought { placed: true, oldest_us, evidence, ..Brought::new(source) });
    }

    /// Notes the pace by which exchanges are counted from now on, and a start would count what is in a journal.
    pub(super) fn note_pace(&mut self, pace: Pace) {
        for brought in &mut self.sources {
            brought.overdue |= brought.journalled > 0 && brought.evidence.pace() != pace;
        }
    }

    /// What each source brought, in the order in which each first sent something.
    pub(crate) fn sources(&self) -> &[Brought] {
        &self.sources
    }

    pub(super) fn sources_mut(&mut self) -> &mut [Brought] {
        &mut self.sources
    }

    /// Whether what a source sends is counted: it has a place, or one is left.
    pub(super) fn has_place_for(&self, source: Option<&Source>) -> bool {
        self.sources.len() < MAX_SOURCES || self.sources.iter().any(|one| one.source.as_ref() == source)
    }

    /// Where what a source sends is counted, by these spans of time; nowhere if there are too many others.
    pub(super) fn of(&mut self, source: Option<&Source>, pace: Pace) -> Option<&mut Brought> {
        let known = self.sources.iter().position(|one| one.source.as_ref() == source);
        let at = match known {
            Some(at) => at,
            None if self.sources.len() >= MAX_SOURCES => return None,
            None => {
                let mut brought = Brought::new(source.cloned());
                brought.evidence.set_free_places(self.free_places);
                self.sources.push(brought);
                self.sources.len() - 1
            }
        };
        if self.sources.len() > 1 {
            // Blocks of different lengths cannot be merged.
            self.sources.iter_mut().for_each(|one| one.evidence.set_pace(pace));
            let room = self.room(at);
            self.sources.get_mut(at)?.evidence.set_room(room);
        }
        let brought = self.sources.get_mut(at)?;
        brought.evidence.set_pace(pace);
        Some(brought)
    }

    /// How many places all its sources name.
    pub(super) fn named_places(&self) -> usize {
        self.sources.iter().map(|one| one.evidence.named_places()).sum()
    }

    /// Lets its sources name so many places more, those that are to come included.
    pub(super) fn set_free_places(&mut self, places: usize) {
        self.free_places = places;
        self.sources.iter_mut().for_each(|one| one.evidence.set_free_places(places));
    }

    /// How many endpoints a source may name: what the others leave of those of a release, and never less than its own share.
    fn room(&self, at: usize) -> usize {
        let others = self.sources.iter().enumerate().filter(|(other, _)| *other != at);
        let taken = others.map(|(_, one)| one.evidence.named_endpoints().max(OWN_ENDPOINTS)).sum();
        Evidence::MAX_ENDPOINTS.saturating_sub(taken).max(OWN_ENDPOINTS)
    }
}

impl Brought {
    fn new(source: Option<Source>) -> Self {
        Self {
            source,
            evidence: Evidence::new(),
            placed: false,
            journalled: 0,
            journal_bytes: 0,
            oldest_us: None,
            overdue: false,
            compared: Vec::new(),
            repeated: 0,
        }
    }

    /// Counts an exchange.
    pub(super) fn take(&mut self, compared: Compared) -> Taken {
        let taken = self.evidence.take(&compared);
        match taken {
            Taken::Repeated => self.repeated += 1,
            Taken::Compared | Taken::WarmingUp | Taken::Elsewhere => self.compared.push(compared.anonymous()),
        }
        taken
    }

    /// Counts what stands in its journal, in so many bytes.
    pub(super) fn take_again(&mut self, compared: &[Compared], repeated: u64, bytes: u64) {
        for one in compared {
            self.evidence.take(one);
        }
        self.evidence.count_repeated(repeated);
        self.note_journalled(compared, bytes);
    }

    /// What was counted since this was asked last, for the journal; none if nothing was.
    pub(super) fn take_counted(&mut self) -> Option<JournalEntry> {
        let (compared, repeated) = (std::mem::take(&mut self.compared), std::mem::take(&mut self.repeated));
        if compared.is_empty() && repeated == 0 {
            return None;
        }
        let entry = JournalEntry { repeated, compared: encode_compared(&compared) };
        self.note_journalled(&compared, entry.compared.len() as u64);
        Some(entry)
    }

    /// These exchanges are in its journal, too, in so many bytes.
    pub(super) fn note_journalled(&mut self, compared: &[Compared], bytes: u64) {
        self.journalled += compared.len() as u64;
        self.journal_bytes += bytes;
        self.oldest_us = compared.iter().filter_map(Compared::at_us).chain(self.oldest_us).min();
    }

    /// Forgets the examples of exchanges before a moment, in microseconds since 1970. Whether the evidence had any: where only the store
    /// does, because another example took the place of one, the rows are overdue, too.
    pub(super) fn expire(&mut self, before_us: u64) -> bool {
        let any = self.evidence.expire_examples(before_us);
        self.overdue |= any || self.oldest_us.is_some_and(|oldest_us| oldest_us < before_us);
        any
    }

    /// The rows are written that say what the journal did.
    pub(super) fn forget_journal(&mut self) {
        (self.compared, self.repeated) = (Vec::new(), 0);
        (self.journalled, self.journal_bytes, self.overdue) = (0, 0, false);
        self.oldest_us = self.evidence.oldest_example_us();
    }
}

/// Shares out what all releases together may name, `most` places.
pub(super) fn share_places(releases: &mut BTreeMap<String, Gathered>, most: usize) {
    let named: Vec<usize> = releases.values().map(Gathered::named_places).collect();
    for (gathered, free) in releases.values_mut().zip(free_places(&named, most)) {
        gathered.set_free_places(free);
    }
}

/// How many places more each release may name, by how many it names: all that is left of `most`, and always up to a part that is its own, so
/// that none is kept out by those that came before.
fn free_places(named: &[usize], most: usize) -> impl Iterator<Item = usize> {
    let left = most.saturating_sub(named.iter().sum());
    let own = most / 4 / named.len().max(1);
    named.iter().map(move |named| left.max(own.saturating_sub(*named)))
}

/// Places and kinds that the evidence of all releases together names, but for a quarter more where late releases take the part that is their
/// own: of 1.3 KiB each, 250 to 320 MiB.
pub(super) const MAX_PLACES: usize = 200_000;
/// Names of exchanges, of 16 bytes and some more each: two minutes at a thousand mirrored exchanges a second.
const MAX_SEEN: usize = 131_072;
/// Endpoints that a source may name however many the others do: all sources together name at most half as many again as one may.
const OWN_ENDPOINTS: usize = Evidence::MAX_ENDPOINTS / (2 * MAX_SOURCES);

#[cfg(test)]
mod tests {
    use antumbra_engine::{Outside, Rules, compare};
    use antumbra_observation::{Leg, Observation};

    use super::*;

    fn counted(gathered: &mut Gathered, source: &str, endpoints: u64) -> Option<usize> {
        let source = Source::written(source);
        for number in 0..endpoints {
            let leg = |variant| Leg::answer(variant, 200).with_json("{}");
            let letter = |place: u32| char::from(b'a' + (number / 26_u64.pow(place) % 26) as u8);
            let path = format!("/{}{}{}", letter(2), letter(1), letter(0));
            let observation = Observation::new("shop", "GET", &path)
                .with_arrival_us(1_700_000_000_000_000 + number)
                .with_primary(leg("stable"))
                .with_candidate(leg("canary"))
                .with_control(leg("control"));
            let compared = compare(&observation, &Rules::default(), &Outside::default(), &Evidence::new());
            gathered.of(source.as_ref(), Pace { warm_up_us: 0, ..Pace::default() })?.take(compared);
        }
        gathered.sources().iter().find(|one| one.source == source).map(|one| one.evidence.named_endpoints())
    }

    #[test]
    fn what_all_releases_name_is_bounded_and_none_is_kept_out() {
        let free = |named: &[usize]| free_places(named, 1_200).collect::<Vec<_>>();
        assert_eq!(free(&[]), [0; 0]);
        assert_eq!(free(&[200]), [1_000]);
        assert_eq!(free(&[200, 0, 100]), [900; 3]);
        assert_eq!(free(&[1_100, 50, 0]), [50, 50, 100]);
        assert_eq!(free(&[1_200, 100, 30]), [0, 0, 70]);
    }

    #[test]
    fn sources_and_what_they_name_are_bounded() {
        let mut gathered = Gathered::new(Session { number: 1, since: 1 });
        assert_eq!(counted(&mut gathered, "", 1_100), Some(1_000), "alone it may name as many as ever");
        for number in 1..16 {
            assert_eq!(counted(&mut gathered, &format!("edge-{number}"), 40), Some(OWN_ENDPOINTS));
        }
        assert_eq!(counted(&mut gathered, "one-too-many", 1), None);
        assert_eq!(counted(&mut gathered, "edge-1", 1), Some(OWN_ENDPOINTS));
        let mut gathered = Gathered::new(Session { number: 1, since: 1 });
        assert_eq!(counted(&mut gathered, "edge-1", 10), Some(10));
        assert_eq!(counted(&mut gathered, "edge-2", 1_000), Some(1_000 - OWN_ENDPOINTS));
        assert_eq!(counted(&mut gathered, "edge-1", 40), Some(OWN_ENDPOINTS));
    }
}
