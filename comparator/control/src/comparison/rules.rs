//! `compare.rules`: what may differ at a place, one way or several.
//!
//! Every field of a rule allows something by itself, so a rule of several fields allows any of that.

use std::ops::RangeInclusive;
use std::time::Duration;

use antumbra_engine::{Allow, Arrays, Class, Decimal, EndpointPattern, Expression, Pattern, Rule};
use antumbra_policy::document::{self, Field, Map, Tree};

use super::pattern;

/// Reads `rules: [{at: place or places, …}]`.
pub(crate) fn rules(field: Option<&Field<'_>>, given: &[EndpointPattern]) -> Option<Vec<Rule>> {
    let Some(field) = field else { return Some(Vec::new()) };
    let read = document::all(&field.list(0..=MAX_RULES)?, |field| rule(field, given))?;
    Some(read.into_iter().flatten().collect())
}

fn rule(field: &Field<'_>, given: &[EndpointPattern]) -> Option<Vec<Rule>> {
    let map = field.map(&FIELDS)?;
    let place = |field: &Field<'_>| pattern(field, given);
    let at = map.required("at").and_then(|field| field.each_or_one(1..=MAX_PLACES, place));
    let values = allowed(&map);
    let arrays = document::optional(map.get("array").map(arrays));
    if FIELDS.iter().skip(1).all(|name| map.get(name).is_none()) {
        let ways: Vec<&str> = FIELDS.iter().skip(1).copied().collect();
        field.note(format!("allows nothing, must have one of {}", ways.join(", ")));
        return None;
    }
    let (at, values, arrays) = (at?, values?, arrays?);
    of_bodies(&map, &at)?;
    let values = values.iter().flat_map(|allow| at.iter().map(|at| Rule::Value(at.clone(), allow.clone())));
    let arrays = arrays.iter().flat_map(|arrays| at.iter().map(|at| Rule::Array(at.clone(), arrays.clone())));
    Some(values.chain(arrays).collect())
}

/// What is allowed of values.
fn allowed(map: &Map<'_>) -> Option<Vec<Allow>> {
    let said = |name, allow: Allow| map.get(name).map(|field| yes(field).map(|()| allow));
    let read: Vec<Option<Allow>> = [
        said("ignore", Allow::Ignore),
        map.get("absolute").map(|field| decimal(field, ABSOLUTE).map(Allow::Absolute)),
        map.get("relative").map(|field| decimal(field, RELATIVE).map(Allow::Relative)),
        map.get("time").map(|field| field.duration(APART).map(Allow::Time)),
        map.get("like").map(|field| class(field).map(Allow::Like)),
        said("ignoreCase", Allow::IgnoreCase),
        said("nullIsAbsent", Allow::NullIsAbsent),
        map.get("numbers").map(|field| field.one_of(&[("exact", ())]).map(|()| Allow::ExactNumbers)),
    ]
    .into_iter()
    .flatten()
    .collect();
    read.into_iter().collect()
}

fn yes(field: &Field<'_>) -> Option<()> {
    let said = field.tree() == &Tree::Bool(true);
    if !said {
        field.problem("must be true, or left out");
    }
    said.then_some(())
}

/// As it is written: 0.01 is a hundredth and not the float next to it.
fn decimal(field: &Field<'_>, bounds: RangeInclusive<f64>) -> Option<Decimal> {
    let value = field.number(bounds)?;
    Decimal::parse(value.to_string().as_bytes())
}

fn class(field: &Field<'_>) -> Option<Class> {
    match field.tree() {
        Tree::Map(_) => {
            let map = field.map(&["regex"])?;
            let regex = map.required("regex")?;
            let refused = |error| {
                regex.problem(format!(
                    "must be a regular expression of at most 16384 bytes when compiled: {error}"
                ));
            };
            Expression::new(regex.text()?).map_err(refused).ok().map(Class::Matching)
        }
        Tree::Text(name) => {
            let found = CLASSES.iter().find(|(known, _)| known == name).map(|(_, class)| class.clone());
            if found.is_none() {
                field.unknown_name("class of values", name, CLASSES.iter().map(|(name, _)| *name));
            }
            found
        }
        _ => {
            field.problem("must be one of uuid, id, number, time, or a mapping with regex");
            None
        }
    }
}

