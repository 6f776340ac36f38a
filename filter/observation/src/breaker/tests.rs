//! One breaker by single results, and by evenly spread calls to a service that is dead, or away for a moment each second.

use std::collections::BTreeMap;

use super::*;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const AT: Duration = Duration::from_millis(500);
const SECOND: Duration = Duration::from_secs(1);

/// Of a hundred calls to `c` beyond those that always leave.
fn admitted(breakers: &mut Breakers, now: Duration) -> usize {
    for _ in 0..ALWAYS {
        breakers.admit("c", u64::MAX, now);
    }
    (0..100).filter(|word| breakers.admit("c", *word, now)).count()
}

/// Results of `c`, evenly spread from [`AT`] on, so that the last comes just as late as failures have to last.
fn after(results: &[bool]) -> Breakers {
    let mut breakers = Breakers::default();
    let gap = LASTING / u32::try_from(results.len() - 1).unwrap();
    let mut now = AT;
    for failed in results {
        breakers.count("c", *failed, now);
        now += gap + Duration::from_nanos(1);
    }
    breakers
}

/// With a hundredth left, [`LASTING`] twice after [`AT`].
fn spared() -> Breakers {
    let mut breakers = after(&[true; 5]);
    (0..10).for_each(|_| breakers.count("c", true, AT + LASTING));
    breakers.count("c", true, AT + LASTING * 2);
    breakers
}

#[test]
fn what_was_not_sent_excuses_no_failure() {
    let mut breakers = Breakers::default();
    for tenth in 0..5 {
        breakers.record("c", Outcome::Timeout, AT + TENTH * tenth);
        (0..10).for_each(|_| breakers.record("c", Outcome::NotSent, AT + TENTH * tenth));
    }
    assert_eq!(admitted(&mut breakers, AT + TENTH * 4), 10);
}

#[test]
fn failures_that_last_are_a_cut_and_only_for_that_cluster() {
    let mut breakers = after(&[true; 5]);
    assert_eq!(admitted(&mut breakers, AT + LASTING), 10);
    assert!((0..100).all(|word| breakers.admit("other", word, AT)));
    let mut breakers = spared();
    assert_eq!(admitted(&mut breakers, AT + LASTING * 2), 1);
    for quarter in 3..20 {
        (0..50).for_each(|_| breakers.count("c", true, AT + LASTING * quarter));
        assert!(admitted(&mut breakers, AT + LASTING * quarter) >= 1, "a hundredth is always admitted");
    }
}

#[test]
fn a_burst_of_failures_is_no_cut_although_nothing_else_ended() {
    let mut breakers = Breakers::default();
    (0..1_000).for_each(|_| breakers.count("c", true, AT));
    let before = AT + LASTING - Duration::from_millis(1);
    breakers.count("c", true, before);
    assert_eq!(admitted(&mut breakers, before), 100);
    breakers.count("c", true, AT + LASTING);
    assert_eq!(admitted(&mut breakers, AT + LASTING), 10);
}

#[test]
fn failures_last_from_one_burst_of_calls_to_the_next() {
    for (between, share) in [(None, 10), (Some(true), 10), (Some(false), 100)] {
        let mut breakers = Breakers::default();
        (0..20).for_each(|_| breakers.count("c", true, AT));
        if let Some(failed) = between {
            breakers.count("c", failed, AT + SECOND * 5);
        }
        (0..20).for_each(|_| breakers.count("c", true, AT + SECOND * 10));
        assert_eq!(admitted(&mut breakers, AT + SECOND * 10), share, "between: {between:?}");
    }
}

#[test]
fn a_few_calls_leave_every_second_whatever_happens() {
    let mut breakers = spared();
    for second in 1..5 {
        let now = AT + SECOND * second;
        let left = (0..1_000).filter(|_| breakers.admit("c", 99, now)).count();
        assert_eq!(left, 2, "in second {second}");
        (0..left).for_each(|_| breakers.count("c", true, now));
    }
}

#[test]
fn a_few_failures_among_answers_are_what_is_to_be_compared() {
    let (ok, failed) = (false, true);
    for results in [&[failed; 4][..], &[failed, ok, failed, ok, failed, ok, ok, ok, ok, failed, failed]] {
        assert_eq!(admitted(&mut after(results), AT + LASTING), 100, "{results:?}");
    }
    let half = [failed, ok, failed, ok, failed, ok, ok, ok, failed, failed];
    assert_eq!(admitted(&mut after(&half), AT + LASTING), 10, "at least half is not a few");
}

#[test]
fn what_was_cut_comes_back_step_by_step() {
    let mut breakers = spared();
    for (seconds, share) in [(1, 1), (2, 6), (6, 26), (11, 51), (21, 100), (25, 100)] {
        assert_eq!(admitted(&mut breakers, AT + SECOND * seconds), share, "after {seconds} s");
    }
    assert_eq!(admitted(&mut spared(), AT + SECOND * 11), 51, "also if nobody asks meanwhile");
    assert_eq!(admitted(&mut spared(), Duration::MAX), 100);
}

