//! Whether a change of a policy gives clients more of a candidate, which has to be said by name while the verdict is `roll back`.
//!
//! What counts is the share that goes to variants other than the stable ones, all of them together: a change that lowers one candidate
//! raises the shares of what is left, and must never have to ask. Every rule of the next document is compared with every rule of the
//! current one that can have decided a request which it decides now (`places.rs` says which those are), and may give no more than that
//! one. Where two sets of conditions cannot be told apart, it is assumed that a request meets both: a change asks unless it is certain
//! that no client gets more. Mirroring is no exposure. What a host's own routing answers counts as stable.

mod gives;
mod places;
mod stable;

use std::fmt;

use antumbra_policy::document::Tree;

use self::places::{Decider, Places};
use self::stable::Stable;

/// What gives clients more of the candidates than they had.
#[derive(Debug, Clone, PartialEq)]
pub enum Raised {
    /// A rule, the default or a list of ids gives a larger share than it gave, or than what decided in its place before it was there.
    Share {
        /// Which.
        by: Giver,
        /// The share that it gave them, 0 to 1.
        from: f64,
        /// The share that it gives them now.
        to: Share,
    },
    /// Requests that one rule decided may be decided by another one now, which gives more.
    Others {
        /// Which decides now.
        by: Giver,
        /// What it gives, 0 to 1.
        to: Share,
        /// Which decided before.
        before: Giver,
        /// What that one gave at least.
        from: f64,
    },
    /// The requests of a variant go elsewhere.
    Destination {
        /// The variant that was stable, or went where the stable one goes.
        variant: String,
        /// What of it changed, in words.
        change: String,
    },
    /// This candidate counts as stable from now on.
    Counted(String),
    /// Who is concerned by rules and lists is found in another way.
    Setting(&'static str),
}

/// The share of its requests that a rule gives to candidates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// This one, 0 to 1.
    Exactly(f64),
    /// At most this one, as with cookies that keep clients where they are.
    UpTo(f64),
}

/// What gives clients a variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Giver {
    /// `default`.
    Default,
    /// The rule of this name; `rules[2]` is one without.
    Rule(String),
    /// The rule of this name for one value that it selects by.
    Value(String, String),
    /// The ids of this yellow variant.
    Ids(String),
    /// `override`.
    Override,
}

/// What gives clients more of the candidates in `next` than in `current`, in the order of `next`. Where nothing is found, no client gets
/// more; what is found is not always more, but cannot be told from it.
pub fn raised(current: &Tree, next: &Tree) -> Vec<Raised> {
    let stable = Stable::of(current, next);
    let (before, after) = (Places::of(current, &stable.before()), Places::of(next, &stable.after()));
    if !after.deciders().iter().any(|decider| decider.gives.may_give()) {
        return stable.moved();
    }
    let settings = stable::settings(current, next).into_iter().map(Raised::Setting);
    let shares = after.deciders().iter().filter_map(|decider| raised_by(decider, &before, &after));
    stable.moved().into_iter().chain(settings).chain(shares).collect()
}

/// What gives clients candidates in a policy that follows none whose evidence is known.
pub fn given(next: &Tree) -> Vec<Raised> {
    let nothing =
        Tree::Map(next.get("default").map(|to| ("default".to_owned(), to.clone())).into_iter().collect());
    let stable = Stable::of(next, next);
    let (before, after) = (Places::of(&nothing, &stable.before()), Places::of(next, &stable.after()));
    after.deciders().iter().filter_map(|decider| raised_by(decider, &before, &after)).collect()
}

/// How a decider gives more than what decided the same requests before: than itself if that is so, else than the one that gave least.
fn raised_by(decider: &Decider<'_>, before: &Places<'_>, after: &Places<'_>) -> Option<Raised> {
    let exceeded = before.deciders().iter().filter(|earlier| decider.gives.may_exceed(&earlier.gives));
    let met = exceeded.filter(|earlier| before.meet(earlier, after, decider));
    let least = met.min_by(|a, b| {
        let other = |earlier: &Decider<'_>| !earlier.giver.is_same(&decider.giver);
        other(a).cmp(&other(b)).then(a.gives.low().total_cmp(&b.gives.low()))
    })?;
    let by = match decider.common_value(least) {
        Some(value) => decider.giver.with(value),
        None => decider.giver.clone(),
    };
    let known = before.deciders().iter().any(|earlier| earlier.giver.is_same(&decider.giver));
    let (from, to) = decider.gives.beside(&least.gives);
    Some(if known && !least.giver.is_same(&decider.giver) {
        Raised::Others { by, to, before: least.giver.clone(), from }
    } else {
        Raised::Share { by, from, to }
    })
}

impl Giver {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rule(one) | Self::Value(one, _), Self::Rule(two) | Self::Value(two, _)) => one == two,
            _ => self == other,
        }
    }

    fn with(&self, value: &str) -> Self {
        match self {
            Self::Rule(name) => Self::Value(name.clone(), value.to_owned()),
            other => other.clone(),
        }
    }
}

/// `rule "share" gives 5 % → 20 % of its requests to candidates`.
impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { by: Giver::Override, .. } | Self::Others { by: Giver::Override, .. } => {
                f.write_str("`override` lets clients choose a candidate who could not before")
            }
            Self::Share { by, from, to } => {
                write!(f, "{by} gives {} → {to} of its requests to candidates", Share::Exactly(*from))
            }
            Self::Others { by, to, before, from } => {
                let from = Share::Exactly(*from);
                write!(
                    f,
                    "{by} may decide requests that {before} decided, and gives {to} of them to candidates instead of {from}"
                )
            }
            Self::Destination { variant, change } => write!(f, "variant {variant:?} {change}"),
            Self::Counted(variant) => {
                write!(
                    f,
                    "variant {variant:?} would count as stable, so that nothing asks before clients get more of it"
                )
            }
            Self::Setting(name) => {
                write!(f, "a changed `{name}` may let rules give candidates to other clients than before")
            }
        }
    }
}

impl fmt::Display for Giver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::Rule(name) => write!(f, "rule {name:?}"),
            Self::Value(name, value) => write!(f, "rule {name:?} at the value {value:?}"),
            Self::Ids(variant) => write!(f, "the list of variant {variant:?}"),
            Self::Override => f.write_str("`override`"),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, share) = match self {
            Self::Exactly(share) => ("", share),
            Self::UpTo(share) => ("up to ", share),
        };
        write!(f, "{before}{} %", (share * 10_000.0).round() / 100.0)
    }
}

fn text(tree: &Tree) -> Option<&str> {
    match tree {
        Tree::Text(text) => Some(text),
        _ => None,
    }
}

fn items(tree: Option<&Tree>) -> &[Tree] {
    match tree {
        Some(Tree::List(items)) => items,
        _ => &[],
    }
}

fn entries(tree: Option<&Tree>) -> &[(String, Tree)] {
    match tree {
        Some(Tree::Map(entries)) => entries,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
