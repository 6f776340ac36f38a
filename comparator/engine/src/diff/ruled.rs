//! What the rules make of a difference, and of arrays that they name or reach into.
//!
//! Elements are matched as the rules see them, so that two that are equal but for what may differ meet. Everything sorts,
//! nothing is quadratic. Where no rule reaches, none of this runs.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use super::{ABSENT, Detail, Walk, aggregated, exact};
use crate::arrays::{self, Elements};
use crate::diff::{Differences, Kind};
use crate::excerpt;
use crate::json::{Node, Shape, Tree, unescape};
use crate::pattern::{Place, Segment};
use crate::rules::{Arrays, Value};
use crate::suggestion::Guesses;

/// Positions that answer to each other, and those that are left on each side.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Matched {
    pub(super) pairs: Vec<(usize, usize)>,
    pub(super) left: Vec<usize>,
    pub(super) right: Vec<usize>,
}

impl<'t> Walk<'_, 't> {
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

    /// Notes which rules would allow a difference that was found at `path`.
    pub(super) fn guess(&mut self, path: &str, kind: Kind, left: Option<&'t Node>, right: Option<&'t Node>) {
        let (primary, other) = (self.primary, self.other);
        self.into.guess(path, kind, || {
            let (left, right) = (left.map(|node| value(primary, node)), right.map(|node| value(other, node)));
            Guesses::of(kind, left.as_ref(), right.as_ref())
        });
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
            Arrays::By(keys) => self.keyed(keys, lefts, rights),
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
        if even && self.is_trial_passed(lefts, rights) {
            return true;
        }
        // Equal elements are not looked into from here on.
        let hashes = |at: usize| (hash_at(self.primary, lefts, at), hash_at(self.other, rights, at));
        let equal = |at: usize| matches!(hashes(at), (Some(left), Some(right)) if left == right);
        let spelled: Vec<_> = all().filter(|&(at, _)| self.spelled && equal(at)).collect();
        self.pairs(lefts, rights, spelled.into_iter());
        false
    }

    fn is_trial_passed(&mut self, lefts: &[&'t Node], rights: &[&'t Node]) -> bool {
        let mut found = Differences::default();
        let (primary, other, scope, spelled) = (self.primary, self.other, self.scope, self.spelled);
        let path = std::mem::take(&mut self.path);
        let mut walk = Walk { primary, other, scope, path, into: &mut found, spelled, trial: true };
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
        let mut matched =
            Matched::of(hashes(self.primary, lefts), hashes(self.other, rights), lefts.len(), rights.len());
        if reached {
            let blurred =
                |tree: &'t Tree<'t>, nodes: &[&'t Node], rest: &[usize]| self.blurred(tree, nodes, rest);
            let (l, r) =
                (blurred(self.primary, lefts, &matched.left), blurred(self.other, rights, &matched.right));
            matched.further(l, r);
        }
        matched.by_likeness(self.primary, lefts, self.other, rights);
        self.pairs(lefts, rights, matched.pairs.into_iter());
    }

    /// Elements with equal keys answer to each other, of those with the same key the equal ones and then the n-th to the n-th;
    /// elements without it by position.
    fn keyed(&mut self, keys: &[String], lefts: &[&'t Node], rights: &[&'t Node]) {
        let mut matched =
            Matched::of(hashes(self.primary, lefts), hashes(self.other, rights), lefts.len(), rights.len());
        let keyed = |tree: &Tree<'_>, nodes: &[&Node], rest: &[usize]| -> Vec<(Key, usize)> {
            let key = |&at: &usize| Some(((key_of(tree, nodes.get(at)?, keys), 0), at));
            rest.iter().filter_map(key).collect()
        };
        let (l, r) = (keyed(self.primary, lefts, &matched.left), keyed(self.other, rights, &matched.right));
        matched.further(l, r);
        matched.pairs.sort_unstable();
        self.pairs(lefts, rights, matched.pairs.into_iter());
        for at in matched.left {
            self.alone(Kind::Missing, keys, at, lefts.get(at).copied());
        }
        for at in matched.right {
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
            let path = aggregated(&self.path);
            let segments = &self.path;
            self.into.add(&path, kind, || {
                let (there, absent) = (named(tree, node, keys), ABSENT.to_owned());
                let (primary, other) = if kind == Kind::Missing { (there, absent) } else { (absent, there) };
                Detail { primary, other, exact: exact(segments) }
            });
            self.guess(&path, kind, left, right);
        }
        self.path.pop();
    }

    /// What of the elements does not come under a rule, as a hash; and a number that may vary, to pair those that are nearest.
    fn blurred(&self, tree: &'t Tree<'t>, nodes: &[&'t Node], rest: &[usize]) -> Vec<(Key, usize)> {
        let mut path = self.path.clone();
        let mut blurred = |&at: &usize| {
            path.push(Segment::Element(at));
            let mut rank = None;
            let hash = nodes.get(at).map(|node| self.blur(tree, node, &mut path, &mut rank));
            path.pop();
            Some(((hash, ordered(rank.unwrap_or_default())), at))
        };
        rest.iter().filter_map(&mut blurred).collect()
    }

    fn blur(
        &self,
        tree: &'t Tree<'t>,
        node: &'t Node,
        path: &mut Vec<Segment<'t>>,
        rank: &mut Option<f64>,
    ) -> u64 {
        let rules = self.scope.rules;
        if !rules.reach_into(self.scope.endpoint, path) {
            return tree.hash(node);
        }
        let mut hash = 0_u64;
        match node.shape {
            Shape::Object | Shape::Array => {
                let ignored = rules.ignores(self.scope.endpoint, Place::Body(path));
                for (at, child) in tree.children(node).enumerate().filter(|_| !ignored) {
                    let element = node.shape == Shape::Array;
                    path.push(if element { Segment::Element(at) } else { Segment::Member(tree.key(child)) });
                    let value = self.blur(tree, child, path, rank);
                    let place = if element { at as u64 } else { xxh3_64(&tree.key(child)) };
                    // Members commute; one that may be absent counts as if it were.
                    let absent = value == NOTHING && !element;
                    hash = hash.wrapping_add(if absent { 0 } else { spread(place, value) });
                    path.pop();
                }
                hash ^ u64::from(node.count) * u64::from(node.shape == Shape::Array)
            }
            _ => self.blur_scalar(tree, node, path, rank),
        }
    }

    /// A scalar is all that its rules make equal to it, or itself.
    fn blur_scalar(&self, tree: &Tree<'_>, node: &Node, path: &[Segment<'_>], rank: &mut Option<f64>) -> u64 {
        let value = value(tree, node);
        let blur = self.scope.rules.at(self.scope.endpoint, Place::Body(path)).blur(&value);
        if let Some(found) = blur.rank {
            rank.get_or_insert(found);
        }
        match blur.class {
            Some(class) => spread(class, 1),
            None if blur.nothing => NOTHING,
            None => tree.hash(node),
        }
    }
}

