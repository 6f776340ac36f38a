//! Where two bodies differ, and how: one difference per place and kind, places aggregated over array elements.
//!
//! The primary is the measure: `missing` is what it has and the other has not. What is written
//! alike is skipped.

mod found;
mod ruled;
mod subjects;

pub(crate) use found::{ABSENT, Detail, Differences, Found, Wanted};
pub(crate) use subjects::Subjects;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::iter::Peekable;

use self::ruled::Blurs;
use crate::arrays::{self, Elements};
use crate::endpoint::is_identifier;
use crate::excerpt;
use crate::farther::{Cause, Measure};
use crate::guess::Guesses;
use crate::json::{Node, Shape, Tree, unescape};
use crate::kind::Kind;
use crate::pattern::{self, Place, Segment};
use crate::rules::Rules;
use crate::secrets::{SecretKind, Secrets, has_form, is_token};
use crate::tokens::Changed;

/// Whose answer it is, and what may differ there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) rules: &'a Rules,
}

/// Compares two parsed values that stand at `path` in their bodies; an empty path is the whole body.
pub(crate) fn compare<'t>(
    primary: &'t Tree<'t>,
    other: &'t Tree<'t>,
    path: Vec<Segment<'t>>,
    scope: Scope<'_>,
    into: &mut Differences<'_>,
) {
    let (Some(left), Some(right)) = (primary.root(), other.root()) else { return };
    let spelled = scope.rules.spell_numbers();
    let blurs = Blurs::default();
    Walk { primary, other, scope, path, into, spelled, trial: false, objects: Vec::new(), blurs: &blurs }
        .values(left, right);
}

