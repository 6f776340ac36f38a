//! Conditions that no request, or hardly one, fulfils: a method that HTTP does not have, a path as no proxy shows it.

use crate::document::{Problem, Tree, suggestion};

/// What is odd about a method, as the end of a sentence; `None` if it is one that is in use.
pub fn unlikely_method(text: &str) -> Option<String> {
    if METHODS.contains(&text) {
        return None;
    }
    if text.bytes().any(|b| b.is_ascii_lowercase()) {
        return Some(format!("is {text:?}, which no request has: methods are in upper case"));
    }
    let near = suggestion(text, METHODS.iter().copied());
    Some(format!("is {text:?}, a method that is not in use{near}"))
}

/// What is odd about a whole path, as the end of a sentence; `None` if a request may well have it.
pub fn unlikely_path(text: &str) -> Option<String> {
    let ends = text.ends_with("/.") || text.ends_with("/..");
    unlikely_part(text, ends)
}

/// What is odd about a part of a path, which may end anywhere, or `ends` in a step that proxies take out.
fn unlikely_part(text: &str, ends: bool) -> Option<String> {
    let within = |part: &str| text.contains(part);
    let encoded =
        |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
    let odd = if within("?") || within("#") {
        "which no path is: what follows ? or # is no part of it"
    } else if within("/./") || within("/../") || ends {
        "which no path is where the proxy normalises paths"
    } else if text.contains(encoded) {
        "which no path is: requests have such characters in percent notation, as %20"
    } else if within("//") {
        "which no path is where the proxy merges slashes"
    } else {
        return None;
    };
    Some(format!("is {text:?}, {odd}"))
}

/// All that is odd about the conditions of a rule; `path` is where they stand.
pub(super) fn blocks(path: &str, blocks: &Tree, found: &mut Vec<Problem>) {
    each(path, blocks, &mut |path, block| self::block(path, block, found));
}

/// All that is odd about a list of methods.
pub(super) fn methods(path: &str, methods: &Tree, found: &mut Vec<Problem>) {
    each(path, methods, &mut |path, method| note(path, text(method).and_then(unlikely_method), found));
}

fn block(path: &str, block: &Tree, found: &mut Vec<Problem>) {
    let Tree::Map(conditions) = block else { return };
    for (name, condition) in conditions {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "method" => method(&path, condition, found),
            "path" => paths(&path, condition, found),
            "headers" | "cookies" | "query" | "metadata" | "form" | "json" => {
                let Tree::Map(named) = condition else { continue };
                for (name, test) in named {
                    value(&format!("{path}.{name}"), test, found);
                }
            }
            "any" | "all" => blocks(&path, condition, found),
            "not" => self::block(&path, condition, found),
            _ => {}
        }
    }
}

fn method(path: &str, test: &Tree, found: &mut Vec<Problem>) {
    let Tree::Map(tests) = test else { return methods(path, test, found) };
    let folds = test.get("ignoreCase") == Some(&Tree::Bool(true));
    for (name, test) in tests {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "exact" | "in" => methods(&path, test, found),
            "not" => method(&path, test, found),
            "prefix" | "suffix" | "contains" | "regex" | "search" if !folds => {
                let is_pattern = matches!(name.as_str(), "regex" | "search");
                each(&path, test, &mut |path, part| {
                    let plain = text(part).filter(|part| !is_pattern || is_literal(part));
                    let lower = plain.filter(|part| part.bytes().any(|b| b.is_ascii_lowercase()));
                    let odd = |text| format!("is {text:?}, which no method has: methods are in upper case");
                    note(path, lower.map(odd), found);
                });
            }
            _ => {}
        }
    }
}

fn paths(path: &str, test: &Tree, found: &mut Vec<Problem>) {
    let Tree::Map(tests) = test else { return exact_paths(path, test, found) };
    for (name, test) in tests {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "exact" | "in" => exact_paths(&path, test, found),
            "suffix" => {
                each(&path, test, &mut |path, part| note(path, text(part).and_then(unlikely_path), found));
            }
            "prefix" | "startsWith" | "contains" => {
                let odd = |part: &str| unlikely_part(part, false);
                each(&path, test, &mut |path, part| note(path, text(part).and_then(odd), found));
            }
            "regex" | "search" => {
                let anchored = text(test).filter(|text| name == "regex" || text.starts_with('^'));
                let begins = anchored.filter(|text| begins_elsewhere(text.trim_start_matches('^')));
                let odd = |_| format!("is {test}, which no path matches: paths begin with /");
                note(&path, begins.map(odd), found);
            }
            "not" => paths(&path, test, found),
            _ => {}
        }
    }
}

/// Whole paths: one with a slash at its end is another path, unless the one without is there too.
fn exact_paths(path: &str, test: &Tree, found: &mut Vec<Problem>) {
    let listed =
        |bare: &str| matches!(test, Tree::List(all) if all.iter().any(|other| text(other) == Some(bare)));
    each(path, test, &mut |path, exact| {
        let Some(exact) = text(exact) else { return };
        let bare = exact.strip_suffix('/').filter(|bare| !bare.is_empty() && !listed(bare));
        let odd = |bare| {
            format!("is {exact:?}, which is not {bare:?}: a prefix without the last slash matches both")
        };
        note(path, unlikely_path(exact).or_else(|| bare.map(odd)), found);
    });
}

/// A value that is missing passes no other test.
fn value(path: &str, test: &Tree, found: &mut Vec<Problem>) {
    let Tree::Map(tests) = test else { return };
    let other = tests.iter().find(|(name, _)| !matches!(name.as_str(), "exists" | "not" | "ignoreCase"));
    if let (Some(Tree::Bool(false)), Some((other, _))) = (test.get("exists"), other) {
        let odd = format!("never holds: it asks for a missing value, for which {other} is false");
        note(path, Some(odd), found);
    }
    if let Some(not) = test.get("not") {
        value(&format!("{path}.not"), not, found);
    }
}

/// Whether every text that a pattern matches begins with a letter or a digit, as far as that is plain: there is one alternative, and its
/// first character has to be there.
fn begins_elsewhere(pattern: &str) -> bool {
    let mut rest = pattern.chars();
    let first = rest.next().is_some_and(|c| c.is_ascii_alphanumeric());
    first && !pattern.contains('|') && !matches!(rest.next(), Some('?' | '*' | '{'))
}

/// Whether a pattern means what it says, apart from its anchors and alternatives.
fn is_literal(pattern: &str) -> bool {
    let inner = pattern.trim_start_matches('^').trim_end_matches('$');
    inner.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '|'))
}

/// The one text, or each of a list, with where it stands.
fn each(path: &str, tree: &Tree, look: &mut dyn FnMut(&str, &Tree)) {
    match tree {
        Tree::List(all) => {
            all.iter().enumerate().for_each(|(at, item)| look(&format!("{path}[{at}]"), item));
        }
        one => look(path, one),
    }
}

fn note(path: &str, odd: Option<String>, found: &mut Vec<Problem>) {
    found.extend(odd.map(|message| Problem { path: path.to_owned(), message }));
}

fn text(tree: &Tree) -> Option<&str> {
    match tree {
        Tree::Text(text) => Some(text),
        _ => None,
    }
}

/// The methods of RFC 9110 and of the IANA registry, and those that caches and `UPnP` use.
const METHODS: [&str; 46] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "ACL",
    "BAN",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "M-SEARCH",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "NOTIFY",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SUBSCRIBE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
    "SOURCE",
];
