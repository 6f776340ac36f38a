//! Which variant has which positions. Position of a share's end: `⌊sum of the weights below it × 1 000 000 / total⌋`, so a
//! weight of zero is never chosen.

use std::sync::Arc;

use crate::document::{Field, Map, all};
use crate::key::POSITIONS;
use crate::order;
use crate::variant::{Variant, Variants};

/// Ranges of positions, ascending and disjoint; each from its first position to before its end, which may be the same.
#[derive(Debug)]
pub(crate) struct Layout {
    ranges: Vec<(u32, u32, Arc<Variant>)>,
    /// How many candidates follow each other, so that the growth of one moves the users of the next.
    pub(crate) adjacent: usize,
}

impl Layout {
    /// `weights` or `buckets`, one of them.
    pub(crate) fn read(map: &Map<'_>, variants: &Variants, default: Option<&Arc<Variant>>) -> Option<Self> {
        match (map.get("weights"), map.get("buckets")) {
            (Some(weights), None) => Self::weights(weights, variants, default),
            (None, Some(buckets)) => Self::buckets(buckets, variants),
            (None, None) => {
                map.field().note("has neither weights nor buckets, must have one of them".to_owned());
                None
            }
            (Some(weights), Some(buckets)) => {
                map.field().note("has both weights and buckets, must have one of them".to_owned());
                Self::weights(weights, variants, default);
                Self::buckets(buckets, variants);
                None
            }
        }
    }

    /// The variant that has this position.
    pub(crate) fn at(&self, position: u32) -> Option<&Arc<Variant>> {
        let found = self.ranges.iter().find(|(_, end, _)| position < *end);
        found.filter(|(first, ..)| *first <= position).map(|(.., variant)| variant)
    }

    /// The variant of this name if it is listed, and whether it has any position.
    pub(crate) fn named(&self, name: &str) -> Option<(&Arc<Variant>, bool)> {
        let mut of_name = self.ranges.iter().filter(|(.., variant)| variant.name == name);
        let (.., variant) = of_name.clone().next()?;
        Some((variant, of_name.any(|(first, end, _)| first < end)))
    }

    /// First position, end and variant of each range, ascending.
    pub(crate) fn ranges(&self) -> &[(u32, u32, Arc<Variant>)] {
        &self.ranges
    }

    /// `weights` in the order of the document with a positive sum.
    fn new(weights: &[(u64, Arc<Variant>)], default: Option<&Arc<Variant>>) -> Option<Self> {
        let total: u64 = weights.iter().map(|(weight, _)| weight).sum();
        let default = weights.iter().position(|(_, variant)| Some(variant) == default);
        let (holder, candidates) = take(weights, default.unwrap_or(weights.len().checked_sub(1)?))?;
        let in_order = match candidates.as_slice() {
            [first, second] => vec![*first, holder, *second],
            _ => candidates.iter().copied().chain([holder]).collect(),
        };
        let (mut below, mut first) = (0_u64, 0);
        let ranges = in_order.into_iter().map(|(weight, variant)| {
            below += weight;
            let end = end(below, total)?;
            let range = (first, end, Arc::clone(variant));
            first = end;
            Some(range)
        });
        let ranges = ranges.collect::<Option<_>>()?;
        Some(Self { ranges, adjacent: if candidates.len() > 2 { candidates.len() } else { 0 } })
    }

    fn weights(field: &Field<'_>, variants: &Variants, default: Option<&Arc<Variant>>) -> Option<Self> {
        let entries = entries(field)?;
        let weights = all(&entries, |(name, field)| {
            let variant = variants.find(field, name);
            field.integer(0..=LARGEST_SUM).zip(variant)
        })?;
        let sum = weights.iter().try_fold(0_u64, |sum, (weight, _)| sum.checked_add(*weight));
        match sum {
            Some(1..=LARGEST_SUM) => Self::new(&weights, default),
            sum => {
                let sum = sum.map_or("an overflow".to_owned(), |sum| sum.to_string());
                field.note(format!("has the sum {sum}, must be within 1..={LARGEST_SUM}"));
                None
            }
        }
    }

