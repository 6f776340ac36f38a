//! On whom a finding rests, where several sources send observations. A source may be forged: whoever holds the token of one filter can
//! send whatever answers it likes. So one of several sources neither rolls a release back, nor hides what others show.
//!
//! The evidence of the sources is merged and tested as that of one, at the level α of the gates. Beside it each source's own evidence is
//! tested at α/16, as there are at most 16 of them. Then, for each claim (an endpoint, a place and a kind of difference):
//!
//! - *Two sources prove it*: it is found, whatever the others dilute. Their exchanges are different ones, so the product of their evidence
//!   is an e-process, too, and P(ever S₁ ≥ 16/α and S₂ ≥ 16/α) ≤ P(ever S₁·S₂ ≥ (16/α)²) ≤ (α/16)², where S is the sum of a family's
//!   weighted e-values, which is at least 1/α wherever e-BH rejects anything at α. There are at most 120 pairs: α²/2 in all.
//! - *The merged evidence proves it*, and still does without the source that shows it most: it is found. That asks for more than the
//!   merged evidence alone, so its level stays α. See [`crate::sources`] for what numbers the hypotheses have meanwhile.
//! - *The merged evidence proves it, and does not without that source*: it is held, that is suspected, if the others see the endpoint
//!   often enough to tell in their turn; that is, if they have a twentieth of its exchanges. If they do not, they have too little to say
//!   against it, and it is found as it would be from one source.
//! - *One source proves it, or suspects a burst, and the merged evidence does not*: it is held. The union over 16 sources at α/16 holds a
//!   release without regression with a probability of at most α.
//!
//! And what a single source may hide: if the exchanges of all others show more that is worse than the margin allows, at the level of a
//! promotion, nothing is promoted.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::family::{self, Standing, Tested, What};
use super::witness::{Backing, MAX_SOURCES, Witness};
use super::{Gates, ratio};
use crate::evidence::Evidence;
use crate::kind::Kind;
use crate::stats::Paired;

/// What is claimed: the endpoint, the place in its answers, and how it differs.
type Claim<'e> = (&'e str, &'e str, Kind);

/// Claims that are proven, by evidence that is gone.
type Proven = BTreeSet<(String, String, Kind)>;

/// What one source says of a claim.
#[derive(Debug, Clone, Copy)]
struct Says {
    /// Which of the witnesses.
    witness: usize,
    ln_evidence: f64,
    standing: Standing,
}

/// Weighs claims by who makes them.
struct Scales<'w, 'e, F> {
    witnesses: &'w [Witness<'e>],
    said: BTreeMap<Claim<'e>, Vec<Says>>,
    without: F,
    gates: &'w Gates,
    /// What is proven without a witness.
    proven: RefCell<BTreeMap<usize, Proven>>,
}

/// All discordant hypotheses of the merged evidence, by what its sources say of each. `without` makes the merged evidence of all sources
/// but the one whose evidence it is given.
pub(super) fn weighed<'e>(
    merged: &'e Evidence,
    witnesses: &[Witness<'e>],
    without: impl Fn(&Evidence) -> Evidence,
    gates: &Gates,
) -> Vec<Tested<'e>> {
    let mut family = family::at_level(merged, gates, gates.roll_back_alpha);
    let scales =
        Scales { witnesses, said: said(witnesses, gates), without, gates, proven: RefCell::default() };
    for tested in &mut family {
        scales.weigh(tested);
    }
    scales.note_crowded_out(&mut family);
    scales.note_hidden(&mut family);
    family::say_each_once(&mut family);
    family
}

/// What each source's own evidence says at its part of the level.
fn said<'e>(witnesses: &[Witness<'e>], gates: &Gates) -> BTreeMap<Claim<'e>, Vec<Says>> {
    let mut said: BTreeMap<Claim<'e>, Vec<Says>> = BTreeMap::new();
    for (witness, Witness { evidence, .. }) in witnesses.iter().enumerate() {
        for tested in family::at_level(evidence, gates, gates.roll_back_alpha / MAX_SOURCES as f64) {
            let Tested { ln_evidence, standing, .. } = tested;
            said.entry(claim(&tested)).or_default().push(Says { witness, ln_evidence, standing });
        }
    }
    said
}

fn claim<'e>(tested: &Tested<'e>) -> Claim<'e> {
    let (path, kind) = tested.place();
    (tested.endpoint, path, kind)
}

