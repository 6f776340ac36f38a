//! Servers and locations, whose destinations become rules and whose mirrors become mirrors.
//!
//! The rules stand in the order in which nginx looks, and a request that may be meant by one and surely is not goes to the
//! old version right behind it, so that none of the rules below can send it to the new one.

use super::answer::{self, Way, last_resort};
use super::goal::Goal;
use super::location::{Spot, spots};
use super::mirrors;
use super::reading::Reading;
use super::scope::Scope;
use super::script::{End, Script};
use super::servers::Server;
use super::shares;
use super::syntax::Directive;
use super::value::{Case, Cases, Outcome, one};
use super::when::{When, is_covered};
use crate::condition::Condition;
use crate::draft::{Mirror, Split, Target};

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
            reading.note(&at, "nginx answers the path without the slash at its end by a redirect: the host's own routing keeps such requests");
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
        "a part of its requests cannot be told from others by a policy, or hangs on too much at once: they keep the old version",
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

/// Writes all items as rules, behind one for the requests that nginx reads in another way.
pub(super) fn write(reading: &mut Reading<'_>, mut items: Vec<Item>, named: impl Fn(&str) -> String + Copy) {
    let end = items.iter().position(|item| item.when.is_always() && matches!(item.what, What::Goes(_)));
    items.truncate(end.map_or(items.len(), |end| end.saturating_add(1)));
    let old = old(&items).map(|host| variant(reading, &named(&host)));
    let last = items.last().filter(|item| item.when.is_always()).map(|item| match &item.what {
        What::Goes(Outcome::One(Goal::Answer)) | What::Mirrored(_) => None,
        What::Goes(Outcome::One(Goal::To(host))) => Some(variant(reading, &named(host))),
        What::Goes(_) => old.clone(),
    });
    reading.draft.default = last.flatten();
    let mut writer = Writer {
        written: Vec::new(),
        by_default: reading.draft.default.clone().map_or(Target::Host, Target::To),
        kept: old.map_or(Target::Host, Target::To),
    };
    let odd = reading.odd_requests();
    if !odd.is_empty() {
        let kept = writer.kept.clone();
        writer.rule(reading, "requests", ODD, &Condition::any(odd), kept, Vec::new());
    }
    let mut items: Vec<Item> = items.into_iter().rev().collect();
    let by_default = writer.by_default.clone();
    let same = |item: &Item| match &item.what {
        What::Goes(Outcome::One(Goal::To(host))) => {
            item.when.perhaps().is_none() && by_default == Target::To(named(host))
        }
        _ => false,
    };
    let superfluous = items.iter().take_while(|item| same(item)).count();
    items.drain(..superfluous);
    for item in items.into_iter().rev() {
        writer.item(reading, item, named);
    }
}

/// The old version: where the requests go at last that nothing takes.
fn old(items: &[Item]) -> Option<String> {
    let hosts = items.iter().rev().filter_map(|item| match &item.what {
        What::Goes(outcome) => Some(outcome),
        What::Mirrored(_) => None,
    });
    hosts
        .into_iter()
        .find_map(|outcome| last_resort(&[Case { when: When::always(), outcome: outcome.clone() }]))
}

fn variant(reading: &mut Reading<'_>, host: &str) -> String {
    let destination = reading.config.destination(&mut reading.draft, host);
    reading.draft.variant(destination)
}

struct Writer {
    /// The conditions of the rules so far that decide.
    written: Vec<Condition>,
    /// Where requests go that keep the old version.
    kept: Target,
    /// Where requests go that no rule takes.
    by_default: Target,
}

impl Writer {
    fn item(&mut self, reading: &mut Reading<'_>, item: Item, named: impl Fn(&str) -> String) {
        let Item { when, what, at } = item;
        match what {
            What::Mirrored(mirrors) => {
                if let Some(sure) = when.sure() {
                    self.rule(reading, &at, "mirror", sure, Target::Onward, mirrors);
                }
            }
            What::Goes(Outcome::One(Goal::Old(_))) => {
                if let Some(kept) = when.perhaps().or_else(|| when.sure()) {
                    self.rule(reading, &at, &kept_name(&at), kept, self.kept.clone(), Vec::new());
                }
            }
            What::Goes(outcome) => {
                let target = self.target(reading, &outcome, named);
                let superfluous = when.is_always() && target == self.by_default;
                if let Some(sure) = when.sure().filter(|_| !superfluous) {
                    self.rule(reading, &at, &name_of(&target), sure, target, Vec::new());
                }
                if let Some(kept) = when.perhaps() {
                    self.rule(reading, &at, &kept_name(&at), kept, self.kept.clone(), Vec::new());
                }
            }
        }
    }

