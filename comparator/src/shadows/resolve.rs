//! A name to the one address that all calls to it will take.
//!
//! Asked once: a name that answers a public address first and a private one later (DNS rebinding) is followed nowhere. All
//! addresses that a name has must be allowed, or which one is taken would decide.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};

use super::address::{Network, guarded};
use super::target::Url;

/// The address of the URL's host that takes a connection first, in the resolver's order; the first one if none does, so that
/// the calls say why.
///
/// # Errors
/// Why it may not or cannot be called; the caller names the URL.
pub(crate) async fn resolve(url: &Url, allowed: &[Network]) -> Result<SocketAddr, String> {
    let host = url.host();
    let found = tokio::time::timeout(RESOLVE_TIME, lookup_host((host, url.port()))).await;
    let found = found.map_err(|_| format!("{host} was not resolved within {} s", RESOLVE_TIME.as_secs()))?;
    let addresses: Vec<SocketAddr> =
        found.map_err(|error| format!("{host} has no address: {error}"))?.collect();
    for address in &addresses {
        check(host, *address, allowed)?;
    }
    let first = *addresses.first().ok_or_else(|| format!("{host} has no address"))?;
    for address in addresses {
        let connected = tokio::time::timeout(CONNECT_TIME, TcpStream::connect(address)).await;
        if matches!(connected, Ok(Ok(_))) {
            return Ok(address);
        }
    }
    Ok(first)
}

fn check(host: &str, address: SocketAddr, allowed: &[Network]) -> Result<(), String> {
    let address = address.ip();
    match guarded(address) {
        Some(kind) if !allowed.iter().any(|network| network.contains(address)) => {
            let named = if host == address.to_string() { String::new() } else { format!("{host} is ") };
            Err(format!(
                "{named}{address} is {kind}; --allow-address {address} or a network around it allows that"
            ))
        }
        _ => Ok(()),
    }
}

const RESOLVE_TIME: Duration = Duration::from_secs(5);
const CONNECT_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn guarded_addresses_must_be_named() {
        for (url, allowed, expected) in [
            ("http://127.0.0.1:1", "", Ok("127.0.0.1:1")),
            (
                "http://169.254.169.254",
                "",
                Err("169.254.169.254 is a link-local address, where clouds answer"),
            ),
            ("http://[::ffff:169.254.169.254]", "", Err("is a link-local address")),
            ("http://10.1.2.3", "192.168.0.0/16", Err("--allow-address 10.1.2.3")),
            // The resolver of the system reads these as addresses, too.
            ("http://2852039166", "", Err("")),
            ("http://0xa9.0xfe.0xa9.0xfe", "", Err("")),
        ] {
            let allowed: Vec<Network> = allowed.parse().into_iter().collect();
            let found = resolve(&url.parse().unwrap(), &allowed).await;
            match expected {
                Ok(address) => assert_eq!(found, Ok(address.parse().unwrap()), "{url}"),
                Err(why) => {
                    assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{url}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn a_named_network_is_allowed() {
        let allowed: Vec<Network> = ["10.0.0.0/8".parse().unwrap()].to_vec();
        assert_eq!(check("a", "10.1.2.3:80".parse().unwrap(), &allowed), Ok(()));
        assert_eq!(check("a", "[::ffff:10.1.2.3]:80".parse().unwrap(), &allowed), Ok(()));
        assert!(check("a", "192.168.0.1:80".parse().unwrap(), &allowed).is_err());
    }
}
