//! Which addresses may be called without being named: public ones, and this machine's own loopback.
//!
//! A URL from a file or a flag must not become a way into the inside of a network: clouds answer credentials at link-local
//! addresses. IPv4 hides in several kinds of IPv6 addresses, so those are judged by what is inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address with a prefix length, as in 10.0.0.0/8; a bare address is itself alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    length: u32,
}

impl Network {
    /// Whether the address, or the IPv4 address inside of it, belongs to the network.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, inner(address)) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let hosts = u32::MAX.checked_shr(self.length).unwrap_or(0);
                u32::from(network) | hosts == u32::from(address) | hosts
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let hosts = u128::MAX.checked_shr(self.length).unwrap_or(0);
                u128::from(network) | hosts == u128::from(address) | hosts
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(most), str::parse).map_err(|_| BadNetwork)?;
        if length <= most { Ok(Self { address, length }) } else { Err(BadNetwork) }
    }
}

/// The text is no network; whoever reads it names the argument and the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address or address/prefix, as 10.0.0.0/8")]
pub(crate) struct BadNetwork;

/// What kind of address it is, if one that must be named before it is called.
pub(crate) fn guarded(address: IpAddr) -> Option<&'static str> {
    match inner(address) {
        IpAddr::V4(address) => guarded_v4(address),
        IpAddr::V6(address) => guarded_v6(address),
    }
}

fn guarded_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        _ if address.is_private() => Some("a private address"),
        _ if address.is_link_local() => {
            Some("a link-local address, where clouds answer metadata and credentials")
        }
        // Oracle's and Azure's metadata stand outside of the link-local range, Alibaba's in the carriers'.
        [192, 0, 0, _] | [168, 63, 129, 16] => {
            Some("a reserved address, where clouds answer metadata and credentials")
        }
        [100, 64..128, ..] => Some("an address shared by a carrier or cloud (100.64.0.0/10)"),
        [198, 18 | 19, ..] => Some("an address for benchmarks (198.18.0.0/15)"),
        [0, ..] => Some("an address of this network (0.0.0.0/8)"),
        [224..=255, ..] => Some("an address of many hosts"),
        _ => None,
    }
}

fn guarded_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [first, ..] = address.segments();
    if address.is_unspecified() {
        Some("an address of this network (::)")
    } else if address.is_unique_local() || first & 0xffc0 == 0xfec0 {
        Some("a private address")
    } else if address.is_unicast_link_local() {
        Some("a link-local address")
    } else if address.is_multicast() {
        Some("an address of many hosts")
    } else {
        None
    }
}

/// The IPv4 address that an IPv6 one carries: mapped and compatible (RFC 4291), NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC
/// 3056). The other notations are the address itself.
fn inner(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0 | 1, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_named() {
        for (address, expected) in [
            ("127.0.0.1", None),
            ("::1", None),
            ("192.0.2.7", None),
            ("2001:db8::1", None),
            ("172.32.0.1", None),
            ("10.0.0.1", Some("a private address")),
            ("172.16.0.1", Some("a private address")),
            ("192.168.1.1", Some("a private address")),
            ("169.254.169.254", Some("a link-local address")),
            ("100.100.100.200", Some("shared")),
            ("168.63.129.16", Some("reserved")),
            ("192.0.0.192", Some("reserved")),
            ("198.19.0.1", Some("for benchmarks")),
            ("0.0.0.0", Some("of this network")),
            ("255.255.255.255", Some("an address of many hosts")),
            ("224.0.0.1", Some("an address of many hosts")),
            ("::", Some("of this network")),
            ("fd00:ec2::254", Some("a private address")),
            ("fe80::1", Some("a link-local address")),
            ("ff02::1", Some("an address of many hosts")),
            ("::ffff:169.254.169.254", Some("a link-local address")),
            ("::ffff:10.1.2.3", Some("a private address")),
            ("::10.1.2.3", Some("a private address")),
            ("64:ff9b::a9fe:a9fe", Some("a link-local address")),
            ("2002:a9fe:a9fe::1", Some("a link-local address")),
            ("::ffff:127.0.0.1", None),
        ] {
            let found = guarded(address.parse().unwrap());
            assert_eq!(found.is_some(), expected.is_some(), "{address}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{address}");
        }
    }

    #[test]
    fn networks() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::1"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.6"),
            ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
        ] {
            let read: Network = network.parse().unwrap();
            assert!(read.contains(inside.parse().unwrap()), "{inside} in {network}");
            assert!(!read.contains(outside.parse().unwrap()), "{outside} in {network}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10/8", "a/8", "10.0.0.0/", "10.0.0.0/-1"] {
            assert_eq!(bad.parse::<Network>(), Err(BadNetwork), "{bad}");
        }
    }
}
