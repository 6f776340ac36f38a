//! The steps of a release as a policy writes them: `rollout` is read whole or refused, though nothing acts on it yet.
//!
//! A step inherits the mirror and the weights that it does not name: from the step before, the first from the document's rules. What
//! lets it go on is its own `next`, else that of the rollout. Evidence speaks of exchanges that the default answered, so it lets no
//! step go on that leaves the default nothing.

use std::time::Duration;

use antumbra_policy::Share;
use antumbra_policy::document::{Field, Map, Tree, all, optional};

/// The steps of a release, and what is done when one goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// In order; at least one.
    pub steps: Vec<Step>,
    /// What a suspicion does.
    pub on_suspected: OnSuspected,
    /// What the verdict `roll back` does.
    pub on_roll_back: OnRollBack,
    /// How long a step may wait before the release holds; without it, for ever.
    pub give_up_after: Option<Duration>,
}

/// One step, with what it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How much is mirrored; as the document's rules say if none.
    pub mirror: Option<Share>,
    /// The share of the requests that each variant gets; the default gets the rest. As the document's rules say if empty.
    pub weights: Vec<(String, Share)>,
    /// How long it lasts at least.
    pub at_least: Duration,
    /// What lets it go on then.
    pub next: Next,
}

/// What lets a step go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The verdict `promote`.
    Evidence,
    /// Somebody's word.
    Approval,
    /// The time that it lasts.
    Time,
}

/// What is done while a regression is suspected and not yet proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSuspected {
    /// No further step is taken.
    Hold,
    /// The steps go on.
    Nothing,
}

/// What is done when the verdict is `roll back`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRollBack {
    /// The default gets everything again.
    Rollback,
    /// No further step is taken.
    Hold,
    /// Somebody is told.
    Notify,
}

impl Rollout {
    /// Reads `{steps: [{mirror, weights, atLeast, next}…], next, onSuspected, onRollBack, giveUpAfter}` of `policy`, whose variants the
    /// weights name.
    pub fn read(field: &Field<'_>, policy: &Tree) -> Option<Self> {
        let map = field.map(&["steps", "next", "onSuspected", "onRollBack", "giveUpAfter"])?;
        let next = map.get("next").map_or(Some(Next::Evidence), |field| field.one_of(&NEXT));
        let on_suspected =
            map.get("onSuspected").map_or(Some(OnSuspected::Hold), |field| field.one_of(&ON_SUSPECTED));
        let on_roll_back =
            map.get("onRollBack").map_or(Some(OnRollBack::Rollback), |field| field.one_of(&ON_ROLL_BACK));
        let give_up_after = optional(map.get("giveUpAfter").map(|field| field.duration(GIVE_UP)));
        let variants = Variants::of(policy);
        // The steps are read whatever is wrong with the rest, so that all problems come at once.
        let written = map
            .required("steps")
            .and_then(|field| field.each(1..=MAX_STEPS, |field| Written::read(field, &variants)));
        let steps = compile(&written?, next.unwrap_or(Next::Approval), &variants);
        next?;
        Some(Self {
            steps: steps?,
            on_suspected: on_suspected?,
            on_roll_back: on_roll_back?,
            give_up_after: give_up_after?,
        })
    }
}

/// What weights may name.
struct Variants<'t> {
    known: Vec<&'t str>,
    default: Option<&'t str>,
}

impl<'t> Variants<'t> {
    fn of(policy: &'t Tree) -> Self {
        let known = match policy.get("variants") {
            Some(Tree::Map(entries)) => entries.iter().map(|(name, _)| name.as_str()).collect(),
            _ => Vec::new(),
        };
        let default = match policy.get("default") {
            Some(Tree::Text(name)) => Some(name.as_str()),
            _ => None,
        };
        Self { known, default }
    }

    /// Millionths of a percent of the requests that are left to the default.
    fn left(&self, weights: &[(String, Share)]) -> u32 {
        let others = weights.iter().filter(|(name, _)| Some(name.as_str()) != self.default);
        Share::ALL.millionths().saturating_sub(others.map(|(_, share)| share.millionths()).sum())
    }
}

/// A step as it is written.
struct Written<'a> {
    field: Field<'a>,
    mirror: Option<Share>,
    weights: Option<Vec<(String, Share)>>,
    at_least: Option<Duration>,
    next: Option<Next>,
}