impl<'e, F: Fn(&Evidence) -> Evidence> Scales<'_, 'e, F> {
    fn weigh(&self, tested: &mut Tested<'e>) {
        let claim = claim(tested);
        let said = self.said.get(&claim).map(Vec::as_slice).unwrap_or_default();
        let proven = || said.iter().filter(|says| says.standing == Standing::Rejected);
        if proven().count() > 1 {
            // Of different exchanges, so evidence multiplies.
            let together = proven().map(|says| says.ln_evidence).sum();
            tested.ln_evidence = tested.ln_evidence.max(together);
            tested.standing = Standing::Rejected;
            return;
        }
        match tested.standing {
            Standing::Rejected => {
                let Some(loudest) = loudest(said.iter()) else { return };
                let (others, share) = self.beside(loudest.witness, claim.0);
                let too_little = share < HEARD;
                if too_little || !self.holds_without(loudest.witness, claim) {
                    tested.standing = if too_little { Standing::Rejected } else { Standing::Held };
                    tested.backing = self.alone(loudest.witness, others);
                }
            }
            Standing::Open => {
                let telling = said.iter().filter(|says| says.standing != Standing::Open);
                let Some(loudest) = loudest(telling) else { return };
                tested.standing = Standing::Held;
                tested.backing = self.alone(loudest.witness, self.beside(loudest.witness, claim.0).0);
            }
            Standing::Suspected(_) | Standing::Held | Standing::Said => {}
        }
    }

    fn alone(&self, witness: usize, others: u64) -> Option<Backing<'e>> {
        self.witnesses.get(witness).map(|witness| Backing::Alone { source: witness.name, others })
    }

    /// Exchanges that all but one source have at an endpoint, and their share.
    fn beside(&self, witness: usize, endpoint: &str) -> (u64, f64) {
        let of = |one: &Witness<'_>| {
            let all = || (endpoint == family::ALL_ENDPOINTS).then_some(&one.evidence.release.all);
            let group = one.evidence.endpoints.get(endpoint).map(|endpoint| &endpoint.all).or_else(all);
            group.map_or(0, |group| group.controlled)
        };
        let others = self.witnesses.iter().enumerate().filter(|(at, _)| *at != witness);
        let others = others.map(|(_, one)| of(one)).sum();
        (others, ratio(others, self.witnesses.iter().map(of).sum()))
    }

    /// Whether the merged evidence without a source still proves a claim.
    fn holds_without(&self, witness: usize, (endpoint, path, kind): Claim<'_>) -> bool {
        let mut all = self.proven.borrow_mut();
        let proven = all.entry(witness).or_insert_with(|| {
            let Some(Witness { evidence, .. }) = self.witnesses.get(witness) else { return Proven::new() };
            let others = (self.without)(evidence);
            let tested = family::at_level(&others, self.gates, self.gates.roll_back_alpha);
            let proven = tested.iter().filter(|tested| tested.standing == Standing::Rejected).map(claim);
            proven.map(|(endpoint, path, kind)| (endpoint.to_owned(), path.to_owned(), kind)).collect()
        });
        proven.contains(&(endpoint.to_owned(), path.to_owned(), kind))
    }

    /// A source's claim that found no room in the merged evidence still holds: it is a part of the exchanges that are worse.
    fn note_crowded_out(&self, family: &mut [Tested<'e>]) {
        let known: BTreeSet<Claim<'e>> = family.iter().map(claim).collect();
        let crowded = self.said.iter().filter(|(claim, _)| !known.contains(*claim));
        let telling = crowded.flat_map(|(_, said)| said).filter(|says| says.standing != Standing::Open);
        let Some(loudest) = loudest(telling) else { return };
        let (others, _) = self.beside(loudest.witness, family::ALL_ENDPOINTS);
        if let Some(whole) = open_exchanges(family) {
            whole.standing = Standing::Held;
            whole.backing = self.alone(loudest.witness, others);
        }
    }

    /// More is worse than the margin allows as soon as one source is left out.
    fn note_hidden(&self, family: &mut [Tested<'e>]) {
        let of = |one: &Witness<'_>| one.evidence.release.all.paired();
        let hides = self.witnesses.iter().enumerate().map(|(left_out, witness)| {
            let others = self.witnesses.iter().enumerate().filter(|(at, _)| *at != left_out);
            let others = others.map(|(_, one)| of(one)).fold(Paired::default(), Paired::and);
            (others.ln_above(self.gates.margin), witness.name)
        });
        let most = hides.max_by(|one, other| one.0.total_cmp(&other.0));
        let hiding = most.filter(|(ln_evidence, _)| *ln_evidence >= -self.gates.promote_alpha.ln());
        if let (Some((_, source)), Some(whole)) = (hiding, open_exchanges(family)) {
            whole.standing = Standing::Held;
            whole.backing = Some(Backing::Hidden { source });
        }
    }
}

fn loudest<'s>(said: impl Iterator<Item = &'s Says>) -> Option<&'s Says> {
    said.max_by(|one, other| one.ln_evidence.total_cmp(&other.ln_evidence))
}

/// The share of all worse exchanges, if nothing is said of it yet.
fn open_exchanges<'t, 'e>(family: &'t mut [Tested<'e>]) -> Option<&'t mut Tested<'e>> {
    let mut wholes = family.iter_mut().filter(|tested| matches!(tested.what, What::Exchanges(_)));
    wholes.find(|tested| tested.standing == Standing::Open)
}

/// The share of an endpoint's exchanges from which on sources have their say there. They then come to as many exchanges as it took the
/// one that shows a difference, after at most twenty times as many.
const HEARD: f64 = 0.05;
