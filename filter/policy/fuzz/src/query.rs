//! Queries and form bodies. The same rules are written a second time over headers, one for each parameter and field, and a
//! naive decoder fills those: both policies must decide alike.

use std::sync::LazyLock;

use antumbra_policy::{Dice, Policy};

use super::asked::{Asked, assert_sound, compiled};

/// The bytes are `:path`, and the body of a form as well.
pub fn check(bytes: &[u8]) {
    let (direct, headers) = &*POLICIES;
    let asked = Asked { form: Some(bytes.to_vec()), ..Asked::default().with(":path", bytes) };
    let target = until(bytes, b"#");
    let path = until(bytes, b"?#");
    let query = target.get(path.len() + 1..).unwrap_or_default();
    let mut twin = Asked::default().with(":path", path);
    for (prefix, text) in [("q-", query), ("f-", bytes)] {
        for (name, value) in pairs(text) {
            if let Some((_, suffix)) = NAMES.iter().find(|(known, _)| known.as_bytes() == name) {
                twin = twin.with(&format!("{prefix}{suffix}"), &value);
            }
        }
    }
    let (found, expected) = (direct.decide(&asked, Dice(7)), headers.decide(&twin, Dice(7)));
    assert_sound(&found);
    assert_eq!(found.rule, expected.rule, "{:?}", String::from_utf8_lossy(bytes));
    assert_eq!(found.variant, expected.variant);
    assert_eq!((found.reason, found.position), (expected.reason, expected.position));
}

/// `application/x-www-form-urlencoded` step by step as the URL Standard has it, section 5.1. The first of several pairs of a
/// name comes first, and a decision sees the first header.
fn pairs(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let sequences = text.split(|b| *b == b'&').filter(|sequence| !sequence.is_empty());
    let pair = |sequence: &[u8]| {
        let name = until(sequence, b"=");
        let value = sequence.get(name.len() + 1..).unwrap_or_default();
        (decoded(name), decoded(value))
    };
    sequences.map(pair).collect()
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if let (b'%', Some(digits)) = (text[at], digits) {
            let digits = String::from_utf8(digits.to_vec()).expect("hexadecimal digits");
            bytes.push(u8::from_str_radix(&digits, 16).expect("two of them"));
            at += 3;
        } else {
            bytes.push(text[at]);
            at += 1;
        }
    }
    bytes
}

/// What stands before the first of these bytes.
fn until<'a>(text: &'a [u8], ends: &[u8]) -> &'a [u8] {
    text.split(|b| ends.contains(b)).next().unwrap_or_default()
}

static POLICIES: LazyLock<(Policy, Policy)> = LazyLock::new(|| {
    let direct = RULES.replace("QUERY", "query").replace("FORM", "form").replace("KEY-", "query:");
    let headers = RULES.replace("QUERY", "headers").replace("FORM", "headers").replace("KEY-", "header:q-");
    let direct = NAMES.iter().fold(direct, |text, (name, suffix)| {
        text.replace(&format!("\"Q-{suffix}\""), &format!("\"{name}\""))
            .replace(&format!("\"F-{suffix}\""), &format!("\"{name}\""))
    });
    (compiled(&direct), compiled(&headers))
});

/// Names as written, and what their headers end with.
const NAMES: [(&str, &str); 8] = [
    ("u", "u"),
    ("v", "v"),
    ("a b", "blank"),
    ("北", "north"),
    ("%", "percent"),
    ("+", "plus"),
    ("n", "n"),
    ("a=b", "equals"),
];

/// `Q-` and `F-` names are parameters and fields in the one policy, headers in the other.
const RULES: &str = r#"{"version": 1, "name": "p", "default": "stable",
  "variants": {"stable": {}, "a": {}, "b": {}, "c": {}},
  "rules": [
    {"name": "both", "matches": [{"QUERY": {"Q-v": "1"}, "path": {"prefix": "/api"}}], "to": "a"},
    {"name": "path", "matches": [{"path": "/exact"}, {"path": {"suffix": ".html"}}, {"path": {"regex": "/[a-c]{3}"}}],
     "to": "b"},
    {"name": "blank", "matches": [{"QUERY": {"Q-blank": {"contains": "é +"}}}], "to": "c"},
    {"name": "north", "matches": [{"QUERY": {"Q-north": {"exists": true}}}], "to": "a"},
    {"name": "signs", "matches": [{"QUERY": {"Q-percent": "%zz"}}, {"QUERY": {"Q-plus": {"exact": ""}}}], "to": "b"},
    {"name": "equals", "matches": [{"QUERY": {"Q-equals": {"exists": true}}}], "to": "c"},
    {"name": "number", "matches": [{"QUERY": {"Q-n": {"mod": {"by": 7, "in": [0, 3]}}}}], "to": "a"},
    {"name": "field", "matches": [{"FORM": {"F-v": "2", "F-u": {"exists": true}}}], "to": "b"},
    {"name": "fields", "matches": [{"FORM": {"F-blank": {"exists": true}, "F-north": {"prefix": "%"}}}], "to": "c"},
    {"name": "hash", "matches": [{"FORM": {"F-n": {"hash": {"of": 3, "buckets": [[1, 1]]}}}}], "to": "c"},
    {"name": "split", "split": {"by": ["KEY-u", "KEY-v"], "salt": "s", "weights": {"a": 30, "b": 30, "stable": 40}}}]}"#;
