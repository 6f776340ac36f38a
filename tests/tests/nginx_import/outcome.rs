//! What an imported policy decides, and whether that is what nginx did, or is said.
//!
//! A request that is decided otherwise is said if all of this is so: a rule keeps it that is made for this; it goes to the old
//! version of a place that it came through in nginx, or is left to the host; and a note of that place says so.

use std::fmt;

use antumbra_import::Imported;
use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Reason};

use crate::exchange::{Seen, Sent};
use crate::notes::{Notes, is_kept};
use crate::plan::Plan;
use crate::written::written;

/// A policy with the notes of its import.
pub(crate) struct Policy {
    compiled: antumbra_policy::Policy,
    tree: Tree,
    notes: Notes,
}

/// A decision beside what nginx did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The same; perhaps elsewhere than to the old version of the place.
    Same { moved: bool },
    /// Another one, which the import says: the old version keeps the request, or what nginx did besides has a note.
    Said,
    /// Another one, or something is lost, and nobody says so.
    Differs(&'static str),
}

/// What a policy decides.
pub(crate) struct Decided<'p> {
    /// `None` for the host's own routing.
    pub(crate) cluster: Option<&'p str>,
    pub(crate) rule: &'p str,
    reason: Reason,
    /// Whether chance decided although nginx never does.
    keyless: bool,
}

impl Decided<'_> {
    /// Whether a split decided.
    pub(crate) fn is_drawn(&self) -> bool {
        matches!(self.reason, Reason::Split | Reason::MissingKey)
    }
}

impl Policy {
    /// The policy of an import.
    pub(crate) fn of(imported: &Imported) -> Result<Self, String> {
        let compiled =
            antumbra_policy::Policy::from_tree(&imported.policy).map_err(|invalid| invalid.to_string())?;
        Ok(Self { compiled, tree: imported.policy.clone(), notes: Notes::of(imported) })
    }

    /// The decision on a request.
    pub(crate) fn decided(&self, request: &Sent) -> Decided<'_> {
        let written = written(request, self.reads_forwarded());
        let decision = self.compiled.decide(&written, Dice(7));
        let rule = decision.rule.unwrap_or_default();
        let split = self.rule(rule).and_then(|rule| rule.get("split"));
        let again = self.compiled.decide(&written, Dice(8));
        Decided {
            cluster: decision.variant.map(|variant| variant.cluster.as_str()),
            rule,
            reason: decision.reason,
            keyless: split.and_then(|split| split.get("by")).is_some() && again.position != decision.position,
        }
    }

    /// Compares the decision on a request with what nginx did.
    pub(crate) fn outcome(&self, plan: &Plan, request: &Sent, seen: &Seen) -> Outcome {
        let decided = self.decided(request);
        let from = seen.from.as_deref();
        let split = decided.is_drawn();
        let same = if split {
            from.is_some_and(|from| self.shares(decided.rule, from))
        } else {
            decided.cluster == from
        };
        if same {
            return self.same(plan, request, seen, &decided);
        }
        if self.has_another_reason(plan, seen, &decided) {
            return Outcome::Said;
        }
        let kept = plan.kept_with(&seen.places);
        // A draw whose parts all go to the old version is none.
        let undrawn = decided.rule.starts_with("split")
            && decided.cluster.is_some_and(|cluster| kept.contains(cluster));
        if !split && undrawn && self.notes.any(plan, &seen.places, &["old version"]) {
            return Outcome::Said;
        }
        if split {
            return self.drawn(plan, seen, decided.rule);
        }
        // What goes to the old version anyway needs no rule that keeps it.
        let anyway = decided.cluster.is_some_and(|cluster| kept.contains(cluster));
        if anyway && !is_kept(decided.rule) && self.notes.any(plan, &seen.places, &["old version"]) {
            return Outcome::Said;
        }
        if !is_kept(decided.rule) {
            return Outcome::Differs("decided otherwise");
        }
        if decided.cluster.is_some_and(|cluster| !kept.contains(cluster)) {
            return Outcome::Differs(STRANGER);
        }
        if !self.notes.explain_kept(plan, request, seen, &decided) {
            return Outcome::Differs("kept without a note that fits");
        }
        Outcome::Said
    }

    /// Whether it is said of nginx itself why it decides otherwise, whatever the policy decides.
    pub(crate) fn has_another_reason(&self, plan: &Plan, seen: &Seen, decided: &Decided<'_>) -> bool {
        self.notes.explain_otherwise(plan, seen, decided)
    }

    /// What failed upstreams change, beside what happens if nothing fails.
    pub(crate) fn outcome_of_failure(&self, plan: &Plan, sound: &Seen, failed: &Seen) -> Outcome {
        if sound.from == failed.from {
            return Outcome::Same { moved: false };
        }
        if self.notes.any(plan, &failed.places, &["error_page"]) || self.notes.explain_refusal(plan, failed) {
            return Outcome::Said;
        }
        Outcome::Differs("what answers for a failed upstream is not said")
    }

    fn same(&self, plan: &Plan, request: &Sent, seen: &Seen, decided: &Decided<'_>) -> Outcome {
        if decided.keyless && !self.notes.any(plan, &seen.places, &["without"]) {
            return Outcome::Differs("chance decides for requests without a key");
        }
        let kept = seen.target.as_deref().is_none_or(|target| target == request.path);
        if !kept && !self.notes.any(plan, &seen.places, &["path"]) {
            return Outcome::Differs("the path is another one, without a note");
        }
        let old = decided.cluster.is_none_or(|cluster| plan.kept_with(&seen.places).contains(cluster));
        Outcome::Same { moved: !old }
    }

    /// A part of a draw that could not be told has the old version's share; which part is drawn is left to chance.
    fn drawn(&self, plan: &Plan, seen: &Seen, rule: &str) -> Outcome {
        if !plan.kept_with(&seen.places).iter().any(|old| self.shares(rule, old)) {
            return Outcome::Differs("a part of a draw goes to a stranger");
        }
        if !self.notes.any(plan, &seen.places, &["a part of the draw leads to no upstream"]) {
            return Outcome::Differs("a part of a draw is kept without a note");
        }
        Outcome::Said
    }

    /// Whether a split sends anything to a cluster.
    fn shares(&self, rule: &str, cluster: &str) -> bool {
        let weights =
            self.rule(rule).and_then(|rule| rule.get("split")).and_then(|split| split.get("weights"));
        let Some(Tree::Map(weights)) = weights else { return false };
        weights
            .iter()
            .any(|(name, weight)| *weight != Tree::Integer(0) && self.cluster(name) == Some(cluster))
    }

    fn rule(&self, name: &str) -> Option<&Tree> {
        let Some(Tree::List(rules)) = self.tree.get("rules") else { return None };
        rules.iter().find(|rule| matches!(rule.get("name"), Some(Tree::Text(known)) if known == name))
    }

    fn cluster(&self, variant: &str) -> Option<&str> {
        match self.tree.get("variants")?.get(variant)?.get("cluster")? {
            Tree::Text(cluster) => Some(cluster),
            _ => None,
        }
    }

    /// Whether the client's address is taken from x-forwarded-for.
    fn reads_forwarded(&self) -> bool {
        self.tree.get("clientIp").is_some()
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}{}", serde_saphyr::to_string(&self.tree).unwrap_or_default(), self.notes)
    }
}

