//! Elements as the rules see them: a hash of what does not come under a rule, so that two that are equal but for what may differ have
//! the same.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::{Key, Walk, key_of, member, spread, value};
use crate::json::{Node, Shape, Tree};
use crate::pattern::{Place, Segment};
use crate::rules::Arrays;

/// What was found of objects and arrays, by whether they are the other side's and their place: an array within others that are
/// unordered is asked for at each of their levels.
#[derive(Default)]
pub(crate) struct Blurs {
    seen: RefCell<BTreeMap<(bool, u32), (u64, Varying)>>,
    /// Bytes of values that were tried against each other.
    pub(super) tried: Cell<usize>,
}

/// The numbers and times of an element that may vary.
#[derive(Debug, Clone, Copy, Default)]
struct Varying {
    first: Option<f64>,
    /// There is more than one: the first alone does not tell which elements are near.
    several: bool,
}

impl Varying {
    fn add(&mut self, other: Self) {
        self.several |= other.several || self.first.is_some() && other.first.is_some();
        self.first = self.first.or(other.first);
    }
}

/// Elements as the rules see them.
#[derive(Debug, Default)]
pub(super) struct Blurred {
    /// By what does not come under a rule, and by the first number that may vary.
    pub(super) keys: Vec<(Key, usize)>,
    /// One of them has several such numbers.
    pub(super) several: bool,
}

