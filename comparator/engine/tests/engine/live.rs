//! What clients really got: made-up users of a split, and what is said of the variants.

use antumbra_engine::live::{Bucketed, Errors, Goal, Outcomes, Standing, USER_BUCKETS, ln_mismatch};

use crate::world::Dice;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ALPHA: f64 = 0.01;

/// A service whose users are divided by a hash of their key.
#[derive(Clone, Copy)]
struct Split {
    /// The candidate's share of the users, by the block of 10 s.
    weight: fn(u32) -> f64,
    requests_a_block: u64,
    /// The share of requests that fail whatever the version, and how much more often those of the candidate do.
    errors: f64,
    worse: f64,
    /// In which blocks everything fails, of a variant: the candidate's if true.
    outage: fn(u32, bool) -> bool,
    /// By day and night: the requests of a block as a multiple.
    diurnal: bool,
    /// One user in a hundred makes 30 of 100 requests.
    heavy: bool,
}

const HEALTHY: Split = Split {
    weight: |_| 0.5,
    requests_a_block: 500,
    errors: 0.01,
    worse: 0.0,
    outage: |_, _| false,
    diurnal: false,
    heavy: false,
};

const USERS: u64 = 20_000;

impl Split {
    fn user(self, dice: &mut Dice) -> u64 {
        let heavy = self.heavy && dice.chance(0.3);
        dice.next() % if heavy { USERS / 100 } else { USERS }
    }

    /// Whether the user is the candidate's: a hash of the key, below the weight.
    fn is_candidate(self, salt: u64, user: u64, block: u32) -> bool {
        Dice(salt ^ user.wrapping_mul(0x9e37_79b9)).uniform() < (self.weight)(block)
    }

    /// Goes through so many requests, and answers the blocks until the verdict, if it is ever `Worse`.
    fn condemned(self, seed: u64, requests: u64) -> Option<u32> {
        let (mut dice, mut errors, mut done) = (Dice(seed), Errors::default(), 0);
        for block in 0_u32.. {
            if done >= requests {
                return None;
            }
            let tide = if self.diurnal { 1.0 + 0.9 * (f64::from(block) / 40.0).sin() } else { 1.0 };
            let [mut candidate, mut stable] = [Outcomes::default(); 2];
            for _ in 0..(self.requests_a_block as f64 * tide) as u64 {
                let user = self.user(&mut dice);
                let is_candidate = self.is_candidate(seed, user, block);
                let rate = self.errors + if is_candidate { self.worse } else { 0.0 };
                let fails = (self.outage)(block, is_candidate) && dice.chance(0.5) || dice.chance(rate);
                let of = if is_candidate { &mut candidate } else { &mut stable };
                of.requests += 1;
                of.errors += u64::from(fails);
                done += 1;
            }
            errors.count(block, candidate, stable);
            if errors.standing(block + 1, ALPHA) == Standing::Worse {
                return Some(block + 1);
            }
        }
        None
    }

    fn condemned_runs(self, runs: u64, requests: u64) -> usize {
        (0..runs).filter(|seed| self.condemned(*seed, requests).is_some()).count()
    }
}

fn changing(block: u32) -> f64 {
    match block / 30 {
        0 => 0.01,
        1 => 0.1,
        2 => 0.5,
        _ => 0.25,
    }
}

#[test]
fn alike_variants_are_not_condemned() {
    let (one, burst) = (|_: u32| 0.01, |block: u32, _: bool| block % 60 < 2);
    // A noisy neighbour of the candidate, 15 s in ten minutes, and one of the stable version.
    let neighbours =
        |block: u32, is_candidate: bool| block % 60 < 2 && is_candidate == (block / 60).is_multiple_of(2);
    let scenarios = [
        ("half each", HEALTHY),
        ("one in a hundred", Split { weight: one, ..HEALTHY }),
        ("changing weights", Split { weight: changing, ..HEALTHY }),
        ("bursts of both", Split { outage: burst, ..HEALTHY }),
        ("bursts of either", Split { outage: neighbours, ..HEALTHY }),
        ("day and night", Split { diurnal: true, ..HEALTHY }),
        ("heavy users", Split { heavy: true, ..HEALTHY }),
        ("all of it", Split { weight: changing, outage: burst, diurnal: true, heavy: true, ..HEALTHY }),
    ];
    for (name, split) in scenarios {
        let condemned = split.condemned_runs(20, 60_000);
        assert!(condemned <= 1, "{name}: {condemned} of 20");
    }
}

/// 2 % of its requests fail, at a weight of a tenth and 50 requests a second: within five minutes, which are 30 blocks.
#[test]
fn failing_writes_are_found_within_minutes() {
    for (name, errors) in [("nothing else fails", 0.0), ("1 % fail anyway", 0.01)] {
        let split = Split { weight: |_| 0.1, errors, worse: 0.02, ..HEALTHY };
        let mut blocks: Vec<u32> =
            (0..20).map(|seed| split.condemned(seed, 60_000).unwrap_or(u32::MAX)).collect();
        blocks.sort_unstable();
        assert!(blocks[10] <= 30 && blocks[19] < u32::MAX, "{name}: {blocks:?}");
    }
    let few = Split { weight: |_| 0.01, worse: 0.2, ..HEALTHY };
    assert!(
        few.condemned_runs(20, 60_000) >= 19,
        "one user in a hundred meets errors in a fifth of the requests"
    );
}

