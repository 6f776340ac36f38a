//! What share of its requests a target gives to candidates, and how well that is known.

use antumbra_policy::document::Tree;

use super::stable::Variants;
use super::told::Share;
use super::written::{entries, items, text};

/// What a target gives to candidates, as shares from 0 to 1.
pub(super) struct Gives<'t> {
    /// By its weights or buckets, or by the variant that it names.
    share: f64,
    /// What it gives beside: to requests without a key, or to clients whose cookie outlives the weight of their variant.
    beside: f64,
    low: f64,
    high: f64,
    /// What keeps clients where they are; two targets that agree in it differ by their shares alone.
    keeping: Option<[Option<&'t Tree>; 3]>,
}

impl<'t> Gives<'t> {
    /// Of what names a variant.
    pub(super) fn exactly(share: f64) -> Self {
        Self { share, beside: 0.0, low: share, high: share, keeping: None }
    }

    /// Of a split; `default` is what the policy's default gives.
    pub(super) fn of_split(split: &'t Tree, variants: &Variants<'_>, default: f64) -> Self {
        let share = share(split, variants, default);
        let [sticky, by, missing] = ["sticky", "by", "onMissingKey"].map(|name| split.get(name));
        let misses = by.is_some() && missing.and_then(text) == Some("default");
        let keeps = sticky.is_some_and(|sticky| sticky.get("onZeroWeight").and_then(text) == Some("keep"));
        let kept =
            entries(split.get("weights")).iter().chain(entries(split.get("buckets"))).filter(|_| keeps);
        let kept = kept.filter(|(name, _)| !variants.is_red(name)).map(|(name, _)| variants.exposure(name));
        let beside = kept.chain(misses.then_some(default)).fold(0.0, f64::max);
        let (mut low, mut high) = (share, share);
        if misses {
            (low, high) = (low.min(default), high.max(default));
        }
        if sticky.is_some() {
            low = if low < 1.0 { 0.0 } else { 1.0 };
            high = if high > 0.0 || beside > 0.0 { 1.0 } else { 0.0 };
        }
        let keeping = (misses || sticky.is_some()).then_some([sticky, by, missing]);
        Self { share, beside, low, high, keeping }
    }

    /// Whether any client may get a candidate.
    pub(super) fn may_give(&self) -> bool {
        self.high > 0.0
    }

    /// Whether a request may get more of the candidates here than `before`.
    pub(super) fn may_exceed(&self, before: &Self) -> bool {
        if self.is_like(before) {
            return self.share > before.share + ROUNDING || self.beside > before.beside + ROUNDING;
        }
        self.high > before.low + ROUNDING
    }

    /// The least that it gives.
    pub(super) fn low(&self) -> f64 {
        self.low
    }

    /// What `before` gave, and what this gives now.
    pub(super) fn beside(&self, before: &Self) -> (f64, Share) {
        let is_like = self.is_like(before);
        let from = if is_like { before.share } else { before.low };
        if self.share >= self.high || (is_like && self.share > before.share + ROUNDING) {
            return (from, Share::Exactly(self.share));
        }
        (from, Share::UpTo(self.high))
    }

    fn is_like(&self, before: &Self) -> bool {
        self.keeping.is_some() && self.keeping == before.keeping
    }
}

/// The share by weights or buckets. What no bucket has, and what a red variant has, goes to the default.
fn share(split: &Tree, variants: &Variants<'_>, default: f64) -> f64 {
    let exposure = |name: &str| if variants.is_red(name) { default } else { variants.exposure(name) };
    let weights = entries(split.get("weights")).iter().map(|(name, weight)| (exposure(name), number(weight)));
    let buckets = entries(split.get("buckets")).iter();
    let buckets =
        buckets.map(|(name, ranges)| (exposure(name), items(Some(ranges)).iter().map(width).sum::<f64>()));
    let mut given: Vec<(f64, f64)> = weights.chain(buckets).collect();
    if split.get("buckets").is_some() {
        let taken: f64 = given.iter().map(|(_, width)| width).sum();
        given.push((default, (POSITIONS - taken).max(0.0)));
    }
    let total: f64 = given.iter().map(|(_, weight)| weight).sum();
    // A sum of nothing would be -0.
    let candidates = given.iter().fold(0.0, |sum, (exposure, weight)| sum + exposure * weight);
    if total > 0.0 { candidates / total } else { default }
}

/// Positions from the first to the last, both included.
fn width(range: &Tree) -> f64 {
    match items(Some(range)) {
        [first, last] => (number(last) - number(first) + 1.0).max(0.0),
        _ => 0.0,
    }
}

fn number(tree: &Tree) -> f64 {
    match tree {
        #[expect(clippy::cast_precision_loss, reason = "weights are far below 2^53")]
        Tree::Integer(number) => *number as f64,
        Tree::Float(number) => *number,
        _ => 0.0,
    }
}

/// Shares that differ by less are the same.
const ROUNDING: f64 = 1e-9;
const POSITIONS: f64 = 1_000_000.0;
