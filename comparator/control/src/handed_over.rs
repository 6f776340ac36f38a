//! What a filter may have the comparator ask: only what a mirror of the policy in force says. Whoever has a filter's token could otherwise
//! send any method to any service whose address the comparator knows.

use std::sync::Arc;

use antumbra_policy::Mirror;

/// The shadow calls of one exchange, as a filter hands them over.
#[derive(Debug, Clone, Copy)]
pub struct HandedOver<'a> {
    /// The call to the new version.
    pub candidate: Asked<'a>,
    /// The call to the stable version.
    pub control: Option<Asked<'a>>,
}

/// One of these calls.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The variant that is asked.
    pub variant: &'a str,
    /// The cluster that it is in.
    pub cluster: &'a str,
    /// The method of the request.
    pub method: &'a [u8],
}

/// Why calls are not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHandedOver {
    /// No mirror that leaves its calls to the comparator asks this variant in this cluster, or no such pair of them.
    #[error(
        "no mirror of the policy in force has the comparator ask the {leg} {variant:?} in the cluster {cluster:?}"
    )]
    Target {
        /// `candidate` or `control`.
        leg: &'static str,
        /// The variant.
        variant: String,
        /// The cluster.
        cluster: String,
    },
    /// A mirror asks it, but not with this method.
    #[error("no mirror of the policy in force sends {method} to the {leg} {variant:?}")]
    Method {
        /// `candidate` or `control`.
        leg: &'static str,
        /// The variant.
        variant: String,
        /// The method.
        method: String,
    },
}

impl HandedOver<'_> {
    /// Whether one of these mirrors, which leave their calls to the comparator, makes both.
    ///
    /// # Errors
    /// What none of them does.
    pub fn refuse_unmirrored(&self, mirrors: &[Arc<Mirror>]) -> Result<(), NotHandedOver> {
        let Self { candidate, control } = self;
        let to: Vec<&Arc<Mirror>> =
            mirrors.iter().filter(|mirror| candidate.is(&mirror.to.name, &mirror.to.cluster)).collect();
        if to.is_empty() {
            return Err(candidate.unmirrored("candidate"));
        }
        let beside = |mirror: &Mirror, control: &Asked<'_>| {
            mirror.control.as_ref().is_some_and(|known| control.is(&known.to.name, &known.to.cluster))
        };
        let both: Vec<&&Arc<Mirror>> =
            to.iter().filter(|mirror| control.is_none_or(|control| beside(mirror, &control))).collect();
        if let (true, Some(control)) = (both.is_empty(), control) {
            return Err(control.unmirrored("control"));
        }
        let sending: Vec<_> = both.iter().filter(|mirror| mirror.may_send(candidate.method)).collect();
        if sending.is_empty() {
            return Err(candidate.unsent("candidate"));
        }
        match control {
            Some(control) if !sending.iter().any(|mirror| mirror.may_ask_control(control.method)) => {
                Err(control.unsent("control"))
            }
            _ => Ok(()),
        }
    }
}

impl Asked<'_> {
    fn is(&self, variant: &str, cluster: &str) -> bool {
        self.variant == variant && self.cluster == cluster
    }

    fn unmirrored(&self, leg: &'static str) -> NotHandedOver {
        NotHandedOver::Target { leg, variant: self.variant.to_owned(), cluster: self.cluster.to_owned() }
    }

    fn unsent(&self, leg: &'static str) -> NotHandedOver {
        let method = String::from_utf8_lossy(self.method).into_owned();
        NotHandedOver::Method { leg, variant: self.variant.to_owned(), method }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    const POLICY: &str = "
version: 1
name: shop
variants:
  stable: {cluster: stable}
  canary: {cluster: canary-shadow}
  control: {cluster: control}
  alone: {cluster: alone, isolated: true}
  red: {cluster: red, state: red}
default: stable
rules:
- {name: own, mirror: [{to: canary, via: VIA, METHODS control: {to: CONTROL}}]}
";

    /// What becomes of a call to `variant/cluster` with a control of the same kind, both with the method.
    fn check(policy: &str, method: &str, candidate: &str, control: Option<&str>, expected: Result<(), &str>) {
        fn asked<'a>(named: &'a str, method: &'a str) -> Asked<'a> {
            let (variant, cluster) = named.split_once('/').unwrap();
            Asked { variant, cluster, method: method.as_bytes() }
        }
        let document = Document::from_yaml(policy.as_bytes()).unwrap();
        let control = control.map(|control| asked(control, method));
        let calls = HandedOver { candidate: asked(candidate, method), control };
        let found = document.refuse_unmirrored(&calls).map_err(|refused| refused.to_string());
        match expected {
            Ok(()) => assert_eq!(found, Ok(()), "{method} {candidate} {control:?}"),
            Err(part) => assert!(found.clone().is_err_and(|told| told.contains(part)), "{found:?}"),
        }
    }

    fn policy(via: &str, methods: &str, control: &str) -> String {
        POLICY.replace("VIA", via).replace("METHODS", methods).replace("CONTROL", control)
    }

    #[test]
    fn only_what_a_mirror_says_is_asked() {
        let (canary, control) = ("canary/canary-shadow", Some("control/control"));
        let safe = policy("comparator", "", "control");
        check(&safe, "GET", canary, control, Ok(()));
        check(&safe, "HEAD", canary, None, Ok(()));
        let of_proxy = policy("host", "", "control");
        check(&of_proxy, "GET", canary, control, Err("ask the candidate \"canary\" in the cluster"));
        check(&safe, "GET", "canary/stable", control, Err("candidate \"canary\" in the cluster \"stable\""));
        check(&safe, "GET", "stable/stable", control, Err("candidate \"stable\" in the cluster \"stable\""));
        check(
            &safe,
            "GET",
            canary,
            Some("stable/stable"),
            Err("control \"stable\" in the cluster \"stable\""),
        );
        check(&safe, "DELETE", canary, None, Err("sends DELETE to the candidate \"canary\""));
        check(&safe, "get", canary, None, Err("sends get to the candidate"));
        check(&safe, "", canary, None, Err("sends  to the candidate"));
    }

    #[test]
    fn methods_are_those_of_the_mirror_and_nobody_writes_twice() {
        let canary = "canary/canary-shadow";
        let listed = policy("comparator", "methods: [GET],", "control");
        check(&listed, "OPTIONS", canary, None, Err("sends OPTIONS to the candidate"));
        let writing = policy("comparator", "unsafeMethods: allow,", "control");
        check(&writing, "POST", canary, None, Ok(()));
        check(&writing, "POST", canary, Some("control/control"), Err("sends POST to the control"));
        check(&writing, "GET", canary, Some("control/control"), Ok(()));
        let alone = policy("comparator", "unsafeMethods: allow,", "alone");
        check(&alone, "POST", canary, Some("alone/alone"), Ok(()));
        let red = policy("comparator", "", "control").replace("to: canary,", "to: red,");
        check(&red, "GET", "red/red", None, Err("sends GET to the candidate \"red\""));
    }
}
