//! Which notes are a reason for what became of a request: those of its place that speak of what it has.

use std::fmt;

use antumbra_import::Imported;

use crate::exchange::{Seen, Sent};
use crate::outcome::Decided;
use crate::plan::Plan;

/// The notes of an import: where and what.
pub(crate) struct Notes(Vec<(String, String)>);

impl Notes {
    pub(crate) fn of(imported: &Imported) -> Self {
        Self(imported.notes.iter().map(|note| (note.at.clone(), note.what.clone())).collect())
    }

    /// Whether a note of these places, or of what stands around them, says one of these words.
    pub(crate) fn any(&self, plan: &Plan, places: &[usize], words: &[&str]) -> bool {
        self.0.iter().any(|(at, what)| plan.fits(at, places) && words.iter().any(|word| what.contains(word)))
    }

    /// Whether a note says why a rule keeps a request. What nginx reads in another way is so wherever it is.
    pub(crate) fn explain_kept(
        &self,
        plan: &Plan,
        request: &Sent,
        seen: &Seen,
        Decided { cluster, rule, .. }: &Decided<'_>,
    ) -> bool {
        if is_odd(rule) {
            let odd = oddities(request);
            let says = |what: &str| odd.iter().any(|word| what.contains(word));
            return self.0.iter().any(|(_, what)| what.contains("old version") && says(what));
        }
        let Some(place) = rule.strip_prefix(KEPT) else { return false };
        let with = cluster.map(|cluster| format!("which is {cluster:?} here"));
        self.0.iter().any(|(at, what)| {
            let name = at.rsplit('/').next().unwrap_or_default().replace(' ', "-");
            (place == name || place.strip_prefix(&name).is_some_and(|rest| rest.starts_with('-')))
                && what.contains("old version")
                && with.as_ref().is_none_or(|with| what.contains(with))
                && plan.fits(at, &seen.places)
        })
    }

    /// Whether nginx did what has a note of its own, beside those of rules: not everybody was let in, a program answered that is
    /// no HTTP server, or the path was decoded before it was sent on.
    pub(crate) fn explain_otherwise(&self, plan: &Plan, seen: &Seen, decided: &Decided<'_>) -> bool {
        if self.explain_refusal(plan, seen) {
            return true;
        }
        if seen.is_unreadable() && self.any(plan, &seen.places, &["whole path", "sends the path on"]) {
            return true;
        }
        let place = |number: &usize| plan.place(*number).program && !plan.place(*number).hidden;
        let program = decided.cluster.is_none() && seen.places.iter().any(place);
        program && self.any(plan, &seen.places, &["no proxying by HTTP"])
    }

    /// Whether nginx may have refused a request, which is said.
    pub(crate) fn explain_refusal(&self, plan: &Plan, seen: &Seen) -> bool {
        let guarded = |number: &usize| plan.place(*number).guarded && !plan.place(*number).hidden;
        let words = ["who is let in", "the proxy has to refuse them all"];
        seen.from.is_none()
            && plan.passed(&seen.places).iter().any(guarded)
            && self.0.iter().any(|(_, what)| words.iter().any(|word| what.contains(word)))
    }
}

impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(at, what)| writeln!(f, "# {at}: {what}"))
    }
}

/// Whether a rule keeps requests that could not be told.
pub(crate) fn is_kept(rule: &str) -> bool {
    is_odd(rule) || rule.starts_with(KEPT)
}

/// Whether it is for requests that nginx reads in another way, of which there may be several.
pub(crate) fn is_odd(rule: &str) -> bool {
    rule.strip_prefix(ODD).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// What notes call that which is unusual in a request.
fn oddities(request: &Sent) -> Vec<&'static str> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut odd = Vec::new();
    if ["//", "/.", "%"].iter().any(|part| path.contains(part)) {
        odd.push("decodes a path");
    }
    if request.cookie.contains('"') || request.cookie.matches('=').count() > 1 {
        odd.push("cookie");
    }
    if query.contains(['&', '%', '+']) {
        odd.push("parameter");
    }
    if request.host.split(':').next().is_some_and(|host| host.ends_with('.')) {
        odd.push("ends with a dot");
    }
    odd
}

/// The name of rules for requests that nginx reads in another way.
const ODD: &str = "read-otherwise";
/// What the names of other rules begin with that keep requests.
const KEPT: &str = "kept-";
