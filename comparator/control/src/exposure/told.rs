//! What is said of a raise.

use std::fmt;

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

impl Giver {
    /// Whether both are the same rule, list or setting, whatever the value.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rule(one) | Self::Value(one, _), Self::Rule(two) | Self::Value(two, _)) => one == two,
            _ => self == other,
        }
    }

    /// The same rule at one value.
    pub(super) fn with(&self, value: &str) -> Self {
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
