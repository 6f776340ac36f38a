//! Rules, and who keeps the requests of a rule that was not wholly understood.
//!
//! Such a rule is written with `enabled: false`. That alone would hand its requests to the rules below, and so perhaps to the new
//! version: a rule with all that may be meant stands behind it and keeps them where they would have been without the import.

use super::{Draft, Mirror, Role, Rule, Target, valid_name};
use crate::condition::{Bounds, Condition, MAX_BLOCKS};

impl Draft {
    /// Appends a rule. What it may mean and surely does not stays with the host's own routing.
    pub(crate) fn rule(
        &mut self,
        at: &str,
        name: &str,
        condition: Condition,
        target: Target,
        mirrors: Vec<Mirror>,
    ) {
        self.rule_beside(at, name, condition, target, mirrors, &Target::Host);
    }

    /// Appends a rule. What it may mean and surely does not goes to `old`.
    pub(crate) fn rule_beside(
        &mut self,
        at: &str,
        name: &str,
        condition: Condition,
        target: Target,
        mirrors: Vec<Mirror>,
        old: &Target,
    ) {
        let target = self.sound(at, target);
        let mirrors = self.of_one_candidate(mirrors);
        if target == Target::Onward && mirrors.is_empty() {
            return;
        }
        let condition = self.shallow(at, name, condition);
        let clear = condition.is_clear();
        let meant = condition.bounds();
        if clear && meant.possibly.is_none() {
            self.note(at, format!("its condition holds for no request: rule {name:?} is left out"));
            return;
        }
        if let Some(sure) = meant.surely.as_ref().filter(|_| meant.surely == meant.possibly) {
            self.write(at, name, sure, (target, mirrors), Role::Carried);
            return;
        }
        if target == *old && mirrors.is_empty() {
            self.widen(at, name, &meant, target);
            return;
        }
        let onward = target == Target::Onward;
        let written = match &meant.surely {
            Some(sure) => self.write(at, name, sure, (target, mirrors), Role::Carried),
            None => self.write(at, name, &meant.guessed, (target, mirrors), Role::Waiting),
        };
        let kept = if onward { None } else { self.keep(at, &written, &meant, old) };
        self.note_unclear(at, &written, meant.surely.is_some(), kept.as_deref(), old);
    }

