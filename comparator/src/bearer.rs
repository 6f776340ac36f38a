//! What a client bears: secrets, drawn from the system's random numbers, and what they hash to.

use antumbra_control::token::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// A secret that nobody else has: 256 random bits. It is shown to who asked for it, and kept nowhere.
pub(crate) fn drawn() -> Result<String, getrandom::Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits)))
}

/// What a secret is known by.
pub(crate) fn digest(secret: &str) -> Digest {
    Digest(Sha256::digest(secret.as_bytes()).into())
}

/// By which scanners of code and logs know a token.
const PREFIX: &str = "antumbra_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_sendable_and_another_one_every_time() {
        let (one, other) = (drawn().unwrap(), drawn().unwrap());
        assert_ne!(one, other);
        let bits = one.strip_prefix("antumbra_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(bits).unwrap().len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(digest(&one).is(&digest(&one)) && !digest(&one).is(&digest(&other)));
    }
}
