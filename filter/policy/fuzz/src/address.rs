//! Addresses, lists of ranges and `x-forwarded-for`, against `std::net` and arithmetic bit by bit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Policy, parse_address};

use super::asked::{Asked, assert_says_why, assert_sound};

/// Lines: entries of a list with `|` between them, the value of `x-forwarded-for`, the peer. The number of trusted hops is the
/// length of the first line modulo 4.
pub fn check(bytes: &[u8]) {
    let mut lines = bytes.split(|b| *b == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (list, forwarded, peer) = (String::from_utf8_lossy(line()), line(), line());
    for text in [list.as_bytes(), forwarded, peer] {
        check_address(text);
    }
    let peer = parse_address(peer);
    let hops = list.len() % 4;
    let entries: Vec<&str> = list.split('|').collect();
    let ranges: Option<Vec<_>> = entries.iter().map(|entry| range(entry)).collect();
    let policy = match (policy(&entries, hops), ranges) {
        (Ok(policy), Some(ranges)) => (policy, ranges),
        (Err(invalid), None) => return assert_says_why(&invalid),
        (found, expected) => panic!("{list:?} reads as {found:?}, expected {expected:?}"),
    };
    let client = client(forwarded, hops, peer);
    let asked = Asked { peer, ..Asked::default() };
    check_client(&policy, &asked.clone().with("x-forwarded-for", forwarded), client);
    check_client(&policy, &asked, peer);
    for (first, last) in &policy.1 {
        for address in [Some(*first), Some(*last), step(*first, false), step(*last, true)] {
            check_client(&policy, &Asked { peer: address, ..Asked::default() }, address);
        }
    }
}

/// Where the standard library reads an address, so do we; and what is read stands at the beginning, its brackets aside.
fn check_address(text: &[u8]) {
    let found = parse_address(text);
    let text = std::str::from_utf8(text).unwrap_or_default().trim();
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let expected = text.parse::<IpAddr>().ok();
    let expected = expected.or_else(|| bracketed?.parse::<Ipv6Addr>().map(IpAddr::V6).ok());
    let expected = expected.or_else(|| match text.parse().ok()? {
        SocketAddr::V6(address) if address.scope_id() != 0 || text.contains('%') => None,
        address => Some(address.ip()),
    });
    if expected.is_some() {
        assert_eq!(found, expected.map(|address| address.to_canonical()), "{text:?}");
    }
    let Some(found) = found else { return };
    assert_eq!(found, found.to_canonical(), "{text:?}");
    let start = text.trim_start_matches('[');
    let ends = start.char_indices().map(|(end, c)| end + c.len_utf8());
    let read: Vec<IpAddr> = ends.filter_map(|end| start[..end].parse().ok()).collect();
    assert!(read.iter().any(|address| address.to_canonical() == found), "{text:?} reads as {found}");
}

fn check_client((policy, ranges): &(Policy, Vec<(IpAddr, IpAddr)>), asked: &Asked, client: Option<IpAddr>) {
    let decision = policy.decide(asked, Dice(0));
    assert_sound(&decision);
    let client = client.map(|address| address.to_canonical());
    let within = |(first, last): &(IpAddr, IpAddr)| {
        client.is_some_and(|client| first.is_ipv4() == client.is_ipv4() && (*first..=*last).contains(&client))
    };
    assert_eq!(decision.variant.is_some(), ranges.iter().any(within), "{client:?} in {ranges:?}");
}

fn policy(entries: &[&str], hops: usize) -> Result<Policy, antumbra_policy::document::Invalid> {
    let map = |fields: Vec<(&str, Tree)>| {
        Tree::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let text = |text: &str| Tree::Text(text.to_owned());
    let hops = i64::try_from(hops).expect("below 4");
    let list = Tree::List(entries.iter().map(|entry| text(entry)).collect());
    let rule = map(vec![("matches", Tree::List(vec![map(vec![("ip", list)])])), ("to", text("a"))]);
    Policy::from_tree(&map(vec![
        ("version", Tree::Integer(1)),
        ("name", text("p")),
        ("variants", map(vec![("a", Tree::Null)])),
        ("default", Tree::Null),
        ("clientIp", map(vec![("from", text("xff")), ("trustedHops", Tree::Integer(hops))])),
        ("rules", Tree::List(vec![rule])),
    ]))
}

/// The entry with so many to its right; the peer if there are too few.
fn client(forwarded: &[u8], hops: usize, peer: Option<IpAddr>) -> Option<IpAddr> {
    let entries: Vec<&[u8]> = forwarded.split(|b| *b == b',').collect();
    match entries.len().checked_sub(hops + 1) {
        Some(place) => parse_address(entries[place]),
        None => peer,
    }
}

/// Both ends of an entry of a list.
fn range(entry: &str) -> Option<(IpAddr, IpAddr)> {
    let address = |text: &str| text.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical());
    if let Some(dash) = entry.find('-') {
        let (first, last) = (address(&entry[..dash])?, address(&entry[dash + 1..])?);
        return (first.is_ipv4() == last.is_ipv4() && first <= last).then_some((first, last));
    }
    let Some(slash) = entry.find('/') else { return address(entry).map(|address| (address, address)) };
    let (network, length) = (address(&entry[..slash])?, &entry[slash + 1..]);
    let length: usize = length.bytes().all(|b| b.is_ascii_digit()).then(|| length.parse().ok())??;
    let ends = |mut bytes: Vec<u8>| {
        let mut last = bytes.clone();
        for bit in length..bytes.len() * 8 {
            bytes[bit / 8] &= !(0x80 >> (bit % 8));
            last[bit / 8] |= 0x80 >> (bit % 8);
        }
        (length <= bytes.len() * 8).then_some((bytes, last))
    };
    match network {
        IpAddr::V4(network) => {
            let (first, last) = ends(network.octets().to_vec())?;
            let address = |bytes: Vec<u8>| Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)));
            address(first).zip(address(last))
        }
        IpAddr::V6(network) => {
            let (first, last) = ends(network.octets().to_vec())?;
            let address =
                |bytes: Vec<u8>| Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)));
            address(first).zip(address(last))
        }
    }
}

/// The address before or after.
fn step(address: IpAddr, up: bool) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let bits = u32::from(address);
            let next = if up { bits.checked_add(1) } else { bits.checked_sub(1) };
            next.map(|bits| IpAddr::V4(bits.into()))
        }
        IpAddr::V6(address) => {
            let bits = u128::from(address);
            let next = if up { bits.checked_add(1) } else { bits.checked_sub(1) };
            next.map(|bits| IpAddr::V6(bits.into()))
        }
    }
}
