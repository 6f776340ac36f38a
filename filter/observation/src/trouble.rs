//! What keeps a filter instance from doing what its policy says, so that somebody can be told who can mend it.
//!
//! A kind and the names of what is concerned: sentences are made where people read them. All texts are bounded, for a heartbeat may
//! travel in a header.

use serde::{Deserialize, Serialize};

/// Something that keeps an instance from doing what its policy says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// What it is.
    pub kind: TroubleKind,
    /// The field of the policy, the cluster or the variant that it is about.
    pub subject: String,
    /// What is wrong with the field; the leg whose requests go to the cluster; or the cluster that the variant's requests went to.
    #[serde(default)]
    pub detail: String,
    /// The generation of the policy that is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

/// What keeps an instance from doing what its policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// A policy breaks the rules of this version of the filter; the last good one stays.
    PolicyRefused,
    /// A policy names a key that the plugin configuration does not have; the last good one stays.
    MissingSecret,
    /// The proxy has no cluster of the name to which a mirror's requests should go.
    UnknownCluster,
    /// A mirror leaves the calls to a comparator that has no address for the cluster.
    NoTarget,
    /// Requests of a variant went to the cluster of the default.
    NoRoute,
    /// A later version knows it.
    #[serde(other)]
    Other,
}

impl Trouble {
    /// Trouble in bounded words.
    pub fn new(kind: TroubleKind, subject: &str, detail: &str) -> Self {
        Self { kind, subject: bounded(subject), detail: bounded(detail), generation: None }
    }

    /// Of the policy of this generation.
    #[must_use]
    pub fn of_generation(self, generation: Option<u64>) -> Self {
        Self { generation, ..self }
    }

    /// The first that fit into a heartbeat, each cut to its bounds: what comes over the network may have any size.
    pub fn within_bounds(all: Vec<Self>) -> Vec<Self> {
        let bounded = all
            .into_iter()
            .take(MAX_TROUBLES)
            .map(|one| Self::new(one.kind, &one.subject, &one.detail).of_generation(one.generation));
        bounded.collect()
    }
}

/// A name of the proxy's as a heartbeat has it; none if there is nothing to say.
pub fn node_name(bytes: &[u8]) -> Option<String> {
    let name = bounded(&String::from_utf8_lossy(bytes));
    (!name.is_empty()).then_some(name)
}

/// One line, at most [`MAX_WORDS`] characters.
fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}

/// How many a heartbeat has.
pub const MAX_TROUBLES: usize = 8;
/// Characters of each of their texts, and of a node's name.
const MAX_WORDS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn whatever_is_said_is_short_and_one_line() {
        let long = "\u{fc}\n".repeat(100_000);
        let one = Trouble::new(TroubleKind::NoRoute, &long, &long);
        assert_eq!((one.subject.chars().count(), one.detail.contains('\n')), (MAX_WORDS, false));
        let unbounded = Trouble { subject: long.clone(), detail: long.clone(), ..one.clone() };
        assert_eq!(Trouble::within_bounds(vec![unbounded; 1_000]), vec![one; MAX_TROUBLES]);
        assert_eq!(node_name(long.as_bytes()).unwrap().chars().count(), MAX_WORDS);
        assert_eq!(node_name(b"\xff").as_deref(), Some("\u{fffd}"));
        assert_eq!((node_name(b""), node_name(b"\n")), (None, None));
    }

    #[test]
    fn a_kind_of_a_later_version_is_read() {
        let read: Trouble =
            serde_json::from_str(r#"{"kind":"solar_flare","subject":"x","later":[1]}"#).unwrap();
        assert_eq!((read.kind, read.subject.as_str()), (TroubleKind::Other, "x"));
        let cbor = minicbor_serde::to_vec(&read).unwrap();
        assert_eq!(minicbor_serde::from_slice::<Trouble>(&cbor).unwrap(), read);
    }
}
