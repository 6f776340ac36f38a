//! Which element of one array answers to which of another.
//!
//! Comparing by position alone would blame every element behind an insertion, and every field of every element after a
//! shuffle. So elements that are written alike are matched first, wherever they stand; then objects by the member that
//! identifies them best; then what means the same; only what is left is paired in order. All of it sorts, nothing is
//! quadratic.

mod hashed;

use std::borrow::Cow;

pub(crate) use self::hashed::{Hashed, remove};
use crate::json::{Node, Shape, Tree};

/// The outcome of matching.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Alignment {
    /// Positions of elements that answer to each other and are not written alike in their place, by position on the left.
    pub(crate) pairs: Vec<(usize, usize)>,
    /// Elements that were recognised stand in another order.
    pub(crate) moved: bool,
}

/// The elements of one array, with the tree that they are of.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'t> {
    pub(crate) tree: &'t Tree<'t>,
    pub(crate) nodes: &'t [&'t Node],
}

/// Both arrays, and the positions that have no partner yet.
struct Match<'t> {
    left: Elements<'t>,
    right: Elements<'t>,
    rest_left: Vec<usize>,
    rest_right: Vec<usize>,
}

/// Matches the elements of two arrays.
pub(crate) fn align(left: Elements<'_>, right: Elements<'_>) -> Alignment {
    let (mut rest, in_place) = Match::by_position(left, right);
    let mut partners = vec![None; left.nodes.len()];
    if !rest.stays_in_place() {
        for find in [Match::by_text, Match::by_identity, Match::by_meaning] {
            let found = find(&rest);
            rest.remove(&found);
            introduce(&mut partners, found);
        }
    }
    let moved = !partners.iter().flatten().is_sorted();
    introduce(&mut partners, in_place);
    introduce(&mut partners, rest.in_order());
    Alignment { pairs: pairs(partners), moved }
}

/// Matches the elements of two arrays none of which means what one of the other means, by position on the left.
pub(crate) fn align_unlike(left: Elements<'_>, right: Elements<'_>) -> Vec<(usize, usize)> {
    let (rest_left, rest_right) = ((0..left.nodes.len()).collect(), (0..right.nodes.len()).collect());
    let mut rest = Match { left, right, rest_left, rest_right };
    let mut partners = vec![None; left.nodes.len()];
    if !rest.stays_in_place() {
        let found = rest.by_identity();
        rest.remove(&found);
        introduce(&mut partners, found);
    }
    introduce(&mut partners, rest.in_order());
    pairs(partners)
}

/// Pairs by position on the left.
pub(crate) fn pairs(partners: Vec<Option<usize>>) -> Vec<(usize, usize)> {
    partners.into_iter().enumerate().filter_map(|(at, partner)| Some((at, partner?))).collect()
}

pub(crate) fn introduce(partners: &mut [Option<usize>], pairs: impl IntoIterator<Item = (usize, usize)>) {
    for (at, against) in pairs {
        if let Some(partner) = partners.get_mut(at) {
            *partner = Some(against);
        }
    }
}

impl<'t> Match<'t> {
    /// Takes away the equal beginning and end, and, in arrays of one length, whatever stands in its place. What only means
    /// the same is a pair, so that whoever knows better may look at it.
    fn by_position(left: Elements<'t>, right: Elements<'t>) -> (Self, Vec<(usize, usize)>) {
        let (lefts, rights) = (left.nodes.len(), right.nodes.len());
        let alike = |l: usize, r: usize| left.text(l) == right.text(r);
        let same = |l: usize, r: usize| alike(l, r) || left.same(l, right, r);
        if lefts == rights {
            let unlike: Vec<usize> = (0..lefts).filter(|&at| !alike(at, at)).collect();
            // A single pair is looked into either way.
            let (equal, rest): (Vec<usize>, Vec<usize>) =
                unlike.iter().partition(|&&at| unlike.len() > 1 && same(at, at));
            let pairs = equal.into_iter().map(|at| (at, at)).collect();
            return (Self { left, right, rest_left: rest.clone(), rest_right: rest }, pairs);
        }
        let shorter = lefts.min(rights);
        let head = (0..shorter).take_while(|&at| same(at, at)).count();
        let tail = (1..=shorter - head).take_while(|&back| same(lefts - back, rights - back)).count();
        let ends = (0..head).map(|at| (at, at)).chain((1..=tail).map(|back| (lefts - back, rights - back)));
        let pairs = ends.filter(|&(l, r)| !alike(l, r)).collect();
        let (rest_left, rest_right) = ((head..lefts - tail).collect(), (head..rights - tail).collect());
        (Self { left, right, rest_left, rest_right }, pairs)
    }

