//! Small changes to a written policy that keep everything else as it was written, above all the order of weights.
//!
//! The result is a document like any other: the caller compiles it before it counts.

use crate::document::Tree;
use crate::rule::rule_name;

/// Which mirrors of a document to change: by rule, by variant, by both, or all of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection<'a> {
    /// Only mirrors of the rule with this name; `None` selects those of every rule.
    pub rule: Option<&'a str>,
    /// Only mirrors to the variant with this name; `None` selects those to every variant.
    pub to: Option<&'a str>,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// No mirror is selected.
    #[error("no mirror{selected}; {}", listed("rules with a mirror", .known))]
    NoMirror {
        /// What was asked for, as ` of rule "a" to "b"`.
        selected: String,
        /// The rules that have a mirror.
        known: Vec<String>,
    },
    /// No split is selected.
    #[error("no split{selected}; {}", listed("rules with a split", .known))]
    NoSplit {
        /// What was asked for, as ` of rule "a"`.
        selected: String,
        /// The rules that have a split.
        known: Vec<String>,
    },
    /// Several rules have a split and none was named.
    #[error("several rules have a split, one must be named: {}", .known.join(", "))]
    SeveralSplits {
        /// The rules that have a split.
        known: Vec<String>,
    },
}

/// Sets the share of the selected mirrors, in percent; a `fraction` is replaced. Answers how many mirrors were set.
///
/// # Errors
/// No mirror is selected.
pub fn set_mirror(tree: &mut Tree, selection: Selection<'_>, percent: f64) -> Result<usize, EditError> {
    let mut known = Vec::new();
    let mut changed = 0;
    for (name, rule) in rules(tree) {
        let Some(Tree::List(mirrors)) = rule.get_mut("mirror") else { continue };
        if selection.rule.is_none_or(|wanted| wanted == name) {
            let selected =
                mirrors.iter_mut().filter(|mirror| selection.to.is_none_or(|to| is_to(mirror, to)));
            changed += selected.map(|mirror| set_share(mirror, percent)).count();
        }
        known.push(name);
    }
    if changed > 0 {
        Ok(changed)
    } else {
        Err(EditError::NoMirror { selected: selection.to_string(), known })
    }
}

/// Sets the weights of the named variants in the split of `rule`, or in the only split there is. Variants not named keep
/// their weight, new ones are appended. Answers how many weights were set.
pub fn set_weights(
    tree: &mut Tree,
    rule: Option<&str>,
    weights: &[(String, u64)],
) -> Result<usize, EditError> {
    let splits = rules(tree).into_iter().filter_map(|(name, rule)| Some((name, rule.get_mut("split")?)));
    let (known, splits): (Vec<String>, Vec<&mut Tree>) = splits.unzip();
    let selected = Selection { rule, to: None };
    let place = match rule {
        Some(rule) => known.iter().position(|name| name == rule),
        None if known.len() > 1 => return Err(EditError::SeveralSplits { known }),
        None => Some(0),
    };
    let split = place.and_then(|place| splits.into_iter().nth(place));
    let Some(split) = split else {
        return Err(EditError::NoSplit { selected: selected.to_string(), known });
    };
    if split.get("weights").is_none() {
        split.set("weights", Tree::Map(Vec::new()));
    }
    if let Some(written) = split.get_mut("weights") {
        for (variant, weight) in weights {
            written.set(variant, whole(*weight));
        }
    }
    Ok(weights.len())
}

/// The part of a document that the filters need, with the generation that it is.
pub fn filter_part(tree: &Tree, generation: u64) -> Tree {
    let mut part = tree.clone();
    if let Tree::Map(entries) = &mut part {
        entries.retain(|(name, _)| !COMPARATORS_OWN.contains(&name.as_str()));
    }
    part.set("generation", whole(generation));
    part
}

/// What was asked for in the words of an error.
impl std::fmt::Display for Selection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(rule) = self.rule {
            write!(f, " of rule {rule:?}")?;
        }
        if let Some(to) = self.to {
            write!(f, " to {to:?}")?;
        }
        Ok(())
    }
}

fn rules(tree: &mut Tree) -> Vec<(String, &mut Tree)> {
    match tree.get_mut("rules") {
        Some(Tree::List(rules)) => {
            rules.iter_mut().enumerate().map(|(index, rule)| (rule_name(index, rule), rule)).collect()
        }
        _ => Vec::new(),
    }
}

fn is_to(mirror: &Tree, variant: &str) -> bool {
    matches!(mirror.get("to"), Some(Tree::Text(to)) if to == variant)
}