#[test]
fn failures_of_different_seconds_do_not_add_up() {
    let mut breakers = Breakers::default();
    for second in 0..20 {
        breakers.count("c", true, SECOND * second);
    }
    assert_eq!(admitted(&mut breakers, SECOND * 20), 100);
}

#[test]
fn nothing_comes_back_while_the_few_that_leave_fail() {
    let mut breakers = spared();
    for second in 1..20 {
        breakers.count("c", true, AT + SECOND * second);
    }
    assert_eq!(admitted(&mut breakers, AT + SECOND * 19), 1);
    assert_eq!(admitted(&mut breakers, AT + SECOND * 21), 6, "and comes back when nothing fails");
}

/// Calls to `c`, evenly spread, `rate` a second.
struct Traffic {
    rate: u64,
    seconds: u64,
}

impl Traffic {
    /// How many leave in each second; `how` says of the moment at which one leaves how it ends, and after how long.
    fn leaving(&self, how: impl Fn(Duration) -> (Outcome, Duration)) -> Vec<u64> {
        let mut breakers = Breakers::default();
        let mut ending: BTreeMap<(Duration, u64), Outcome> = BTreeMap::new();
        let mut left = vec![0; usize::try_from(self.seconds).unwrap()];
        for call in 0..self.rate * self.seconds {
            let now = Duration::from_micros(call * 1_000_000 / self.rate);
            while let Some(next) = ending.first_entry().filter(|next| next.key().0 <= now) {
                let ((at, _), outcome) = next.remove_entry();
                breakers.record("c", outcome, at);
            }
            // Multiples of the golden ratio are spread evenly, and in no second alike.
            if breakers.admit("c", call.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32, now) {
                let (outcome, after) = how(now);
                ending.insert((now + after, call), outcome);
                left[usize::try_from(now.as_secs()).unwrap()] += 1;
            }
        }
        left
    }
}

const ANSWERED: (Outcome, Duration) = (Outcome::Response, Duration::from_millis(5));
const REFUSED: (Outcome, Duration) = (Outcome::Refused, Duration::from_millis(1));
const TIMEOUT: (Outcome, Duration) = (Outcome::Timeout, SECOND);

/// Half a second's calls are refused if answers came before, and a quarter's if none did; timeouts are known a timeout later, and
/// waited for as long.
#[test]
fn a_service_that_is_dead_gets_few_calls() {
    for (end, rate, answered, expected) in [
        (REFUSED, 10, 0, [6, 3, 2, 3]),
        (REFUSED, 10, 3, [7, 3, 3, 3]),
        (REFUSED, 100, 0, [31, 4, 3, 3]),
        (REFUSED, 100, 3, [55, 3, 2, 3]),
        (REFUSED, 1_000, 0, [283, 12, 10, 15]),
        (REFUSED, 1_000, 3, [530, 11, 13, 12]),
        (TIMEOUT, 10, 0, [10, 5, 2, 2]),
        (TIMEOUT, 10, 3, [10, 5, 2, 2]),
        (TIMEOUT, 100, 0, [100, 27, 3, 3]),
        (TIMEOUT, 100, 3, [100, 28, 2, 3]),
        (TIMEOUT, 1_000, 0, [1_000, 283, 10, 15]),
        (TIMEOUT, 1_000, 3, [1_000, 280, 13, 12]),
    ] {
        let traffic = Traffic { rate, seconds: answered + 4 };
        let left = traffic.leaving(|now| if now.as_secs() < answered { ANSWERED } else { end });
        let since = usize::try_from(answered).unwrap();
        assert_eq!(left[since..], expected, "{end:?}, {rate} a second, {answered} s of answers before");
    }
}

#[test]
fn a_restart_of_a_moment_each_second_spares_nobody_and_one_of_most_of_a_second_does() {
    let share = |rate: u64, begins: u64, lasts: u64| {
        let traffic = Traffic { rate, seconds: 4 };
        let left = traffic.leaving(|now| {
            let at = (u64::try_from(now.as_millis()).unwrap() + 1_000 - begins) % 1_000;
            if at < lasts { REFUSED } else { ANSWERED }
        });
        left.iter().sum::<u64>() * 100 / (rate * 4)
    };
    for rate in [10, 100, 1_000, 5_000] {
        for begins in (0..1_000).step_by(65) {
            for lasts in [45, 200] {
                assert_eq!(share(rate, begins, lasts), 100, "{lasts} ms from {begins} on, {rate} a second");
            }
        }
        assert!(share(rate, 0, 800) < 80, "{rate} a second");
    }
}
