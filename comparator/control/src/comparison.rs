//! The comparator's own part of a policy: `compare` (what may differ, and whose answers count), `redact` (what is hidden) and `gates`
//! (what a verdict needs).

pub mod assigned;
mod headers;
mod redact;
mod rules;
mod unlikely;

use std::ops::RangeInclusive;
use std::time::Duration;

use antumbra_engine::{EndpointPattern, Gates, LatencyMargins, Pattern, Rules};
use antumbra_policy::document::{Field, Map, Tree};

pub use self::redact::secrets;
pub use self::unlikely::warnings;
use crate::comparison::assigned::Assigned;

/// Reads `compare: {ignore: [pattern…], unordered: [pattern…], endpoints: [endpoint…], rules: […], headers: {only: [pattern…]},
/// primary: [variant…]}` of a policy, which may have none; `plugins` is read by [`plugins`]. Without `primary`, the policy's default variant is it;
/// without a default, whatever the host's own routing answers. An exchange that names no variant always counts.
pub fn rules(field: Option<&Field<'_>>, policy: &Tree) -> Option<Rules> {
    let Some(field) = field else { return Some(Rules::default().with_primary(default_variant(policy))) };
    let map = field.map(&FIELDS)?;
    let declared = declared(&map);
    let primary = match map.get("primary") {
        Some(field) => variants(field, policy),
        None => Some(default_variant(policy)),
    };
    Some(declared?.with_primary(primary?))
}

/// The same of a file that has no policy around it: either the mapping that `compare` has, or a document with that field.
pub fn bare_rules(root: &Field<'_>) -> Option<Rules> {
    match bare(root) {
        Some(compare) => declared(&compare.map(&FIELDS)?),
        None => Some(Rules::default()),
    }
}

/// The `plugins` of such a file.
pub fn bare_plugins(root: &Field<'_>) -> Option<Assigned> {
    plugins(bare(root).as_ref())
}

/// What says how to compare; nothing in a policy that says nothing about comparing.
fn bare<'t>(root: &Field<'t>) -> Option<Field<'t>> {
    match root.tree().get("compare") {
        Some(_) => root.entries()?.into_iter().find(|(name, _)| *name == "compare").map(|(_, field)| field),
        None if root.tree().get("variants").is_some() => None,
        None => Some(root.clone()),
    }
}

fn declared(map: &Map<'_>) -> Option<Rules> {
    let endpoints = endpoints(map.get("endpoints"));
    let given = endpoints.as_deref().unwrap_or_default();
    let ignore = patterns(map.get("ignore"), given);
    let unordered = patterns(map.get("unordered"), given);
    let rules = rules::rules(map.get("rules"), given);
    let only = headers::only(map.get("headers"), given);
    let declared = Rules::new(ignore?, unordered?).with_rules(rules?).with_endpoints(endpoints?);
    Some(match only? {
        Some(only) => declared.with_headers_only(&only),
        None => declared,
    })
}

/// Reads `compare: {plugins: [{at: endpoint, plugin: name}…]}`. What else stands there is read by [`rules`].
pub fn plugins(field: Option<&Field<'_>>) -> Option<Assigned> {
    let written = field.filter(|field| matches!(field.tree(), Tree::Map(_)));
    let entries = written.and_then(Field::entries).unwrap_or_default();
    Assigned::read(entries.iter().find(|(name, _)| *name == "plugins").map(|(_, field)| field))
}

/// Reads `gates: {rollBackAlpha, promoteAlpha, margin, endpointMargin, noisyMargin, p50, p90, p99, slower, block, warmUp, atLeast}`: error probabilities,
/// margins in percent, and spans of time.
pub fn gates(field: &Field<'_>) -> Option<Gates> {
    let map = field.map(&GATES)?;
    let usual = Gates::default();
    let roll_back_alpha = number(&map, "rollBackAlpha", ALPHA, 1.0, usual.roll_back_alpha);
    let promote_alpha = number(&map, "promoteAlpha", ALPHA, 1.0, usual.promote_alpha);
    let margin = number(&map, "margin", MARGIN_PERCENT, 100.0, usual.margin);
    let endpoint_margin = number(&map, "endpointMargin", MARGIN_PERCENT, 100.0, usual.endpoint_margin);
    let noisy_margin = number(&map, "noisyMargin", NOISY_PERCENT, 100.0, usual.noisy_margin);
    let latency = latency(&map, usual.latency);
    let block_ms = span(&map, "block", BLOCK, usual.block_ms);
    let warm_up_ms = span(&map, "warmUp", WARM_UP, usual.warm_up_ms);
    let at_least_ms = span(&map, "atLeast", AT_LEAST, usual.at_least_ms);
    Some(Gates {
        roll_back_alpha: roll_back_alpha?,
        promote_alpha: promote_alpha?,
        margin: margin?,
        endpoint_margin: endpoint_margin?,
        noisy_margin: noisy_margin?,
        latency: latency?,
        block_ms: block_ms?,
        warm_up_ms: warm_up_ms?,
        at_least_ms: at_least_ms?,
        calibration: false,
        unreadable: false,
    })
}

