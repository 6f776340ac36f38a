//! The secret of an operator by which entries and heads are keyed: whoever can write the database but lacks the key cannot make hashes
//! that hold.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::fingerprint;

/// One secret, known to others by its id alone.
#[derive(Clone)]
pub struct Key {
    id: String,
    /// HMAC-SHA-256 (RFC 2104) before any message.
    begun: Hmac<Sha256>,
}

/// Why bytes are no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key has {0} bytes, must have at least {SHORTEST_KEY}")]
pub struct ShortKey(usize);

impl Key {
    /// The key of these bytes.
    ///
    /// # Errors
    /// There are fewer than 32, so it could be guessed.
    pub fn new(secret: &[u8]) -> Result<Self, ShortKey> {
        let short = ShortKey(secret.len());
        if secret.len() < SHORTEST_KEY {
            return Err(short);
        }
        // HMAC takes keys of any length.
        let begun = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| short)?;
        let id = keyed(&begun, &[b"antumbra audit key"]);
        Ok(Self { id: id.chars().take(ID_DIGITS).collect(), begun })
    }

    /// 16 hexadecimal digits that name the key and tell nothing of it.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Never the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.id).finish()
    }
}

/// The keys that somebody has: the first one keys what is written, each of them checks what was.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// These, of which the first keys what is written.
    pub fn new(keys: Vec<Key>) -> Self {
        Self(keys)
    }

    /// By which entries are keyed from now on; none if they are not.
    pub fn current(&self) -> Option<&Key> {
        self.0.first()
    }

    /// The one of this id.
    pub fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// HMAC-SHA-256 over the parts with a key, SHA-256 without, in hexadecimal digits. Each part has its length before it, so that no two
/// lists of parts are the same text.
pub(super) fn digest(key: Option<&Key>, parts: &[&[u8]]) -> String {
    match key {
        Some(key) => keyed(&key.begun, parts),
        None => {
            let mut digest = Sha256::new();
            for part in parts {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
            fingerprint::hex(&digest.finalize())
        }
    }
}

fn keyed(begun: &Hmac<Sha256>, parts: &[&[u8]]) -> String {
    let mut mac = begun.clone();
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    fingerprint::hex(&mac.finalize().into_bytes())
}

/// As many bytes as the hash has, as RFC 2104 recommends.
const SHORTEST_KEY: usize = 32;
const ID_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_by_its_id_and_never_shown() {
        assert_eq!(Key::new(b"short").unwrap_err().to_string(), "the key has 5 bytes, must have at least 32");
        let (one, other) = (Key::new(&[7; 32]).unwrap(), Key::new(&[8; 32]).unwrap());
        assert_ne!(one.id(), other.id());
        assert_eq!(format!("{one:?}"), format!("Key({:?})", one.id()));
        let keys = Keys::new(vec![one.clone(), other.clone()]);
        assert_eq!(keys.current().map(Key::id), Some(one.id()));
        assert_eq!(keys.find(other.id()).map(Key::id), Some(other.id()));
        let hashes = [None, Some(&one), Some(&other)].map(|key| digest(key, &[b"a", b"b"]));
        assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2], "{hashes:?}");
        assert_ne!(digest(Some(&one), &[b"a", b"b"]), digest(Some(&one), &[b"ab", b""]));
    }
}
