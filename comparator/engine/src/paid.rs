//! Which of the control's differences speak for the candidate.
//!
//! Noise hits both legs, so that what the control alone differs in cancels what the candidate alone does. An incident of the control is no
//! noise: a cache that it lost, or a neighbour that it has, would pay for a defect that the candidate shows later. So within a spell of blocks
//! that follow each other the control's differences count as long as they are no more than the candidate's and what chance adds to them.
//! That is decided by exchanges before, and never makes the candidate look better than all of them would: a bet on the share of worse
//! exchanges stays valid. Where every answer differs, and only the farther of two is told, all of the control's count: one of the two is
//! always farther, so that chance alone would take the control past that bound for long.

use serde::{Deserialize, Serialize};

use crate::kind::Sign;
use crate::sparse::is_default;

/// The control's differences at one place that count, and those of the spell that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Paid {
    #[serde(skip_serializing_if = "is_default")]
    counted: u64,
    #[serde(skip_serializing_if = "is_default")]
    spell: Spell,
}

/// Blocks that follow each other, in each of which one leg alone differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Spell {
    /// The last block.
    #[serde(skip_serializing_if = "is_default")]
    block: u32,
    #[serde(skip_serializing_if = "is_default")]
    candidate: u32,
    /// Those that count.
    #[serde(skip_serializing_if = "is_default")]
    control: u32,
}

impl Paid {
    /// Counts an exchange of this block in which one leg alone differs; answers whether it counts.
    pub(crate) fn count(&mut self, sign: Sign, block: u32) -> bool {
        let spell = &mut self.spell;
        if block.wrapping_sub(spell.block) > 1 {
            *spell = Spell::default();
        }
        spell.block = block;
        if sign > 0 {
            spell.candidate = spell.candidate.saturating_add(1);
            return true;
        }
        let control = spell.control.saturating_add(1);
        let chance = 1 + spell.candidate.saturating_add(control).isqrt();
        let counts = control <= spell.candidate.saturating_add(chance);
        if counts {
            spell.control = control;
            self.counted += 1;
        }
        counts
    }

    /// How many of the control's differences count.
    pub(crate) fn counted(self) -> u64 {
        self.counted
    }

    /// Adds those that another engine counted.
    pub(crate) fn merge(&mut self, other: Self) {
        self.counted += other.counted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_of_the_control_pays_for_next_to_nothing() {
        let mut paid = Paid::default();
        for number in 0..400 {
            paid.count(-1, 7 + number / 100);
        }
        assert_eq!(paid.counted(), 2, "four blocks that follow each other");
        assert!(paid.count(-1, 12), "another spell");
        assert_eq!(paid.counted(), 3);
    }

    #[test]
    fn noise_of_both_legs_cancels_but_for_a_few() {
        let mut paid = Paid::default();
        let mut word = 1_u64;
        let mut of_control = 0;
        for number in 0..2_000 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let sign = if word >> 63 == 0 { 1 } else { -1 };
            of_control += u64::from(sign < 0);
            paid.count(sign, number / 20);
        }
        assert!(
            paid.counted() <= of_control && paid.counted() + 60 >= of_control,
            "{paid:?} of {of_control}"
        );
    }
}
