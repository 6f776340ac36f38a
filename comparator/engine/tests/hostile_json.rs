//! JSON made to harm whoever reads or compares it: refused with a reason, or compared with a bounded list. What is asserted are
//! counts and reasons, never a time; what is not near-linear would not end.

use antumbra_engine::{Diff, Kind, Media, Pattern, Refusal, Rules, diff};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn compared(left: &[u8], right: &[u8]) -> Diff {
    diff(left, right, Media::Json, &Rules::default())
}

/// Why a text is not read.
fn refusal(text: &[u8]) -> Option<Refusal> {
    let other: &[u8] = if text == b"0" { b"1" } else { b"0" };
    compared(text, other).refused
}

#[test]
fn what_is_no_json_is_malformed() {
    let texts: &[&[u8]] = &[
        b"",
        b" ",
        b"\0",
        b"\x1f",
        b"\xef\xbb\xbf{}",
        b"{",
        b"}",
        b"[",
        b"]",
        b"[1",
        b"[1,",
        b"[,1]",
        b"[1,]",
        b"[1,,2]",
        b"[1 2]",
        b"[1]]",
        b"[1]x",
        b"1 2",
        b"{}{}",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{\"a\":1,}",
        b"{,}",
        b"{:1}",
        b"{a:1}",
        b"{1:1}",
        b"{'a':1}",
        b"{\"a\" 1}",
        b"{\"a\":1 \"b\":2}",
        b"{\"a\":1]",
        b"[1}",
        b"{\"a\":1",
        b"{\"a",
        b"{\"a\"",
        b"{\"a\":",
        b"\"",
        b"\"a",
        b"\"\\\"",
        b"\"\\",
        b"\"\\x41\"",
        b"\"\\u12\"",
        b"\"\\u12g4\"",
        b"\"\\u\"",
        b"\"\\U0041\"",
        b"\"\t\"",
        b"\"\n\"",
        b"\"a\0b\"",
        b"\"\xff\"",
        b"\"\xc3\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xc0\xaf\"",
        b"\"\xf4\x90\x80\x80\"",
        b"{\"\xff\":1}",
        b"01",
        b"-01",
        b"00",
        b"-",
        b"+1",
        b".5",
        b"1.",
        b"-.5",
        b"1e",
        b"1e+",
        b"1E-",
        b"0x1",
        b"1_000",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"tru",
        b"True",
        b"nul",
        b"nulll",
        b"truefalse",
        b"// a\n1",
        b"[1]\x0b",
    ];
    for text in texts {
        assert_eq!(refusal(text), Some(Refusal::Malformed), "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn what_is_json_is_read() {
    let texts: &[&[u8]] = &[
        b"0",
        b"-0",
        b"1",
        b"-1",
        b"10",
        b"0.5",
        b"-0.0E-0",
        b"1e5",
        b"1E+5",
        b"1e-5",
        b"1e400",
        b"-1e400",
        b"1e-400",
        b"1e99999999999999999999999999",
        b"123456789012345678901234567890123456789012345678901234567890",
        b"0.0000000000000000000000000000000000000000000000001",
        b"true",
        b"false",
        b"null",
        b"\"\"",
        b"\"a\"",
        b"\"\\u0000\"",
        b"\"\\ud800\"",
        b"\"\\udc00\\ud800\"",
        b"\"\\ud800\\u0041\"",
        b"\"\\uD83D\\uDE00\"",
        b"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        b"\"\x7f\"",
        b"\"\xc2\x80\"",
        b"\"\xef\xbf\xbf\"",
        b"\"\xf4\x8f\xbf\xbf\"",
        b"[]",
        b"{}",
        b"[[]]",
        b"[{}]",
        b"{\"\":0}",
        b"{\"a\":1,\"a\":1}",
        b"{\"a\":{\"a\":{}}}",
        b" [ 1 , 2 ] ",
        b"\t\r\n{\n\"a\"\t:\r1 }\n",
        b"[null,true,1,\"\"]",
        b"\"\xf0\x9f\x98\x80 wide beyond eight bytes\"",
    ];
    for text in texts {
        assert_eq!(refusal(text), None, "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn what_is_too_deep_or_too_wide_says_so_and_is_never_equal() {
    let check = |left: &str, reason: Refusal| {
        let right = format!("{left} ");
        let found = compared(left.as_bytes(), right.as_bytes());
        assert_eq!((found.refused, found.equal, found.differences.len()), (Some(reason), false, 1));
    };
    check(&("[".repeat(1_000_000) + &"]".repeat(1_000_000)), Refusal::Depth);
    check(&"[".repeat(1_000_000), Refusal::Depth);
    check(&"{\"a\":".repeat(1_000_000), Refusal::Depth);
    check(&format!("[{}1]", "1,".repeat(1_000_000)), Refusal::Nodes);
    check(&format!("[{}0]", "[],".repeat(1_000_000)), Refusal::Nodes);
    check(&members(1_000_000, "1"), Refusal::Nodes);
    check(&format!("{{{}\"a\":1}}", "\"a\":1,".repeat(1_000_000)), Refusal::Nodes);
}

#[test]
fn as_many_as_are_read_are_compared_and_the_list_is_bounded() {
    let many = 200_000;
    let found = compared(members(many, "1").as_bytes(), members(many, "2").as_bytes());
    assert_eq!((found.differences.len(), found.unlisted), (512, 7_680));
    // No member of the one has a name of the other.
    let found = compared(members(many, "1").as_bytes(), members(many, "1").replace("\"k", "\"l").as_bytes());
    assert_eq!((found.differences.len(), found.unlisted), (512, 7_680));
    // One name, over and over: the n-th meets the n-th.
    let repeated = |last: &str| format!("{{{}\"a\":{last}}}", "\"a\":1,".repeat(many));
    let found = compared(repeated("1").as_bytes(), repeated("2").as_bytes());
    assert_eq!((found.differences.len(), found.differences[0].path.as_str()), (1, "/a"));
}

#[test]
fn large_arrays_are_matched_whatever_is_in_them() {
    let many = 100_000;
    let numbers = |from: usize| array((from..from + many).map(|number| number.to_string()));
    let kinds = |left: &str, right: &str| {
        let found = compared(left.as_bytes(), right.as_bytes());
        let mut kinds: Vec<Kind> = found.differences.iter().map(|difference| difference.kind).collect();
        kinds.dedup();
        (kinds, found.differences.len() + found.unlisted)
    };
    let alike = |count: usize| array((0..count).map(|_| "7".to_owned()));
    assert_eq!(kinds(&alike(many), &alike(many + 1)), (vec![Kind::Length], 1));
    assert_eq!(kinds(&alike(many), &alike(many).replace("7,7]", "8,9]")), (vec![Kind::Value], 2));
    assert_eq!(kinds(&numbers(0), &numbers(many)), (vec![Kind::Value], 8_192));
    assert_eq!(kinds(&numbers(0), &numbers(1)), (vec![Kind::Value], 1));
    let backwards = array((0..many).rev().map(|number| number.to_string()));
    assert_eq!(kinds(&numbers(0), &backwards), (vec![Kind::Order], 1));
    // Each twice on the one side, half of them on the other.
    let halves = array((0..many).map(|number| (number / 2).to_string()));
    assert_eq!(kinds(&numbers(0), &halves), (vec![Kind::Value], 8_192));
    // Objects that nothing identifies, and spelled otherwise, so that only their meaning tells.
    let objects = |spelled: &str| {
        array((0..many / 4).map(|number| format!("{{\"a\":{},\"b\":{spelled}}}", number % 7)))
    };
    assert_eq!(kinds(&objects("1"), &objects("1.0")), (vec![], 0));
    assert_eq!(kinds(&objects("1"), &objects("2")), (vec![Kind::Value], 8_192));
}

#[test]
fn equality_that_only_meaning_tells_costs_no_more_than_depth_times_size() {
    // Sixty levels, each with a long neighbour that is spelled otherwise.
    let nested = |number: &str, last: &str| {
        let long = format!("[{}0]", format!("{number},").repeat(3_000));
        format!("{}{last}{}", format!("[{long},").repeat(60), "]".repeat(60))
    };
    assert!(compared(nested("1", "5").as_bytes(), nested("1.0", "5").as_bytes()).equal);
    let found = compared(nested("1", "5").as_bytes(), nested("1.0", "6").as_bytes());
    assert_eq!(found.differences.iter().map(|found| found.kind).collect::<Vec<_>>(), [Kind::Value]);
}

#[test]
fn what_differs_only_in_the_last_digit_or_the_last_byte_differs() {
    let check = |left: &str, right: &str, equal: bool| {
        assert_eq!(compared(left.as_bytes(), right.as_bytes()).equal, equal, "{left} {right}");
    };
    check("1e400", "1e401", false);
    check("1e400", "10e399", true);
    check("123456789012345678901234567890", "123456789012345678901234567891", false);
    check("18446744073709551617", "1", false);
    check("[0.1]", "[0.10000000000000000000000000000000001]", false);
    check(r#""\ud800""#, r#""\ud801""#, false);
    check(r#""\ud800""#, r#""\ufffd""#, false);
    check(r#""\ud83d\ude00""#, "\"\u{1f600}\"", true);
    check(r#""\u0000""#, r#""""#, false);
    check(r#""a\u0000b""#, r#""a\u0000c""#, false);
    // The last of a repeated name wins in most readers, so their order counts, also within elements that moved.
    check(r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#, false);
    check(r#"[{"a":1,"a":2},5,6]"#, r#"[{"a":2,"a":1},6,5]"#, false);
    let unordered = Rules::new(vec![], vec![Pattern::parse("/").unwrap()]);
    let found = diff(br#"[{"a":1,"a":2},5]"#, br#"[5,{"a":2,"a":1}]"#, Media::Json, &unordered);
    assert_eq!((found.equal, found.differences.len()), (false, 2));
}

#[test]
fn a_name_that_one_side_repeats_is_missing_or_extra_there() {
    let kinds = |left: &str, right: &str| {
        let found = compared(left.as_bytes(), right.as_bytes());
        found.differences.into_iter().map(|d| format!("{} {} {}", d.path, d.kind, d.left)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(r#"{"a":1,"a":2}"#, r#"{"a":1}"#), ["/a missing 2"]);
    assert_eq!(
        kinds(r#"{"a":1}"#, r#"{"b":0,"a":1,"\u0061":2}"#),
        ["/b extra (absent)", "/a extra (absent)"]
    );
}

fn members(count: usize, value: &str) -> String {
    let members: Vec<String> = (0..count).map(|number| format!("\"k{number:x}k\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn array(elements: impl Iterator<Item = String>) -> String {
    format!("[{}]", elements.collect::<Vec<_>>().join(","))
}
