//! What a policy may cost: memory and steps are summed over all of it, and what is beyond is refused with the dearest places.

use antumbra_policy::document::{Cost, Tree};
use antumbra_policy::{Dice, Policy, Timestamp, WrittenRequest};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn compile(rules: &[String]) -> Result<Policy, String> {
    with(rules, "")
}

fn with(rules: &[String], more: &str) -> Result<Policy, String> {
    let rules = rules.join(",");
    let text = format!(
        r#"{{"version": 1, "name": "shop", "variants": {{"a": null, "b": null}}, "default": "a", "rules": [{rules}]{more}}}"#
    );
    Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap()).map_err(|invalid| invalid.to_string())
}

fn rule(blocks: &str) -> String {
    format!(r#"{{"matches": [{blocks}], "to": "b"}}"#)
}

fn on_path(test: &str) -> String {
    rule(&format!(r#"{{"path": {test}}}"#))
}

fn pattern(pattern: &str) -> String {
    on_path(&format!(r#"{{"regex": {pattern:?}}}"#))
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    format!("[{}]", (0..count).map(|n| format!("{:?}", item(n))).collect::<Vec<_>>().join(","))
}

fn many(count: usize, make: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(make).collect()
}

fn assert_fits(policy: &Policy) {
    let (cost, most) = (policy.cost(), Cost::MAX);
    assert!(cost.bytes <= most.bytes && cost.steps <= most.steps, "{cost:?}");
}

/// As many different headers as a request may have to have, all hashed: each adds to what the dearest byte costs.
#[test]
fn a_policy_beyond_is_refused_with_its_dearest_places() {
    let hashes = |count| {
        many(count, |n| {
            rule(&format!(
                r#"{{"headers": {{"x": {{"hash": {{"of": 9, "buckets": [[1, 1]], "salt": "s{n}"}}}}}}}}"#
            ))
        })
    };
    assert_fits(&compile(&hashes(10)).unwrap());
    assert_eq!(
        compile(&hashes(20)).unwrap_err(),
        "document may take a request 1237120 steps, must take at most 1000000; most of them \
         rules[0].matches[0].headers.x (61440), rules[1].matches[0].headers.x (61440), rules[2].matches[0].headers.x (61440)"
    );
}

/// One day they will be enabled.
#[test]
fn rules_that_are_not_enabled_count() {
    let regex = r#"{"matches": [{"path": {"regex": "[a-c]+"}}], "to": "b"}"#;
    let disabled = regex.replacen('{', r#"{"enabled": false, "#, 1);
    assert_eq!(
        compile(&[disabled]).unwrap().cost().steps,
        compile(&[regex.to_owned()]).unwrap().cost().steps
    );
}

/// Rules that look into the same place read it together; the same patterns are one.
#[test]
fn what_is_read_together_costs_once() {
    let steps = |rules: &[String]| compile(rules).unwrap().cost().steps;
    let words = |count| steps(&many(count, |n| on_path(&format!(r#"{{"contains": "word{n}"}}"#))));
    assert!(words(200) < words(1) + 50_000, "{} and {}", words(1), words(200));
    let same = |count| steps(&many(count, |_| pattern("/v[0-9]+/.*a[bc]")));
    assert!(same(200) < same(1) + 50_000, "{} and {}", same(1), same(200));
}

#[test]
fn bodies_count_by_the_length_that_is_let_in() {
    let rules = [rule(r#"{"json": {"a": "1", "/b/c": "2"}}"#)];
    let steps = |bytes| {
        with(&rules, &format!(r#", "body": {{"maxBytes": {bytes}}}"#)).map(|policy| policy.cost().steps)
    };
    assert_eq!(steps(20_000).unwrap() - steps(10_000).unwrap(), 10_000 * 4 * 3);
    let said = steps(1024 * 1024).unwrap_err();
    assert!(said.ends_with("most of them body (12582912), variants (2000), headers (1000)"), "{said}");
}

#[test]
fn lists_are_weighed() {
    let ids = |from: usize| {
        rule(&format!(r#"{{"headers": {{"x": {{"in": {}}}}}}}"#, list(100_000, |n| format!("{}", from + n))))
    };
    let three = [ids(0), ids(100_000), ids(200_000)];
    assert_fits(&compile(&three).unwrap());
    let said = compile(&[&three[..], &three[..2]].concat()).unwrap_err();
    assert!(
        said.starts_with("document takes ")
            && said.contains(" KiB in the filter, must take at most 16384 KiB; most of it rules[1] ("),
        "{said}"
    );
}

#[test]
fn a_large_policy_of_the_usual_kind_fits() {
    let mut rules = many(100, |n| {
        rule(&format!(
            r#"{{"path": {{"prefix": "/p{n}"}}, "headers": {{"user-agent": {{"search": "Bot{n}|crawler{n}"}}}},
                "cookies": {{"uid": {{"exists": true}}}}}}"#
        ))
    });
    let blocks = |count, make: &dyn Fn(usize) -> String| {
        many(count, make).chunks(60).map(|blocks| rule(&blocks.join(","))).collect::<Vec<_>>()
    };
    rules.extend(blocks(50, &|n| {
        format!(r#"{{"path": {{"regex": "/shop/[a-z]+/item{n}-[0-9]{{1,4}}(/.*)?"}}}}"#)
    }));
    rules.extend(blocks(170, &|n| {
        format!(r#"{{"headers": {{"user-agent": {{"search": "App/{n}\\.[0-9]+"}}}}}}"#)
    }));
    rules.extend(blocks(45, &|n| format!(r#"{{"path": {{"contains": ["part{n}", "bit{n}"]}}}}"#)));
    rules.push(on_path(&format!(r#"{{"prefix": {}}}"#, list(1_000, |n| format!("/catalogue/item-{n}")))));
    assert_fits(&compile(&rules).unwrap());
}

/// What was accepted before there was a budget, and took gigabytes and seconds.
#[test]
fn forty_thousand_patterns_are_refused() {
    let header = |n| format!(r#""x{n}": {{"regex": "(.*a.*){{1,9}}{n}[a-z]"}}"#);
    let block = format!(r#"{{"headers": {{{}}}}}"#, many(8, header).join(","));
    let rules = vec![rule(&vec![block; 20].join(",")); 255];
    let said = compile(&rules).unwrap_err();
    assert!(said.contains("must take at most") && said.lines().count() <= 2, "{said}");
}

/// Expressions made to harm either are matched in one pass, or are refused for what they need.
#[test]
fn expressions_made_to_harm() {
    for (text, refused) in [
        ("(.*a.*){1,9}N", false),
        (".*/api/v7/.*", false),
        ("(a|b)*a(a|b){12}", false),
        ("(a*)*(a*)*(a*)*b", false),
        ("((a{0,5}){0,5}){0,5}b", false),
        ("(x+x+)+y", false),
        ("([a-z]+.)*\\d{3}.*", false),
        (".*.*.*.*.*.*.*.*=.*", false),
        ("(?:\\b\\w+\\b\\W*)*!", false),
        ("[^é]*[^ü]{3}€", false),
        ("(a|aa|aaa|aaaa)+$", false),
        (".*a.{20}b", true),
        ("(?i)(.*s.{9}e.{9}l.{9})x", true),
    ] {
        match compile(&[pattern(text)]) {
            Ok(policy) => assert!(!refused && policy.cost().steps < 800_000, "{text}: {:?}", policy.cost()),
            Err(said) => {
                let expected = "rules[0].matches[0].path.regex needs too many states, must be simpler";
                assert!(refused && said.starts_with(expected), "{text}: {said}");
            }
        }
    }
}

/// Thousands of expressions of which each nearly has too many states are not all tried.
#[test]
fn compiling_is_bounded() {
    let many = |text: &dyn Fn(usize) -> String| {
        let blocks = many(60, |n| format!(r#"{{"path": {{"regex": {:?}}}}}"#, text(n)));
        compile(&vec![rule(&blocks.join(",")); 4]).unwrap_err()
    };
    let said = many(&|n| format!("(a|b)*a(a|b){{11}}{n}"));
    assert!(said.contains("too many states") || said.contains("too long to compile"), "{said}");
}

/// Each value is searched for what is sought in its own place.
#[test]
fn patterns_on_several_places_see_their_own_values() {
    let block =
        r#"{"headers": {"x": {"regex": "a.c"}, "y": {"regex": "é+"}}, "query": {"q": {"search": "z$"}}}"#;
    let policy = compile(&[rule(block)]).unwrap();
    let request = r#"{"path": "/?q=%ffz", "headers": {"x": {"base64": "Yf9j"}, "y": "éé"}}"#;
    let request =
        WrittenRequest::from_tree(&Tree::from_json(request.as_bytes()).unwrap(), Timestamp(0)).unwrap();
    assert_eq!(policy.decide(&request, Dice(0)).rule, Some("rule-0"));
}

/// Each would take minutes if the time grew with the square of what is in it: a proxy that reads it answers nobody meanwhile.
#[test]
fn documents_made_to_take_long_are_refused_in_time_that_grows_with_their_length() {
    const COUNT: usize = 60_000;
    let members = |member: &dyn Fn(usize) -> String| (0..COUNT).map(member).collect::<Vec<_>>().join(",");
    // In no order, so that none has its place behind all before.
    let name = |n: usize| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let read = |text: &str| {
        let tree = Tree::from_json(text.as_bytes()).unwrap();
        Policy::from_tree(&tree).map(drop).map_err(|invalid| invalid.problems)
    };
    let refused =
        |text: &str| -> Vec<String> { read(text).unwrap_err().iter().map(ToString::to_string).collect() };
    let twice = refused(&format!("{{{}}}", members(&|_| r#""version":1"#.to_owned())));
    assert_eq!((twice.len(), &*twice[0]), (1_001, "version is given twice"));
    // Four fields are missing besides.
    assert_eq!(twice[1_000], format!("document has {} more problems", COUNT - 1 + 4 - 1_000));
    let unknown = refused(&format!("{{{}}}", members(&|n| format!(r#""k{}":1"#, name(n)))));
    assert_eq!((unknown.len(), unknown[1_000].contains("more problems")), (1_001, true));
    let long = refused(&format!(r#"{{"{}":1}}"#, "v".repeat(1 << 20)));
    assert!(long[0].contains("is not a known field"));
    let rule = |blocks: &str| {
        let rules = format!(r#"[{{"to":"a","matches":[{blocks}]}}]"#);
        format!(r#"{{"version":1,"name":"p","variants":{{"a":null}},"default":"a","rules":{rules}}}"#)
    };
    for kind in ["headers", "cookies", "query", "metadata", "form", "json"] {
        let conditions = members(&|n| format!(r#""k{}":"1""#, name(n)));
        let problems = refused(&rule(&format!(r#"{{"{kind}":{{{conditions}}}}}"#)));
        let expected =
            "document asks a request for more than 8192 names, or for more than 2000 of headers and metadata";
        assert_eq!(problems, [expected], "{kind}");
    }
    let again = members(&|n| format!(r#"{{"query":{{"q{}":"{n}"}}}}"#, n % 8_000));
    assert_eq!(refused(&rule(&again)), ["rules[0].matches has 60000 items, must have 1..=64"]);
}

/// As many as there may be, and one more.
#[test]
fn names_have_a_bound() {
    let policy = |kind: &str, count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!(r#""n{n}":"1""#)).collect();
        compile(&[rule(&format!(r#"{{"{kind}":{{{}}}}}"#, names.join(",")))])
    };
    let crowded =
        |kind, count| policy(kind, count).is_err_and(|problem| problem.contains("more than 8192 names"));
    // Every policy asks for `:method` and the variant's header.
    assert!(!crowded("form", 8_192 - 2) && crowded("form", 8_192 - 1));
    assert!(!crowded("headers", 2_000 - 2) && crowded("headers", 2_000 - 1));
}
