//! What keeps filters from doing what a policy says, in the words of status and report.

use antumbra_observation::{self as observation, TroubleKind};
use serde::{Deserialize, Serialize};

/// Something that keeps filters from doing what their policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trouble {
    /// What it is.
    #[serde(flatten)]
    pub(crate) what: observation::Trouble,
    /// How many filters met it; 0 where the comparator knows it by itself.
    pub(crate) filters: usize,
    /// The same as a sentence, with what mends it.
    pub(crate) text: String,
}

impl Trouble {
    /// Trouble that so many filters met.
    pub(crate) fn of(what: observation::Trouble, filters: usize) -> Self {
        let text = told(&what, filters);
        Self { what, filters, text }
    }
}

fn told(trouble: &observation::Trouble, filters: usize) -> String {
    let observation::Trouble { kind, subject, detail, generation } = trouble;
    let (who, refuse) = if filters == 1 { ("filter", "refuses") } else { ("filters", "refuse") };
    let generation =
        generation.map_or_else(|| "a policy".to_owned(), |number| format!("generation {number}"));
    let met = format!("({filters} {who})");
    match kind {
        TroubleKind::PolicyRefused => {
            format!(
                "{filters} {who} {refuse} {generation}, so the last good policy stays: {subject} {detail}"
            )
        }
        TroubleKind::MissingSecret => format!(
            "{filters} {who} {refuse} {generation}, so the last good policy stays: {subject} {detail}; add the key to `secrets` in the \
             plugin configuration"
        ),
        TroubleKind::UnknownCluster => {
            format!("the proxy has no cluster {subject:?}, so no shadow reaches the {detail} {met}")
        }
        TroubleKind::NoTarget => format!(
            "the mirror is `via: comparator`, which has no address for the cluster {subject:?} of the {detail}: start it with \
             --target {subject}=URL"
        ),
        TroubleKind::NoRoute => format!(
            "requests of the variant {subject:?} go to the cluster {detail:?} as those of the default do: does the proxy have a route \
             for the variant header's value {subject:?}? {met}"
        ),
        TroubleKind::Other => {
            format!("something that only a later version knows, about {subject:?} {detail} {met}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_says_what_it_is_about_and_what_mends_it() {
        for (kind, subject, detail, filters, expected) in [
            (
                TroubleKind::MissingSecret,
                "override",
                "is signed with \"k1\", which is not among the secrets",
                2,
                "2 filters refuse generation 5, so the last good policy stays: override is signed with \"k1\", which is not among the \
                 secrets; add the key to `secrets` in the plugin configuration",
            ),
            (
                TroubleKind::PolicyRefused,
                "lease",
                "is \"x\"",
                1,
                "1 filter refuses generation 5, so the last good policy stays: lease is \"x\"",
            ),
            (
                TroubleKind::UnknownCluster,
                "new",
                "candidate",
                1,
                "the proxy has no cluster \"new\", so no shadow reaches the candidate (1 filter)",
            ),
            (
                TroubleKind::NoTarget,
                "new",
                "control",
                0,
                "the mirror is `via: comparator`, which has no address for the cluster \"new\" of the control: start it with --target \
                 new=URL",
            ),
            (
                TroubleKind::NoRoute,
                "canary",
                "stable",
                3,
                "requests of the variant \"canary\" go to the cluster \"stable\" as those of the default do: does the proxy have a \
                 route for the variant header's value \"canary\"? (3 filters)",
            ),
        ] {
            let trouble = observation::Trouble::new(kind, subject, detail).of_generation(Some(5));
            assert_eq!(Trouble::of(trouble, filters).text, expected);
        }
    }
}
