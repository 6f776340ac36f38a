//! Who changed what, when and why: entries that are chained by their hashes.
//!
//! Each entry's hash covers the one before it in the same release, so that an entry cannot be altered or taken out
//! without every later hash being wrong. Where the chains end is kept elsewhere, too, and hashes may be made with a key.

mod check;
mod entry;
mod head;
mod key;

pub use check::{Check, Checked, Field, Finding, MAX_FINDINGS};
pub(crate) use entry::DELETE;
pub use entry::{Draft, Entry, Place, READ, SEAL};
pub use head::{Head, Heads, Kept, NoHead, Sealed};
pub use key::{Key, Keys, ShortKey};

/// The change that made each generation of the policy that there is, oldest first: what was before a deletion is another policy's.
pub fn generations(chain: Vec<Entry>) -> Vec<Entry> {
    let begun = chain.iter().rposition(|entry| entry.action == DELETE).map_or(0, |deleted| deleted + 1);
    let mut made: Vec<Entry> = Vec::new();
    for entry in chain.into_iter().skip(begun).filter(|entry| !entry.makes_nothing()) {
        // A new session of a policy that can have no next generation is no generation.
        if made.last().is_none_or(|last| last.generation < entry.generation) {
            made.push(entry);
        }
    }
    made
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
            document: None,
        }
    }

    fn at(seq: u64, before: &str) -> Place {
        Place { seq, number: seq, prev_hash: before.to_owned() }
    }

    /// Entry and field of what is wrong with a chain.
    fn found(chain: &[Entry]) -> Vec<(Option<u64>, Field)> {
        let keys = Keys::default();
        let mut check = Check::new(&keys, &Kept::Never, None);
        chain.iter().for_each(|entry| check.entry(entry));
        check.generation("shop", 2, "");
        let checked = check.end(&Kept::Never);
        checked.findings.iter().map(|finding| (finding.entry, finding.field)).collect()
    }

    #[test]
    fn a_chain_shows_where_it_was_tampered_with() {
        let first = draft("try").chained(at(1, ""), None);
        let second = draft("more").chained(at(2, &first.hash), None);
        let third = draft("most").chained(at(3, &second.hash), None);
        let chain = [first, second, third];
        assert_eq!(found(&chain), []);
        let mut altered = chain.clone();
        altered[1].reason = "nothing".to_owned();
        assert_eq!(found(&altered), [(Some(2), Field::Hash)]);
        let gap = [(Some(3), Field::Seq), (Some(3), Field::PrevHash), (Some(3), Field::Number)];
        assert_eq!(found(&[chain[0].clone(), chain[2].clone()]), gap);
    }

    /// Who looks at one release is told what is wrong with it, however much is wrong with another.
    #[test]
    fn a_release_that_is_altered_everywhere_hides_no_other() {
        let keys = Keys::default();
        let checked = || {
            let mut check = Check::new(&keys, &Kept::Never, None);
            for (release, entries) in [("shop", 3 * MAX_FINDINGS as u64), ("till", 1)] {
                for seq in 1..=entries {
                    let mut entry =
                        Draft { release: release.to_owned(), ..draft("try") }.chained(at(seq, ""), None);
                    entry.reason = "nothing".to_owned();
                    check.entry(&entry);
                }
            }
            check
        };
        let told = checked().end(&Kept::Never);
        assert!(told.findings.iter().all(|finding| finding.release.as_deref() == Some("shop")), "{told:?}");
        let all = checked().end_uncut(&Kept::Never);
        let till = all.clone().of(|release| release == "till");
        let found: Vec<_> = till.findings.iter().map(|finding| (finding.entry, finding.field)).collect();
        // Numbers are counted over all releases.
        assert_eq!(found[..2], [(Some(1), Field::Hash), (Some(1), Field::Number)]);
        assert_eq!((till.more, till.heads.chains.len()), (0, 1));
        let shop = all.clone().of(|release| release == "shop");
        assert_eq!(shop.findings.len() as u64 + shop.more, (all.findings.len() - found.len()) as u64);
        let mut more = shop;
        more.findings.clear();
        assert!(!more.is_intact() && all.of(|_| false).is_intact());
    }

    /// What an earlier version wrote has the hash that it had: of the length and the text of each part.
    #[test]
    fn entries_of_earlier_versions_hold() {
        let hash = draft("try").chained(at(1, ""), None).hash;
        assert_eq!(hash, "dbbe1f980897c71cbdead18e4dc948c8994722b28e2f398989502c95721ff48e");
    }

    #[test]
    fn each_generation_since_the_last_deletion_has_its_change() {
        let entry = |seq, generation, action: &str| {
            let draft = Draft { generation, action: action.to_owned(), ..draft("") };
            draft.chained(at(seq, ""), None)
        };
        let before = [(1, "put"), (2, "mirror"), (2, "delete"), (2, SEAL), (2, READ)];
        let after = [(3, "put"), (4, "reset"), (4, "reset")];
        let actions = before.into_iter().chain(after);
        let chain = (1..).zip(actions).map(|(seq, (generation, action))| entry(seq, generation, action));
        let made = generations(chain.collect());
        let told: Vec<_> = made.iter().map(|entry| (entry.seq, entry.generation)).collect();
        assert_eq!(told, [(6, 3), (7, 4)]);
    }
}
