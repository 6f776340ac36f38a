//! One rule: when it applies, where it sends a request, and which mirrors it adds.

use std::sync::Arc;

use crate::decision::Reason;
use crate::dice::Dice;
use crate::document::{Field, Map, Tree, all, optional};
use crate::facts::{Facts, Questions};
use crate::key::Key;
use crate::matching::Matches;
use crate::mirror::Mirror;
use crate::order;
use crate::request::Request;
use crate::split::{Choice, Split, Surroundings};
use crate::timestamp::Window;
use crate::variant::{Variant, Variants};

/// A rule as compiled.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) enabled: bool,
    window: Option<Window>,
    matches: Matches,
    /// `None`: the rule only mirrors and the search goes on.
    pub(crate) target: Option<Target>,
    pub(crate) mirrors: Vec<Arc<Mirror>>,
}

/// Where a rule sends a request.
#[derive(Debug)]
pub(crate) enum Target {
    /// `to`; `None` leaves the host's own routing alone.
    Variant(Option<Arc<Variant>>),
    /// `split`.
    Split(Box<Split>),
    /// `select`: a value of the request to a variant. A value that is not listed chooses nothing.
    Select(Key, Vec<(Box<[u8]>, Arc<Variant>)>),
}

/// What the rules of a policy share while they are compiled.
pub(crate) struct Compiler<'a> {
    /// `None` if it could not be read.
    pub(crate) policy: Option<&'a str>,
    pub(crate) variants: &'a Variants,
    pub(crate) default: Option<&'a Arc<Variant>>,
    pub(crate) questions: &'a mut Questions,
}

impl Rule {
    /// Whether it applies now and to this request.
    pub(crate) fn holds<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> bool {
        self.window.is_none_or(|window| window.contains(facts.now())) && self.matches.hold(facts)
    }

    /// The split of a rule that has one.
    pub(crate) fn split(&self) -> Option<&Split> {
        match &self.target {
            Some(Target::Split(split)) => Some(split),
            Some(Target::Variant(_) | Target::Select(..)) | None => None,
        }
    }
}

impl Compiler<'_> {
    /// The rule at `index`; rules without a name are called by it.
    pub(crate) fn rule(&mut self, index: usize, field: &Field<'_>) -> Option<Rule> {
        let map = field.map(&RULE)?;
        let given = map.get("name").map(Field::name);
        let enabled = map.get("enabled").map_or(Some(true), Field::boolean);
        let window = match (map.get("from"), map.get("until")) {
            (None, None) => Some(None),
            (from, until) => Window::read(from, until).map(Some),
        };
        let matches = map
            .get("matches")
            .map_or_else(|| Some(Matches::default()), |field| Matches::read(field, self.questions));
        let target = self.target(&map, given.flatten());
        let name = given.flatten().map_or_else(|| rule_name(index, field.tree()), str::to_owned);
        let mirrors = map.get("mirror").map_or_else(|| Some(Vec::new()), |field| self.mirrors(field, &name));
        given.is_none_or(|name| name.is_some()).then_some(())?;
        Some(Rule {
            name,
            enabled: enabled?,
            window: window?,
            matches: matches?,
            target: target?,
            mirrors: mirrors?,
        })
    }

    fn target(&mut self, map: &Map<'_>, name: Option<&str>) -> Option<Option<Target>> {
        let written: Vec<&str> = TARGETS.into_iter().filter(|target| map.get(target).is_some()).collect();
        if written.is_empty() && map.get("mirror").is_none() {
            map.field().note("does nothing, must have one of to, split, select, mirror".to_owned());
            return None;
        }
        if written.len() > 1 {
            map.field().note(format!("has {}, must have at most one of them", written.join(" and ")));
        }
        let to = map.get("to").map(|field| self.variants.named_or_null(field).map(Target::Variant));
        let split = map.get("split").map(|field| self.split(field, name));
        let select = map.get("select").map(|field| self.select(field));
        if written.len() > 1 {
            return None;
        }
        optional(to.or(split).or(select))
    }

    fn split(&mut self, field: &Field<'_>, rule: Option<&str>) -> Option<Target> {
        let around =
            Surroundings { variants: self.variants, default: self.default, policy: self.policy, rule };
        Split::read(field, &around, self.questions).map(|split| Target::Split(Box::new(split)))
    }

    fn select(&mut self, field: &Field<'_>) -> Option<Target> {
        let map = field.map(&["by", "map"])?;
        let key = map.required("by").and_then(|field| Key::read(field, self.questions));
        let entries = map.required("map").and_then(Field::entries)?;
        if !(1..=MAX_VALUES).contains(&entries.len()) {
            map.field().note(format!("has a map of {}, must have 1..={MAX_VALUES}", entries.len()));
            return None;
        }
        let mut values: Vec<(Box<[u8]>, _)> =
            all(&entries, |(value, field)| Some((value.as_bytes().into(), self.variants.named(field)?)))?;
        order::sort(&mut values, &|(a, _), (b, _)| a.cmp(b));
        Some(Target::Select(key?, values))
    }

    fn mirrors(&self, field: &Field<'_>, rule: &str) -> Option<Vec<Arc<Mirror>>> {
        field.each(1..=MAX_MIRRORS, |field| Mirror::read(field, rule, self.variants).map(Arc::new))
    }
}

impl Target {
    /// What it says of a request; `None` if it chooses nothing and the search goes on.
    pub(crate) fn choose<R: Request + ?Sized>(
        &self,
        facts: &mut Facts<'_, R>,
        dice: &mut Dice,
    ) -> Option<Choice<'_>> {
        let chosen = |variant, reason| Choice { variant, reason, position: None, cookies: Vec::new() };
        match self {
            Self::Variant(Some(variant)) if variant.is_red() => None,
            Self::Variant(variant) => Some(chosen(variant.as_ref(), Reason::To)),
            Self::Split(split) => Some(split.choose(facts, dice)),
            Self::Select(key, values) => {
                let value = key.value(facts)?;
                let found = values.binary_search_by(|(known, _)| (**known).cmp(&*value)).ok()?;
                let (_, variant) = values.get(found)?;
                (!variant.is_red()).then(|| chosen(Some(variant), Reason::Select))
            }
        }
    }
}

/// What the written rule at `index` is called: its own name, else `rule-<index>`.
pub(crate) fn rule_name(index: usize, rule: &Tree) -> String {
    match rule.get("name") {
        Some(Tree::Text(name)) => name.clone(),
        _ => format!("rule-{index}"),
    }
}

const RULE: [&str; 9] = ["name", "enabled", "from", "until", "matches", "to", "split", "select", "mirror"];
const TARGETS: [&str; 3] = ["to", "split", "select"];
const MAX_VALUES: usize = 1_000;
/// Of one rule, and of one request.
pub(crate) const MAX_MIRRORS: usize = 4;
