//! Whether audits are as they were written: their entries one by one, the documents that these made, and the heads that are kept
//! elsewhere.
//!
//! What is wrong is named by entry and field, each break once: after it, checking goes on from what stands there. What a seal names as
//! wrong is known: it is counted, and no news.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::entry::{DELETE, Entry, SEAL};
use super::head::{Head, Heads, Kept};
use super::key::Keys;

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The release; none if it concerns all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The number of the entry within the release; none if it concerns no entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// What of it.
    pub field: Field,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// What of an audit is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Field {
    /// The entry's number within its release.
    Seq,
    /// The entry's number over all releases.
    Number,
    /// The link to the entry before.
    PrevHash,
    /// The hash of the entry: some field of it is not as it was written.
    Hash,
    /// The key that the hash is made with.
    Key,
    /// The document that the entry made.
    Document,
    /// The row of the generation that the entry made.
    Generation,
    /// The head of the chain.
    Head,
    /// The file that keeps the heads.
    HeadFile,
}

impl Field {
    fn as_str(self) -> &'static str {
        match self {
            Self::Seq => "seq",
            Self::Number => "number",
            Self::PrevHash => "prevHash",
            Self::Hash => "hash",
            Self::Key => "key",
            Self::Document => "document",
            Self::Generation => "generation",
            Self::Head => "head",
            Self::HeadFile => "head file",
        }
    }
}

impl Finding {
    /// Whether it concerns a release that somebody may look at, or all of them together.
    pub fn concerns(&self, reaches: impl Fn(&str) -> bool) -> bool {
        self.release.as_deref().is_none_or(reaches)
    }
}

/// `shop: entry 3: hash is 1f…, expected 9c…`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { release, entry, field, expected, found } = self;
        write!(f, "{}: ", release.as_deref().unwrap_or("all releases"))?;
        if let Some(entry) = entry {
            write!(f, "entry {entry}: ")?;
        }
        write!(f, "{} is {found}, expected {expected}", field.as_str())
    }
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// How many entries there are.
    pub entries: u64,
    /// How many of them are keyed, and no key was given to check them by.
    pub unchecked: u64,
    /// Where the chains end.
    pub heads: Heads,
    /// The first [`MAX_FINDINGS`] things that are wrong; none if the audits are intact.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more: u64,
    /// How many things are wrong that somebody who sealed the audit knew of.
    #[serde(default)]
    pub sealed: u64,
    /// How many more there are of each release, or of all together, than stand in the findings. Whoever tells them cuts them by
    /// [`Self::of`], which counts those of other releases nowhere.
    #[serde(skip)]
    pub beyond: BTreeMap<Option<String>, u64>,
}

impl Checked {
    /// Whether nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty() && self.more == 0 && self.beyond.is_empty()
    }

    /// Whether fewer than [`MAX_FINDINGS`] things that are wrong with the release of this one are known.
    pub fn has_room_for(&self, finding: &Finding) -> bool {
        self.findings.iter().filter(|known| known.release == finding.release).count() < MAX_FINDINGS
    }

    /// The first [`MAX_FINDINGS`] things that are wrong with each release: enough for whoever may look at any of them.
    #[must_use]
    pub fn of_each(mut self) -> Self {
        let mut kept: BTreeMap<Option<String>, usize> = BTreeMap::new();
        for finding in std::mem::take(&mut self.findings) {
            let of_release = kept.entry(finding.release.clone()).or_default();
            *of_release += 1;
            if *of_release <= MAX_FINDINGS {
                self.findings.push(finding);
            } else {
                *self.beyond.entry(finding.release).or_default() += 1;
            }
        }
        self
    }

    /// What concerns the releases that somebody may look at, and all of them together. A check that was cut knows only of what it tells:
    /// this is for what [`Check::end_uncut`] or [`Self::of_each`] answers, and cuts it.
    #[must_use]
    pub fn of(mut self, reaches: impl Fn(&str) -> bool) -> Self {
        self.heads.chains.retain(|release, _| reaches(release));
        self.findings.retain(|finding| finding.concerns(&reaches));
        self.beyond.retain(|release, _| release.as_deref().is_none_or(&reaches));
        self.cut()
    }

    /// The first [`MAX_FINDINGS`] things that are wrong, and how many more there are.
    fn cut(mut self) -> Self {
        let beyond: u64 = std::mem::take(&mut self.beyond).into_values().sum();
        self.more += beyond + self.findings.len().saturating_sub(MAX_FINDINGS) as u64;
        self.findings.truncate(MAX_FINDINGS);
        self
    }

    /// Leaves out what was known.
    fn without(mut self, known: &BTreeSet<String>) -> Self {
        let all = self.findings.len();
        self.findings.retain(|finding| !known.contains(&finding.to_string()));
        self.sealed = all.saturating_sub(self.findings.len()) as u64;
        self
    }
}

