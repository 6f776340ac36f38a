//! What each predicate says of each value.

use super::*;
use crate::document::Problems;
use crate::search::Compiling;

fn check(json: &str, subject: Subject, cases: &[(Option<&str>, bool)]) {
    let tree = Tree::from_json(json.as_bytes()).unwrap();
    let problems = Problems::default();
    let mut sought = Sought::new(true);
    let read = Predicate::read(&problems.root(&tree), subject, &mut sought);
    let predicate = problems.finish(read).unwrap_or_else(|invalid| panic!("{json}: {invalid}"));
    let (search, _) = sought.compile(&mut Compiling::default()).unwrap();
    for (value, expected) in cases {
        let value = value.map(str::as_bytes);
        let found = value.map(|value| search.of(value)).unwrap_or_default();
        assert_eq!(predicate.holds(value, &found), *expected, "{json} on {value:?}");
    }
}

#[test]
fn values() {
    let check = |json, cases: &[_]| check(json, Subject::Value, cases);
    check(r#""a""#, &[(Some("a"), true), (Some("A"), false), (Some(""), false), (None, false)]);
    check("1", &[(Some("1"), true), (Some("1.0"), false)]);
    check(r#"{"exact": ""}"#, &[(Some(""), true), (None, false)]);
    check(r#"{"exact": "A", "ignoreCase": true}"#, &[(Some("a"), true), (Some("b"), false)]);
    check(r#"{"exists": true}"#, &[(Some(""), true), (None, false)]);
    check(r#"{"exists": false}"#, &[(Some(""), false), (None, true)]);
    check(
        r#"{"in": ["b", "C", 7]}"#,
        &[(Some("b"), true), (Some("7"), true), (Some("c"), false), (None, false)],
    );
    check(
        r#"{"in": ["b", "C"], "ignoreCase": true}"#,
        &[(Some("c"), true), (Some("B"), true), (Some("d"), false)],
    );
    check(
        r#"{"prefix": "ab"}"#,
        &[(Some("abc"), true), (Some("a"), false), (Some("Ab"), false), (None, false)],
    );
    check(r#"{"prefix": ["x", "AB"], "ignoreCase": true}"#, &[(Some("abc"), true), (Some("c"), false)]);
    check(r#"{"suffix": ["x", "bc"]}"#, &[(Some("abc"), true), (Some("c"), false), (Some("aBC"), false)]);
    check(r#"{"contains": ["x", "Bc"], "ignoreCase": true}"#, &[(Some("abcd"), true), (Some("b"), false)]);
    check(r#"{"contains": ""}"#, &[(Some(""), true), (None, false)]);
    check(r#"{"regex": "a.c"}"#, &[(Some("abc"), true), (Some("xabc"), false), (None, false)]);
    check(r#"{"search": "a.c"}"#, &[(Some("xabcx"), true), (Some("ac"), false), (None, false)]);
    check(r#"{"prefix": "a", "not": "ab"}"#, &[(Some("ac"), true), (Some("ab"), false), (None, false)]);
    check(r#"{"not": "a"}"#, &[(Some("b"), true), (Some("a"), false), (None, true)]);
    check(r#"{"not": {"not": "a"}}"#, &[(Some("a"), true), (None, false)]);
    check(r#"{"not": "A", "exists": true}"#, &[(Some("a"), true), (None, false)]);
}

#[test]
fn numbers() {
    let check = |json, cases: &[_]| check(json, Subject::Value, cases);
    check(r#"{"range": [-10, -1]}"#, &[(Some("-1"), true), (Some("0"), false), (Some("-1.5"), false)]);
    check(r#"{"not": {"range": [1, 2]}}"#, &[(Some("word"), true), (None, true), (Some("2"), false)]);
    check(r#"{"gt": 20}"#, &[(Some("21"), true), (Some("20"), false), (Some("x"), false), (None, false)]);
    check(r#"{"gte": 1.5, "lt": 2}"#, &[(Some("1.5"), true), (Some("2"), false), (Some("1"), false)]);
    check(r#"{"lte": 20}"#, &[(Some("20"), true), (Some("20.1"), false)]);
    check(
        r#"{"mod": {"by": 10, "in": [1, 5]}}"#,
        &[(Some("45"), true), (Some("49"), false), (Some("x"), false)],
    );
    check(r#"{"mod": {"by": 3, "in": 2}}"#, &[(Some("-1"), true), (Some("1"), false)]);
    let bucket = r#"{"hash": {"of": 10000, "buckets": [[0, 99], [314, 314]]}, "ignoreCase": true}"#;
    check(bucket, &[(Some("acct-7"), true), (Some("ACCT-7"), true), (Some("acct-8"), false), (None, false)]);
}

#[test]
fn paths() {
    let check = |json, cases: &[_]| check(json, Subject::Path, cases);
    check(r#""/a""#, &[(Some("/a"), true), (Some("/a/"), false), (Some("/a/b"), false)]);
    for prefix in [r#"{"prefix": "/api"}"#, r#"{"prefix": "/api/"}"#] {
        check(prefix, &[(Some("/api"), true), (Some("/api/"), true), (Some("/api/x"), true)]);
        check(prefix, &[(Some("/apis"), false), (Some("/ap"), false), (Some("/API"), false)]);
    }
    check(r#"{"prefix": "/"}"#, &[(Some("/"), true), (Some("/x"), true), (Some("*"), false), (None, false)]);
    check(
        r#"{"prefix": ["/app", "/x"], "ignoreCase": true}"#,
        &[(Some("/APP/x"), true), (Some("/appabc"), false)],
    );
    check(r#"{"startsWith": "/api"}"#, &[(Some("/apiary"), true), (Some("/ap"), false)]);
    check(r#"{"regex": "/v[0-9]+"}"#, &[(Some("/v12"), true), (Some("/v12/x"), false)]);
    check(r#"{"prefix": "/search", "not": {"suffix": ".ico"}}"#, &[(Some("/search/a.ico"), false)]);
}

#[test]
fn hosts_and_methods() {
    let host = |json, cases: &[_]| check(json, Subject::Host, cases);
    host(r#""a.test""#, &[(Some("a.test"), true), (Some("A.TEST"), true), (Some("b.a.test"), false)]);
    host(
        r#"["a.test", "*.B.test"]"#,
        &[
            (Some("x.b.test"), true),
            (Some("y.x.b.test"), true),
            (Some("b.test"), false),
            (Some(".b.test"), false),
        ],
    );
    host(r#"{"suffix": ".test", "ignoreCase": false}"#, &[(Some("a.test"), true), (Some("a.TEST"), false)]);
    let method = |json, cases: &[_]| check(json, Subject::Method, cases);
    method(r#"["GET", "HEAD"]"#, &[(Some("GET"), true), (Some("get"), false), (Some("POST"), false)]);
    method(r#"{"not": ["GET"]}"#, &[(Some("POST"), true), (Some("GET"), false)]);
}
