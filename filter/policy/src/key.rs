//! What a request is known by, and where that puts it: keys, salts, and the hash beneath positions and samples.

use std::borrow::Cow;
use std::io::Read;

use murmur3::murmur3_x64_128;

use crate::document::Field;
use crate::facts::{Facts, OF_A_HASHED_BYTE, Questions};
use crate::names::{COOKIE_NAMES, HEADER_NAMES, header_name, is_cookie_name};
use crate::place::{CookieSlot, HeaderSlot, Place, PropertySlot, QuerySlot};
use crate::property::PropertyPath;
use crate::request::Request;

/// Keys in the order of preference: the first that a request has decides.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    written: Vec<String>,
}

/// One thing that a request may be known by.
#[derive(Debug)]
pub(crate) enum Key {
    Header(HeaderSlot),
    Cookie(CookieSlot, String),
    Query(QuerySlot),
    Property(PropertySlot),
    Address,
}

impl Keys {
    /// One key, or a list of up to [`MAX_KEYS`].
    pub(crate) fn read(field: &Field<'_>, questions: &mut Questions) -> Option<Self> {
        let written = field.each_or_one(1..=MAX_KEYS, |field| field.text().map(str::to_owned))?;
        let keys = field.each_or_one(1..=MAX_KEYS, |field| {
            let key = Key::read(field, questions)?;
            if let Some(place) = key.place() {
                questions.is_key(place, field.path());
            }
            Some(key)
        })?;
        Some(Self { keys, written })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// As the document has them: slots are a policy's own.
    pub(crate) fn written(&self) -> &[String] {
        &self.written
    }

    /// The name of the first cookie among them.
    pub(crate) fn first_cookie(&self) -> Option<&str> {
        self.keys.iter().find_map(|key| match key {
            Key::Cookie(_, name) => Some(name.as_str()),
            Key::Header(_) | Key::Query(_) | Key::Property(_) | Key::Address => None,
        })
    }

    /// What `use_value` makes of the value that a request is known by. An empty value is none: else all who send it would
    /// share a position.
    pub(crate) fn with<R: Request + ?Sized, T>(
        &self,
        facts: &mut Facts<'_, R>,
        use_value: impl Fn(&[u8]) -> T,
    ) -> Option<T> {
        self.keys.iter().find_map(|key| {
            let value = key.value(facts)?;
            let length = value.len();
            let used = (length > 0).then(|| use_value(&value))?;
            facts.took(OF_A_HASHED_BYTE * length);
            Some(used)
        })
    }
}

impl Key {
    /// `header:<name>`, `cookie:<name>`, `query:<name>`, `metadata:<name>` or `ip`.
    pub(crate) fn read(field: &Field<'_>, questions: &mut Questions) -> Option<Self> {
        let text = field.text()?;
        match text.split_once(':') {
            None if text == "ip" => return Some(Self::Address),
            Some(("header", name)) => match header_name(name) {
                Some(name) => return Some(Self::Header(questions.header(&name))),
                None => field.problem(format!("with a name that {HEADER_NAMES}")),
            },
            Some(("cookie", name)) if is_cookie_name(name) => {
                return Some(Self::Cookie(questions.cookie(name), name.to_owned()));
            }
            Some(("cookie", _)) => field.problem(format!("with a name that {COOKIE_NAMES}")),
            Some(("query", name)) if !name.is_empty() => return Some(Self::Query(questions.query(name))),
            Some(("metadata", name)) if !name.is_empty() => {
                return Some(Self::Property(questions.property(&PropertyPath::new(name))));
            }
            _ => field.problem("must be header:<name>, cookie:<name>, query:<name>, metadata:<name> or ip"),
        }
        None
    }

    /// Where it stands; `None` for an address.
    fn place(&self) -> Option<Place> {
        match self {
            Self::Header(slot) => Some(Place::Header(*slot)),
            Self::Cookie(slot, _) => Some(Place::Cookie(*slot)),
            Self::Query(slot) => Some(Place::Query(*slot)),
            Self::Property(slot) => Some(Place::Property(*slot)),
            Self::Address => None,
        }
    }

    /// The value as sent; an address as canonical text without port.
    pub(crate) fn value<'f, R: Request + ?Sized>(
        &self,
        facts: &'f mut Facts<'_, R>,
    ) -> Option<Cow<'f, [u8]>> {
        match self {
            Self::Header(slot) => facts.header(*slot).map(Cow::Borrowed),
            Self::Cookie(slot, _) => facts.cookie(*slot).map(Cow::Borrowed),
            Self::Query(slot) => facts.query(*slot).map(Cow::Borrowed),
            Self::Property(slot) => facts.property(*slot).map(Cow::Borrowed),
            Self::Address => facts.address().map(|address| Cow::Owned(address.to_string().into_bytes())),
        }
    }
}

/// Keeps the positions of one use of a key apart from those of another. With the `|` between it and the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Salt(Vec<u8>);

impl Salt {
    pub(crate) fn new(text: &str) -> Self {
        Self(format!("{text}|").into_bytes())
    }

    pub(crate) fn read(field: &Field<'_>) -> Option<Self> {
        let text = field.text()?;
        if (1..=LONGEST_SALT).contains(&text.len()) {
            return Some(Self::new(text));
        }
        field.problem(format!("must have 1 to {LONGEST_SALT} bytes"));
        None
    }
}

/// The low 64 bits of `murmur3_x64_128` (Appleby, seed 0) of the salted key. The digest's lower half is its first eight
/// bytes, so other implementations find it easily.
pub(crate) fn hash(salt: Option<&Salt>, key: &[u8]) -> u64 {
    let mut salted = salt.map_or(&[][..], |salt| &salt.0).chain(key);
    #[expect(clippy::cast_possible_truncation, reason = "the low 64 bits are meant")]
    murmur3_x64_128(&mut salted, 0).map_or(0, |hash| hash as u64)
}

/// Where a hash lies among [`POSITIONS`].
pub(crate) fn position(hash: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "below a million")]
    let position = ((u128::from(hash) * u128::from(POSITIONS)) >> 64) as u32;
    position
}

/// Positions of a split: a share is exact to a ten-thousandth of a percent.
pub(crate) const POSITIONS: u32 = 1_000_000;
const MAX_KEYS: usize = 8;
/// Bytes.
const LONGEST_SALT: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_the_hash_beneath_them() {
        for (salted, expected) in [
            ("checkout-2026|u-1", 477_869),
            ("checkout-2026|u-2", 688_280),
            ("checkout-2026|00042", 552_772),
            ("search-2026|u-1", 578_637),
            ("checkout-2026|用户42", 244_160),
        ] {
            let (salt, key) = salted.split_once('|').unwrap();
            assert_eq!(position(hash(Some(&Salt::new(salt)), key.as_bytes())), expected, "{salted}");
        }
        for (text, expected) in [("test-uid-0001", 5968), ("test-uid-0002", 4073), ("用户42", 8568)] {
            assert_eq!(hash(None, text.as_bytes()) % 10_000, expected, "{text}");
        }
    }
}
