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
            .pick(&["/%61pi/x", "//api/x", "/api/../x", "/api/%2e%2e/x", "/a%20b", "/api/./x"])
            .to_owned();
    }
    for _ in 0..maker.below(3) {
        let mark = if path.contains('?') { '&' } else { '?' };
        let (name, value) =
            (maker.pick(&["ver", "Ver", "VER", "Name", "name", "other"]), maker.pick(&VALUES));
        path.push_str(&format!("{mark}{name}={value}"));
    }
    let mut host = maker.pick(&HOSTS).to_owned();
    if maker.one_in(3) {
        host.push_str(":8080");
    }
    let headers = ["x-group", "user-agent"];
    let mut sent = Vec::new();
    for name in headers {
        if maker.one_in(2) {
            sent.push((name, maker.pick(&VALUES).to_owned()));
        }
    }
    Sent {
        method: maker.pick(&["GET", "GET", "GET", "POST", "HEAD", "DELETE"]),
        path,
        host,
        cookie: cookie(maker),
        headers: sent,
        ip: Ipv4Addr::new(127, 0, 0, u8::try_from(1 + maker.below(12)).unwrap()),
    }
}

/// Cookies, now and then as browsers never send them.
fn cookie(maker: &mut Maker) -> String {
    let mut pairs = Vec::new();
    for _ in 0..maker.below(4) {
        let name = maker.pick(&["Beta", "beta", "BETA", "uid", "UID", "other", "xbeta"]);
        let (quote, value) = (if maker.one_in(15) { "\"" } else { "" }, maker.pick(&VALUES));
        pairs.push(format!("{name}={quote}{value}{quote}"));
    }
    pairs.join(if maker.one_in(10) { "," } else { "; " })
}

const VALUES: [&str; 8] = ["a", "b", "1", "0", "", "B", "A1", "c"];
const HOSTS: [&str; 11] = [
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
];
