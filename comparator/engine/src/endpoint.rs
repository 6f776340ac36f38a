//! Which endpoint a request belongs to: method and route template.
//!
//! Evidence is kept per endpoint, so `/users/1` and `/users/2` must be one: segments that name a single thing fold to
//! `{id}`. What a template does not recognise only splits evidence, it never mixes it.

mod given;

pub use self::given::{BadEndpoint, EndpointPattern};
use crate::excerpt;
use crate::secrets::{is_token, names_secret};

/// The first of the given endpoints that the request is one of, else its [`template`].
pub(crate) fn named(given: &[EndpointPattern], method: &[u8], path: &[u8]) -> String {
    let own = without_query(path);
    given.iter().find_map(|pattern| pattern.name(method, own)).unwrap_or_else(|| template(method, path))
}

/// The endpoint that a rule names by a route: the given one of which it is the whole, else its [`template`].
///
/// # Errors
/// The given endpoint of which the route is only a part, as `GET /users/me` of `GET /users/{name}`.
pub(crate) fn of_rule(given: &[EndpointPattern], method: &[u8], route: &[u8]) -> Result<String, String> {
    let own = without_query(route);
    match given.iter().find_map(|pattern| Some((pattern, pattern.name(method, own)?))) {
        Some((pattern, name)) if !pattern.is_whole(own) => Err(name),
        Some((_, name)) => Ok(name),
        None => Ok(template(method, route)),
    }
}

/// Returns the name of the endpoint that a request belongs to, such as `GET /users/{id}/orders`: the method and the path without its
/// query, with each identifier folded to `{id}`. It has at most 217 characters.
pub fn template(method: &[u8], path: &[u8]) -> String {
    let path = without_query(path);
    let mut template = String::new();
    let mut before: &[u8] = b"";
    for segment in path.split(|&b| b == b'/').skip(usize::from(path.first() == Some(&b'/'))) {
        // Behind a semicolon stand parameters (RFC 3986, 3.3), as `;jsessionid=`.
        let segment = segment.split(|&b| b == b';').next().unwrap_or_default();
        template.push('/');
        let (name, format) = format(segment);
        if is_identifier(segment) || names_secret(before, segment) {
            template.push_str("{id}");
        } else if is_identifier(name) {
            template.push_str("{id}");
            template.push_str(&excerpt::line(format, MAX_FORMAT));
        } else {
            template.push_str(&excerpt::line(segment, MAX_SEGMENT));
        }
        before = segment;
        if template.len() > MAX_PATH {
            break;
        }
    }
    format!("{} {}", excerpt::line(method, MAX_METHOD), excerpt::line(template.as_bytes(), MAX_PATH))
}

/// The method and the path without query as they are written: how a given endpoint of that route is called.
pub(crate) fn written(method: &[u8], path: &[u8]) -> String {
    let mut written = excerpt::line(method, MAX_METHOD);
    written.push(' ');
    for segment in without_query(path).split(|&b| b == b'/').skip(1) {
        written.push('/');
        written.push_str(&excerpt::line(segment, MAX_SEGMENT));
    }
    written
}

fn without_query(path: &[u8]) -> &[u8] {
    let end = path.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(path.len());
    path.get(..end).unwrap_or_default()
}

/// A segment and the form that it asks for, if it names one: `42` and `.json`.
fn format(segment: &[u8]) -> (&[u8], &[u8]) {
    let at = segment.iter().rposition(|&b| b == b'.').unwrap_or(segment.len());
    let (name, format) = segment.split_at(at);
    let letters = format.iter().skip(1).all(u8::is_ascii_alphabetic);
    if letters && (2..=MAX_FORMAT).contains(&format.len()) { (name, format) } else { (segment, b"") }
}

