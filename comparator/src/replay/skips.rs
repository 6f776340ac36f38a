//! Which entries of a recording were skipped: how many for each reason, and the first of them with their places.
//!
//! A recording may have a million writes before the one entry that is broken. So a reason that has many examples gives one up for a
//! reason that has fewer.

use std::collections::BTreeMap;

use serde::Serialize;

use super::entry::{At, Skipped};

/// Skipped entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Skips {
    /// By reason.
    pub(super) skipped: BTreeMap<&'static str, u64>,
    /// At most [`MAX_NAMED`] of them, in their order in the file.
    pub(super) skipped_entries: Vec<Skip>,
}

/// One skipped entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Skip {
    #[serde(flatten)]
    at: At,
    reason: &'static str,
    message: String,
}

impl Skips {
    /// Counts an entry, and keeps it while there is room.
    pub(crate) fn add(&mut self, at: At, skipped: &Skipped) {
        let reason = skipped.as_str();
        *self.skipped.entry(reason).or_default() += 1;
        if self.skipped_entries.len() < MAX_NAMED || self.gives_up_one_for(reason) {
            self.skipped_entries.push(Skip { at, reason, message: skipped.to_string() });
        }
    }

    /// One line with the counts and one for each entry that is named.
    pub(crate) fn lines(&self) -> Vec<String> {
        if self.skipped.is_empty() {
            return Vec::new();
        }
        let counts: Vec<String> =
            self.skipped.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let mut lines = vec![format!("skipped: {}", counts.join(", "))];
        let named = self.skipped_entries.iter();
        lines.extend(named.map(|Skip { at, reason, message }| format!("  {at}: {reason}, {message}")));
        let more = self.skipped.values().sum::<u64>().saturating_sub(self.skipped_entries.len() as u64);
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
        lines
    }

    /// Removes the last example of the reason that has the most, if that leaves it as many as `reason` will have.
    fn gives_up_one_for(&mut self, reason: &str) -> bool {
        let mut examples: BTreeMap<&str, usize> = BTreeMap::new();
        for skip in &self.skipped_entries {
            *examples.entry(skip.reason).or_default() += 1;
        }
        let own = examples.get(reason).copied().unwrap_or_default();
        let Some((most, count)) = examples.into_iter().max_by_key(|(_, count)| *count) else { return false };
        let last = self.skipped_entries.iter().rposition(|skip| skip.reason == most);
        match last.filter(|_| count > own + 1) {
            Some(last) => {
                self.skipped_entries.remove(last);
                true
            }
            None => false,
        }
    }
}

/// Skipped entries that are named; the others are counted.
const MAX_NAMED: usize = 20;

#[cfg(test)]
mod tests {
    use antumbra_observation::UnsafeMethod;

    use super::*;

    #[test]
    fn entries_are_named_with_their_places() {
        let mut skips = Skips::default();
        assert!(skips.lines().is_empty());
        skips.add(At::Line { line: 7 }, &Skipped::SameId);
        skips.add(At::Record { record: 2, line: 5, byte: 90 }, &Skipped::malformed("it is cut"));
        let url = "http://shop.test/a".to_owned();
        skips.add(At::Entry { entry: 0, url }, &Skipped::UnsafeMethod(UnsafeMethod::Put));
        skips.add(At::Entry { entry: 3, url: String::new() }, &Skipped::Shadow);
        insta::assert_snapshot!(skips.lines().join("\n"), @r"
        skipped: malformed 1, same_id 1, shadow 1, unsafe_method 1
          line 7: same_id, the same exchange was read before
          record 2 (line 5, byte 90): malformed, it is cut
          log.entries[0] http://shop.test/a: unsafe_method, PUT may write
          log.entries[3]: shadow, it was a shadow request itself
        ");
        let json = serde_json::to_value(&skips.skipped_entries[1]).unwrap();
        let expected = serde_json::json!({"record": 2, "line": 5, "byte": 90, "reason": "malformed", "message": "it is cut"});
        assert_eq!(json, expected);
    }

    #[test]
    fn a_reason_with_many_entries_leaves_room_for_others() {
        let mut skips = Skips::default();
        let writes = Skipped::UnsafeMethod(UnsafeMethod::Post);
        (0..1_000).for_each(|line| skips.add(At::Line { line }, &writes));
        assert_eq!(skips.skipped_entries.len(), MAX_NAMED);
        assert_eq!(skips.lines().last().unwrap(), "  and 980 more");
        (1_000..1_050).for_each(|line| skips.add(At::Line { line }, &Skipped::SameId));
        skips.add(At::Line { line: 2_000 }, &Skipped::Shadow);
        let named = |reason| skips.skipped_entries.iter().filter(|skip| skip.reason == reason).count();
        assert_eq!((named("unsafe_method"), named("same_id"), named("shadow")), (9, 10, 1));
        assert_eq!(skips.skipped["unsafe_method"], 1_000);
        assert_eq!(skips.lines().last().unwrap(), "  and 1031 more");
    }
}
