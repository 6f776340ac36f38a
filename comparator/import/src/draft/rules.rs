//! Rules, and who keeps the requests of a rule that was not wholly understood.
//!
//! Such a rule is written with `enabled: false`. That alone would hand its requests to the rules below, and so perhaps to the new
//! version: a rule with all that may be meant stands behind it and keeps them where they would have been without the import.

use super::{Draft, MAX_RULES, Mirror, Role, Rule, Target, unique, valid_name};
use crate::condition::{Bounds, Condition};

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
        let blocks = possible.blocks();
        let same = |rule: &&Rule| rule.role == Role::Keeping && rule.target == *old && rule.blocks == blocks;
        if let Some(earlier) = self.rules.iter().find(same) {
            return Some(earlier.name.clone());
        }
        let name = format!("{name}-kept");
        Some(self.write(at, &name, possible, (old.clone(), Vec::new()), Role::Keeping))
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
    fn write(
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
            // More rules than a policy takes are refused in the end, whatever their names.
            let name = match self.rules.len() {
                0..=MAX_RULES => {
                    unique(&valid_name(name), |name| self.rules.iter().any(|rule| rule.name == name))
                }
                _ => valid_name(name),
            };
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

const MAX_BLOCKS: usize = 64;
