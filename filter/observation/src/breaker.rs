//! How many shadow calls a service still gets while it does not answer: cut at once, given back slowly.
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
            let mut breaker = Breaker { admitted: FULL, window: Window::beginning(now) };
            breaker.record(failed, now);
            self.0.push((cluster.to_owned(), breaker));
        }
    }
}

/// Of one cluster.
#[derive(Debug)]
struct Breaker {
    /// Of [`FULL`].
    admitted: u32,
    window: Window,
}

/// What happened since the last step.
#[derive(Debug)]
struct Window {
    since: Duration,
    left: u32,
    calls: u32,
    failures: u32,
    cut: bool,
}

impl Breaker {
    fn admits(&mut self, word: u64, now: Duration) -> bool {
        self.recover(now);
        let admitted = self.window.left < ALWAYS
            || word.checked_rem(FULL.into()).is_some_and(|hundredth| hundredth < self.admitted.into());
        self.window.left = self.window.left.saturating_add(admitted.into());
        admitted
    }

    fn record(&mut self, failed: bool, now: Duration) {
        self.recover(now);
        let window = &mut self.window;
        window.calls = window.calls.saturating_add(1);
        window.failures = window.failures.saturating_add(failed.into());
        if window.failures >= FAILURES && window.is_bad() {
            self.admitted = self.admitted.div_ceil(CUT);
            (window.calls, window.failures, window.cut) = (0, 0, true);
        }
    }

    /// Each window that was not bad gives a step back; in the one that ends now nothing may have been asked.
    fn recover(&mut self, now: Duration) {
        let windows = now.saturating_sub(self.window.since).as_millis().checked_div(WINDOW.as_millis());
        let windows = windows.and_then(|windows| u32::try_from(windows).ok()).unwrap_or(FULL).min(FULL);
        if windows > 0 {
            let steps = windows.saturating_sub((self.window.cut || self.window.is_bad()).into());
            self.admitted = self.admitted.saturating_add(steps.saturating_mul(STEP)).min(FULL);
            self.window = Window::beginning(now);
        }
    }
}

impl Window {
    fn beginning(now: Duration) -> Self {
        Self { since: now, left: 0, calls: 0, failures: 0, cut: false }
    }

    fn is_bad(&self) -> bool {
        self.failures > 0 && self.failures.saturating_mul(2) >= self.calls
    }
}

/// All calls leave.
const FULL: u32 = 100;
/// A cut leaves one in so many, and a hundredth at the least.
const CUT: u32 = 10;
/// Calls that leave in each window whatever happened before.
const ALWAYS: u32 = 2;
/// Given back for a window.
const STEP: u32 = 5;
const WINDOW: Duration = Duration::from_secs(1);
/// So many failures within a window, and at least half of its calls, are a cut.
const FAILURES: u32 = 5;
/// Far more than a policy has variants; a cluster beyond is left to the proxy's own breakers.
const MAX_CLUSTERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const AT: Duration = Duration::from_millis(500);

    /// Of a hundred calls to `c` beyond those that always leave.
    fn admitted(breakers: &mut Breakers, now: Duration) -> usize {
        for _ in 0..ALWAYS {
            breakers.admit("c", u64::MAX, now);
        }
        (0..100).filter(|word| breakers.admit("c", *word, now)).count()
    }

    fn after(results: &[bool]) -> Breakers {
        let mut breakers = Breakers::default();
        results.iter().for_each(|failed| breakers.count("c", *failed, AT));
        breakers
    }

    #[test]
    fn what_was_not_sent_excuses_no_failure() {
        let mut breakers = Breakers::default();
        for _ in 0..FAILURES {
            breakers.record("c", Outcome::Timeout, AT);
            (0..10).for_each(|_| breakers.record("c", Outcome::NotSent, AT));
        }
        assert_eq!(admitted(&mut breakers, AT), 10);
    }

    #[test]
    fn failures_cut_at_once_and_only_that_cluster() {
        let mut breakers = after(&[true; 5]);
        assert_eq!(admitted(&mut breakers, AT), 10);
        assert!((0..100).all(|word| breakers.admit("other", word, AT)));
        (0..50).for_each(|_| breakers.count("c", true, AT));
        assert_eq!(admitted(&mut breakers, AT), 1, "a hundredth is always admitted");
    }

    #[test]
    fn a_few_calls_leave_every_second_whatever_happens() {
        let mut breakers = after(&[true; 50]);
        for second in 1..5 {
            let now = AT + Duration::from_secs(second);
            let left = (0..1_000).filter(|_| breakers.admit("c", 99, now)).count();
            assert_eq!(left, 2, "in second {second}");
            (0..left).for_each(|_| breakers.count("c", true, now));
        }
    }

    #[test]
    fn a_few_failures_among_answers_are_what_is_to_be_compared() {
        for results in
            [&[true; 4][..], &[false, false, false, false, false, false, true, true, true, true, true]]
        {
            assert_eq!(admitted(&mut after(results), AT), 100, "{results:?}");
        }
    }

    #[test]
    fn what_was_cut_comes_back_step_by_step() {
        let mut breakers = after(&[true; 10]);
        let second = Duration::from_secs(1);
        for (seconds, share) in [(0, 1), (1, 1), (2, 6), (6, 26), (11, 51), (21, 100), (25, 100)] {
            assert_eq!(admitted(&mut breakers, AT + second * seconds), share, "after {seconds} s");
        }
    }

    #[test]
    fn failures_of_different_windows_do_not_add_up() {
        let mut breakers = Breakers::default();
        for second in 0..20 {
            breakers.count("c", true, Duration::from_secs(second));
        }
        assert_eq!(admitted(&mut breakers, Duration::from_secs(20)), 100);
    }

    #[test]
    fn nothing_comes_back_while_the_few_that_leave_fail() {
        let mut breakers = after(&[true; 50]);
        for second in 1..20 {
            breakers.count("c", true, AT + Duration::from_secs(second));
        }
        assert_eq!(admitted(&mut breakers, AT + Duration::from_secs(19)), 1);
        assert_eq!(
            admitted(&mut breakers, AT + Duration::from_secs(21)),
            6,
            "and comes back when nothing fails"
        );
    }
}
