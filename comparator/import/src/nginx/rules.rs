//! What becomes of the requests of a server, in the order in which nginx looks: first what its own directives end, then its
//! locations with their mirrors.
//!
//! Each place has an old version of its own. Where it is not known which place a request meets, the old version is what all
//! places of the server have in common, or nothing that the policy could name.

use super::answer;
use super::goal::{Goal, Old};
use super::includes::undecided;
use super::location::{Spot, spots};
use super::mirrors;
use super::page::Way;
use super::reached::Reached;
use super::reading::Reading;
use super::scope::Scope;
use super::script::{End, Script};
use super::servers::Server;
use super::value::{Case, Cases, Outcome, Unclear as _, one};
use super::when::When;
use crate::condition::Condition;
use crate::draft::Mirror;

/// What becomes of some requests, unless an earlier one takes them.
pub(super) struct Item {
    pub(super) when: When,
    pub(super) what: What,
    /// All requests of its place, for what is too much to be told apart.
    pub(super) place: When,
    /// The old version of those that keep it.
    pub(super) old: Old,
    pub(super) at: String,
}

/// What becomes of requests.
pub(super) enum What {
    Goes(Outcome<Goal>),
    Mirrored(Vec<Mirror>),
    /// Those of these conditions keep the old version, since nginx reads them in another way.
    Odd(Vec<Condition>),
}

/// What becomes of the requests of a server.
pub(super) struct Items {
    pub(super) items: Vec<Item>,
    /// The old version that all its places have.
    pub(super) shared: Old,
}

impl Items {
    /// Nothing yet.
    fn none() -> Self {
        Self { items: Vec::new(), shared: Old::Nowhere }
    }

    /// With the old version of each, also where that is the one of the server, or of all servers. What may be a request of
    /// another server keeps that of all.
    pub(super) fn settled(self, common: &Old, elsewhere: bool) -> Vec<Item> {
        let Self { mut items, shared } = self;
        let shared = if elsewhere { common } else { &shared };
        for item in &mut items {
            let own = if elsewhere { common.clone() } else { item.old.settled(shared, shared, common) };
            let settle = |goal: &mut Goal| {
                if let Goal::Old(old) = goal {
                    *old = if elsewhere { common.clone() } else { old.settled(&own, shared, common) };
                }
            };
            match &mut item.what {
                What::Goes(Outcome::One(goal)) => settle(goal),
                What::Goes(Outcome::Drawn(_, parts)) => {
                    parts.iter_mut().map(|(_, goal)| goal).for_each(settle);
                }
                What::Mirrored(_) | What::Odd(_) => {}
            }
            item.old = own;
        }
        items
    }
}

/// All that becomes of the requests of a server.
pub(super) fn items<'d>(reading: &mut Reading<'d>, server: &Server<'d>) -> Items {
    let mut found = known_items(reading, server);
    if let Some(include) = undecided(server.place.block()) {
        reading.note(
            include.at(),
            format!(
                "{:?} is not in this text and may have locations: the requests of its server keep the old version; give \
                 the file as nginx -T prints it",
                include.text(0)
            ),
        );
        let what = What::Goes(Outcome::One(Goal::Old(Old::Common)));
        found.items.insert(0, of_server(server, server.when.clone(), what));
    }
    found
}

/// An item of the server itself.
fn of_server(server: &Server<'_>, when: When, what: What) -> Item {
    Item { when, what, place: server.when.clone(), old: Old::Shared, at: server.at.clone() }
}

fn known_items<'d>(reading: &mut Reading<'d>, server: &Server<'d>) -> Items {
    let mut found = Items::none();
    let ((script, ends), odd) = reading.apart(|reading| {
        let script = Script::run(reading, &server.scope, server.place.block());
        let ends = ends(reading, server, &script);
        (script, ends)
    });
    let whole = ends.iter().all(|case| matches!(&case.outcome, Outcome::One(_)));
    let mut onward = !whole;
    if whole {
        onward = ended(&mut found.items, server, &ends);
    }
    let through = if whole { Vec::new() } else { ends };
    let mut olds = Vec::new();
    if onward {
        for spot in spots(reading, &server.place) {
            let last = spot.when.is_always();
            let old = items_of(reading, server, &script.scope, &spot, &through, &mut found.items);
            olds.extend(old.filter(|old| last || *old != Old::Nowhere));
            if last {
                break;
            }
        }
    }
    found.shared = Old::agreed(olds);
    for odd in [odd, reading.odd_paths()].into_iter().filter(|odd| !odd.is_empty()) {
        found.items.insert(0, of_server(server, server.when.clone(), What::Odd(odd)));
    }
    found
}

