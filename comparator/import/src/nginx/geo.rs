//! `geo`: the client's address to a text; the smallest network that holds the address counts.

use super::reading::Reading;
use super::request;
use super::syntax::Directive;
use super::value::{Case, Cases, Outcome, Text, one, tidy};

/// What a `geo` makes of its variable.
pub(super) fn cases(reading: &mut Reading<'_>, definition: &Directive) -> Cases<Text> {
    let source = if definition.args.len() > 1 { definition.text(0) } else { "$remote_addr" };
    let known = matches!(source.trim_start_matches('$'), "remote_addr" | "binary_remote_addr");
    let forwarded = definition.block.iter().find(|entry| entry.name.starts_with("proxy"));
    if let Some(entry) = forwarded.or_else(|| (!known).then_some(definition)) {
        reading.note(
            entry.at(),
            format!("geo takes the address from elsewhere than the connection ({source} {}): what it chooses keeps \
                the old version; see `clientIp` for clients behind proxies", entry.name),
        );
        return one(Text::Unknown);
    }
    let (mut networks, mut default, mut gap) = (Vec::new(), String::new(), false);
    for entry in &definition.block {
        match entry.name.as_str() {
            "default" => entry.text(0).clone_into(&mut default),
            "ranges" => {}
            "include" | "delete" => {
                reading.note(
                    entry.at(),
                    format!(
                        "{} within geo is not carried over: what it may change keeps the old version",
                        entry.name
                    ),
                );
                gap = true;
            }
            network => networks.push((network.to_owned(), entry.text(0).to_owned())),
        }
    }
    if gap {
        return one(Text::Unknown);
    }
    of_networks(reading, &definition.at(), networks, default)
}

fn of_networks(
    reading: &mut Reading<'_>,
    at: &str,
    mut networks: Vec<(String, String)>,
    default: String,
) -> Cases<Text> {
    networks.sort_by_key(|(network, _)| size(network));
    let mut cases = Vec::new();
    for group in networks.chunk_by(|a, b| a.1 == b.1) {
        let listed = group.iter().map(|(network, _)| network.clone()).collect();
        let when = request::addressed(reading, at, listed);
        let value = group.first().map(|(_, value)| value.clone()).unwrap_or_default();
        cases.push(Case { when, outcome: Outcome::One(Text::literal(value)) });
    }
    cases.extend(one(Text::literal(default)));
    tidy(cases)
}

/// How many addresses a network or a range has, as a power of two or in full; smaller ones are tried first.
fn size(network: &str) -> u128 {
    if let Some((first, last)) = network.split_once('-') {
        let number = |text: &str| match text.trim().parse() {
            Ok(std::net::IpAddr::V4(address)) => u128::from(u32::from(address)),
            Ok(std::net::IpAddr::V6(address)) => u128::from(address),
            Err(_) => 0,
        };
        return number(last).saturating_sub(number(first));
    }
    let most = if network.contains(':') { 128 } else { 32 };
    let bits = network.split_once('/').and_then(|(_, bits)| bits.parse::<u32>().ok()).unwrap_or(most);
    1_u128.checked_shl(most.saturating_sub(bits)).unwrap_or(u128::MAX)
}
