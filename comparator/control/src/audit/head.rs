//! Where the chains end: what is kept outside of the table that holds them, so that a tail cut off is missed.
//!
//! A chain alone cannot show that its last entries are gone. So its head is kept elsewhere, too, and there it is known which heads may
//! come next: before a transaction that appends entries is committed, the new heads are noted as announced, and after it they are the
//! heads. A crash leaves the table at one of the two and nowhere else, whereas a table that was cut or extended by hand is at neither.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::key::{Keys, digest};

/// The last entry of a chain. Written `3:9f…`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number; 0 if there is none.
    pub seq: u64,
    /// Its hash; empty if there is none.
    pub hash: String,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// Why a text is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a number and 64 hexadecimal digits, as 17:9f86…")]
pub struct NoHead;

impl FromStr for Head {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, NoHead> {
        let (seq, hash) = text.split_once(':').ok_or(NoHead)?;
        let is_hash = hash.len() == HASH_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let seq = seq.parse().ok().filter(|_| is_hash).ok_or(NoHead)?;
        Ok(Self { seq, hash: hash.to_ascii_lowercase() })
    }
}

/// The heads of all chains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// Of all entries together, in the order in which they were written. Its hash is that over the one before it, and the release, the
    /// number and the hash of the entry.
    pub all: Head,
    /// Of each release.
    pub chains: BTreeMap<String, Head>,
}

impl Heads {
    /// The heads after one more entry.
    pub fn append(&mut self, entry: &Entry) {
        let Entry { seq, number, release, hash, .. } = entry;
        let parts = [self.all.hash.as_bytes(), release.as_bytes(), &seq.to_be_bytes(), hash.as_bytes()];
        self.all = Head { seq: *number, hash: digest(None, &parts) };
        self.chains.insert(release.clone(), Head { seq: *seq, hash: hash.clone() });
    }

    /// The head of a release; that of no entry if it has none.
    pub fn of(&self, release: &str) -> Head {
        self.chains.get(release).cloned().unwrap_or_default()
    }
}

/// The heads as they are kept outside of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Those of the last commit.
    pub heads: Heads,
    /// Those after the commit that was under way, if one was.
    pub announced: Option<Heads>,
}

/// What is found where the heads are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// An earlier version wrote the table, and kept none.
    Never,
    /// There are none, and there should be.
    Missing,
    /// They are not as they were written, or cannot be read; this is why.
    Wrong(String),
    /// They hold, as far as the keys at hand can tell.
    Sealed(Sealed),
}

/// The file's text.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    heads: Heads,
    #[serde(skip_serializing_if = "Option::is_none")]
    announced: Option<Heads>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    hash: String,
}

impl Written {
    fn parts(heads: &Heads, announced: Option<&Heads>) -> [String; 2] {
        // Maps are ordered, so that the same heads are the same text.
        [
            serde_json::to_string(heads).unwrap_or_default(),
            serde_json::to_string(&announced).unwrap_or_default(),
        ]
    }
}

impl Sealed {
    /// As text, keyed by the current one of the keys if there is one.
    pub fn written(&self, keys: &Keys) -> String {
        let parts = Written::parts(&self.heads, self.announced.as_ref());
        let key = keys.current();
        let written = Written {
            heads: self.heads.clone(),
            announced: self.announced.clone(),
            key: key.map(|key| key.id().to_owned()),
            hash: digest(key, &parts.each_ref().map(String::as_bytes)),
        };
        serde_json::to_string_pretty(&written).unwrap_or_default()
    }

    /// Reads such a text. Without any key, that of a keyed one is taken as it is.
    pub fn read(text: &str, keys: &Keys) -> Kept {
        let Written { heads, announced, key, hash } = match serde_json::from_str(text) {
            Ok(written) => written,
            Err(error) => return Kept::Wrong(format!("it cannot be read: {error}")),
        };
        let by = match &key {
            Some(id) if keys.is_empty() => Err(id),
            Some(id) => match keys.find(id) {
                Some(key) => Ok(Some(key)),
                None => return Kept::Wrong(format!("it is made with the key {id}, which was not given")),
            },
            None if keys.is_empty() => Ok(None),
            None => return Kept::Wrong("it is made without a key, and one was given".to_owned()),
        };
        let parts = Written::parts(&heads, announced.as_ref());
        if let Ok(by) = by
            && digest(by, &parts.each_ref().map(String::as_bytes)) != hash
        {
            return Kept::Wrong("its own hash does not hold".to_owned());
        }
        Kept::Sealed(Self { heads, announced })
    }
}

const HASH_DIGITS: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::key::Key;
    use super::*;

    #[test]
    fn heads_are_read_as_they_were_written_or_not_at_all() {
        let (none, one, other) = (Keys::default(), Key::new(&[7; 32]).unwrap(), Key::new(&[8; 32]).unwrap());
        let (one, other) = (Keys::new(vec![one]), Keys::new(vec![other]));
        let mut sealed = Sealed::default();
        sealed.heads.chains.insert("shop".to_owned(), Head { seq: 3, hash: "ab".to_owned() });
        sealed.announced = Some(Heads::default());
        for keys in [&none, &one] {
            assert_eq!(Sealed::read(&sealed.written(keys), keys), Kept::Sealed(sealed.clone()));
            let edited = sealed.written(keys).replace("\"seq\": 3", "\"seq\": 2");
            assert_eq!(Sealed::read(&edited, keys), Kept::Wrong("its own hash does not hold".to_owned()));
        }
        let kept = |by: &Keys, with: &Keys| Sealed::read(&sealed.written(by), with);
        assert!(matches!(kept(&none, &one), Kept::Wrong(why) if why.contains("without a key")));
        assert!(matches!(kept(&other, &one), Kept::Wrong(why) if why.contains("was not given")));
        assert_eq!(kept(&other, &none), Kept::Sealed(sealed.clone()), "nobody here can tell");
        assert!(matches!(Sealed::read("{", &none), Kept::Wrong(_)));
    }

    #[test]
    fn a_head_is_a_number_and_a_hash() {
        let head = Head { seq: 17, hash: "0f".repeat(32) };
        assert_eq!(head.to_string().parse(), Ok(head));
        for wrong in ["", "17", "17:", "17:0f", "x:0f"] {
            assert_eq!(wrong.parse::<Head>(), Err(NoHead), "{wrong}");
        }
    }
}