/// A hash, and a number by which those with the same are ordered.
type Key = (Option<u64>, u64);

impl Matched {
    /// Pairs of elements with equal keys, the n-th with the n-th.
    fn of(left: Vec<(Key, usize)>, right: Vec<(Key, usize)>, lefts: usize, rights: usize) -> Self {
        let mut matched =
            Self { pairs: Vec::new(), left: (0..lefts).collect(), right: (0..rights).collect() };
        matched.further(left, right);
        matched
    }

    /// Pairs what is left, by other keys. Those of one hash meet in the order of their numbers.
    fn further(&mut self, mut left: Vec<(Key, usize)>, mut right: Vec<(Key, usize)>) {
        left.sort_unstable();
        right.sort_unstable();
        let (mut lefts, mut rights) = (left.iter().peekable(), right.iter().peekable());
        let before = self.pairs.len();
        while let (Some(l), Some(r)) = (lefts.peek(), rights.peek()) {
            match l.0.0.cmp(&r.0.0) {
                std::cmp::Ordering::Less => drop(lefts.next()),
                std::cmp::Ordering::Greater => drop(rights.next()),
                std::cmp::Ordering::Equal => {
                    self.pairs.push((l.1, r.1));
                    lefts.next();
                    rights.next();
                }
            }
        }
        let found = self.pairs.get(before..).unwrap_or_default();
        remove(&mut self.left, found.iter().map(|pair| pair.0).collect());
        remove(&mut self.right, found.iter().map(|pair| pair.1).collect());
    }

    /// Pairs what is left as elements of ordered arrays are: by the member that identifies them best, then by position.
    fn by_likeness(&mut self, primary: &Tree<'_>, lefts: &[&Node], other: &Tree<'_>, rights: &[&Node]) {
        let (l, r) = (self.left.clone(), self.right.clone());
        let left_nodes: Vec<&Node> = l.iter().filter_map(|&at| lefts.get(at).copied()).collect();
        let right_nodes: Vec<&Node> = r.iter().filter_map(|&at| rights.get(at).copied()).collect();
        let found = arrays::align(
            Elements { tree: primary, nodes: &left_nodes },
            Elements { tree: other, nodes: &right_nodes },
        );
        self.pairs.extend(found.pairs.iter().filter_map(|&(a, b)| Some((*l.get(a)?, *r.get(b)?))));
        self.pairs.sort_unstable();
    }
}

fn hashes(tree: &Tree<'_>, nodes: &[&Node]) -> Vec<(Key, usize)> {
    nodes.iter().enumerate().map(|(at, node)| ((Some(tree.hash(node)), 0), at)).collect()
}