/// One difference of whatever stands at `path` as a whole, unless it is declared; nobody can look into it.
pub(crate) fn at(
    path: &[Segment<'_>],
    kind: Kind,
    scope: Scope<'_>,
    into: &mut Differences<'_>,
    cause: Cause,
    shown: impl FnOnce() -> (String, String),
) {
    let shown = |_: &Measure, _: Option<&Changed>| (exact(path), shown());
    let measure = || if kind == Kind::Value { Measure::Unseen(cause) } else { Measure::None };
    at_measured(path, kind, scope, into, shown, measure);
}

/// The same of what can be measured. What is shown begins with its exact place.
pub(crate) fn at_measured(
    path: &[Segment<'_>],
    kind: Kind,
    scope: Scope<'_>,
    into: &mut Differences<'_>,
    shown: impl FnOnce(&Measure, Option<&Changed>) -> (String, (String, String)),
    measure: impl FnOnce() -> Measure,
) {
    if scope.rules.ignores(scope.endpoint, Place::Body(path)) {
        return;
    }
    let detail = |measure: &Measure, beside: Option<&Changed>| {
        let hidden = |shown: String| if shown == ABSENT { shown } else { excerpt::REDACTED.to_owned() };
        let (exact, (primary, other)) = shown(measure, beside);
        if secret(path, scope.rules.secrets()).is_some() {
            Detail { exact, primary: hidden(primary), other: hidden(other), control: None }
        } else {
            Detail { exact, primary, other, control: None }
        }
    };
    into.add_measured(|place| aggregated(path, place), kind, detail, Guesses::default, measure);
}

struct Walk<'w, 'd, 't> {
    primary: &'t Tree<'t>,
    other: &'t Tree<'t>,
    scope: Scope<'w>,
    path: Vec<Segment<'t>>,
    into: &'w mut Differences<'d>,
    /// Equal numbers may differ by a rule.
    spelled: bool,
    /// Only whether anything differs is asked.
    trial: bool,
    /// The objects that are open, from the outside in: one member may say what another is.
    objects: Vec<(&'t Node, &'t Node)>,
    /// Arrays within arrays are looked at again at each level.
    blurs: &'w Blurs,
}

impl<'t> Walk<'_, '_, 't> {
    fn values(&mut self, left: &'t Node, right: &'t Node) {
        if self.primary.text(left) == self.other.text(right) || self.is_enough() {
            return;
        }
        match (left.shape, right.shape) {
            (Shape::Object, Shape::Object) => {
                self.objects.push((left, right));
                self.members(left, right);
                self.objects.pop();
            }
            (Shape::Array, Shape::Array) => self.elements(left, right),
            _ if self.primary.same_scalar(left, self.other, right) && !self.spells(left) => {}
            (l, r) => self.differ(if l == r { Kind::Value } else { Kind::Type }, Some(left), Some(right)),
        }
    }

    /// Members in their order, as long as both sides have the same one; then by name.
    fn members(&mut self, left: &'t Node, right: &'t Node) {
        let (mut lefts, mut rights) = (self.primary.children(left), self.other.children(right));
        loop {
            match (lefts.next(), rights.next()) {
                (None, None) => return,
                (Some(l), Some(r)) if self.primary.same_name(l, self.other, r) => {
                    self.member(Some(l), Some(r));
                }
                (l, r) => {
                    return self.members_by_name(
                        l.into_iter().chain(lefts).collect(),
                        r.into_iter().chain(rights).collect(),
                    );
                }
            }
        }
    }

    /// The n-th of a repeated name meets the n-th.
    fn members_by_name(&mut self, lefts: Vec<&'t Node>, rights: Vec<&'t Node>) {
        let (mut lefts, mut rights) = (by_name(self.primary, lefts), by_name(self.other, rights));
        let mut pairs = Vec::new();
        loop {
            let order = match (lefts.peek(), rights.peek()) {
                (None, None) => break,
                (Some(l), Some(r)) => l.0.cmp(&r.0),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
            };
            let left = if order.is_le() { lefts.next() } else { None };
            let right = if order.is_ge() { rights.next() } else { None };
            pairs.push((left.map(|(_, node)| node), right.map(|(_, node)| node)));
        }
        // In the order of the primary; what it has not follows.
        pairs.sort_by_key(|(left, right)| (left.is_none(), left.or(*right).map(Node::place)));
        for (left, right) in pairs {
            self.member(left, right);
        }
    }

    fn member(&mut self, left: Option<&'t Node>, right: Option<&'t Node>) {
        let key = match (left, right) {
            (Some(left), Some(right)) if self.primary.text(left) == self.other.text(right) => return,
            (Some(left), _) => self.primary.key(left),
            (None, Some(right)) => self.other.key(right),
            (None, None) => return,
        };
        self.path.push(Segment::Member(key));
        match (left, right) {
            (Some(left), Some(right)) => self.values(left, right),
            (Some(_), None) => self.differ(Kind::Missing, left, None),
            _ => self.differ(Kind::Extra, None, right),
        }
        self.path.pop();
    }

    fn elements(&mut self, left: &'t Node, right: &'t Node) {
        let lefts: Vec<&'t Node> = self.primary.children(left).collect();
        let rights: Vec<&'t Node> = self.other.children(right).collect();
        if self.ruled(left, right, &lefts, &rights) {
            return;
        }
        let alignment = arrays::align(
            Elements { tree: self.primary, nodes: &lefts },
            Elements { tree: self.other, nodes: &rights },
        );
        if lefts.len() != rights.len() {
            self.differ(Kind::Length, Some(left), Some(right));
        }
        if alignment.moved {
            self.differ(Kind::Order, Some(left), Some(right));
        }
        for (at, against) in alignment.pairs {
            let (Some(left), Some(right)) = (lefts.get(at), rights.get(against)) else { continue };
            self.path.push(Segment::Element(at));
            self.values(left, right);
            self.path.pop();
        }
    }

    fn differ(&mut self, kind: Kind, left: Option<&'t Node>, right: Option<&'t Node>) {
        if self.into.full() || self.allowed(kind, left, right) {
            return;
        }
        let (primary, other, path, secrets) =
            (self.primary, self.other, &self.path, self.scope.rules.secrets());
        let objects = self.objects.last().map(|(left, right)| [(primary, *left), (other, *right)]);
        let detail = || {
            let secret = secret(path, secrets).or_else(|| named_beside(path, objects, secrets));
            let shown = |tree: &Tree<'_>, node: Option<&Node>| match node {
                None => ABSENT.to_owned(),
                Some(node) => excerpt::node(tree, node, secret),
            };
            Detail {
                primary: shown(primary, left),
                other: shown(other, right),
                exact: exact(path),
                control: None,
            }
        };
        let guesses = || ruled::guesses(kind, (primary, left), (other, right));
        let measure = || {
            let measure = ruled::measure((primary, left), (other, right));
            if measure.shows_values() && secret(path, secrets).is_some() { measure.hashed() } else { measure }
        };
        self.into.add_measured(|place| aggregated(path, place), kind, |_, _| detail(), guesses, measure);
    }
}

