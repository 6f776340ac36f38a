//! Items as rules of a policy: in the order in which nginx looks, with a rule behind each for the requests that may be meant and
//! surely are not, so that none of the rules below can send them to the new version.

use super::goal::Goal;
use super::reading::Reading;
use super::rules::{Item, What, old};
use super::shares;
use super::syntax::Directive;
use super::value::Outcome;
use super::when::is_covered;
use crate::condition::Condition;
use crate::draft::{Mirror, Split, Target};

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
        reading.note(
            at,
            format!(
                "rule {name:?} hangs on too much at once: every request that it could meet keeps the \
            old version"
            ),
        );
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
                        "a part of the draw leads to no upstream, or where it leads could not be told: it goes to the \
                            old version",
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
