//! Sharing requests out by weight, so that a user stays with a variant as long as its share does not shrink.
//!
//! A key has a fixed position among a million, by its hash and the split's salt. With one or two candidates the first
//! grows from 0 up and the second from the top down; the holder (the policy's default, else the last listed) has what
//! is left between them, so a candidate that grows takes only from the holder. From three candidates on they follow each
//! other from 0 in the order of the document, and the holder has the rest. Position of a share's end: `⌊sum of the
//! weights below it × 1 000 000 / total⌋`, so a weight of zero is never chosen.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use murmur3::murmur3_x64_128;

use crate::decision::Request;
use crate::dice::Dice;
use crate::document::{Field, Map, Tree};
use crate::facts::{CookieSlot, Facts, HeaderSlot, Questions};
use crate::matching::{COOKIE_NAMES, HEADER_NAMES, header_name, is_cookie_name};
use crate::variant::{Variant, Variants};

/// A split by weight.
#[derive(Debug)]
pub(crate) struct Split {
    /// The first that a request has decides; none at all means that each request is on its own.
    keys: Vec<Key>,
    /// With the `|` that separates it from the key.
    salt: Vec<u8>,
    layout: Layout,
    on_missing_key: OnMissingKey,
    default: Option<Arc<Variant>>,
}

/// What a split takes over from its policy.
pub(crate) struct Surroundings<'a> {
    pub(crate) variants: &'a Variants,
    pub(crate) default: Option<&'a Arc<Variant>>,
    /// The salt unless one is given; `None` if the rule has no name to make one of.
    pub(crate) salt: Option<String>,
}

#[derive(Debug)]
enum Key {
    Header(HeaderSlot),
    Cookie(CookieSlot),
    Address,
}

#[derive(Debug, Clone, Copy)]
enum OnMissingKey {
    Random,
    Default,
}

/// Variants with the end of their range, ascending: position `p` belongs to the first whose end is above `p`.
#[derive(Debug)]
struct Layout(Vec<(u32, Arc<Variant>)>);

impl Split {
    pub(crate) fn read(
        field: &Field<'_>,
        around: &Surroundings<'_>,
        questions: &mut Questions,
    ) -> Option<Self> {
        let map = field.map(&["by", "salt", "weights", "onMissingKey"])?;
        let keys = map.get("by").map_or(Some(Vec::new()), |field| read_keys(field, questions));
        let salt = read_salt(&map, around);
        let on_missing_key = map.get("onMissingKey").map_or(Some(OnMissingKey::Random), |field| {
            field.one_of(&[("random", OnMissingKey::Random), ("default", OnMissingKey::Default)])
        });
        let layout = map.required("weights").and_then(|field| read_weights(field, around));
        Some(Self {
            keys: keys?,
            salt: salt?,
            layout: layout?,
            on_missing_key: on_missing_key?,
            default: around.default.cloned(),
        })
    }

    /// The variant of a request and its position, which is `None` where a missing key means the default.
    pub(crate) fn choose<R: Request + ?Sized>(
        &self,
        facts: &mut Facts<'_, R>,
        dice: &mut Dice,
    ) -> (Option<&Arc<Variant>>, Option<u32>) {
        let position = match (self.keyed_position(facts), self.on_missing_key) {
            (Some(position), _) => position,
            (None, OnMissingKey::Default) if !self.keys.is_empty() => return (self.default.as_ref(), None),
            (None, OnMissingKey::Random | OnMissingKey::Default) => scale(dice.next()),
        };
        (self.layout.at(position), Some(position))
    }

    /// An empty key is a missing one: else all who send it would share a position.
    fn keyed_position<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> Option<u32> {
        self.keys.iter().find_map(|key| {
            let value = match key {
                Key::Header(slot) => facts.header(*slot).map(Cow::Borrowed),
                Key::Cookie(slot) => facts.cookie(*slot).map(Cow::Borrowed),
                Key::Address => facts.peer_address(),
            };
            position(&self.salt, &value.filter(|value| !value.is_empty())?)
        })
    }
}

impl Layout {
    /// `weights` in the order of the document with a positive sum.
    fn new(weights: &[(u64, Arc<Variant>)], default: Option<&Arc<Variant>>) -> Option<Self> {
        let total: u64 = weights.iter().map(|(weight, _)| weight).sum();
        let default = weights.iter().position(|(_, variant)| Some(variant) == default);
        let (holder, candidates) = take(weights, default.unwrap_or(weights.len().checked_sub(1)?))?;
        let in_order = match candidates.as_slice() {
            [first, second] => vec![*first, holder, *second],
            _ => candidates.iter().copied().chain([holder]).collect(),
        };
        let mut below = 0_u64;
        let ends = in_order.into_iter().map(|(weight, variant)| {
            below += weight;
            Some((end(below, total)?, Arc::clone(variant)))
        });
        ends.collect::<Option<_>>().map(Self)
    }

    fn at(&self, position: u32) -> Option<&Arc<Variant>> {
        self.0.iter().find(|(end, _)| position < *end).map(|(_, variant)| variant)
    }
}