/// What stands in the member `value`, if another member of the object says that it is a secret: `{"name": "Authorization", "value": …}`.
fn named_beside<'t>(
    path: &[Segment<'t>],
    objects: Option<[(&Tree<'t>, &Node); 2]>,
    secrets: &Secrets,
) -> Option<SecretKind> {
    let is_value = matches!(path.last(), Some(Segment::Member(key)) if **key == *b"value");
    let mut objects = objects.filter(|_| is_value)?.into_iter();
    objects.find_map(|(tree, object)| {
        let mut members = tree.children(object).filter(|member| member.shape == Shape::Text);
        let naming = |member: &&Node| NAMING.iter().any(|name| *tree.key(member) == *name.as_bytes());
        members.find(naming).and_then(|member| secrets.of_header(&unescape(tree.lexeme(member))))
    })
}

/// What stands there, if it is a secret: by the name of a member on the way, or because the policy names the place.
fn secret(path: &[Segment<'_>], secrets: &Secrets) -> Option<SecretKind> {
    let member = |segment: &Segment<'_>| match segment {
        Segment::Member(key) => secrets.of_member(key),
        Segment::Element(_) => None,
    };
    path.iter().find_map(member).or_else(|| of_named_place(path, secrets))
}

fn of_named_place(path: &[Segment<'_>], secrets: &Secrets) -> Option<SecretKind> {
    if secrets.paths().is_empty() {
        return None;
    }
    let names: Vec<Cow<'_, [u8]>> = path
        .iter()
        .map(|segment| match segment {
            Segment::Member(key) => Cow::Borrowed(&**key),
            Segment::Element(at) => Cow::Owned(at.to_string().into_bytes()),
        })
        .collect();
    secrets.of_path(names.iter().map(|name| &**name))
}

/// Members with their names, sorted by these; those of one name in their order.
fn by_name<'t>(
    tree: &Tree<'t>,
    nodes: Vec<&'t Node>,
) -> Peekable<impl Iterator<Item = (Cow<'t, [u8]>, &'t Node)>> {
    let mut named: Vec<_> = nodes.into_iter().map(|node| (tree.key(node), node)).collect();
    named.sort_by(|left, right| left.0.cmp(&right.0));
    named.into_iter().peekable()
}

/// The place with `*` for elements and for members that are named by an identifier, for which there would be no end of
/// places.
fn aggregated(path: &[Segment<'_>], out: &mut String) {
    render(path, out, |segment, out| match segment {
        Segment::Element(_) => out.push('*'),
        Segment::Member(key) if is_identifier(key) || has_form(key) => out.push('*'),
        Segment::Member(key) => push_token(key, out),
    });
}

pub(crate) fn exact(path: &[Segment<'_>]) -> String {
    let mut out = String::new();
    render(path, &mut out, |segment, out| match segment {
        Segment::Element(at) => out.push_str(&at.to_string()),
        Segment::Member(key) if is_token(key) || has_form(key) => out.push('*'),
        Segment::Member(key) => push_token(key, out),
    });
    out
}

fn render(path: &[Segment<'_>], out: &mut String, token: impl Fn(&Segment<'_>, &mut String)) {
    for segment in path {
        out.push('/');
        token(segment, out);
    }
    if out.len() > MAX_PATH {
        *out = excerpt::line(out.as_bytes(), MAX_PATH);
    }
}

fn push_token(key: &[u8], out: &mut String) {
    let printable = |byte: &u8| (0x20..0x7f).contains(byte);
    let plain = key.len() <= MAX_TOKEN && key.iter().all(printable) && pattern::is_plain(key);
    match std::str::from_utf8(key) {
        Ok(key) if plain => out.push_str(key),
        // What stands there is what a rule for this member alone has to say.
        _ => out.push_str(&pattern::escaped(&excerpt::line(key, MAX_TOKEN))),
    }
}

/// Members that name what the member `value` holds.
const NAMING: [&str; 4] = ["name", "key", "field", "header"];
const MAX_TOKEN: usize = 64;
const MAX_PATH: usize = 256;

#[cfg(test)]
pub(crate) mod tests {
    use super::found::MAX_SUBJECTS;
    use super::*;
    use crate::Pattern;
    use crate::kind::Subject;
    use crate::refusal::Refusal;

    pub(crate) fn diff(left: &str, right: &str, rules: &Rules) -> Vec<String> {
        let mut found = Differences::detailed();
        let (left, right) = (Tree::parse(left.as_bytes()).unwrap(), Tree::parse(right.as_bytes()).unwrap());
        compare(&left, &right, Vec::new(), Scope { endpoint: "GET /", rules }, &mut found);
        let line = |(Subject(path, kind), detail): (Subject, Detail)| {
            format!("{path} {kind} {}: {} -> {}", detail.exact, detail.primary, detail.other)
        };
        found.into_details().map(line).collect()
    }

    fn check(left: &str, right: &str, expected: &[&str]) {
        assert_eq!(diff(left, right, &Rules::default()), expected, "{left} {right}");
    }

    #[test]
    fn kinds() {
        check(r#"{"a":1}"#, r#"{"a":2}"#, &["/a value /a: 1 -> 2"]);
        check(r#"{"a":1}"#, r#"{"a":"1"}"#, &["/a type /a: 1 -> \"1\""]);
        check(r#"{"a":null}"#, r#"{"a":0}"#, &["/a type /a: null -> 0"]);
        check(r#"{"a":1,"b":2}"#, r#"{"b":2}"#, &["/a missing /a: 1 -> (absent)"]);
        check(r#"{"b":2}"#, r#"{"b":2,"a":{"x":1}}"#, &["/a extra /a: (absent) -> {1 member}"]);
        check(r#"{"a":[1,2,3]}"#, r#"{"a":[3,2,1]}"#, &["/a order /a: [3 elements] -> [3 elements]"]);
        check(r#"{"a":[1,2]}"#, r#"{"a":[1,2,3]}"#, &["/a length /a: [2 elements] -> [3 elements]"]);
        check("1", "2", &[" value : 1 -> 2"]);
        check("[true]", "[false]", &["/* value /0: true -> false"]);
        check(r#"{"a":1,"a":2}"#, r#"{"a":1}"#, &["/a missing /a: 2 -> (absent)"]);
        check(r#"{"a/b":{"~":1}}"#, r#"{"a/b":{"~":2}}"#, &["/a~1b/~0 value /a~1b/~0: 1 -> 2"]);
        check(r#"{"":1}"#, r#"{"":2}"#, &["/~4 value /~4: 1 -> 2"]);
        check(
            r#"{"*":1,"a*":1}"#,
            r#"{"*":2,"a*":2}"#,
            &["/a~2 value /a~2: 1 -> 2", "/~2 value /~2: 1 -> 2"],
        );
        check(r#"{" a ":1}"#, r#"{" a ":2}"#, &["/~3a~3 value /~3a~3: 1 -> 2"]);
        check(r#"{"u":{"91":1}}"#, r#"{"u":{"91":2}}"#, &["/u/* value /u/91: 1 -> 2"]);
        check(
            r#"{"password":"a"}"#,
            r#"{"password":"b"}"#,
            &[
                "/password value /password: (redacted: password, 1 character) -> (redacted: password, 1 character)",
            ],
        );
        // Names are judged before they are shortened, alone and as a part of a long path.
        let long = format!("{}-token", "a".repeat(MAX_TOKEN));
        let body = |value: &str| format!(r#"{{"{long}":"{value}"}}"#);
        let short = format!("/{}…", "a".repeat(MAX_TOKEN - 1));
        let hidden = "(redacted: token, 1 character)";
        check(&body("a"), &body("b"), &[&format!("{short} value {short}: {hidden} -> {hidden}")]);
        let deep = |value: &str| {
            let nested = "{\"a-long-name-of-a-member\":".repeat(12);
            format!("{nested}{{\"secret\":\"{value}\"}}{}", "}".repeat(12))
        };
        let found = diff(&deep("canary"), &deep("b"), &Rules::default());
        assert!(
            found.len() == 1
                && found[0].ends_with(": (redacted: key, 6 characters) -> (redacted: key, 1 character)"),
            "{found:?}"
        );
        // What looks like a secret on one side is hidden on both.
        let hidden = "/auth value /auth: (redacted) -> (redacted)";
        check(r#"{"auth":"Bearer abc"}"#, r#"{"auth":"abc"}"#, &[hidden]);
        let keyed = |value| format!(r#"{{"qWeRtYuIoPaSdFgHjKlZxCvB":{value}}}"#);
        check(&keyed(1), &keyed(2), &["/* value /*: 1 -> 2"]);
    }

    #[test]
    fn what_a_place_says_as_a_rule_names_that_place_alone() {
        for name in
            ["", "*", "**", "a*", " ", " a", "~", "~2", "~4", "/", "a/b", "a\u{a0}", "\u{3000}", "header:x"]
        {
            let body =
                |value: u32| serde_json::json!({name: value, "b": value, "c": {"d": value}}).to_string();
            let place = format!("/{}", pattern::escaped(name));
            let found = diff(&body(1), &body(2), &Rules::default());
            assert!(found.contains(&format!("{place} value {place}: 1 -> 2")), "{name:?}: {found:?}");
            let ignored = Rules::new(vec![Pattern::parse(&place).unwrap()], vec![]);
            let rest = ["/b value /b: 1 -> 2", "/c/d value /c/d: 1 -> 2"];
            assert_eq!(diff(&body(1), &body(2), &ignored), rest, "{name:?}");
        }
    }

    #[test]
    fn elements_are_aggregated_and_shuffles_are_one_difference() {
        let left = r#"{"items":[{"id":1,"price":10},{"id":2,"price":20},{"id":3,"price":30}]}"#;
        check(left, &left.replace("0}", "5}"), &["/items/*/price value /items/0/price: 10 -> 15"]);
        let shuffled = r#"{"items":[{"id":3,"price":30},{"id":1,"price":11},{"id":2,"price":20}]}"#;
        let order = "/items order /items: [3 elements] -> [3 elements]";
        check(left, shuffled, &[order, "/items/*/price value /items/0/price: 10 -> 11"]);
        let rules = Rules::new(vec![], vec![Pattern::parse("/items").unwrap()]);
        assert_eq!(diff(left, shuffled, &rules), ["/items/*/price value /items/0/price: 10 -> 11"]);
        let rules = Rules::new(vec![Pattern::parse("/items/*/price").unwrap()], vec![]);
        assert_eq!(diff(left, shuffled, &rules), [order]);
    }

    #[test]
    fn the_list_is_bounded() {
        let body = |value: u32| {
            let members: Vec<String> = (0..20_000).map(|at| format!("\"key-{at:x}x\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(diff(&body(1), &body(2), &Rules::default()).len(), MAX_SUBJECTS);
        let items = |value: u32| format!("[{}0]", format!("{{\"a\":{value}}},").repeat(20_000));
        let mut found = Differences::detailed();
        let (left, right) = (items(1), items(2));
        let (left, right) = (Tree::parse(left.as_bytes()).unwrap(), Tree::parse(right.as_bytes()).unwrap());
        let rules = Rules::default();
        compare(&left, &right, Vec::new(), Scope { endpoint: "GET /", rules: &rules }, &mut found);
        assert!(found.refused.contains(&Refusal::Differences));
        assert_eq!(diff(&items(1), &items(2), &Rules::default()), ["/*/a value /0/a: 1 -> 2"]);
    }
}