fn arrays(field: &Field<'_>) -> Option<Arrays> {
    if !matches!(field.tree(), Tree::Map(_)) {
        return field
            .one_of(&[("ordered", false), ("unordered", true)])
            .map(|unordered| if unordered { Arrays::Unordered } else { Arrays::Ordered });
    }
    let map = field.map(&["by"])?;
    map.required("by")?.each_or_one(1..=MAX_KEYS, key).map(Arrays::By)
}

fn key(field: &Field<'_>) -> Option<String> {
    let name = field.text()?;
    if name.is_empty() || name.chars().count() > LONGEST_KEY {
        field.problem("must be the name of a member, 1 to 255 characters");
        return None;
    }
    Some(name.to_owned())
}

/// Headers and cookies have neither nulls nor arrays, and their numbers are texts.
fn of_bodies(map: &Map<'_>, at: &[Pattern]) -> Option<()> {
    let mut fits = Some(());
    for field in ["nullIsAbsent", "array", "numbers"].iter().filter_map(|name| map.get(name)) {
        if !at.iter().all(Pattern::is_of_body) {
            field.problem("must be for places in bodies alone");
            fits = None;
        }
    }
    fits
}

const FIELDS: [&str; 10] = [
    "at",
    "ignore",
    "absolute",
    "relative",
    "time",
    "like",
    "ignoreCase",
    "nullIsAbsent",
    "array",
    "numbers",
];
const CLASSES: [(&str, Class); 4] =
    [("uuid", Class::Uuid), ("id", Class::Id), ("number", Class::Number), ("time", Class::Time)];
/// How far apart numbers may be.
const ABSOLUTE: RangeInclusive<f64> = 0.000_000_001..=1e15;
/// A share, not percent.
const RELATIVE: RangeInclusive<f64> = 0.000_000_001..=1.0;
const APART: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24 * 365);
const MAX_RULES: usize = 1_000;
const MAX_PLACES: usize = 100;
const MAX_KEYS: usize = 8;
const LONGEST_KEY: usize = 255;

#[cfg(test)]
mod tests {
    use antumbra_engine::{Delivery, Evidence, Gates, Media, Report, diff, report};
    use antumbra_observation::{Leg, Observation};
    use antumbra_policy::document::Problems;

    use super::super::bare_rules;
    use crate::document::tree_from_yaml;