impl<'a> Written<'a> {
    fn read(field: &Field<'a>, variants: &Variants<'_>) -> Option<Self> {
        let map = field.map(&["mirror", "weights", "atLeast", "next"])?;
        if *field.tree() == Tree::Map(Vec::new()) {
            field.note("does nothing, must have one of mirror, weights, atLeast, next".to_owned());
            return None;
        }
        let mirror = optional(map.get("mirror").map(percent));
        let weights = optional(map.get("weights").map(|field| weights(field, variants)));
        let at_least = optional(map.get("atLeast").map(|field| field.duration(AT_LEAST)));
        let next = read_next(&map);
        Some(Self {
            field: field.clone(),
            mirror: mirror?,
            weights: weights?,
            at_least: at_least?,
            next: next?,
        })
    }

    /// What lets it go on: nobody asked for evidence by name where a step only inherits that.
    fn goes_on(&self, usual: Next, left: u32) -> Option<Next> {
        let next = match (self.next, usual, self.at_least) {
            (Some(Next::Evidence), ..) if left == 0 => {
                self.field.note(
                    "has next: evidence and leaves the default no traffic, must go on by approval or time there".to_owned(),
                );
                return None;
            }
            (Some(next), ..) => next,
            (None, Next::Evidence, None) if left == 0 => Next::Approval,
            (None, Next::Evidence, Some(_)) if left == 0 => Next::Time,
            (None, usual, _) => usual,
        };
        if next == Next::Time && self.at_least.is_none() {
            self.field.note("has no field \"atLeast\", which next: time needs".to_owned());
            return None;
        }
        Some(next)
    }
}

fn read_next(map: &Map<'_>) -> Option<Option<Next>> {
    optional(map.get("next").map(|field| field.one_of(&NEXT)))
}

fn compile(written: &[Written<'_>], usual: Next, variants: &Variants<'_>) -> Option<Vec<Step>> {
    let (mut mirror, mut weights) = (None, Vec::new());
    all(written, |step| {
        mirror = step.mirror.or(mirror);
        if let Some(own) = &step.weights {
            weights.clone_from(own);
        }
        let next = step.goes_on(usual, variants.left(&weights))?;
        let at_least = step.at_least.unwrap_or_default();
        Some(Step { mirror, weights: weights.clone(), at_least, next })
    })
}

fn weights(field: &Field<'_>, variants: &Variants<'_>) -> Option<Vec<(String, Share)>> {
    let entries = field.entries()?;
    if !(1..=MAX_WEIGHTS).contains(&entries.len()) {
        field.note(format!("has {} variants, must have 1..={MAX_WEIGHTS}", entries.len()));
        return None;
    }
    let read = all(&entries, |(name, field)| {
        let known = variants.known.contains(name);
        if !known {
            field.unknown_name("variant", name, variants.known.iter().copied());
        }
        let share = percent(field)?;
        known.then(|| ((*name).to_owned(), share))
    })?;
    let sum: u64 = read.iter().map(|(_, share)| u64::from(share.millionths())).sum();
    let whole = u64::from(Share::ALL.millionths());
    let named = read.iter().any(|(name, _)| Some(name.as_str()) == variants.default);
    if sum > whole || named && sum < whole {
        let bound = if named { "be 100 with the default among them" } else { "be at most 100" };
        field.note(format!("has the sum {}, must {bound}", sum / 1_000_000));
        return None;
    }
    Some(read)
}

/// `10`, `0.5` or `10%`.
fn percent(field: &Field<'_>) -> Option<Share> {
    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 it is refused anyway")]
    let value = match field.tree() {
        Tree::Integer(value) => Some(*value as f64),
        Tree::Float(value) => Some(*value),
        Tree::Text(text) => with_sign(text),
        _ => None,
    };
    let share = value.and_then(Share::from_percent);
    if share.is_none() {
        field.problem("must be a percentage within 0..=100 of at most 6 decimals, such as 10 or 10%");
    }
    share
}

fn with_sign(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits =
        |part: &str, most| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if digits(whole, 3) && digits(decimals, 6) { number.parse().ok() } else { None }
}

const NEXT: [(&str, Next); 3] =
    [("evidence", Next::Evidence), ("approval", Next::Approval), ("time", Next::Time)];
const ON_SUSPECTED: [(&str, OnSuspected); 2] =
    [("hold", OnSuspected::Hold), ("nothing", OnSuspected::Nothing)];
const ON_ROLL_BACK: [(&str, OnRollBack); 3] =
    [("rollback", OnRollBack::Rollback), ("hold", OnRollBack::Hold), ("notify", OnRollBack::Notify)];
const MAX_STEPS: usize = 50;
/// As many as a policy may have variants.
const MAX_WEIGHTS: usize = 64;
/// A second to thirty days.
const AT_LEAST: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(2_592_000);
/// A minute to ninety days.
const GIVE_UP: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(7_776_000);

#[cfg(test)]
mod tests;
