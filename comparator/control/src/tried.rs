//! Other rules for the same policy: what somebody would write under `compare`, without a change of the policy.
//!
//! Who pastes a report's suggestion means it besides the rules that there are; who gives a whole `compare` means it in their place.

use antumbra_engine::Rules;
use antumbra_policy::document::{Field, Invalid, Problems, Tree};
use serde::{Deserialize, Serialize};

use crate::comparison;
use crate::document::{Document, tree_from_yaml};

/// What becomes of a policy's own rules where others are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// They hold, too: only rules were given.
    Extends,
    /// They do not hold: a whole `compare` was given.
    Replaces,
}

impl Document {
    /// Returns the same document with other rules of comparison. `given` is a list of rules as `compare.rules` has them, one such rule
    /// or a mapping with `rules` alone, all of which extend the document's; or what `compare` has, or a document with that field, which
    /// replace them. A rule may be a text that holds it, as reports for programs have it.
    ///
    /// # Errors
    /// Everything that is wrong with what is given, by its place in there or under `compare`.
    pub fn trying(&self, given: &Tree) -> Result<(Self, Way), Invalid> {
        match Given::read(given)? {
            Given::Rules(rules) => {
                self.check_alone(&rules)?;
                Ok((self.with_compare(Some(self.extended(rules)))?, Way::Extends))
            }
            Given::Compare(compare) => Ok((self.with_compare(compare)?, Way::Replaces)),
        }
    }

    /// By itself, so that problems have the places where a person wrote what is wrong.
    fn check_alone(&self, rules: &[Tree]) -> Result<Rules, Invalid> {
        let endpoints = self.tree().get("compare").and_then(|compare| compare.get("endpoints")).cloned();
        let endpoints = endpoints.map(|endpoints| ("endpoints".to_owned(), endpoints));
        let rules = ("rules".to_owned(), Tree::List(rules.to_vec()));
        let tree = Tree::Map(endpoints.into_iter().chain([rules]).collect());
        let problems = Problems::default();
        let read = comparison::bare_rules(&problems.root(&tree));
        problems.finish(read)
    }

    fn extended(&self, more: Vec<Tree>) -> Tree {
        let mut compare = self.tree().get("compare").cloned().unwrap_or(Tree::Map(Vec::new()));
        let own = match compare.get("rules") {
            Some(Tree::List(own)) => own.clone(),
            _ => Vec::new(),
        };
        compare.set("rules", Tree::List([own, more].concat()));
        compare
    }

    fn with_compare(&self, compare: Option<Tree>) -> Result<Self, Invalid> {
        let mut tree = self.tree().clone();
        match (compare, &mut tree) {
            (Some(compare), tree) => tree.set("compare", compare),
            (None, Tree::Map(entries)) => entries.retain(|(name, _)| name != "compare"),
            (None, _) => {}
        }
        Self::from_tree(tree)
    }
}

/// What somebody gave.
enum Given {
    Rules(Vec<Tree>),
    /// None: a policy that says nothing about comparing.
    Compare(Option<Tree>),
}

impl Given {
    fn read(tree: &Tree) -> Result<Self, Invalid> {
        match tree {
            Tree::List(rules) => rules_of(rules),
            Tree::Map(entries) => match entries.as_slice() {
                [(name, Tree::List(rules))] if name == "rules" => rules_of(rules),
                _ if tree.get("at").is_some() => Ok(Self::Rules(vec![tree.clone()])),
                _ if tree.get("compare").is_some() => Ok(Self::Compare(tree.get("compare").cloned())),
                _ if tree.get("variants").is_some() => Ok(Self::Compare(None)),
                _ => Ok(Self::Compare(Some(tree.clone()))),
            },
            other => {
                let message =
                    format!("is {other}, must be a list of rules, a mapping as compare has, or a policy");
                Err(Invalid::single("document", message))
            }
        }
    }
}

fn rules_of(rules: &[Tree]) -> Result<Given, Invalid> {
    if rules.is_empty() {
        return Err(Invalid::single("rules", "is empty, must have at least one rule to try".to_owned()));
    }
    let problems = Problems::default();
    let list = Tree::List(rules.to_vec());
    let root = Tree::Map(vec![("rules".to_owned(), list)]);
    let fields = problems.root(&root).entries().unwrap_or_default();
    let fields = fields.iter().filter_map(|(_, field)| field.list(0..=usize::MAX)).flatten();
    let read: Option<Vec<Tree>> = fields.map(|field| unquoted(&field)).collect();
    problems.finish(read).map(Given::Rules)
}