/// Where a `fraction` stood, `percent` stands now.
fn set_share(mirror: &mut Tree, percent: f64) {
    if let Tree::Map(entries) = mirror {
        if entries.iter().any(|(name, _)| name == "percent") {
            entries.retain(|(name, _)| name != "fraction");
        }
        for (name, _) in entries.iter_mut().filter(|(name, _)| name == "fraction") {
            "percent".clone_into(name);
        }
    }
    mirror.set("percent", number(percent));
}

/// A whole number is written as one.
fn number(value: f64) -> Tree {
    #[expect(clippy::cast_possible_truncation, reason = "only where it is whole and small")]
    if value.fract() == 0.0 && value.abs() < 1e9 { Tree::Integer(value as i64) } else { Tree::Float(value) }
}

fn whole(value: u64) -> Tree {
    #[expect(clippy::cast_precision_loss, reason = "beyond every bound, and refused for that")]
    i64::try_from(value).map_or(Tree::Float(value as f64), Tree::Integer)
}

fn listed(what: &str, names: &[String]) -> String {
    if names.is_empty() { format!("there are no {what}") } else { format!("{what}: {}", names.join(", ")) }
}

const COMPARATORS_OWN: [&str; 4] = ["compare", "redact", "gates", "rollout"];

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"{"compare":{},"redact":{},"rules":[
        {"name":"shadow","mirror":[{"to":"v2","fraction":{"numerator":1},"timeout":"1s"},{"percent":1,"to":"v3"}]},
        {"name":"shift","split":{"weights":{"v2":5,"v1":95}}},
        {"mirror":[{"to":"v2"}],"split":{"weights":{"v1":1}}}],"gates":{},"generation":3,"rollout":{}}"#;

    fn check<T: std::fmt::Debug + PartialEq>(
        edit: impl FnOnce(&mut Tree) -> Result<T, EditError>,
        expected: Result<T, &str>,
        contains: &[&str],
    ) {
        let mut tree = Tree::from_json(WRITTEN.as_bytes()).unwrap();
        let before = tree.clone();
        let done = edit(&mut tree).map_err(|error| error.to_string());
        let text = serde_json::to_string(&tree).unwrap();
        assert_eq!(done, expected.map_err(str::to_owned), "{text}");
        assert_eq!(done.is_err(), tree == before, "{text}");
        for part in contains {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn mirrors() {
        let set =
            |rule, to, percent| move |tree: &mut Tree| set_mirror(tree, Selection { rule, to }, percent);
        check(
            set(None, None, 5.0),
            Ok(3),
            &[
                r#"{"to":"v2","percent":5,"timeout":"1s"}"#,
                r#"{"percent":5,"to":"v3"}"#,
                r#"{"to":"v2","percent":5}"#,
            ],
        );
        check(
            set(Some("shadow"), Some("v3"), 0.25),
            Ok(1),
            &[r#"{"percent":0.25,"to":"v3"}"#, r#""fraction""#],
        );
        check(set(Some("rule-2"), None, 0.0), Ok(1), &[r#"[{"to":"v2","percent":0}]"#]);
        let error = r#"no mirror of rule "shift" to "v9"; rules with a mirror: shadow, rule-2"#;
        check(set(Some("shift"), Some("v9"), 1.0), Err(error), &[]);
        assert_eq!(
            set_mirror(&mut Tree::Null, Selection::default(), 1.0).unwrap_err().to_string(),
            "no mirror; there are no rules with a mirror"
        );
    }

    #[test]
    fn weights() {
        let set = |rule, weights: &[(&str, u64)]| {
            let weights: Vec<_> =
                weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
            move |tree: &mut Tree| set_weights(tree, rule, &weights)
        };
        check(set(Some("shift"), &[("v3", 1), ("v1", 80)]), Ok(2), &[r#"{"v2":5,"v1":80,"v3":1}"#]);
        check(
            set(None, &[("v1", 1)]),
            Err("several rules have a split, one must be named: shift, rule-2"),
            &[],
        );
        check(
            set(Some("shadow"), &[("v1", 1)]),
            Err(r#"no split of rule "shadow"; rules with a split: shift, rule-2"#),
            &[],
        );
        let mut one = Tree::from_json(br#"{"rules":[{"split":{"weights":{"a":1}}}]}"#).unwrap();
        assert_eq!(set_weights(&mut one, None, &[("a".to_owned(), 2)]), Ok(1));
        assert_eq!(serde_json::to_string(&one).unwrap(), r#"{"rules":[{"split":{"weights":{"a":2}}}]}"#);
    }

    #[test]
    fn the_filters_part() {
        let tree = Tree::from_json(WRITTEN.as_bytes()).unwrap();
        let Tree::Map(entries) = filter_part(&tree, 8) else { panic!("a mapping") };
        let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["rules", "generation"]);
        assert_eq!(entries[1].1, Tree::Integer(8));
    }
}