/// A check under way: all entries in the order of their numbers, then all generations of policies, then the end.
pub struct Check<'k> {
    keys: &'k Keys,
    kept: &'k Kept,
    /// A head that somebody noted earlier: entries may have followed, but it must have been one.
    noted: Option<&'k Head>,
    chains: BTreeMap<String, Chain>,
    checked: Checked,
    /// What seals name as wrong.
    known: BTreeSet<String>,
    /// How many things are wrong with each release.
    wrong: BTreeMap<Option<String>, usize>,
}

/// What is known of the chain of a release.
#[derive(Default)]
struct Chain {
    head: Head,
    /// The generations that there should be, with the entry that made each and the hash of its document.
    made: BTreeMap<u64, (u64, Option<String>)>,
    /// The first entry without a key that no keyed seal has taken over.
    unkeyed: Option<u64>,
    /// Whether the head that is kept is among the entries, or was found not to be.
    met: bool,
}

impl<'k> Check<'k> {
    /// Begins a check of audits whose heads were kept so before the entries were read.
    pub fn new(keys: &'k Keys, kept: &'k Kept, noted: Option<&'k Head>) -> Self {
        let (chains, checked, known) = (BTreeMap::new(), Checked::default(), BTreeSet::new());
        Self { keys, kept, noted, chains, checked, known, wrong: BTreeMap::new() }
    }

    /// Checks the next entry.
    pub fn entry(&mut self, entry: &Entry) {
        self.checked.entries += 1;
        let chain = self.chains.entry(entry.release.clone()).or_default();
        let mut findings = links(chain, entry);
        findings.extend(hash(self.keys, entry, &mut self.checked.unchecked));
        chain.note(entry, !self.keys.is_empty());
        // Whoever lacks the key vouches for nothing.
        if entry.action == SEAL && findings.is_empty() && (self.keys.is_empty() || entry.key.is_some()) {
            self.known.extend(entry.diff.iter().cloned());
        }
        chain.head = Head { seq: entry.seq, hash: entry.hash.clone() };
        let number = self.checked.heads.all.seq + 1;
        if entry.number != number {
            findings.push(of_entry(entry, Field::Number, number.to_string(), entry.number.to_string()));
        }
        self.checked.heads.append(entry);
        findings.extend(self.heads_at(entry));
        findings.into_iter().for_each(|finding| self.find(finding));
    }

    /// Where the heads that are kept or noted should be, the entry is theirs.
    fn heads_at(&mut self, entry: &Entry) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Kept::Sealed(sealed) = self.kept {
            let kept = sealed.heads.of(&entry.release);
            if kept.seq == entry.seq
                && let Some(chain) = self.chains.get_mut(&entry.release)
            {
                chain.met = true;
                if kept.hash != entry.hash {
                    findings.push(of_entry(entry, Field::Head, kept.hash, entry.hash.clone()));
                }
            }
        }
        let all = &self.checked.heads.all;
        let kept = match self.kept {
            Kept::Sealed(sealed) => Some(&sealed.heads.all),
            _ => None,
        };
        for expected in [kept, self.noted].into_iter().flatten() {
            if expected.seq == all.seq && expected.hash != all.hash {
                findings.push(of_all(Field::Head, expected.to_string(), all.to_string()));
            }
        }
        findings
    }

    /// Checks a generation of a policy, whose document has this SHA-256.
    pub fn generation(&mut self, release: &str, generation: u64, document: &str) {
        let chain = self.chains.entry(release.to_owned()).or_default();
        let finding = match chain.made.remove(&generation) {
            Some((_, None)) => return,
            Some((_, Some(made))) if made == document => return,
            Some((seq, Some(made))) => Finding {
                release: Some(release.to_owned()),
                entry: Some(seq),
                field: Field::Document,
                expected: format!("generation {generation} with SHA-256 {made}"),
                found: document.to_owned(),
            },
            None => Finding {
                release: Some(release.to_owned()),
                entry: None,
                field: Field::Generation,
                expected: "only generations that an entry made".to_owned(),
                found: format!("generation {generation}, which none made"),
            },
        };
        self.find(finding);
    }

    /// What was found, once all entries and generations were there. `after` is how the heads were kept after the entries were read: a
    /// comparator may have written meanwhile.
    pub fn end(self, after: &Kept) -> Checked {
        self.end_uncut(after).cut()
    }

    /// As [`Self::end`], with everything that was looked at: one release that is altered in many places must not hide another. Whoever
    /// tells it cuts it by [`Checked::of`].
    pub fn end_uncut(mut self, after: &Kept) -> Checked {
        let chains = std::mem::take(&mut self.chains);
        for (release, chain) in &chains {
            self.end_of(release, chain, after);
        }
        match self.kept {
            Kept::Never => {}
            Kept::Missing => {
                self.find(of_all(Field::HeadFile, KEPT.to_owned(), "missing".to_owned()));
            }
            Kept::Wrong(why) => {
                self.find(of_all(Field::HeadFile, KEPT.to_owned(), format!("wrong: {why}")));
            }
            Kept::Sealed(sealed) => {
                for (release, head) in &sealed.heads.chains {
                    if !chains.contains_key(release) {
                        let found = "no entry at all".to_owned();
                        self.find(of_chain(release, Field::Head, head.to_string(), found));
                    }
                }
            }
        }
        let all = &self.checked.heads.all;
        if let Some(noted) = self.noted.filter(|noted| noted.seq > all.seq) {
            let found = format!("{all}, which comes before it");
            self.find(of_all(Field::Head, noted.to_string(), found));
        }
        self.checked.without(&self.known)
    }

    fn find(&mut self, finding: Finding) {
        let wrong = self.wrong.entry(finding.release.clone()).or_default();
        *wrong += 1;
        if *wrong <= MAX_LOOKED_AT {
            self.checked.findings.push(finding);
        } else {
            *self.checked.beyond.entry(finding.release).or_default() += 1;
        }
    }

    fn end_of(&mut self, release: &str, chain: &Chain, after: &Kept) {
        let Chain { head, made, unkeyed, met } = chain;
        for (generation, (seq, _)) in made {
            self.find(Finding {
                release: Some(release.to_owned()),
                entry: Some(*seq),
                field: Field::Generation,
                expected: format!("the document of generation {generation}"),
                found: "missing".to_owned(),
            });
        }
        if let Some(seq) = unkeyed {
            self.find(Finding {
                release: Some(release.to_owned()),
                entry: Some(*seq),
                field: Field::Key,
                expected: "a key, or a keyed entry after it that seals it".to_owned(),
                found: "none".to_owned(),
            });
        }
        let Kept::Sealed(sealed) = self.kept else { return };
        let kept = sealed.heads.of(release);
        if kept.seq > head.seq && !met {
            let found = format!("{head}: entries behind it are missing");
            self.find(of_chain(release, Field::Head, kept.to_string(), found));
        }
        let Kept::Sealed(sealed) = after else { return };
        let last = sealed.announced.as_ref().unwrap_or(&sealed.heads).of(release);
        let is_beyond = head.seq > last.seq || (head.seq == last.seq && head.seq > kept.seq && *head != last);
        if is_beyond {
            let found = format!("{head}: entries were added");
            self.find(of_chain(release, Field::Head, last.to_string(), found));
        }
    }
}

