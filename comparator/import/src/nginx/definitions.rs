//! What `map`, `geo` and `split_clients` make of the request.

use super::request::{self, Test};
use super::scope::Scope;
use super::syntax::Directive;
use super::value::{Case, Drawn, MAX_CASES, Outcome, holds, product};
use crate::condition::{Condition, Predicate, Subject};
use crate::draft::{Draft, Split};

/// What a text with variables can be; `None`, with a note, if that cannot be told.
pub(super) fn cases_of(
    draft: &mut Draft,
    scope: &Scope<'_>,
    at: &str,
    text: &str,
    depth: usize,
) -> Option<Vec<Case>> {
    let mut cases = Case::fixed("");
    for piece in pieces(text) {
        let next = match piece {
            Piece::Literal(text) => Case::fixed(text),
            Piece::Variable(name) => cases_of_variable(draft, scope, at, &name, depth)?,
        };
        let Some(joined) = product(&cases, &next) else {
            draft.note(
                at,
                format!("{text:?} hangs on too much at once to be written as rules: it is left out"),
            );
            return None;
        };
        cases = joined;
    }
    Some(cases)
}

fn cases_of_variable(
    draft: &mut Draft,
    scope: &Scope<'_>,
    at: &str,
    name: &str,
    depth: usize,
) -> Option<Vec<Case>> {
    if let Some(cases) = scope.set(name) {
        return Some(cases.to_vec());
    }
    let Some(definition) = scope.config.variable(name) else {
        draft.note(
            at,
            format!("${name} is taken from the request as it is: name its values in a `map`, or in rules"),
        );
        return None;
    };
    if depth >= DEEPEST {
        draft
            .note(definition.at(), format!("${name} is defined through more than {DEEPEST} other variables"));
        return None;
    }
    match definition.name.as_str() {
        "split_clients" => {
            Some(vec![Case { condition: Condition::Always, outcome: draw(draft, name, definition)? }])
        }
        "geo" => geo(draft, definition),
        _ => map(draft, scope, definition, depth + 1),
    }
}

fn draw(draft: &mut Draft, name: &str, definition: &Directive) -> Option<Outcome> {
    let mut parts = Vec::new();
    let mut sum = 0_u64;
    for entry in &definition.block {
        let share = entry.name.strip_suffix('%').and_then(hundredths);
        let weight = if entry.name == "*" { Some(WHOLE.saturating_sub(sum)) } else { share };
        let Some(weight) = weight.filter(|weight| sum + weight <= WHOLE) else {
            draft.note(
                entry.at(),
                format!("{:?} is not a share as 0.5% or *, or exceeds 100 % with those before", entry.name),
            );
            return None;
        };
        sum += weight;
        parts.push((weight, entry.text(0).to_owned()));
    }
    let divisor = parts.iter().map(|(weight, _)| *weight).fold(0, gcd).max(1);
    parts.iter_mut().for_each(|(weight, _)| *weight /= divisor);
    Some(Outcome::Drawn(Drawn { variable: name.to_owned(), parts }))
}

/// The key and the salt of a `split_clients`, with empty weights.
pub(super) fn split(draft: &mut Draft, scope: &Scope<'_>, variable: &str) -> Split {
    let Some(definition) = scope.config.variable(variable) else { return Split::default() };
    let (at, source) = (definition.at(), definition.text(0));
    let (mut by, mut salt, mut names) = (Vec::new(), String::new(), 0);
    for piece in pieces(source) {
        match piece {
            Piece::Literal(text) => salt.push_str(&text),
            Piece::Variable(name) if request::is_random(&name) => return Split::default(),
            Piece::Variable(name) => {
                names += 1;
                by.extend(request::key(&name));
            }
        }
    }
    if by.is_empty() {
        draft.note(
            at,
            format!(
                "{source:?} is no key that a split can take, which are addresses, \
             headers, cookies and query parameters"
            ),
        );
        return Split::default();
    }
    if names > 1 {
        by.truncate(1);
        draft.note(&at, format!("the key {source:?} joins several values: {:?} alone is taken", by.concat()));
    }
    draft.note(&at, "shares are the same, but nginx hashes otherwise: who is in which share changes once");
    Split { by, salt: (!salt.is_empty()).then_some(salt), ..Split::default() }
}