    fn read(text: &str) -> Result<antumbra_engine::Rules, String> {
        let tree = tree_from_yaml(text.as_bytes()).unwrap();
        let problems = Problems::default();
        let rules = bare_rules(&problems.root(&tree));
        problems.finish(rules).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn a_rule_for_each_way_to_differ() {
        let check = |rule: &str, left: &str, right: &str, equal: bool| {
            let rules =
                read(&format!("rules: [{{at: /a, {rule}}}]")).unwrap_or_else(|error| panic!("{error}"));
            let body = |value: &str| format!("{{\"a\":{value}}}");
            let found = diff(body(left).as_bytes(), body(right).as_bytes(), Media::Json, &rules);
            assert_eq!(found.equal, equal, "{rule} {left} {right} {found:?}");
        };
        check("absolute: 0.01", "0.1", "0.11", true);
        check("absolute: 0.01", "0.1", "0.111", false);
        check("relative: 0.05", "95", "100", true);
        check("absolute: 1, relative: 0.001", "1", "2", true);
        check("time: 5s", "\"2026-02-04T12:00:00Z\"", "\"2026-02-04T13:00:05+01:00\"", true);
        check("time: 500ms", "1770000000000", "1770000000501", false);
        check("like: id", "\"9f86d081884c7d65\"", "\"0a86d081884c7d65\"", true);
        check("like: {regex: 'v[0-9]+'}", "\"v1\"", "\"v22\"", true);
        check("like: {regex: 'v[0-9]+'}", "\"v1\"", "\"x\"", false);
        check("ignoreCase: true", "\"A\"", "\"a\"", true);
        check("ignore: true", "{}", "[]", true);
        check("numbers: exact", "1", "1.0", false);
        check("array: unordered", "[1,2]", "[2,1]", true);
        check("array: ordered", "[1,2]", "[2,1]", false);
        check("array: {by: id}", r#"[{"id":1},{"id":2}]"#, r#"[{"id":2},{"id":1}]"#, true);
        check(
            "array: {by: [a, b]}",
            r#"[{"a":1,"b":1},{"a":1,"b":2}]"#,
            r#"[{"a":1,"b":2},{"a":1,"b":1}]"#,
            true,
        );
        let whole = "variants: {a: {}}\ncompare: {rules: [{at: [/x, /y], ignore: true}]}";
        assert!(diff(b"{\"x\":1,\"y\":1}", b"{\"x\":2,\"y\":2}", Media::Auto, &read(whole).unwrap()).equal);
    }

    #[test]
    fn a_rule_for_a_part_of_a_named_endpoint_is_refused() {
        let check = |compare: &str, expected: &[&str]| {
            let read = read(&format!("endpoints: ['GET /users/{{name}}']\n{compare}"));
            let said = read.err().unwrap_or_default();
            assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{compare}");
        };
        let wrong = " is \"GET /users/me /etag\", names GET /users/me, must name GET /users/{name}, of which it is a part, or have it \
                     among the endpoints before that";
        for (place, compare) in [
            ("ignore[0]", "ignore: [GET /users/me /etag]"),
            ("unordered[0]", "unordered: [GET /users/me /etag]"),
            ("rules[0].at", "rules: [{at: GET /users/me /etag, ignore: true}]"),
        ] {
            check(compare, &[&format!("{place}{wrong}")]);
        }
        let header = wrong.replace("/etag", "header:etag");
        check("headers: {only: ['GET /users/me header:etag']}", &[&format!("headers.only[0]{header}")]);
        check("ignore: ['GET /users/{id} /etag', GET /users/42 /etag, GET /user/me /etag, /etag]", &[]);
        assert!(
            read("{endpoints: [GET /users/me, 'GET /users/{n}'], ignore: [GET /users/me /etag]}").is_ok()
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let error = read(
            "rules:
- {at: items, absolute: 0}
- {at: /a}
- {ignore: false}
- {at: [], relative: 5, time: soon, like: uid}
- {at: /a, like: {regex: '('}, ignoreCase: 1, nullIsAbsent: yes}
- {at: ['header:x', /a], array: {by: ''}, numbers: exactly}
- {at: 'cookie:a', array: sorted}
- {at: 'cookie:a', array: unordered}
- {at: /a, absolut: 1, time: 400d}",
        );
        let error = error.unwrap_err();
        let said: Vec<&str> = error.lines().collect();
        let expected = [
            "rules[0].at is \"items\", names the place",
            "rules[0].absolute is 0, must be within 0.000000001..=1000000000000000",
            "rules[1] allows nothing, must have one of ignore, absolute, relative, time, like, ",
            "rules[2] has no field \"at\", which is required",
            "rules[2].ignore is false, must be true, or left out",
            "rules[3].at ",
            "rules[3].relative is 5, must be within 0.000000001..=1",
            "rules[3].time is \"soon\", must be a duration such as 250ms",
            "rules[3].like is \"uid\", not a known class of values; did you mean \"id\"?",
            "rules[4].like.regex is \"(\", must be a regular expression of at most 16384 bytes when compiled: ",
            "rules[4].ignoreCase is 1, must be true",
            "rules[4].nullIsAbsent is \"yes\", must be true",
            "rules[5].numbers is \"exactly\", must be one of exact",
            "rules[5].array.by is \"\", must be the name of a member, 1 to 255 characters",
            "rules[6].array is \"sorted\", must be one of ordered, unordered",
            "rules[7].array is \"unordered\", must be for places in bodies alone",
            "rules[8].absolut is not a known field; did you mean \"absolute\"?",
            "rules[8].time is \"400d\", must be within 1ms..=",
        ];
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.starts_with(expected), "{expected}\n{error}");
        }
        assert_eq!(said.len(), expected.len(), "{error}");
    }

    /// What the report suggests for the noise of a service silences that noise when it is pasted into a policy.
    #[test]
    fn suggestions_can_be_pasted_and_silence_what_they_explain() {
        let exchanges: Vec<Observation> = (1..=60).map(exchange).collect();
        let before = judged(&exchanges, &antumbra_engine::Rules::default());
        let suggested: Vec<&str> =
            before.suggestions.iter().map(|suggestion| suggestion.rule.as_str()).collect();
        assert!(suggested.len() > 8, "{suggested:#?}");
        let pasted =
            format!("rules:\n{}", suggested.iter().map(|rule| format!("- {rule}\n")).collect::<String>());
        let rules = read(&pasted).unwrap_or_else(|error| panic!("{error}\n{pasted}"));
        let after = judged(&exchanges, &rules);
        let noise: Vec<_> = after.noise.iter().filter(|noise| noise.control_only + noise.both > 0).collect();
        assert!(noise.is_empty(), "{noise:#?}\n{pasted}");
        assert!(after.suggestions.is_empty());
        let defect =
            after.regressions.iter().find(|found| found.path == "/state").map(|found| found.candidate_only);
        let watched =
            after.noise.iter().find(|found| found.path == "/state").map(|found| found.candidate_only);
        assert_eq!(defect.or(watched), Some(20), "{after:#?}");
    }

    fn judged(exchanges: &[Observation], rules: &antumbra_engine::Rules) -> Report {
        let mut evidence = Evidence::new();
        for exchange in exchanges {
            evidence.observe(exchange, rules);
        }
        report("shop", &evidence, &Gates::default(), &Delivery { known: true, ..Delivery::default() })
    }

    /// Three answers that differ in every way that a suggestion knows; every third candidate has a defect besides.
    fn exchange(number: u64) -> Observation {
        let leg = |leg: u64| {
            let n = (number * 7 + leg * 13) % 17;
            let secret = (number * 3 + leg).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let state = if leg == 1 && number.is_multiple_of(3) { "shut" } else { "open" };
            let (word, order) = if n.is_multiple_of(2) { ("Mixed", "1,2,3") } else { ("MIXED", "3,1,2") };
            let null = if n.is_multiple_of(2) { "" } else { ",\"null\":null" };
            let body = format!(
                r#"{{"iso":"2026-02-04T12:00:{n:02}Z","unix":{},"uuid":"{secret:016x}-0000-0000-0000-000000000000","hex":"{secret:016x}",
                "load":{}.5,"word":"{word}","order":[{order}]{null},"mood":"w{n}","state":"{state}","sum":0.{}}}"#,
                1_770_000_000 + n,
                1_000 + n,
                if n.is_multiple_of(2) { "3" } else { "30000000000000004" },
            );
            let body = body
                .replace(&format!("\"uuid\":\"{secret:016x}-"), &format!("\"uuid\":\"{:08x}-", secret >> 32));
            Leg::answer("v", 200)
                .with_body("application/json", body.into_bytes())
                .with_header("last-modified", format!("Wed, 21 Oct 2026 07:28:{n:02} GMT").into_bytes())
                .with_header("set-cookie", format!("trace={secret:016x}").into_bytes())
                .with_latency_us(1)
        };
        Observation::new("shop", "GET", "/orders/7")
            .with_id(u128::from(number))
            .with_arrival_us(number * 10_000_000)
            .with_primary(leg(0))
            .with_candidate(leg(1))
            .with_control(leg(2))
    }
}
