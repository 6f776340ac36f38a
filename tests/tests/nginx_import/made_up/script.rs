//! `set`, `if`, `return`, `rewrite` and `break`.

use super::place::proxied;
use super::variables::{asked, pattern, to, value};
use super::{Maker, hidden};

/// Some of them; a server knows no `proxy_pass`.
pub(super) fn script(maker: &mut Maker, in_location: bool) -> String {
    let mut text = String::new();
    if maker.one_in(3) {
        let (name, to) = (format!("${}", maker.name("s")), to(maker));
        text.push_str(&format!("set {name} {to};\n"));
        if in_location {
            let (condition, host) = (condition(maker), maker.host());
            text.push_str(&format!("if ({condition}) {{ set {name} {host}; }}\n"));
        }
    }
    for _ in 0..maker.below(if in_location { 4 } else { 3 }) {
        let condition = condition(maker);
        let then = then(maker, in_location);
        text.push_str(&format!("if ({condition}) {{ {then} }}\n"));
    }
    text
}

/// What stands in an `if`.
fn then(maker: &mut Maker, in_location: bool) -> String {
    match maker.below(if in_location { 14 } else { 4 }) {
        0 => format!("return {};", maker.pick(&["403", "418", "204", "404"])),
        1 => "rewrite ^/s/ /t/ redirect;".to_owned(),
        2 if maker.one_in(2) => {
            if !in_location && !maker.hides {
                let server = maker.server;
                maker.texts.places[server].untraced = true;
            }
            "rewrite ^/api/(.*)$ /x/$1 last;".to_owned()
        }
        2 => "break;".to_owned(),
        3 => {
            let groups = maker.groups.clone();
            let (name, value) = (format!("${}", maker.name("u")), maker.any_of(&groups));
            format!("set {name} {value};")
        }
        4 => "rewrite ^/api/ /y/ break;".to_owned(),
        5 if maker.one_in(3) => hidden::in_if(maker),
        _ => proxied(maker).trim_end().to_owned(),
    }
}

/// What an `if` asks.
pub(super) fn condition(maker: &mut Maker) -> String {
    if maker.one_in(4) {
        let variable = maker.pick(&["$cookie_uid", "$cookie_Beta", "$http_x_group", "$arg_ver"]);
        return format!("{variable} = {}", maker.pick(&["a", "b", "1", "c"]));
    }
    let groups = maker.groups.clone();
    let variable = if maker.one_in(2) { maker.any_of(&groups) } else { asked(maker).to_owned() };
    match maker.below(8) {
        0 | 1 => variable,
        2 => format!("{variable} != \"{}\"", value(maker)),
        3 => format!("{variable} ~ \"{}\"", pattern(maker)),
        4 => format!("{variable} ~* \"{}\"", pattern(maker)),
        5 => format!("{variable} !~ \"{}\"", pattern(maker)),
        _ => format!("{variable} = \"{}\"", value(maker)),
    }
}