fn geo(draft: &mut Draft, definition: &Directive) -> Option<Vec<Case>> {
    let source = if definition.args.len() > 1 { definition.text(0) } else { "$remote_addr" };
    let known =
        matches!(source.trim_start_matches('$'), "remote_addr" | "realip_remote_addr" | "binary_remote_addr");
    if !known {
        draft.note(
            definition.at(),
            format!(
                "geo looks at {source}, here the client's address is \
             taken: see `clientIp` for those behind proxies"
            ),
        );
    }
    let (mut networks, mut default) = (Vec::new(), String::new());
    for entry in &definition.block {
        match entry.name.as_str() {
            "default" => entry.text(0).clone_into(&mut default),
            "ranges" => {}
            "include" | "delete" | "proxy" | "proxy_recursive" => {
                draft.note(entry.at(), format!("{:?} within geo is not carried over", entry.name));
            }
            network => networks.push((network.to_owned(), entry.text(0).to_owned())),
        }
    }
    let bits = |network: &str| {
        network.split_once('/').and_then(|(_, bits)| bits.parse::<u32>().ok()).unwrap_or(u32::MAX)
    };
    networks.sort_by_key(|(network, _)| std::cmp::Reverse(bits(network)));
    let mut cases = Vec::new();
    for group in networks.chunk_by(|a, b| a.1 == b.1) {
        let listed = group.iter().map(|(network, _)| network.clone()).collect();
        let condition = draft.test(&definition.at(), Subject::Ip, Predicate::one_of(listed));
        let value = group.first().map(|(_, value)| value.clone()).unwrap_or_default();
        cases.push(Case { condition, outcome: Outcome::Value(value) });
    }
    cases.extend(Case::fixed(default));
    bounded(draft, definition, cases)
}

fn map(draft: &mut Draft, scope: &Scope<'_>, definition: &Directive, depth: usize) -> Option<Vec<Case>> {
    let Some(source) = only_variable(definition.text(0)) else {
        draft.note(
            definition.at(),
            format!("the map of {:?}, which is not one variable, is not carried over", definition.text(0)),
        );
        return None;
    };
    let known = scope.set(&source).is_some() || scope.config.variable(&source).is_some();
    let inner =
        if known { Some(cases_of_variable(draft, scope, &definition.at(), &source, depth)?) } else { None };
    let mut cases = Vec::new();
    for Entry { test, value, at } in entries(draft, definition) {
        let condition = match (&test, &inner) {
            (None, _) => Condition::Always,
            (Some(test), None) => request::tested(draft, &at, &source, test),
            (Some(test), Some(inner))
                if !matches!(test, Test::Matches(..)) && holds(inner, |_| true).is_some() =>
            {
                holds(inner, |text| test.passes(text) == Some(true)).unwrap_or(Condition::Unclear(None))
            }
            (Some(_), Some(inner)) => return drawn_map(draft, definition, inner),
        };
        let values = cases_of(draft, scope, &at, &value, depth)?;
        let guard = [Case { condition, outcome: Outcome::Value(String::new()) }];
        cases.extend(product(&guard, &values)?);
        if cases.len() > MAX_CASES {
            break;
        }
    }
    bounded(draft, definition, cases)
}

