//! Addresses, and sets of them that answer in a few steps however long the list is.
//!
//! A set is sorted, disjoint ranges, searched by halving: 100,000 entries are 17 comparisons. IPv4 and IPv6 are kept apart;
//! an IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::document::Field;
use crate::order;

/// Addresses, as ranges with both ends.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct AddressSet {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl AddressSet {
    /// An address, `address/prefix` or `first-last`, or a list of them.
    pub(crate) fn read(field: &Field<'_>) -> Option<Self> {
        let mut set = Self::default();
        let mut complete = true;
        for field in field.one_or_more(1..=LONGEST_LIST)? {
            match field.text().map(Range::parse) {
                Some(Ok(range)) => set.push(range),
                Some(Err(wrong)) => {
                    field.problem(wrong);
                    complete = false;
                }
                None => complete = false,
            }
        }
        merge(&mut set.v4, |end| end.checked_add(1));
        merge(&mut set.v6, |end| end.checked_add(1));
        complete.then_some(set)
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => covers(&self.v4, u32::from(address)),
            IpAddr::V6(address) => covers(&self.v6, u128::from(address)),
        }
    }

    fn push(&mut self, range: Range) {
        match range {
            Range::V4(first, last) => self.v4.push((first, last)),
            Range::V6(first, last) => self.v6.push((first, last)),
        }
    }
}

/// Reads an address as proxies write it: with or without a port, IPv6 with or without brackets. An IPv4 address in the form of
/// IPv6 becomes IPv4. `None` if the text is no address.
pub fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            _ => text,
        },
    };
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// Both ends belong to it.
#[derive(Clone, Copy)]
enum Range {
    V4(u32, u32),
    V6(u128, u128),
}

impl Range {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some((first, last)) = text.split_once('-') {
            return Self::between(address(first)?, address(last)?);
        }
        let Some((network, length)) = text.split_once('/') else {
            let address = address(text)?;
            return Self::between(address, address);
        };
        let length = Some(length).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let length = length.and_then(|text| u32::from_str(text).ok()).ok_or(ADDRESSES)?;
        match address(network)? {
            IpAddr::V4(network) => {
                let hosts = u32::MAX.checked_shr(length).unwrap_or(0);
                let first = u32::from(network) & !hosts;
                (length <= 32)
                    .then_some(Self::V4(first, first | hosts))
                    .ok_or("must have a prefix within 0..=32")
            }
            IpAddr::V6(network) => {
                let hosts = u128::MAX.checked_shr(length).unwrap_or(0);
                let first = u128::from(network) & !hosts;
                (length <= 128)
                    .then_some(Self::V6(first, first | hosts))
                    .ok_or("must have a prefix within 0..=128")
            }
        }
    }

    fn between(first: IpAddr, last: IpAddr) -> Result<Self, &'static str> {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                Ok(Self::V4(u32::from(first), u32::from(last)))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                Ok(Self::V6(u128::from(first), u128::from(last)))
            }
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                Err("must be a range whose first address is not above its last")
            }
            _ => Err("must be a range of one address family, not from IPv4 to IPv6"),
        }
    }
}

fn address(text: &str) -> Result<IpAddr, &'static str> {
    let text = text.trim();
    let v4 = Ipv4Addr::from_str(text).map(IpAddr::V4);
    v4.or_else(|_| Ipv6Addr::from_str(text).map(|address| IpAddr::V6(address).to_canonical()))
        .map_err(|_| ADDRESSES)
}

/// Sorts, and joins what overlaps or touches.
fn merge<T: Ord + Copy>(ranges: &mut Vec<(T, T)>, next: impl Fn(T) -> Option<T>) {
    order::sort(ranges, &Ord::cmp);
    ranges.dedup_by(|(first, last), (_, before)| {
        let touches = next(*before).is_none_or(|after| *first <= after);
        if touches {
            *before = (*before).max(*last);
        }
        touches
    });
}

fn covers<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| address <= *last)
}

const ADDRESSES: &str = "must be an address, address/prefix or first-last";
const LONGEST_LIST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Problems, Tree};

    fn read(json: &str) -> Result<AddressSet, String> {
        let tree = Tree::from_json(json.as_bytes()).unwrap();
        let problems = Problems::default();
        let read = AddressSet::read(&problems.root(&tree));
        problems.finish(read).map_err(|invalid| invalid.to_string())
    }

    fn check(json: &str, inside: &[&str], outside: &[&str]) {
        let set = read(json).unwrap();
        for (address, expected) in inside.iter().map(|a| (a, true)).chain(outside.iter().map(|a| (a, false)))
        {
            assert_eq!(set.contains(address.parse().unwrap()), expected, "{address} in {json}");
        }
    }

    #[test]
    fn sets() {
        check(r#""192.0.2.1""#, &["192.0.2.1", "::ffff:192.0.2.1"], &["192.0.2.0", "192.0.2.2", "::1"]);
        check(r#"["10.1.2.3/16"]"#, &["10.1.0.0", "10.1.255.255"], &["10.0.255.255", "10.2.0.0"]);
        check(r#""0.0.0.0/0""#, &["0.0.0.0", "255.255.255.255"], &["::"]);
        check(r#""198.51.100.10-198.51.100.99""#, &["198.51.100.10", "198.51.100.99"], &["198.51.100.100"]);
        check(r#""2001:db8::1-2001:db8:9::1""#, &["2001:db8:5::1"], &["2001:db8::", "2001:db8:9::2"]);
        check(r#"["2001:db8::/32", "::/0"]"#, &["::", "ffff::1"], &["1.2.3.4"]);
        check(
            r#"["10.0.0.5-10.0.0.9", "10.0.0.1-10.0.0.6", "10.0.0.10", "10.0.0.20"]"#,
            &["10.0.0.1", "10.0.0.7", "10.0.0.10", "10.0.0.20"],
            &["10.0.0.0", "10.0.0.11", "10.0.0.19"],
        );
        assert_eq!(read(r#"["10.0.0.5-10.0.0.9", "10.0.0.1-10.0.0.6", "10.0.0.10"]"#).unwrap().v4.len(), 1);
    }

    #[test]
    fn mistakes() {
        let check = |json: &str, expected: &str| assert_eq!(read(json).unwrap_err(), expected, "{json}");
        check(
            r#""1.1.1.1-1.1.1.0""#,
            r#"document is "1.1.1.1-1.1.1.0", must be a range whose first address is not above its last"#,
        );
        check(
            r#""1.1.1.1-2001:db8::1""#,
            r#"document is "1.1.1.1-2001:db8::1", must be a range of one address family, not from IPv4 to IPv6"#,
        );
        check(r#""1.2.3.4/33""#, r#"document is "1.2.3.4/33", must have a prefix within 0..=32"#);
        check(r#"["::/129"]"#, r#"[0] is "::/129", must have a prefix within 0..=128"#);
        for text in
            ["", "1.2.3", "1.2.3.4/", "1.2.3.4/+8", "a", "1.2.3.4-", "fe80::1%eth0", "1.2.3.4/999999999999"]
        {
            check(&format!("{text:?}"), &format!("document is {text:?}, {ADDRESSES}"));
        }
        check("[]", "document has 0 items, must have 1..=100000");
    }

    #[test]
    fn addresses_of_proxies() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1:8080", Some("192.0.2.1")),
            ("[2001:DB8::1]:443", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unknown", None),
            ("", None),
            ("[::1", None),
        ] {
            let found = parse_address(text.as_bytes()).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!(parse_address(b"\xff"), None);
    }
}
