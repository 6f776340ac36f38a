//! What answers the requests of a place: `proxy_pass`, other programs, files.

use super::goal::{Goal, Old};
use super::location::{Place, parts};
use super::reading::Reading;
use super::scope::Scope;
use super::syntax::{Directive, is_pass, is_program};
use super::value::{Cases, Piece, Text, Unclear as _, looked_up, one};

/// Where the requests go that a `proxy_pass` gets.
fn passed(reading: &mut Reading<'_>, scope: &Scope, place: &Place<'_>, pass: &Directive) -> Cases<Goal> {
    let url = pass.text(0);
    let cases = scope.text(reading, url);
    let at = pass.at();
    note_url(reading, place, pass);
    looked_up(&cases, |text| {
        let Some((host, path)) = host(text) else {
            reading.note(
                &at,
                format!(
                    "where {url:?} leads comes from the request, or from what is not in this text: name its values in a \
                    `map`; until then its requests keep the old version"
                ),
            );
            return one(Goal::unclear());
        };
        if !path.is_empty() && rest(url).is_empty() {
            reading.note(
                &at,
                format!("the path {path:?} of {url:?} is not carried over: rewrite it in the host"),
            );
        }
        if host.is_empty() { one(Goal::Answer) } else { one(Goal::To(host)) }
    })
}

/// What a URL says besides a host is left to the proxy.
fn note_url(reading: &mut Reading<'_>, place: &Place<'_>, pass: &Directive) {
    let url = pass.text(0);
    if ["https://", "grpcs://"].iter().any(|scheme| url.starts_with(scheme)) {
        reading.note(
            pass.at(),
            format!(
                "{url:?} is encrypted, of which a policy says nothing: its cluster needs TLS in the proxy"
            ),
        );
    }
    let rest = rest(url);
    if SENT.contains(&rest) {
        return;
    }
    let path = place.location.map_or("/", |location| parts(location).1);
    if READ.contains(&rest) || (path == rest && !url.contains('$')) {
        let without = if url.contains('$') { "its" } else { "needless" };
        reading.note(
            pass.at(),
            format!(
                "{url:?} sends the path on without `//`, `/../` and {without} percent notation, which is not carried over: \
                let the proxy normalize paths"
            ),
        );
    } else if url.contains('$') {
        reading.note(
            pass.at(),
            format!("{url:?} replaces the whole path by {rest:?}, which is not carried over: rewrite it in the host"),
        );
    } else {
        reading.note(
            pass.at(),
            format!(
                "{url:?} replaces {path:?} at the beginning of the path by {rest:?}, which is not carried over: rewrite it \
                in the host"
            ),
        );
    }
}

/// What stands behind the host of a URL.
fn rest(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    let socket = behind.strip_prefix("unix:").and_then(|socket| socket.split_once(':')).map(|(_, rest)| rest);
    let behind = socket.unwrap_or(behind);
    let path = |at: &usize| {
        let text = behind.get(*at..).unwrap_or_default();
        let name = text.strip_prefix('$').map(|name| name.trim_start_matches('{'));
        let end =
            |name: &str| name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        let name = name.and_then(|name| name.get(..end(name)));
        text.starts_with(['/', '?']) || name.is_some_and(|name| PATHS.contains(&name))
    };
    let start = behind.char_indices().map(|(at, _)| at).find(path);
    start.and_then(|start| behind.get(start..)).unwrap_or_default()
}

/// Host and path of a URL, whose host must be known.
fn host(text: &Text) -> Option<(String, String)> {
    let Text::Known(pieces) = text else { return None };
    let (mut host, mut path, mut in_path) = (String::new(), String::new(), false);
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Asked(name) if PATHS.contains(&name.as_str()) => in_path = true,
            Piece::Asked(_) if in_path => {}
            Piece::Asked(name) if index == 0 && name == "scheme" => {}
            Piece::Asked(_) => return None,
            Piece::Literal(text) if in_path => path.push_str(text),
            Piece::Literal(text) => {
                let text =
                    text.split_once("://").filter(|_| index < 2).map_or(text.as_str(), |(_, rest)| rest);
                if text.starts_with("unix:") {
                    host.push_str(text);
                    continue;
                }
                let end = text.find(['/', '?']).unwrap_or(text.len());
                let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
                host.push_str(name);
                in_path |= !rest.is_empty();
                path.push_str(rest);
            }
        }
    }
    Some((host, path))
}

/// What answers the requests of a place that no `return` and no `if` took.
pub(super) fn content(reading: &mut Reading<'_>, scope: &Scope, place: &Place<'_>) -> Cases<Goal> {
    let block = place.block();
    if let Some(script) = answering(place) {
        note_program(reading, script);
        return one(Goal::Old(Old::Shared));
    }
    if let Some(pass) = block.iter().find(|directive| is_pass(directive)) {
        return passed(reading, scope, place, pass);
    }
    let other = block.iter().find(|directive| is_program(directive));
    if let Some(other) = other {
        reading.note(
            other.at(),
            format!("{} is no proxying by HTTP: the host's own routing keeps its requests", other.name),
        );
    }
    one(Goal::Answer)
}

/// A program that runs before anything answers, here or in a block around, and may choose what becomes of the request.
pub(super) fn program<'d>(place: &Place<'d>) -> Option<&'d Directive> {
    let runs = |directive: &&'d Directive| {
        let name = directive.name.as_str();
        BEFORE.iter().any(|start| name.starts_with(start)) && !name.ends_with("_no_postpone")
    };
    place.chain.iter().rev().find_map(|level| level.iter().copied().find(runs))
}

/// Notes that what a program decides is kept.
pub(super) fn note_program(reading: &mut Reading<'_>, program: &Directive) {
    reading.note(
        program.at(),
        format!("{} may send requests anywhere: those of its location keep the old version", program.name),
    );
}

/// Whether a directive sends requests on, by HTTP or otherwise.
pub(super) fn answers(directive: &Directive) -> bool {
    is_pass(directive) || directive.name.ends_with("_pass")
}

/// A program that answers the requests of a place instead of a proxy, and may send them anywhere.
pub(super) fn answering<'d>(place: &Place<'d>) -> Option<&'d Directive> {
    let answers = |directive: &&Directive| {
        directive.name.starts_with("content_by_lua")
            || matches!(directive.name.as_str(), "js_content" | "perl")
    };
    place.block().iter().find(answers)
}

/// Programs that run before a request is answered, and are inherited.
const BEFORE: [&str; 4] = ["rewrite_by_lua", "access_by_lua", "server_rewrite_by_lua", "js_access"];
/// What stands behind the host where the request's own path and query go on as they were sent.
const SENT: [&str; 3] = ["", "$request_uri", "${request_uri}"];
/// What stands there where they go on as nginx reads them.
const READ: [&str; 2] = ["$uri$is_args$args", "$document_uri$is_args$args"];
/// Variables that begin the path of a URL.
const PATHS: [&str; 5] = ["request_uri", "uri", "document_uri", "is_args", "args"];
