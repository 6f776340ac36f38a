//! Who changed what, when and why: entries that are chained by their hashes.
//!
//! Each entry's hash covers the one before it in the same release, so that an entry cannot be altered or taken out
//! without every later hash being wrong.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::fingerprint;
use crate::timestamp;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Counted from 1 within the release.
    pub seq: u64,
    /// The policy's name.
    pub release: String,
    /// The generation in force after the change; of a deletion the last that there was.
    pub generation: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The same for people, RFC 3339.
    #[serde(default)]
    pub at: String,
    /// The author, as the client named itself or by its address.
    pub who: String,
    /// `put`, `file`, `mirror`, `weights`, `reset`, `delete`.
    pub action: String,
    /// Why, in the author's words; may be empty.
    pub reason: String,
    /// One line per changed field.
    pub diff: Vec<String>,
    /// Hash of the entry before, or empty.
    pub prev_hash: String,
    /// SHA-256 over all of the above but `at`, in hexadecimal digits.
    pub hash: String,
}

/// A change before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The policy's name.
    pub release: String,
    /// The generation in force after the change.
    pub generation: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The author.
    pub who: String,
    /// What was done.
    pub action: String,
    /// Why.
    pub reason: String,
    /// One line per changed field.
    pub diff: Vec<String>,
}

impl Draft {
    /// The entry that follows the one of number `seq - 1` and hash `prev_hash`.
    pub fn chained(self, seq: u64, prev_hash: String) -> Entry {
        let mut entry = Entry {
            seq,
            at: timestamp::rfc3339(self.at_ms),
            release: self.release,
            generation: self.generation,
            at_ms: self.at_ms,
            who: self.who,
            action: self.action,
            reason: self.reason,
            diff: self.diff,
            prev_hash,
            hash: String::new(),
        };
        entry.hash = hash(&entry);
        entry
    }
}

/// The first entry whose hash, or whose link to the one before, is wrong.
pub fn broken_at(chain: &[Entry]) -> Option<u64> {
    let mut before = "";
    for (entry, seq) in chain.iter().zip(1..) {
        if entry.seq != seq || entry.prev_hash != before || entry.hash != hash(entry) {
            return Some(entry.seq);
        }
        before = &entry.hash;
    }
    None
}

/// The change that made each generation of the policy that there is, oldest first: what was before a deletion is another policy's.
pub fn generations(chain: Vec<Entry>) -> Vec<Entry> {
    let begun = chain.iter().rposition(|entry| entry.action == DELETE).map_or(0, |deleted| deleted + 1);
    let mut made: Vec<Entry> = Vec::new();
    for entry in chain.into_iter().skip(begun) {
        // A new session of a policy that can have no next generation is no generation.
        if made.last().is_none_or(|last| last.generation < entry.generation) {
            made.push(entry);
        }
    }
    made
}

/// The action of a deletion.
pub(crate) const DELETE: &str = "delete";

/// Every field with its length before it, so that no two entries have the same text.
fn hash(entry: &Entry) -> String {
    let numbers = [entry.seq.to_string(), entry.generation.to_string(), entry.at_ms.to_string()];
    let texts = [&entry.prev_hash, &entry.release, &entry.who, &entry.action, &entry.reason];
    let mut digest = Sha256::new();
    for part in numbers.iter().chain(texts).chain(&entry.diff) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    fingerprint::hex(&digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(reason: &str) -> Draft {
        Draft {
            release: "shop".to_owned(),
            generation: 2,
            at_ms: 1_000,
            who: "ana".to_owned(),
            action: "mirror".to_owned(),
            reason: reason.to_owned(),
            diff: vec!["a: 1 → 2".to_owned()],
        }
    }

    #[test]
    fn a_chain_shows_where_it_was_tampered_with() {
        let first = draft("try").chained(1, String::new());
        let second = draft("more").chained(2, first.hash.clone());
        let third = draft("most").chained(3, second.hash.clone());
        let chain = [first, second, third];
        assert_eq!(broken_at(&chain), None);
        let mut altered = chain.clone();
        altered[1].reason = "nothing".to_owned();
        assert_eq!(broken_at(&altered), Some(2));
        assert_eq!(broken_at(&[chain[0].clone(), chain[2].clone()]), Some(3));
        assert_eq!(broken_at(&chain[1..]), Some(2));
    }

    #[test]
    fn each_generation_since_the_last_deletion_has_its_change() {
        let entry = |seq, generation, action: &str| {
            let draft = Draft { generation, action: action.to_owned(), ..draft("") };
            draft.chained(seq, String::new())
        };
        let actions = [(1, "put"), (2, "mirror"), (2, "delete"), (3, "put"), (4, "reset"), (4, "reset")];
        let chain = (1..).zip(actions).map(|(seq, (generation, action))| entry(seq, generation, action));
        let made = generations(chain.collect());
        let told: Vec<_> = made.iter().map(|entry| (entry.seq, entry.generation)).collect();
        assert_eq!(told, [(4, 3), (5, 4)]);
    }
}