    /// A split of one variant is no split, and one whose weights are all 0 sends nothing anywhere.
    fn sound(&mut self, at: &str, target: Target) -> Target {
        let Target::Split(mut split) = target else { return target };
        let mut merged: Vec<(String, u64)> = Vec::new();
        for (name, weight) in split.weights {
            match merged.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += weight,
                None => merged.push((name, weight)),
            }
        }
        let sum: u64 = merged.iter().map(|(_, weight)| weight).sum();
        if sum > LARGEST_SUM {
            self.note(
                at,
                format!("the weights have the sum {sum}, and a policy takes {LARGEST_SUM}: the host's own routing keeps the requests"),
            );
            return Target::Host;
        }
        if sum == 0 {
            self.note(at, "all weights are 0: no request is meant, the host's own routing keeps them");
            return Target::Host;
        }
        if let [(only, _)] = merged.as_slice() {
            return Target::To(only.clone());
        }
        split.weights = merged;
        Target::Split(split)
    }

    /// One policy compares one candidate; the first that is mirrored to is it.
    fn of_one_candidate(&mut self, mirrors: Vec<Mirror>) -> Vec<Mirror> {
        let first = self.candidate.clone().or_else(|| mirrors.first().map(|mirror| mirror.to.clone()));
        let Some(candidate) = first else { return mirrors };
        let (mut same, others): (Vec<_>, Vec<_>) =
            mirrors.into_iter().partition(|mirror| mirror.to == candidate);
        for other in others {
            self.note(
                other.at,
                format!(
                    "mirrors to {:?} as well: one policy compares one \
                 candidate, which is {candidate:?}; write a policy of its own for the other",
                    other.to
                ),
            );
        }
        for over in same.split_off(same.len().min(MAX_MIRRORS)) {
            self.note(
                over.at,
                format!("is not carried over: a rule mirrors {MAX_MIRRORS} times at most, and those before it do so already"),
            );
        }
        same
    }

    /// With what nests deeper than a policy takes as unclear.
    fn shallow(&mut self, at: &str, name: &str, condition: Condition) -> Condition {
        let depth = condition.clone().bounds().depth();
        if depth <= DEEPEST {
            return condition;
        }
        self.note(
            at,
            format!(
                "the condition of rule {name:?} nests {depth} levels of any, all and not, and a policy takes {DEEPEST}: the \
                 innermost are missing"
            ),
        );
        let cuts = (0..=DEEPEST).rev().map(|levels| condition.cut(levels));
        let fits = |condition: &Condition| condition.clone().bounds().depth() <= DEEPEST;
        cuts.into_iter().find(fits).unwrap_or(Condition::Unclear(None))
    }

    /// Where all that may be meant goes to the old version anyway, a wider condition is a safe one.
    fn widen(&mut self, at: &str, name: &str, meant: &Bounds, target: Target) {
        let Some(possible) = &meant.possibly else { return };
        let whose = shown(&target);
        let name = self.write(at, name, possible, (target, Vec::new()), Role::Carried);
        self.note(
            at,
            format!(
                "part of the condition of rule {name:?} is missing, so it takes every request that it may be meant \
                 for: {whose} keeps them, and none of them reaches the rules below"
            ),
        );
    }

    /// Writes the rule that keeps all that may be meant, unless the one before keeps as much.
    fn keep(&mut self, at: &str, name: &str, meant: &Bounds, old: &Target) -> Option<String> {
        let possible = meant.possibly.as_ref()?;
        let key = format!("{old:?} {:?}", possible.blocks());
        if let Some(earlier) = self.kept.get(&key) {
            return Some(earlier.clone());
        }
        let name = format!("{name}-kept");
        let kept = self.write(at, &name, possible, (old.clone(), Vec::new()), Role::Keeping);
        self.kept.insert(key, kept.clone());
        Some(kept)
    }

    fn note_unclear(&mut self, at: &str, name: &str, sure: bool, kept: Option<&str>, old: &Target) {
        let what = match (sure, kept) {
            (true, Some(kept)) => format!(
                "rule {name:?} has lost the alternatives that could not be carried over; rule {kept:?} leaves their \
                 requests to {}",
                shown(old)
            ),
            (true, None) => {
                format!("rule {name:?} has lost the alternatives that could not be carried over")
            }
            (false, Some(kept)) => format!(
                "rule {name:?} is written with `enabled: false`, since part of its condition is missing or a guess, and \
                 rule {kept:?} leaves the requests that it may be meant for to {}: complete {name:?}, enable it, and \
                 remove {kept:?} once all that it stands in for is enabled",
                shown(old)
            ),
            (false, None) => format!(
                "rule {name:?} is written with `enabled: false`, since part of its condition is missing or a guess: \
                 complete it, then enable it"
            ),
        };
        self.note(at, what);
    }

    /// Writes a rule, in several where its alternatives are too many for one; the name of the first.
    pub(super) fn write(
        &mut self,
        at: &str,
        name: &str,
        condition: &Condition,
        (target, mirrors): (Target, Vec<Mirror>),
        role: Role,
    ) -> String {
        let blocks = condition.blocks();
        let chunks = if blocks.is_empty() {
            vec![Vec::new()]
        } else {
            blocks.chunks(MAX_BLOCKS).map(<[_]>::to_vec).collect()
        };
        let mut first = None;
        for blocks in chunks {
            let name = self.rule_names.take(&valid_name(name));
            if self.candidate.is_none() {
                self.candidate = mirrors.first().map(|mirror| mirror.to.clone());
            }
            first.get_or_insert_with(|| name.clone());
            let (target, mirrors, at) = (target.clone(), mirrors.clone(), at.to_owned());
            self.rules.push(Rule { name, role, blocks, target, mirrors, at });
        }
        first.unwrap_or_default()
    }
}

fn shown(target: &Target) -> String {
    match target {
        Target::To(name) => format!("variant {name:?}"),
        Target::Split(_) => "the split of the route itself".to_owned(),
        Target::Host | Target::Onward => "the host's own routing".to_owned(),
    }
}

/// Levels of `any`, `all` and `not` in a policy.
const DEEPEST: usize = 16;
/// Of one rule.
const MAX_MIRRORS: usize = 4;
/// Of the weights of a split.
const LARGEST_SUM: u64 = u32::MAX as u64;
