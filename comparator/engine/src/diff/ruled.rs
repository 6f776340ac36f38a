//! What the rules make of a difference, and of arrays that they name or reach into.
//!
//! Elements are matched as the rules see them, so that two that are equal but for what may differ meet. Everything sorts,
//! and nothing is quadratic beyond a bound. Where no rule reaches, none of this runs.

mod blur;
mod meeting;

pub(super) use blur::Blurs;

use std::borrow::Cow;

use super::{ABSENT, Detail, Walk, aggregated, exact, secret};
use crate::arrays::{self, Elements, Hashed, introduce, remove};
use crate::diff::Differences;
use crate::excerpt;
use crate::farther::Measure;
use crate::guess::Guesses;
use crate::json::{Node, Shape, Tree, unescape};
use crate::kind::Kind;
use crate::pattern::{Place, Segment};
use crate::rules::{Arrays, Value};
use crate::secrets::Secrets;

/// Positions that answer to each other, and those that are left on each side.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Matched {
    pub(super) pairs: Vec<(usize, usize)>,
    pub(super) left: Vec<usize>,
    pub(super) right: Vec<usize>,
}

impl<'t> Walk<'_, '_, 't> {
    /// More need not be looked at.
    pub(super) fn is_enough(&self) -> bool {
        self.into.full() || self.trial && self.into.seen > 0
    }

    /// It is a number whose spelling counts.
    pub(super) fn spells(&self, node: &Node) -> bool {
        let place = Place::Body(&self.path);
        self.spelled
            && node.shape == Shape::Number
            && self.scope.rules.at(self.scope.endpoint, place).spells_numbers()
    }

    /// The rules allow a difference at the present path.
    pub(super) fn allowed(&self, kind: Kind, left: Option<&Node>, right: Option<&Node>) -> bool {
        let allowed = self.scope.rules.at(self.scope.endpoint, Place::Body(&self.path));
        if allowed.is_empty() {
            return false;
        }
        let (left, right) =
            (left.map(|node| value(self.primary, node)), right.map(|node| value(self.other, node)));
        allowed.excuses(kind, left.as_ref(), right.as_ref())
    }

