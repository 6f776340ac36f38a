//! Two texts compared by structure, against a naive reader of JSON that is quadratic and allocates for every value.

use antumbra_engine::{Diff, Kind, Media, Pattern, Refusal, Rules, diff};
use serde::de::IgnoredAny;

use super::made_up;
use super::naive::{self, Value};

/// An odd first byte: the others make up a document and a changed one. Even: two texts follow, with a zero byte between.
pub fn check(bytes: &[u8]) {
    let Some((&mode, rest)) = bytes.split_first() else { return };
    if mode % 2 == 1 {
        let (left, right) = made_up::documents(rest);
        return check_texts(left.as_bytes(), right.as_bytes());
    }
    let mut texts = rest.splitn(2, |&byte| byte == 0);
    let (left, right) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    check_texts(left, right);
}

fn check_texts(left: &[u8], right: &[u8]) {
    let rules = Rules::default();
    for text in [left, right] {
        assert!(diff(text, text, Media::Auto, &rules).equal);
        check_read(text);
    }
    let (there, back) = (diff(left, right, Media::Auto, &rules), diff(right, left, Media::Auto, &rules));
    assert_eq!(there.equal, there.differences.is_empty());
    assert_eq!(there.equal, back.equal, "there {there:?}, back {back:?}");
    check_symmetric(&there, &back, [left, right].iter().any(|text| text.contains(&b'[')));
    check_against_the_naive(left, right, &there);
    check_ignored(left, right, &there);
}

/// Read if and only if `serde_json` reads it, which leaves it to us to know UTF-8, and goes deeper.
fn check_read(text: &[u8]) {
    if text == b"0" {
        return;
    }
    let refused = diff(text, b"0", Media::Json, &Rules::default()).refused;
    let valid = std::str::from_utf8(text).is_ok() && serde_json::from_slice::<IgnoredAny>(text).is_ok();
    match refused {
        Some(Refusal::Malformed) => assert!(!valid, "not read: {:?}", String::from_utf8_lossy(text)),
        // What comes behind the limit is not looked at.
        Some(_) => {}
        None => assert!(valid, "read: {:?}", String::from_utf8_lossy(text)),
    }
}

/// What the one misses is extra to the other. Which elements of arrays answer to each other depends on the left one, so
/// where there are arrays only the whole is symmetric.
fn check_symmetric(there: &Diff, back: &Diff, arrays: bool) {
    if arrays || there.unlisted > 0 || back.unlisted > 0 {
        return;
    }
    let listed = |found: &Diff, swap: bool| {
        let kind = |kind| match kind {
            Kind::Missing if swap => Kind::Extra,
            Kind::Extra if swap => Kind::Missing,
            kind => kind,
        };
        let mut list: Vec<_> = found.differences.iter().map(|d| (d.path.clone(), kind(d.kind))).collect();
        list.sort_unstable();
        list
    };
    assert_eq!(listed(there, false), listed(back, true));
}

fn check_against_the_naive(left: &[u8], right: &[u8], found: &Diff) {
    if found.refused.is_some() {
        return;
    }
    let (Some(mut left_value), Some(mut right_value)) = (naive::read(left), naive::read(right)) else {
        return assert_eq!(found.equal, left == right);
    };
    assert_eq!(found.equal, left_value == right_value, "{left_value:?} and {right_value:?}: {found:?}");
    if let (Value::Array(lefts), Value::Array(rights)) = (&mut left_value, &mut right_value) {
        lefts.sort();
        rights.sort();
        let rules = Rules::new(vec![], vec![pattern("/")]);
        let unordered = diff(left, right, Media::Json, &rules);
        assert_eq!(unordered.equal, lefts == rights, "unordered: {unordered:?}");
    }
}

/// With every path that was found ignored, nothing differs; nor with everything.
fn check_ignored(left: &[u8], right: &[u8], found: &Diff) {
    assert!(diff(left, right, Media::Auto, &Rules::new(vec![pattern("/")], vec![])).equal);
    let paths = || found.differences.iter().map(|difference| difference.path.as_str());
    let plain = |path: &str| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/~".contains(&byte));
    if found.unlisted == 0 && paths().all(plain) {
        let rules = paths().map(|path| pattern(if path.is_empty() { "/" } else { path })).collect();
        let ignored = diff(left, right, Media::Auto, &Rules::new(rules, vec![]));
        assert!(ignored.equal, "ignored {found:?}, left {ignored:?}");
    }
}

fn pattern(path: &str) -> Pattern {
    Pattern::parse(path).expect("a path")
}