/// A map of what a `split_clients` draws, value by value.
fn drawn_map(draft: &mut Draft, definition: &Directive, inner: &[Case]) -> Option<Vec<Case>> {
    let entries = entries(draft, definition);
    let value_of = |text: &str| {
        let hit = |entry: &&Entry| entry.test.as_ref().is_none_or(|test| test.passes(text) == Some(true));
        entries.iter().find(hit).map(|entry| entry.value.clone())
    };
    let plain = entries
        .iter()
        .all(|entry| !entry.value.contains('$') && !matches!(entry.test, Some(Test::Matches(..))));
    match inner {
        [Case { condition: Condition::Always, outcome: Outcome::Drawn(draw) }] if plain => {
            let parts = draw
                .parts
                .iter()
                .map(|(weight, text)| Some((*weight, value_of(text)?)))
                .collect::<Option<_>>()?;
            let outcome = Outcome::Drawn(Drawn { variable: draw.variable.clone(), parts });
            Some(vec![Case { condition: Condition::Always, outcome }])
        }
        _ => {
            draft.note(
                definition.at(),
                format!(
                    "the map of {}, itself the outcome of other \
                 directives, is too involved to be carried over",
                    definition.text(0)
                ),
            );
            None
        }
    }
}

struct Entry {
    /// `None` for the default.
    test: Option<Test>,
    value: String,
    at: String,
}

/// The entries of a map in the order in which nginx tries them: texts, patterns, the default.
fn entries(draft: &mut Draft, definition: &Directive) -> Vec<Entry> {
    let (mut texts, mut patterns, mut default): (Vec<Entry>, Vec<Entry>, String) = Default::default();
    for entry in &definition.block {
        let (value, at) = (entry.text(0).to_owned(), entry.at());
        match (entry.name.as_str(), entry.args.len()) {
            ("hostnames" | "volatile", 0) => {}
            ("include", _) => draft.note(at, "include within map is not followed"),
            ("default", _) => default = value,
            (pattern, _) if pattern.starts_with('~') => {
                let fold = pattern.starts_with("~*");
                let pattern = pattern.trim_start_matches('~');
                let pattern = if fold { pattern.strip_prefix('*').unwrap_or(pattern) } else { pattern };
                patterns.push(Entry { test: Some(Test::Matches(pattern.to_owned(), fold)), value, at });
            }
            (text, _) => {
                let text = text.strip_prefix('\\').unwrap_or(text).to_owned();
                match texts.iter_mut().find(|known| known.value == value) {
                    Some(Entry { test: Some(Test::Equals(known, _)), .. }) => known.push(text),
                    _ => texts.push(Entry { test: Some(Test::Equals(vec![text], true)), value, at }),
                }
            }
        }
    }
    texts
        .into_iter()
        .chain(patterns)
        .chain([Entry { test: None, value: default, at: definition.at() }])
        .collect()
}

fn bounded(draft: &mut Draft, definition: &Directive, cases: Vec<Case>) -> Option<Vec<Case>> {
    if cases.len() > MAX_CASES {
        draft.note(
            definition.at(),
            format!("has more than {MAX_CASES} different outcomes, which no policy can hold"),
        );
        return None;
    }
    Some(cases)
}

enum Piece {
    Literal(String),
    Variable(String),
}

/// Literals and variables of a text, as `${a}b$c`.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut parts = text.split('$');
    pieces.extend(parts.next().filter(|part| !part.is_empty()).map(|part| Piece::Literal(part.to_owned())));
    for part in parts {
        let braced = part.strip_prefix('{').and_then(|part| part.split_once('}'));
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, rest) = braced.unwrap_or_else(|| part.split_at(end));
        pieces.push(Piece::Variable(name.to_owned()));
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
    }
    pieces
}

/// The variable that a text is.
pub(super) fn only_variable(text: &str) -> Option<String> {
    match pieces(text).as_slice() {
        [Piece::Variable(name)] => Some(name.clone()),
        _ => None,
    }
}

/// A percentage of two decimals.
fn hundredths(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let sound = digits(whole) && digits(decimals) && decimals.len() <= 2 && whole.len() <= 3;
    sound.then(|| format!("{whole}{decimals:0<2}").parse().ok())?
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Hundredths of a percent.
const WHOLE: u64 = 10_000;
/// Variables that are defined by other variables.
const DEEPEST: usize = 8;
