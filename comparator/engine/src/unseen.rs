//! What differs at both legs and nobody can look into: a promotion must not rest on it.

use serde::{Deserialize, Serialize};

use crate::farther::Cause;
use crate::kind::{Kind, Subject};
use crate::sparse::is_default;

/// The exchanges of an endpoint in which something could not be looked into.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Unseen {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) exchanges: u64,
    /// The first few places, each with its cause.
    #[serde(skip_serializing_if = "is_default")]
    places: Vec<(String, Cause, u64)>,
}

impl Unseen {
    /// Counts one exchange with all that could not be looked into.
    pub(crate) fn count(&mut self, found: &[(&Subject, Cause)]) {
        self.exchanges += u64::from(!found.is_empty());
        for (Subject(path, _), cause) in found {
            self.add(path, *cause, 1);
        }
    }

    fn add(&mut self, path: &str, cause: Cause, exchanges: u64) {
        if let Some(known) = self.places.iter_mut().find(|(known, why, _)| known == path && *why == cause) {
            known.2 += exchanges;
        } else if self.places.len() < MAX_PLACES {
            self.places.push((path.to_owned(), cause, exchanges));
        }
    }

    /// Adds what another engine counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.exchanges += other.exchanges;
        for (path, cause, exchanges) in &other.places {
            self.add(path, *cause, *exchanges);
        }
        self.places.sort_unstable();
    }

    /// The place that is unseen most often, and why.
    pub(crate) fn worst(&self) -> Option<(&str, Cause)> {
        let worst = self.places.iter().max_by_key(|(_, _, exchanges)| *exchanges)?;
        Some((&worst.0, worst.1))
    }
}

impl Cause {
    /// For people: why, and what mends it.
    pub(crate) fn explained(self) -> &'static str {
        match self {
            Self::Cut => "it is longer than what the filter keeps; raise `capture` in its configuration",
            Self::Binary => {
                "it is neither text nor a format that can be read; declare it under `compare`, or use a plugin"
            }
            Self::Unread => "it could not be read; the report says which bodies were compared as bytes",
            Self::Instance => {
                "it describes an instance, as counters and host names do; declare it under `compare`"
            }
        }
    }

    /// The kind of difference under which it is said.
    pub(crate) fn kind(self) -> Kind {
        if self == Self::Instance { Kind::Farther } else { Kind::Value }
    }
}

/// Places of an endpoint that are told apart.
const MAX_PLACES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_counts_once_and_the_worst_place_is_named() {
        let subject = |path: &str| Subject(path.to_owned(), Kind::Value);
        let (body, count) = (subject(""), subject("/count"));
        let mut unseen = Unseen::default();
        unseen.count(&[(&body, Cause::Cut), (&count, Cause::Instance)]);
        unseen.count(&[(&count, Cause::Instance)]);
        unseen.count(&[]);
        assert_eq!((unseen.exchanges, unseen.worst()), (2, Some(("/count", Cause::Instance))));
        unseen.merge(&unseen.clone());
        assert_eq!((unseen.exchanges, unseen.worst()), (4, Some(("/count", Cause::Instance))));
        (0..100).for_each(|number| unseen.count(&[(&subject(&format!("/{number}")), Cause::Cut)]));
        assert_eq!(unseen.places.len(), MAX_PLACES);
    }
}
