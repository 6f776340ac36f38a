//! Places in answers, as a person names them.
//!
//! A pattern names a place in every answer, or in those of one endpoint. A path pattern covers what lies below it too.

mod target;

use std::fmt;

pub use self::target::BadPattern;
pub(crate) use self::target::{Name, Target, Way, escaped, is_plain};
use crate::endpoint::{self, EndpointPattern};

/// A place in an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Unescaped segments below the body's root; an array's elements are `*`.
    Body(&'a [Segment<'a>]),
    /// Lower-case name.
    Header(&'a str),
    /// Name.
    Cookie(&'a str),
    /// Lower-case name.
    Trailer(&'a str),
}

/// One step into a body.
#[derive(Debug, Clone)]
pub(crate) enum Segment<'a> {
    /// A member of an object.
    Member(std::borrow::Cow<'a, [u8]>),
    /// An element of an array.
    Element(usize),
}

/// A place that a rule names: `/items/*/price`, `header:x-build`, `header:x-debug-*`, `cookie:session`, `trailer:grpc-status`, each also for
/// one endpoint only: `GET /search /results/*/score`. `*` is any one segment, `**` any number of them; `/` alone is the whole body.
/// In a name `~0` is `~`, `~1` is `/`, `~2` is `*` and `~3` is a blank, which needs that only at the name's beginning or end. `~4` is
/// nothing, for a member whose name is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) target: Target,
}

/// The endpoint that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Method and route as they are written.
    pub(crate) written: String,
    /// What a request for that route is one of.
    pub(crate) name: String,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Returns what is wrong with the text; nothing is guessed.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        if text.len() > MAX_LENGTH {
            return Err(BadPattern::Long(text.len()));
        }
        // Other blanks may belong to a name.
        let text = text.trim_ascii();
        let is_blank = |char: char| char.is_ascii_whitespace();
        if text.is_empty() {
            return Err(BadPattern::Empty);
        }
        let Some((method, rest)) = text.split_once(is_blank).filter(|_| !begins_a_place(text)) else {
            return Ok(Pattern { endpoint: None, target: target::target(text)? });
        };
        let rest = rest.trim_ascii_start();
        let (route, place) = rest.split_once(is_blank).ok_or(BadPattern::Parts(2))?;
        if !route.starts_with('/') {
            return Err(BadPattern::Route(route.to_owned()));
        }
        if !is_method(method) {
            return Err(BadPattern::Method(method.to_owned()));
        }
        let endpoint = Endpoint {
            written: endpoint::written(method.as_bytes(), route.as_bytes()),
            name: endpoint::template(method.as_bytes(), route.as_bytes()),
        };
        Ok(Pattern { endpoint: Some(endpoint), target: target::target(place.trim_ascii_start())? })
    }

    /// The same where these endpoints are given. A rule for [a part](Self::is_part_of) of one reaches nothing, rather than more than
    /// is written.
    pub(crate) fn among(mut self, given: &[EndpointPattern]) -> Self {
        if let Some(own) = &mut self.endpoint {
            own.name = own.among(given).unwrap_or_else(|_| own.written.clone());
        }
        self
    }

    /// Returns the endpoint that the pattern names, as it is written, and the given one of which that is only a part: `GET /users/me` and
    /// `GET /users/{name}`. No request is of the part by itself, so such a pattern reaches nothing.
    pub fn is_part_of(&self, given: &[EndpointPattern]) -> Option<(&str, String)> {
        let own = self.endpoint.as_ref()?;
        Some((&own.written, own.among(given).err()?))
    }

    /// Returns whether the pattern names a place in a body, rather than a header, a cookie or a trailer.
    pub fn is_of_body(&self) -> bool {
        matches!(self.target, Target::Body(_))
    }

    /// Returns whether the pattern reaches places at any depth. Every value of every answer has to be looked up for such a one.
    pub fn is_deep(&self) -> bool {
        matches!(&self.target, Target::Body(ways) if ways.contains(&Way::Deep))
    }

    /// Returns the method and the route that the pattern names, as they are written.
    pub fn endpoint(&self) -> Option<(&str, &str)> {
        self.endpoint.as_ref().and_then(|endpoint| endpoint.written.split_once(' '))
    }
}

/// As it can be read again.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(endpoint) = &self.endpoint {
            write!(f, "{} ", endpoint.written)?;
        }
        self.target.fmt(f)
    }
}

