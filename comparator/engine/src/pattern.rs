//! Places in answers, as a person names them.
//!
//! A pattern names a place in every answer, or in those of one endpoint. A path pattern covers what lies below it too.

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
/// one endpoint only: `GET /search /results/*/score`. `*` is any one segment; `/` alone is the whole body.
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `None` is `*`.
    Body(Vec<Option<String>>),
    Header(Name),
    Cookie(Name),
    Trailer(Name),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// A `*` follows.
    pub(crate) open: bool,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It is empty.
    #[error(
        "is empty, must be a path such as /items/*/price, header:<name>, cookie:<name> or trailer:<name>"
    )]
    Empty,
    /// It has neither one part nor three.
    #[error("has {0} parts, must be <place> or <method> <route> <place>")]
    Parts(usize),
    /// The route of the endpoint does not begin with a slash.
    #[error("names the route {0:?}, must begin with /")]
    Route(String),
    /// The place is of no known form.
    #[error("names the place {0:?}, must begin with / or be header:<name>, cookie:<name> or trailer:<name>")]
    Place(String),
    /// It has a `*` within a name.
    #[error("has a * within {0:?}, may only be a whole segment or the end of a name")]
    Star(String),
    /// It is longer than 1,024 bytes.
    #[error("has {0} bytes, must be at most 1024")]
    Long(usize),
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
        let parts: Vec<&str> = text.split_whitespace().collect();
        match parts.as_slice() {
            [] => Err(BadPattern::Empty),
            [place] => Ok(Self { endpoint: None, target: target(place)? }),
            [_, route, _] if !route.starts_with('/') => Err(BadPattern::Route((*route).to_owned())),
            [method, route, place] => {
                let (method, route) = (method.as_bytes(), route.as_bytes());
                let (written, name) = (endpoint::written(method, route), endpoint::template(method, route));
                let endpoint = Endpoint { written, name };
                Ok(Self { endpoint: Some(endpoint), target: target(place)? })
            }
            more => Err(BadPattern::Parts(more.len())),
        }
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
}

impl Endpoint {
    fn among(&self, given: &[EndpointPattern]) -> Result<String, String> {
        let (method, route) = self.written.split_once(' ').unwrap_or_default();
        endpoint::of_rule(given, method.as_bytes(), route.as_bytes())
    }
}

fn target(place: &str) -> Result<Target, BadPattern> {
    if let Some(path) = place.strip_prefix('/') {
        let segments = if path.is_empty() { Ok(Vec::new()) } else { path.split('/').map(segment).collect() };
        return segments.map(Target::Body);
    }
    match place.split_once(':') {
        Some(("header", header)) => Ok(Target::Header(name(place, &header.to_ascii_lowercase())?)),
        Some(("cookie", cookie)) => Ok(Target::Cookie(name(place, cookie)?)),
        Some(("trailer", trailer)) => Ok(Target::Trailer(name(place, &trailer.to_ascii_lowercase())?)),
        _ => Err(BadPattern::Place(place.to_owned())),
    }
}

fn segment(written: &str) -> Result<Option<String>, BadPattern> {
    match written {
        "*" => Ok(None),
        _ if written.contains('*') => Err(BadPattern::Star(written.to_owned())),
        _ => Ok(Some(written.replace("~1", "/").replace("~0", "~"))),
    }
}

fn name(place: &str, written: &str) -> Result<Name, BadPattern> {
    let text = written.strip_suffix('*').unwrap_or(written);
    if text.contains('*') {
        return Err(BadPattern::Star(written.to_owned()));
    }
    if written.is_empty() {
        return Err(BadPattern::Place(place.to_owned()));
    }
    Ok(Name { text: text.to_owned(), open: text.len() < written.len() })
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
            let header = Pattern { target: target("header:x").unwrap(), ..pattern() };
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
        check("a b", "has 2 parts, must be <place> or <method> <route> <place>");
        check("GET search /a", "names the route \"search\", must begin with /");
        check(
            "items",
            "names the place \"items\", must begin with / or be header:<name>, cookie:<name> or trailer:<name>",
        );
        check(
            "header:",
            "names the place \"header:\", must begin with / or be header:<name>, cookie:<name> or trailer:<name>",
        );
        check("/a*/b", "has a * within \"a*\", may only be a whole segment or the end of a name");
        check(&"/a".repeat(600), "has 1200 bytes, must be at most 1024");
    }
}