/// The position of a key under a salt that ends with `|`: the low 64 bits of `murmur3_x64_128` (seed 0) scaled to a
/// million. The digest's lower half is its first eight bytes, so other implementations find it easily.
fn position(salt: &[u8], key: &[u8]) -> Option<u32> {
    let mut salted = salt.chain(key);
    #[expect(clippy::cast_possible_truncation, reason = "the low 64 bits are meant")]
    murmur3_x64_128(&mut salted, 0).ok().map(|hash| scale(hash as u64))
}

fn scale(hash: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "below a million")]
    let position = ((u128::from(hash) * u128::from(POSITIONS)) >> 64) as u32;
    position
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

fn read_salt(map: &Map<'_>, around: &Surroundings<'_>) -> Option<Vec<u8>> {
    let salt = match (map.get("salt"), &around.salt) {
        (Some(field), _) => {
            let text = field.text()?;
            if !(1..=LONGEST_SALT).contains(&text.len()) {
                field.problem(format!("must have 1 to {LONGEST_SALT} bytes"));
                return None;
            }
            text.to_owned()
        }
        (None, Some(salt)) => salt.clone(),
        (None, None) if map.get("by").is_none() => String::new(),
        (None, None) => {
            map.field().note(
                "has no salt, so its rule must have a name: users would move with each rule added before it"
                    .to_owned(),
            );
            return None;
        }
    };
    Some(format!("{salt}|").into_bytes())
}

fn read_keys(field: &Field<'_>, questions: &mut Questions) -> Option<Vec<Key>> {
    let keys: Vec<_> = match field.tree() {
        Tree::List(_) => field.list(1..=MOST_KEYS)?.iter().map(|field| read_key(field, questions)).collect(),
        _ => vec![read_key(field, questions)],
    };
    keys.into_iter().collect()
}

fn read_key(field: &Field<'_>, questions: &mut Questions) -> Option<Key> {
    let text = field.text()?;
    match text.split_once(':') {
        None if text == "ip" => return Some(Key::Address),
        Some(("header", name)) => match header_name(name) {
            Some(name) => return Some(Key::Header(questions.header(&name))),
            None => field.problem(format!("with a name that {HEADER_NAMES}")),
        },
        Some(("cookie", name)) if is_cookie_name(name) => return Some(Key::Cookie(questions.cookie(name))),
        Some(("cookie", _)) => field.problem(format!("with a name that {COOKIE_NAMES}")),
        _ => field.problem("must be header:<name>, cookie:<name> or ip"),
    }
    None
}

fn read_weights(field: &Field<'_>, around: &Surroundings<'_>) -> Option<Layout> {
    let entries = field.entries()?;
    if entries.is_empty() {
        field.note("is empty, must have at least one variant".to_owned());
        return None;
    }
    let weights: Vec<_> = entries
        .iter()
        .map(|(name, field)| {
            let variant = around.variants.find(field, name);
            field.integer(0..=LARGEST_SUM).zip(variant)
        })
        .collect();
    let weights = weights.into_iter().collect::<Option<Vec<_>>>()?;
    let sum = weights.iter().try_fold(0_u64, |sum, (weight, _)| sum.checked_add(*weight));
    match sum {
        Some(1..=LARGEST_SUM) => Layout::new(&weights, around.default),
        sum => {
            let sum = sum.map_or("an overflow".to_owned(), |sum| sum.to_string());
            field.note(format!("has the sum {sum}, must be within 1..={LARGEST_SUM}"));
            None
        }
    }
}

const POSITIONS: u32 = 1_000_000;
/// As Envoy bounds the sum of its weighted clusters.
const LARGEST_SUM: u64 = u32::MAX as u64;
const MOST_KEYS: usize = 8;
/// Bytes.
const LONGEST_SALT: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(name: &str) -> Arc<Variant> {
        Arc::new(Variant { name: name.to_owned(), cluster: name.to_owned(), isolated: false })
    }

    fn layout(weights: &[(&str, u64)], default: &str) -> Layout {
        let weights: Vec<_> = weights.iter().map(|(name, weight)| (*weight, variant(name))).collect();
        Layout::new(&weights, Some(&variant(default))).unwrap()
    }

    fn check(weights: &[(&str, u64)], default: &str, expected: &str) {
        let layout = layout(weights, default);
        let ends: Vec<_> = layout.0.iter().map(|(end, variant)| format!("{}<{end}", variant.name)).collect();
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
            for position in 0..POSITIONS {
                assert_ne!(layout.at(position).unwrap().name, zero, "{weights:?} at {position}");
            }
        }
    }

    #[test]
    fn positions_and_the_hash_beneath_them() {
        for (salted, expected) in [
            ("checkout-2026|u-1", 477_869),
            ("checkout-2026|u-2", 688_280),
            ("checkout-2026|00042", 552_772),
            ("search-2026|u-1", 578_637),
            ("checkout-2026|用户42", 244_160),
        ] {
            let (salt, key) = salted.split_once('|').unwrap();
            let found = position(format!("{salt}|").as_bytes(), key.as_bytes());
            assert_eq!(found, Some(expected), "{salted}");
        }
        for (text, expected) in [("test-uid-0001", 5968), ("test-uid-0002", 4073), ("用户42", 8568)] {
            let hash = murmur3_x64_128(&mut text.as_bytes(), 0).unwrap();
            assert_eq!(hash as u64 % 10_000, expected, "{text}");
        }
    }
}
