//! `compare.rules`: what may differ at a place, one way or several.
//!
//! Every field of a rule allows something by itself, so a rule of several fields allows any of that.

use std::ops::RangeInclusive;
use std::time::Duration;

use antumbra_engine::{Allow, Arrays, Class, Decimal, Expression, Pattern, Rule};
use antumbra_policy::document::{self, Field, Map, Tree};

use super::pattern;

/// Reads `rules: [{at: place or places, …}]`.
pub(super) fn rules(field: Option<&Field<'_>>) -> Option<Vec<Rule>> {
    let Some(field) = field else { return Some(Vec::new()) };
    let read = document::all(&field.list(0..=MOST_RULES)?, rule)?;
    Some(read.into_iter().flatten().collect())
}

fn rule(field: &Field<'_>) -> Option<Vec<Rule>> {
    let map = field.map(&FIELDS)?;
    let at = map.required("at").and_then(|field| field.each_or_one(1..=MOST_PLACES, pattern));
    let values = allowed(&map);
    let arrays = document::optional(map.get("array").map(arrays));
    if FIELDS.iter().skip(1).all(|name| map.get(name).is_none()) {
        let ways: Vec<&str> = FIELDS.iter().skip(1).copied().collect();
        field.note(format!("allows nothing, must have one of {}", ways.join(", ")));
        return None;
    }
    let (at, values, arrays) = (at?, values?, arrays?);
    of_bodies(&map, &at)?;
    let values = values.iter().flat_map(|allow| at.iter().map(|at| Rule::Value(at.clone(), allow.clone())));
    let arrays = arrays.iter().flat_map(|arrays| at.iter().map(|at| Rule::Array(at.clone(), arrays.clone())));
    Some(values.chain(arrays).collect())
}

/// What is allowed of values.
fn allowed(map: &Map<'_>) -> Option<Vec<Allow>> {
    let said = |name, allow: Allow| map.get(name).map(|field| yes(field).map(|()| allow));
    let read: Vec<Option<Allow>> = [
        said("ignore", Allow::Ignore),
        map.get("absolute").map(|field| decimal(field, ABSOLUTE).map(Allow::Absolute)),
        map.get("relative").map(|field| decimal(field, RELATIVE).map(Allow::Relative)),
        map.get("time").map(|field| field.duration(APART).map(Allow::Time)),
        map.get("like").map(|field| class(field).map(Allow::Like)),
        said("ignoreCase", Allow::IgnoreCase),
        said("nullIsAbsent", Allow::NullIsAbsent),
        map.get("numbers").map(|field| field.one_of(&[("exact", ())]).map(|()| Allow::ExactNumbers)),
    ]
    .into_iter()
    .flatten()
    .collect();
    read.into_iter().collect()
}

fn yes(field: &Field<'_>) -> Option<()> {
    let said = field.tree() == &Tree::Bool(true);
    if !said {
        field.problem("must be true, or left out");
    }
    said.then_some(())
}

/// As it is written: 0.01 is a hundredth and not the float next to it.
fn decimal(field: &Field<'_>, bounds: RangeInclusive<f64>) -> Option<Decimal> {
    let value = field.number(bounds)?;
    Decimal::parse(value.to_string().as_bytes())
}

fn class(field: &Field<'_>) -> Option<Class> {
    match field.tree() {
        Tree::Map(_) => {
            let map = field.map(&["regex"])?;
            let regex = map.required("regex")?;
            let refused = |error| {
                regex.problem(format!(
                    "must be a regular expression of at most 16384 bytes when compiled: {error}"
                ));
            };
            Expression::new(regex.text()?).map_err(refused).ok().map(Class::Matching)
        }
        Tree::Text(name) => {
            let found = CLASSES.iter().find(|(known, _)| known == name).map(|(_, class)| class.clone());
            if found.is_none() {
                field.unknown_name("class of values", name, CLASSES.iter().map(|(name, _)| *name));
            }
            found
        }
        _ => {
            field.problem("must be one of uuid, id, number, time, or a mapping with regex");
            None
        }
    }
}

fn arrays(field: &Field<'_>) -> Option<Arrays> {
    if !matches!(field.tree(), Tree::Map(_)) {
        return field
            .one_of(&[("ordered", false), ("unordered", true)])
            .map(|unordered| if unordered { Arrays::Unordered } else { Arrays::Ordered });
    }
    let map = field.map(&["by"])?;
    map.required("by")?.each_or_one(1..=MOST_KEYS, key).map(Arrays::By)
}

fn key(field: &Field<'_>) -> Option<String> {
    let name = field.text()?;
    if name.is_empty() || name.chars().count() > LONGEST_KEY {
        field.problem("must be the name of a member, 1 to 255 characters");
        return None;
    }
    Some(name.to_owned())
}

/// Headers and cookies have neither nulls nor arrays, and their numbers are texts.
fn of_bodies(map: &Map<'_>, at: &[Pattern]) -> Option<()> {
    let mut fits = Some(());
    for field in ["nullIsAbsent", "array", "numbers"].iter().filter_map(|name| map.get(name)) {
        if !at.iter().all(Pattern::is_of_body) {
            field.problem("must be for places in bodies alone");
            fits = None;
        }
    }
    fits
}

const FIELDS: [&str; 10] = [
    "at",
    "ignore",
    "absolute",
    "relative",
    "time",
    "like",
    "ignoreCase",
    "nullIsAbsent",
    "array",
    "numbers",
];
const CLASSES: [(&str, Class); 4] =
    [("uuid", Class::Uuid), ("id", Class::Id), ("number", Class::Number), ("time", Class::Time)];
/// How far apart numbers may be.
const ABSOLUTE: RangeInclusive<f64> = 0.000_000_001..=1e15;
/// A share, not percent.
const RELATIVE: RangeInclusive<f64> = 0.000_000_001..=1.0;
const APART: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24 * 365);
const MOST_RULES: usize = 1_000;
const MOST_PLACES: usize = 100;
const MOST_KEYS: usize = 8;
const LONGEST_KEY: usize = 255;
