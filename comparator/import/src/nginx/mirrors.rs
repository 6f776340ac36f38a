//! `mirror`: a location of which the requests are copied to another one.

use super::answer;
use super::goal::Goal;
use super::location::{Place, parts};
use super::page::Way;
use super::reading::Reading;
use super::scope::Scope;
use super::syntax::Directive;
use super::value::Outcome;
use super::when::When;
use crate::condition::whole;
use crate::draft::Mirror;

/// Requests that are copied.
pub(super) struct Copied {
    pub(super) when: When,
    pub(super) mirrors: Vec<Mirror>,
    pub(super) at: String,
}

/// The mirrors of a place, for the requests of `base`.
pub(super) fn copied<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    base: &When,
) -> Vec<Copied> {
    let mirrors = place.inherited("mirror");
    let copied = mirrors.into_iter().filter(|mirror| mirror.text(0) != "off");
    copied.flat_map(|mirror| by(reading, scope, place, base, mirror)).collect()
}

fn by<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    base: &When,
    mirror: &'d Directive,
) -> Vec<Copied> {
    let server = place.of_server();
    let mut locations = server.block().iter().filter(|directive| directive.name == "location");
    let Some(shadow) = locations.find(|location| parts(location).1 == mirror.text(0)) else {
        reading.note(mirror.at(), format!("there is no location {:?}: nothing is mirrored", mirror.text(0)));
        return Vec::new();
    };
    let cases = answer::goals(reading, scope, &server.within(shadow), Way::mirrored());
    let mut earlier: Vec<When> = Vec::new();
    let mut items = Vec::new();
    for case in cases {
        let others = earlier.iter().cloned().map(When::negated);
        let when = When::all([base.clone(), case.when.clone()].into_iter().chain(others));
        earlier.push(case.when);
        let mirrors = mirrored(reading, &mirror.at(), &case.outcome);
        if !mirrors.is_empty() {
            items.push(Copied { when, mirrors, at: mirror.at() });
        }
    }
    items
}

fn mirrored(reading: &mut Reading<'_>, at: &str, outcome: &Outcome<Goal>) -> Vec<Mirror> {
    let parts = match outcome {
        Outcome::One(goal) => vec![(1, goal.clone())],
        Outcome::Drawn(_, parts) => {
            reading.note(at, "the mirror draws anew for each request, where nginx hashes a key");
            parts.clone()
        }
    };
    let sum: u64 = parts.iter().map(|(weight, _)| *weight).sum();
    #[expect(clippy::cast_precision_loss, reason = "at most 10 000")]
    let percent = |weight: u64| whole((weight as f64 / sum as f64 * 1e8).round() / 1e6);
    let mut mirrors = Vec::new();
    for (weight, goal) in parts.iter().filter(|(weight, _)| *weight > 0) {
        match goal {
            Goal::To(host) => {
                let destination = reading.config.destination(&mut reading.draft, host);
                let to = reading.draft.variant(destination);
                mirrors.push(Mirror { to, share: ("percent", percent(*weight)), at: at.to_owned() });
            }
            Goal::Answer => {}
            Goal::Old(_) => reading.note(at, "where it mirrors to could not be told: nothing is mirrored"),
        }
    }
    mirrors
}
