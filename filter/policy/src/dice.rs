//! Randomness as an argument: one word per decision, and as many more derived from it as the decision needs.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence_of_seed_1234567() {
        let mut dice = Dice(1_234_567);
        assert_eq!(
            [dice.next(), dice.next(), dice.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }
}
