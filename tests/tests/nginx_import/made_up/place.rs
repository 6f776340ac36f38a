//! Locations: what they match, what stands in them, and what answers their requests.

use super::script::script;
use super::variables::{own, to};
use super::{Maker, SERVICES, access, hidden};
use crate::plan::Place;

/// A location below a path, perhaps with others in it.
pub(super) fn location(
    maker: &mut Maker,
    below: &str,
    pages: &[String],
    used: &mut Vec<String>,
    depth: usize,
) -> String {
    let kind = maker.pick(&["", "", "", "^~ ", "= ", "~ ", "~* "]);
    let regex = matches!(kind, "~ " | "~* ");
    let path = if regex {
        maker.pick(&PATTERNS).to_owned()
    } else {
        let from = if below.ends_with('/') { '/' } else { ' ' };
        format!("{below}{}", maker.pick(&PATHS).trim_start_matches(from))
    };
    let key = if matches!(kind, "" | "^~ ") { path.clone() } else { format!("{kind}{path}") };
    if used.contains(&key) {
        return String::new();
    }
    used.push(key);
    if path.starts_with('/') {
        maker.paths.push(path.clone());
    }
    let around = maker.service;
    maker.service = if maker.one_in(3) { maker.pick(&SERVICES) } else { around };
    let (number, mark) = maker.place();
    let text = content(maker, number, pages, !regex && depth == 0);
    let mut text = maker.perhaps_included(text);
    if matches!(kind, "" | "^~ ") && depth < 2 && maker.one_in(4) {
        let mut inner = Vec::new();
        for _ in 0..1 + maker.below(2) {
            let first = maker.texts.places.len();
            text.push_str(&location(maker, &path, pages, &mut inner, depth + 1));
            let (Place { untraced, guarded, .. }, places) =
                (maker.texts.places[number].clone(), &mut maker.texts.places[first..]);
            for place in places {
                place.untraced |= untraced;
                place.guarded |= guarded;
            }
            // What holds in a location within holds by the directives of the one around.
            let within = maker.texts.places[first..].iter().any(|place| place.untraced);
            maker.texts.places[number].untraced |= within;
        }
    }
    maker.service = around;
    format!("location {kind}{path} {{\n{mark}{text}}}\n")
}

/// A location that only nginx itself leads to.
pub(super) fn named(maker: &mut Maker, name: &str) -> String {
    let (number, mark) = maker.place();
    maker.texts.places[number].name = Some(name.to_owned());
    let script = if maker.one_in(2) { script(maker, true) } else { String::new() };
    let pass = pass(maker, number, false);
    format!("location {name} {{\n{mark}{script}{pass}}}\n")
}

/// What stands in a location.
fn content(maker: &mut Maker, number: usize, pages: &[String], plain: bool) -> String {
    let kind = maker.below(12);
    // Behind an `if` that proxies by HTTP, nginx has no other way any more: it answers 500.
    let mut text = if kind == OTHER { String::new() } else { script(maker, true) };
    if kind != OTHER && maker.one_in(8) {
        maker.texts.places[number].untraced = true;
        text.push_str(&limit(maker));
    }
    if maker.one_in(8) {
        text.push_str(&access::rules(maker, number, pages));
    }
    if kind != OTHER && maker.one_in(12) {
        text.push_str(&hidden::in_location(maker, kind == RETURN));
    }
    text.push_str(&match kind {
        0 => {
            let mut tried = format!("try_files $uri {};\n", maker.page(number, pages, &[], usize::MAX));
            if maker.one_in(2) {
                tried.push_str(&pass(maker, number, false));
            }
            tried
        }
        1 => String::new(),
        RETURN => format!("return {};\n", maker.pick(&["204", "403", "418", "404"])),
        3 => {
            maker.texts.places[number].untraced = true;
            "internal;\n".to_owned()
        }
        OTHER => other(maker, number),
        _ => pass(maker, number, plain),
    });
    if maker.one_in(4) {
        text.push_str(&page(maker, number, pages));
    }
    text
}

fn page(maker: &mut Maker, number: usize, pages: &[String]) -> String {
    let page = maker.page(number, pages, &PATHS, 3);
    let code = maker.pick(&["418 =", "404", "419 =200", "403 418", "404 503", "502 504"]);
    let mut text = format!("error_page {code} {page};\n");
    if maker.one_in(3) {
        text.push_str("recursive_error_pages on;\n");
    }
    if maker.one_in(3) {
        text.push_str("proxy_intercept_errors on;\n");
    }
    text
}

fn limit(maker: &mut Maker) -> String {
    let methods = maker.pick(&["GET", "GET POST", "POST"]);
    let inner = if maker.one_in(2) { proxied(maker) } else { "deny all;\n".to_owned() };
    format!("limit_except {methods} {{ {inner} }}\n")
}

/// What answers the requests of a place at last: mostly the old version, or a variable that is worth it by default. Where nginx
/// takes one, now and then with a path.
pub(super) fn pass(maker: &mut Maker, number: usize, plain: bool) -> String {
    let old = maker.version("old");
    let (to, last) = match maker.below(8) {
        0..=2 => (own(maker).unwrap_or_else(|| old.clone()), old),
        3 if !maker.ends.is_empty() => {
            let ends = maker.ends.clone();
            let end = maker.any_of(&ends);
            (maker.version(&end), old)
        }
        4 => {
            let host = maker.host();
            (host.clone(), host)
        }
        _ => (old.clone(), old),
    };
    maker.texts.places[number].last = Some(last);
    let path = match maker.below(24) {
        0 if plain => maker.pick(&["/", "/base/", "/base", "/b?x=1"]),
        1 => "$request_uri",
        2 => "/y$uri$is_args$args",
        _ => "",
    };
    format!("proxy_pass http://{to}{path};\n")
}

/// What sends requests to any version.
pub(super) fn proxied(maker: &mut Maker) -> String {
    if maker.one_in(3) {
        return format!("proxy_pass http://{};\n", maker.version("new"));
    }
    if maker.ends.is_empty() || !maker.one_in(5) {
        return format!("proxy_pass http://{};\n", to(maker));
    }
    let ends = maker.ends.clone();
    let end = maker.any_of(&ends);
    format!("proxy_pass http://{};\n", maker.version(&end))
}

/// gRPC, or what answers without HTTP.
fn other(maker: &mut Maker, number: usize) -> String {
    if maker.one_in(2) {
        maker.texts.places[number].program = true;
        return program(maker);
    }
    let to = maker.version("grpc");
    maker.texts.places[number].last = Some(to.clone());
    format!("grpc_pass grpc://{to};\n")
}

/// What answers without HTTP. In an `if` beside another, nginx 1.22 crashes.
fn program(maker: &mut Maker) -> String {
    let (name, port) = (maker.pick(&["fastcgi", "uwsgi", "scgi"]), maker.upstreams[0]);
    format!("{name}_pass 127.0.0.1:{port};\n")
}

/// The kind of content that is a `return`.
const RETURN: usize = 2;
/// The kind that is no `proxy_pass`.
const OTHER: usize = 4;
const PATTERNS: [&str; 8] =
    ["\\.php$", "^/api/v[0-9]+/", "/x$", "^/s(ite)?/", "A", "^/api", "\\.(php|js)$", "^/img/.*x"];
pub(super) const PATHS: [&str; 10] =
    ["/api/", "/api/v2/", "/api", "/x", "/s/", "/site", "/api/v2/x", "/a.php", "/img/", "/new/"];