/// Whether a segment names one thing rather than a kind of things: a number, a UUID, a hash, a long mixed identifier, a
/// token.
pub(crate) fn is_identifier(segment: &[u8]) -> bool {
    if is_token(segment) {
        return true;
    }
    let digits = segment.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == 0 || !segment.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return is_uuid(segment);
    }
    let hexadecimal = segment.iter().all(u8::is_ascii_hexdigit);
    let length = segment.len();
    digits == length
        || is_uuid(segment)
        || hexadecimal && length >= 16
        || length >= 8 && digits * 2 >= length
        || length >= 16 && digits >= 2 && switches(segment) >= 4
}

/// 8-4-4-4-12 hexadecimal digits.
pub(crate) fn is_uuid(segment: &[u8]) -> bool {
    segment.len() == 36
        && segment.iter().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// How often letters and digits take turns.
fn switches(segment: &[u8]) -> usize {
    segment
        .iter()
        .zip(segment.iter().skip(1))
        .filter(|(a, b)| a.is_ascii_digit() != b.is_ascii_digit())
        .count()
}

const MAX_METHOD: usize = 16;
const MAX_SEGMENT: usize = 64;
/// With its dot, as `.geojson`.
const MAX_FORMAT: usize = 8;
const MAX_PATH: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let check = |path: &str, expected: &str| {
            assert_eq!(template(b"GET", path.as_bytes()), format!("GET {expected}"), "{path}");
        };
        check("/", "/");
        check("", "/");
        check("/items/42?x=1", "/items/{id}");
        check("/items/42/", "/items/{id}/");
        check("/items/42.json?x=1", "/items/{id}.json");
        check("/files/550e8400-e29b-41d4-a716-446655440000.jpeg", "/files/{id}.jpeg");
        check("/releases/2.1", "/releases/2.1");
        check("/items/42.", "/items/42.");
        check("/orders/7.unheardof", "/orders/7.unheardof");
        check("/.json", "/.json");
        check("/v1/users/550e8400-e29b-41d4-a716-446655440000/orders#top", "/v1/users/{id}/orders");
        check("/u/deadbeef-dead-beef-dead-beefdeadbeef", "/u/{id}");
        check("/blob/9f86d081884c7d659a2feaa0c55ad015", "/blob/{id}");
        check("/day/2026-01-31", "/day/{id}");
        check("/order/ord_83749274", "/order/{id}");
        check("/f/dQw4w9WgXcQ1a2b3", "/f/{id}");
        check("/v2/search", "/v2/search");
        check("/facade/deadbeefdeadbeef", "/facade/deadbeefdeadbeef");
        check("/articles/getting-started-with-envoy", "/articles/getting-started-with-envoy");
        check("/reset/kJhGfDsAqWeRtYuIoPzXcVbN", "/reset/{id}");
        check("/reset/xkqjvbzwtrmplsdfghcnqwrtz", "/reset/{id}");
        check("/a/eyJhbGciOiJub25lIn0.eyJzdWIiOiJBbm5hQmVydGEifQ.", "/a/{id}");
        check("/api/getAllCustomerOrdersByRegion", "/api/getAllCustomerOrdersByRegion");
        check("/docs/internationalization", "/docs/internationalization");
        check("/js/jquery.fancybox-thumbs.min.js", "/js/jquery.fancybox-thumbs.min.js");
        check("/docs/GETTING-STARTED-WITH-ENVOY", "/docs/GETTING-STARTED-WITH-ENVOY");
        check("/a//b", "/a//b");
        check("/cart;jsessionid=8A7B;v=1/x;y", "/cart/x");
        check("/pay/DE89370400440532013000/x", "/pay/{id}/x");
        check("/token=hush-1/x", "/{id}/x");
        check("/sessions/af31-99/x", "/sessions/{id}/x");
        check("/password/reset", "/password/reset");
        check("/reset/[redacted]", "/reset/{id}");
        check("/x\u{1b}[31m", "/x␛[31m");
    }

    #[test]
    fn hostile_paths_stay_short() {
        for path in [vec![0xff; 100_000], b"/a".repeat(100_000), vec![b'/'; 100_000]] {
            assert!(template(&[b'X'; 1000], &path).chars().count() <= 217);
        }
    }
}
