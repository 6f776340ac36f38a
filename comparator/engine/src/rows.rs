//! How evidence is stored: one row for the release, one per endpoint, only those that changed.
//!
//! A row holds cumulative counts, so writing it again is harmless, and the rows of one moment are the evidence.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::evidence::{Endpoint, Evidence, Group};
use crate::hypothesis::Hypothesis;
use crate::kind::Subject;
use crate::refusals::Refusals;
use crate::room::MAX_ENDPOINTS;
use crate::unseen::Unseen;

/// A stored part of the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key: `release`, or `endpoint ` and its name. It is unique within a session of evidence.
    pub key: String,
    /// The part in CBOR, which only this crate writes and reads.
    pub bytes: Vec<u8>,
}

/// Why stored evidence cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    /// The key is neither that of a release nor that of an endpoint.
    #[error("row {0:?} is neither the release nor an endpoint")]
    Key(String),
    /// The bytes are not what this version writes.
    #[error("row {key:?} does not decode: {message}")]
    Undecodable {
        /// Which row.
        key: String,
        /// The decoder's words.
        message: String,
    },
    /// There are more rows than evidence can have.
    #[error("more than {MAX_ENDPOINTS} endpoints are stored")]
    Endpoints,
}

impl Evidence {
    /// Returns the rows that changed since the last call; none if nothing changed.
    pub fn take_dirty(&mut self) -> Vec<Row> {
        if !std::mem::take(&mut self.dirty_release) {
            return Vec::new();
        }
        let dirty = std::mem::take(&mut self.dirty);
        let endpoints = dirty.iter().filter_map(|name| {
            let stored = Stored::from(self.endpoints.get(name)?.as_ref());
            Some(Row { key: format!("{ENDPOINT}{name}"), bytes: encode(&stored) })
        });
        let mut rows: Vec<Row> = endpoints.collect();
        rows.push(Row { key: RELEASE.to_owned(), bytes: encode(&self.release) });
        rows
    }

    /// Returns the evidence that the newest rows of each key hold.
    ///
    /// # Errors
    /// Returns the first row that this crate did not write, or that does not decode.
    pub fn restore(rows: impl IntoIterator<Item = Row>) -> Result<Self, BadRow> {
        let mut evidence = Self::new();
        for row in rows {
            if row.key == RELEASE {
                evidence.release = decode(&row)?;
            } else if let Some(name) = row.key.strip_prefix(ENDPOINT) {
                let endpoint = Endpoint::from(decode::<Stored>(&row)?);
                evidence.endpoints.insert(name.into(), Arc::new(endpoint));
            } else {
                return Err(BadRow::Key(row.key));
            }
            if evidence.named_endpoints() > MAX_ENDPOINTS {
                return Err(BadRow::Endpoints);
            }
        }
        Ok(evidence)
    }
}

/// An endpoint with its hypotheses as a list: a map with compound keys is not every decoder's.
#[derive(Serialize, Deserialize)]
struct Stored {
    all: Group,
    hypotheses: Vec<(Subject, Hypothesis)>,
    crowded: u64,
    #[serde(default)]
    refusals: Refusals,
    #[serde(default)]
    unseen: Unseen,
}

impl From<&Endpoint> for Stored {
    fn from(endpoint: &Endpoint) -> Self {
        let hypotheses =
            endpoint.hypotheses.iter().map(|(subject, counts)| (subject.clone(), counts.clone()));
        Self {
            all: endpoint.all.clone(),
            hypotheses: hypotheses.collect(),
            crowded: endpoint.crowded,
            refusals: endpoint.refusals.clone(),
            unseen: endpoint.unseen.clone(),
        }
    }
}

impl From<Stored> for Endpoint {
    fn from(stored: Stored) -> Self {
        Self {
            all: stored.all,
            hypotheses: stored.hypotheses.into_iter().collect(),
            crowded: stored.crowded,
            refusals: stored.refusals,
            unseen: stored.unseen,
        }
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

const RELEASE: &str = "release";
const ENDPOINT: &str = "endpoint ";