    /// Nothing can be found elsewhere: one element each, or the first scalar of each object identifies it where it stands.
    fn stays_in_place(&self) -> bool {
        if self.rest_left.len().max(self.rest_right.len()) < 2 {
            return true;
        }
        if self.rest_left != self.rest_right {
            return false;
        }
        let Some(way) = self.ways().into_iter().next() else { return false };
        let stays = |&at: &usize| {
            let own = self.left.member(at, &way);
            own.is_some() && own == self.right.member(at, &way)
        };
        self.rest_left.iter().all(stays) && self.left.members(&self.rest_left, &way).is_some()
    }

    fn by_text(&self) -> Vec<(usize, usize)> {
        self.by_hash(Tree::text_hash)
    }

    fn by_meaning(&self) -> Vec<(usize, usize)> {
        self.by_hash(Tree::hash)
    }

    fn by_hash(&self, hash: impl Fn(&Tree<'t>, &Node) -> u64) -> Vec<(usize, usize)> {
        if self.rest_left.is_empty() || self.rest_right.is_empty() {
            return Vec::new();
        }
        let hashes = |side: Elements<'t>, rest: &[usize]| {
            Hashed::new(rest.iter().filter_map(|&at| Some((hash(side.tree, side.nodes.get(at)?), at))))
        };
        hashes(self.left, &self.rest_left).join(&hashes(self.right, &self.rest_right))
    }

    /// Pairs objects by the scalar, a member of theirs or of objects within, whose values are unique on both sides and meet most often; the first
    /// such scalar of the first object wins a tie. Objects that mean the same have the same values there, so none of them is missed.
    fn by_identity(&self) -> Vec<(usize, usize)> {
        let most = self.rest_left.len().min(self.rest_right.len());
        let mut best = Vec::new();
        for way in self.ways() {
            let lefts = self.left.members(&self.rest_left, &way);
            let rights = lefts.as_ref().and_then(|_| self.right.members(&self.rest_right, &way));
            let (Some(lefts), Some(rights)) = (lefts, rights) else { continue };
            let pairs = lefts.join(&rights);
            if pairs.len() > best.len() {
                best = pairs;
            }
            if best.len() == most {
                break;
            }
        }
        best
    }

    /// Ways to the scalars of the first object that is left: its own first, then those of the objects in it, level by level.
    fn ways(&self) -> Vec<Way<'t>> {
        let tree = self.left.tree;
        let first = self.rest_left.first().and_then(|&at| self.left.nodes.get(at));
        let mut found = Vec::new();
        let mut level: Vec<(Way<'t>, &'t Node)> = first.map(|node| (Vec::new(), *node)).into_iter().collect();
        for _ in 0..MAX_LEVELS {
            let mut below = Vec::new();
            for (way, object) in level.drain(..).filter(|(_, node)| node.shape == Shape::Object) {
                for member in tree.children(object).take(MAX_MEMBERS) {
                    let way = || way.iter().cloned().chain([tree.key(member)]).collect();
                    match member.shape {
                        Shape::Text | Shape::Number if found.len() < MAX_IDENTITIES => found.push(way()),
                        Shape::Object if below.len() < MAX_IDENTITIES => below.push((way(), member)),
                        _ => {}
                    }
                }
            }
            level = below;
        }
        found
    }

    /// What nothing else tells of. Where the lengths differ, an element that came or went explains a scalar without a partner;
    /// containers may still have changed within.
    fn in_order(self) -> Vec<(usize, usize)> {
        let one_length = self.left.nodes.len() == self.right.nodes.len();
        let pairs = self.rest_left.into_iter().zip(self.rest_right);
        pairs
            .filter(|&(l, r)| one_length || self.left.is_container(l) && self.right.is_container(r))
            .collect()
    }

    fn remove(&mut self, found: &[(usize, usize)]) {
        remove(&mut self.rest_left, self.left.nodes.len(), found.iter().map(|pair| pair.0));
        remove(&mut self.rest_right, self.right.nodes.len(), found.iter().map(|pair| pair.1));
    }
}

