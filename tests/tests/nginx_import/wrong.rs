//! Imports that are wrong on purpose: the comparison has to notice each of them.

use antumbra_import::Imported;
use antumbra_policy::document::Tree;

use crate::exchange::Seen;
use crate::notes::{is_kept, is_odd};
use crate::outcome::Decided;
use crate::plan::Plan;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// What is kept goes to a new version.
    Stranger,
    /// Nothing is said.
    Silent,
    /// All is said at the first place.
    Misplaced,
    /// Nothing is kept.
    Open,
}

impl Wrong {
    pub(crate) const ALL: [Self; 4] = [Self::Stranger, Self::Silent, Self::Misplaced, Self::Open];

    /// Whether the mistake shows in a request that the right policy keeps for a reason.
    pub(crate) fn shows(self, plan: &Plan, seen: &Seen, right: &Decided<'_>, wrong: &Decided<'_>) -> bool {
        let moved = wrong.cluster != right.cluster && wrong.cluster != seen.from.as_deref();
        let kept = plan.kept_with(&seen.places);
        match self {
            Self::Silent => true,
            Self::Misplaced => !is_odd(right.rule),
            Self::Stranger => moved && wrong.cluster.is_some_and(|cluster| !kept.contains(cluster)),
            Self::Open => {
                let kept = wrong.cluster.is_some_and(|cluster| kept.contains(cluster));
                moved && !kept && !is_kept(wrong.rule) && !wrong.is_drawn()
            }
        }
    }

    /// The import with this mistake; `None` if it has nothing in which it could be made.
    pub(crate) fn made_in(self, imported: &Imported) -> Option<Imported> {
        let mut imported = imported.clone();
        match self {
            Self::Silent => imported.notes.clear(),
            Self::Misplaced => {
                imported.notes.iter_mut().for_each(|note| "elsewhere".clone_into(&mut note.at));
            }
            Self::Stranger => {
                let stranger = Tree::Text(stranger(&imported.policy)?);
                kept(&mut imported.policy)?.for_each(|rule| rule.set("to", stranger.clone()));
            }
            Self::Open => {
                let rules = rules(&mut imported.policy)?;
                rules.retain(|rule| !name(rule).is_some_and(is_kept));
            }
        }
        Some(imported)
    }
}

/// A variant whose cluster is a new version.
fn stranger(policy: &Tree) -> Option<String> {
    let Tree::Map(variants) = policy.get("variants")? else { return None };
    let is_new =
        |variant: &Tree| matches!(variant.get("cluster"), Some(Tree::Text(name)) if name.ends_with("_new"));
    variants.iter().find(|(_, variant)| is_new(variant)).map(|(name, _)| name.clone())
}

fn kept(policy: &mut Tree) -> Option<impl Iterator<Item = &mut Tree>> {
    Some(rules(policy)?.iter_mut().filter(|rule| name(rule).is_some_and(is_kept)))
}

fn rules(policy: &mut Tree) -> Option<&mut Vec<Tree>> {
    let Tree::Map(entries) = policy else { return None };
    entries.iter_mut().find_map(|(name, value)| match value {
        Tree::List(rules) if name == "rules" => Some(rules),
        _ => None,
    })
}

fn name(rule: &Tree) -> Option<&str> {
    match rule.get("name") {
        Some(Tree::Text(name)) => Some(name),
        _ => None,
    }
}
