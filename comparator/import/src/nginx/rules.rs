//! What becomes of the requests of a server, in the order in which nginx looks: first what its own directives end, then its
//! locations with their mirrors.

use super::answer::{self, Way, last_resort, may_decide};
use super::goal::Goal;
use super::location::{Spot, spots};
use super::mirrors;
use super::reading::Reading;
use super::scope::Scope;
use super::script::{End, Script};
use super::servers::Server;
use super::value::{Case, Cases, Outcome, one};
use super::when::When;
use crate::draft::Mirror;

/// What becomes of some requests, unless an earlier one takes them.
pub(super) struct Item {
    pub(super) when: When,
    pub(super) what: What,
    pub(super) at: String,
}

/// What becomes of requests.
pub(super) enum What {
    Goes(Outcome<Goal>),
    Mirrored(Vec<Mirror>),
}

/// All that becomes of the requests of a server.
pub(super) fn items<'d>(reading: &mut Reading<'d>, server: &Server<'d>) -> Vec<Item> {
    let mut items = known_items(reading, server);
    if let Some(include) = server.place.block().iter().find(|directive| may_decide(directive)) {
        reading.note(
            include.at(),
            format!(
                "{:?} is not in this text and may have locations: the requests of its server keep the old version; give \
                 the file as nginx -T prints it",
                include.text(0)
            ),
        );
        let old = Goal::Old(old(&items));
        items.insert(
            0,
            Item { when: server.when.clone(), what: What::Goes(Outcome::One(old)), at: include.at() },
        );
    }
    items
}

/// Where the requests go at last that nothing takes.
pub(super) fn old(items: &[Item]) -> Option<String> {
    items.iter().rev().find_map(|item| match &item.what {
        What::Goes(outcome) => last_resort(&[Case { when: When::always(), outcome: outcome.clone() }]),
        What::Mirrored(_) => None,
    })
}

fn known_items<'d>(reading: &mut Reading<'d>, server: &Server<'d>) -> Vec<Item> {
    let script = Script::run(reading, &server.scope, server.place.block());
    let ends = ends(reading, server, &script);
    let whole = ends.iter().all(|case| matches!(&case.outcome, Outcome::One(_)));
    let mut items = Vec::new();
    if whole {
        if server.when.perhaps().is_some()
            || ends.iter().any(|case| is_unclear(case, |goal| matches!(goal, Some(Goal::Old(_)))))
        {
            note_kept(reading, &server.at);
        }
        let mut onward: Vec<When> = Vec::new();
        for case in &ends {
            let Outcome::One(goal) = &case.outcome else { continue };
            let Some(goal) = goal else {
                onward.push(case.when.clone().negated());
                continue;
            };
            let when = When::all(onward.iter().cloned().chain([server.when.clone(), case.when.clone()]));
            items.push(Item { when, what: What::Goes(Outcome::One(goal.clone())), at: server.at.clone() });
        }
        if onward.is_empty() {
            return items;
        }
    }
    for spot in spots(reading, &server.place) {
        let ends = if whole { Vec::new() } else { ends.clone() };
        items.extend(items_of(reading, server, &script.scope, &spot, &ends));
    }
    items
}

/// Where the directives of the server itself end a request; `None` where they let it go on.
fn ends<'d>(reading: &mut Reading<'d>, server: &Server<'d>, script: &Script<'d>) -> Cases<Option<Goal>> {
    let mut result: Cases<Option<Goal>> = one(None);
    for (guard, end) in script.ends.iter().rev() {
        let then = match end {
            End::Return(directive, scope) => {
                answer::returned(reading, scope, &server.place, directive, Way::default())
            }
            End::Redirect => one(Goal::Answer),
            // A location is looked for by the new path.
            End::Elsewhere | End::Rewritten(..) => one(Goal::Old(None)),
            End::Break(..) => {
                result = guard.choose(reading, &one(None), &result);
                continue;
            }
        };
        let then: Cases<Option<Goal>> = then.into_iter().map(some).collect();
        result = guard.choose(reading, &then, &result);
    }
    result
}

