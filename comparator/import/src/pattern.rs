//! Regular expressions of other engines: whether the filter can run them, and what a predicate says of an empty value.

use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Policy, Timestamp, WrittenRequest};

/// Why the filter cannot run a pattern, in the words of its own reader; `None` if it can.
pub(super) fn refusal(pattern: &str) -> Option<String> {
    let probe = PROBE.replace("PATTERN", &serde_json::to_string(pattern).unwrap_or_default());
    let tree = Tree::from_json(probe.as_bytes()).ok()?;
    let invalid = Policy::from_tree(&tree).err()?;
    let message = &invalid.problems.first()?.message;
    let reason = message.split_once("when compiled: ").map_or(message.as_str(), |(_, reason)| reason);
    Some(reason.to_owned())
}

/// Whether a predicate on a header holds where its value is empty, by the code that the filter runs.
pub(super) fn holds_on_empty(predicate: &Tree) -> bool {
    let predicate = serde_json::to_string(predicate).unwrap_or_default();
    let probe = PROBE.replace(r#"{"regex": PATTERN}"#, &predicate);
    let holds = || {
        let policy = Policy::from_tree(&Tree::from_json(probe.as_bytes()).ok()?).ok()?;
        let request = Tree::from_json(br#"{"path": "/", "headers": {"x": ""}}"#).ok()?;
        let request = WrittenRequest::from_tree(&request, Timestamp(0)).ok()?;
        Some(policy.decide(&request, Dice(0)).rule.is_some())
    };
    holds().unwrap_or_default()
}

const PROBE: &str = r#"{"version": 1, "name": "probe", "variants": {"a": {}}, "default": "a",
    "rules": [{"matches": [{"headers": {"x": {"regex": PATTERN}}}], "to": "a"}]}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_filter_cannot_run() {
        for fine in ["a|b", "^[1-9]{1,2}", r"^/v\d+/(?:a|b)$", "(?i)x", ""] {
            assert_eq!(refusal(fine), None, "{fine}");
        }
        for (pattern, reason) in [
            ("(?!bot)", "look-around is not supported"),
            (r"(a)\1", "backreferences are not supported"),
            ("(", "open group without closing"),
        ] {
            let refused = refusal(pattern).unwrap();
            assert!(refused.contains(reason), "{pattern}: {refused}");
        }
    }

    #[test]
    fn predicates_on_an_empty_value() {
        for (predicate, expected) in [
            (r#""""#, true),
            (r#""a""#, false),
            (r#"{"prefix": ""}"#, true),
            (r#"{"regex": "a*"}"#, true),
            (r#"{"regex": "a+"}"#, false),
            (r#"{"range": [0, 9]}"#, false),
            (r#"{"not": "a"}"#, true),
        ] {
            assert_eq!(
                holds_on_empty(&Tree::from_json(predicate.as_bytes()).unwrap()),
                expected,
                "{predicate}"
            );
        }
    }
}
