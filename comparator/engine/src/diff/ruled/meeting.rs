//! Which elements meet that are equal but for several numbers or times within their tolerances.
//!
//! To be within a tolerance is no equality: two may be near a third and not each other, so no hash and no order finds the pairs. They are
//! tried, each with those that look alike, within a bound.

use super::blur::Blurred;
use super::{Key, Matched, Walk, member};
use crate::diff::Differences;
use crate::json::Node;
use crate::pattern::Segment;

/// Elements that look alike, as positions in their arrays.
struct Alike<'m> {
    lefts: &'m [usize],
    rights: &'m [usize],
    /// Whether two are equal, as far as it was tried.
    equal: Vec<Option<bool>>,
    /// By right.
    partners: Vec<Option<usize>>,
}

impl<'t> Walk<'_, '_, 't> {
    /// Pairs what is left by what the rules see of it.
    pub(super) fn meet(
        &self,
        matched: &mut Matched,
        (left, lefts): (Blurred, &[&'t Node]),
        (right, rights): (Blurred, &[&'t Node]),
    ) {
        if !left.several && !right.several {
            return matched.further(left.keys, right.keys);
        }
        let (left, right) = (by_hash(left.keys), by_hash(right.keys));
        let mut found = Vec::new();
        for (hash, alike) in &left {
            let Ok(at) = right.binary_search_by_key(hash, |(hash, _)| *hash) else { continue };
            let others = right.get(at).map(|(_, others)| others.as_slice()).unwrap_or_default();
            found.extend(self.alike(alike, others, lefts, rights));
        }
        matched.add(found);
    }

    /// As many pairs as are equal, and what is left in its order.
    fn alike(
        &self,
        left: &[usize],
        right: &[usize],
        lefts: &[&'t Node],
        rights: &[&'t Node],
    ) -> Vec<(usize, usize)> {
        if !(2..=MAX_ALIKE).contains(&left.len().max(right.len())) {
            return left.iter().copied().zip(right.iter().copied()).collect();
        }
        let equal = |l: usize, r: usize| match (lefts.get(l), rights.get(r)) {
            (Some(left), Some(right)) => self.is_equal(vec![Segment::Element(l)], left, right),
            _ => false,
        };
        Alike {
            lefts: left,
            rights: right,
            equal: vec![None; left.len() * right.len()],
            partners: vec![None; right.len()],
        }
        .pairs(&equal)
    }

    /// Whether the rules allow all in which the keys of two elements differ.
    pub(super) fn has_equal_keys(
        &self,
        keys: &[String],
        lefts: &[&'t Node],
        rights: &[&'t Node],
        (at, against): (usize, usize),
    ) -> bool {
        keys.iter().all(|key| {
            let left = lefts.get(at).and_then(|element| member(self.primary, element, key));
            let right = rights.get(against).and_then(|element| member(self.other, element, key));
            let way = || vec![Segment::Element(at), Segment::Member(key.as_bytes().to_vec().into())];
            left.zip(right).is_some_and(|(left, right)| self.is_equal(way(), left, right))
        })
    }

    /// Whether two values that stand behind `way` differ in nothing but what may. Beyond the bound of what is tried they do.
    fn is_equal(&self, way: Vec<Segment<'t>>, left: &'t Node, right: &'t Node) -> bool {
        let length = self.primary.text(left).len() + self.other.text(right).len();
        let tried = self.blurs.tried.get().saturating_add(length);
        if tried > MAX_TRIED {
            return false;
        }
        self.blurs.tried.set(tried);
        let mut found = Differences::subjects();
        let path = self.path.iter().cloned().chain(way).collect();
        self.trial(path, &mut found).values(left, right);
        found.seen == 0
    }
}

impl Alike<'_> {
    fn pairs(mut self, equal: &dyn Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
        let mut alone = Vec::new();
        for left in 0..self.lefts.len() {
            if left < self.rights.len() && self.are_equal(left, left, equal) {
                if let Some(partner) = self.partners.get_mut(left) {
                    *partner = Some(left);
                }
            } else {
                alone.push(left);
            }
        }
        alone.retain(|&left| !self.finds(left, &mut vec![false; self.rights.len()], equal));
        let mut rest = alone.into_iter();
        let partners = self.partners.iter().map(|partner| partner.or_else(|| rest.next()));
        let pairs = partners
            .zip(self.rights)
            .filter_map(|(partner, right)| Some((*self.lefts.get(partner?)?, *right)));
        pairs.collect()
    }

    /// Gives a left one a partner, if that takes others to be paired anew.
    fn finds(&mut self, left: usize, asked: &mut [bool], equal: &dyn Fn(usize, usize) -> bool) -> bool {
        for right in 0..self.rights.len() {
            let Some(was_asked) = asked.get_mut(right).filter(|asked| !**asked) else { continue };
            if !self.are_equal(left, right, equal) {
                continue;
            }
            *was_asked = true;
            let before = self.partners.get(right).copied().flatten();
            if before.is_none_or(|before| self.finds(before, asked, equal)) {
                if let Some(partner) = self.partners.get_mut(right) {
                    *partner = Some(left);
                }
                return true;
            }
        }
        false
    }

    fn are_equal(&mut self, left: usize, right: usize, equal: &dyn Fn(usize, usize) -> bool) -> bool {
        let (Some(l), Some(r)) = (self.lefts.get(left), self.rights.get(right)) else { return false };
        match self.equal.get_mut(left * self.rights.len() + right) {
            Some(known) => *known.get_or_insert_with(|| equal(*l, *r)),
            None => false,
        }
    }
}

/// Elements of one hash together, in the order of their numbers, by hash.
fn by_hash(mut keys: Vec<(Key, usize)>) -> Vec<(Option<u64>, Vec<usize>)> {
    keys.sort_unstable();
    let mut all: Vec<(Option<u64>, Vec<usize>)> = Vec::new();
    for ((hash, _), at) in keys {
        match all.last_mut().filter(|(last, _)| *last == hash) {
            Some((_, alike)) => alike.push(at),
            None => all.push((hash, vec![at])),
        }
    }
    all
}

/// Elements that look alike of which each is tried with each.
const MAX_ALIKE: usize = 128;
/// Bytes of values that are tried against each other in one answer.
const MAX_TRIED: usize = 16 << 20;
