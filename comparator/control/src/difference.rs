//! In which fields two documents differ, whole: what the audit records, and what a put takes back of what was changed at run time.
//!
//! Nothing is shortened: an audit that shows a part of a value cannot say what the value was.

use std::fmt;

use antumbra_policy::document::Tree;
use serde::{Deserialize, Serialize};

/// A field in which two documents differ.
#[derive(Debug, Clone, PartialEq)]
struct Difference<'t> {
    path: Vec<Step<'t>>,
    what: What<'t>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'t> {
    Name(&'t str),
    Item(usize),
}

#[derive(Debug, Clone, PartialEq)]
enum What<'t> {
    /// The value before and after; none where the field is not there.
    Value(Option<&'t Tree>, Option<&'t Tree>),
    /// The names that both have, in the order before and after.
    Order(Vec<&'t str>, Vec<&'t str>),
}

/// A field that was changed at run time and that a put document sets to something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Undone {
    /// Its path in the document in force until then, as `rules[0].mirror[0].percent`.
    pub field: String,
    /// What it was set to at run time; none if it was removed.
    pub from: Option<Tree>,
    /// What it is now; none if the field is not there any more.
    pub to: Option<Tree>,
}

/// One line per field in which the documents differ: `rules[0].mirror[0].percent: 0 → 5`. Lines are whole. Where all of them together
/// would have more than [`MAX_DIFF_BYTES`], the last one says how many fields differ besides.
pub fn lines(old: &Tree, new: &Tree) -> Vec<String> {
    let found = differences(old, new);
    let (mut lines, mut bytes) = (Vec::new(), 0_usize);
    for difference in &found {
        let line = difference.to_string();
        bytes = bytes.saturating_add(line.len());
        if bytes > MAX_DIFF_BYTES {
            let more = found.len().saturating_sub(lines.len());
            lines.push(format!("and {more} more: the documents of both generations say which"));
            break;
        }
        lines.push(line);
    }
    lines
}

/// What was changed between `put`, the document that was put last, and `current`, and is not so in `next`.
///
/// Rules are found again by their names and mirrors by where they go, so that another order of the same rules takes nothing back.
pub fn undone(put: &Tree, current: &Tree, next: &Tree) -> Vec<Undone> {
    let changed = differences(put, current).into_iter().filter_map(|difference| {
        let What::Value(_, now) = difference.what else { return None };
        let then = counterpart(current, next, &difference.path);
        let undone = || Undone { field: path(&difference.path), from: now.cloned(), to: then.cloned() };
        (now != then).then(undone)
    });
    changed.collect()
}

/// The value in `next` of the field that `path` leads to in `current`.
fn counterpart<'n>(current: &Tree, next: &'n Tree, path: &[Step<'_>]) -> Option<&'n Tree> {
    let (mut here, mut there) = (Some(current), next);
    for step in path {
        (here, there) = match (*step, there) {
            (Step::Name(name), _) => (here.and_then(|here| here.get(name)), there.get(name)?),
            (Step::Item(index), Tree::List(items)) => {
                let item = here.and_then(|here| element(here, index));
                let found = match item.and_then(identity) {
                    Some(named) => items.iter().find(|item| identity(item) == Some(named)),
                    None => items.get(index),
                };
                (item, found?)
            }
            (Step::Item(_), _) => return None,
        };
    }
    Some(there)
}

fn element(list: &Tree, index: usize) -> Option<&Tree> {
    match list {
        Tree::List(items) => items.get(index),
        _ => None,
    }
}

/// By what an element of a list is known wherever it stands.
fn identity(element: &Tree) -> Option<&str> {
    match element.get("name").or_else(|| element.get("to")) {
        Some(Tree::Text(text)) => Some(text),
        _ => None,
    }
}

fn differences<'t>(old: &'t Tree, new: &'t Tree) -> Vec<Difference<'t>> {
    let mut found = Vec::new();
    compare(&mut Vec::new(), Some(old), Some(new), &mut found);
    found
}

fn compare<'t>(
    path: &mut Vec<Step<'t>>,
    old: Option<&'t Tree>,
    new: Option<&'t Tree>,
    found: &mut Vec<Difference<'t>>,
) {
    match (old, new) {
        (Some(Tree::Map(before)), Some(Tree::Map(after))) => compare_maps(path, before, after, found),
        (Some(Tree::List(before)), Some(Tree::List(after))) => {
            for index in 0..before.len().max(after.len()) {
                below(path, Step::Item(index), before.get(index), after.get(index), found);
            }
        }
        _ if old != new => found.push(Difference { path: path.clone(), what: What::Value(old, new) }),
        _ => {}
    }
}

fn compare_maps<'t>(
    path: &mut Vec<Step<'t>>,
    old: &'t [(String, Tree)],
    new: &'t [(String, Tree)],
    found: &mut Vec<Difference<'t>>,
) {
    fn value<'t>(entries: &'t [(String, Tree)], name: &str) -> Option<&'t Tree> {
        entries.iter().find(|(known, _)| known == name).map(|(_, tree)| tree)
    }
    for (name, before) in old {
        below(path, Step::Name(name), Some(before), value(new, name), found);
    }
    for (name, after) in new.iter().filter(|(name, _)| value(old, name).is_none()) {
        below(path, Step::Name(name), None, Some(after), found);
    }
    let common = |these: &'t [(String, Tree)], those: &[(String, Tree)]| -> Vec<&'t str> {
        let names = these.iter().map(|(name, _)| name.as_str());
        names.filter(|name| value(those, name).is_some()).collect()
    };
    let (before, after) = (common(old, new), common(new, old));
    if before != after {
        found.push(Difference { path: path.clone(), what: What::Order(before, after) });
    }
}