    fn buckets(field: &Field<'_>, variants: &Variants) -> Option<Self> {
        let entries = entries(field)?;
        let read = all(&entries, |(name, field)| read_buckets(name, field, variants))?;
        let mut buckets: Vec<Bucket<'_>> = read.into_iter().flatten().collect();
        order::sort(&mut buckets, &|a, b| a.first.cmp(&b.first));
        let mut overlap = false;
        for pair in buckets.windows(2) {
            let [before, Bucket { first, field, .. }] = pair else { continue };
            if *first <= before.last {
                let last = before.last;
                field.note(format!("begins with {first}, must lie behind the bucket that ends with {last}"));
                overlap = true;
            }
        }
        let ranges = buckets
            .into_iter()
            .map(|bucket| Some((bucket.first, bucket.last.checked_add(1)?, bucket.variant)));
        let ranges = ranges.collect::<Option<_>>().filter(|_| !overlap)?;
        Some(Self { ranges, adjacent: 0 })
    }
}

/// Positions of a variant, both ends included.
struct Bucket<'a> {
    first: u32,
    last: u32,
    variant: Arc<Variant>,
    field: Field<'a>,
}

fn read_buckets<'a>(name: &str, field: &Field<'a>, variants: &Variants) -> Option<Vec<Bucket<'a>>> {
    let variant = variants.find(field, name);
    field.each(1..=MAX_BUCKETS, |field| {
        let (first, last) = field.interval(|end| end.integer(0..=u64::from(POSITIONS) - 1))?;
        let (first, last) = (u32::try_from(first).ok()?, u32::try_from(last).ok()?);
        Some(Bucket { first, last, variant: Arc::clone(variant.as_ref()?), field: field.clone() })
    })
}

fn entries<'a>(field: &Field<'a>) -> Option<Vec<(&'a str, Field<'a>)>> {
    let entries = field.entries()?;
    if entries.is_empty() {
        field.note("is empty, must have at least one variant".to_owned());
        return None;
    }
    Some(entries)
}

fn end(below: u64, total: u64) -> Option<u32> {
    let position = u128::from(below) * u128::from(POSITIONS) / u128::from(total).max(1);
    u32::try_from(position).ok()
}

/// The item at `index` and the others in order.
fn take<T>(items: &[T], index: usize) -> Option<(&T, Vec<&T>)> {
    let (before, rest) = items.split_at_checked(index)?;
    let (item, after) = rest.split_first()?;
    Some((item, before.iter().chain(after).collect()))
}

/// As Envoy bounds the sum of its weighted clusters.
const LARGEST_SUM: u64 = u32::MAX as u64;
const MAX_BUCKETS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(weights: &[(&str, u64)], default: &str) -> Layout {
        let variant = |name: &str| Arc::new(Variant::named(name, 0));
        let weights: Vec<_> = weights.iter().map(|(name, weight)| (*weight, variant(name))).collect();
        Layout::new(&weights, Some(&variant(default))).unwrap()
    }

    fn check(weights: &[(&str, u64)], default: &str, expected: &str) {
        let layout = layout(weights, default);
        let ends: Vec<_> =
            layout.ranges.iter().map(|(_, end, variant)| format!("{}<{end}", variant.name)).collect();
        assert_eq!(ends.join(" "), expected, "{weights:?}");
    }

    #[test]
    fn layouts() {
        check(&[("canary", 10), ("stable", 90)], "stable", "canary<100000 stable<1000000");
        check(&[("stable", 90), ("canary", 10)], "stable", "canary<100000 stable<1000000");
        check(&[("stable", 90), ("canary", 10)], "", "stable<900000 canary<1000000");
        check(&[("a", 25), ("b", 20), ("stable", 55)], "stable", "a<250000 stable<800000 b<1000000");
        check(&[("s", 70), ("a", 10), ("b", 10), ("c", 10)], "s", "a<100000 b<200000 c<300000 s<1000000");
        check(&[("a", 1), ("b", 2), ("s", 0)], "s", "a<333333 s<333333 b<1000000");
        check(&[("a", 7)], "s", "a<1000000");
        check(&[("a", 0), ("s", 3)], "s", "a<0 s<1000000");
    }

    #[test]
    fn a_weight_of_zero_is_never_chosen() {
        for weights in
            [[("a", 1), ("b", 2), ("s", 0)], [("a", 0), ("b", 3), ("s", 7)], [("a", 3), ("b", 0), ("s", 7)]]
        {
            let layout = layout(&weights, "s");
            let zero = weights.iter().find(|(_, weight)| *weight == 0).unwrap().0;
            assert!(!layout.named(zero).unwrap().1);
            for position in 0..POSITIONS {
                assert_ne!(layout.at(position).unwrap().name, zero, "{weights:?} at {position}");
            }
        }
    }
}