impl fmt::Display for Decided<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {:?} by {:?} ({})", self.cluster, self.rule, self.reason.as_str())
    }
}

/// Why a decision differs that may yet be right: where the place sends plain requests.
pub(crate) const STRANGER: &str = "kept with a stranger";

#[cfg(test)]
mod tests {
    use antumbra_import::Note;

    use super::*;
    use crate::plan::Place;
    use crate::shares::plain;

    /// Two locations, each with a service of its own; nginx sent the request to the new version of the first.
    fn outcome(to: &str, at: &str, what: &str, target: &str) -> Outcome {
        let text = "server {\n# place 0\nlocation /a {\n# place 1\n}\nlocation /b {\n# place 2\n}\n}\n";
        let place = |old: &str| Place { old: old.to_owned(), last: Some(old.to_owned()), ..Place::of(0) };
        let files = [("main.conf".to_owned(), text.to_owned())];
        let plan = Plan::of(&files, vec![Place::of(0), place("a_old"), place("b_old")]);
        let clusters =
            ["a_old", "a_new", "b_old"].map(|name| format!(r#""{name}": {{"cluster": "{name}"}}"#));
        let policy = format!(
            r#"{{"version": 1, "name": "n", "variants": {{{}}}, "default": "b_old", "rules": [{{"name": "kept-line-3", "to": {to}}}]}}"#,
            clusters.join(", ")
        );
        let notes = vec![Note { at: at.to_owned(), what: what.to_owned() }];
        let imported = Imported { policy: Tree::from_json(policy.as_bytes()).unwrap(), notes };
        let (from, target) = (Some("a_new".to_owned()), Some(target.to_owned()));
        let seen = Seen { from, target, status: 200, places: vec![0, 1] };
        Policy::of(&imported).unwrap().outcome(&plan, &plain(), &seen)
    }

    #[test]
    fn what_counts_as_said() {
        let kept = r#"its requests keep the old version, which is "a_old" here"#;
        for (to, at, what, target, expected) in [
            (r#""a_old""#, "line 3", kept, "/", Outcome::Said),
            ("null", "line 3", kept, "/", Outcome::Said),
            (r#""b_old""#, "line 3", kept, "/", Outcome::Differs("kept with a stranger")),
            (r#""a_old""#, "line 6", kept, "/", Outcome::Differs("kept without a note that fits")),
            (
                r#""a_old""#,
                "line 3",
                "weight is lost",
                "/",
                Outcome::Differs("kept without a note that fits"),
            ),
            (r#""a_new""#, "line 3", kept, "/", Outcome::Same { moved: true }),
            (r#""a_new""#, "line 3", kept, "/x", Outcome::Differs("the path is another one, without a note")),
            (
                r#""a_new""#,
                "line 6",
                "the path is cut",
                "/x",
                Outcome::Differs("the path is another one, without a note"),
            ),
            (r#""a_new""#, "line 4", "the path is cut", "/x", Outcome::Same { moved: true }),
        ] {
            assert_eq!(outcome(to, at, what, target), expected, "{to} {at} {what} {target}");
        }
    }
}
