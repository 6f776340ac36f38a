//! The long form of the promises about real traffic: many releases of each kind, a line for each. `just simulate-verdict` runs it.

use std::fmt::Write as _;

use antumbra_engine::Verdict;

use crate::services::{Right, SCENARIOS, Scenario};
use crate::traffic::Traffic;

/// How one release of a scenario went: after how many exchanges each verdict was seen first.
struct Run {
    rolled_back: Option<u64>,
    promoted: Option<u64>,
}

/// How many releases of each scenario, of how many exchanges, and how often somebody looks.
#[derive(Clone, Copy)]
struct Size {
    runs: u64,
    exchanges: u64,
    every: u64,
}

fn run(scenario: Scenario, seed: u64, size: Size) -> Run {
    let mut traffic = Traffic::new(seed, 10.0);
    let mut service = (scenario.made)(&mut traffic.dice);
    let mut run = Run { rolled_back: None, promoted: None };
    for number in 1..=size.exchanges {
        traffic.ask(&mut *service);
        if number.is_multiple_of(size.every) {
            let first = match traffic.read().verdict {
                Verdict::RollBack => &mut run.rolled_back,
                Verdict::Promote => &mut run.promoted,
                Verdict::Wait => continue,
            };
            first.get_or_insert(number);
        }
    }
    run
}

/// The line of a scenario, and what of its promises is broken.
fn simulate(scenario: Scenario, size: Size) -> (String, Vec<String>) {
    let runs: Vec<Run> = (1..=size.runs).map(|seed| run(scenario, seed, size)).collect();
    let rolled_back = sorted(runs.iter().map(|run| run.rolled_back));
    let promoted = sorted(runs.iter().map(|run| run.promoted));
    let column = |firsts: &[u64]| {
        format!("{:>4} of {}, {:>8}", firsts.len(), size.runs, in_words(median(firsts, size.runs)))
    };
    let line = format!("{:<18} {}   {}", scenario.name, column(&rolled_back), column(&promoted));
    (line, broken(scenario.right, size, &rolled_back, &promoted))
}

fn broken(right: Right, size: Size, rolled_back: &[u64], promoted: &[u64]) -> Vec<String> {
    let count = |firsts: &[u64]| firsts.len() as u64;
    let at_most = |what: &str, firsts: &[u64], of_20: u64| {
        let bound = size.runs * of_20 / 20;
        let broken = count(firsts) > bound;
        broken.then(|| format!("{what} in {} of {} runs, at most {bound}", firsts.len(), size.runs))
    };
    let broken = match right {
        Right::RollBack => {
            let missed = size.runs - count(rolled_back);
            let missed = (missed > 0).then(|| format!("not rolled back in {missed} of {} runs", size.runs));
            [at_most("promoted", promoted, 0), missed]
        }
        Right::NeverPromote => [at_most("promoted", promoted, 0), None],
        Right::Promote { within } => {
            let took = median(promoted, size.runs);
            let late = within <= size.exchanges && took.is_none_or(|took| took > within);
            let late = late.then(|| format!("promoted after {}, at most {within}", in_words(took)));
            [at_most("rolled back", rolled_back, 1), late]
        }
        Right::Alike { alarms_of_20 } => [at_most("rolled back", rolled_back, alarms_of_20), None],
    };
    broken.into_iter().flatten().collect()
}

fn sorted(firsts: impl Iterator<Item = Option<u64>>) -> Vec<u64> {
    let mut firsts: Vec<u64> = firsts.flatten().collect();
    firsts.sort_unstable();
    firsts
}

/// Over all runs; those in which it was never seen are the largest.
fn median(firsts: &[u64], runs: u64) -> Option<u64> {
    firsts.get(runs as usize / 2).copied()
}

fn in_words(median: Option<u64>) -> String {
    median.map_or_else(|| "-".to_owned(), |median| median.to_string())
}

#[test]
fn a_broken_promise_is_said() {
    let size = Size { runs: 20, exchanges: 4_000, every: 1_000 };
    let all = vec![1_000; 20];
    let check = |right, rolled_back: &[u64], promoted: &[u64], expected: &[&str]| {
        assert_eq!(broken(right, size, rolled_back, promoted), expected);
    };
    check(Right::RollBack, &all, &[], &[]);
    check(
        Right::RollBack,
        &all[1..],
        &all[..1],
        &["promoted in 1 of 20 runs, at most 0", "not rolled back in 1 of 20 runs"],
    );
    check(Right::NeverPromote, &all, &[], &[]);
    check(Right::NeverPromote, &[], &all[..2], &["promoted in 2 of 20 runs, at most 0"]);
    check(Right::Alike { alarms_of_20: 3 }, &all[..3], &[], &[]);
    check(Right::Alike { alarms_of_20: 3 }, &all[..4], &[], &["rolled back in 4 of 20 runs, at most 3"]);
    check(Right::Promote { within: 5_000 }, &all[..1], &[], &[]);
    check(Right::Promote { within: 1_000 }, &[], &all[..11], &[]);
    check(Right::Promote { within: 1_000 }, &[], &all[..10], &["promoted after -, at most 1000"]);
}

#[test]
#[ignore = "takes minutes to hours: just simulate-verdict"]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "the recipe's arguments, and its table"
)]
fn long() {
    let asked = |name: &str, default: &str| {
        std::env::var(format!("ANTUMBRA_SIMULATE_{name}")).unwrap_or_else(|_| default.to_owned())
    };
    let number = |name: &str, default: &str| -> u64 {
        let asked = asked(name, default);
        let number = asked.parse().ok().filter(|number| *number > 0);
        number.unwrap_or_else(|| panic!("{name} is {asked}, must be a whole number from 1 on"))
    };
    let wanted = asked("SCENARIO", "all");
    let size = Size {
        runs: number("RUNS", "100"),
        exchanges: number("EXCHANGES", "60000"),
        every: number("EVERY", "1000"),
    };
    let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert!(
        wanted == "all" || names.contains(&&*wanted),
        "no scenario `{wanted}`; there is: all, {}",
        names.join(", ")
    );
    println!("{:<18} {:<21}   ever promoted, median exchanges", "", "ever rolled back, median");
    let mut wrong = String::new();
    for scenario in SCENARIOS.into_iter().filter(|scenario| wanted == "all" || wanted == scenario.name) {
        let (line, broken) = simulate(scenario, size);
        println!("{line}{}", if broken.is_empty() { "" } else { "   BROKEN" });
        broken.iter().for_each(|broken| {
            let _ = writeln!(wrong, "{}: {broken}", scenario.name);
        });
    }
    assert!(wrong.is_empty(), "promises are broken:\n{wrong}");
}
