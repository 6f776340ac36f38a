//! How evidence is stored: one row for the release, one for each endpoint, and some for the places of each; only those that changed.
//!
//! A row holds cumulative counts, so writing it again is harmless, and the rows of one moment are the evidence. Each names the rows that
//! belong to it: what is lost of them is missed, and never taken for nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::evidence::{Endpoint, Evidence, Group, Release};
use crate::hypotheses::Hypotheses;
use crate::hypothesis::Hypothesis;
use crate::kind::Subject;
use crate::pieces::{Piece, Pieces};
use crate::places::Named;
use crate::refusals::Refusals;
use crate::room::MAX_ENDPOINTS;
use crate::sparse::is_default;
use crate::unseen::Unseen;

/// A stored part of the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key, which is unique within a session of evidence: `release`; `noise ` and the number of a piece; `endpoint ` and its name;
    /// `places `, the number of a piece, and the name of the endpoint.
    pub key: String,
    /// The part in CBOR, which only this crate writes and reads.
    pub bytes: Vec<u8>,
}

/// Why stored evidence cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    /// The key is none that this version writes.
    #[error("row {0:?} is neither of the release nor of an endpoint")]
    Key(String),
    /// The bytes are not what this version writes.
    #[error("row {key:?} does not decode: {message}")]
    Undecodable {
        /// Which row.
        key: String,
        /// The decoder's words.
        message: String,
    },
    /// Another row says that there is a row, and there is none.
    #[error("row {0:?} is missing")]
    Missing(String),
    /// The rows of endpoints do not make up the release: one of them is missing, or is of another moment.
    #[error("the endpoints that are stored have {found} exchanges, and the release {all}")]
    Exchanges {
        /// Exchanges of the endpoints.
        found: u64,
        /// Exchanges of the release.
        all: u64,
    },
    /// There is a row that should be named in another one, and is not.
    #[error("row {0:?} belongs to nothing that is stored")]
    Stray(String),
    /// There are more rows than evidence can have.
    #[error("more than {MAX_ENDPOINTS} endpoints are stored")]
    Endpoints,
}

/// What a row holds, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key<'k> {
    Release,
    Noise(Piece),
    Endpoint(&'k str),
    Places(Piece, &'k str),
}

impl Evidence {
    /// Returns the rows that changed since the last call; none if nothing changed. Each is encoded when it is asked for, since all of them
    /// may take as much memory as the evidence.
    pub fn take_dirty(&mut self) -> impl Iterator<Item = Row> {
        let is_dirty = std::mem::take(&mut self.dirty_release);
        let (changed, noise) = (self.endpoints.take_changed(), self.release.places.take_changed());
        let (endpoints, release) = (&self.endpoints, &self.release);
        // An endpoint's own row comes with those of the others: they are small, and neighbours share a page.
        let own = changed.clone().into_keys().filter_map(|name| {
            let endpoint = endpoints.get(&name)?;
            Some(Key::Endpoint(&name).with(&OwnRow::of(endpoint)))
        });
        let of_places = changed.into_iter().flat_map(|(name, pieces)| {
            let of_endpoint = endpoints.get(&name).map(|endpoint| endpoint.hypotheses.by_piece(pieces));
            let pieces = of_endpoint.unwrap_or_default().into_iter();
            pieces.map(move |(piece, hypotheses)| Key::Places(piece, &name).with(&hypotheses))
        });
        let noise = release.places.by_piece(noise).into_iter();
        let noise = noise.map(|(piece, named)| Key::Noise(piece).with(&named));
        let release = is_dirty.then(|| Key::Release.with(release));
        release.into_iter().chain(noise).chain(own).chain(of_places)
    }

    /// Returns how many rows changed since they were last taken.
    pub fn dirty_rows(&self) -> usize {
        let of_endpoints: usize = self.endpoints.changed().map(|pieces| 1 + pieces.len()).sum();
        usize::from(self.dirty_release) + self.release.places.count_changed() + of_endpoints
    }

    /// Returns about how many pages of 4 KiB hold the rows that changed since they were last taken: one for each where few of an endpoint
    /// did, and fewer where many did, which are neighbours.
    pub fn dirty_pages(&self) -> usize {
        let of_endpoints = self.endpoints.changed().map(|pieces| 1 + pieces.len().min(MAX_PAGES));
        PAGES_OF_A_RELEASE + self.release.places.count_changed() + of_endpoints.sum::<usize>()
    }

    /// Returns the evidence that the newest rows of each key hold. What an earlier version wrote has to be written anew.
    ///
    /// # Errors
    /// Returns the first row that this crate did not write, that does not decode, or that is missing.
    pub fn restore(rows: impl IntoIterator<Item = Row>) -> Result<Self, BadRow> {
        let mut read = Read::default();
        for row in rows {
            read.take(&row)?;
        }
        let release = read.release.take().unwrap_or_default();
        read.check_exchanges(&release)?;
        let mut evidence = Self { release, ..Self::new() };
        for (piece, named) in read.noise {
            if !evidence.release.places.put_piece(piece, named) {
                return Err(BadRow::Stray(Key::Noise(piece).written()));
            }
        }
        if !evidence.release.places.is_whole() {
            return Err(BadRow::Missing(NOISE.trim_end().to_owned()));
        }
        for (name, endpoint) in read.endpoints {
            let (endpoint, unwritten) = endpoint.whole(&name)?;
            evidence.endpoints.restore(name, endpoint, unwritten);
        }
        evidence.dirty_release = evidence.dirty_rows() > 0;
        Ok(evidence)
    }
}

/// The rows that were read so far, in whatever order.
#[derive(Default)]
struct Read {
    release: Option<Release>,
    noise: BTreeMap<Piece, Vec<Named>>,
    endpoints: BTreeMap<Arc<str>, ReadEndpoint>,
}

/// What was read of one endpoint.
#[derive(Default)]
struct ReadEndpoint {
    own: Option<Stored>,
    pieces: Pieces,
    hypotheses: Vec<(Subject, Hypothesis)>,
}

impl Read {
    fn take(&mut self, row: &Row) -> Result<(), BadRow> {
        match Key::read(&row.key).ok_or_else(|| BadRow::Key(row.key.clone()))? {
            Key::Release => self.release = Some(decode(row)?),
            Key::Noise(piece) => drop(self.noise.insert(piece, decode(row)?)),
            Key::Endpoint(name) => self.endpoint(name)?.own = Some(decode(row)?),
            Key::Places(piece, name) => {
                let hypotheses: Vec<(Subject, Hypothesis)> = decode(row)?;
                let endpoint = self.endpoint(name)?;
                endpoint.pieces.add(piece);
                endpoint.hypotheses.extend(hypotheses);
            }
        }
        Ok(())
    }

    /// Each exchange of the release is one of an endpoint.
    fn check_exchanges(&self, release: &Release) -> Result<(), BadRow> {
        let own = self.endpoints.values().filter_map(|endpoint| endpoint.own.as_ref());
        let (found, all) = (own.map(|own| own.all.exchanges).sum(), release.all.exchanges);
        if found == all { Ok(()) } else { Err(BadRow::Exchanges { found, all }) }
    }

    fn endpoint(&mut self, name: &str) -> Result<&mut ReadEndpoint, BadRow> {
        // Two more are shared, by those that are not there and those that came too late.
        if self.endpoints.len() >= MAX_ENDPOINTS + 2 && !self.endpoints.contains_key(name) {
            return Err(BadRow::Endpoints);
        }
        Ok(self.endpoints.entry(name.into()).or_default())
    }
}

impl ReadEndpoint {
    /// The endpoint, and which of its pieces are not stored yet if an earlier version wrote it.
    fn whole(self, name: &str) -> Result<(Endpoint, Option<Pieces>), BadRow> {
        let Self { own, pieces, hypotheses } = self;
        let Some(own) = own else { return Err(BadRow::Missing(Key::Endpoint(name).written())) };
        if let Some(lost) = own.pieces.iter().find(|piece| !pieces.has(*piece)) {
            return Err(BadRow::Missing(Key::Places(lost, name).written()));
        }
        if let Some(stray) = pieces.iter().find(|piece| !own.pieces.has(*piece)) {
            return Err(BadRow::Stray(Key::Places(stray, name).written()));
        }
        let Stored { all, hypotheses: together, crowded, refusals, unseen, pieces: _ } = own;
        let together: Hypotheses = together.into_iter().collect();
        let unwritten = (!together.is_empty()).then(|| together.pieces());
        let hypotheses = together.into_iter().chain(hypotheses).collect();
        Ok((Endpoint { all, hypotheses, refusals, unseen, crowded }, unwritten))
    }
}

impl Key<'_> {
    fn with(self, part: &impl Serialize) -> Row {
        Row { key: self.written(), bytes: encode(part) }
    }

    fn written(self) -> String {
        match self {
            Self::Release => RELEASE.to_owned(),
            Self::Noise(piece) => format!("{NOISE}{}", piece.number()),
            Self::Endpoint(name) => format!("{ENDPOINT}{name}"),
            Self::Places(piece, name) => format!("{PLACES}{} {name}", piece.number()),
        }
    }
}

