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

/// The nearest first numbers are not those of equal elements.
#[test]
fn elements_with_several_tolerances_meet_those_that_they_are_equal_to() {
    let near = rules([("/", within("1"))]).with_rules([Rule::Array(at("/"), Arrays::Unordered)]);
    check(&near, r#"[{"x":1,"y":5},{"x":1.5,"y":9}]"#, r#"[{"x":1.2,"y":9},{"x":1.6,"y":5}]"#, &[]);
    // The first is equal to both, the second only to the one that the first would take.
    check(&near, r#"[{"x":1,"y":1},{"x":0,"y":1}]"#, r#"[{"x":1,"y":2},{"x":2,"y":1}]"#, &[]);
    check(
        &near,
        r#"[{"x":1,"y":5},{"x":1,"y":9}]"#,
        r#"[{"x":1,"y":9},{"x":1,"y":7}]"#,
        &["/*/y value /0/y: 5 -> 7"],
    );
    let nested = near.clone().with_rules([Rule::Array(at("/*/v"), Arrays::Unordered)]);
    check(&nested, r#"[{"v":[1,9]},{"v":[4,6]}]"#, r#"[{"v":[6.5,3.5]},{"v":[9.5,0.5]}]"#, &[]);
    let keyed = rules([("/", within("1"))]).with_rules([Rule::Array(at("/"), by(&["id"]))]);
    check(
        &keyed,
        r#"[{"id":"a","x":1,"y":5},{"id":"a","x":1.5,"y":9}]"#,
        r#"[{"id":"a","x":1.2,"y":9},{"id":"a","x":1.6,"y":5}]"#,
        &[],
    );
    let many = |shift: usize| {
        let each = |at: usize| format!(r#"{{"x":{},"y":{}}}"#, (at + shift) % 2, (at + shift) * 10 % 5_000);
        format!("[{}]", (0..500).map(each).collect::<Vec<_>>().join(","))
    };
    assert!(diff(&many(0), &many(250), &near).len() <= 1, "bounded, and no more than told");
}

#[test]
fn keys_are_equal_as_the_rules_see_them() {
    let keyed = |allow| rules([("/*/id", allow)]).with_rules([Rule::Array(at("/"), by(&["id"]))]);
    let left = r#"[{"id":"A","v":1},{"id":"b","v":2}]"#;
    check(&keyed(Allow::IgnoreCase), left, r#"[{"id":"B","v":2},{"id":"a","v":1}]"#, &[]);
    check(
        &keyed(Allow::IgnoreCase),
        left,
        r#"[{"id":"B","v":2},{"id":"c","v":1}]"#,
        &["/* missing /0: id \"A\" {2 members} -> (absent)", "/* extra /1: (absent) -> id \"c\" {2 members}"],
    );
    // What has the same key meets first.
    check(
        &keyed(within("1")),
        r#"[{"id":1,"v":1},{"id":2,"v":2}]"#,
        r#"[{"id":2,"v":2},{"id":1,"v":1}]"#,
        &[],
    );
    check(
        &keyed(within("1")),
        r#"[{"id":1,"v":1},{"id":9,"v":2}]"#,
        r#"[{"id":9.5,"v":3},{"id":1.5,"v":1}]"#,
        &["/*/v value /1/v: 2 -> 3"],
    );
    check(
        &keyed(within("1")),
        r#"[{"id":1}]"#,
        r#"[{"id":3}]"#,
        &["/* missing /0: id 1 {1 member} -> (absent)", "/* extra /0: (absent) -> id 3 {1 member}"],
    );
}

fn unordered(places: &[&str]) -> Rules {
    Rules::new(vec![], places.iter().map(|text| at(text)).collect())
}

#[test]
fn arrays_within_elements_are_seen_as_their_rules_see_them() {
    let lists = unordered(&["/groups", "/groups/*/members"]);
    let left = r#"{"groups":[{"members":[3,1,2]},{"members":[9,8]}]}"#;
    check(&lists, left, r#"{"groups":[{"members":[8,9]},{"members":[1,2,3]}]}"#, &[]);
    check(
        &lists,
        left,
        r#"{"groups":[{"members":[8,9]},{"members":[1,2,4]}]}"#,
        &["/groups/*/members/* value /groups/0/members/0: 3 -> 4"],
    );
    check(
        &unordered(&["/groups"]),
        r#"{"groups":[{"m":[1,2]},{"m":[3,4]}]}"#,
        r#"{"groups":[{"m":[3,4]},{"m":[2,1]}]}"#,
        &["/groups/*/m order /groups/0/m: [2 elements] -> [2 elements]"],
    );
    let three = unordered(&["/", "/*", "/*/*"]);
    check(&three, "[[[1,2],[3]],[[4]]]", "[[[4]],[[3],[2,1]]]", &[]);
    check(&unordered(&["/**"]), r#"[{"a":[[1,2],[3]]},4]"#, r#"[4,{"a":[[3],[2,1]]}]"#, &[]);
    check(&unordered(&["/**"]), "[[[1,2],[3]],[[1],[2,3]]]", "[[[3,2],[1]],[[3],[2,1]]]", &[]);
    // The order of the outer array counts, that of the inner ones does not.
    let inner = unordered(&["/*"]);
    check(&inner, "[[1,2],[3,4],[2,1]]", "[[2,1],[4,3],[1,2]]", &[]);
    check(&unordered(&["/*/m"]), r#"[{"m":[1,2]},{"m":[2,1]}]"#, r#"[{"m":[2,1]},{"m":[1,2]}]"#, &[]);
}

#[test]
fn keyed_arrays_within_elements_are_matched_by_their_keys() {
    let rules = unordered(&["/teams"]).with_rules([Rule::Array(at("/teams/*/people"), by(&["id"]))]);
    let left =
        r#"{"teams":[{"people":[{"id":1,"age":5},{"id":2,"age":6}]},{"people":[{"id":3,"age":7},{"x":1}]}]}"#;
    check(
        &rules,
        left,
        r#"{"teams":[{"people":[{"x":1},{"id":3,"age":7}]},{"people":[{"id":2,"age":6},{"id":1,"age":5}]}]}"#,
        &[],
    );
    check(
        &rules,
        left,
        r#"{"teams":[{"people":[{"x":1},{"id":3,"age":8}]},{"people":[{"id":2,"age":6},{"id":1,"age":5}]}]}"#,
        &["/teams/*/people/*/age value /teams/1/people/0/age: 7 -> 8"],
    );
    // Of several with one key those meet that are equal but for what may differ.
    let keyed = arrays("/", by(&["id"])).with_rules([Rule::Array(at("/*/tags"), Arrays::Unordered)]);
    check(
        &keyed,
        r#"[{"id":1,"tags":[1,2]},{"id":1,"tags":[3,4]}]"#,
        r#"[{"id":1,"tags":[4,3]},{"id":1,"tags":[2,1]}]"#,
        &[],
    );
}

#[test]
fn names_that_patterns_have_signs_for() {
    let ignored = |text: &str| Rules::new(vec![at(text)], vec![]);
    check(&ignored("/given name"), r#"{"given name":1}"#, r#"{"given name":2}"#, &[]);
    let star = r#"{"*":1,"b":1}"#;
    check(&ignored("/~2"), star, r#"{"*":2,"b":1}"#, &[]);
    check(&ignored("/~2"), star, r#"{"*":2,"b":2}"#, &["/b value /b: 1 -> 2"]);
    check(&ignored("/*"), star, r#"{"*":2,"b":2}"#, &[]);
    check(
        &ignored("/**/updatedAt"),
        r#"{"updatedAt":1,"a":[{"updatedAt":{"t":1},"b":1}]}"#,
        r#"{"updatedAt":2,"a":[{"updatedAt":{"t":2},"b":2}]}"#,
        &["/a/*/b value /a/0/b: 1 -> 2"],
    );
}

#[test]
fn times_before_1970_are_as_far_apart_as_later_ones() {
    let near = |span| rules([("/t", Allow::Time(std::time::Duration::from_millis(span)))]);
    let (left, right) = (r#"{"t":"1969-12-31T23:59:59.9Z"}"#, r#"{"t":"1969-12-31T23:59:59.1Z"}"#);
    let apart = "/t value /t: \"1969-12-31T23:59:59.9Z\" -> \"1969-12-31T23:59:59.1Z\"";
    check(&near(1), left, right, &[apart]);
    check(&near(800), left, right, &[]);
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
    check(
        &secret,
        r#"[{"token":"a"}]"#,
        "[]",
        &["/* missing /0: token (redacted: token, 1 character) {1 member} -> (absent)"],
    );
}

#[test]
fn deep_arrays_under_rules_are_not_tried_again_at_each_level() {
    let deep = |value: u8| format!("{}{value}{}", "[".repeat(60), "]".repeat(60));
    let ruled = rules([("/", Allow::IgnoreCase)]);
    let path = "/*".repeat(60);
    check(&ruled, &deep(1), &deep(2), &[&format!("{path} value {}: 1 -> 2", "/0".repeat(60))]);
    check(&rules([("/", within("1"))]), &deep(1), &deep(2), &[]);
}
