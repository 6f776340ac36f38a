//! What the bearer of a token may do, and with which releases.

use std::collections::BTreeSet;
use std::fmt;

/// What a token is for. A role is also what a route needs: a token may use the route if its role [includes](Role::includes) that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A pipeline that asks for verdicts: it reads the names of policies, and reports.
    Gate,
    /// A person or a monitor that looks: it reads policies, audits, status and metrics besides.
    Observe,
    /// A person who releases: it changes policies, begins sessions, and reads what services answered, too.
    Operate,
    /// A person who decides who may do what: it manages tokens, and may do everything else.
    Admin,
    /// A filter: it fetches its policy, and reports observations. It reads nothing else.
    Filter,
}

impl Role {
    /// All roles, each once.
    pub const ALL: [Self; 5] = [Self::Gate, Self::Observe, Self::Operate, Self::Admin, Self::Filter];

    /// Whether the bearer of this role may do what `needed` is needed for.
    pub fn includes(self, needed: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Operate | Self::Observe | Self::Gate => needed <= self,
            Self::Filter => needed == Self::Filter,
        }
    }

    /// The name on the wire, in the store and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Observe => "observe",
            Self::Operate => "operate",
            Self::Admin => "admin",
            Self::Filter => "filter",
        }
    }

    /// The role of a name; none if there is no such role.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// With which releases the bearer of a token may do what its role permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// With all of them, those to come included.
    All,
    /// With these alone; there is at least one.
    Named(BTreeSet<String>),
}

impl Scope {
    /// Whether the release is one of them.
    pub fn reaches(&self, release: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(releases) => releases.contains(release),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all releases"),
            Self::Named(releases) => {
                let names: Vec<&str> = releases.iter().map(String::as_str).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_includes_what_the_table_says() {
        use Role::{Admin, Filter, Gate, Observe, Operate};
        for (role, includes) in [
            (Gate, &[Gate][..]),
            (Observe, &[Gate, Observe]),
            (Operate, &[Gate, Observe, Operate]),
            (Admin, &[Gate, Observe, Operate, Admin, Filter]),
            (Filter, &[Filter]),
        ] {
            for needed in Role::ALL {
                assert_eq!(
                    role.includes(needed),
                    includes.contains(&needed),
                    "{role} where {needed} is needed"
                );
            }
            assert_eq!(Role::named(role.as_str()), Some(role));
        }
        assert_eq!(Role::named("Admin"), None);
    }
}