#[test]
fn one_burst_of_the_candidate_is_suspected_and_no_more() {
    let mut errors = Errors::default();
    for block in 0..100 {
        let fails = if (50..56).contains(&block) { 40 } else { 1 };
        errors.count(block, Outcomes { requests: 100, errors: fails }, Outcomes { requests: 100, errors: 1 });
        assert_ne!(errors.standing(block + 1, ALPHA), Standing::Worse, "{block}");
    }
    assert!(errors.ln_evidence() > 20.0, "{}", errors.ln_evidence());
    assert!(matches!(errors.standing(100, ALPHA), Standing::Suspected { .. }));
}

#[test]
fn rates_are_shown_to_be_within_a_margin_or_not() {
    let after = |candidate: f64, stable: f64, blocks: u32| {
        let of = |rate: f64| Outcomes { requests: 1_000, errors: (rate * 1_000.0) as u64 };
        let mut errors = Errors::default();
        (0..blocks).for_each(|block| errors.count(block, of(candidate), of(stable)));
        errors.is_within(0.005, 0.05)
    };
    assert!(!after(0.0, 0.0, 1) && after(0.0, 0.0, 3), "without errors a few thousand requests show it");
    assert!(!after(0.01, 0.01, 10) && after(0.01, 0.01, 100));
    assert!(!after(0.016, 0.01, 1_000) && after(0.012, 0.01, 200));
    assert!(!after(1.0, 1.0, 0), "nothing was seen");
}

#[test]
fn what_cannot_be_is_taken_for_what_can() {
    let mut errors = Errors::default();
    errors.count(7, Outcomes { requests: 0, errors: 9 }, Outcomes { requests: 5, errors: 7 });
    assert_eq!(
        (errors.candidate(), errors.stable()),
        (Outcomes::default(), Outcomes { requests: 5, errors: 5 })
    );
    assert_eq!(errors.ln_evidence(), 0.0, "who has no requests has no share of the errors");
}

/// Users who reach a goal by a rate of their own, those of the candidate by so much more.
fn goals(
    seed: u64,
    requests: u64,
    looks: u64,
    rates: [f64; 2],
    heavy: bool,
    mut see: impl FnMut(&Goal, &Goal),
) {
    let (mut dice, mut goals) = (Dice(seed), [Goal::default(), Goal::default()]);
    let split = Split { heavy, ..HEALTHY };
    for number in 1..=requests {
        let user = split.user(&mut dice);
        let is_candidate = split.is_candidate(seed, user, 0);
        // Who likes it likes it: from none to twice the rate, by user.
        let own = 2.0 * Dice(seed ^ user ^ 0xbeef).uniform();
        let reached = dice.chance(rates[usize::from(is_candidate)] * own);
        let bucket = (Dice(user ^ 0x5eed).next() % USER_BUCKETS as u64) as usize;
        let more = Bucketed { requests: 1, reached: reached.into() };
        goals[usize::from(is_candidate)].count(bucket, more);
        if number.is_multiple_of(requests / looks) {
            let [stable, candidate] = &goals;
            see(candidate, stable);
        }
    }
}

#[test]
fn intervals_cover_the_truth_at_every_look() {
    for heavy in [false, true] {
        for rates in [[0.03, 0.03], [0.03, 0.04], [0.5, 0.5]] {
            let missed = (0..100).filter(|seed| {
                let mut missed = false;
                goals(*seed, 30_000, 60, rates, heavy, |candidate, stable| {
                    let truth = rates[1] - rates[0];
                    let interval = candidate.above(stable, 0.05);
                    missed |= interval.is_some_and(|seen| seen.low > truth || seen.high < truth);
                });
                missed
            });
            let missed = missed.count();
            assert!(missed <= 5, "{rates:?} {heavy}: {missed} of 100");
        }
    }
}

#[test]
fn a_goal_that_rises_by_a_third_is_told_apart() {
    let told = (0..20).filter(|seed| {
        let mut told = false;
        goals(*seed, 60_000, 60, [0.03, 0.04], false, |candidate, stable| {
            told |= candidate.above(stable, 0.05).is_some_and(|seen| seen.is_told_apart());
        });
        told
    });
    assert!(told.count() >= 19);
    let none = Goal::default();
    assert_eq!(none.above(&none, 0.05), None, "nothing was seen");
}

#[test]
fn users_that_are_lost_on_the_way_are_noticed() {
    let after = |users: u64, lost: f64, seed: u64| {
        let (mut dice, mut by, weights) = (Dice(seed), [0_u64; 3], [1.0, 1.0, 2.0]);
        let mut most = f64::NEG_INFINITY;
        for _ in 0..users {
            let at = match dice.uniform() {
                quarter if quarter < 0.25 => 0,
                half if half < 0.5 => 1,
                _ => 2,
            };
            if at != 0 || !dice.chance(lost) {
                by[at] += 1;
            }
            most = most.max(ln_mismatch(&by, &weights));
        }
        most >= -(0.001_f64).ln()
    };
    let noticed = |users, lost| (0..50).filter(|seed| after(users, lost, *seed)).count();
    assert_eq!(noticed(40_000, 0.0), 0);
    let lost = noticed(40_000, 0.1);
    assert!(lost >= 49, "{lost} of 50");
}
