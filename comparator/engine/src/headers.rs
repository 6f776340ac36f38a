//! Which headers of two answers differ: by lower-case name, cookies by their own name and attributes.
//!
//! What proxies and servers set anew on every answer says nothing about a release and is left out from the start.

mod cookie_date;
mod cookies;

use std::collections::BTreeMap;

use antumbra_observation::{Bytes, Response};

use crate::body::{is_grpc, is_status, media_type, trailers_of};
use crate::diff::{ABSENT, Detail, Differences, Scope};
use crate::excerpt;
use crate::farther::Measure;
use crate::guess::Guesses;
use crate::kind::Kind;
use crate::pattern::Place;
use crate::rules::Value;
use crate::secrets::SecretKind;
use cookies::{SET_COOKIE, by_cookie, moment};

type Headers = [(Bytes, Bytes)];
/// By what they are shown as.
type Values = BTreeMap<String, Vec<u8>>;

/// Compares headers, cookies and trailers of the primary with those of another answer. An answer without a date is taken to
/// be of `at_us`, microseconds since 1970, if that is known.
pub(crate) fn compare(
    primary: &Response,
    other: &Response,
    at_us: Option<u64>,
    scope: Scope<'_>,
    into: &mut Differences<'_>,
) {
    if primary.headers != other.headers {
        let unlike = unlike(&primary.headers, &other.headers);
        fields(&told(primary, &unlike), &told(other, &unlike), List::Headers, scope, into);
        if sets_cookies(&primary.headers) || sets_cookies(&other.headers) {
            let own = |headers: &[(Bytes, Bytes)]| by_cookie(headers, moment(headers, at_us));
            cookies(&own(&primary.headers), &own(&other.headers), scope, into);
        }
    }
    let (left, right) = (trailers_of(primary), trailers_of(other));
    if left != right {
        fields(&left, &right, List::Trailers, scope, into);
    }
}

/// The names of which two lists have not the same fields, where the lists have the same names in the same order, as versions of one
/// service have; else all names.
fn unlike<'h>(left: &'h Headers, right: &'h Headers) -> Vec<&'h [u8]> {
    let aligned = left.len() == right.len() && left.iter().zip(right).all(|(l, r)| l.0 == r.0);
    if !aligned {
        return left.iter().chain(right).map(|(name, _)| &**name).collect();
    }
    left.iter().zip(right).filter(|(l, r)| l.1 != r.1).map(|(l, _)| &*l.0).collect()
}

fn sets_cookies(headers: &Headers) -> bool {
    headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(SET_COOKIE.as_bytes()))
}

/// The headers that are compared as such, of those that may be unlike: not the status of a gRPC call, which counts as a trailer. Media types
/// that mean the same are alike.
fn told(response: &Response, unlike: &[&[u8]]) -> Vec<(Bytes, Bytes)> {
    let wanted = |name: &Bytes| unlike.iter().any(|unlike| unlike.eq_ignore_ascii_case(name));
    let told = response.headers.iter().filter(|(name, _)| wanted(name));
    let told = told.filter(|(name, _)| !(is_status(name) && is_grpc(response)));
    let plain = |(name, value): &(Bytes, Bytes)| {
        let bounded = name.eq_ignore_ascii_case(b"content-type") && value.len() <= MAX_TYPE;
        let kept = std::str::from_utf8(value).ok().filter(|_| bounded).map(media_type);
        (name.clone(), kept.map_or_else(|| value.clone(), |kept| kept.into_bytes().into()))
    };
    told.map(plain).collect()
}

#[derive(Clone, Copy)]
enum List {
    Headers,
    Trailers,
}

impl List {
    fn place(self, name: &str) -> Place<'_> {
        match self {
            Self::Headers => Place::Header(name),
            Self::Trailers => Place::Trailer(name),
        }
    }

    fn shown(self, name: &str) -> String {
        match self {
            Self::Headers => format!("header:{name}"),
            Self::Trailers => format!("trailer:{name}"),
        }
    }
}

fn fields(left: &Headers, right: &Headers, list: List, scope: Scope<'_>, into: &mut Differences<'_>) {
    let wanted = |name: &str| match scope.rules.lists(scope.endpoint, list.place(name)) {
        Some(listed) => listed && name != SET_COOKIE,
        None => !is_transport(name) && name != SET_COOKIE,
    };
    each(&by_name(left, wanted), &by_name(right, wanted), |name, kind, left, right| {
        judge(&list.shown(name), list.place(name), kind, (left, right), scope, into);
    });
}

/// Cookies and their attributes. With a list of what alone is compared, all of them if it has `header:set-cookie`.
fn cookies(left: &Values, right: &Values, scope: Scope<'_>, into: &mut Differences<'_>) {
    if scope.rules.ignores(scope.endpoint, Place::Header(SET_COOKIE)) {
        return;
    }
    let all = scope.rules.lists(scope.endpoint, Place::Header(SET_COOKIE)).unwrap_or(true);
    each(left, right, |name, kind, left, right| {
        let cookie = Place::Cookie(name.split_once(';').map_or(name, |(cookie, _)| cookie));
        let wanted = all || scope.rules.lists(scope.endpoint, cookie).unwrap_or(true);
        if wanted {
            judge(&format!("cookie:{name}"), cookie, kind, (left, right), scope, into);
        }
    });
}

