//! What a capture could not keep, counted by kind: each line says it of itself, so that a part of a file says what that part lacks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of what is not in a capture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Left {
    /// Bodies of which only length and hash are kept, because a value to blank could be anywhere in them: by what they are, or by
    /// what kept them from being read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    hashed: BTreeMap<String, u64>,
    /// Bodies of which the filter kept only length and hash.
    #[serde(skip_serializing_if = "is_zero")]
    cut: u64,
    /// Headers and trailers whose values are blanked, by lower-case name; of `set-cookie`, the values of cookies.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, u64>,
    /// Values that are blanked within bodies.
    #[serde(skip_serializing_if = "is_zero")]
    members: u64,
    /// Parts of paths and queries that are blanked.
    #[serde(skip_serializing_if = "is_zero")]
    targets: u64,
}

impl Left {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn hashed(&mut self, why: &str) {
        add(&mut self.hashed, why, 1);
    }

    pub(super) fn cut(&mut self) {
        self.cut += 1;
    }

    pub(super) fn header(&mut self, name: &str, values: u64) {
        add(&mut self.headers, name, values);
    }

    pub(super) fn members(&mut self, values: u64) {
        self.members += values;
    }

    pub(super) fn targets(&mut self, parts: u64) {
        self.targets += parts;
    }

    /// Adds what another line lacks.
    pub(crate) fn merge(&mut self, other: &Self) {
        let Self { hashed, cut, headers, members, targets } = other;
        hashed.iter().for_each(|(why, count)| add(&mut self.hashed, why, *count));
        headers.iter().for_each(|(name, count)| add(&mut self.headers, name, *count));
        self.cut = self.cut.saturating_add(*cut);
        self.members = self.members.saturating_add(*members);
        self.targets = self.targets.saturating_add(*targets);
    }

    /// One line for each kind.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self { hashed, cut, headers, members, targets } = self;
        let mut lines = Vec::new();
        if !hashed.is_empty() {
            let total = total(hashed);
            lines.push(format!(
                "not kept: {total} {} that cannot be looked into, only length and hash ({})",
                plural(total, "body", "bodies"),
                listed(hashed)
            ));
        }
        if *cut > 0 {
            let bodies = plural(*cut, "body", "bodies");
            lines.push(format!("not kept: {cut} {bodies} beyond the filter's limit, only length and hash"));
        }
        if !headers.is_empty() {
            let total = total(headers);
            let values = plural(total, "value", "values");
            lines.push(format!("blanked: {total} {values} of headers ({})", listed(headers)));
        }
        if *members > 0 {
            lines.push(format!("blanked: {members} {} in bodies", plural(*members, "value", "values")));
        }
        if *targets > 0 {
            lines.push(format!(
                "blanked: {targets} {} of paths and queries",
                plural(*targets, "part", "parts")
            ));
        }
        if !headers.is_empty() || *members > 0 || *targets > 0 {
            lines.push("Blanked values look alike: no difference between them is found.".to_owned());
        }
        lines
    }
}

/// Counts under the name; a file may hold any names, so that only so many are told apart.
fn add(counts: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    let sound = name.len() <= MAX_NAME && name.bytes().all(|byte| byte.is_ascii_graphic());
    let known = counts.contains_key(name) || counts.len() < MAX_NAMES;
    let name = if sound && known { name } else { OTHERS };
    let counted = counts.entry(name.to_owned()).or_default();
    *counted = counted.saturating_add(count);
}

fn total(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().copied().fold(0, u64::saturating_add)
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    let each: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    each.join(", ")
}

fn plural(count: u64, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

const MAX_NAMES: usize = 64;
const MAX_NAME: usize = 128;
const OTHERS: &str = "(others)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_up_and_said() {
        let mut all = Left::default();
        assert!(all.lines().is_empty() && all.is_empty());
        for text in [
            r#"{"hashed":{"text":2},"cut":1,"headers":{"cookie":3}}"#,
            r#"{"hashed":{"text":1,"corrupt":1},"members":1,"more":[]}"#,
        ] {
            all.merge(&serde_json::from_str(text).unwrap());
        }
        insta::assert_snapshot!(all.lines().join("\n"), @r"
        not kept: 4 bodies that cannot be looked into, only length and hash (corrupt 1, text 3)
        not kept: 1 body beyond the filter's limit, only length and hash
        blanked: 3 values of headers (cookie 3)
        blanked: 1 value in bodies
        Blanked values look alike: no difference between them is found.
        ");
    }

    #[test]
    fn what_a_file_says_is_bounded_and_harmless() {
        let mut all = Left::default();
        for number in 0..1_000_u64 {
            let headers = BTreeMap::from([(format!("x-{number}"), 1), ("\u{1b}[2J".to_owned(), u64::MAX)]);
            all.merge(&Left { headers, ..Left::default() });
        }
        let line = all.lines().join("\n");
        assert!(all.headers.len() <= MAX_NAMES + 1 && !line.contains('\u{1b}'), "{line}");
    }
}