impl<'k> Key<'k> {
    fn read(key: &'k str) -> Option<Self> {
        let piece = |number: &str| number.parse().ok().and_then(Piece::numbered);
        if key == RELEASE {
            Some(Self::Release)
        } else if let Some(number) = key.strip_prefix(NOISE) {
            piece(number).map(Self::Noise)
        } else if let Some(name) = key.strip_prefix(ENDPOINT) {
            Some(Self::Endpoint(name))
        } else {
            let (number, name) = key.strip_prefix(PLACES)?.split_once(' ')?;
            piece(number).map(|piece| Self::Places(piece, name))
        }
    }
}

/// An endpoint's own row.
#[derive(Serialize)]
struct OwnRow<'e> {
    all: &'e Group,
    /// Those that its places have: rows of their own.
    pieces: Pieces,
    #[serde(skip_serializing_if = "is_default")]
    crowded: u64,
    refusals: &'e Refusals,
    unseen: &'e Unseen,
}

/// The same as it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Stored {
    all: Group,
    pieces: Pieces,
    /// All that an earlier version knew of the places: a map with compound keys is not every decoder's.
    hypotheses: Vec<(Subject, Hypothesis)>,
    crowded: u64,
    refusals: Refusals,
    unseen: Unseen,
}

impl<'e> OwnRow<'e> {
    fn of(endpoint: &'e Endpoint) -> Self {
        let Endpoint { all, hypotheses, refusals, unseen, crowded } = endpoint;
        Self { all, pieces: hypotheses.pieces(), crowded: *crowded, refusals, unseen }
    }
}

fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    // Writing into a vector cannot fail, and the rows have no type that CBOR lacks.
    minicbor_serde::to_vec(row).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(row: &Row) -> Result<T, BadRow> {
    minicbor_serde::from_slice(&row.bytes)
        .map_err(|error| BadRow::Undecodable { key: row.key.clone(), message: error.to_string() })
}

/// Pages that all the places of an endpoint take, of some 600 bytes each.
const MAX_PAGES: usize = 32;
/// Pages that the release's own row takes, mostly for the latencies.
const PAGES_OF_A_RELEASE: usize = 3;

const RELEASE: &str = "release";
const NOISE: &str = "noise ";
const ENDPOINT: &str = "endpoint ";
const PLACES: &str = "places ";
