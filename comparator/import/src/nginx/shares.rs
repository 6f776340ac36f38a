//! `split_clients`: what it draws, and the key that a split of a policy takes for its own.

use super::asked;
use super::reading::Reading;
use super::request;
use super::syntax::Directive;
use super::test::Test;
use super::value::{Case, Cases, Outcome, Text, one};
use super::when::When;
use super::words::{Word, words};
use crate::condition::Subject;
use crate::draft::Split;

/// What a `split_clients` makes of its variable. Without `*`, the rest of the requests has the empty text.
pub(super) fn cases(reading: &mut Reading<'_>, name: &str, definition: &Directive) -> Cases<Text> {
    let mut parts: Vec<(u64, Text)> = Vec::new();
    let mut sum = 0_u64;
    for entry in &definition.block {
        if entry.name == "include" {
            reading.note(
                entry.at(),
                format!(
                    "{:?} is not in this text and may have shares: what ${name} chooses keeps the old version; give the \
                     file as nginx -T prints it",
                    entry.text(0)
                ),
            );
            return one(Text::Unknown);
        }
        let share = entry.name.strip_suffix('%').and_then(hundredths);
        let weight = if entry.name == "*" { Some(WHOLE.saturating_sub(sum)) } else { share };
        let Some(weight) = weight.filter(|weight| sum.saturating_add(*weight) <= WHOLE) else {
            reading.note(
                entry.at(),
                format!("{:?} is not a share as 0.5% or *, or exceeds 100 % with those before: what ${name} chooses \
                    keeps the old version", entry.name),
            );
            return one(Text::Unknown);
        };
        sum = sum.saturating_add(weight);
        parts.push((weight, Text::literal(entry.text(0))));
    }
    if sum < WHOLE {
        parts.push((WHOLE.saturating_sub(sum), Text::literal("")));
    }
    let divisor = parts.iter().map(|(weight, _)| *weight).fold(0, gcd).max(1);
    parts.iter_mut().for_each(|(weight, _)| *weight = weight.checked_div(divisor).unwrap_or(0));
    let keyless = keyless(reading, definition, &parts);
    let drawn = Case { when: When::always(), outcome: Outcome::Drawn(name.to_owned(), parts) };
    keyless.into_iter().chain([drawn]).collect()
}

/// Requests without the key are no draw: nginx hashes the empty text, or what stands around the key, and gives all of them one
/// share.
fn keyless(reading: &mut Reading<'_>, definition: &Directive, parts: &[(u64, Text)]) -> Option<Case<Text>> {
    let (mut literal, mut keys) = (String::new(), Vec::new());
    for word in words(definition.text(0)) {
        match word {
            Word::Literal(text) => literal.push_str(&text),
            Word::Variable(name) => keys.push(name),
        }
    }
    let [key] = keys.as_slice() else { return None };
    if !matches!(request::subject(key), Some(Subject::Cookie(_) | Subject::Query(_) | Subject::Header(_))) {
        return None;
    }
    let at = definition.at();
    let when = asked::tested(reading, &at, key, &Test::Equals(vec![String::new()], false));
    let share = share_of(hash(literal.as_bytes()), parts)?.clone();
    reading
        .note(at, format!("nginx gives all requests without ${key} the same share, and so does the policy"));
    Some(Case { when, outcome: Outcome::One(share) })
}

/// The part that a hash falls into.
fn share_of(hash: u32, parts: &[(u64, Text)]) -> Option<&Text> {
    let whole: u64 = parts.iter().map(|(weight, _)| *weight).fold(0, u64::saturating_add);
    let mut sum = 0_u64;
    let part = parts.iter().find(|(weight, _)| {
        sum = sum.saturating_add(*weight);
        let end = sum.saturating_mul(u64::from(u32::MAX)).checked_div(whole).unwrap_or(0);
        u64::from(hash) < end || sum == whole
    });
    part.map(|(_, text)| text)
}

/// `MurmurHash2` with the seed 0 (Austin Appleby, 2008), which `split_clients` takes.
fn hash(text: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    let mut hash = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let (words, rest) = text.as_chunks::<4>();
    for word in words {
        let word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash = hash.wrapping_mul(FACTOR) ^ (word ^ (word >> 24)).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0_u32, |all, byte| (all << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

/// The key and the salt of a `split_clients`, with empty weights.
pub(super) fn split(reading: &mut Reading<'_>, variable: &str) -> Split {
    let Some(definition) = reading.config.variable(variable) else { return Split::default() };
    let (at, source) = (definition.at(), definition.text(0));
    let (mut by, mut salt, mut names, mut first) = (Vec::new(), String::new(), 0, 0);
    for word in words(source) {
        match word {
            Word::Literal(text) => salt.push_str(&text),
            Word::Variable(name) if request::is_random(&name.to_ascii_lowercase()) => {
                return Split::default();
            }
            Word::Variable(name) => {
                names += 1;
                by.extend(request::keys(&name));
                if names == 1 {
                    first = by.len();
                }
            }
        }
    }
    if by.iter().any(|key| key == "ip")
        && let Some(replaced) = reading.config.addresses_replaced.clone()
    {
        by.retain(|key| key != "ip");
        reading.note(
            &at,
            format!(
                "the key {source:?} has the address that set_real_ip_from ({replaced}) has nginx take from a header: it is \
                 left out, for all clients behind a proxy would be in one share; set `clientIp`, then add `ip` to `by`"
            ),
        );
        if by.is_empty() {
            return Split::default();
        }
    }
    if by.is_empty() {
        reading.note(
            at,
            format!(
                "{source:?} is no key that a split can take, which are addresses, \
             headers, cookies and query parameters"
            ),
        );
        return Split::default();
    }
    if names > 1 {
        by.truncate(first);
        reading.note(
            &at,
            format!("the key {source:?} joins several values: {:?} alone is taken", by.join(", ")),
        );
    }
    reading.note(&at, "shares are the same, but nginx hashes otherwise: who is in which share changes once");
    let salt = (!salt.is_empty() && salt.len() <= LONGEST_SALT).then_some(salt);
    Split { by, salt, ..Split::default() }
}

/// A percentage of two decimals.
fn hundredths(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let sound = digits(whole) && digits(decimals) && decimals.len() <= 2 && whole.len() <= 3;
    sound.then(|| format!("{whole}{decimals:0<2}").parse().ok())?
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a.checked_rem(b).unwrap_or(0)) }
}

/// Hundredths of a percent.
const WHOLE: u64 = 10_000;
/// Bytes.
const LONGEST_SALT: usize = 255;
