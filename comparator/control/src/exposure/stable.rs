//! Which variants are no candidates, and whether their requests still go where they went.

use std::collections::BTreeSet;

use antumbra_policy::document::Tree;

use super::told::Raised;
use super::written::{entries, items, text};

/// The variants that are no candidates under the policy in force: its default, and whose answers count as the primary's. Under a policy
/// that names neither, the proxy's own routing is what candidates are compared with, so every variant is one.
pub(super) struct Stable<'t> {
    names: BTreeSet<&'t str>,
    /// Those whose requests went where the stable version's go and go elsewhere now: they gave nobody a candidate.
    left: BTreeSet<&'t str>,
    current: &'t Tree,
    next: &'t Tree,
}

/// The variants of one of the two documents.
pub(super) struct Variants<'s> {
    stable: Vec<&'s BTreeSet<&'s str>>,
    policy: &'s Tree,
}

impl<'t> Stable<'t> {
    pub(super) fn of(current: &'t Tree, next: &'t Tree) -> Self {
        let primary = current.get("compare").and_then(|compare| compare.get("primary"));
        let names: BTreeSet<&str> =
            items(primary).iter().chain(current.get("default")).filter_map(text).collect();
        let ours: Vec<Destination<'_>> = names.iter().map(|name| Destination::of(current, name)).collect();
        let variants = entries(current.get("variants")).iter().map(|(name, _)| name.as_str());
        let left = variants.filter(|name| {
            let before = Destination::of(current, name);
            !names.contains(name) && ours.contains(&before) && Destination::of(next, name) != before
        });
        let left = left.collect();
        Self { names, left, current, next }
    }

    /// The variants of the policy in force.
    pub(super) fn before(&self) -> Variants<'_> {
        Variants { stable: vec![&self.names, &self.left], policy: self.current }
    }

    /// The variants of the policy that follows. A stable one that goes elsewhere is told by [`Self::moved`].
    pub(super) fn after(&self) -> Variants<'_> {
        Variants { stable: vec![&self.names], policy: self.next }
    }

    /// The stable variants whose requests go elsewhere, and the candidates that count as stable: what is raised later would not ask.
    pub(super) fn moved(&self) -> Vec<Raised> {
        let known =
            self.names.iter().filter(|name| is_there(self.current, name) && is_there(self.next, name));
        let moved = known.filter_map(|name| {
            let change = Destination::of(self.current, name).change(&Destination::of(self.next, name))?;
            Some(Raised::Destination { variant: (*name).to_owned(), change })
        });
        let counted = primary(self.next).filter(|name| !self.names.contains(name));
        moved.chain(counted.map(|name| Raised::Counted(name.to_owned()))).collect()
    }
}

impl<'s> Variants<'s> {
    /// 1 for a variant that is a candidate, 0 for another, and for the host's own routing.
    pub(super) fn exposure(&self, variant: &str) -> f64 {
        if self.stable.iter().any(|names| names.contains(variant)) { 0.0 } else { 1.0 }
    }

    /// Whether nothing can be sent there.
    pub(super) fn is_red(&self, variant: &str) -> bool {
        state(self.variant(variant)) == Some("red")
    }

    /// Whether any variant but the red ones is a candidate.
    pub(super) fn have_candidate(&self) -> bool {
        let mut names = entries(self.policy.get("variants")).iter().map(|(name, _)| name);
        names.any(|name| !self.is_red(name) && self.exposure(name) > 0.0)
    }

    /// The ids of the yellow ones, in their order.
    pub(super) fn listed(&self) -> impl Iterator<Item = (&'s str, &'s Tree)> + use<'s> {
        let yellow = entries(self.policy.get("variants")).iter();
        let yellow = yellow.filter(|(_, variant)| state(Some(variant)) == Some("yellow"));
        yellow.filter_map(|(name, variant)| Some((name.as_str(), variant.get("ids")?)))
    }

    fn variant(&self, name: &str) -> Option<&Tree> {
        self.policy.get("variants").and_then(|variants| variants.get(name))
    }
}

/// Where the requests of a variant go.
#[derive(PartialEq)]
struct Destination<'t> {
    cluster: &'t str,
    host: Option<&'t Tree>,
    headers: Option<&'t Tree>,
}

impl<'t> Destination<'t> {
    fn of(policy: &'t Tree, name: &'t str) -> Self {
        let variant = policy.get("variants").and_then(|variants| variants.get(name));
        let field = |field| variant.and_then(|variant| variant.get(field));
        Self {
            cluster: field("cluster").and_then(text).unwrap_or(name),
            host: field("host"),
            headers: field("headers"),
        }
    }

    /// What of it is another one in `next`, in words; nothing if it is the same.
    fn change(&self, next: &Self) -> Option<String> {
        if self.cluster != next.cluster {
            return Some(format!("goes to the cluster {:?} instead of {:?}", next.cluster, self.cluster));
        }
        (self != next)
            .then(|| "has another host or other headers, with which a candidate may answer".to_owned())
    }
}

/// The settings that say who is concerned by rules, lists and `override`, as far as they differ.
pub(super) fn settings(current: &Tree, next: &Tree) -> Vec<&'static str> {
    let listed = |policy: &Tree| {
        entries(policy.get("variants")).iter().any(|(_, variant)| state(Some(variant)) == Some("yellow"))
    };
    let concerns = |name: &str| name != "idFrom" || listed(current) || listed(next);
    SETTINGS.into_iter().filter(|name| concerns(name) && current.get(name) != next.get(name)).collect()
}

/// Whose answers count as the primary's, where the policy says so.
fn primary(policy: &Tree) -> impl Iterator<Item = &str> {
    items(policy.get("compare").and_then(|compare| compare.get("primary"))).iter().filter_map(text)
}

fn is_there(policy: &Tree, variant: &str) -> bool {
    policy.get("variants").is_some_and(|variants| variants.get(variant).is_some())
}

fn state(variant: Option<&Tree>) -> Option<&str> {
    variant.and_then(|variant| variant.get("state")).and_then(text)
}

/// `apply` names the header that the host's routes look at, and `body` says how far rules look.
const SETTINGS: [&str; 4] = ["clientIp", "idFrom", "apply", "body"];
