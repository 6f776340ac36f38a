//! The samples of one release, and the bytes that they may take together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use antumbra_engine::Whose;
use antumbra_observation::Observation;

use super::drawn::{Drawn, Rank};
use super::marks::Marks;

/// What is kept of a release at one moment.
#[derive(Default)]
pub(crate) struct Sample {
    /// The number of the session; 0 if nothing was offered yet.
    pub(crate) session: u64,
    /// Since when exchanges are kept, in milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// Compared since then.
    pub(crate) of: u64,
    /// Not kept although chance chose them, because one alone has more than 1 MiB or no memory is left.
    pub(crate) left_out: u64,
    /// In how many exchanges since then the answers of each differ at a place, by [`place`](super::marks::place); of places at which some are kept.
    pub(crate) seen: HashMap<(u64, Whose), u64>,
    /// By the time at which they arrived.
    pub(crate) exchanges: Vec<Exchange>,
}

/// An exchange that is kept.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// Redacted.
    pub(crate) observation: Arc<Observation>,
    /// It is one of the uniform sample of its endpoint, not only of a sample of those that differ at some place.
    pub(crate) uniform: bool,
}

/// What is kept of one session of a release.
pub(super) struct Reservoir {
    pub(super) session: u64,
    since_ms: u64,
    of: u64,
    left_out: u64,
    exchanges: BTreeMap<Rank, Held>,
    endpoints: HashMap<u64, Lowest>,
    places: HashMap<(u64, Whose), Lowest>,
    /// Places among them at which the candidate alone differs.
    alone: usize,
    bytes: usize,
    /// The most bytes.
    due: usize,
    /// Which of [`STEPS`] holds.
    step: usize,
}

struct Held {
    observation: Arc<Observation>,
    bytes: usize,
    /// Samples that it is in.
    samples: usize,
}

/// The lowest ranks of all that were offered.
#[derive(Default)]
struct Lowest {
    ranks: BTreeSet<Rank>,
    /// The lowest that was ever put out: what is above is not in the sample, or it would favour what comes late.
    cut: Option<Rank>,
    /// Exchanges that could be in it, kept or not.
    seen: u64,
}

/// How many exchanges the samples may have.
#[derive(Clone, Copy)]
struct Most {
    endpoint: usize,
    /// At a place where the candidate alone differs.
    alone: usize,
    /// At a place where the control differs, too, or none was asked.
    other: usize,
}

impl Reservoir {
    pub(super) fn new(session: u64, since_ms: u64, due: usize) -> Self {
        Self {
            session,
            since_ms,
            of: 0,
            left_out: 0,
            exchanges: BTreeMap::new(),
            endpoints: HashMap::new(),
            places: HashMap::new(),
            alone: 0,
            bytes: 0,
            due,
            step: 0,
        }
    }

    /// Whether a sample would take an exchange now.
    pub(super) fn wants(&self, rank: Rank, marks: &Marks) -> bool {
        self.is_wanted_by_endpoint(rank, marks)
            || marks.places.iter().any(|place| self.wants_at(rank, *place))
    }

    /// Keeps the exchange in each sample in which its rank is one of the lowest.
    pub(super) fn offer(&mut self, Drawn { marks, rank, bytes, redacted }: Drawn) {
        self.of += 1;
        self.see(&marks);
        let Some(rank) = rank else { return };
        let most = self.most();
        let (uniform, places) = self.wanting(rank, &marks);
        if !uniform && places.is_empty() || self.exchanges.contains_key(&rank) {
            return;
        }
        let Some(observation) = redacted.filter(|_| !self.is_full(bytes)) else {
            self.left_out += 1;
            return;
        };
        let held = Held { observation, bytes, samples: 0 };
        self.exchanges.insert(rank, held);
        self.bytes += bytes;
        if uniform {
            let out = self.endpoints.entry(marks.endpoint).or_default().take(rank, most.endpoint);
            self.took(rank, &out);
        }
        for place in places {
            let out = self.place(place).take(rank, most.of(place.1));
            self.took(rank, &out);
        }
        self.shrink();
    }

    /// May hold so many bytes from now on.
    pub(super) fn fit(&mut self, due: usize) {
        self.due = due;
        self.shrink();
    }

    /// Forgets the exchanges before a moment, in microseconds since 1970. Others may take their places.
    pub(super) fn expire(&mut self, before_us: u64) {
        let Self { exchanges, endpoints, places, bytes, .. } = self;
        let old = |held: &Held| held.observation.at_us < before_us;
        let ranks: Vec<Rank> =
            exchanges.iter().filter(|(_, held)| old(held)).map(|(rank, _)| *rank).collect();
        for rank in ranks {
            endpoints.values_mut().chain(places.values_mut()).for_each(|sample| {
                sample.ranks.remove(&rank);
            });
            *bytes -= exchanges.remove(&rank).map_or(0, |held| held.bytes);
        }
    }

    pub(super) fn sample(&self) -> Sample {
        let uniform: BTreeSet<Rank> =
            self.endpoints.values().flat_map(|sample| sample.ranks.iter().copied()).collect();
        let exchange = |(rank, held): (&Rank, &Held)| Exchange {
            observation: Arc::clone(&held.observation),
            uniform: uniform.contains(rank),
        };
        Sample {
            session: self.session,
            since_ms: self.since_ms,
            of: self.of,
            left_out: self.left_out,
            seen: self.places.iter().map(|(place, sample)| (*place, sample.seen)).collect(),
            exchanges: self.exchanges.iter().map(exchange).collect(),
        }
    }

