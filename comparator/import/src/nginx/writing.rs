//! Items as rules of a policy: in the order in which nginx looks, with a rule behind each for the requests that may be meant and
//! surely are not, so that none of the rules below can send them to the new version.

use super::goal::{Goal, Old};
use super::reading::Reading;
use super::rules::{Item, What};
use super::shares;
use super::syntax::Directive;
use super::value::Outcome;
use super::when::{When, is_covered};
use crate::condition::Condition;
use crate::draft::{Mirror, Split, Target};

/// Writes all items as rules, those that nginx reads in another way before the others.
pub(super) fn write(reading: &mut Reading<'_>, mut items: Vec<Item>, named: impl Fn(&str) -> String + Copy) {
    let end = items.iter().position(|item| item.when.is_always() && matches!(item.what, What::Goes(_)));
    items.truncate(end.map_or(items.len(), |end| end.saturating_add(1)));
    let last = items.last().filter(|item| item.when.is_always()).and_then(|item| match &item.what {
        What::Goes(Outcome::One(Goal::To(host) | Goal::Old(Old::At(host)))) => Some(host.clone()),
        What::Goes(Outcome::Drawn(..)) => match &item.old {
            Old::At(host) => Some(host.clone()),
            _ => None,
        },
        _ => None,
    });
    reading.draft.default = last.map(|host| variant(reading, &named(&host)));
    let shared = Old::agreed(items.iter().map(|item| item.old.clone()));
    let mut writer = Writer {
        written: Vec::new(),
        by_default: reading.draft.default.clone().map_or(Target::Host, Target::To),
        shared,
        named,
    };
    let by_default = writer.by_default.clone();
    let same = |item: &Item| match &item.what {
        What::Goes(Outcome::One(Goal::To(host))) => {
            item.when.perhaps().is_none() && by_default == Target::To(named(host))
        }
        _ => false,
    };
    let superfluous = items.iter().rev().take_while(|item| same(item)).count();
    items.truncate(items.len().saturating_sub(superfluous));
    writer.odd_at_once(reading, &mut items);
    for item in &items {
        writer.item(reading, item);
    }
}

fn variant(reading: &mut Reading<'_>, host: &str) -> String {
    let destination = reading.config.destination(&mut reading.draft, host);
    reading.draft.variant(destination)
}

struct Writer<N> {
    /// The conditions of the rules so far that decide.
    written: Vec<Condition>,
    /// Where requests go that no rule takes.
    by_default: Target,
    /// The old version that all places have.
    shared: Old,
    /// The variant's name for a host.
    named: N,
}

impl<N: Fn(&str) -> String> Writer<N> {
    /// Where all places have one old version, also those that nothing is odd in, one rule is enough for all that nginx reads in
    /// another way.
    fn odd_at_once(&mut self, reading: &mut Reading<'_>, items: &mut Vec<Item>) {
        let mut all: Vec<Condition> = Vec::new();
        let mut olds: Vec<Old> = Vec::new();
        let mut at = None;
        for item in items.iter() {
            if let What::Odd(odd) = &item.what {
                all.extend(odd.iter().cloned());
                olds.push(item.old.clone());
                at.get_or_insert_with(|| item.at.clone());
            }
        }
        let same = |first: &&Old| **first == self.shared && olds.iter().all(|old| old == *first);
        let Some(old) = olds.first().filter(same).cloned() else {
            return;
        };
        let mut kept: Vec<Condition> = Vec::new();
        for odd in all {
            if !kept.contains(&odd) {
                kept.push(odd);
            }
        }
        items.retain(|item| !matches!(item.what, What::Odd(_)));
        let when = When::any(kept.iter().cloned().map(When::exactly));
        let item = Item {
            when: When::always(),
            place: when,
            what: What::Odd(kept),
            old,
            at: at.unwrap_or_default(),
        };
        self.odd(reading, &item);
    }

    fn item(&mut self, reading: &mut Reading<'_>, item: &Item) {
        match &item.what {
            What::Mirrored(mirrors) => {
                if let Some(sure) = item.when.sure() {
                    self.rule(reading, item, "mirror", sure, Target::Onward, mirrors.clone());
                }
            }
            What::Odd(_) => self.odd(reading, item),
            What::Goes(Outcome::One(Goal::Old(old))) => {
                if let Some(kept) = item.when.perhaps().or_else(|| item.when.sure()) {
                    self.keep(reading, item, kept, old);
                }
            }
            What::Goes(outcome) => {
                let sure = item.when.sure();
                let target = sure.and_then(|_| self.target(reading, item, outcome));
                match (sure, target) {
                    (Some(sure), None) => self.keep(reading, item, sure, &Old::Nowhere),
                    (Some(sure), Some(target)) if !item.when.is_always() || target != self.by_default => {
                        self.rule(reading, item, &name_of(&target), sure, target, Vec::new());
                    }
                    _ => {}
                }
                if let Some(kept) = item.when.perhaps() {
                    self.keep(reading, item, kept, &item.old);
                }
            }
        }
    }

    /// Writes the rule for requests that nginx reads in another way.
    fn odd(&mut self, reading: &mut Reading<'_>, item: &Item) {
        let What::Odd(odd) = &item.what else { return };
        let base = item.when.perhaps().or_else(|| item.when.sure()).cloned();
        let Some(base) = base else { return };
        let target = self.kept(reading, &item.old);
        if target == Target::Host {
            reading.note(
                &item.at,
                "of requests that nginx reads in another way it is not known which version is the old one: they are left \
                to the proxy's own routing",
            );
        }
        for odd in odd.chunks(WIDEST) {
            let condition = Condition::all([base.clone(), Condition::any(odd.iter().cloned())]);
            self.rule(reading, item, ODD, &condition, target.clone(), Vec::new());
        }
    }