impl<'t> Elements<'t> {
    fn text(self, at: usize) -> &'t [u8] {
        self.nodes.get(at).map_or(&[], |node| self.tree.text(node))
    }

    fn is_container(self, at: usize) -> bool {
        self.nodes.get(at).is_some_and(|node| matches!(node.shape, Shape::Array | Shape::Object))
    }

    fn same(self, at: usize, other: Self, others: usize) -> bool {
        let (Some(left), Some(right)) = (self.nodes.get(at), other.nodes.get(others)) else { return false };
        self.tree.same(left, other.tree, right)
    }

    /// Hash of what each object in `rest` has there, unless two have the same.
    fn members(self, rest: &[usize], way: &Way<'_>) -> Option<Hashed> {
        let members = rest.iter().filter_map(|&at| Some((self.member(at, way)?, at)));
        Some(Hashed::new(members)).filter(Hashed::is_unique)
    }

    /// Hash of what an object has there.
    fn member(self, at: usize, way: &Way<'_>) -> Option<u64> {
        let down = |element: &'t Node, name: &Cow<'_, [u8]>| {
            let mut members = self.tree.children(element).take(MAX_MEMBERS);
            members.find(|member| element.shape == Shape::Object && self.tree.is_named(member, name))
        };
        let element = way.iter().try_fold(*self.nodes.get(at)?, down)?;
        Some(self.tree.hash(element))
    }
}

/// Names of members, each of an object within the one before.
type Way<'t> = Vec<Cow<'t, [u8]>>;

/// How deep an identity may lie in an element.
const MAX_LEVELS: usize = 4;
/// How many members are tried as the identity of an element.
const MAX_IDENTITIES: usize = 8;
/// How far an identity is looked for in an element.
const MAX_MEMBERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// `pairs` are those that differ.
    fn check(left: &str, right: &str, pairs: &[(usize, usize)], moved: bool) {
        let (l, r) = (Tree::parse(left.as_bytes()).unwrap(), Tree::parse(right.as_bytes()).unwrap());
        let lefts: Vec<&Node> = l.children(l.root().unwrap()).collect();
        let rights: Vec<&Node> = r.children(r.root().unwrap()).collect();
        let mut found = align(Elements { tree: &l, nodes: &lefts }, Elements { tree: &r, nodes: &rights });
        found.pairs.retain(|&(at, against)| l.hash(lefts[at]) != r.hash(rights[against]));
        assert_eq!(found, Alignment { pairs: pairs.to_vec(), moved }, "{left} {right}");
    }

    #[test]
    fn alignments() {
        check("[1,2,3]", "[3,1,2]", &[], true);
        check("[1,2,3]", "[1,9,3]", &[(1, 1)], false);
        check("[true,false]", "[false,false]", &[(0, 0)], false);
        check("[1,2,3]", "[2,3]", &[], false);
        check("[1,2,3]", "[0,1,2,3]", &[], false);
        check("[\"a\",\"a\",\"b\"]", "[\"x\",\"a\",\"a\",\"b\"]", &[], false);
        check("[1,2,3,4]", "[2,3,4,5]", &[(0, 3)], false);
        check("[1,2,3]", "[9,2]", &[], false);
        check("[[1],2,3]", "[[9],2]", &[(0, 0)], false);
        check("[]", "[1]", &[], false);
        check("[1,1,2]", "[2,1,1]", &[], true);
        check("[1,2,3]", "[ 3.0, 1.0, 2.0 ]", &[], true);
        check("[1,2,3]", "[ 1.0, 2.0, 3.0, 4 ]", &[], false);
        check(r#"[{"a":[1],"b":2},7]"#, r#"[7,{"b":2.0,"a":[1.0]}]"#, &[], true);
    }

    #[test]
    fn objects_are_recognised_by_the_member_that_fits_best() {
        let left = r#"[{"id":1,"p":5},{"id":2,"p":5},{"id":3,"p":7}]"#;
        check(left, r#"[{"id":3,"p":8},{"id":1,"p":6},{"id":2,"p":6}]"#, &[(0, 1), (1, 2), (2, 0)], true);
        check(left, r#"[{"id":1,"p":6},{"id":2,"p":6},{"id":3,"p":8}]"#, &[(0, 0), (1, 1), (2, 2)], false);
        check(left, r#"[{"id":2,"p":5},{"id":3,"p":8}]"#, &[(2, 1)], false);
        check(
            r#"[{"k":1,"name":"x"},{"k":2,"name":"y"}]"#,
            r#"[{"k":8,"name":"y"},{"k":9,"name":"x"}]"#,
            &[(0, 1), (1, 0)],
            true,
        );
        check(
            r#"[{"node":{"at":1,"key":{"id":7}}},{"node":{"at":2,"key":{"id":8}}}]"#,
            r#"[{"node":{"at":8,"key":{"id":8}}},{"node":{"at":9,"key":{"id":7}}}]"#,
            &[(0, 1), (1, 0)],
            true,
        );
    }
}