/// Writes where the server's own directives end requests; whether any go on.
fn ended(items: &mut Vec<Item>, server: &Server<'_>, ends: &[Case<Option<Goal>>]) -> bool {
    let mut onward: Vec<When> = Vec::new();
    for case in ends {
        let Outcome::One(goal) = &case.outcome else { continue };
        let Some(goal) = goal else {
            onward.push(case.when.clone().negated());
            continue;
        };
        let when = When::all(onward.iter().cloned().chain([server.when.clone(), case.when.clone()]));
        items.push(of_server(server, when, What::Goes(Outcome::One(goal.clone()))));
    }
    !onward.is_empty()
}

/// Where the directives of the server itself end a request; `None` where they let it go on.
fn ends<'d>(reading: &mut Reading<'d>, server: &Server<'d>, script: &Script<'d>) -> Cases<Option<Goal>> {
    let mut result: Cases<Option<Goal>> = one(None);
    for (guard, end) in script.ends.iter().rev() {
        let then = match end {
            End::Return(directive, scope, blocks) => {
                let blocks = script.blocks.get(..*blocks).unwrap_or_default();
                answer::returned(reading, scope, &server.place, blocks, directive, Way::default())
            }
            End::Redirect => one(Goal::Answer),
            // A location is looked for by the new path.
            End::Elsewhere | End::Rewritten(..) => one(Goal::Old(Old::Shared)),
            End::Included(_) => one(Goal::Old(Old::Common)),
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

/// Writes what becomes of the requests of one place; its old version, unless nobody gets there.
fn items_of<'d>(
    reading: &mut Reading<'d>,
    server: &Server<'d>,
    scope: &Scope,
    spot: &Spot<'d>,
    ends: &[Case<Option<Goal>>],
    items: &mut Vec<Item>,
) -> Option<Old> {
    let base = server.when.and(&spot.when);
    if base.is_never() {
        return None;
    }
    let at = if spot.at.is_empty() { server.at.clone() } else { spot.at.clone() };
    let (Reached { goals, old }, odd) = reading.apart(|reading| match &spot.place {
        Some(place) => answer::reached(reading, scope, place, Way::default()),
        None => {
            reading.note(
                &at,
                "nginx answers the path without the slash at its end by a redirect: the host's own \
                routing keeps such requests",
            );
            Reached { goals: one(Goal::Answer), old: Old::Nowhere }
        }
    });
    // Which requests are those of an unclear place is not known, so what it does with them is no way for all of them.
    let unclear = spot.when.perhaps().is_some();
    let kept = if unclear { Old::Shared } else { old.clone() };
    let item =
        |when: When, what: What| Item { when, what, place: base.clone(), old: kept.clone(), at: at.clone() };
    if !odd.is_empty() {
        items.push(item(base.clone(), What::Odd(odd)));
    }
    let mut goals = through(ends, &goals);
    if unclear {
        goals.iter_mut().for_each(|case| share(&mut case.outcome));
    }
    if let Some(place) = &spot.place {
        let sent = goals.iter().filter(|case| case.outcome != Outcome::One(Goal::Answer));
        let sent: Vec<When> = sent.map(|case| case.when.clone()).collect();
        let answered = goals.iter().any(|case| case.outcome == Outcome::One(Goal::Answer));
        let sent = if answered { When::any(sent) } else { When::always() };
        for copied in mirrors::copied(reading, scope, place, &base.and(&sent)) {
            let mirrored = item(copied.when, What::Mirrored(copied.mirrors));
            items.push(Item { at: copied.at, ..mirrored });
        }
    }
    items.extend(goals.into_iter().map(|case| item(base.and(&case.when), What::Goes(case.outcome))));
    Some(old)
}

/// Requests that keep the old version keep that of the server.
fn share(outcome: &mut Outcome<Goal>) {
    let share = |goal: &mut Goal| {
        if matches!(goal, Goal::Old(_)) {
            *goal = Goal::Old(Old::Shared);
        }
    };
    match outcome {
        Outcome::One(goal) => share(goal),
        Outcome::Drawn(_, parts) => parts.iter_mut().for_each(|(_, goal)| share(goal)),
    }
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
                Outcome::Drawn(..) => outcome(&Goal::unclear()),
            };
            cases.push(Case { when: end.when.and(&case.when), outcome });
        }
    }
    super::value::tidy(cases)
}