/// Takes a difference in unless the rules allow it.
fn judge(
    path: &str,
    place: Place<'_>,
    kind: Kind,
    (left, right): (Option<&Vec<u8>>, Option<&Vec<u8>>),
    scope: Scope<'_>,
    into: &mut Differences<'_>,
) {
    let values = [left, right].map(|value| value.map(|value| Value::text(value)));
    let [was, is] = values.each_ref().map(Option::as_ref);
    if !scope.rules.at(scope.endpoint, place).excuses(kind, was, is) {
        let detail = || detail(path.to_owned(), place, scope, left, right);
        let guesses = || Guesses::of(kind, was, is);
        into.add_measured(
            |place| place.push_str(path),
            kind,
            |_, _| detail(),
            guesses,
            || Measure::of(was, is),
        );
    }
}

/// Calls `differ` for each name whose values are not the same.
fn each<'a>(
    left: &'a Values,
    right: &'a Values,
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
fn by_name(headers: &Headers, wanted: impl Fn(&str) -> bool) -> Values {
    let mut values = Values::new();
    for (name, value) in headers {
        let name = excerpt::line(name, MAX_NAME).to_ascii_lowercase();
        if !wanted(&name) {
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

fn detail(
    exact: String,
    place: Place<'_>,
    scope: Scope<'_>,
    left: Option<&Vec<u8>>,
    right: Option<&Vec<u8>>,
) -> Detail {
    let secrets = scope.rules.secrets();
    let kind = match place {
        // What a name says that was too long to keep is not known.
        Place::Header(name) | Place::Trailer(name) if name.ends_with('…') => Some(SecretKind::Token),
        Place::Header(name) | Place::Trailer(name) => secrets.of_header(name.as_bytes()),
        Place::Cookie(name) if !exact.contains(';') => secrets.of_cookie(name.as_bytes()),
        Place::Cookie(_) | Place::Body(_) => None,
    };
    let shown =
        |value: Option<&Vec<u8>>| value.map_or_else(|| ABSENT.to_owned(), |value| excerpt::text(value, kind));
    Detail { primary: shown(left), other: shown(right), exact, control: None }
}

fn is_transport(name: &str) -> bool {
    TRANSPORT.contains(&name) || TRANSPORT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

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
const MAX_TYPE: usize = 1_024;
const MAX_NAMES: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Allow, Pattern, Rule, Rules};

    fn diff(left: &[(&str, &str)], right: &[(&str, &str)], rules: &Rules) -> Vec<String> {
        answers(&answer(left, &[]), &answer(right, &[]), rules)
    }

    fn answer(headers: &[(&str, &str)], trailers: &[(&str, &str)]) -> Response {
        let list = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        Response { status: 200, headers: list(headers), trailers: list(trailers), ..Response::default() }
    }

    fn answers(left: &Response, right: &Response, rules: &Rules) -> Vec<String> {
        let mut found = Differences::detailed();
        compare(left, right, None, Scope { endpoint: "GET /", rules }, &mut found);
        found.into_details().map(|(s, d)| format!("{} {}: {} -> {}", s.0, s.1, d.primary, d.other)).collect()
    }

    fn check(left: &[(&str, &str)], right: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(diff(left, right, &Rules::default()), expected, "{left:?} {right:?}");
    }

    #[test]
    fn headers() {
        check(&[("X-A", "1")], &[("x-a", "1")], &[]);
        check(&[("x-a", "1")], &[("x-a", "2")], &["header:x-a value: 1 -> 2"]);
        let media = |value: &'static str| [("content-type", value)];
        check(&media("text/html;charset=utf-8"), &media("Text/HTML; Charset=\"UTF-8\""), &[]);
        let changed = "header:content-type value: text/html; charset=utf-8 -> text/html; charset=latin1";
        check(&media("text/html;charset=utf-8"), &media("text/html;charset=latin1"), &[changed]);
        check(&[("x-a", "1")], &[], &["header:x-a missing: 1 -> (absent)"]);
        check(&[], &[("x-a", "1")], &["header:x-a extra: (absent) -> 1"]);
        check(&[("x-a", "1"), ("x-a", "2")], &[("x-a", "1, 2")], &[]);
        check(&[("date", "now"), ("x-envoy-upstream-service-time", "1")], &[("date", "then")], &[]);
        check(
            &[("x-auth-token", "a")],
            &[("x-auth-token", "b")],
            &["header:x-auth-token value: (redacted: token, 1 character) -> (redacted: token, 1 character)"],
        );
        check(
            &[("location", "/?token=a")],
            &[("location", "/")],
            &["header:location value: (redacted) -> (redacted)"],
        );
        let long = format!("x-{}-token", "a".repeat(MAX_NAME));
        let shown = format!(
            "header:x-{}… value: (redacted: token, 1 character) -> (redacted: token, 1 character)",
            "a".repeat(MAX_NAME - 3)
        );
        check(&[(&long, "a")], &[(&long, "b")], &[&shown]);
        let rules = Rules::new(vec![Pattern::parse("header:x-a").unwrap()], vec![]);
        assert!(diff(&[("x-a", "1")], &[("X-A", "2")], &rules).is_empty());
        let near = |at: &str| Rule::Value(Pattern::parse(at).unwrap(), Allow::Time(Duration::from_secs(5)));
        let rules = Rules::default().with_rules([near("header:last-modified"), near("cookie:sid")]);
        let at = |second: u8| format!("Wed, 21 Oct 2026 07:28:{second:02} GMT");
        let answer = |second| [("last-modified", at(second)), ("set-cookie", format!("sid={}", at(second)))];
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
            "cookie:theme value: (redacted: cookie, 4 characters) -> (redacted: cookie, 5 characters)",
        ];
        check(&left, &right, &expected);
        check(&[("set-cookie", "=;;;=")], &[("set-cookie", "")], &[]);
        let rules = Rules::new(
            ["cookie:sid", "cookie:theme"].map(|text| Pattern::parse(text).unwrap()).into(),
            vec![],
        );
        assert!(diff(&left, &right, &rules).is_empty());
    }

    #[test]
    fn attributes_of_cookies_mean_what_browsers_make_of_them() {
        let cookie = |text: &'static str| [("set-cookie", text)];
        check(
            &cookie("a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Domain=.Example.org; SameSite=lax"),
            &cookie("a=1; expires=Thu, 22 Oct 2026 07:28:00 GMT; domain=example.org; samesite=Lax"),
            &[],
        );
        check(
            &cookie("a=1; Max-Age=60; Secure; Path=/"),
            &cookie("a=1; Max-Age=30; SameSite=None; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
            &[
                "cookie:a;expires extra: (absent) -> (past)",
                "cookie:a;max-age value: 60 -> 30",
                "cookie:a;path missing: / -> (absent)",
                "cookie:a;samesite extra: (absent) -> none",
                "cookie:a;secure missing:  -> (absent)",
            ],
        );
        let twice = [("set-cookie", "a=1; HttpOnly"), ("set-cookie", "a=1")];
        check(&twice, &cookie("a=1"), &[]);
    }

    #[test]
    fn trailers_are_compared_and_the_status_of_a_call_counts_wherever_it_stands() {
        let rules = Rules::default();
        let grpc = ("content-type", "application/grpc");
        let found = answers(
            &answer(&[grpc], &[("Grpc-Status", "0"), ("x-sum", "1")]),
            &answer(&[grpc, ("grpc-status", "13")], &[]),
            &rules,
        );
        assert_eq!(found, ["trailer:grpc-status value: 0 -> 13", "trailer:x-sum missing: 1 -> (absent)"]);
        let early = answer(&[grpc, ("grpc-status", "0")], &[]);
        assert!(answers(&early, &answer(&[grpc], &[("grpc-status", "0")]), &rules).is_empty());
        let ignored = Rules::new(vec![Pattern::parse("trailer:grpc-*").unwrap()], vec![]);
        assert!(answers(&early, &answer(&[grpc], &[]), &ignored).is_empty());
    }

    #[test]
    fn a_boundary_is_no_difference() {
        let media = |value: &'static str| [("content-type", value)];
        check(&media("multipart/mixed; boundary=a"), &media("multipart/mixed; boundary=\"b\""), &[]);
        check(
            &media("multipart/mixed; boundary=a"),
            &media("multipart/related; boundary=a"),
            &["header:content-type value: multipart/mixed -> multipart/related"],
        );
    }

    #[test]
    fn a_list_says_what_alone_is_compared() {
        let only = |patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
            Rules::default().with_headers_only(&patterns)
        };
        let left = [("date", "1"), ("x-a", "1"), ("set-cookie", "sid=1; Path=/"), ("set-cookie", "b=1")];
        let right = [("date", "2"), ("x-a", "2"), ("set-cookie", "sid=1"), ("set-cookie", "b=2")];
        let path = "cookie:sid;path missing: / -> (absent)";
        assert_eq!(diff(&left, &right, &only(&["header:date"])), ["header:date value: 1 -> 2"]);
        assert_eq!(diff(&left, &right, &only(&["cookie:sid"])), [path]);
        assert_eq!(
            diff(&left, &right, &only(&["header:set-*"])),
            ["cookie:b value: (redacted: cookie, 1 character) -> (redacted: cookie, 1 character)", path]
        );
        assert!(diff(&left, &right, &only(&[])).is_empty());
    }
}
