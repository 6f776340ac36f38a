//! Which element of one array answers to which of another.
//!
//! Comparing by position alone would blame every element behind an insertion, and every field of every element after a
//! shuffle. So equal elements are matched first, wherever they stand; then objects by the member that identifies them
//! best; only what is left is paired in order. All of it sorts, nothing is quadratic.

use crate::json::{Node, Shape, Tree};

/// The outcome of matching.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Alignment {
    /// Positions of elements that differ and answer to each other, by position on the left.
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

/// Matches the elements of two arrays.
pub(crate) fn align(left: Elements<'_>, right: Elements<'_>) -> Alignment {
    let (mut rest_left, mut rest_right) = unequal_by_position(left, right);
    if let ([l], [r]) = (rest_left.as_slice(), rest_right.as_slice()) {
        return Alignment { pairs: vec![(*l, *r)], moved: false };
    }
    remove_equal(left, &mut rest_left, right, &mut rest_right);
    let hashes = |side: Elements<'_>, rest: &[usize]| -> Vec<(u64, usize)> {
        rest.iter().filter_map(|&at| Some((side.tree.hash(side.nodes.get(at)?), at))).collect()
    };
    let mut recognised = join(hashes(left, &rest_left), hashes(right, &rest_right));
    remove(&mut rest_left, recognised.iter().map(|pair| pair.0));
    remove(&mut rest_right, recognised.iter().map(|pair| pair.1));
    let mut pairs = Vec::new();
    if rest_left.len().max(rest_right.len()) > 1 {
        pairs = by_identity(left, &rest_left, right, &rest_right);
        remove(&mut rest_left, pairs.iter().map(|pair| pair.0));
        remove(&mut rest_right, pairs.iter().map(|pair| pair.1));
        recognised.extend(&pairs);
    }
    recognised.sort_unstable();
    let moved = recognised.is_sorted_by_key(|pair| pair.1);
    pairs.extend(rest_left.into_iter().zip(rest_right));
    pairs.sort_unstable();
    Alignment { pairs, moved: !moved }
}

/// Positions that remain once the equal beginning and end are taken away, and, in arrays of one length, whatever is
/// written alike in its place.
fn unequal_by_position(left: Elements<'_>, right: Elements<'_>) -> (Vec<usize>, Vec<usize>) {
    let same = |&(l, r): &(&&Node, &&Node)| left.tree.text(l) == right.tree.text(r);
    let pairs = || left.nodes.iter().zip(right.nodes);
    if left.nodes.len() == right.nodes.len() {
        let rest: Vec<usize> =
            pairs().enumerate().filter(|(_, pair)| !same(pair)).map(|(at, _)| at).collect();
        return (rest.clone(), rest);
    }
    let same = |pair: &(&&Node, &&Node)| same(pair) || left.tree.hash(pair.0) == right.tree.hash(pair.1);
    let shorter = left.nodes.len().min(right.nodes.len());
    let head = pairs().take_while(same).count();
    let ends = left.nodes.iter().rev().zip(right.nodes.iter().rev());
    let tail = ends.take(shorter - head).take_while(same).count();
    ((head..left.nodes.len() - tail).collect(), (head..right.nodes.len() - tail).collect())
}

/// In arrays of one length, takes away what means the same in its place, however it is written.
fn remove_equal(
    left: Elements<'_>,
    rest_left: &mut Vec<usize>,
    right: Elements<'_>,
    rest_right: &mut Vec<usize>,
) {
    if left.nodes.len() == right.nodes.len() {
        let hash = |side: Elements<'_>, at: usize| side.nodes.get(at).map(|node| side.tree.hash(node));
        rest_left.retain(|&at| hash(left, at) != hash(right, at));
        rest_right.clone_from(rest_left);
    }
}

/// Pairs of equal keys, the n-th of one side with the n-th of the other.
fn join(mut left: Vec<(u64, usize)>, mut right: Vec<(u64, usize)>) -> Vec<(usize, usize)> {
    left.sort_unstable();
    right.sort_unstable();
    let mut pairs = Vec::new();
    let (mut lefts, mut rights) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(l), Some(r)) = (lefts.peek(), rights.peek()) {
        match l.0.cmp(&r.0) {
            std::cmp::Ordering::Less => drop(lefts.next()),
            std::cmp::Ordering::Greater => drop(rights.next()),
            std::cmp::Ordering::Equal => {
                pairs.push((l.1, r.1));
                lefts.next();
                rights.next();
            }
        }
    }
    pairs
}

/// Pairs objects by the scalar member whose values are unique on both sides and meet most often; the first such member
/// of the first object wins a tie.
fn by_identity(
    left: Elements<'_>,
    rest_left: &[usize],
    right: Elements<'_>,
    rest_right: &[usize],
) -> Vec<(usize, usize)> {
    let first = rest_left.first().and_then(|&at| left.nodes.get(at));
    let Some(first) = first.filter(|node| node.shape == Shape::Object) else { return Vec::new() };
    let scalar = |node: &&Node| matches!(node.shape, Shape::Text | Shape::Number);
    let mut best = Vec::new();
    for member in left.tree.children(first).filter(scalar).take(MAX_IDENTITIES) {
        let name = left.tree.key(member);
        let (lefts, rights) = (members(left, rest_left, &name), members(right, rest_right, &name));
        let (Some(lefts), Some(rights)) = (lefts, rights) else { continue };
        let pairs = join(lefts, rights);
        if pairs.len() > best.len() {
            best = pairs;
        }
    }
    best
}

/// Hash of the member `name` of each object in `rest`, unless two have the same.
fn members(side: Elements<'_>, rest: &[usize], name: &[u8]) -> Option<Vec<(u64, usize)>> {
    let value = |at: usize| {
        let element = side.nodes.get(at).filter(|node| node.shape == Shape::Object)?;
        side.tree
            .children(element)
            .take(MAX_MEMBERS)
            .find(|member| side.tree.key(member) == name)
            .map(|member| (side.tree.hash(member), at))
    };
    let mut values: Vec<(u64, usize)> = rest.iter().filter_map(|&at| value(at)).collect();
    values.sort_unstable();
    values.windows(2).all(|pair| matches!(pair, [a, b] if a.0 != b.0)).then_some(values)
}

/// Takes `gone` out of `rest`, which is ascending.
fn remove(rest: &mut Vec<usize>, gone: impl Iterator<Item = usize>) {
    let mut gone: Vec<usize> = gone.collect();
    gone.sort_unstable();
    rest.retain(|at| gone.binary_search(at).is_err());
}

/// How many members are tried as the identity of an element.
const MAX_IDENTITIES: usize = 8;
/// How far an identity is looked for in an element.
const MAX_MEMBERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &str, right: &str, pairs: &[(usize, usize)], moved: bool) {
        let (l, r) = (Tree::parse(left.as_bytes()).unwrap(), Tree::parse(right.as_bytes()).unwrap());
        let lefts: Vec<&Node> = l.children(l.root().unwrap()).collect();
        let rights: Vec<&Node> = r.children(r.root().unwrap()).collect();
        let found = align(Elements { tree: &l, nodes: &lefts }, Elements { tree: &r, nodes: &rights });
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
        check("[1,2,3]", "[9,2]", &[(0, 0)], false);
        check("[]", "[1]", &[], false);
        check("[1,1,2]", "[2,1,1]", &[], true);
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
    }
}