    /// Writes a rule; a condition that a policy cannot hold keeps everything from there on.
    fn rule(
        &mut self,
        reading: &mut Reading<'_>,
        at: &str,
        name: &str,
        condition: &Condition,
        target: Target,
        mirrors: Vec<Mirror>,
    ) {
        if self.written.iter().any(|earlier| is_covered(condition, earlier)) {
            return;
        }
        if depth(condition) <= DEEPEST && widest(condition) <= WIDEST {
            if target != Target::Onward {
                self.written.push(condition.clone());
            }
            reading.draft.rule(at, name, condition.clone(), target, mirrors);
            return;
        }
        reading.note(at, format!("rule {name:?} hangs on too much at once: every request that it could meet keeps the old version"));
        if target != Target::Onward {
            reading.draft.rule(at, &kept_name(at), Condition::Always, self.kept.clone(), Vec::new());
            self.written.push(Condition::Always);
        }
    }

    fn target(
        &self,
        reading: &mut Reading<'_>,
        outcome: &Outcome<Goal>,
        named: impl Fn(&str) -> String,
    ) -> Target {
        match outcome {
            Outcome::One(Goal::Answer) => Target::Host,
            Outcome::One(Goal::To(host)) => Target::To(variant(reading, &named(host))),
            Outcome::One(Goal::Old(_)) => self.kept.clone(),
            Outcome::Drawn(draw, parts) => self.split(reading, draw, parts, named),
        }
    }

    /// A draw as a split. What nginx would answer itself has no place in one: it goes to the old version.
    fn split(
        &self,
        reading: &mut Reading<'_>,
        draw: &str,
        parts: &[(u64, Goal)],
        named: impl Fn(&str) -> String,
    ) -> Target {
        let Target::To(old) = &self.kept else {
            return self.kept.clone();
        };
        let mut weights = Vec::new();
        for (weight, goal) in parts {
            let to = match goal {
                Goal::To(host) => variant(reading, &named(host)),
                Goal::Answer | Goal::Old(_) => {
                    let at = reading.config.variable(draw).map_or_else(String::new, Directive::at);
                    reading.note(
                        at,
                        "a part of the draw leads to no upstream, or where it leads could not be told: it goes to the old version",
                    );
                    old.clone()
                }
            };
            weights.push((to, *weight));
        }
        Target::Split(Split { weights, ..shares::split(reading, draw) })
    }
}

/// The name of a rule that keeps requests with the old version: it names the line of which a note says why.
fn kept_name(at: &str) -> String {
    let short: Vec<&str> = at.rsplit('/').take(1).collect();
    format!("kept-{}", short.concat().replace(' ', "-"))
}

fn name_of(target: &Target) -> String {
    match target {
        Target::To(name) => name.clone(),
        Target::Split(_) => "split".to_owned(),
        Target::Host | Target::Onward => "host".to_owned(),
    }
}

/// Levels of `any`, `all` and `not`.
fn depth(condition: &Condition) -> usize {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().map(depth).max().unwrap_or(0).saturating_add(1)
        }
        Condition::Not(inner) => depth(inner).saturating_add(1),
        Condition::Always | Condition::Test(..) | Condition::Unclear(_) => 0,
    }
}

/// The most parts that one level has.
fn widest(condition: &Condition) -> usize {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().map(widest).max().unwrap_or(0).max(parts.len())
        }
        Condition::Not(inner) => widest(inner),
        Condition::Always | Condition::Test(..) | Condition::Unclear(_) => 1,
    }
}

/// The name of the rule for requests that nginx reads in another way.
const ODD: &str = "read-otherwise";
/// Below what a policy takes.
const DEEPEST: usize = 14;
const WIDEST: usize = 60;
