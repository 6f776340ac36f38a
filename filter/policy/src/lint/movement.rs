//! Who moves when a policy changes, worked out from the layouts of its splits: every position weighs the same, so no user has to
//! be simulated.

use std::collections::BTreeMap;

use crate::key::POSITIONS;
use crate::policy::Policy;
use crate::split::Split;

/// Users of a split who get another variant than before.
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    /// The name of the rule whose split it is, before and after.
    pub rule: String,
    /// The variant that the users had; `None` is the host's own routing.
    pub from: Option<String>,
    /// The variant that the users get; `None` is the host's own routing.
    pub to: Option<String>,
    /// The share of all users of this split that move, 0 to 1.
    pub share: f64,
}

/// The movements of each split that both policies have under the same rule name. Under another salt every user is placed
/// anew: the share is then what is expected.
pub fn movements(before: &Policy, after: &Policy) -> Vec<Movement> {
    let mut all = Vec::new();
    for rule in before.rules() {
        let other = after.rules().iter().find(|other| other.name == rule.name);
        let (Some(was), Some(is)) = (rule.split(), other.and_then(|other| other.split())) else { continue };
        let shares = if was.places_like(is) { by_position(was, is) } else { independent(was, is) };
        let moved = shares.into_iter().filter(|((from, to), share)| from != to && *share > 0.0);
        all.extend(moved.map(|((from, to), share)| Movement {
            rule: rule.name.clone(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            share,
        }));
    }
    all
}

type Shares<'p> = BTreeMap<(Option<&'p str>, Option<&'p str>), f64>;

/// Between two neighbouring borders of either layout nothing changes.
fn by_position<'p>(was: &'p Split, is: &'p Split) -> Shares<'p> {
    let mut borders: Vec<u32> =
        [was, is].iter().flat_map(|split| split.layout().ranges()).flat_map(|(a, b, _)| [*a, *b]).collect();
    borders.extend([0, POSITIONS]);
    borders.sort_unstable();
    borders.dedup();
    let mut shares = Shares::new();
    for pair in borders.windows(2) {
        let [from, to] = *pair else { continue };
        *shares.entry((was.name_at(from), is.name_at(from))).or_default() += share(to - from);
    }
    shares
}

fn independent<'p>(was: &'p Split, is: &'p Split) -> Shares<'p> {
    let (was, is) = (shares_of(was), shares_of(is));
    let mut shares = Shares::new();
    for (from, first) in &was {
        for (to, second) in &is {
            *shares.entry((*from, *to)).or_default() += first * second;
        }
    }
    shares
}

fn shares_of(split: &Split) -> BTreeMap<Option<&str>, f64> {
    let mut shares = BTreeMap::new();
    let mut left = 1.0;
    for (first, end, _) in split.layout().ranges() {
        *shares.entry(split.name_at(*first).filter(|_| first < end)).or_default() += share(end - first);
        left -= share(end - first);
    }
    *shares.entry(split.default_name()).or_default() += left.max(0.0);
    shares
}

fn share(positions: u32) -> f64 {
    f64::from(positions) / f64::from(POSITIONS)
}