impl Chain {
    /// What the entry makes, ends or takes over.
    fn note(&mut self, entry: &Entry, keyed: bool) {
        if entry.action == DELETE {
            self.made.clear();
        } else if entry.makes_nothing() {
            // It names a generation that may be gone.
        } else if entry.document.is_some() || self.made.keys().all(|made| *made < entry.generation) {
            self.made.insert(entry.generation, (entry.seq, entry.document.clone()));
        }
        match &entry.key {
            None if keyed => self.unkeyed = self.unkeyed.or(Some(entry.seq)),
            Some(_) if entry.action == SEAL => self.unkeyed = None,
            _ => {}
        }
    }
}

fn links(chain: &Chain, entry: &Entry) -> Vec<Finding> {
    let mut findings = Vec::new();
    let seq = chain.head.seq + 1;
    if entry.seq != seq {
        findings.push(of_entry(entry, Field::Seq, seq.to_string(), entry.seq.to_string()));
    }
    if entry.prev_hash != chain.head.hash {
        let (expected, found) = (quoted(&chain.head.hash), quoted(&entry.prev_hash));
        findings.push(of_entry(entry, Field::PrevHash, expected, found));
    }
    findings
}

fn hash(keys: &Keys, entry: &Entry, unchecked: &mut u64) -> Option<Finding> {
    let key = match &entry.key {
        None => None,
        Some(_) if keys.is_empty() => {
            *unchecked += 1;
            return None;
        }
        Some(id) => match keys.find(id) {
            Some(key) => Some(key),
            None => return Some(of_entry(entry, Field::Key, "one of those given".to_owned(), id.clone())),
        },
    };
    let expected = entry.hash_with(key);
    (entry.hash != expected).then(|| of_entry(entry, Field::Hash, expected, quoted(&entry.hash)))
}

fn quoted(hash: &str) -> String {
    if hash.is_empty() { "empty".to_owned() } else { hash.to_owned() }
}

fn of_entry(entry: &Entry, field: Field, expected: String, found: String) -> Finding {
    Finding { release: Some(entry.release.clone()), entry: Some(entry.seq), field, expected, found }
}

fn of_chain(release: &str, field: Field, expected: String, found: String) -> Finding {
    Finding { release: Some(release.to_owned()), entry: None, field, expected, found }
}

fn of_all(field: Field, expected: String, found: String) -> Finding {
    Finding { release: None, entry: None, field, expected, found }
}

/// How many things that are wrong are told.
pub const MAX_FINDINGS: usize = 20;
/// How many of each release are looked at, so that those that a seal knows of leave room for others.
const MAX_LOOKED_AT: usize = 10_000;
const KEPT: &str = "the heads of the last commit";
