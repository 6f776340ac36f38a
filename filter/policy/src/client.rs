//! Whose request it is: the peer's address, or the one that trusted proxies in front wrote down.

use std::net::IpAddr;

use crate::address::parse_address;
use crate::document::Field;

/// Where the client's address is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ClientAddress {
    /// Whoever is at the other end of the connection, as the host has it.
    #[default]
    Peer,
    /// The entry of `x-forwarded-for` that has so many entries of trusted proxies to its right.
    Forwarded { trusted_hops: usize },
}

impl ClientAddress {
    /// `{from: peer | xff, trustedHops}`.
    pub(crate) fn read(field: &Field<'_>) -> Option<Self> {
        let map = field.map(&["from", "trustedHops"])?;
        let forwarded =
            map.required("from").and_then(|field| field.one_of(&[("peer", false), ("xff", true)]));
        let hops = map.get("trustedHops").map_or(Some(0), |field| field.integer(0..=MAX_HOPS));
        let (forwarded, hops) = (forwarded?, hops?);
        if !forwarded {
            if let Some(hops) = map.get("trustedHops") {
                hops.problem("must stand beside from: xff only");
                return None;
            }
            return Some(Self::Peer);
        }
        usize::try_from(hops).ok().map(|trusted_hops| Self::Forwarded { trusted_hops })
    }

    /// The header that it takes.
    pub(crate) fn header(self) -> Option<&'static str> {
        (self != Self::Peer).then_some("x-forwarded-for")
    }

    /// Fewer entries than trusted proxies: the request did not come by way of them, so the peer is the client. An entry that is no
    /// address is nobody: the peer would be one of the proxies.
    pub(crate) fn resolve(
        self,
        forwarded: Option<&[u8]>,
        peer: impl Fn() -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let Self::Forwarded { trusted_hops } = self else { return peer() };
        let entry = forwarded.and_then(|text| text.rsplit(|b| *b == b',').nth(trusted_hops));
        entry.map_or_else(peer, parse_address)
    }
}

/// As Envoy's `xff_num_trusted_hops` is used in practice.
const MAX_HOPS: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_left_of_the_trusted_ones() {
        let peer = || "192.0.2.9".parse().ok();
        for (hops, forwarded, expected) in [
            (0, Some("203.0.113.1, 198.51.100.2"), "198.51.100.2"),
            (1, Some("203.0.113.1,198.51.100.2"), "203.0.113.1"),
            (1, Some("1.1.1.1, [2001:db8::1]:80, 198.51.100.2"), "2001:db8::1"),
            (2, Some("203.0.113.1, 198.51.100.2"), "192.0.2.9"),
            (0, None, "192.0.2.9"),
        ] {
            let client = ClientAddress::Forwarded { trusted_hops: hops };
            let found = client.resolve(forwarded.map(str::as_bytes), peer).unwrap();
            assert_eq!(found.to_string(), expected, "{hops} of {forwarded:?}");
        }
        let nobody = ClientAddress::Forwarded { trusted_hops: 0 }.resolve(Some(b"unknown"), peer);
        assert_eq!(nobody, None);
        assert_eq!(ClientAddress::Peer.resolve(Some(b"203.0.113.1"), peer), peer());
    }
}