impl Endpoint {
    fn among(&self, given: &[EndpointPattern]) -> Result<String, String> {
        let (method, route) = self.written.split_once(' ').unwrap_or_default();
        endpoint::of_rule(given, method.as_bytes(), route.as_bytes())
    }
}

fn begins_a_place(text: &str) -> bool {
    text.starts_with('/') || ["header:", "cookie:", "trailer:"].iter().any(|kind| text.starts_with(kind))
}

/// RFC 9110, section 9.1: methods are compared with their case, and none in use has lower case letters.
fn is_method(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    text != "*" && text.bytes().all(token)
}

const MAX_LENGTH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Allow, Arrays, Rule, Rules};

    fn body<'a>(path: &'a [&'a str]) -> Vec<Segment<'a>> {
        let segment = |s: &&'a str| match s.parse() {
            Ok(index) => Segment::Element(index),
            Err(_) => Segment::Member(s.as_bytes().into()),
        };
        path.iter().map(segment).collect()
    }

    #[test]
    fn where_patterns_reach() {
        let check = |pattern: &str, endpoint: &str, path: &[&str], expected: bool| {
            let rules = Rules::new(vec![Pattern::parse(pattern).unwrap()], vec![]);
            assert_eq!(rules.ignores(endpoint, Place::Body(&body(path))), expected, "{pattern} on {path:?}");
        };
        check("/items/*/price", "GET /", &["items", "3", "price"], true);
        check("/items/*/price", "GET /", &["items", "3", "price", "net"], true);
        check("/items/*/price", "GET /", &["items", "3"], false);
        check("/items/3", "GET /", &["items", "3"], true);
        check("/items/4", "GET /", &["items", "3"], false);
        check("/", "GET /", &["a"], true);
        check("/a~1b", "GET /", &["a/b"], true);
        check("/~2", "GET /", &["*"], true);
        check("/~2", "GET /", &["b"], false);
        check("/~02", "GET /", &["~2"], true);
        check("/shipping address/street", "GET /", &["shipping address", "street"], true);
        check("GET /cart /shipping address/street", "GET /cart", &["shipping address", "street"], true);
        check("GET /cart /shipping address/street", "GET /bill", &["shipping address", "street"], false);
        check("/~3a", "GET /", &[" a"], true);
        check("/~4", "GET /", &[""], true);
        check("/~4", "GET /", &["a"], false);
        check("/~4/a", "GET /", &["", "a"], true);
        check("/a/", "GET /", &["a", ""], true);
        check("/a/", "GET /", &["a", "b"], false);
        check("/a\u{a0}", "GET /", &["a\u{a0}"], true);
        check("/a\u{a0}", "GET /", &["a"], false);
        check("GET /cart /\u{3000}", "GET /cart", &["\u{3000}"], true);
        check(" /a\t", "GET /", &["a"], true);
        check("/~~5~", "GET /", &["~~5~"], true);
        check("/**/at", "GET /", &["at"], true);
        check("/**/at", "GET /", &["items", "3", "at"], true);
        check("/**/at", "GET /", &["items", "3", "at", "zone"], true);
        check("/**/at", "GET /", &["items", "3", "that"], false);
        check("/items/**/at", "GET /", &["items", "at"], true);
        check("/items/**/at", "GET /", &["others", "at"], false);
        check("/**", "GET /", &["a", "b"], true);
        check("/**/a/**/b", "GET /", &["x", "a", "a", "y", "b"], true);
        check("/**/a/**/b", "GET /", &["b", "a"], false);
        check("GET /search /**/ts", "POST /search", &["ts"], false);
        check("GET /search /ts", "GET /search", &["ts"], true);
        check("GET /search /ts", "POST /search", &["ts"], false);
        check("GET /users/7 /ts", "GET /users/{id}", &["ts"], true);
        check("header:x-a", "GET /", &["x-a"], false);
    }

    #[test]
    fn rules_reach_endpoints_that_are_named_whatever_their_words_look_like() {
        let check = |named: &str, pattern: &str, path: &str, expected: bool| {
            let pattern = || Pattern::parse(pattern).unwrap();
            let named = || vec![EndpointPattern::parse(named).unwrap()];
            let rule = || Rule::Value(pattern(), Allow::Ignore);
            for rules in [
                Rules::default().with_rules([rule()]).with_endpoints(named()),
                Rules::default().with_endpoints(named()).with_rules([rule()]),
            ] {
                let endpoint = rules.endpoint(b"GET", path.as_bytes());
                let ignored = rules.ignores(&endpoint, Place::Body(&body(&["ts"])));
                assert_eq!(ignored, expected, "{:?} of {path}, which is {endpoint}", pattern());
            }
            let header = Pattern { target: Pattern::parse("header:x").unwrap().target, ..pattern() };
            let rules = Rules::default().with_headers_only(&[header]).with_endpoints(named());
            let endpoint = rules.endpoint(b"GET", path.as_bytes());
            assert_eq!(rules.lists(&endpoint, Place::Header("x")), Some(expected));
        };
        let named = "GET /reports/2024/{name}";
        check(named, "GET /reports/2024/{name} /ts", "/reports/2024/sales", true);
        check(named, "GET /reports/2024/{name} /ts", "/reports/2025/sales", false);
        check(named, "GET /reports/2024/{id} /ts", "/reports/2024/sales", true);
        check(named, "GET /reports/2024/31 /ts", "/reports/2024/sales", true);
        check(named, "GET /reports/7/sales /ts", "/reports/2025/sales", true);
        check(named, "GET /reports/2024/sales /ts", "/reports/2025/sales", false);
        for path in ["/reports/2024/sales", "/reports/2024/costs"] {
            check(named, "GET /reports/2024/sales /ts", path, false);
        }
        check("GET /users/{name}", "GET /users/me /ts", "/users/anna", false);
        check("GET /users/me", "GET /users/me /ts", "/users/me", true);
        check("* /v/20240131/{name}", "GET /v/20240131/{name} /ts", "/v/20240131/a?x=1", true);
        check("GET /a/sha256-0123456789", "GET /a/sha256-0123456789 /ts", "/a/sha256-0123456789", true);
    }

    #[test]
    fn headers_cookies_and_arrays() {
        let parse = |text| vec![Pattern::parse(text).unwrap()];
        let rules = Rules::new([parse("header:X-Debug-*"), parse("cookie:Sid")].concat(), parse("/tags"));
        assert!(
            rules.ignores("GET /", Place::Header("x-debug-1"))
                && !rules.ignores("GET /", Place::Header("x-other"))
        );
        assert!(
            rules.ignores("GET /", Place::Cookie("Sid")) && !rules.ignores("GET /", Place::Cookie("sid"))
        );
        assert!(*rules.array("GET /", &body(&["tags"])) == Arrays::Unordered);
        assert!(
            *rules.array("GET /", &body(&["tags", "0"])) == Arrays::Ordered,
            "the array itself, not those within"
        );
    }

    #[test]
    fn bad_patterns_say_what_is_wrong() {
        let check =
            |text: &str, expected: &str| assert_eq!(Pattern::parse(text).unwrap_err().to_string(), expected);
        check(
            " ",
            "is empty, must be a path such as /items/*/price, header:<name>, cookie:<name> or trailer:<name>",
        );
        check("GET /b", "has 2 parts, must be <place> or <method> <route> <place>");
        check("get /search /a", "names the method \"get\", must be a method in upper case such as GET");
        check("* /search /a", "names the method \"*\", must be a method in upper case such as GET");
        let blank = "has a blank at an end of \"search \"; is that a route without its method? A blank that belongs to a name is written ~3";
        check("/search /results", blank);
        check(
            "header:x y",
            "names the place \"header:x y\", must begin with / or be header:<name>, cookie:<name> or trailer:<name>",
        );
        check("GET search /a", "names the route \"search\", must begin with /");
        check(
            "items",
            "names the place \"items\", must begin with / or be header:<name>, cookie:<name> or trailer:<name>",
        );
        check(
            "header:",
            "names the place \"header:\", must begin with / or be header:<name>, cookie:<name> or trailer:<name>",
        );
        check(
            "/a*/b",
            "has a * within \"a*\", may only be a whole segment or the end of a name; as a part of a name it is written ~2",
        );
        check(&"/a".repeat(600), "has 1200 bytes, must be at most 1024");
    }

    #[test]
    fn patterns_are_written_as_they_are_read() {
        for text in [
            "/",
            "/a b/*/~2/**/c~1d~0",
            "/~3a~3",
            "/~3",
            "/~3~3",
            "/~4",
            "/a/~4/b",
            "/\u{a0}a\u{a0}",
            "GET /x /a b",
            "GET /search /results/**",
            "header:x-a*",
            "POST /a cookie:sid",
            "trailer:grpc-status",
        ] {
            assert_eq!(Pattern::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Pattern::parse("  GET  /x   /a  b ").unwrap().to_string(), "GET /x /a  b");
    }
}
