//! What decides requests, in its order, and which two of an earlier and a later policy can decide the same request.
//!
//! Conditions are taken as they are written. A request that two places decide, one under each policy, meets the conditions of both and
//! those of no place before them; that is impossible only if a place before covers one of the two, or if both select by different
//! values. Everything else is taken for possible.

use std::collections::BTreeSet;

use antumbra_policy::Timestamp;
use antumbra_policy::document::Tree;
use antumbra_policy::lint::covers;

use super::gives::Gives;
use super::stable::Variants;
use super::told::Giver;
use super::written::{entries, items, text};

/// All that decides requests under a policy, in its order: `override`, ids of yellow variants, rules, the default.
pub(super) struct Places<'t> {
    places: Vec<Place<'t>>,
    deciders: Vec<Decider<'t>>,
}

struct Place<'t> {
    who: Who<'t>,
    /// By what it selects, and all values at which it decides.
    values: Option<Values<'t>>,
}

/// Decides some requests.
pub(super) struct Decider<'t> {
    pub(super) giver: Giver,
    pub(super) gives: Gives<'t>,
    /// The index of its place.
    place: usize,
    /// The values at which it decides, which are a part of its place's.
    values: Option<Values<'t>>,
}

type Values<'t> = (&'t str, BTreeSet<&'t str>);

/// Whom a place concerns.
enum Who<'t> {
    Choosing(&'t Tree),
    Listed(Ids<'t>),
    Matching(Conditions<'t>),
}

struct Conditions<'t> {
    matches: Option<&'t Tree>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

struct Ids<'t> {
    all: bool,
    exact: BTreeSet<String>,
    ranges: Vec<&'t Tree>,
}

impl<'t> Places<'t> {
    pub(super) fn of(policy: &'t Tree, variants: &Variants<'t>) -> Self {
        let mut found = Self { places: Vec::new(), deciders: Vec::new() };
        if let Some(overriding) = policy.get("override") {
            let share = if variants.have_candidate() { 1.0 } else { 0.0 };
            found.add(Who::Choosing(overriding), None, Giver::Override, Gives::exactly(share));
        }
        for (variant, ids) in variants.listed() {
            let gives = Gives::exactly(variants.exposure(variant));
            found.add(Who::Listed(Ids::of(ids)), None, Giver::Ids(variant.to_owned()), gives);
        }
        let default = policy.get("default").and_then(text).map_or(0.0, |default| variants.exposure(default));
        for (index, rule) in items(policy.get("rules")).iter().enumerate() {
            if rule.get("enabled") != Some(&Tree::Bool(false)) {
                let name =
                    rule.get("name").and_then(text).map_or_else(|| format!("rules[{index}]"), str::to_owned);
                found.rule(rule, &Giver::Rule(name), variants, default);
            }
        }
        let everybody = Conditions { matches: None, from: None, until: None };
        found.add(Who::Matching(everybody), None, Giver::Default, Gives::exactly(default));
        found
    }

    pub(super) fn deciders(&self) -> &[Decider<'t>] {
        &self.deciders
    }

    /// Of each decider here, the first places of both policies that decide all that it concerns. Found once for each, since places are
    /// compared condition by condition.
    pub(super) fn reached(&self, before: &Places<'_>, after: &Places<'_>) -> Vec<(&Decider<'t>, Reached)> {
        let reached = self.deciders.iter().filter_map(|decider| {
            let who = &self.places.get(decider.place)?.who;
            let first = |policy: &Places<'_>| {
                let covers = |place: &Place<'_>| place.covers(who, decider.values.as_ref());
                policy.places.iter().position(covers).unwrap_or(usize::MAX)
            };
            Some((decider, Reached { before: first(before), after: first(after) }))
        });
        reached.collect()
    }

    /// A rule; one that only mirrors decides nothing, and a red variant is passed over.
    fn rule(&mut self, rule: &'t Tree, giver: &Giver, variants: &Variants<'t>, default: f64) {
        let instant = |field| rule.get(field).and_then(text).and_then(Timestamp::parse);
        let conditions =
            Conditions { matches: rule.get("matches"), from: instant("from"), until: instant("until") };
        let who = Who::Matching(conditions);
        if let Some(select) = rule.get("select") {
            self.select(who, select, giver, variants);
        } else if let Some(split) = rule.get("split") {
            self.add(who, None, giver.clone(), Gives::of_split(split, variants, default));
        } else {
            match rule.get("to") {
                Some(Tree::Text(variant)) if variants.is_red(variant) => {}
                Some(Tree::Text(variant)) => {
                    self.add(who, None, giver.clone(), Gives::exactly(variants.exposure(variant)));
                }
                Some(_) => self.add(who, None, giver.clone(), Gives::exactly(0.0)),
                None => {}
            }
        }
    }

    /// Values that lead to candidates, and those that lead to stable variants.
    fn select(&mut self, who: Who<'t>, select: &'t Tree, giver: &Giver, variants: &Variants<'t>) {
        let by = select.get("by").and_then(text).unwrap_or_default();
        let listed = entries(select.get("map"))
            .iter()
            .filter_map(|(value, variant)| Some((value.as_str(), text(variant)?)));
        let listed: Vec<(&str, f64)> = listed
            .filter(|(_, to)| !variants.is_red(to))
            .map(|(value, to)| (value, variants.exposure(to)))
            .collect();
        let place = self.places.len();
        for share in [0.0, 1.0] {
            let of_share =
                |(value, exposure): &(&'t str, f64)| ((*exposure > 0.0) == (share > 0.0)).then_some(*value);
            let values: BTreeSet<&str> = listed.iter().filter_map(of_share).collect();
            if !values.is_empty() {
                let (values, gives) = (Some((by, values)), Gives::exactly(share));
                self.deciders.push(Decider { giver: giver.clone(), gives, place, values });
            }
        }
        self.places.push(Place { who, values: Some((by, listed.iter().map(|(value, _)| *value).collect())) });
    }

    fn add(&mut self, who: Who<'t>, values: Option<Values<'t>>, giver: Giver, gives: Gives<'t>) {
        self.deciders.push(Decider { giver, gives, place: self.places.len(), values: values.clone() });
        self.places.push(Place { who, values });
    }
}

/// The first place of each policy that decides all that a decider concerns; `usize::MAX` if none does.
#[derive(Clone, Copy)]
pub(super) struct Reached {
    before: usize,
    after: usize,
}

impl Decider<'_> {
    /// Whether a request that this one decides under the earlier policy may be decided by `next` under the later one.
    pub(super) fn meets(&self, reached: Reached, next: &Decider<'_>, next_reached: Reached) -> bool {
        // A default that no request reaches now may be reached tomorrow, and says which variant is stable from now on.
        if self.giver == Giver::Default && next.giver == Giver::Default {
            return true;
        }
        if let (Some((by, own)), Some((other_by, others))) = (&self.values, &next.values)
            && by == other_by
            && own.is_disjoint(others)
        {
            return false;
        }
        let passes = |of: Reached| of.before >= self.place && of.after >= next.place;
        passes(reached) && passes(next_reached)
    }

    /// A value at which both decide, if both select by the same.
    pub(super) fn common_value(&self, other: &Self) -> Option<&str> {
        let ((by, values), (other_by, others)) = (self.values.as_ref()?, other.values.as_ref()?);
        if by == other_by { values.intersection(others).next().copied() } else { None }
    }
}

