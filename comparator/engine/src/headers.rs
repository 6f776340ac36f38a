//! Which headers of two answers differ: by lower-case name, cookies by their own name and attributes.
//!
//! What proxies and servers set anew on every answer says nothing about a release and is left out from the start.

use std::collections::BTreeMap;

use antumbra_observation::Bytes;

use crate::diff::{ABSENT, Detail, Differences, Kind, Scope};
use crate::excerpt;
use crate::pattern::Place;
use crate::rules::Value;
use crate::suggestion::Guesses;

type Headers = [(Bytes, Bytes)];

/// Compares the headers of the primary with those of another answer.
pub(crate) fn compare(primary: &Headers, other: &Headers, scope: Scope<'_>, into: &mut Differences) {
    if primary == other {
        return;
    }
    each(&by_name(primary), &by_name(other), |name, kind, left, right| {
        judge(&format!("header:{name}"), Place::Header(name), kind, (left, right), scope, into);
    });
    if scope.rules.ignores(scope.endpoint, Place::Header(SET_COOKIE)) {
        return;
    }
    each(&by_cookie(primary), &by_cookie(other), |name, kind, left, right| {
        let cookie = name.split_once(';').map_or(name, |(cookie, _)| cookie);
        judge(&format!("cookie:{name}"), Place::Cookie(cookie), kind, (left, right), scope, into);
    });
}

/// Takes a difference in unless the rules allow it.
fn judge(
    path: &str,
    place: Place<'_>,
    kind: Kind,
    (left, right): (Option<&Vec<u8>>, Option<&Vec<u8>>),
    scope: Scope<'_>,
    into: &mut Differences,
) {
    let values = [left, right].map(|value| value.map(|value| Value::text(value)));
    let [was, is] = values.each_ref().map(Option::as_ref);
    if !scope.rules.at(scope.endpoint, place).excuses(kind, was, is) {
        into.add(path, kind, || detail(path.to_owned(), left, right));
        into.guess(path, kind, || Guesses::of(kind, was, is));
    }
}

/// Calls `differ` for each name whose values are not the same.
fn each<'a>(
    left: &'a BTreeMap<String, Vec<u8>>,
    right: &'a BTreeMap<String, Vec<u8>>,
    mut differ: impl FnMut(&str, Kind, Option<&'a Vec<u8>>, Option<&'a Vec<u8>>),
) {
    for (name, value) in left {
        match right.get(name) {
            None => differ(name, Kind::Missing, Some(value), None),
            Some(other) if other != value => differ(name, Kind::Value, Some(value), Some(other)),
            Some(_) => {}
        }
    }
    for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
        differ(name, Kind::Extra, None, Some(value));
    }
}

/// Values by name, several of one name joined as HTTP allows.
fn by_name(headers: &Headers) -> BTreeMap<String, Vec<u8>> {
    let mut values: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, value) in headers {
        let name = excerpt::line(name, MAX_NAME).to_ascii_lowercase();
        if is_transport(&name) || name == SET_COOKIE {
            continue;
        }
        if let Some(before) = values.get_mut(&name) {
            before.extend([b", ".as_slice(), value].concat());
        } else if values.len() < MAX_NAMES {
            values.insert(name, value.to_vec());
        }
    }
    values
}

/// `name` → value, and `name;attribute` → value of the attribute. The last of a name wins, as in a browser.
fn by_cookie(headers: &Headers) -> BTreeMap<String, Vec<u8>> {
    let mut values = BTreeMap::new();
    for (_, cookie) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(SET_COOKIE.as_bytes())) {
        let mut parts = cookie.split(|&b| b == b';').map(pair);
        let Some((name, value)) = parts.next() else { continue };
        let name = excerpt::line(name, MAX_NAME).replace(';', "_");
        if values.len() >= MAX_NAMES {
            return values;
        }
        for (attribute, value) in parts.take(MAX_ATTRIBUTES) {
            let attribute = excerpt::line(attribute, MAX_NAME).to_ascii_lowercase();
            values.insert(format!("{name};{attribute}"), value.to_vec());
        }
        values.insert(name, value.to_vec());
    }
    values
}

fn pair(part: &[u8]) -> (&[u8], &[u8]) {
    let at = part.iter().position(|&b| b == b'=').unwrap_or(part.len());
    let (name, value) = part.split_at(at);
    (name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii())
}

fn detail(exact: String, left: Option<&Vec<u8>>, right: Option<&Vec<u8>>) -> Detail {
    let attribute = exact.contains(';');
    let shown = |value: Option<&Vec<u8>>| {
        let Some(value) = value else { return ABSENT.to_owned() };
        let text = excerpt::line(value, excerpt::MAX_CHARS);
        // What a name says that was too long to keep is not known.
        let named = !attribute && (excerpt::is_sensitive(&exact) || exact.ends_with('…'));
        let secret = named || excerpt::is_credential(value);
        if secret { excerpt::REDACTED.to_owned() } else { text }
    };
    Detail { primary: shown(left), other: shown(right), exact }
}

