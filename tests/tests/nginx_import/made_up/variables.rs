//! `map`, `geo` and `split_clients`.

use super::{Maker, SERVICES, hidden};

/// Some variables that are worth a group, then some that are worth an upstream.
pub(super) fn all(maker: &mut Maker) -> String {
    let mut text = String::new();
    for _ in 0..1 + maker.below(4) {
        let unknown = maker.one_in(24);
        text.push_str(&if unknown { hidden::in_file(maker, group) } else { group(maker) });
    }
    for _ in 0..1 + maker.below(3) {
        text.push_str(&target(maker));
    }
    if maker.one_in(2) {
        text.push_str(&end(maker));
    }
    text
}

/// A variable of the request.
pub(super) fn asked(maker: &mut Maker) -> &'static str {
    maker.pick(&ASKED)
}

/// A text that a variable may be compared with.
pub(super) fn value(maker: &mut Maker) -> &'static str {
    maker.pick(&VALUES)
}

/// A pattern that a variable may be compared with.
pub(super) fn pattern(maker: &mut Maker) -> &'static str {
    maker.pick(&PATTERNS)
}

fn group(maker: &mut Maker) -> String {
    let name = format!("${}", maker.name("g"));
    let text = match maker.below(8) {
        0 => geo(maker, &name),
        1 => {
            maker.drawn.insert(name.clone());
            split(maker, &name)
        }
        2 => hostnames(maker, &name),
        3 if maker.groups.len() > 1 => joined(maker, &name),
        _ => {
            let source = source(maker);
            if maker.drawn.contains(&source) {
                maker.drawn.insert(name.clone());
            }
            let body = entries(maker, true);
            format!("map {source} {name} {{ {body} }}\n")
        }
    };
    maker.groups.push(name);
    text
}

fn source(maker: &mut Maker) -> String {
    if maker.groups.is_empty() || !maker.one_in(3) {
        return asked(maker).to_owned();
    }
    let groups = maker.groups.clone();
    maker.any_of(&groups)
}

/// A source of which it is plain what it is worth by default: what no entry names.
fn plain_source(maker: &mut Maker) -> String {
    let source = source(maker);
    if maker.drawn.contains(&source) { asked(maker).to_owned() } else { source }
}

/// Entries of a map to groups; texts are different, as nginx demands.
fn entries(maker: &mut Maker, patterns: bool) -> String {
    let mut text = String::new();
    let mut used: Vec<String> = Vec::new();
    for _ in 0..maker.below(4) {
        let key = value(maker);
        if used.contains(&key.to_ascii_lowercase()) {
            continue;
        }
        used.push(key.to_ascii_lowercase());
        let worth = worth(maker);
        text.push_str(&format!("\"{key}\" {worth}; "));
    }
    if patterns {
        for _ in 0..maker.below(3) {
            let (fold, pattern) = (maker.pick(&["~", "~*"]), pattern(maker));
            let worth = worth(maker);
            text.push_str(&format!("\"{fold}{pattern}\" {worth}; "));
        }
    }
    if !maker.one_in(4) {
        text.push_str(&format!("default {USUAL}; "));
    }
    if maker.one_in(24) {
        let (key, worth) = (maker.name("key"), worth(maker));
        let told = format!("include {}/more.map;", maker.prefix);
        text.push_str(&maker.texts.hide(format!("\"{key}\" {worth}; ~b {worth};"), told));
    }
    maker.perhaps_included(text)
}

/// A group, or another variable that is worth one.
fn worth(maker: &mut Maker) -> String {
    if !maker.groups.is_empty() && maker.one_in(6) {
        let groups = maker.groups.clone();
        return maker.any_of(&groups);
    }
    format!("\"{}\"", maker.pick(&GROUPS))
}

fn joined(maker: &mut Maker, name: &str) -> String {
    let groups = maker.groups.clone();
    let first = maker.any_of(&groups);
    let second = if maker.one_in(2) { maker.any_of(&groups) } else { asked(maker).to_owned() };
    let between = maker.pick(&[":", "", "-"]);
    let mut text = String::new();
    let mut used: Vec<String> = Vec::new();
    for _ in 0..1 + maker.below(4) {
        let key = format!("{}{between}{}", maker.pick(&GROUPS), maker.pick(&GROUPS));
        if key.is_empty() || used.contains(&key) {
            continue;
        }
        let worth = maker.pick(&GROUPS);
        text.push_str(&format!("\"{key}\" \"{worth}\"; "));
        used.push(key);
    }
    let braced = |variable: &str| format!("${{{}}}", variable.trim_start_matches('$'));
    format!("map \"{}{between}{}\" {name} {{ {text}default {USUAL}; }}\n", braced(&first), braced(&second))
}

