//! Two engines' evidence as one: what both would know had one engine seen all exchanges.
//!
//! Every count, histogram, first and last time, and every example is exactly that of the one engine, provided that no
//! exchange was seen twice and no cap was reached. What cannot be exact is defined here:
//!
//! - *Numbers of discovery.* See [`Side`].
//! - *Endpoints beyond the cap.* Those of the left stay, those of the right join `(other endpoints)` in the order of their
//!   names, whole: an exchange has one endpoint, so every sum is still exact.
//! - *Places beyond the cap.* Those of the right that find no room are counted as `crowded` and not tested. Adding them to
//!   `(other paths)` would count an exchange that differs in two of them twice, which no test allows for. The exchanges
//!   themselves stay in the sums, so what was crowded out still keeps a release from being promoted.
//! - *Blocks of time and groups of clients* that count once: those of one time, or of one group, add. When a count was begun anew, and how long its
//!   blocks are by then, depends on the order of what an engine saw; the guard that they are is as safe.
//! - *Clients seen a moment ago* ([`Recent`]) are an engine's own: where a client's exchanges reach two engines, each of these
//!   counts one.

use std::sync::Arc;

use crate::evidence::{Endpoint, Evidence, Group, MAX_PATHS, NOT_FOUND, OTHER_ENDPOINTS, Release};
use crate::hypotheses::Hypotheses;
use crate::hypothesis::Hypothesis;
use crate::kind::Subject;
use crate::latency::{Ladder, Legs};
use crate::pieces::Pieces;
use crate::places::{Places, Turns};
use crate::room::MAX_ENDPOINTS;

impl Evidence {
    /// Takes in what another engine gathered from other exchanges under the same rules. Counts, histograms, times and examples
    /// are then those of one engine that saw all of them; where they cannot be (caps, the order of discovery), the verdict is
    /// as safe and may come a little later.
    pub fn merge(&mut self, mut other: Self) {
        // Blocks of two lengths are none together.
        if other.release.block_us != 0 {
            other.set_pace(self.pace);
        }
        let Self { mut release, endpoints, dirty_release: _, recent: _, pace: _, room: _ } = other;
        self.release.renumber(Side::Left);
        release.renumber(Side::Right);
        let mut merged = self.release.places.clone();
        merged.merge(&release.places);
        let places = Moved { own: self.release.places.clone(), theirs: release.places.clone(), merged };
        self.release.merge(&release, &places);
        self.endpoints.change_each(|_| true, |endpoint, changed| endpoint.renumber(Side::Left, changed));
        for (name, endpoint) in endpoints.into_all() {
            let mut endpoint = Arc::unwrap_or_clone(endpoint);
            endpoint.renumber(Side::Right, &mut Pieces::default());
            self.take_in(name, endpoint, &places);
        }
        self.release.places = places.merged;
        self.dirty_release = true;
    }

    fn take_in(&mut self, name: Arc<str>, endpoint: Endpoint, places: &Moved) {
        let shared = [OTHER_ENDPOINTS, NOT_FOUND].contains(&&*name);
        let known = shared || self.endpoints.contains_key(&name);
        let slot = if known || self.named_endpoints() < MAX_ENDPOINTS {
            name
        } else {
            self.release.crowded += endpoint.all.exchanges;
            OTHER_ENDPOINTS.into()
        };
        let (own, changed) = self.endpoints.change(slot);
        own.merge(endpoint, places, changed);
    }
}

