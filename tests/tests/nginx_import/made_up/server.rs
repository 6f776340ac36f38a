//! Servers and locations.

use super::Maker;
use super::variables::{asked, pattern, to, value};

/// Some servers: the first sends on what nothing else takes, on the first port.
pub(super) fn all(maker: &mut Maker) -> String {
    let count = 1 + maker.below(4);
    let default = maker.below(count * 2);
    let mut text = String::new();
    for index in 0..count {
        let second = index > 0 && maker.one_in(5);
        let port = maker.ports[usize::from(second)];
        let flag = if index == default && !second { " default_server" } else { "" };
        let mut names = String::new();
        for _ in 0..maker.below(3) {
            names.push(' ');
            names.push_str(maker.pick(&NAMES));
        }
        let names = if names.is_empty() { names } else { format!("server_name{names};\n") };
        let body = body(maker, index == 0);
        text.push_str(&format!("server {{\nlisten 127.0.0.1:{port}{flag};\n{names}{body}}}\n"));
    }
    text
}

/// What stands in a server.
fn body(maker: &mut Maker, first: bool) -> String {
    let mut text = String::from("root empty;\n");
    let mut named = Vec::new();
    for _ in 0..1 + maker.below(2) {
        named.push(format!("@{}", maker.name("n")));
    }
    if maker.one_in(4) {
        text.push_str(&script(maker, &named, false));
    }
    if maker.one_in(5) {
        let (page, code) = (maker.any_of(&named), maker.pick(&["418", "404", "502", "403 404"]));
        text.push_str(&format!("error_page {code} = {page};\n"));
    }
    let mut used = Vec::new();
    for _ in 0..maker.below(5) {
        text.push_str(&location(maker, "", &named, &mut used));
    }
    if first || !maker.one_in(4) {
        let pass = pass(maker);
        let script = script(maker, &named, true);
        if !used.contains(&"/".to_owned()) {
            text.push_str(&format!("location / {{\n{script}{pass}}}\n"));
        }
    }
    for index in 0..named.len() {
        let (pass, others) = (pass(maker), named[index + 1..].to_vec());
        let script = if maker.one_in(2) { script(maker, &others, true) } else { String::new() };
        text.push_str(&format!("location {} {{\n{script}{pass}}}\n", named[index]));
    }
    maker.perhaps_included(text)
}

/// A location below a path, perhaps with others in it.
fn location(maker: &mut Maker, below: &str, named: &[String], used: &mut Vec<String>) -> String {
    let kind = maker.pick(&["", "", "", "^~ ", "= ", "~ ", "~* "]);
    let path = match kind {
        "~ " | "~* " => maker.pick(&["\\.php$", "^/api/v[0-9]+/", "/x$", "^/s(ite)?/", "A"]).to_owned(),
        _ => format!(
            "{below}{}",
            maker.pick(&PATHS).trim_start_matches(if below.ends_with('/') { '/' } else { ' ' })
        ),
    };
    let key = if matches!(kind, "" | "^~ ") { path.clone() } else { format!("{kind}{path}") };
    if used.contains(&key) {
        return String::new();
    }
    used.push(key);
    if path.starts_with('/') {
        maker.paths.push(path.clone());
    }
    let mut text = script(maker, named, true);
    if maker.one_in(8) {
        text.push_str(&limit(maker));
    }
    text.push_str(&match maker.below(10) {
        0 => format!("try_files $uri {};\n", maker.any_of(named)),
        1 => String::new(),
        2 => format!("return {};\n", maker.pick(&["204", "403", "418", "404"])),
        3 => "internal;\n".to_owned(),
        _ => pass(maker),
    });
    if maker.one_in(4) {
        let page = if maker.one_in(3) { maker.pick(&PATHS).to_owned() } else { maker.any_of(named) };
        let code = maker.pick(&["418 =", "404", "419 =200", "403 418"]);
        text.push_str(&format!("error_page {code} {page};\n"));
        if maker.one_in(3) {
            text.push_str("recursive_error_pages on;\n");
        }
    }
    let mut text = maker.perhaps_included(text);
    if matches!(kind, "" | "^~ ") && below.is_empty() && maker.one_in(4) {
        let mut inner = Vec::new();
        for _ in 0..1 + maker.below(2) {
            text.push_str(&location(maker, &path, named, &mut inner));
        }
    }
    format!("location {kind}{path} {{\n{text}}}\n")
}

fn limit(maker: &mut Maker) -> String {
    let methods = maker.pick(&["GET", "GET POST", "POST"]);
    let inner = if maker.one_in(2) { pass(maker) } else { "deny all;\n".to_owned() };
    format!("limit_except {methods} {{ {inner} }}\n")
}

/// `set`, `if`, `return`, `rewrite` and `break`; a server knows no `proxy_pass`.
fn script(maker: &mut Maker, named: &[String], in_location: bool) -> String {
    let mut text = String::new();
    if maker.one_in(3) {
        let (name, to) = (format!("${}", maker.name("s")), to(maker));
        text.push_str(&format!("set {name} {to};\n"));
        if in_location {
            let (condition, host) = (condition(maker), maker.host());
            text.push_str(&format!("if ({condition}) {{ set {name} {host}; }}\n"));
        }
    }
    for _ in 0..maker.below(3) {
        let condition = condition(maker);
        let then = match maker.below(if in_location { 9 } else { 4 }) {
            0 => format!("return {};", maker.pick(&["403", "418", "204", "404"])),
            1 => "rewrite ^/s/ /t/ redirect;".to_owned(),
            2 if maker.one_in(2) => "rewrite ^/api/(.*)$ /x/$1 last;".to_owned(),
            2 => "break;".to_owned(),
            3 => {
                let groups = maker.groups.clone();
                let (name, value) = (format!("${}", maker.name("u")), maker.any_of(&groups));
                format!("set {name} {value};")
            }
            4 => "rewrite ^/api/ /y/ break;".to_owned(),
            _ => pass(maker).trim_end().to_owned(),
        };
        text.push_str(&format!("if ({condition}) {{ {then} }}\n"));
    }
    let _ = named;
    text
}

/// What an `if` asks.
fn condition(maker: &mut Maker) -> String {
    let groups = maker.groups.clone();
    let variable = if maker.one_in(2) { maker.any_of(&groups) } else { asked(maker).to_owned() };
    match maker.below(7) {
        0 => variable,
        1 => format!("{variable} != \"{}\"", value(maker)),
        2 => format!("{variable} ~ \"{}\"", pattern(maker)),
        3 => format!("{variable} ~* \"{}\"", pattern(maker)),
        4 => format!("{variable} !~ \"{}\"", pattern(maker)),
        _ => format!("{variable} = \"{}\"", value(maker)),
    }
}

fn pass(maker: &mut Maker) -> String {
    if maker.ends.is_empty() || !maker.one_in(5) {
        return format!("proxy_pass http://{};\n", to(maker));
    }
    let ends = maker.ends.clone();
    let end = maker.any_of(&ends);
    format!("proxy_pass http://{}_{end};\n", maker.prefix)
}

const NAMES: [&str; 9] = [
    "a.test",
    "*.a.test",
    ".b.test",
    "*.x.a.test",
    "www.*",
    "www.c.*",
    "~^x\\d",
    "c.test",
    "~^(a|c)\\.test$",
];
const PATHS: [&str; 9] = ["/api/", "/api/v2/", "/api", "/x", "/s/", "/site", "/api/v2/x", "/a.php", "/img/"];
