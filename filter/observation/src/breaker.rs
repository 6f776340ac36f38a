//! How many shadow calls a service still gets while it does not answer: cut soon, given back slowly.
//!
//! What is judged is always the last second, whenever it began: a restart of a moment fails a few of its calls and is no reason to
//! spare anybody, although nothing else may end in that moment.
//!
//! Only missing answers count: timeouts, refusals, resets. A 500 is an answer, and such differences are what is looked for. A few
//! calls a second always leave, so that a recovery is seen, and so that the report can say that the service does not answer. The same
//! holds for whoever makes the calls, filter or comparator.

use std::time::Duration;

use crate::observation::Outcome;

/// The breakers of the clusters that shadow calls go to, at most 64; a cluster beyond has none, and every call to it may leave.
#[derive(Debug, Default)]
pub struct Breakers(Vec<(String, Breaker)>);

impl Breakers {
    /// Whether a call to this cluster may leave at `now`, by any monotonic clock. `word` is random; calls that share one leave together or not at all as far
    /// as their breakers are alike.
    pub fn admit(&mut self, cluster: &str, word: u64, now: Duration) -> bool {
        match self.0.iter_mut().find(|(known, _)| known == cluster) {
            Some((_, breaker)) => breaker.admits(word, now),
            None => true,
        }
    }

    /// Takes how a call to this cluster ended. A call that was never sent says nothing of the service.
    pub fn record(&mut self, cluster: &str, outcome: Outcome, now: Duration) {
        match outcome {
            Outcome::NotSent => {}
            Outcome::Timeout | Outcome::Refused | Outcome::Reset => self.count(cluster, true, now),
            Outcome::Response => self.count(cluster, false, now),
        }
    }

    fn count(&mut self, cluster: &str, failed: bool, now: Duration) {
        if let Some((_, breaker)) = self.0.iter_mut().find(|(known, _)| known == cluster) {
            breaker.record(failed, now);
        } else if self.0.len() < MAX_CLUSTERS {
            let mut breaker = Breaker::beginning(now);
            breaker.record(failed, now);
            self.0.push((cluster.to_owned(), breaker));
        }
    }
}

/// The breaker of one cluster.
#[derive(Debug)]
struct Breaker {
    /// Calls that may leave, of [`FULL`].
    admitted: u32,
    /// The origin of its seconds and their tenths.
    began: Duration,
    /// Calls that left in this second.
    left: u32,
    /// Whether this second brought a cut.
    cut: bool,
    recent: Recent,
    /// The first failure since an answer came that found no failure within its last second, or since the last cut.
    failing: Option<Duration>,
}

/// The calls that ended within the last second, by its tenths.
#[derive(Debug, Default)]
struct Recent {
    tallies: [Tally; TENTHS],
    /// The tenth that goes on, counted from the breaker's beginning.
    tenth: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    calls: u32,
    failures: u32,
}

impl Breaker {
    fn beginning(now: Duration) -> Self {
        let recent = Recent::default();
        Self { admitted: FULL, began: now, left: 0, cut: false, recent, failing: None }
    }

    fn admits(&mut self, word: u64, now: Duration) -> bool {
        self.advance(now);
        let admitted = self.left < ALWAYS
            || word.checked_rem(FULL.into()).is_some_and(|hundredth| hundredth < self.admitted.into());
        self.left = self.left.saturating_add(admitted.into());
        admitted
    }

    fn record(&mut self, failed: bool, now: Duration) {
        self.advance(now);
        if !failed && self.failing.is_some() && self.recent.sum().failures == 0 {
            self.failing = None;
        }
        self.recent.count(failed);
        if failed && self.is_dead(now) {
            self.admitted = self.admitted.div_ceil(CUT);
            self.cut = true;
            self.recent.tallies = Default::default();
            self.failing = None;
        }
    }

    /// A burst of failures may be all that ended since the calls began, so failures must also go on for a while.
    fn is_dead(&mut self, now: Duration) -> bool {
        let since = *self.failing.get_or_insert(now);
        let recent = self.recent.sum();
        now.saturating_sub(since) >= LASTING && recent.failures >= FAILURES && recent.is_bad()
    }

    /// Ends the seconds that are over; in all but the first nothing was asked.
    fn advance(&mut self, now: Duration) {
        let tenth = now.saturating_sub(self.began).as_millis().checked_div(TENTH.as_millis());
        let tenth = tenth.and_then(|tenth| u64::try_from(tenth).ok()).unwrap_or(u64::MAX);
        for _ in 0..TENTHS {
            if self.recent.tenth >= tenth {
                return;
            }
            let next = self.recent.tenth.saturating_add(1);
            if second(next) > second(self.recent.tenth) {
                // The tallies are those of the second that ends here, and of nothing else.
                let bad = self.cut || self.recent.sum().is_bad();
                self.begin_second(u64::from(!bad));
            }
            self.recent.begin(next);
        }
        let unseen = second(tenth).saturating_sub(second(self.recent.tenth));
        if unseen > 0 {
            self.begin_second(unseen);
        }
        self.recent.tenth = tenth;
    }

    /// Each second that was not bad gives a step back.
    fn begin_second(&mut self, good: u64) {
        let steps = u32::try_from(good).unwrap_or(FULL);
        self.admitted = self.admitted.saturating_add(steps.saturating_mul(STEP)).min(FULL);
        (self.left, self.cut) = (0, false);
    }
}

impl Recent {
    fn count(&mut self, failed: bool) {
        if let Some(tally) = self.current() {
            tally.calls = tally.calls.saturating_add(1);
            tally.failures = tally.failures.saturating_add(failed.into());
        }
    }

    /// Takes the place of the tenth that is a second old.
    fn begin(&mut self, tenth: u64) {
        self.tenth = tenth;
        if let Some(tally) = self.current() {
            *tally = Tally::default();
        }
    }

    fn sum(&self) -> Tally {
        self.tallies.iter().fold(Tally::default(), |sum, tally| Tally {
            calls: sum.calls.saturating_add(tally.calls),
            failures: sum.failures.saturating_add(tally.failures),
        })
    }

    fn current(&mut self) -> Option<&mut Tally> {
        let place = self.tenth.checked_rem(TENTHS as u64).and_then(|place| usize::try_from(place).ok());
        self.tallies.get_mut(place?)
    }
}

impl Tally {
    fn is_bad(self) -> bool {
        self.failures > 0 && self.failures.saturating_mul(2) >= self.calls
    }
}

/// The second of a breaker's life that a tenth lies in.
fn second(tenth: u64) -> u64 {
    tenth.checked_div(TENTHS as u64).unwrap_or(0)
}

/// All calls leave.
const FULL: u32 = 100;
/// A cut leaves one in so many, and a hundredth at the least.
const CUT: u32 = 10;
/// Calls that leave in each second whatever happened before.
const ALWAYS: u32 = 2;
/// Given back for a second.
const STEP: u32 = 5;
/// The parts of a second that are counted apart.
const TENTHS: usize = 10;
const TENTH: Duration = Duration::from_millis(100);
/// So many failures within the last second, and at least half of the calls that ended in it, are a cut.
const FAILURES: u32 = 5;
/// How long a service must have failed: longer than it takes to restart a small one.
const LASTING: Duration = Duration::from_millis(250);
/// Far more than a policy has variants; a cluster beyond is left to the proxy's own breakers.
const MAX_CLUSTERS: usize = 64;

#[cfg(test)]
mod tests;
