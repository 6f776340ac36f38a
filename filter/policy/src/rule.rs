//! One rule: when it applies, where it sends a request, and which mirrors it adds.

use std::sync::Arc;

use crate::decision::Request;
use crate::dice::Dice;
use crate::document::{Field, Map, Tree};
use crate::facts::{Facts, Questions};
use crate::matching::Matches;
use crate::mirror::Mirror;
use crate::split::{Split, Surroundings};
use crate::variant::{Variant, Variants};

/// A rule as compiled.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) matches: Matches,
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
}

/// What the rules of a policy share while they are compiled.
pub(crate) struct Compiler<'a> {
    /// `None` if it could not be read.
    pub(crate) policy: Option<&'a str>,
    pub(crate) variants: &'a Variants,
    pub(crate) default: Option<&'a Arc<Variant>>,
    pub(crate) questions: &'a mut Questions,
}

impl Compiler<'_> {
    /// The rule at `index`; rules without a name are called by it.
    pub(crate) fn rule(&mut self, index: usize, field: &Field<'_>) -> Option<Rule> {
        let map = field.map(&["name", "enabled", "matches", "to", "split", "mirror"])?;
        let given = map.get("name").map(Field::name);
        let enabled = map.get("enabled").map_or(Some(true), Field::boolean);
        let matches =
            map.get("matches").map_or(Some(Matches::default()), |field| Matches::read(field, self.questions));
        let target = self.target(&map, given.flatten());
        let name = given.flatten().map_or_else(|| rule_name(index, field.tree()), str::to_owned);
        let mirrors = map.get("mirror").map_or(Some(Vec::new()), |field| self.mirrors(field, &name));
        given.is_none_or(|name| name.is_some()).then_some(())?;
        Some(Rule { name, enabled: enabled?, matches: matches?, target: target?, mirrors: mirrors? })
    }

    fn target(&mut self, map: &Map<'_>, name: Option<&str>) -> Option<Option<Target>> {
        match (map.get("to"), map.get("split"), map.get("mirror")) {
            (Some(to), None, _) => self.variant(to).map(|to| Some(Target::Variant(to))),
            (None, Some(split), _) => self.split(split, name).map(Some),
            (None, None, Some(_)) => Some(None),
            (None, None, None) => {
                map.field().note("does nothing, must have one of to, split, mirror".to_owned());
                None
            }
            (Some(to), Some(split), _) => {
                map.field().note("has both to and split, must have at most one of them".to_owned());
                self.variant(to);
                self.split(split, name);
                None
            }
        }
    }

    fn variant(&self, field: &Field<'_>) -> Option<Option<Arc<Variant>>> {
        match field.tree() {
            Tree::Null => Some(None),
            _ => self.variants.named(field).map(Some),
        }
    }

    fn split(&mut self, field: &Field<'_>, name: Option<&str>) -> Option<Target> {
        let salt = name.map(|name| format!("{}/{name}", self.policy.unwrap_or_default()));
        let around = Surroundings { variants: self.variants, default: self.default, salt };
        Split::read(field, &around, self.questions).map(|split| Target::Split(Box::new(split)))
    }

    fn mirrors(&self, field: &Field<'_>, rule: &str) -> Option<Vec<Arc<Mirror>>> {
        let mirrors: Vec<_> = field
            .list(1..=MOST_MIRRORS)?
            .iter()
            .map(|field| Mirror::read(field, rule, self.variants).map(Arc::new))
            .collect();
        mirrors.into_iter().collect()
    }
}

impl Target {
    /// The variant of a request and its position, if a split chose it.
    pub(crate) fn choose<R: Request + ?Sized>(
        &self,
        facts: &mut Facts<'_, R>,
        dice: &mut Dice,
    ) -> (Option<&Arc<Variant>>, Option<u32>) {
        match self {
            Self::Variant(variant) => (variant.as_ref(), None),
            Self::Split(split) => split.choose(facts, dice),
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

/// Of one rule, and of one request.
pub(crate) const MOST_MIRRORS: usize = 4;
