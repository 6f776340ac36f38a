//! Servers.

use super::place::{location, named, pass};
use super::script::script;
use super::{Maker, SERVICES, access, hidden};

/// Some servers: the first sends on what nothing else takes, on the first port.
pub(super) fn all(maker: &mut Maker) -> String {
    let count = 1 + maker.below(4);
    let default = maker.below(count * 2);
    let mut text = String::new();
    for index in 0..count {
        let second = index > 0 && maker.one_in(5);
        let port = maker.ports[usize::from(second)];
        let flag = if index == default && !second { " default_server" } else { "" };
        text.push_str(&server(maker, index, &format!("127.0.0.1:{port}{flag}")));
    }
    if maker.one_in(20) {
        let port = maker.ports[0];
        text.push_str(&hidden::in_file(maker, |maker| server(maker, count, &format!("127.0.0.1:{port}"))));
    }
    text
}

fn server(maker: &mut Maker, index: usize, listen: &str) -> String {
    maker.service = maker.pick(&SERVICES);
    let mut names = String::new();
    for _ in 0..maker.below(3) {
        names.push(' ');
        names.push_str(maker.pick(&NAMES));
    }
    let names = if names.is_empty() { names } else { format!("server_name{names};\n") };
    maker.server = maker.texts.places.len();
    let (_, mark) = maker.place();
    let body = body(maker, index == 0);
    let traced = format!("add_header x-places ${}_at always;", maker.prefix);
    let traced = maker.texts.hide(traced, String::new());
    format!("server {{\n{mark}{traced}\nlisten {listen};\n{names}{body}}}\n")
}

/// What stands in a server.
fn body(maker: &mut Maker, first: bool) -> String {
    let mut text = String::from("root empty;\n");
    let mut pages = Vec::new();
    for _ in 0..1 + maker.below(2) {
        pages.push(format!("@{}", maker.name("n")));
    }
    if maker.one_in(4) {
        text.push_str(&script(maker, false));
    }
    if maker.one_in(5) {
        let page = maker.page(maker.server, &pages, &[], usize::MAX);
        let code = maker.pick(&["418", "404", "502", "403 404"]);
        text.push_str(&format!("error_page {code} = {page};\n"));
    }
    if maker.one_in(10) {
        let server = maker.server;
        text.push_str(&access::rules(maker, server, &pages));
    }
    if maker.one_in(10) {
        text.push_str(&real_ip(maker));
    }
    if maker.one_in(14) {
        text.push_str(&hidden::in_server(maker, &pages));
    }
    let mut used = Vec::new();
    for _ in 0..maker.below(6) {
        text.push_str(&location(maker, "", &pages, &mut used, 0));
    }
    if !used.contains(&"/".to_owned()) && (first || !maker.one_in(4)) {
        text.push_str(&whole(maker));
    }
    for page in &pages {
        text.push_str(&named(maker, page));
    }
    text.push_str(&access::location(maker));
    maker.perhaps_included(text)
}

/// The location that takes all that no other does.
fn whole(maker: &mut Maker) -> String {
    let (number, mark) = maker.place();
    let script = script(maker, true);
    let pass = pass(maker, number, true);
    format!("location / {{\n{mark}{script}{pass}}}\n")
}

/// The client's address out of a header.
fn real_ip(maker: &mut Maker) -> String {
    let from = maker.pick(&["127.0.0.0/8", "127.0.0.1", "127.0.0.0/29"]);
    let header = maker.pick(&["X-Forwarded-For", "X-Real-IP"]);
    let recursive = maker.pick(&["", "real_ip_recursive on;\n"]);
    format!("set_real_ip_from {from};\nreal_ip_header {header};\n{recursive}")
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
