//! Regular expressions of other engines: whether the filter can run them, which of them only look for a cookie, and what a
//! predicate says of an empty value.

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

/// The cookie that a pattern on a whole Cookie header looks for, as in `dark=true` or `^(.*?;)?(user=jason)(;.*)?$`.
pub(super) fn cookie(pattern: &str) -> Option<(String, String)> {
    let pattern = pattern.replace("\\s", " ").replace("\\b", "");
    let (before, rest) = pattern.split_at(pattern.find(plain)?);
    let (core, after) = rest.split_at(rest.find(|c| !plain(c) && c != '=').unwrap_or(rest.len()));
    let (name, value) = core.split_once('=')?;
    let framed = before.chars().all(|c| "^().*?; []|+:".contains(c))
        && after.chars().all(|c| "().*?; []|+$:".contains(c));
    let sound = !name.is_empty() && !value.is_empty() && !value.contains('=');
    // A quantifier or a dot right behind the value belongs to it: `v=1.*` means every version that begins with 1.
    let whole = !after.starts_with(['.', '*', '+', '?', '[', '|']);
    (framed && sound && whole).then(|| (name.to_owned(), value.to_owned()))
}

/// Whether a pattern that has to match all of a text lets something else stand before and behind what it names.
pub(super) fn is_open(pattern: &str) -> bool {
    let core = |c: char| plain(c) || c == '=';
    let before = pattern.find(core).and_then(|from| pattern.get(..from)).unwrap_or(pattern);
    let after = pattern.rfind(core).and_then(|to| pattern.get(to.saturating_add(1)..)).unwrap_or_default();
    before.contains('*') && after.contains('*')
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

const PROBE: &str = r#"{"version": 1, "name": "probe", "variants": {"a": {}}, "default": "a",
    "rules": [{"matches": [{"headers": {"x": {"regex": PATTERN}}}], "to": "a"}]}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_a_whole_header_is_open_at_both_ends_or_at_none() {
        let open = ["^(.*?;)?(user=jason)(;.*)?$", ".*; ?user=jason;.*"];
        let closed = ["user=jason", ".*user=jason", "user=jason;.*", "^user=jason$"];
        assert_eq!(open.map(is_open), [true; 2]);
        assert_eq!(closed.map(is_open), [false; 4]);
    }

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

    #[test]
    fn patterns_that_look_for_a_cookie() {
        for (pattern, expected) in [
            ("dark=true", Some(("dark", "true"))),
            ("(^|; )dark=true($|;)", Some(("dark", "true"))),
            (r"^(.*?;)?\s*(user=jason)(;.*)?$", Some(("user", "jason"))),
            ("^(.*?;)?(user=jason)(;.*)?$", Some(("user", "jason"))),
            (".*canary=always.*", None),
            ("version=1.*", None),
            ("version=(1|2)", None),
            ("dark", None),
            ("", None),
            ("é=1", None),
        ] {
            let found = cookie(pattern);
            let found = found.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(found, expected, "{pattern}");
        }
    }
}
