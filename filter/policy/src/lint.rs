//! What is right and still not what was meant: warnings about a policy, and about a change of one.
//!
//! A warning never keeps a policy from running. Each names the field and what would happen.

mod cover;
mod drift;
mod movement;
mod shown;
mod unlikely;

use std::sync::Arc;

use self::shown::percent;
use crate::document::{Problem, Tree, parse_duration};
use crate::policy::Policy;
use crate::rule::rule_name;
use crate::split::Split;
use crate::timestamp::Timestamp;
use crate::variant::{State, Variant};

pub use cover::covers;
pub use movement::{Movement, movements};
pub use unlikely::{unlikely_method, unlikely_path};

/// Everything about a valid document that is probably unintended, in the order of the document. `now` tells which time windows
/// are over.
pub fn warnings(tree: &Tree, policy: &Policy, now: Timestamp) -> Vec<Problem> {
    let mut warnings = Warnings { policy, found: Vec::new() };
    warnings.variants(tree);
    if let Some(Tree::List(rules)) = tree.get("rules") {
        for (index, rule) in rules.iter().enumerate() {
            let place = Place { index, rule, before: rules.get(..index).unwrap_or_default() };
            if is_enabled(rule) {
                warnings.rule(&place, now);
            } else {
                let after = rules.get(index + 1..).unwrap_or_default();
                warnings.disabled(&place, after, tree.get("default"));
            }
        }
    }
    warnings.observe(tree);
    warnings.found
}

/// What a change does to users whom a split has placed; nothing where all of them stay.
pub fn change_warnings(before: &Policy, after: &Policy) -> Vec<Problem> {
    let all = movements(before, after);
    let mut found: Vec<Problem> = Vec::new();
    let default = before.default_variant().map(|variant| variant.name.as_str());
    let mut rules: Vec<&str> = all.iter().map(|movement| movement.rule.as_str()).collect();
    rules.dedup();
    for rule in rules {
        let evicted = all.iter().filter(|m| m.rule == rule && m.from.as_deref() != default);
        let from: Vec<String> = evicted
            .clone()
            .map(|m| {
                format!(
                    "{} from {} to {}",
                    percent(m.share),
                    shown(m.from.as_deref()),
                    shown(m.to.as_deref())
                )
            })
            .collect();
        let share: f64 = evicted.map(|movement| movement.share).sum();
        if share > 0.0 {
            let message = format!("evicts {} of users: {}", percent(share), from.join(", "));
            found.push(Problem { path: format!("rule {rule:?}"), message });
        }
    }
    found
}

struct Warnings<'p> {
    policy: &'p Policy,
    found: Vec<Problem>,
}

/// A written rule among the others.
struct Place<'t> {
    index: usize,
    rule: &'t Tree,
    before: &'t [Tree],
}

impl Place<'_> {
    fn path(&self, rest: &str) -> String {
        format!("rules[{}]{rest}", self.index)
    }
}

