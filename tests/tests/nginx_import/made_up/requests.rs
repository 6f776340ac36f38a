//! Requests that meet what the configurations ask.

use std::net::Ipv4Addr;

use super::Maker;
use crate::exchange::Sent;

/// A request.
pub(super) fn request(maker: &mut Maker, paths: &[String]) -> Sent {
    let mut path = maker.any_of(paths);
    path.push_str(maker.pick(&["", "", "x", "v2/", "v3/a", "a.php", "/x", "?"]));
    if path.ends_with('/') && path.len() > 1 && maker.one_in(4) {
        path.pop();
    }
    if maker.one_in(12) {
        path = maker
            .pick(&[
                "/%61pi/x",
                "//api/x",
                "/api/../x",
                "/api/%2e%2e/x",
                "/a%20b",
                "/api/./x",
                "/api/x%3Fy",
                "/api/%25",
                "/api/v2;a=b",
            ])
            .to_owned();
    }
    path.push_str(&query(maker, path.contains('?')));
    let mut host = maker.pick(&HOSTS).to_owned();
    if maker.one_in(3) {
        host.push_str(":8080");
    }
    Sent {
        method: maker.pick(&["GET", "GET", "GET", "POST", "HEAD", "DELETE"]),
        path,
        host,
        cookie: cookie(maker),
        headers: headers(maker),
        ip: Ipv4Addr::new(127, 0, 0, u8::try_from(1 + maker.below(12)).unwrap()),
    }
}

/// Parameters: now and then one that is empty, has no value, comes twice, or is written in percent notation.
fn query(maker: &mut Maker, mut begun: bool) -> String {
    let mut query = String::new();
    for _ in 0..maker.below(4) {
        query.push(if begun { '&' } else { '?' });
        begun = true;
        let name = maker.pick(&["ver", "Ver", "VER", "Name", "name", "other", "v%65r"]);
        let value = if maker.one_in(3) { maker.pick(&ENCODED) } else { maker.pick(&VALUES) };
        let mark = if maker.one_in(10) { "" } else { "=" };
        query.push_str(&format!("{name}{mark}{value}"));
    }
    query
}

fn headers(maker: &mut Maker) -> Vec<(&'static str, String)> {
    let mut sent = Vec::new();
    for name in ["x-group", "user-agent"] {
        if maker.one_in(2) {
            let value =
                if maker.one_in(6) { maker.pick(&["a%20b", "a b", "%61"]) } else { maker.pick(&VALUES) };
            sent.push((name, value.to_owned()));
        }
    }
    for name in ["x-forwarded-for", "x-real-ip"] {
        if maker.one_in(4) {
            let value = maker.pick(&["127.0.0.2", "10.0.0.1", "10.0.0.1, 127.0.0.3", "127.0.0.5", "8.8.8.8"]);
            sent.push((name, value.to_owned()));
        }
    }
    if maker.one_in(10) {
        sent.push(("x-fail", maker.pick(&["404", "503"]).to_owned()));
    }
    sent
}

/// Cookies, now and then as browsers never send them.
fn cookie(maker: &mut Maker) -> String {
    let mut pairs = Vec::new();
    for _ in 0..maker.below(4) {
        let name = maker.pick(&["Beta", "beta", "BETA", "uid", "UID", "other", "xbeta"]);
        let value = if maker.one_in(8) { maker.pick(&ENCODED) } else { maker.pick(&VALUES) };
        let quote = if maker.one_in(15) { "\"" } else { "" };
        pairs.push(format!("{name}={quote}{value}{quote}"));
    }
    pairs.join(if maker.one_in(10) { "," } else { "; " })
}

const VALUES: [&str; 8] = ["a", "b", "1", "0", "", "B", "A1", "c"];
/// As they are sent.
const ENCODED: [&str; 6] = ["a%20b", "a+b", "%61", "a%2520b", "%C3%A9", "b%"];
const HOSTS: [&str; 12] = [
    "a.test",
    "x.a.test",
    "y.x.a.test",
    "b.test",
    "q.b.test",
    "www.c.org",
    "www.d.org",
    "x1.test",
    "c.test",
    "A.TEST",
    "else.test",
    "a.test.",
];