fn below<'t>(
    path: &mut Vec<Step<'t>>,
    step: Step<'t>,
    old: Option<&'t Tree>,
    new: Option<&'t Tree>,
    found: &mut Vec<Difference<'t>>,
) {
    path.push(step);
    compare(path, old, new, found);
    path.pop();
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", path(&self.path))?;
        match &self.what {
            What::Value(Some(old), Some(new)) => write!(f, "{} → {}", json(old), json(new)),
            What::Value(Some(old), None) => write!(f, "{} removed", json(old)),
            What::Value(None, new) => write!(f, "{} added", new.map(json).unwrap_or_default()),
            What::Order(before, after) => write!(f, "order {} → {}", before.join(", "), after.join(", ")),
        }
    }
}

/// `rules[0].mirror[0].percent goes back from 50 to 5`.
impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, from, to } = self;
        let told = |value: &Option<Tree>| value.as_ref().map_or_else(|| "nothing".to_owned(), json);
        write!(f, "{field} goes back from {} to {}", told(from), told(to))
    }
}

fn path(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Name(name) if path.is_empty() => path.push_str(name),
            Step::Name(name) => path.extend([".", name]),
            Step::Item(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

fn json(tree: &Tree) -> String {
    serde_json::to_string(tree).unwrap_or_default()
}

/// What an entry of the audit may hold of a change: the largest document that can be put over HTTP, before and after, and the paths of
/// what differs.
const MAX_DIFF_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(json: &str) -> Tree {
        Tree::from_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn differences_name_the_field() {
        let old = tree(r#"{"a":{"x":1,"y":2},"l":[1,2],"gone":true}"#);
        let new = tree(r#"{"a":{"y":2,"x":5},"l":[1,3,{"k":"v"}],"fresh":null}"#);
        assert_eq!(
            lines(&old, &new),
            [
                "a.x: 1 → 5",
                "a: order x, y → y, x",
                "l[1]: 2 → 3",
                r#"l[2]: {"k":"v"} added"#,
                "gone: true removed",
                "fresh: null added",
            ]
        );
        assert!(lines(&old, &old).is_empty());
    }

    #[test]
    fn values_are_whole_however_long() {
        let long = |letter: &str| tree(&format!(r#"{{"pattern":"{}"}}"#, letter.repeat(5_000)));
        let expected = format!(r#"pattern: "{}" → "{}""#, "a".repeat(5_000), "b".repeat(5_000));
        assert_eq!(lines(&long("a"), &long("b")), [expected]);
        let nothing = tree("{}");
        let expected = format!(r#"pattern: "{}" removed"#, "a".repeat(5_000));
        assert_eq!(lines(&long("a"), &nothing), [expected]);
    }

    #[test]
    fn what_differs_is_bounded_and_says_so() {
        let long = |letter: &str| {
            let item = format!("\"{}\"", letter.repeat(1 << 20));
            tree(&format!("[{}]", vec![item; 12].join(",")))
        };
        let lines = lines(&long("a"), &long("b"));
        assert_eq!(
            (lines.len(), lines[7].as_str()),
            (8, "and 5 more: the documents of both generations say which")
        );
    }

    fn shop(mirror: &str, canary: u8) -> String {
        format!(
            r#"{{"rules":[{{"name":"shadow","mirror":[{{"to":"canary",{mirror}}}]}},
                {{"name":"share","split":{{"weights":{{"canary":{canary},"stable":95}}}}}}]}}"#
        )
    }

    #[track_caller]
    fn check(put: &str, current: &str, next: &str, expected: &[&str]) {
        let undone = undone(&tree(put), &tree(current), &tree(next));
        assert_eq!(undone.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_was_changed_at_run_time_and_is_not_so_any_more_is_undone() {
        let (put, current) = (shop(r#""percent":5"#, 1), shop(r#""percent":50"#, 20));
        let percent = "rules[0].mirror[0].percent goes back from 50 to 5";
        let weights = "rules[1].split.weights.canary goes back from 20 to 1";
        check(&put, &current, &put, &[percent, weights]);
        check(&put, &current, &current, &[]);
        check(&put, &put, &current, &[]);
        check(
            &put,
            &current,
            &shop(r#""percent":50"#, 30),
            &["rules[1].split.weights.canary goes back from 20 to 30"],
        );
        check(
            &shop(r#""fraction":0.05"#, 1),
            &shop(r#""percent":50"#, 1),
            &shop(r#""fraction":0.05"#, 1),
            &[
                "rules[0].mirror[0].fraction goes back from nothing to 0.05",
                "rules[0].mirror[0].percent goes back from 50 to nothing",
            ],
        );
        check(
            &put,
            &current,
            r#"{"rules":[]}"#,
            &[
                "rules[0].mirror[0].percent goes back from 50 to nothing",
                "rules[1].split.weights.canary goes back from 20 to nothing",
            ],
        );
    }

    #[test]
    fn a_rule_is_the_same_wherever_it_stands() {
        let (put, current) = (shop(r#""percent":5"#, 1), shop(r#""percent":50"#, 1));
        let Tree::List(mut rules) = tree(&current).get("rules").unwrap().clone() else { panic!("no list") };
        rules.reverse();
        let turned = Tree::Map(vec![("rules".to_owned(), Tree::List(rules))]);
        assert_eq!(undone(&tree(&put), &tree(&current), &turned), []);
    }
}