fn some(case: Case<Goal>) -> Case<Option<Goal>> {
    let outcome = match case.outcome {
        Outcome::One(goal) => Outcome::One(Some(goal)),
        Outcome::Drawn(draw, parts) => {
            Outcome::Drawn(draw, parts.into_iter().map(|(weight, goal)| (weight, Some(goal))).collect())
        }
    };
    Case { when: case.when, outcome }
}

fn items_of<'d>(
    reading: &mut Reading<'d>,
    server: &Server<'d>,
    scope: &Scope,
    spot: &Spot<'d>,
    ends: &[Case<Option<Goal>>],
) -> Vec<Item> {
    let base = server.when.and(&spot.when);
    if base.is_never() {
        return Vec::new();
    }
    let at = if spot.at.is_empty() { server.at.clone() } else { spot.at.clone() };
    let goals = match &spot.place {
        Some(place) => answer::goals(reading, scope, place, Way::default()),
        None => {
            reading.note(
                &at,
                "nginx answers the path without the slash at its end by a redirect: the host's own \
                routing keeps such requests",
            );
            one(Goal::Answer)
        }
    };
    let goals = through(ends, &goals);
    if base.perhaps().is_some()
        || goals.iter().any(|case| is_unclear(case, |goal| matches!(goal, Goal::Old(_))))
    {
        note_kept(reading, &at);
    }
    let mut items = Vec::new();
    if let Some(place) = &spot.place {
        let sent = goals.iter().filter(|case| case.outcome != Outcome::One(Goal::Answer));
        let sent: Vec<When> = sent.map(|case| case.when.clone()).collect();
        let answered = goals.iter().any(|case| case.outcome == Outcome::One(Goal::Answer));
        let sent = if answered { When::any(sent) } else { When::always() };
        items.extend(mirrors::items(reading, scope, place, &base.and(&sent)));
    }
    items.extend(goals.into_iter().map(|case| Item {
        when: base.and(&case.when),
        what: What::Goes(case.outcome),
        at: at.clone(),
    }));
    items
}

fn is_unclear<T>(case: &Case<T>, old: impl Fn(&T) -> bool) -> bool {
    case.when.perhaps().is_some()
        || match &case.outcome {
            Outcome::One(goal) => old(goal),
            Outcome::Drawn(_, parts) => parts.iter().any(|(_, goal)| old(goal)),
        }
}

fn note_kept(reading: &mut Reading<'_>, at: &str) {
    reading.note(
        at,
        "a part of its requests cannot be told from others by a policy, or hangs on too much at once: they keep the \
            old version",
    );
}

/// The goals where the server's own directives let requests go on.
fn through(ends: &[Case<Option<Goal>>], goals: &[Case<Goal>]) -> Cases<Goal> {
    if ends.is_empty() {
        return goals.to_vec();
    }
    let mut cases = Vec::new();
    for end in ends {
        let outcome = |goal: &Goal| match &end.outcome {
            Outcome::One(Some(end)) => Outcome::One(end.clone()),
            Outcome::One(None) => Outcome::One(goal.clone()),
            Outcome::Drawn(draw, parts) => Outcome::Drawn(
                draw.clone(),
                parts
                    .iter()
                    .map(|(weight, end)| (*weight, end.clone().unwrap_or_else(|| goal.clone())))
                    .collect(),
            ),
        };
        for case in goals {
            let outcome = match &case.outcome {
                Outcome::One(goal) => outcome(goal),
                drawn if end.outcome == Outcome::One(None) => drawn.clone(),
                Outcome::Drawn(..) => outcome(&Goal::Old(None)),
            };
            cases.push(Case { when: end.when.and(&case.when), outcome });
        }
    }
    super::value::tidy(cases)
}