/// The rule in a text: `jq '[.suggestions[].rule]'` makes a list of such.
fn unquoted(field: &Field<'_>) -> Option<Tree> {
    let Tree::Text(text) = field.tree() else { return Some(field.tree().clone()) };
    match tree_from_yaml(text.as_bytes()) {
        Ok(rule @ Tree::Map(_)) => Some(rule),
        _ => {
            field.problem("must be a rule: a mapping with at, or a text that holds one");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "{version: 1, name: shop, variants: {stable: null, canary: null}, default: stable, gates: {margin: 1},
        rules: [{name: shadow, mirror: [{to: canary, percent: 5}]}],
        compare: {ignore: [/trace], endpoints: ['GET /u/{name}'], rules: [{at: /a, time: 5s}]}}";

    fn tried(given: &str) -> Result<(String, Way), String> {
        let shop = Document::from_yaml(SHOP.as_bytes()).unwrap();
        let tree = tree_from_yaml(given.as_bytes()).unwrap();
        let (document, way) = shop.trying(&tree).map_err(|invalid| invalid.to_string())?;
        assert_eq!((document.name(), document.gates()), ("shop", shop.gates()));
        Ok((document.tree().get("compare").map(ToString::to_string).unwrap_or_default(), way))
    }

    #[test]
    fn rules_alone_are_added_and_a_whole_compare_is_put_in_place() {
        let shop = |compare: &str| SHOP.replace("{ignore: [/trace]", compare);
        let added = SHOP.replace("time: 5s}]", "time: 5s}, {at: /b, ignore: true}]");
        let compare = |text: &str| {
            let document = Document::from_yaml(text.as_bytes()).unwrap();
            document.tree().get("compare").unwrap().to_string()
        };
        for given in [
            "- {\"at\": \"/b\", \"ignore\": true}",
            "[{at: /b, ignore: true}]",
            "{at: /b, ignore: true}",
            "rules: [{at: /b, ignore: true}]",
            r#"["{\"at\": \"/b\", \"ignore\": true}"]"#,
        ] {
            assert_eq!(tried(given), Ok((compare(&added), Way::Extends)), "{given}");
        }
        let whole = shop("{ignore: [/b]");
        for given in [
            whole.as_str(),
            "compare: {ignore: [/b], endpoints: ['GET /u/{name}'], rules: [{at: /a, time: 5s}]}",
            "{ignore: [/b], endpoints: ['GET /u/{name}'], rules: [{at: /a, time: 5s}]}",
        ] {
            assert_eq!(tried(given), Ok((compare(&whole), Way::Replaces)), "{given}");
        }
        let silent = "{version: 1, name: till, variants: {a: null}}";
        assert_eq!(tried(silent), Ok((String::new(), Way::Replaces)));
    }

    #[test]
    fn what_is_wrong_is_named_where_it_was_written() {
        for (given, said) in [
            ("[{at: /b, relative: 5}, {at: b, ignore: true}]", "rules[0].relative is 5, must be within"),
            ("[{at: /b, ignore: true}, {at: b, ignore: true}]", "rules[1].at is \"b\", "),
            ("{at: GET /u/ann /b, ignore: true}", "must name GET /u/{name}, of which it is a part"),
            ("compare: {ignore: [b]}", "compare.ignore[0] is \"b\", "),
            ("{ignored: [/b]}", "compare.ignored is not a known field; did you mean \"ignore\"?"),
            ("compare: {primary: [blue]}", "compare.primary[0] is \"blue\", not a known variant"),
            ("[]", "rules is empty, must have at least one rule"),
            ("[/b]", "rules[0] is \"/b\", must be a rule: a mapping with at, or a text that holds one"),
            ("7", "document is 7, must be a list of rules"),
            ("", "document is null, must be a list of rules"),
        ] {
            let error = tried(given).expect_err(given);
            assert!(error.contains(said), "{given}: {error}");
        }
    }
}
