//! Randomness as an argument: one word per decision, and as many more derived from it as the decision needs.
//!
//! A client sees some of it, in the key that it is given. So words cannot be computed from one another: neither the word of the next
//! decision from this one's, nor what a decision drew from the key that it minted.

use sha2::{Digest as _, Sha256};

/// One random word, uniform over all 64 bits. Its quality is the caller's: equal words make equal decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dice(pub u64);

impl Dice {
    /// The next word, independent of those before: splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
    /// number generators", OOPSLA 2014), which yields each of the 2^64 words once per period.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so an Option would only be noise")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

impl Dice {
    /// A key for a client, which tells nothing of the words that the decision draws otherwise: half of SHA-256 over the decision's word.
    pub(crate) fn key(self) -> u128 {
        let hash = Sha256::new().chain_update(b"antumbra key").chain_update(self.0.to_le_bytes()).finalize();
        let (half, _) = hash.split_first_chunk().unwrap_or((&[0; 16], &[]));
        u128::from_be_bytes(*half)
    }
}

/// A word for each decision of a process, none of which tells anything of another: SHA-256 over a secret and the number of the block.
pub struct Words {
    secret: [u8; 32],
    blocks: u64,
    left: [u64; 4],
    used: usize,
}

impl Words {
    /// Those of a secret, which must be random and nobody else's.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self { secret, blocks: 0, left: [0; 4], used: 4 }
    }

    /// The next word.
    #[expect(clippy::should_implement_trait, reason = "it never ends, so an Option would only be noise")]
    pub fn next(&mut self) -> Dice {
        if self.used >= self.left.len() {
            self.refill();
        }
        let word = self.left.get(self.used).copied().unwrap_or_default();
        self.used = self.used.wrapping_add(1);
        Dice(word)
    }

    fn refill(&mut self) {
        let block =
            Sha256::new().chain_update(self.secret).chain_update(self.blocks.to_le_bytes()).finalize();
        for (word, bytes) in self.left.iter_mut().zip(block.chunks(8)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        (self.blocks, self.used) = (self.blocks.wrapping_add(1), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Undoes the last steps of [`Dice::next`]: the state that a word came of.
    fn state(mut word: u64) -> u64 {
        word = word ^ (word >> 31) ^ (word >> 62);
        word = word.wrapping_mul(0x3196_42B2_D24D_8EC3);
        word = word ^ (word >> 27) ^ (word >> 54);
        word = word.wrapping_mul(0x96DE_1B17_3F11_9089);
        word ^ (word >> 30) ^ (word >> 60)
    }

    #[test]
    fn a_key_tells_neither_the_next_key_nor_what_was_drawn() {
        let mut dice = Dice(1_234_567);
        let word = dice.next();
        assert_eq!(Dice(state(word)).next(), dice.next(), "words of one decision do tell the next");
        let mut words = Words::new([7; 32]);
        let (this, next) = (words.next(), words.next());
        assert_ne!(Dice(state(this.0)).next(), next.0);
        let (first, second) = ((this.key() >> 64) as u64, this.key() as u64);
        assert_ne!(Dice(state(first)).next(), second, "the halves of a key are no two words of one stream");
        let drawn: Vec<u64> = (0..4).scan(this, |dice, _| Some(dice.next())).collect();
        assert!(!drawn.contains(&first) && !drawn.contains(&second));
    }

    #[test]
    fn each_secret_has_words_of_its_own() {
        let drawn = |secret| -> Vec<u64> {
            let mut words = Words::new([secret; 32]);
            (0..1_000).map(|_| words.next().0).collect()
        };
        let (mut all, again) = (drawn(1), drawn(1));
        assert_eq!(all, again);
        all.extend(drawn(2));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 2_000);
    }

    #[test]
    fn the_published_sequence_of_seed_1234567() {
        let mut dice = Dice(1_234_567);
        assert_eq!(
            [dice.next(), dice.next(), dice.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }
}