    /// Counts an exchange at its places.
    fn see(&mut self, marks: &Marks) {
        for place in &marks.places {
            if let Some(sample) = self.places.get_mut(place) {
                sample.seen += 1;
            }
        }
    }

    /// Whether the sample of the endpoint wants it, and which places do.
    fn wanting(&self, rank: Rank, marks: &Marks) -> (bool, Vec<(u64, Whose)>) {
        let places = marks.places.iter().copied().filter(|place| self.wants_at(rank, *place));
        (self.is_wanted_by_endpoint(rank, marks), places.collect())
    }

    fn is_wanted_by_endpoint(&self, rank: Rank, marks: &Marks) -> bool {
        match self.endpoints.get(&marks.endpoint) {
            Some(sample) => sample.wants(rank, self.most().endpoint),
            None => self.endpoints.len() < MAX_ENDPOINTS,
        }
    }

    fn wants_at(&self, rank: Rank, place: (u64, Whose)) -> bool {
        let most = self.most().of(place.1);
        match self.places.get(&place) {
            Some(sample) => sample.wants(rank, most),
            None => self.has_place(place.1) && most > 0,
        }
    }

    /// Noise may not take the places of what is a defect.
    fn has_place(&self, whose: Whose) -> bool {
        let of_them = if whose == Whose::Candidate { self.alone } else { self.places.len() - self.alone };
        of_them < MAX_PLACES
    }

    fn place(&mut self, place: (u64, Whose)) -> &mut Lowest {
        let Self { places, alone, bytes, .. } = self;
        places.entry(place).or_insert_with(|| {
            *alone += usize::from(place.1 == Whose::Candidate);
            *bytes += PER_PLACE;
            Lowest { seen: 1, ..Lowest::default() }
        })
    }

    /// So many bytes more are too many, and no sample can become smaller.
    fn is_full(&self, bytes: usize) -> bool {
        self.step == STEPS.len() && self.bytes + bytes > self.due
    }

    fn most(&self) -> Most {
        STEPS.get(self.step).copied().unwrap_or(LEAST)
    }

    /// An exchange is in one sample more, and those that were put out in one less.
    fn took(&mut self, rank: Rank, out: &[Rank]) {
        if let Some(held) = self.exchanges.get_mut(&rank) {
            held.samples += 1;
        }
        out.iter().for_each(|out| self.release(*out));
    }

    fn release(&mut self, rank: Rank) {
        let Some(held) = self.exchanges.get_mut(&rank) else { return };
        held.samples -= 1;
        if held.samples == 0 {
            self.bytes -= held.bytes;
            self.exchanges.remove(&rank);
        }
    }

    /// Makes all samples smaller until they fit; those of the least size are all that is kept.
    fn shrink(&mut self) {
        while self.bytes > self.due && self.step < STEPS.len() {
            self.step += 1;
            let most = self.most();
            let endpoints = self.endpoints.values_mut().map(|sample| sample.cut_to(most.endpoint));
            let places = self.places.iter_mut().map(|(place, sample)| sample.cut_to(most.of(place.1)));
            let out: Vec<Rank> = endpoints.chain(places).flatten().collect();
            out.into_iter().for_each(|rank| self.release(rank));
        }
    }
}

impl Lowest {
    fn wants(&self, rank: Rank, most: usize) -> bool {
        let is_low = self.ranks.len() < most || self.ranks.last().is_some_and(|highest| rank < *highest);
        most > 0 && is_low && self.cut.is_none_or(|cut| rank < cut)
    }

    /// Those that leave for it.
    fn take(&mut self, rank: Rank, most: usize) -> Vec<Rank> {
        self.ranks.insert(rank);
        self.cut_to(most)
    }

    fn cut_to(&mut self, most: usize) -> Vec<Rank> {
        let mut out = Vec::new();
        while self.ranks.len() > most {
            let Some(highest) = self.ranks.pop_last() else { break };
            self.cut = Some(self.cut.map_or(highest, |cut| cut.min(highest)));
            out.push(highest);
        }
        out
    }
}

impl Most {
    fn of(self, whose: Whose) -> usize {
        if whose == Whose::Candidate { self.alone } else { self.other }
    }
}

/// Each is about half of the one before; noise, which there is enough of, goes first.
const STEPS: [Most; 6] = [
    Most { endpoint: 100, alone: 8, other: 8 },
    Most { endpoint: 50, alone: 8, other: 4 },
    Most { endpoint: 25, alone: 8, other: 2 },
    Most { endpoint: 12, alone: 4, other: 1 },
    Most { endpoint: 6, alone: 2, other: 1 },
    Most { endpoint: 3, alone: 1, other: 1 },
];
/// Where even that does not fit.
const LEAST: Most = Most { endpoint: 1, alone: 1, other: 0 };
const MAX_ENDPOINTS: usize = 2_000;
/// Of those where the candidate alone differs, and of the others.
const MAX_PLACES: usize = 8_000;
/// What a place takes with the ranks of its sample.
const PER_PLACE: usize = 256;
