//! Who changed what, when and why: entries that are chained by their hashes, and the differences they record.
//!
//! Each entry's hash covers the one before it in the same release, so that an entry cannot be altered or taken out
//! without every later hash being wrong.

use antumbra_policy::document::Tree;
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
    /// The generation in force after the change.
    pub generation: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The same for people, RFC 3339.
    #[serde(default)]
    pub at: String,
    /// The author, as the client named itself or by its address.
    pub who: String,
    /// `put`, `mirror`, `weights`, `reset`.
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

/// One line per field in which the trees differ: `rules[0].mirror[0].percent: 0 → 5`.
pub fn diff(old: &Tree, new: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", old, new, &mut lines);
    lines
}

fn compare(path: &str, old: &Tree, new: &Tree, lines: &mut Vec<String>) {
    match (old, new) {
        (Tree::Map(before), Tree::Map(after)) => compare_maps(path, before, after, lines),
        (Tree::List(before), Tree::List(after)) => {
            for index in 0..before.len().max(after.len()) {
                side_by_side(&format!("{path}[{index}]"), before.get(index), after.get(index), lines);
            }
        }
        _ if old != new => lines.push(format!("{path}: {} → {}", short(old), short(new))),
        _ => {}
    }
}

fn compare_maps(path: &str, old: &[(String, Tree)], new: &[(String, Tree)], lines: &mut Vec<String>) {
    let dot = if path.is_empty() { "" } else { "." };
    let find = |entries: &'_ [(String, Tree)], name: &str| entries.iter().position(|(n, _)| n == name);
    for (name, before) in old {
        let after = find(new, name).and_then(|at| new.get(at)).map(|(_, tree)| tree);
        side_by_side(&format!("{path}{dot}{name}"), Some(before), after, lines);
    }
    for (name, after) in new.iter().filter(|(name, _)| find(old, name).is_none()) {
        side_by_side(&format!("{path}{dot}{name}"), None, Some(after), lines);
    }
    let order = |a: &[(String, Tree)], b| {
        a.iter().filter(|(n, _)| find(b, n).is_some()).map(|e| e.0.clone()).collect()
    };
    let (before, after): (Vec<String>, Vec<String>) = (order(old, new), order(new, old));
    if before != after {
        lines.push(format!("{path}: order {} → {}", before.join(", "), after.join(", ")));
    }
}

fn side_by_side(path: &str, old: Option<&Tree>, new: Option<&Tree>, lines: &mut Vec<String>) {
    match (old, new) {
        (Some(old), Some(new)) => compare(path, old, new, lines),
        (Some(old), None) => lines.push(format!("{path}: {} removed", short(old))),
        (None, Some(new)) => lines.push(format!("{path}: {} added", short(new))),
        (None, None) => {}
    }
}

fn short(tree: &Tree) -> String {
    let text = serde_json::to_string(tree).unwrap_or_default();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

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

/// Characters of a value that a line shows.
const SHOWN: usize = 120;

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
    fn differences_name_the_field() {
        let tree = |json: &str| Tree::from_json(json.as_bytes()).unwrap();
        let old = tree(r#"{"a":{"x":1,"y":2},"l":[1,2],"gone":true}"#);
        let new = tree(r#"{"a":{"y":2,"x":5},"l":[1,3,{"k":"v"}],"fresh":null}"#);
        assert_eq!(
            diff(&old, &new),
            [
                "a.x: 1 → 5",
                "a: order x, y → y, x",
                "l[1]: 2 → 3",
                r#"l[2]: {"k":"v"} added"#,
                "gone: true removed",
                "fresh: null added",
            ]
        );
        assert!(diff(&old, &old).is_empty());
    }
}
