//! The draft as a document.

use antumbra_policy::document::Tree;

use super::{Destination, Draft, Mirror, Role, Rule, Split, Target, valid_name};

impl Draft {
    /// The document as it stands.
    pub(super) fn document(&self) -> Tree {
        let variants = self.variants.iter().map(|(name, to)| (name.clone(), variant(to))).collect();
        let mut tree = map([
            ("version", Tree::Integer(1)),
            ("name", Tree::Text(valid_name(&self.name))),
            ("variants", Tree::Map(variants)),
            ("default", self.default.clone().map_or(Tree::Null, Tree::Text)),
            ("rules", Tree::List(self.rules.iter().map(rule).collect())),
        ]);
        let primary = self.primary();
        if !primary.is_empty() {
            tree.set(
                "compare",
                map([("primary", Tree::List(primary.into_iter().map(Tree::Text).collect()))]),
            );
        }
        tree
    }

    /// Whom the candidate is compared with where the policy has no default: without saying so, only what the host's own
    /// routing answers would count, and that is nothing where every mirrored request is routed by a rule.
    fn primary(&self) -> Vec<String> {
        let mut primary = Vec::new();
        if self.default.is_some() {
            return primary;
        }
        for (index, _) in self.rules.iter().enumerate().filter(|(_, rule)| !rule.mirrors.is_empty()) {
            let carried = self.rules.iter().skip(index).filter(|rule| rule.role == Role::Carried);
            let deciding = carried.into_iter().find(|rule| rule.target != Target::Onward);
            if let Some(name) =
                deciding.and_then(|rule| holder(&rule.target)).filter(|name| !primary.contains(name))
            {
                primary.push(name);
            }
        }
        primary
    }
}

/// The variant that has most of a rule's requests.
fn holder(target: &Target) -> Option<String> {
    match target {
        Target::Onward | Target::Host => None,
        Target::To(name) => Some(name.clone()),
        Target::Split(split) => {
            let most = split.weights.iter().rev().max_by_key(|(_, weight)| *weight);
            most.map(|(name, _)| name.clone())
        }
    }
}

fn variant(to: &Destination) -> Tree {
    let mut tree = map([("cluster", Tree::Text(to.cluster.clone()))]);
    if let Some(host) = &to.host {
        tree.set("host", Tree::Text(host.clone()));
    }
    if let Some(headers) = &to.headers {
        tree.set("headers", headers.clone());
    }
    tree
}

fn rule(rule: &Rule) -> Tree {
    let mut tree = map([("name", Tree::Text(rule.name.clone()))]);
    if rule.role == Role::Waiting {
        tree.set("enabled", Tree::Bool(false));
    }
    if !rule.blocks.is_empty() {
        tree.set("matches", Tree::List(rule.blocks.clone()));
    }
    if !rule.mirrors.is_empty() {
        tree.set("mirror", Tree::List(rule.mirrors.iter().map(mirror).collect()));
    }
    match &rule.target {
        Target::Onward => {}
        Target::Host => tree.set("to", Tree::Null),
        Target::To(name) => tree.set("to", Tree::Text(name.clone())),
        Target::Split(to) => tree.set("split", split(to)),
    }
    tree
}

fn mirror(mirror: &Mirror) -> Tree {
    let (kind, share) = &mirror.share;
    map([("to", Tree::Text(mirror.to.clone())), (*kind, share.clone())])
}

fn split(split: &Split) -> Tree {
    let mut tree = Tree::Map(Vec::new());
    if !split.by.is_empty() {
        tree.set("by", Tree::List(split.by.iter().cloned().map(Tree::Text).collect()));
    }
    if let Some(salt) = &split.salt {
        tree.set("salt", Tree::Text(salt.clone()));
    }
    let weights = split
        .weights
        .iter()
        .map(|(name, weight)| (name.clone(), Tree::Integer(i64::try_from(*weight).unwrap_or(i64::MAX))));
    tree.set("weights", Tree::Map(weights.collect()));
    tree
}

/// A mapping in the order given.
fn map<const N: usize>(entries: [(&str, Tree); N]) -> Tree {
    Tree::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