/// Which of two engines discovered a hypothesis, and so its number in the merged evidence: the i-th of the left becomes 2i − 1,
/// the i-th of the right 2i. What both discovered has the larger of its two numbers.
///
/// The weights 1/(n(n+1)) belong to numbers, and three things keep the guarantee of the test that they enter. No two hypotheses
/// share a number, so the weights still sum to at most one. A number depends on *that* the legs differed at a place, never on
/// which of them did; under the hypothesis that is tested, that is a fair coin, whatever the number. And for a reader who merges
/// the growing evidence of the same two engines again and again a number is fixed when it appears, and can only grow later, when
/// the other engine discovers the same: a weight that shrinks takes wealth out of the weighted sum of e-values and never adds any,
/// so the sum stays a supermartingale and P(ever ≥ 1/α) ≤ α stays Ville's inequality.
///
/// Two tempting rules are not sound at every look. By time of the first difference, a late report would move weight from evidence
/// that turned out poor to new evidence: a bet with money that was lost. Keeping the numbers of one side while the other knows
/// nothing would do the same at the moment when it learns something. So begin with the first engine's evidence, not with none: a
/// merge costs at most ln 4 of evidence, one with nothing does, too.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

impl Side {
    /// 0, for none, stays 0.
    fn number(self, own: u64) -> u64 {
        match self {
            Self::Left => own.saturating_mul(2).saturating_sub(1),
            Self::Right => own.saturating_mul(2),
        }
    }
}

/// Where the noise of either engine is, and of both.
struct Moved {
    own: Places,
    theirs: Places,
    merged: Places,
}

impl Moved {
    fn turns(&self) -> (Turns, Turns) {
        (self.own.turns(), self.theirs.turns())
    }
}

impl Release {
    fn renumber(&mut self, side: Side) {
        self.discovered = side.number(self.discovered);
        self.all.ladder.renumber(side);
    }

    fn merge(&mut self, other: &Self, places: &Moved) {
        let Self {
            all,
            discovered,
            crowded,
            elsewhere,
            repeated,
            unsent,
            plugins,
            statuses,
            warming,
            warm_up,
            order,
            block_us,
            places: _,
            shifts,
        } = other;
        self.order.merge(*order);
        self.shifts.merge(shifts);
        self.block_us = self.block_us.max(*block_us);
        self.all.merge(all, places);
        self.discovered = self.discovered.max(*discovered);
        self.crowded += crowded;
        self.elsewhere += elsewhere;
        self.repeated += repeated;
        for (kept_back, count) in unsent {
            *self.unsent.entry(*kept_back).or_default() += count;
        }
        self.plugins.merge(plugins);
        self.statuses.merge(statuses);
        self.warming.merge(warming);
        self.warm_up += warm_up;
    }
}

impl Endpoint {
    fn renumber(&mut self, side: Side, changed: &mut Pieces) {
        self.all.ladder.renumber(side);
        for (_, counts) in self.hypotheses.change_each(changed) {
            counts.discovered = counts.discovered.map(|number| side.number(number));
        }
    }

    fn merge(&mut self, mut other: Self, places: &Moved, changed: &mut Pieces) {
        self.settle_noise(&mut other, places, changed);
        let Self { all, hypotheses, refusals, unseen, crowded } = other;
        self.all.merge(&all, places);
        self.unseen.merge(&unseen);
        self.refusals.merge(&refusals);
        self.crowded += crowded;
        for (subject, counts) in by_discovery(hypotheses) {
            let crowd = subject.is_crowd();
            if crowd || self.hypotheses.contains_key(&subject) || self.named_places() < MAX_PATHS {
                self.hypotheses.change_or_add(subject, changed).merge(counts);
            } else {
                self.crowded += counts.differences();
            }
        }
        self.shorten_examples(changed);
    }

    /// From where each noisy place counts, at both: from where it did at each, and from now on at the one where it was quiet.
    fn settle_noise(&mut self, other: &mut Self, places: &Moved, changed: &mut Pieces) {
        let (own, theirs) = (self.all.controlled, other.all.controlled);
        for (subject, counts) in other.hypotheses.change_each(&mut Pieces::default()) {
            let turn = places.merged.noisy_at(subject).map(|noisy| noisy.turn);
            let before = places.theirs.noisy_at(subject).map(|noisy| noisy.turn);
            counts.settle_noise(before, turn, theirs);
            if !self.hypotheses.contains_key(subject) {
                counts.add_noiseless(own);
            }
        }
        for (subject, counts) in self.hypotheses.change_each(changed) {
            let turn = places.merged.noisy_at(subject).map(|noisy| noisy.turn);
            let before = places.own.noisy_at(subject).map(|noisy| noisy.turn);
            counts.settle_noise(before, turn, own);
            if !other.hypotheses.contains_key(subject) {
                counts.add_noiseless(theirs);
            }
        }
    }