fn hash_at(tree: &Tree<'_>, nodes: &[&Node], at: usize) -> Option<u64> {
    nodes.get(at).map(|node| tree.hash(node))
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
fn named(tree: &Tree<'_>, element: &Node, keys: &[String]) -> String {
    let shown = |key: &String| {
        let node = member(tree, element, key)?;
        let secret = excerpt::is_sensitive_name(key.as_bytes());
        let value = if secret { excerpt::REDACTED.to_owned() } else { excerpt::node(tree, node) };
        Some(format!("{key} {value} "))
    };
    let keys: String = keys.iter().filter_map(shown).collect();
    excerpt::line(format!("{keys}{}", excerpt::node(tree, element)).as_bytes(), excerpt::MAX_CHARS)
}

/// The value of a node, for the rules.
fn value<'v>(tree: &'v Tree<'_>, node: &Node) -> Value<'v> {
    let lexeme = tree.lexeme(node);
    let text = if node.shape == Shape::Text { unescape(lexeme) } else { Cow::Borrowed(lexeme) };
    Value::new(node.shape, text)
}

/// Takes `gone` out of `rest`, which is ascending.
fn remove(rest: &mut Vec<usize>, mut gone: Vec<usize>) {
    gone.sort_unstable();
    rest.retain(|at| gone.binary_search(at).is_err());
}

/// Floats in their order.
fn ordered(number: f64) -> u64 {
    let bits = number.to_bits();
    if number.is_sign_negative() { !bits } else { bits | 1 << 63 }
}

fn spread(left: u64, right: u64) -> u64 {
    (left.rotate_left(23) ^ right.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// What stands for a value that may as well be absent.
const NOTHING: u64 = 0x0_ab5e_27;

#[cfg(test)]
mod tests {
    use crate::diff::tests::diff;
    use crate::rules::{Allow, Arrays, Class, Decimal, Rule};
    use crate::{Pattern, Rules};

    fn at(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    fn rules<const N: usize>(values: [(&str, Allow); N]) -> Rules {
        Rules::default().with_rules(values.map(|(text, allow)| Rule::Value(at(text), allow)))
    }

    fn arrays(text: &str, arrays: Arrays) -> Rules {
        Rules::default().with_rules([Rule::Array(at(text), arrays)])
    }

    fn within(most: &str) -> Allow {
        Allow::Absolute(Decimal::parse(most.as_bytes()).unwrap())
    }

    fn by(keys: &[&str]) -> Arrays {
        Arrays::By(keys.iter().map(|&key| key.to_owned()).collect())
    }

    #[track_caller]
    fn check(rules: &Rules, left: &str, right: &str, expected: &[&str]) {
        assert_eq!(diff(left, right, rules), expected, "{left} {right}");
    }

    #[test]
    fn values_that_may_differ() {
        let cents = rules([("/items/*/price", within("0.01"))]);
        let left = r#"{"items":[{"price":1.00,"n":1},{"price":2.00,"n":2}]}"#;
        check(&cents, left, &left.replace("1.00", "1.01"), &[]);
        check(
            &cents,
            left,
            &left.replace("1.00", "1.02"),
            &["/items/*/price value /items/0/price: 1.00 -> 1.02"],
        );
        check(
            &cents,
            left,
            &left.replace("\"n\":1", "\"n\":1.001"),
            &["/items/*/n value /items/0/n: 1 -> 1.001"],
        );
        check(
            &cents,
            left,
            &left.replace("1.00", "\"1.00\""),
            &["/items/*/price type /items/0/price: 1.00 -> \"1.00\""],
        );
        let everywhere = rules([("/", Allow::IgnoreCase), ("/a/id", Allow::Like(Class::Id))]);
        check(&everywhere, r#"{"a":{"id":"12345678","b":"X"}}"#, r#"{"a":{"id":"87654321","b":"x"}}"#, &[]);
        check(
            &everywhere,
            r#"{"id":"12345678"}"#,
            r#"{"id":"87654321"}"#,
            &["/id value /id: \"12345678\" -> \"87654321\""],
        );
        let nulls = rules([("/a", Allow::NullIsAbsent)]);
        check(&nulls, r#"{"a":{"x":null}}"#, r#"{"a":{"y":null}}"#, &[]);
        check(&nulls, r#"{"a":{"x":null}}"#, r#"{"a":{"x":0}}"#, &["/a/x type /a/x: null -> 0"]);
        check(&nulls, r#"{"b":null}"#, "{}", &["/b missing /b: null -> (absent)"]);
    }

    #[test]
    fn the_spelling_of_numbers_may_count() {
        let exact = rules([("/a", Allow::ExactNumbers)]);
        check(&exact, r#"{"a":1.0,"b":1.0}"#, r#"{"a":1,"b":1}"#, &["/a value /a: 1.0 -> 1"]);
        check(
            &exact,
            r#"{"a":[1.0,{"c":2}]}"#,
            r#"{"a":[1,{"c":2.0}]}"#,
            &["/a/* value /a/0: 1.0 -> 1", "/a/*/c value /a/1/c: 2 -> 2.0"],
        );
        check(&exact, r#"{"a":[1,2],"b":[1,2]}"#, r#"{ "a":[1,2],"b":[1.0,2.0]}"#, &[]);
        check(&exact, r#"{"a":1}"#, r#"{"a":2}"#, &["/a value /a: 1 -> 2"]);
    }

    #[test]
    fn elements_are_matched_as_the_rules_see_them() {
        let mut ruled = rules([("/*/at", Allow::Ignore), ("/*/t", within("1"))]);
        let left = r#"[{"v":1,"at":1},{"v":1,"at":2},{"v":2,"at":3}]"#;
        let right = r#"[{"v":2,"at":4},{"v":1,"at":5},{"v":1,"at":6}]"#;
        check(&ruled, left, right, &["/*/v value /0/v: 1 -> 2"]);
        ruled = ruled.with_rules([Rule::Array(at("/"), Arrays::Unordered)]);
        check(&ruled, left, right, &[]);
        check(&ruled, r#"[{"t":1.0},{"t":5}]"#, r#"[{"t":5.5},{"t":0.5}]"#, &[]);
        let near = rules([("/", within("1"))]);
        check(&near, "[1,2,3]", "[2,1,3]", &[]);
        check(&near, "[1,2,3]", "[3,1,2]", &[" order : [3 elements] -> [3 elements]"]);
        let near = near.with_rules([Rule::Array(at("/"), Arrays::Unordered)]);
        check(&near, "[1,9,20]", "[20.5,1.5,8.5]", &[]);
        let folded = rules([("/", Allow::IgnoreCase)]).with_rules([Rule::Array(at("/"), Arrays::Unordered)]);
        check(&folded, r#"["A","b","c"]"#, r#"["C","B","a"]"#, &[]);
        let later = arrays("/*", Arrays::Unordered).with_rules([Rule::Array(at("/a"), Arrays::Ordered)]);
        check(
            &later,
            r#"{"a":[1,2],"b":[1,2]}"#,
            r#"{"a":[2,1],"b":[2,1]}"#,
            &["/a order /a: [2 elements] -> [2 elements]"],
        );
    }

    #[test]
    fn keyed_arrays() {
        let keyed = arrays("/", by(&["id"]));
        let left = r#"[{"id":1,"v":1},{"id":2,"v":2},{"id":3,"v":3}]"#;
        check(
            &keyed,
            left,
            r#"[{"id":3,"v":3},{"id":1,"v":9},{"id":2,"v":2}]"#,
            &["/*/v value /0/v: 1 -> 9"],
        );
        check(
            &keyed,
            left,
            r#"[{"id":4,"v":1},{"id":1,"v":1},{"id":3,"v":3}]"#,
            &["/* missing /1: id 2 {2 members} -> (absent)", "/* extra /0: (absent) -> id 4 {2 members}"],
        );
        check(&keyed, left, &left.replace("\"id\":2", "\"id\":2.0"), &[]);
        check(&keyed, r#"[{"id":1,"v":1},{"id":1,"v":2}]"#, r#"[{"id":1,"v":2},{"id":1,"v":1}]"#, &[]);
        check(
            &keyed,
            r#"[{"id":1,"v":1},{"id":1,"v":2}]"#,
            r#"[{"id":1,"v":2}]"#,
            &["/* missing /0: id 1 {2 members} -> (absent)"],
        );
        check(&keyed, r#"[{"v":1},5]"#, r#"[{"v":2},5]"#, &["/*/v value /0/v: 1 -> 2"]);
        let two = arrays("/", by(&["a", "b"]));
        check(
            &two,
            r#"[{"a":1,"b":2,"c":1},{"a":1,"b":3}]"#,
            r#"[{"a":1,"b":3},{"a":1,"b":2,"c":2}]"#,
            &["/*/c value /0/c: 1 -> 2"],
        );
        let secret = arrays("/", by(&["token"]));
        check(
            &secret,
            r#"[{"token":"a"}]"#,
            "[]",
            &["/* missing /0: token (redacted) {1 members} -> (absent)"],
        );
    }

    #[test]
    fn deep_arrays_under_rules_are_not_tried_again_at_each_level() {
        let deep = |value: u8| format!("{}{value}{}", "[".repeat(60), "]".repeat(60));
        let ruled = rules([("/", Allow::IgnoreCase)]);
        let path = "/*".repeat(60);
        check(&ruled, &deep(1), &deep(2), &[&format!("{path} value {}: 1 -> 2", "/0".repeat(60))]);
        check(&rules([("/", within("1"))]), &deep(1), &deep(2), &[]);
    }
}
