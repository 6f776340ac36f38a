//! Signatures over what a client carries for us, so that it cannot make up its own: HMAC-SHA256 (RFC 2104, FIPS 180-4).
//!
//! A policy names its key and never holds it: policies are stored, shown and audited. The filter's configuration has the
//! keys by name.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::document::Field;

/// Keys for signatures, each with the name that policies use for it.
pub type Secrets = Vec<(String, Vec<u8>)>;

/// How long a key has to be, in bytes.
pub const SHORTEST_SECRET: usize = 16;

/// A key that a policy names; until it is bound nothing verifies and nothing is signed.
#[derive(Clone)]
pub(crate) struct SigningKey {
    name: String,
    key: Option<Vec<u8>>,
}

impl SigningKey {
    pub(crate) fn read(field: &Field<'_>) -> Option<Self> {
        Some(Self { name: field.name()?.to_owned(), key: None })
    }

    /// A key that is at hand, for whoever makes what is to be verified.
    pub(crate) fn of(secret: &[u8]) -> Self {
        Self { name: String::new(), key: Some(secret.to_vec()) }
    }

    /// Takes the key of its name; the name again if there is none.
    pub(crate) fn bind(&mut self, secrets: &Secrets) -> Result<(), String> {
        let found = secrets.iter().find(|(name, _)| *name == self.name);
        let (_, key) = found.ok_or_else(|| self.name.clone())?;
        self.key = Some(key.clone());
        Ok(())
    }

    /// The signature of the parts in hexadecimal digits; `None` without a key.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> Option<String> {
        let digest = self.mac(parts)?.finalize().into_bytes();
        Some(digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
            text
        }))
    }

    /// Whether these hexadecimal digits are the signature, in a time that does not tell where they differ.
    pub(crate) fn verifies(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        let digest: Option<Vec<u8>> = signature.chunks(2).map(byte).collect();
        let (Some(mac), Some(digest)) = (self.mac(parts), digest) else { return false };
        mac.verify_slice(&digest).is_ok()
    }

    /// Each part with its length before it, so that no two lists of parts look alike.
    fn mac(&self, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_ref()?).ok()?;
        for part in parts {
            mac.update(&u64::try_from(part.len()).ok()?.to_be_bytes());
            mac.update(part);
        }
        Some(mac)
    }
}

/// Never the key.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:?})", self.name)
    }
}

fn digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

fn byte(digits: &[u8]) -> Option<u8> {
    let [high, low] = *digits else { return None };
    let value = |digit| char::from(digit).to_digit(16);
    u8::try_from(value(high)? << 4 | value(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &[u8]) -> SigningKey {
        let mut key = SigningKey { name: "k".to_owned(), key: None };
        key.bind(&vec![("k".to_owned(), secret.to_vec())]).unwrap();
        assert_eq!(key.sign(&[b"x"]), SigningKey::of(secret).sign(&[b"x"]));
        key
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else() {
        let signature = key(b"secret").sign(&[b"a", b"bc"]).unwrap();
        assert_eq!(signature.len(), 64);
        assert!(key(b"secret").verifies(&[b"a", b"bc"], signature.as_bytes()));
        assert!(!key(b"secret").verifies(&[b"ab", b"c"], signature.as_bytes()));
        assert!(!key(b"other").verifies(&[b"a", b"bc"], signature.as_bytes()));
        for wrong in ["", "0", "zz", &signature[..62], &format!("{signature}00")] {
            assert!(!key(b"secret").verifies(&[b"a", b"bc"], wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn without_a_key_nothing_verifies() {
        let mut unbound = SigningKey { name: "k".to_owned(), key: None };
        assert_eq!(unbound.sign(&[b"a"]), None);
        assert!(!unbound.verifies(&[b"a"], b"00"));
        assert_eq!(unbound.bind(&Secrets::new()), Err("k".to_owned()));
        assert_eq!(format!("{:?}", key(b"secret")), r#"SigningKey("k")"#);
    }
}