    /// Writes a rule that keeps requests with the old version, and says with which one.
    fn keep(&mut self, reading: &mut Reading<'_>, item: &Item, kept: &Condition, old: &Old) {
        let target = self.kept(reading, old);
        let with = match &target {
            Target::To(name) => format!("which is {name:?} here"),
            _ => "and since that one is not known, the policy leaves them to the proxy's own routing"
                .to_owned(),
        };
        if self.rule(reading, item, &kept_name(&item.at), kept, target, Vec::new()) {
            reading.note(
                &item.at,
                format!(
                    "a part of its requests cannot be told from others by a policy, or hangs on too much at once: they \
                    keep the old version, {with}"
                ),
            );
        }
    }

    fn kept(&self, reading: &mut Reading<'_>, old: &Old) -> Target {
        match old {
            Old::At(host) => Target::To(variant(reading, &(self.named)(host))),
            _ => Target::Host,
        }
    }

    /// Writes a rule, unless earlier ones have all its requests. A condition that a policy cannot hold keeps all requests of
    /// its place, or everything from there on.
    fn rule(
        &mut self,
        reading: &mut Reading<'_>,
        item: &Item,
        name: &str,
        condition: &Condition,
        target: Target,
        mirrors: Vec<Mirror>,
    ) -> bool {
        // With more rules than a policy takes it does not matter which of them are superfluous.
        let comparable = self.written.len() <= MAX_COMPARED;
        if comparable && self.written.iter().any(|earlier| is_covered(condition, earlier)) {
            return false;
        }
        if is_short(condition) {
            if target != Target::Onward {
                self.written.push(condition.clone());
            }
            reading.draft.rule(&item.at, name, condition.clone(), target, mirrors);
            return true;
        }
        reading.note(
            &item.at,
            format!(
                "rule {name:?} hangs on too much at once: every request that it could meet keeps the \
            old version"
            ),
        );
        if target != Target::Onward {
            let place = item.place.perhaps().or_else(|| item.place.sure()).filter(|place| is_short(place));
            let old = if place.is_some() { &item.old } else { &self.shared.clone() };
            let kept = self.kept(reading, old);
            let condition = place.cloned().unwrap_or(Condition::Always);
            reading.draft.rule(&item.at, &kept_name(&item.at), condition.clone(), kept, Vec::new());
            self.written.push(condition);
        }
        true
    }

    /// Where an outcome leads; `None` if a part of a draw leads nowhere that a policy could name.
    fn target(&self, reading: &mut Reading<'_>, item: &Item, outcome: &Outcome<Goal>) -> Option<Target> {
        match outcome {
            Outcome::One(Goal::Answer) => Some(Target::Host),
            Outcome::One(Goal::To(host)) => Some(Target::To(variant(reading, &(self.named)(host)))),
            Outcome::One(Goal::Old(old)) => Some(self.kept(reading, old)),
            Outcome::Drawn(draw, parts) => self.split(reading, item, draw, parts),
        }
    }

    /// A draw as a split. What nginx would answer itself has no place in one: it goes to the old version.
    fn split(
        &self,
        reading: &mut Reading<'_>,
        item: &Item,
        draw: &str,
        parts: &[(u64, Goal)],
    ) -> Option<Target> {
        let at = reading.config.variable(draw).map_or_else(|| item.at.clone(), Directive::at);
        let mut weights = Vec::new();
        for (weight, goal) in parts {
            let to = match goal {
                Goal::To(host) => Target::To(variant(reading, &(self.named)(host))),
                Goal::Answer => self.kept(reading, &item.old),
                Goal::Old(old) => self.kept(reading, old),
            };
            let Target::To(to) = to else {
                reading.note(
                    at,
                    "a part of the draw leads to no upstream, or where it leads could not be told, and the old version is \
                        not known: all its requests are left to the proxy's own routing",
                );
                return None;
            };
            if !matches!(goal, Goal::To(_)) {
                reading.note(
                    &at,
                    "a part of the draw leads to no upstream, or where it leads could not be told: it goes to the old \
                        version",
                );
            }
            weights.push((to, *weight));
        }
        Some(Target::Split(Split { weights, ..shares::split(reading, draw) }))
    }
}

/// Whether a policy takes a condition.
fn is_short(condition: &Condition) -> bool {
    depth(condition) <= DEEPEST && widest(condition) <= WIDEST
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
        Condition::Always | Condition::Test(..) | Condition::Unclear(_) | Condition::Never(_) => 0,
    }
}

/// The most parts that one level has.
fn widest(condition: &Condition) -> usize {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().map(widest).max().unwrap_or(0).max(parts.len())
        }
        Condition::Not(inner) => widest(inner),
        Condition::Always | Condition::Test(..) | Condition::Unclear(_) | Condition::Never(_) => 1,
    }
}

/// The name of the rule for requests that nginx reads in another way.
const ODD: &str = "read-otherwise";
/// Below what a policy takes.
const DEEPEST: usize = 14;
const WIDEST: usize = 60;
/// Rules that are compared with each other, more than a policy takes.
const MAX_COMPARED: usize = 1024;