fn is_transport(name: &str) -> bool {
    TRANSPORT.contains(&name) || TRANSPORT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

const SET_COOKIE: &str = "set-cookie";
const TRANSPORT: [&str; 19] = [
    "age",
    "b3",
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "nel",
    "proxy-connection",
    "report-to",
    "server",
    "server-timing",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-correlation-id",
    "x-request-id",
];
const TRANSPORT_PREFIXES: [&str; 5] = ["x-antumbra-", "x-b3-", "x-envoy-", "x-forwarded-", "x-ot-"];
const MAX_NAME: usize = 64;
const MAX_NAMES: usize = 256;
const MAX_ATTRIBUTES: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Allow, Pattern, Rule, Rules};

    fn diff(left: &[(&str, &str)], right: &[(&str, &str)], rules: &Rules) -> Vec<String> {
        let headers = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect::<Vec<_>>()
        };
        let mut found = Differences::default();
        compare(&headers(left), &headers(right), Scope { endpoint: "GET /", rules }, &mut found);
        found.found.iter().map(|(s, d)| format!("{} {}: {} -> {}", s.0, s.1, d.primary, d.other)).collect()
    }

    fn check(left: &[(&str, &str)], right: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(diff(left, right, &Rules::default()), expected, "{left:?} {right:?}");
    }

    #[test]
    fn headers() {
        check(&[("X-A", "1")], &[("x-a", "1")], &[]);
        check(&[("x-a", "1")], &[("x-a", "2")], &["header:x-a value: 1 -> 2"]);
        check(&[("x-a", "1")], &[], &["header:x-a missing: 1 -> (absent)"]);
        check(&[], &[("x-a", "1")], &["header:x-a extra: (absent) -> 1"]);
        check(&[("x-a", "1"), ("x-a", "2")], &[("x-a", "1, 2")], &[]);
        check(&[("date", "now"), ("x-envoy-upstream-service-time", "1")], &[("date", "then")], &[]);
        check(
            &[("x-auth-token", "a")],
            &[("x-auth-token", "b")],
            &["header:x-auth-token value: (redacted) -> (redacted)"],
        );
        check(
            &[("location", "/?token=a")],
            &[("location", "/")],
            &["header:location value: (redacted) -> /"],
        );
        let long = format!("x-{}-token", "a".repeat(MAX_NAME));
        let shown = format!("header:x-{}… value: (redacted) -> (redacted)", "a".repeat(MAX_NAME - 3));
        check(&[(&long, "a")], &[(&long, "b")], &[&shown]);
        let rules = Rules::new(vec![Pattern::parse("header:x-a").unwrap()], vec![]);
        assert!(diff(&[("x-a", "1")], &[("X-A", "2")], &rules).is_empty());
        let near = |at: &str| Rule::Value(Pattern::parse(at).unwrap(), Allow::Time(Duration::from_secs(5)));
        let rules = Rules::default().with_rules([near("header:last-modified"), near("cookie:sid")]);
        let at = |second: u8| format!("Wed, 21 Oct 2026 07:28:{second:02} GMT");
        let answer = |second| {
            [("last-modified", at(second)), ("set-cookie", format!("sid=1; expires={}", at(second)))]
        };
        let near = |second| {
            diff(
                &answer(0).each_ref().map(|(n, v)| (*n, v.as_str())),
                &answer(second).each_ref().map(|(n, v)| (*n, v.as_str())),
                &rules,
            )
        };
        assert_eq!((near(5).len(), near(6).len()), (0, 2));
    }

    #[test]
    fn cookies() {
        let left = [("set-cookie", "sid=1; Path=/; HttpOnly"), ("set-cookie", "theme=dark")];
        let right = [("set-cookie", "theme=light"), ("set-cookie", "sid=1; path=/app")];
        let expected = [
            "cookie:sid;httponly missing:  -> (absent)",
            "cookie:sid;path value: / -> /app",
            "cookie:theme value: (redacted) -> (redacted)",
        ];
        check(&left, &right, &expected);
        check(&[("set-cookie", "=;;;=")], &[("set-cookie", "")], &["cookie:; missing:  -> (absent)"]);
        let rules = Rules::new(
            ["cookie:sid", "cookie:theme"].map(|text| Pattern::parse(text).unwrap()).into(),
            vec![],
        );
        assert!(diff(&left, &right, &rules).is_empty());
    }
}
