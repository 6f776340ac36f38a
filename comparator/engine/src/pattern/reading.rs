//! A place as a person writes it.
//!
//! The names of members may have blanks, so the text is not split at all of them: what begins like a place is one as a whole, and
//! else the place is what follows the method and the route.

use super::{Endpoint, Name, Pattern, Target, Way};
use crate::endpoint;

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It is empty.
    #[error(
        "is empty, must be a path such as /items/*/price, header:<name>, cookie:<name> or trailer:<name>"
    )]
    Empty,
    /// It names an endpoint without a place in its answers.
    #[error("has {0} parts, must be <place> or <method> <route> <place>")]
    Parts(usize),
    /// The method of the endpoint is none that a request has.
    #[error("names the method {0:?}, must be a method in upper case such as GET")]
    Method(String),
    /// The route of the endpoint does not begin with a slash.
    #[error("names the route {0:?}, must begin with /")]
    Route(String),
    /// The place is of no known form.
    #[error("names the place {0:?}, must begin with / or be header:<name>, cookie:<name> or trailer:<name>")]
    Place(String),
    /// A name begins or ends with a blank, which stands rather between an endpoint without its method and a place.
    #[error(
        "has a blank at an end of {0:?}; is that a route without its method? A blank that belongs to a name is written ~3"
    )]
    Blank(String),
    /// It has a `*` within a name.
    #[error(
        "has a * within {0:?}, may only be a whole segment or the end of a name; as a part of a name it is written ~2"
    )]
    Star(String),
    /// It is longer than 1,024 bytes.
    #[error("has {0} bytes, must be at most 1024")]
    Long(usize),
}

pub(super) fn pattern(text: &str) -> Result<Pattern, BadPattern> {
    if text.len() > MAX_LENGTH {
        return Err(BadPattern::Long(text.len()));
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(BadPattern::Empty);
    }
    let Some((method, rest)) = text.split_once(char::is_whitespace).filter(|_| !begins_a_place(text)) else {
        return Ok(Pattern { endpoint: None, target: target(text)? });
    };
    let rest = rest.trim_start();
    let (route, place) = rest.split_once(char::is_whitespace).ok_or(BadPattern::Parts(2))?;
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
    Ok(Pattern { endpoint: Some(endpoint), target: target(place.trim_start())? })
}

/// A name of a member as a pattern has it.
pub(super) fn escaped(name: &str) -> String {
    let text = name.replace('~', "~0").replace('/', "~1").replace('*', "~2");
    let bare = text.trim_matches(' ');
    let before = text.len() - text.trim_start_matches(' ').len();
    let after = if bare.is_empty() { 0 } else { text.len() - before - bare.len() };
    format!("{}{bare}{}", "~3".repeat(before), "~3".repeat(after))
}

fn begins_a_place(text: &str) -> bool {
    text.starts_with('/') || ["header:", "cookie:", "trailer:"].iter().any(|kind| text.starts_with(kind))
}

/// RFC 9110, section 9.1: methods are compared with their case, and none in use has lower case letters.
fn is_method(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    text != "*" && text.bytes().all(token)
}

fn target(place: &str) -> Result<Target, BadPattern> {
    if let Some(path) = place.strip_prefix('/') {
        let ways = if path.is_empty() { Ok(Vec::new()) } else { path.split('/').map(way).collect() };
        return ways.map(Target::Body);
    }
    match place.split_once(':') {
        Some(("header", header)) => Ok(Target::Header(name(place, &header.to_ascii_lowercase())?)),
        Some(("cookie", cookie)) => Ok(Target::Cookie(name(place, cookie)?)),
        Some(("trailer", trailer)) => Ok(Target::Trailer(name(place, &trailer.to_ascii_lowercase())?)),
        _ => Err(BadPattern::Place(place.to_owned())),
    }
}

fn way(written: &str) -> Result<Way, BadPattern> {
    match written {
        "*" => Ok(Way::Any),
        "**" => Ok(Way::Deep),
        _ if written.contains('*') => Err(BadPattern::Star(written.to_owned())),
        _ if written.trim() != written => Err(BadPattern::Blank(written.to_owned())),
        _ => Ok(Way::Named(
            written.replace("~3", " ").replace("~2", "*").replace("~1", "/").replace("~0", "~"),
        )),
    }
}

fn name(place: &str, written: &str) -> Result<Name, BadPattern> {
    let text = written.strip_suffix('*').unwrap_or(written);
    if text.contains('*') {
        return Err(BadPattern::Star(written.to_owned()));
    }
    if written.is_empty() || written.contains(char::is_whitespace) {
        return Err(BadPattern::Place(place.to_owned()));
    }
    Ok(Name { text: text.to_owned(), open: text.len() < written.len() })
}

const MAX_LENGTH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

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
