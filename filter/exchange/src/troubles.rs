//! What an instance met that keeps it from doing what the policy says: clusters that the proxy does not have, and variants whose
//! requests go where the default's go.
//!
//! Where requests went is looked at a few times for each variant and generation, and again only while something is wrong: asking the
//! host costs.

use antumbra_observation::{Trouble, TroubleKind, Unsent};
use antumbra_policy::{Policy, Variant};

use crate::call::LegName;

/// What was met under one generation.
#[derive(Default)]
pub(crate) struct Troubles {
    generation: Option<u64>,
    clusters: Vec<(LegName, String)>,
    routes: Vec<Route>,
}

/// Where the requests of a variant went.
struct Route {
    variant: String,
    /// How often they went elsewhere than to the default's cluster.
    well: u8,
    /// How often nobody could say where they went, as where the proxy answered them itself.
    unknown: u8,
    /// The default's cluster, if they went there last.
    astray: Option<String>,
}

impl Troubles {
    /// Forgets what was met under another generation.
    pub(crate) fn under(&mut self, generation: Option<u64>) {
        if self.generation != generation {
            *self = Self { generation, ..Self::default() };
        }
    }

    /// A shadow was asked for at a cluster, or was not, for this reason.
    pub(crate) fn asked(&mut self, leg: LegName, cluster: &str, unsent: Option<Unsent>) {
        match unsent {
            Some(Unsent::UnknownCluster) => {
                let is_known = self.clusters.iter().any(|(of, known)| *of == leg && known == cluster);
                if !is_known && self.clusters.len() < MAX_CLUSTERS {
                    self.clusters.push((leg, cluster.to_owned()));
                }
            }
            // What one leg finds, the other finds, too.
            None => self.clusters.retain(|(_, known)| known != cluster),
            Some(_) => {}
        }
    }

    /// Whether to look where a request of this variant went.
    pub(crate) fn wants_route(&self, policy: &Policy, variant: &Variant) -> bool {
        let differs = |default: &Variant| default.name != variant.name && default.cluster != variant.cluster;
        let route = || self.routes.iter().find(|route| route.variant == variant.name);
        policy.default_variant().is_some_and(|default| differs(default))
            && route().is_none_or(|route| {
                route.astray.is_some() || (route.well < LOOKS && route.unknown < MAX_UNKNOWN)
            })
    }

    /// A request of this variant went to `cluster`, or nobody can say where.
    pub(crate) fn routed(&mut self, policy: &Policy, variant: &Variant, cluster: Option<&[u8]>) {
        let Some(default) = policy.default_variant() else { return };
        if !self.routes.iter().any(|route| route.variant == variant.name) {
            let route = Route { variant: variant.name.clone(), well: 0, unknown: 0, astray: None };
            self.routes.push(route);
        }
        let Some(route) = self.routes.iter_mut().find(|route| route.variant == variant.name) else { return };
        match cluster {
            None => route.unknown = route.unknown.saturating_add(1),
            Some(cluster) if cluster == default.cluster.as_bytes() => {
                route.astray = Some(default.cluster.clone());
            }
            Some(_) => {
                route.well = route.well.saturating_add(1);
                route.astray = None;
            }
        }
    }

    /// All of it.
    pub(crate) fn all(&self) -> impl Iterator<Item = Trouble> {
        let clusters = self
            .clusters
            .iter()
            .map(|(leg, cluster)| Trouble::new(TroubleKind::UnknownCluster, cluster, leg.as_str()));
        let routes = self.routes.iter().filter_map(|route| {
            Some(Trouble::new(TroubleKind::NoRoute, &route.variant, route.astray.as_deref()?))
        });
        clusters.chain(routes)
    }
}

const MAX_CLUSTERS: usize = 8;
/// Requests of a variant that went well before nobody looks any more.
const LOOKS: u8 = 3;
/// Requests of a variant of which nobody could say where they went, before nobody looks any more.
const MAX_UNKNOWN: u8 = 32;

#[cfg(test)]
mod tests {
    use antumbra_policy::document::Tree;

    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn policy() -> Policy {
        let text = r#"{"version":1,"name":"shop","default":"stable","variants":{"stable":null,"canary":{"cluster":"new"},
            "same":{"cluster":"stable"}},"rules":[]}"#;
        Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap()).unwrap()
    }

    fn told(troubles: &Troubles) -> Vec<String> {
        troubles.all().map(|one| format!("{:?} {} {}", one.kind, one.subject, one.detail)).collect()
    }

    #[test]
    fn a_cluster_is_unknown_until_a_call_to_it_leaves() {
        let mut troubles = Troubles::default();
        troubles.asked(LegName::Candidate, "new", Some(Unsent::NoHealthyHost));
        assert_eq!(told(&troubles), [""; 0]);
        for _ in 0..2 {
            troubles.asked(LegName::Candidate, "new", Some(Unsent::UnknownCluster));
            troubles.asked(LegName::Control, "old", Some(Unsent::UnknownCluster));
        }
        assert_eq!(told(&troubles), ["UnknownCluster new candidate", "UnknownCluster old control"]);
        troubles.asked(LegName::Candidate, "new", None);
        assert_eq!(told(&troubles), ["UnknownCluster old control"]);
        troubles.under(Some(2));
        assert_eq!(told(&troubles), [""; 0]);
        for number in 0..100 {
            troubles.asked(LegName::Candidate, &format!("c{number}"), Some(Unsent::UnknownCluster));
        }
        assert_eq!(told(&troubles).len(), MAX_CLUSTERS);
    }

    /// Both legs may go to one cluster, as where a policy tries itself out: each of them is told.
    #[test]
    fn each_leg_of_an_unknown_cluster_is_told() {
        let mut troubles = Troubles::default();
        for leg in [LegName::Candidate, LegName::Control, LegName::Candidate] {
            troubles.asked(leg, "new", Some(Unsent::UnknownCluster));
        }
        assert_eq!(told(&troubles), ["UnknownCluster new candidate", "UnknownCluster new control"]);
        troubles.asked(LegName::Control, "new", None);
        assert_eq!(told(&troubles), [""; 0], "the proxy has it by now");
    }

    #[test]
    fn a_variant_without_a_route_is_watched_until_it_has_one() {
        let (policy, mut troubles) = (policy(), Troubles::default());
        let variant = |name: &str| policy.variants().find(|variant| variant.name == name).unwrap();
        let wants = |troubles: &Troubles| {
            ["stable", "canary", "same"].map(|name| troubles.wants_route(&policy, variant(name)))
        };
        assert_eq!(wants(&troubles), [false, true, false]);
        for _ in 0..5 {
            troubles.routed(&policy, variant("canary"), Some(b"stable"));
            assert_eq!(
                (told(&troubles), wants(&troubles)[1]),
                (vec!["NoRoute canary stable".to_owned()], true)
            );
        }
        for looks in 1..=LOOKS {
            troubles.routed(&policy, variant("canary"), Some(b"new"));
            assert_eq!((told(&troubles).len(), wants(&troubles)[1]), (0, looks < LOOKS), "{looks}");
        }
        troubles.under(Some(2));
        assert!(wants(&troubles)[1], "another generation may have another route");
        for _ in 0..MAX_UNKNOWN {
            assert!(wants(&troubles)[1]);
            troubles.routed(&policy, variant("canary"), None);
        }
        assert_eq!(
            (wants(&troubles)[1], told(&troubles).len()),
            (false, 0),
            "a host that never says is not asked for ever"
        );
    }
}
