//! Whether a change of a policy gives clients more of a candidate, which has to be said by name while the verdict is `roll back`.
//!
//! What counts is the share that goes to variants other than the stable ones, all of them together: a change that lowers one candidate
//! raises the shares of what is left, and must never have to ask. Every rule of the next document is compared with every rule of the
//! current one that can have decided a request which it decides now (`places.rs` says which those are), and may give no more than that
//! one. Where two sets of conditions cannot be told apart, it is assumed that a request meets both: a change asks unless it is certain
//! that no client gets more. Mirroring is no exposure. What a host's own routing answers counts as stable.

mod gives;
mod places;
mod stable;
mod told;
mod written;

use antumbra_policy::document::Tree;

use self::places::{Decider, Places, Reached};
use self::stable::Stable;
pub use self::told::{Giver, Raised, Share};

/// What gives clients more of the candidates in `next` than in `current`, in the order of `next`. Where nothing is found, no client gets
/// more; what is found is not always more, but cannot be told from it.
pub fn raised(current: &Tree, next: &Tree) -> Vec<Raised> {
    let stable = Stable::of(current, next);
    let (before, after) = (Places::of(current, &stable.before()), Places::of(next, &stable.after()));
    if !after.deciders().iter().any(|decider| decider.gives.may_give()) {
        return stable.moved();
    }
    let settings = stable::settings(current, next).into_iter().map(Raised::Setting);
    stable.moved().into_iter().chain(settings).chain(shares(&before, &after)).collect()
}

/// What gives clients candidates in a policy that follows none whose evidence is known.
pub fn given(next: &Tree) -> Vec<Raised> {
    let nothing =
        Tree::Map(next.get("default").map(|to| ("default".to_owned(), to.clone())).into_iter().collect());
    let stable = Stable::of(next, next);
    let (before, after) = (Places::of(&nothing, &stable.before()), Places::of(next, &stable.after()));
    shares(&before, &after)
}

/// What gives more than it gave, or than what decided the same requests before, in the order of the later policy.
fn shares(before: &Places<'_>, after: &Places<'_>) -> Vec<Raised> {
    let (earlier, later) = (before.reached(before, after), after.reached(before, after));
    later.iter().filter_map(|(decider, reached)| raised_by(decider, *reached, &earlier)).collect()
}

/// How a decider gives more than what decided the same requests before: than itself if that is so, else than the one that gave least.
fn raised_by(decider: &Decider<'_>, reached: Reached, before: &[(&Decider<'_>, Reached)]) -> Option<Raised> {
    let met = before.iter().filter(|(earlier, of_earlier)| {
        decider.gives.may_exceed(&earlier.gives) && earlier.meets(*of_earlier, decider, reached)
    });
    let met = met.map(|(earlier, _)| *earlier);
    let least = met.min_by(|a, b| {
        let other = |earlier: &Decider<'_>| !earlier.giver.is_same(&decider.giver);
        other(a).cmp(&other(b)).then(a.gives.low().total_cmp(&b.gives.low()))
    })?;
    let by = match decider.common_value(least) {
        Some(value) => decider.giver.with(value),
        None => decider.giver.clone(),
    };
    let known = before.iter().any(|(earlier, _)| earlier.giver.is_same(&decider.giver));
    let (from, to) = decider.gives.beside(&least.gives);
    Some(if known && !least.giver.is_same(&decider.giver) {
        Raised::Others { by, to, before: least.giver.clone(), from }
    } else {
        Raised::Share { by, from, to }
    })
}

#[cfg(test)]
mod tests;