fn latency(map: &Map<'_>, usual: LatencyMargins) -> Option<LatencyMargins> {
    let p50 = number(map, "p50", SLOWER_PERCENT, 100.0, usual.p50);
    let p90 = number(map, "p90", SLOWER_PERCENT, 100.0, usual.p90);
    let p99 = number(map, "p99", SLOWER_PERCENT, 100.0, usual.p99);
    let slower = number(map, "slower", NOISY_PERCENT, 100.0, usual.slower);
    Some(LatencyMargins { p50: p50?, p90: p90?, p99: p99?, slower: slower? })
}

/// The names under which an observation's primary counts, as [`rules`] has them, of a policy in which they can be read.
pub(crate) fn primary(policy: &Tree) -> Vec<String> {
    match policy.get("compare").and_then(|compare| compare.get("primary")) {
        Some(Tree::List(names)) => names
            .iter()
            .filter_map(|name| match name {
                Tree::Text(name) => Some(name.clone()),
                _ => None,
            })
            .collect(),
        _ => default_variant(policy),
    }
}

fn default_variant(policy: &Tree) -> Vec<String> {
    match policy.get("default") {
        Some(Tree::Text(name)) => vec![name.clone()],
        // An empty list would count all, those too that a split sent to the candidate: there worse and better cancel.
        _ => vec![String::new()],
    }
}

fn variants(field: &Field<'_>, policy: &Tree) -> Option<Vec<String>> {
    let known: Vec<&str> = match policy.get("variants") {
        Some(Tree::Map(entries)) => entries.iter().map(|(name, _)| name.as_str()).collect(),
        _ => Vec::new(),
    };
    let read = field.list(1..=MAX_PATTERNS)?.into_iter().map(|item| {
        let name = item.text()?;
        if !known.contains(&name) {
            item.unknown_name("variant", name, known.iter().copied());
            return None;
        }
        Some(name.to_owned())
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

fn patterns(field: Option<&Field<'_>>, given: &[EndpointPattern]) -> Option<Vec<Pattern>> {
    let Some(field) = field else { return Some(Vec::new()) };
    let list = field.list(0..=MAX_PATTERNS)?;
    let read: Vec<Option<Pattern>> = list.iter().map(|field| pattern(field, given)).collect();
    read.into_iter().collect()
}

/// A place; `given` are the endpoints that have names.
fn pattern(field: &Field<'_>, given: &[EndpointPattern]) -> Option<Pattern> {
    let text = field.text()?;
    let pattern = Pattern::parse(text).map_err(|bad| field.problem(bad)).ok()?;
    if let Some((part, whole)) = pattern.is_part_of(given) {
        field.problem(format!("names {part}, must name {whole}, of which it is a part, or have it among the endpoints before that"));
        return None;
    }
    Some(pattern)
}

fn endpoints(field: Option<&Field<'_>>) -> Option<Vec<EndpointPattern>> {
    let Some(field) = field else { return Some(Vec::new()) };
    let read = field.list(0..=MAX_ENDPOINTS)?.into_iter().map(|item| {
        let text = item.text()?;
        EndpointPattern::parse(text).map_err(|bad| item.problem(bad)).ok()
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

/// The number under `name` divided by `unit`, or the usual one.
fn number(map: &Map<'_>, name: &str, bounds: RangeInclusive<f64>, unit: f64, usual: f64) -> Option<f64> {
    match map.get(name) {
        Some(field) => field.number(bounds).map(|value| value / unit),
        None => Some(usual),
    }
}

/// Milliseconds.
fn span(map: &Map<'_>, name: &str, bounds: RangeInclusive<Duration>, usual: u64) -> Option<u64> {
    match map.get(name) {
        Some(field) => field.duration(bounds).map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        None => Some(usual),
    }
}

const GATES: [&str; 12] = [
    "rollBackAlpha",
    "promoteAlpha",
    "margin",
    "endpointMargin",
    "noisyMargin",
    "p50",
    "p90",
    "p99",
    "slower",
    "block",
    "warmUp",
    "atLeast",
];
/// Below a percent no quantile is told: its bucket is as wide.
const SLOWER_PERCENT: RangeInclusive<f64> = 1.0..=1_000.0;
/// Below 0.5 % a noisy place would be held to more than a quiet one.
const NOISY_PERCENT: RangeInclusive<f64> = 0.5..=50.0;
/// A block below 100 ms holds few exchanges, one above ten minutes makes a roll back take more than an hour.
const BLOCK: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);
const WARM_UP: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3_600);
const AT_LEAST: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(2_592_000);
/// An error probability: below a millionth no evidence suffices, above a half none is needed.
const ALPHA: RangeInclusive<f64> = 0.000_001..=0.5;
/// A margin below 0.001 % would need millions of exchanges.
const MARGIN_PERCENT: RangeInclusive<f64> = 0.001..=50.0;
const FIELDS: [&str; 7] = ["ignore", "unordered", "endpoints", "rules", "headers", "primary", "plugins"];
const MAX_PATTERNS: usize = 1_000;
/// Each is tried on every exchange until one matches.
const MAX_ENDPOINTS: usize = 200;
