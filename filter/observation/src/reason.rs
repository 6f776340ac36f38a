//! What each reason means for the verdict: decided here once, for all three kinds of reasons.
//!
//! A filter and a comparator of different versions meet. A reason that only the later one knows is read as `Other`, which means the
//! worst that its kind can: a promotion must not rest on what its judge cannot name.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a reason means for the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The policy wanted it so, or there was nothing to compare. It says nothing about what was compared.
    Chosen,
    /// A bound of the policy kept a sampled exchange out because of what it is: long, or large. No exchange of this kind is ever
    /// compared, so the verdict does not speak of the kind, and the report says how many there were. It does not hold up a
    /// promotion: what is left is all that the policy asked for.
    Excluded,
    /// A limit, a breaker or trouble kept a sampled exchange from the shadows that the policy wanted compared. What is compared is a
    /// thinned sample: too much of this holds up a promotion.
    Thinned,
    /// The shadows may have answered, and nobody got to see it. An answer may be missing because of what it was, so that less of
    /// this holds up a promotion than of what was [`Thinned`](Self::Thinned).
    Lost,
}

impl Meaning {
    /// The name in the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Excluded => "excluded",
            Self::Thinned => "thinned",
            Self::Lost => "lost",
        }
    }
}

/// What the enums of reasons have in common; [`Counts`](crate::Counts) counts by one of them.
pub trait Reason: Copy + Eq + fmt::Debug + Serialize + DeserializeOwned + 'static {
    /// Every reason of this kind, in the order of their places, `Other` last.
    const ALL: &'static [Self];

    /// The reason's place in [`Self::ALL`].
    fn place(self) -> usize;

    /// The reason's name in observations, heartbeats, reports and metrics.
    fn as_str(self) -> &'static str;

    /// What the reason means for the verdict.
    fn means(self) -> Meaning;
}

/// Makes an enum of reasons from one table: what happened, the name on the wire, and what it means.
macro_rules! reasons {
    (
        $(#[$about:meta])*
        pub enum $Kind:ident {
            $($(#[$what:meta])* $Reason:ident = $name:literal, $Meaning:ident;)*
        }
        Other means $Beyond:ident;
    ) => {
        $(#[$about])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        pub enum $Kind {
            $($(#[$what])* #[serde(rename = $name)] $Reason,)*
            /// A later version knows this reason; its name is not kept.
            #[serde(rename = "other", other)]
            Other,
        }

        impl $Kind {
            /// Every reason of this kind, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$Reason,)* Self::Other];

            /// The reason's name in observations, heartbeats, reports and metrics.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Reason => $name,)*
                    Self::Other => "other",
                }
            }

            /// What the reason means for the verdict.
            pub fn means(self) -> $crate::reason::Meaning {
                match self {
                    $(Self::$Reason => $crate::reason::Meaning::$Meaning,)*
                    Self::Other => $crate::reason::Meaning::$Beyond,
                }
            }
        }

        impl $crate::reason::Reason for $Kind {
            const ALL: &'static [Self] = Self::ALL;

            fn place(self) -> usize {
                self as usize
            }

            fn as_str(self) -> &'static str {
                Self::as_str(self)
            }

            fn means(self) -> $crate::reason::Meaning {
                Self::means(self)
            }
        }
    };
}

pub(crate) use reasons;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::not_mirrored::NotMirrored;
    use crate::undelivered::Undelivered;
    use crate::unsent::Unsent;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// The names and the meanings of the table of `envoy/README.md` that is headed so.
    fn documented(head: &str) -> Vec<(&'static str, &'static str)> {
        let table = README.split_once(head).unwrap().1;
        let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        lines
            .flat_map(|line| {
                let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
                assert_eq!(cells.len(), 3, "{line}");
                let (names, meaning) = (cells[0], cells[2]);
                names.split(", ").map(move |name| (name.trim_matches('`'), meaning))
            })
            .collect()
    }

    fn check<R: Reason>(head: &str) {
        let documented = documented(head);
        let known: BTreeSet<_> =
            R::ALL.iter().map(|reason| (reason.as_str(), reason.means().as_str())).collect();
        assert_eq!(documented.iter().copied().collect::<BTreeSet<_>>(), known);
        assert_eq!(documented.len(), R::ALL.len(), "a reason is named twice");
    }

    #[test]
    fn the_tables_for_users_name_every_reason_with_its_meaning() {
        check::<NotMirrored>("| Reason | The request | For the verdict |");
        check::<Undelivered>("| Reason | The observation | For the verdict |");
        check::<Unsent>("| Reason | The call | For the verdict |");
        for meaning in [Meaning::Chosen, Meaning::Excluded, Meaning::Thinned, Meaning::Lost] {
            assert!(README.contains(&format!("- *{}*: ", meaning.as_str())), "{meaning:?}");
        }
    }

    /// A filter of a later version may thin the sample for a reason that nobody here can name.
    #[test]
    fn a_reason_that_nobody_knows_means_the_worst() {
        let worst = [NotMirrored::Other.means(), Unsent::Other.means(), Undelivered::Other.means()];
        assert_eq!(worst, [Meaning::Thinned, Meaning::Thinned, Meaning::Lost]);
    }

    const README: &str = include_str!("../../../envoy/README.md");
}
