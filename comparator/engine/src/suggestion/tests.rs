//! How a suggestion is written, and how far its rule reaches.

use super::*;

#[test]
fn places_are_named_as_patterns_are() {
    let check = |endpoint: &str, path: &str, expected: Option<&str>| {
        assert_eq!(wording::place(endpoint, path).as_deref(), expected, "{endpoint} {path}");
    };
    check("GET /users/{id}", "/a/*/b", Some("GET /users/{id} /a/*/b"));
    check("GET /", "", Some("GET / /"));
    check("GET /", "/a~1b/~0", Some("GET / /a~1b/~0"));
    check("GET /", "/first name/x", Some("GET / /first name/x"));
    check("GET /", "/name /x", None);
    check("GET /", "/a/x*", None);
    check("GET /", "/~4", Some("GET / /~4"));
    check("GET /", "/a/~2/~3b~3", Some("GET / /a/~2/~3b~3"));
    check("GET /", "/a\u{a0}", Some("GET / /a\u{a0}"));
    check("GET /", "/a;b", Some("GET / /a;b"));
    check("GET /", "header:etag", Some("GET / header:etag"));
    check("GET /", "cookie:sid;expires", Some("GET / cookie:sid"));
    check("(other endpoints)", "/a", None);
    check("GET /", "(other paths)", None);
    check("GET /a b", "/a", None);
    assert_eq!(wording::rule("GET / /\"a\\b", Guess::Uuid), r#"{"at": "GET / /\"a\\b", "like": "uuid"}"#);
}

/// A rule must not hide more than it says.
#[test]
fn how_far_a_rule_reaches() {
    let check = |path: &str, other: &str, guess: Guess, expected: bool| {
        assert_eq!(reaches(path, other, guess), expected, "{path} {other}");
    };
    check("/a/*", "/a/*", Guess::Uuid, true);
    check("/a/*", "/a/name/x", Guess::Uuid, true);
    check("/a", "/ab", Guess::Anything, false);
    check("/a/b", "/a", Guess::Anything, false);
    check("/a", "/a/*", Guess::Unordered, false);
    check("/a", "/a", Guess::Unordered, true);
    check("", "/a", Guess::Anything, true);
    check("", "header:a", Guess::Anything, false);
    check("header:a", "header:a", Guess::Uuid, true);
    check("header:a", "header:ab", Guess::Uuid, false);
    check("cookie:a", "cookie:a;path", Guess::Anything, true);
    check("cookie:a;path", "cookie:a", Guess::Anything, true);
}