    /// Compares two arrays by what the rules say of them. False: they say nothing, nothing was done.
    pub(super) fn ruled(
        &mut self,
        left: &'t Node,
        right: &'t Node,
        lefts: &[&'t Node],
        rights: &[&'t Node],
    ) -> bool {
        let rules = self.scope.rules;
        let reached = self.spelled || rules.reach_into(self.scope.endpoint, &self.path);
        match rules.array(self.scope.endpoint, &self.path) {
            Arrays::By(keys) => self.keyed(keys, lefts, rights, reached),
            Arrays::Unordered => self.unordered(left, right, lefts, rights, reached),
            Arrays::Ordered => return reached && self.in_place(left, right, lefts, rights),
        }
        true
    }

    /// Nothing differs but what may if elements are compared by position. Who only asks whether anything differs has no use for
    /// another way than that: all ways would be tried again at each level.
    fn in_place(&mut self, left: &'t Node, right: &'t Node, lefts: &[&'t Node], rights: &[&'t Node]) -> bool {
        let all = || (0..lefts.len().min(rights.len())).map(|at| (at, at));
        let even = lefts.len() == rights.len();
        if self.trial {
            if !even {
                self.differ(Kind::Length, Some(left), Some(right));
            }
            self.pairs(lefts, rights, all());
            return true;
        }
        even && self.is_trial_passed(lefts, rights)
    }

    /// A walk from `path` on that only finds out whether anything differs.
    fn trial<'v, 'f>(&'v self, path: Vec<Segment<'t>>, into: &'v mut Differences<'f>) -> Walk<'v, 'f, 't> {
        let Walk { primary, other, scope, spelled, blurs, .. } = *self;
        Walk { primary, other, scope, path, into, spelled, trial: true, objects: Vec::new(), blurs }
    }

    fn is_trial_passed(&mut self, lefts: &[&'t Node], rights: &[&'t Node]) -> bool {
        let mut found = Differences::subjects();
        let path = std::mem::take(&mut self.path);
        let mut walk = self.trial(path, &mut found);
        walk.pairs(lefts, rights, (0..lefts.len()).map(|at| (at, at)));
        self.path = walk.path;
        found.seen == 0
    }

    fn unordered(
        &mut self,
        left: &'t Node,
        right: &'t Node,
        lefts: &[&'t Node],
        rights: &[&'t Node],
        reached: bool,
    ) {
        if lefts.len() != rights.len() {
            self.differ(Kind::Length, Some(left), Some(right));
        }
        let mut matched = Matched::of(self.primary, lefts, self.other, rights);
        if reached {
            let l = self.blurred(self.primary, lefts, &matched.left);
            let r = self.blurred(self.other, rights, &matched.right);
            self.meet(&mut matched, (l, lefts), (r, rights));
        }
        matched.by_likeness(self.primary, lefts, self.other, rights);
        self.pairs(lefts, rights, matched.ascending(lefts.len()));
    }

    /// Elements with equal keys answer to each other, of those with the same key the equal ones and then the n-th to the n-th;
    /// elements without it by position.
    fn keyed(&mut self, keys: &[String], lefts: &[&'t Node], rights: &[&'t Node], reached: bool) {
        let mut matched = Matched::of(self.primary, lefts, self.other, rights);
        if reached {
            let l = self.blurred_of_key(keys, self.primary, lefts, &matched.left);
            let r = self.blurred_of_key(keys, self.other, rights, &matched.right);
            self.meet(&mut matched, (l, lefts), (r, rights));
        }
        let keyed = |tree: &Tree<'_>, nodes: &[&Node], rest: &[usize]| -> Vec<(Key, usize)> {
            let key = |&at: &usize| Some(((key_of(tree, nodes.get(at)?, keys), 0), at));
            rest.iter().filter_map(key).collect()
        };
        let (l, r) = (keyed(self.primary, lefts, &matched.left), keyed(self.other, rights, &matched.right));
        matched.further(l, r);
        if reached {
            let l = self.blurred_keys(keys, self.primary, lefts, &matched.left);
            let r = self.blurred_keys(keys, self.other, rights, &matched.right);
            let met = met(l, r).into_iter().filter(|pair| self.has_equal_keys(keys, lefts, rights, *pair));
            matched.add(met.collect());
        }
        let (left, right) = (std::mem::take(&mut matched.left), std::mem::take(&mut matched.right));
        self.pairs(lefts, rights, matched.ascending(lefts.len()));
        for at in left {
            self.alone(Kind::Missing, keys, at, lefts.get(at).copied());
        }
        for at in right {
            self.alone(Kind::Extra, keys, at, rights.get(at).copied());
        }
    }

    fn pairs(
        &mut self,
        lefts: &[&'t Node],
        rights: &[&'t Node],
        pairs: impl Iterator<Item = (usize, usize)>,
    ) {
        for (at, against) in pairs {
            let (Some(left), Some(right)) = (lefts.get(at), rights.get(against)) else { continue };
            self.path.push(Segment::Element(at));
            self.values(left, right);
            self.path.pop();
        }
    }

    /// An element whose key only one side has.
    fn alone(&mut self, kind: Kind, keys: &[String], at: usize, node: Option<&'t Node>) {
        let Some(node) = node else { return };
        self.path.push(Segment::Element(at));
        let (left, right) = if kind == Kind::Missing { (Some(node), None) } else { (None, Some(node)) };
        if !self.into.full() && !self.allowed(kind, left, right) {
            let tree = if kind == Kind::Missing { self.primary } else { self.other };
            let (path, secrets) = (&self.path, self.scope.rules.secrets());
            let detail = || {
                let there = match secret(path, secrets) {
                    Some(_) => excerpt::REDACTED.to_owned(),
                    None => named(tree, node, keys, secrets),
                };
                let absent = ABSENT.to_owned();
                let (primary, other) = if kind == Kind::Missing { (there, absent) } else { (absent, there) };
                Detail { primary, other, exact: exact(path), control: None }
            };
            let guesses = || guesses(kind, (self.primary, left), (self.other, right));
            self.into.add(|place| aggregated(path, place), kind, detail, guesses);
        }
        self.path.pop();
    }
}

/// A hash, and a number by which those with the same are ordered.
type Key = (Option<u64>, u64);

impl Matched {
    /// Pairs of elements that mean the same, the n-th with the n-th.
    fn of(primary: &Tree<'_>, lefts: &[&Node], other: &Tree<'_>, rights: &[&Node]) -> Self {
        let hashed = |tree: &Tree<'_>, nodes: &[&Node]| {
            Hashed::new(nodes.iter().enumerate().map(|(at, node)| (tree.hash(node), at)))
        };
        let mut matched =
            Self { pairs: Vec::new(), left: (0..lefts.len()).collect(), right: (0..rights.len()).collect() };
        matched.add(hashed(primary, lefts).join(&hashed(other, rights)));
        matched
    }

    fn add(&mut self, found: Vec<(usize, usize)>) {
        let length = |rest: &[usize]| rest.last().map_or(0, |last| last + 1);
        let lengths = (length(&self.left), length(&self.right));
        remove(&mut self.left, lengths.0, found.iter().map(|pair| pair.0));
        remove(&mut self.right, lengths.1, found.iter().map(|pair| pair.1));
        self.pairs.extend(found);
    }

    /// Pairs what is left, by other keys. Those of one hash meet in the order of their numbers.
    fn further(&mut self, left: Vec<(Key, usize)>, right: Vec<(Key, usize)>) {
        self.add(met(left, right));
    }

    /// Pairs what is left as elements of ordered arrays are: by the member that identifies them best, then by position. What
    /// means the same on both sides is not left.
    fn by_likeness(&mut self, primary: &Tree<'_>, lefts: &[&Node], other: &Tree<'_>, rights: &[&Node]) {
        let left_nodes: Vec<&Node> = self.left.iter().filter_map(|&at| lefts.get(at).copied()).collect();
        let right_nodes: Vec<&Node> = self.right.iter().filter_map(|&at| rights.get(at).copied()).collect();
        let found = arrays::align_unlike(
            Elements { tree: primary, nodes: &left_nodes },
            Elements { tree: other, nodes: &right_nodes },
        );
        let pair = |(a, b): (usize, usize)| Some((*self.left.get(a)?, *self.right.get(b)?));
        self.pairs.extend(found.into_iter().filter_map(pair));
    }

    /// The pairs by their position on the left.
    fn ascending(self, lefts: usize) -> impl Iterator<Item = (usize, usize)> {
        let mut partners = vec![None; lefts];
        introduce(&mut partners, self.pairs);
        arrays::pairs(partners).into_iter()
    }
}

/// Pairs of elements of one hash, in the order of their numbers.
fn met(mut left: Vec<(Key, usize)>, mut right: Vec<(Key, usize)>) -> Vec<(usize, usize)> {
    left.sort_unstable();
    right.sort_unstable();
    let (mut lefts, mut rights) = (left.iter().peekable(), right.iter().peekable());
    let mut found = Vec::new();
    while let (Some(l), Some(r)) = (lefts.peek(), rights.peek()) {
        match l.0.0.cmp(&r.0.0) {
            std::cmp::Ordering::Less => drop(lefts.next()),
            std::cmp::Ordering::Greater => drop(rights.next()),
            std::cmp::Ordering::Equal => {
                found.push((l.1, r.1));
                lefts.next();
                rights.next();
            }
        }
    }
    found
}

/// The hash of an element's key; `None` if it has not all of its members.
fn key_of(tree: &Tree<'_>, element: &Node, keys: &[String]) -> Option<u64> {
    keys.iter().try_fold(0, |hash, key| Some(spread(hash, tree.hash(member(tree, element, key)?))))
}

fn member<'t>(tree: &'t Tree<'_>, element: &Node, key: &str) -> Option<&'t Node> {
    let mut members = tree.children(element).filter(|_| element.shape == Shape::Object);
    members.find(|member| *tree.key(member) == *key.as_bytes())
}

/// An element by its key, as `id 7 {3 members}`.
fn named(tree: &Tree<'_>, element: &Node, keys: &[String], secrets: &Secrets) -> String {
    let shown = |key: &String| {
        let node = member(tree, element, key)?;
        let value = excerpt::node(tree, node, secrets.of_member(key.as_bytes()));
        Some(format!("{key} {value} "))
    };
    let keys: String = keys.iter().filter_map(shown).collect();
    excerpt::line(format!("{keys}{}", excerpt::node(tree, element, None)).as_bytes(), excerpt::MAX_CHARS)
}

/// Which rules would allow a difference of two values.
pub(super) fn guesses(
    kind: Kind,
    (primary, left): (&Tree<'_>, Option<&Node>),
    (other, right): (&Tree<'_>, Option<&Node>),
) -> Guesses {
    let (left, right) = (left.map(|node| value(primary, node)), right.map(|node| value(other, node)));
    Guesses::of(kind, left.as_ref(), right.as_ref())
}

/// How a value lies to the primary's.
pub(super) fn measure(
    (primary, left): (&Tree<'_>, Option<&Node>),
    (other, right): (&Tree<'_>, Option<&Node>),
) -> Measure {
    let (left, right) = (left.map(|node| value(primary, node)), right.map(|node| value(other, node)));
    Measure::of(left.as_ref(), right.as_ref())
}

/// The value of a node, for the rules.
fn value<'v>(tree: &'v Tree<'_>, node: &Node) -> Value<'v> {
    let lexeme = tree.lexeme(node);
    let text = if node.shape == Shape::Text { unescape(lexeme) } else { Cow::Borrowed(lexeme) };
    Value::new(node.shape, text)
}

fn spread(left: u64, right: u64) -> u64 {
    (left.rotate_left(23) ^ right.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

#[cfg(test)]
mod tests;