fn geo(maker: &mut Maker, name: &str) -> String {
    if maker.one_in(4) {
        let (first, second) = (maker.pick(&GROUPS), maker.pick(&GROUPS));
        return format!(
            "geo {name} {{ ranges; default {USUAL}; 127.0.0.1-127.0.0.4 \"{first}\"; 127.0.0.5-127.0.0.9 \"{second}\"; }}\n"
        );
    }
    let mut text = String::new();
    for network in ["127.0.0.0/8", "127.0.0.0/29", "127.0.0.2", "127.0.0.3/32", "10.0.0.0/8"] {
        if maker.one_in(2) {
            let worth = maker.pick(&GROUPS);
            text.push_str(&format!("{network} \"{worth}\"; "));
        }
    }
    if maker.one_in(2) {
        text.push_str(&format!("default {USUAL}; "));
    }
    format!("geo {name} {{ {text}}}\n")
}

fn split(maker: &mut Maker, name: &str) -> String {
    let key = maker.pick(&["$remote_addr", "\"${remote_addr}salt\"", "$cookie_uid", "$request_id"]);
    let shares = maker.pick(&["10% a; 20% b; * 1;", "50% a; * b;", "0.5% a; 30% b;", "5% a; * \"\";"]);
    format!("split_clients {key} {name} {{ {shares} }}\n")
}

fn hostnames(maker: &mut Maker, name: &str) -> String {
    let mut text = String::new();
    for mask in ["a.test", "*.a.test", ".b.test", "*.x.a.test", "www.*", "www.c.*", "~^x\\d"] {
        if maker.one_in(2) {
            let worth = maker.pick(&GROUPS);
            text.push_str(&format!("{mask} \"{worth}\"; "));
        }
    }
    format!("map $host {name} {{ hostnames; default {USUAL}; {text}}}\n")
}

/// A variable that is worth an upstream of one service, mostly the old one by default.
fn target(maker: &mut Maker) -> String {
    maker.service = maker.pick(&SERVICES);
    let source = plain_source(maker);
    let mut text = String::new();
    let mut used: Vec<String> = Vec::new();
    if source.contains("_g") {
        // A group is empty by default, too.
        used.push(String::new());
    }
    for _ in 0..1 + maker.below(3) {
        let key = value(maker);
        if used.contains(&key.to_ascii_lowercase()) {
            continue;
        }
        used.push(key.to_ascii_lowercase());
        let to = to(maker);
        text.push_str(&format!("\"{key}\" {to}; "));
    }
    if maker.one_in(3) {
        let (pattern, to) = (maker.pick(&PATTERNS[..MARKING]), to(maker));
        text.push_str(&format!("\"~{pattern}\" {to}; "));
    }
    let default = match maker.below(8) {
        0 => String::new(),
        1 => format!("default {};", own(maker).unwrap_or_else(|| maker.version("old"))),
        _ => format!("default {};", maker.version("old")),
    };
    let text = maker.perhaps_included(text);
    let name = format!("${}", maker.name("t"));
    maker.targets.push((maker.service, name.clone()));
    format!("map {source} {name} {{ {text} {default} }}\n")
}

/// A variable that is worth the end of an upstream's name, often by a draw.
fn end(maker: &mut Maker) -> String {
    let name = format!("${}", maker.name("e"));
    maker.ends.push(format!("${{{}}}", name.trim_start_matches('$')));
    if maker.one_in(2) {
        let key = maker.pick(&["$remote_addr", "$cookie_uid", "$arg_ver", "\"${cookie_uid}salt\""]);
        return format!("split_clients {key} {name} {{ 20% new; 30% third; * old; }}\n");
    }
    let source = plain_source(maker);
    format!("map {source} {name} {{ a new; b third; default old; }}\n")
}

/// A version of the service that is being made for, or a variable that is worth one.
pub(super) fn to(maker: &mut Maker) -> String {
    let variable = if maker.one_in(3) { own(maker) } else { None };
    variable.unwrap_or_else(|| maker.host())
}

/// A variable that is worth an upstream of the service.
pub(super) fn own(maker: &mut Maker) -> Option<String> {
    let service = maker.service;
    let own = maker.targets.iter().filter(|(of, _)| *of == service);
    let own: Vec<String> = own.map(|(_, variable)| variable.clone()).collect();
    (!own.is_empty()).then(|| maker.any_of(&own))
}

const ASKED: [&str; 12] = [
    "$cookie_Beta",
    "$cookie_uid",
    "$arg_ver",
    "$arg_Name",
    "$http_x_group",
    "$http_user_agent",
    "$host",
    "$uri",
    "$request_method",
    "$remote_addr",
    "$request_uri",
    "$http_cookie",
];
const VALUES: [&str; 16] = [
    "a",
    "b",
    "1",
    "0",
    "",
    "B",
    "/api/x",
    "/",
    "GET",
    "127.0.0.2",
    "a.test",
    "c",
    "a%20b",
    "a b",
    "a+b",
    "%61",
];
const PATTERNS: [&str; 14] = [
    "^a",
    "b$",
    "^(a|b)$",
    "1",
    "^/api/",
    "\\.php$",
    "^(GET|HEAD)$",
    "A",
    "[0-9]+",
    "^x.*y$",
    "%20",
    "a.b",
    "^$",
    "^(?!a)",
];
/// Patterns in front that mark what they fit.
const MARKING: usize = 12;
/// What groups are worth by default.
const USUAL: &str = "d";
const GROUPS: [&str; 5] = ["a", "b", "1", "0", ""];