impl<'p> Warnings<'p> {
    fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.found.push(Problem { path: path.into(), message: message.into() });
    }

    fn variant(&self, name: &Tree) -> Option<&Arc<Variant>> {
        let Tree::Text(name) = name else { return None };
        self.policy.variants().find(|variant| variant.name == *name)
    }

    fn is_red(&self, name: &Tree) -> bool {
        self.variant(name).is_some_and(|variant| variant.is_red())
    }

    /// Lists of ids that overlap, and lists that nobody reads.
    fn variants(&mut self, tree: &Tree) {
        let Some(Tree::Map(written)) = tree.get("variants") else { return };
        let listed: Vec<(&str, &Tree)> =
            written.iter().filter_map(|(name, variant)| Some((name.as_str(), variant.get("ids")?))).collect();
        for (index, (name, ids)) in listed.iter().enumerate() {
            let state = self.policy.variants().find(|variant| variant.name == *name).map(|v| v.state);
            if state != Some(State::Yellow) {
                self.warn(
                    format!("variants.{name}.ids"),
                    "has no effect: only a yellow variant serves its listed ids",
                );
                continue;
            }
            for (earlier, others) in listed.get(..index).unwrap_or_default() {
                if let Some(id) = cover::common_id(others, ids) {
                    let message =
                        format!("overlaps with the ids of {earlier:?}, which come first: {id} goes there");
                    self.warn(format!("variants.{name}.ids"), message);
                }
            }
        }
    }

    fn rule(&mut self, place: &Place<'_>, now: Timestamp) {
        let covered =
            place.before.iter().enumerate().find(|(_, earlier)| self.decides_before(earlier, place.rule));
        if let Some((index, earlier)) = covered {
            let name = rule_name(index, earlier);
            self.warn(
                place.path(""),
                format!("is never reached: rule {name:?} decides every request that it would"),
            );
        }
        if let Some(matches) = place.rule.get("matches") {
            unlikely::blocks(&place.path(".matches"), matches, &mut self.found);
        }
        if let Some(Tree::Text(until)) = place.rule.get("until")
            && Timestamp::parse(until).is_some_and(|until| until < now)
        {
            self.warn(
                place.path(".until"),
                format!("is {until}, which is over: the rule does nothing any more"),
            );
        }
        if let Some(to) = place.rule.get("to").filter(|to| self.is_red(to)) {
            self.warn(
                place.path(".to"),
                format!("is {to}, which is red: the search goes on as if nothing matched"),
            );
        }
        if let Some(split) = place.rule.get("split") {
            self.split(place, split);
        }
        if let Some(Tree::List(mirrors)) = place.rule.get("mirror") {
            for (at, mirror) in mirrors.iter().enumerate() {
                self.mirror(&place.path(&format!(".mirror[{at}]")), mirror);
            }
        }
    }

    /// Who gets the requests of a rule that is switched off, as far as that is certain.
    fn disabled(&mut self, place: &Place<'_>, after: &[Tree], default: Option<&Tree>) {
        let decides = |(_, later): &(usize, &Tree)| self.decides_before(later, place.rule);
        let next = after.iter().enumerate().find(decides);
        let whom = match (next, default) {
            (Some((index, later)), _) => {
                let name = rule_name(place.index + 1 + index, later);
                let between = if index > 0 { ", unless one between them does" } else { "" };
                format!("rule {name:?} decides its requests{between}")
            }
            (None, Some(Tree::Text(default))) => {
                format!("its requests go on to the rules below and to the default {default:?}")
            }
            (None, _) => "its requests go on to the rules below and to the host's own routing".to_owned(),
        };
        self.warn(place.path(".enabled"), format!("is false, so the rule does nothing: {whom}"));
    }

    /// Whether an earlier rule always decides, and whenever the later one would.
    fn decides_before(&self, earlier: &Tree, later: &Tree) -> bool {
        let always = earlier.get("from").is_none() && earlier.get("until").is_none() && is_enabled(earlier);
        let decides = earlier.get("split").is_some() || earlier.get("to").is_some_and(|to| !self.is_red(to));
        always && decides && cover::covers(earlier.get("matches"), later.get("matches"))
    }

    fn split(&mut self, place: &Place<'_>, split: &Tree) {
        let keyed = split.get("by").is_some();
        if !keyed && split.get("sticky").is_none() {
            let message =
                "has neither keys (by) nor a sticky cookie: users get another variant with each request";
            self.warn(place.path(".split"), message);
        }
        let compiled = self.compiled(place);
        let adjacent = compiled.map(|split| split.layout().adjacent).filter(|adjacent| *adjacent > 0);
        if let (Some(Tree::Map(weights)), Some(_)) = (split.get("weights"), adjacent) {
            let message = format!(
                "has {} candidates side by side, so the growth of one moves users of the next: buckets keep them",
                weights.len().saturating_sub(1)
            );
            self.warn(place.path(".split.weights"), message);
        }
        if let Some(drift) = compiled.and_then(|compiled| drift::drift(compiled, split)) {
            self.warn(place.path(".split.sticky.stick"), drift);
        }
        let Some(sticky) = split.get("sticky") else { return };
        let same = |rule: &Tree| {
            let other = rule.get("split").and_then(|split| split.get("sticky"));
            other.is_some_and(|other| other.get("cookie") == sticky.get("cookie"))
        };
        if let Some(index) = place.before.iter().position(same) {
            let name = rule_name(index, place.before.get(index).unwrap_or(&Tree::Null));
            let message = format!("has the cookie of rule {name:?}: each forgets what the other remembered");
            self.warn(place.path(".split.sticky.cookie"), message);
        }
        if sticky.get("stick") != Some(&Tree::Text("candidates".to_owned())) {
            let with = if keyed {
                ": without the cookie, by alone keeps users where they are and lets shares grow"
            } else {
                ""
            };
            let message = format!(
                "pins users to the default too: whoever got it keeps it, so a larger share of a candidate reaches new \
                 users only{with}"
            );
            self.warn(place.path(".split.sticky"), message);
        }
        if sticky.get("signedWith").is_none() {
            let message = "is not signed: a client can choose its variant by writing the cookie itself";
            self.warn(place.path(".split.sticky"), message);
        }
        let lives = matches!(sticky.get("maxAge"), Some(Tree::Text(age)) if parse_duration(age).is_some_and(|age| age.as_secs() > LONG));
        if lives && sticky.get("onZeroWeight") == Some(&Tree::Text("keep".to_owned())) {
            let message = "keeps users on a variant without weight for more than 30 days: its instances have to live as long";
            self.warn(place.path(".split.sticky.maxAge"), message);
        }
    }

    /// The rule's split as the filter has it.
    fn compiled(&self, place: &Place<'_>) -> Option<&'p Split> {
        let name = rule_name(place.index, place.rule);
        self.policy.rules().iter().find(|rule| rule.name == name)?.split()
    }

    fn mirror(&mut self, path: &str, mirror: &Tree) {
        if let Some(methods) = mirror.get("methods") {
            unlikely::methods(&format!("{path}.methods"), methods, &mut self.found);
        }
        if mirror.get("unsafeMethods") == Some(&Tree::Text("allow".to_owned())) {
            self.warn(
                format!("{path}.unsafeMethods"),
                "mirrors writes: the candidate must not share a database, a queue or a mail server with production",
            );
        }
        if let Some(to) = mirror.get("to").filter(|to| self.is_red(to)) {
            self.warn(format!("{path}.to"), format!("is {to}, which is red: nothing is mirrored"));
        }
    }

    fn observe(&mut self, tree: &Tree) {
        let depends = self.policy.depends_on_headers();
        if depends && !self.policy.varies() {
            self.warn(
                "observe.vary",
                "is off: a cache in front may hand one variant's answers to users of another",
            );
        }
        let explains = tree.get("observe").and_then(|observe| observe.get("explainHeader"));
        if explains.is_some_and(|header| *header != Tree::Null) && tree.get("override").is_none() {
            self.warn("observe.explainHeader", "is never sent: only clients that override trusts get it");
        }
    }
}

fn is_enabled(rule: &Tree) -> bool {
    rule.get("enabled") != Some(&Tree::Bool(false))
}

fn shown(variant: Option<&str>) -> &str {
    variant.unwrap_or("the host's own routing")
}

/// Seconds of 30 days.
const LONG: u64 = 30 * 86_400;
