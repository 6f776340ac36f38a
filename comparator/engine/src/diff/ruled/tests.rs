//! Values, numbers and arrays under rules, as texts.

use crate::diff::tests::diff;
use crate::rules::{Allow, Arrays, Class, Decimal, Rule};
use crate::{Pattern, Rules};

fn at(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn rules<const N: usize>(values: [(&str, Allow); N]) -> Rules {
    Rules::default().with_rules(values.map(|(text, allow)| Rule::Value(at(text), allow)))
}

fn arrays(text: &str, arrays: Arrays) -> Rules {
    Rules::default().with_rules([Rule::Array(at(text), arrays)])
}

fn within(most: &str) -> Allow {
    Allow::Absolute(Decimal::parse(most.as_bytes()).unwrap())
}

fn by(keys: &[&str]) -> Arrays {
    Arrays::By(keys.iter().map(|&key| key.to_owned()).collect())
}

#[track_caller]
fn check(rules: &Rules, left: &str, right: &str, expected: &[&str]) {
    assert_eq!(diff(left, right, rules), expected, "{left} {right}");
}

#[test]
fn values_that_may_differ() {
    let cents = rules([("/items/*/price", within("0.01"))]);
    let left = r#"{"items":[{"price":1.00,"n":1},{"price":2.00,"n":2}]}"#;
    check(&cents, left, &left.replace("1.00", "1.01"), &[]);
    check(
        &cents,
        left,
        &left.replace("1.00", "1.02"),
        &["/items/*/price value /items/0/price: 1.00 -> 1.02"],
    );
    check(
        &cents,
        left,
        &left.replace("\"n\":1", "\"n\":1.001"),
        &["/items/*/n value /items/0/n: 1 -> 1.001"],
    );
    check(
        &cents,
        left,
        &left.replace("1.00", "\"1.00\""),
        &["/items/*/price type /items/0/price: 1.00 -> \"1.00\""],
    );
    let everywhere = rules([("/", Allow::IgnoreCase), ("/a/id", Allow::Like(Class::Id))]);
    check(&everywhere, r#"{"a":{"id":"12345678","b":"X"}}"#, r#"{"a":{"id":"87654321","b":"x"}}"#, &[]);
    check(
        &everywhere,
        r#"{"id":"12345678"}"#,
        r#"{"id":"87654321"}"#,
        &["/id value /id: \"12345678\" -> \"87654321\""],
    );
    let nulls = rules([("/a", Allow::NullIsAbsent)]);
    check(&nulls, r#"{"a":{"x":null}}"#, r#"{"a":{"y":null}}"#, &[]);
    check(&nulls, r#"{"a":{"x":null}}"#, r#"{"a":{"x":0}}"#, &["/a/x type /a/x: null -> 0"]);
    check(&nulls, r#"{"b":null}"#, "{}", &["/b missing /b: null -> (absent)"]);
}

#[test]
fn the_spelling_of_numbers_may_count() {
    let exact = rules([("/a", Allow::ExactNumbers)]);
    check(&exact, r#"{"a":1.0,"b":1.0}"#, r#"{"a":1,"b":1}"#, &["/a value /a: 1.0 -> 1"]);
    check(
        &exact,
        r#"{"a":[1.0,{"c":2}]}"#,
        r#"{"a":[1,{"c":2.0}]}"#,
        &["/a/* value /a/0: 1.0 -> 1", "/a/*/c value /a/1/c: 2 -> 2.0"],
    );
    check(&exact, r#"{"a":[1,2],"b":[1,2]}"#, r#"{ "a":[1,2],"b":[1.0,2.0]}"#, &[]);
    check(&exact, r#"{"a":1}"#, r#"{"a":2}"#, &["/a value /a: 1 -> 2"]);
}

#[test]
fn elements_are_matched_as_the_rules_see_them() {
    let mut ruled = rules([("/*/at", Allow::Ignore), ("/*/t", within("1"))]);
    let left = r#"[{"v":1,"at":1},{"v":1,"at":2},{"v":2,"at":3}]"#;
    let right = r#"[{"v":2,"at":4},{"v":1,"at":5},{"v":1,"at":6}]"#;
    check(&ruled, left, right, &["/*/v value /0/v: 1 -> 2"]);
    ruled = ruled.with_rules([Rule::Array(at("/"), Arrays::Unordered)]);
    check(&ruled, left, right, &[]);
    check(&ruled, r#"[{"t":1.0},{"t":5}]"#, r#"[{"t":5.5},{"t":0.5}]"#, &[]);
    let near = rules([("/", within("1"))]);
    check(&near, "[1,2,3]", "[2,1,3]", &[]);
    check(&near, "[1,2,3]", "[3,1,2]", &[" order : [3 elements] -> [3 elements]"]);
    let near = near.with_rules([Rule::Array(at("/"), Arrays::Unordered)]);
    check(&near, "[1,9,20]", "[20.5,1.5,8.5]", &[]);
    let folded = rules([("/", Allow::IgnoreCase)]).with_rules([Rule::Array(at("/"), Arrays::Unordered)]);
    check(&folded, r#"["A","b","c"]"#, r#"["C","B","a"]"#, &[]);
    let later = arrays("/*", Arrays::Unordered).with_rules([Rule::Array(at("/a"), Arrays::Ordered)]);
    check(
        &later,
        r#"{"a":[1,2],"b":[1,2]}"#,
        r#"{"a":[2,1],"b":[2,1]}"#,
        &["/a order /a: [2 elements] -> [2 elements]"],
    );
}

#[test]
fn keyed_arrays() {
    let keyed = arrays("/", by(&["id"]));
    let left = r#"[{"id":1,"v":1},{"id":2,"v":2},{"id":3,"v":3}]"#;
    check(&keyed, left, r#"[{"id":3,"v":3},{"id":1,"v":9},{"id":2,"v":2}]"#, &["/*/v value /0/v: 1 -> 9"]);
    check(
        &keyed,
        left,
        r#"[{"id":4,"v":1},{"id":1,"v":1},{"id":3,"v":3}]"#,
        &["/* missing /1: id 2 {2 members} -> (absent)", "/* extra /0: (absent) -> id 4 {2 members}"],
    );
    check(&keyed, left, &left.replace("\"id\":2", "\"id\":2.0"), &[]);
    check(&keyed, r#"[{"id":1,"v":1},{"id":1,"v":2}]"#, r#"[{"id":1,"v":2},{"id":1,"v":1}]"#, &[]);
    check(
        &keyed,
        r#"[{"id":1,"v":1},{"id":1,"v":2}]"#,
        r#"[{"id":1,"v":2}]"#,
        &["/* missing /0: id 1 {2 members} -> (absent)"],
    );
    check(&keyed, r#"[{"v":1},5]"#, r#"[{"v":2},5]"#, &["/*/v value /0/v: 1 -> 2"]);
    let two = arrays("/", by(&["a", "b"]));
    check(
        &two,
        r#"[{"a":1,"b":2,"c":1},{"a":1,"b":3}]"#,
        r#"[{"a":1,"b":3},{"a":1,"b":2,"c":2}]"#,
        &["/*/c value /0/c: 1 -> 2"],
    );
    let secret = arrays("/", by(&["token"]));
    check(&secret, r#"[{"token":"a"}]"#, "[]", &["/* missing /0: token (redacted) {1 members} -> (absent)"]);
}

#[test]
fn deep_arrays_under_rules_are_not_tried_again_at_each_level() {
    let deep = |value: u8| format!("{}{value}{}", "[".repeat(60), "]".repeat(60));
    let ruled = rules([("/", Allow::IgnoreCase)]);
    let path = "/*".repeat(60);
    check(&ruled, &deep(1), &deep(2), &[&format!("{path} value {}: 1 -> 2", "/0".repeat(60))]);
    check(&rules([("/", within("1"))]), &deep(1), &deep(2), &[]);
}
