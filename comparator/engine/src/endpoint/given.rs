//! Endpoints that a person names: `GET /users/{name}/orders`, where no rule of thumb can tell a name from a word.

use super::{MAX_PATH, is_identifier, written};

/// An endpoint that a person names by a method and a route, such as `GET /users/{name}/orders`. A segment in braces stands for any one
/// segment, and `*` for any method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointPattern {
    /// `None`: any.
    method: Option<String>,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// With its braces.
    Any(String),
    Word(String),
}

/// Why a text does not name an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// It does not have two parts, the method and the route.
    #[error("has {0} parts, must be <method> <route> such as GET /users/{{name}}/orders")]
    Parts(usize),
    /// The method is none that a request has.
    #[error("names the method {0:?}, must be a method in upper case such as GET, or *")]
    Method(String),
    /// The route does not begin with a slash.
    #[error("names the route {0:?}, must begin with /")]
    Route(String),
    /// It has braces that do not enclose one whole segment.
    #[error("has the segment {0:?}, must be a word or a name in braces such as {{id}}")]
    Braces(String),
    /// Its route has a query or a fragment. No path has one, so it would match nothing.
    #[error("has {0:?} in its route, which names a path without query")]
    Query(char),
    /// It is longer than what is shown of an endpoint.
    #[error("has {0} bytes, must be at most {MAX_PATH}")]
    Long(usize),
}

impl EndpointPattern {
    /// Reads a method and a route from a text.
    ///
    /// # Errors
    /// Returns what is wrong with the text; nothing is guessed.
    pub fn parse(text: &str) -> Result<Self, BadEndpoint> {
        if text.len() > MAX_PATH {
            return Err(BadEndpoint::Long(text.len()));
        }
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [method, route] = parts.as_slice() else { return Err(BadEndpoint::Parts(parts.len())) };
        if method.bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(BadEndpoint::Method((*method).to_owned()));
        }
        let Some(path) = route.strip_prefix('/') else { return Err(BadEndpoint::Route((*route).to_owned())) };
        if let Some(mark) = path.chars().find(|c| matches!(c, '?' | '#')) {
            return Err(BadEndpoint::Query(mark));
        }
        let segments: Result<_, _> = path.split('/').map(Segment::parse).collect();
        Ok(Self { method: Some(*method).filter(|m| *m != "*").map(str::to_owned), segments: segments? })
    }

    /// The endpoint's name if the request is one of it; `path` is without query.
    pub(super) fn name(&self, method: &[u8], path: &[u8]) -> Option<String> {
        if self.method.as_deref().is_some_and(|own| own.as_bytes() != method) {
            return None;
        }
        let mut asked = path.strip_prefix(b"/")?.split(|&b| b == b'/');
        let all = self.segments.iter().all(|own| asked.next().is_some_and(|segment| own.is(segment)));
        (all && asked.next().is_none()).then(|| self.shown(method))
    }

    /// Whether a route that is one of it stands for all of it, not for one of the things that the braces stand for.
    pub(super) fn is_whole(&self, route: &[u8]) -> bool {
        let asked = route.split(|&b| b == b'/').skip(1);
        self.segments.iter().zip(asked).all(|(own, asked)| own.is_whole(asked))
    }

    fn shown(&self, method: &[u8]) -> String {
        let segments =
            self.segments.iter().flat_map(|(Segment::Any(text) | Segment::Word(text))| ["/", text]);
        written(method, segments.collect::<String>().as_bytes())
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, BadEndpoint> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        match inner {
            Some(name) if !name.is_empty() && !name.contains(['{', '}']) => Ok(Self::Any(text.to_owned())),
            None if !text.contains(['{', '}', '*']) => Ok(Self::Word(text.to_owned())),
            _ => Err(BadEndpoint::Braces(text.to_owned())),
        }
    }

    fn is(&self, segment: &[u8]) -> bool {
        match self {
            Self::Any(_) => !segment.is_empty(),
            Self::Word(word) => word.as_bytes() == segment,
        }
    }

    fn is_whole(&self, segment: &[u8]) -> bool {
        let braces = segment.starts_with(b"{") && segment.ends_with(b"}");
        matches!(self, Self::Word(_)) || braces || is_identifier(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::super::named;
    use super::*;

    #[test]
    fn given_endpoints_come_first_and_in_their_order() {
        let given = ["GET /users/{name}/orders", "* /users/me/{what}", "GET /users/{name}/{what}", "GET /"];
        let given = given.map(|text| EndpointPattern::parse(text).unwrap());
        let check = |method: &str, path: &str, expected: &str| {
            assert_eq!(named(&given, method.as_bytes(), path.as_bytes()), expected, "{method} {path}");
        };
        check("GET", "/users/anna/orders?page=2", "GET /users/{name}/orders");
        check("GET", "/users/42/orders", "GET /users/{name}/orders");
        check("GET", "/users/me/card", "GET /users/me/{what}");
        check("PUT", "/users/me/card", "PUT /users/me/{what}");
        check("GET", "/users/anna/card#x", "GET /users/{name}/{what}");
        check("GET", "/", "GET /");
        check("POST", "/users/anna/orders", "POST /users/anna/orders");
        check("GET", "/users/anna/orders/", "GET /users/anna/orders/");
        check("GET", "/users//orders", "GET /users//orders");
        check("GET", "/users/42", "GET /users/{id}");
        check("GET", "users/anna/orders", "GET /users/anna/orders");
    }

    #[test]
    fn bad_endpoints_say_what_is_wrong() {
        let check = |text: &str, expected: &str| {
            assert_eq!(EndpointPattern::parse(text).unwrap_err().to_string(), expected);
        };
        check("/users", "has 1 parts, must be <method> <route> such as GET /users/{name}/orders");
        check("get /users", "names the method \"get\", must be a method in upper case such as GET, or *");
        check("GET users", "names the route \"users\", must begin with /");
        check("GET /a{id}", "has the segment \"a{id}\", must be a word or a name in braces such as {id}");
        check("GET /{}", "has the segment \"{}\", must be a word or a name in braces such as {id}");
        check("GET /a/*", "has the segment \"*\", must be a word or a name in braces such as {id}");
        check("GET /a?b", "has '?' in its route, which names a path without query");
        check(&format!("GET /{}", "a".repeat(200)), "has 205 bytes, must be at most 200");
    }
}