impl<'t> Walk<'_, '_, 't> {
    /// What of the elements does not come under a rule, as a hash; and a number that may vary, to pair those that are nearest.
    pub(super) fn blurred(&self, tree: &'t Tree<'t>, nodes: &[&'t Node], rest: &[usize]) -> Blurred {
        let mut path = self.path.clone();
        let mut several = false;
        let mut blurred = |&at: &usize| {
            path.push(Segment::Element(at));
            let mut varying = Varying::default();
            let hash = nodes.get(at).map(|node| self.blur(tree, node, &mut path, &mut varying));
            path.pop();
            several |= varying.several;
            ((hash, ordered(varying.first.unwrap_or_default())), at)
        };
        let keys = rest.iter().map(&mut blurred).collect();
        Blurred { keys, several }
    }

    /// The same of those with a key, which has to be equal, too.
    pub(super) fn blurred_of_key(
        &self,
        keys: &[String],
        tree: &'t Tree<'t>,
        nodes: &[&'t Node],
        rest: &[usize],
    ) -> Blurred {
        let of_key = |((hash, rank), at): (Key, usize)| {
            let key = key_of(tree, nodes.get(at)?, keys)?;
            Some(((hash.map(|hash| spread(hash, key)), rank), at))
        };
        let Blurred { keys, several } = self.blurred(tree, nodes, rest);
        Blurred { keys: keys.into_iter().filter_map(of_key).collect(), several }
    }

    /// The keys themselves as the rules see them, of the elements that have one.
    pub(super) fn blurred_keys(
        &self,
        keys: &[String],
        tree: &'t Tree<'t>,
        nodes: &[&'t Node],
        rest: &[usize],
    ) -> Vec<(Key, usize)> {
        let mut path = self.path.clone();
        let mut of_key = |&at: &usize| {
            let mut varying = Varying::default();
            path.push(Segment::Element(at));
            let hash = keys.iter().try_fold(0, |hash, key| {
                let member = member(tree, nodes.get(at)?, key)?;
                path.push(Segment::Member(key.as_bytes().to_vec().into()));
                let own = self.blur(tree, member, &mut path, &mut varying);
                path.pop();
                Some(spread(hash, own))
            });
            path.pop();
            Some(((Some(hash?), ordered(varying.first.unwrap_or_default())), at))
        };
        rest.iter().filter_map(&mut of_key).collect()
    }

    fn blur(
        &self,
        tree: &'t Tree<'t>,
        node: &'t Node,
        path: &mut Vec<Segment<'t>>,
        varying: &mut Varying,
    ) -> u64 {
        let rules = self.scope.rules;
        if !rules.reach_into(self.scope.endpoint, path) && !self.is_shuffled(node, path) {
            return tree.hash(node);
        }
        if !matches!(node.shape, Shape::Object | Shape::Array) {
            return self.blur_scalar(tree, node, path, varying);
        }
        let place = (std::ptr::eq(tree, self.other), node.place());
        let known = self.blurs.seen.borrow().get(&place).copied();
        let (hash, found) = known.unwrap_or_else(|| {
            let mut found = Varying::default();
            let seen = (self.blur_within(tree, node, path, &mut found), found);
            self.blurs.seen.borrow_mut().insert(place, seen);
            seen
        });
        varying.add(found);
        hash
    }

    fn blur_within(
        &self,
        tree: &'t Tree<'t>,
        node: &'t Node,
        path: &mut Vec<Segment<'t>>,
        varying: &mut Varying,
    ) -> u64 {
        let rules = self.scope.rules;
        let ignored = rules.ignores(self.scope.endpoint, Place::Body(path));
        let element = node.shape == Shape::Array;
        let mut places = element.then(|| Places::of(rules.array(self.scope.endpoint, path)));
        let mut hash = 0_u64;
        for (at, child) in tree.children(node).enumerate().filter(|_| !ignored) {
            path.push(if element { Segment::Element(at) } else { Segment::Member(tree.key(child)) });
            let value = self.blur(tree, child, path, varying);
            let place = match &mut places {
                Some(places) => places.next(tree, child),
                None => xxh3_64(&tree.key(child)),
            };
            // Members commute; one that may be absent counts as if it were.
            let absent = value == NOTHING && !element;
            hash = hash.wrapping_add(if absent { 0 } else { scattered(spread(place, value)) });
            path.pop();
        }
        hash ^ (u64::from(node.count) * u64::from(element))
    }

    /// It is an array whose order does not count.
    fn is_shuffled(&self, node: &Node, path: &[Segment<'_>]) -> bool {
        node.shape == Shape::Array && *self.scope.rules.array(self.scope.endpoint, path) != Arrays::Ordered
    }

    /// A scalar is all that its rules make equal to it, or itself.
    fn blur_scalar(&self, tree: &Tree<'_>, node: &Node, path: &[Segment<'_>], varying: &mut Varying) -> u64 {
        let value = value(tree, node);
        let blur = self.scope.rules.at(self.scope.endpoint, Place::Body(path)).blur(&value);
        varying.add(Varying { first: blur.rank, several: false });
        match blur.class {
            Some(class) => spread(class, 1),
            None if blur.nothing => NOTHING,
            None => tree.hash(node),
        }
    }
}

/// What the place of an element in its array counts for, by what is said of the array. Elements of one place commute.
enum Places<'r> {
    /// By position.
    Ordered(u64),
    Unordered,
    /// Elements without the key by their position among those, the others commute.
    By(&'r [String], u64),
}

impl<'r> Places<'r> {
    fn of(arrays: &'r Arrays) -> Self {
        match arrays {
            Arrays::Ordered => Self::Ordered(0),
            Arrays::Unordered => Self::Unordered,
            Arrays::By(keys) => Self::By(keys, 0),
        }
    }

    fn next(&mut self, tree: &Tree<'_>, element: &Node) -> u64 {
        match self {
            Self::Unordered => ANYWHERE,
            Self::By(keys, _) if key_of(tree, element, keys).is_some() => ANYWHERE,
            Self::Ordered(at) | Self::By(_, at) => {
                *at += 1;
                *at
            }
        }
    }
}

/// A sum of these tells in which groups its terms came, which a sum of products does not: `[[1, 2], [3]]` is not `[[1], [2, 3]]`.
fn scattered(word: u64) -> u64 {
    let word = (word ^ (word >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word ^ (word >> 29)
}

/// Floats in their order.
fn ordered(number: f64) -> u64 {
    let bits = number.to_bits();
    if number.is_sign_negative() { !bits } else { bits | 1 << 63 }
}

/// The place of an element that may stand at any.
const ANYWHERE: u64 = 0;
/// What stands for a value that may as well be absent.
const NOTHING: u64 = 0x00ab_5e27;
