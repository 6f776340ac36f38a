//! What answers the requests of a place: `proxy_pass`, other programs, files.

use super::goal::Goal;
use super::location::Place;
use super::reading::Reading;
use super::scope::Scope;
use super::syntax::Directive;
use super::value::{Cases, Piece, Text, looked_up, one};

/// Whether a directive sends the request on.
pub(super) fn is_pass(directive: &Directive) -> bool {
    matches!(directive.name.as_str(), "proxy_pass" | "grpc_pass")
}

/// Where the requests go that a `proxy_pass` gets.
pub(super) fn passed(reading: &mut Reading<'_>, scope: &Scope, pass: &Directive) -> Cases<Goal> {
    let url = pass.text(0);
    let cases = scope.text(reading, url);
    let at = pass.at();
    looked_up(&cases, |text| {
        let Some((host, path)) = host(text) else {
            reading.note(
                &at,
                format!(
                    "where {url:?} leads comes from the request: name its values in a `map`; until then its \
                    requests keep the old version"
                ),
            );
            return one(Goal::Old(None));
        };
        if !path.is_empty() && path != "/" {
            reading.note(
                &at,
                format!("the path {path:?} of {url:?} is not carried over: rewrite it in the host"),
            );
        }
        if host.is_empty() { one(Goal::Answer) } else { one(Goal::To(host)) }
    })
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
    if let Some(script) = block.iter().find(|directive| is_script(directive)) {
        reading.note(
            script.at(),
            format!("{} may send requests anywhere: those of its location keep the old version", script.name),
        );
        return one(Goal::Old(None));
    }
    if let Some(pass) = block.iter().find(|directive| is_pass(directive)) {
        return passed(reading, scope, pass);
    }
    let other = block.iter().find(|directive| PROGRAMS.contains(&directive.name.as_str()));
    if let Some(other) = other {
        reading.note(
            other.at(),
            format!("{} is no proxying by HTTP: the host's own routing keeps its requests", other.name),
        );
    }
    one(Goal::Answer)
}

/// Whether a directive runs a program that may choose what becomes of the request.
fn is_script(directive: &Directive) -> bool {
    let lua = ["rewrite_by_lua", "access_by_lua", "content_by_lua", "server_rewrite_by_lua"];
    lua.iter().any(|name| directive.name.starts_with(name))
        || matches!(directive.name.as_str(), "js_content" | "perl")
}

/// Variables that begin the path of a URL.
const PATHS: [&str; 5] = ["request_uri", "uri", "document_uri", "is_args", "args"];
const PROGRAMS: [&str; 5] = ["fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass", "redis_pass"];