impl Place<'_> {
    /// Whether it decides every request that these concern.
    fn covers(&self, who: &Who<'_>, values: Option<&Values<'_>>) -> bool {
        let all_values = match (&self.values, values) {
            (None, _) => true,
            (Some((by, own)), Some((other_by, others))) => by == other_by && others.is_subset(own),
            (Some(_), None) => false,
        };
        all_values && self.who.covers(who)
    }
}

impl Who<'_> {
    fn covers(&self, other: &Who<'_>) -> bool {
        match (self, other) {
            (Self::Matching(own), Who::Matching(other)) => own.cover(other),
            (Self::Matching(own), _) => own.is_everybody(),
            (Self::Listed(own), Who::Listed(other)) => own.cover(other),
            (Self::Listed(own), _) => own.all,
            (Self::Choosing(own), Who::Choosing(other)) => lets_choose(own, other),
            (Self::Choosing(_), _) => false,
        }
    }
}

impl Conditions<'_> {
    fn is_everybody(&self) -> bool {
        self.matches.is_none() && self.from.is_none() && self.until.is_none()
    }

    fn cover(&self, other: &Conditions<'_>) -> bool {
        covers(self.matches, other.matches)
            && self.from.is_none_or(|own| other.from.is_some_and(|other| own <= other))
            && self.until.is_none_or(|own| other.until.is_some_and(|other| own >= other))
    }
}

impl<'t> Ids<'t> {
    fn of(ids: &'t Tree) -> Self {
        let exact = items(ids.get("in")).iter().filter_map(|id| match id {
            Tree::Integer(id) => Some(id.to_string()),
            id => text(id).map(str::to_owned),
        });
        let all = ids.get("all") == Some(&Tree::Bool(true));
        Self { all, exact: exact.collect(), ranges: items(ids.get("ranges")).iter().collect() }
    }

    fn cover(&self, other: &Ids<'_>) -> bool {
        let within = |range: &&Tree| self.ranges.iter().any(|own| contains(own, range));
        self.all || (!other.all && other.exact.is_subset(&self.exact) && other.ranges.iter().all(within))
    }
}

/// Whether one range of whole numbers has all of another.
fn contains(own: &Tree, other: &Tree) -> bool {
    match (items(Some(own)), items(Some(other))) {
        (
            [Tree::Integer(first), Tree::Integer(last)],
            [Tree::Integer(other_first), Tree::Integer(other_last)],
        ) => first <= other_first && last >= other_last,
        _ => own == other,
    }
}

/// Whether all who may choose by the one may choose by the other, too.
fn lets_choose(own: &Tree, other: &Tree) -> bool {
    let addresses = |tree: &Tree| -> BTreeSet<String> {
        match tree.get("trustedCidrs") {
            Some(Tree::Text(one)) => [one.clone()].into(),
            list => items(list).iter().filter_map(text).map(str::to_owned).collect(),
        }
    };
    let signed = other.get("signedWith").is_none_or(|key| own.get("signedWith") == Some(key));
    own.get("header") == other.get("header") && signed && addresses(other).is_subset(&addresses(own))
}
