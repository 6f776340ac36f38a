//! Ports that are free, and a request on the wire to see which upstream it reaches.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

/// A request to nginx and to a policy.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: &'static str,
    /// With its query.
    pub(crate) path: String,
    pub(crate) host: String,
    /// The whole Cookie header; none if it is empty.
    pub(crate) cookie: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The address that it comes from.
    pub(crate) ip: Ipv4Addr,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The upstream that it reached; `None` if nginx answered itself.
    pub(crate) from: Option<String>,
    /// Path and query that the upstream saw.
    pub(crate) target: Option<String>,
    pub(crate) status: u16,
    /// The places that it came through, if nginx said so.
    pub(crate) places: Vec<usize>,
}

impl Seen {
    /// Whether nginx sent on what no server can read: a decoded path may have a blank in it, as that of `$uri` has.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.status == 400 && self.from.is_none() && !self.places.is_empty()
    }
}

/// Ports on which nobody listens, all different. They lie below those that the system gives to outgoing connections, which
/// could take one before nginx does, and are handed out once: tests run side by side.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let first = 12_000 + u16::try_from(std::process::id() % 12_000).unwrap();
    let mut taken = TAKEN.lock().unwrap();
    let listeners: Vec<TcpListener> = (first..EPHEMERAL)
        .chain(12_000..first)
        .filter(|port| !taken.contains(port))
        .filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .take(count)
        .collect();
    assert_eq!(listeners.len(), count, "ports that are free");
    let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    taken.extend(&ports);
    ports
}

/// What becomes of a request. A connection may be reset where nginx still closes an
/// earlier one from the same port, so a request is sent up to three times.
pub(crate) async fn reached(port: u16, request: &Sent) -> Result<Seen> {
    for _ in 1..ATTEMPTS {
        if let Ok(reached) = reached_at_once(port, request).await {
            return Ok(reached);
        }
    }
    reached_at_once(port, request).await
}

async fn reached_at_once(port: u16, request: &Sent) -> Result<Seen> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((request.ip, 0)))?;
    let mut stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let Sent { method, path, host, cookie, headers, .. } = request;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    if !cookie.is_empty() {
        text.push_str(&format!("Cookie: {cookie}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if *method == "POST" {
        text.push_str("Content-Length: 0\r\n");
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let head = answer.split("\r\n\r\n").next().context("no answer")?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 "), "{request:?} was answered by {answer:?}");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let places = header("x-places: ").unwrap_or_default();
    let places = places.split('/').filter_map(|place| place.parse().ok()).collect();
    Ok(Seen { from: header("x-from: "), target: header("x-target: "), status, places })
}

/// Ports that were handed out.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
const ATTEMPTS: usize = 3;
/// Where Linux begins with the ports of outgoing connections.
const EPHEMERAL: u16 = 32_768;

#[cfg(test)]
mod tests {
    use antumbra_e2e::nginx::Nginx;

    use super::*;

    #[test]
    fn nginx_does_not_start_where_somebody_else_answers() {
        let port = free_ports(1)[0];
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let http = format!("server {{ listen 127.0.0.1:{port}; return 200; }}");
        let error = Nginx::start(directory.path(), &http, &[port]).unwrap_err();
        assert!(format!("{error:#}").contains("Address already in use"), "{error:#}");
    }
}
