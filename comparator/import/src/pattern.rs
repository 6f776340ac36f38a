//! Regular expressions of other engines: whether the filter can run them, and which of them only look for a cookie.

use antumbra_policy::Policy;
use antumbra_policy::document::Tree;

/// Why the filter cannot run a pattern, in the words of its own reader; `None` if it can.
pub(super) fn refusal(pattern: &str) -> Option<String> {
    let probe = PROBE.replace("PATTERN", &serde_json::to_string(pattern).unwrap_or_default());
    let tree = Tree::from_json(probe.as_bytes()).ok()?;
    let invalid = Policy::from_tree(&tree).err()?;
    let message = &invalid.problems.first()?.message;
    let reason = message.split_once("when compiled: ").map_or(message.as_str(), |(_, reason)| reason);
    Some(reason.to_owned())
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

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
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