    fn named_places(&self) -> usize {
        self.hypotheses.keys().filter(|subject| !subject.is_crowd()).count()
    }
}

/// Those that were discovered first come first where room is scarce; then those that never were, by place.
fn by_discovery(hypotheses: Hypotheses) -> Vec<(Subject, Hypothesis)> {
    let mut all: Vec<_> = hypotheses.into_iter().collect();
    all.sort_by_key(|(_, counts)| counts.discovered.unwrap_or(u64::MAX));
    all
}

impl Group {
    fn merge(&mut self, other: &Self, places: &Moved) {
        let Self {
            exchanges,
            not_sent,
            controlled,
            effective,
            worse,
            better,
            first_us,
            last_us,
            legs,
            ladder,
            quiet,
            known,
            coins,
        } = other;
        self.exchanges += exchanges;
        self.quiet.merge(quiet, places.turns());
        self.not_sent += not_sent;
        self.controlled += controlled;
        self.effective += effective;
        self.worse += worse;
        self.better += better;
        self.first_us = earlier(self.first_us, *first_us);
        self.last_us = self.last_us.max(*last_us);
        self.legs.merge(legs);
        self.ladder.merge(ladder);
        self.known.merge(known);
        self.coins.merge(coins);
    }
}

impl Legs {
    fn merge(&mut self, other: &Self) {
        let Self { primary, candidate, control } = other;
        self.primary.merge(primary);
        self.candidate.merge(candidate);
        self.control.merge(control);
    }
}

impl Ladder {
    fn renumber(&mut self, side: Side) {
        self.discovered = self.discovered.map(|number| side.number(number));
    }

    fn merge(&mut self, other: &Self) {
        let Self { discovered, n, steps, coins } = other;
        self.discovered = self.discovered.max(*discovered);
        self.n += n;
        for ((a, b), (more_a, more_b)) in self.steps.iter_mut().zip(steps) {
            *a += more_a;
            *b += more_b;
        }
        for (own, more) in self.coins.iter_mut().zip(coins) {
            own.merge(more);
        }
    }
}

impl Hypothesis {
    fn merge(&mut self, other: Self) {
        let Self {
            discovered,
            candidate_only,
            control_only,
            both,
            uncontrolled,
            first_us,
            last_us,
            examples,
            tally,
            held,
            coins,
            series,
            paid,
            place: _,
            noisy_from,
        } = other;
        if let (Some(own), Some(other)) = (&mut self.noisy_from, noisy_from) {
            own.add(other);
        }
        self.discovered = self.discovered.max(discovered);
        self.candidate_only += candidate_only;
        self.control_only += control_only;
        self.both += both;
        self.uncontrolled += uncontrolled;
        self.first_us = earlier(self.first_us, first_us);
        self.last_us = self.last_us.max(last_us);
        self.tally.merge(&tally);
        self.held = (self.held.0 + held.0, self.held.1 + held.1);
        self.coins.merge(&coins);
        self.paid.merge(paid);
        if let Some(series) = series {
            self.series.get_or_insert_default().merge(&series);
        }
        self.sample(usize::MAX, examples);
    }

    /// Differences counted here, once for each exchange and leg.
    fn differences(&self) -> u64 {
        self.candidate_only + self.control_only + 2 * self.both + self.uncontrolled
    }
}

/// The earlier of two times, of which 0 is none.
fn earlier(one: u64, other: u64) -> u64 {
    if one == 0 || other == 0 { one.max(other) } else { one.min(other) }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
