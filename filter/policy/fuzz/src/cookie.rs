//! Cookies. The same rules are written a second time over headers, one for each cookie, and a naive parser fills those: both
//! policies must decide alike.

use std::sync::LazyLock;

use antumbra_policy::{Decision, Dice, Edit, Policy, Reason};

use super::asked::{Asked, assert_sound, compiled};

/// The bytes are the value of the one `cookie` header.
pub fn check(bytes: &[u8]) {
    let (cookies, headers) = &*POLICIES;
    let asked = Asked::default().with("cookie", bytes);
    let sent = parsed(bytes);
    let mut twin = Asked::default();
    for (name, value) in &sent {
        if let Some(header) = NAMES.iter().find(|header| header.as_bytes()[2..] == **name) {
            twin = twin.with(header, value);
        }
    }
    let found = cookies.decide(&asked, Dice(7));
    let expected = headers.decide(&twin, Dice(7));
    assert_sound(&found);
    let remembered = sent.iter().find(|(name, _)| name == b"s").filter(|_| expected.rule == Some("split"));
    match remembered.map(|(_, value)| value.as_slice()) {
        Some(name @ (b"a" | b"b" | b"stable")) => {
            assert_eq!(found.variant.map(|variant| variant.name.as_bytes()), Some(name));
            assert_eq!((found.reason, found.position), (Reason::Sticky, None));
            assert!(found.response_edits.is_empty(), "nothing new to remember: {found:?}");
        }
        _ => {
            assert_eq!(shown(&found), shown(&expected), "{:?}", String::from_utf8_lossy(bytes));
            let set = found.response_edits.iter().filter(|edit| matches!(edit, Edit::Add("set-cookie", _)));
            assert_eq!(set.count(), usize::from(found.reason == Reason::Split), "{found:?}");
        }
    }
}

/// Name and value of each cookie: blanks around a pair, its name and its value are dropped, and so is one pair of double
/// quotes around a value; without `=` or without a name it is no cookie. The first of a name comes first, and a decision sees
/// the first header.
fn parsed(header: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for pair in header.split(|b| *b == b';') {
        let sides: Vec<&[u8]> = pair.splitn(2, |b| *b == b'=').collect();
        let [name, value] = sides[..] else { continue };
        let (name, value) = (without_blanks(name), without_blanks(value));
        let quoted = value.len() >= 2 && value.first() == Some(&b'"') && value.last() == Some(&b'"');
        let value = if quoted { value[1..value.len() - 1].to_vec() } else { value };
        if !name.is_empty() {
            all.push((name, value));
        }
    }
    all
}

fn without_blanks(text: &[u8]) -> Vec<u8> {
    let mut left: Vec<u8> = text.to_vec();
    while matches!(left.last(), Some(b' ' | b'\t')) {
        left.pop();
    }
    while matches!(left.first(), Some(b' ' | b'\t')) {
        left.remove(0);
    }
    left
}

fn shown<'p>(decision: &Decision<'p>) -> (Option<&'p str>, Option<&'p str>, Reason, Option<u32>) {
    let variant = decision.variant.map(|variant| variant.name.as_str());
    (variant, decision.rule, decision.reason, decision.position)
}

static POLICIES: LazyLock<(Policy, Policy)> = LazyLock::new(|| {
    let policy = |kind: &str, key: &str, prefix: &str, sticky: &str| {
        let text =
            RULES.replace("KIND", kind).replace("KEY", key).replace("C-", prefix).replace("STICKY", sticky);
        compiled(&text)
    };
    (
        policy("cookies", "cookie:", "", r#", "sticky": {"cookie": "s"}"#),
        policy("headers", "header:", "c-", ""),
    )
});

/// The header of every cookie but the sticky one: `c-` and the cookie's name.
const NAMES: [&str; 12] = [
    "c-plan",
    "c-beta",
    "c-gone",
    "c-uid",
    "c-sid",
    "c-lang",
    "c-n",
    "c-v",
    "c-pick",
    "c-aa",
    "c-bb",
    "c-a.much-longer_name~1",
];

/// Variants `gone` and `dead` are listed and never reached: one has no weight, one is red.
const RULES: &str = r#"{"version": 1, "name": "p", "default": "stable",
  "variants": {"stable": {}, "a": {}, "b": {}, "c": {}, "d": {}, "gone": {}, "dead": {"state": "red"}},
  "rules": [
    {"name": "exact", "matches": [{"KIND": {"C-plan": "pro"}}], "to": "a"},
    {"name": "red", "matches": [{"KIND": {"C-aa": "1"}}], "to": "dead"},
    {"name": "exists", "matches": [{"KIND": {"C-gone": {"exists": false}, "C-beta": {"exists": true}}}], "to": "b"},
    {"name": "empty", "matches": [{"KIND": {"C-plan": ""}}], "to": "d"},
    {"name": "prefix", "matches": [{"KIND": {"C-lang": {"prefix": "de", "not": {"suffix": "AT", "ignoreCase": true}}}}],
     "to": "c"},
    {"name": "range", "matches": [{"KIND": {"C-n": {"range": [1, 9]}}}, {"KIND": {"C-n": {"gt": 99.5}}}], "to": "d"},
    {"name": "regex", "matches": [{"KIND": {"C-v": {"regex": "[0-9]+\\.[0-9]+"}}}], "to": "c"},
    {"name": "contains", "matches": [{"KIND": {"C-bb": {"contains": "\""}, "C-a.much-longer_name~1": {"exists": true}}}],
     "to": "a"},
    {"name": "hash", "matches": [{"KIND": {"C-sid": {"hash": {"of": 4, "buckets": [[0, 0]], "salt": "h"}}}}], "to": "c"},
    {"name": "select", "select": {"by": "KEYC-pick", "map": {"a": "a", "": "b", "x y": "c", "dead": "dead"}}},
    {"name": "split", "split": {"by": ["KEYC-uid", "KEYC-sid"], "salt": "s",
     "weights": {"a": 20, "b": 20, "stable": 55, "gone": 0, "dead": 5}STICKY}}]}"#;
