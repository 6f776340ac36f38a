//! What comparing two bodies costs, beside `serde_json` parsing both: `just bench-compare`.
//!
//! Contenders take turns within each round, so that a machine that slows down slows both; what is printed are medians.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a bench measures time, prints it, and takes arguments"
)]

#[path = "compare/bodies.rs"]
mod bodies;
#[path = "compare/memory.rs"]
mod memory;

use std::hint::black_box;
use std::time::Instant;

use antumbra_engine::{Evidence, Media, Outside, Pattern, Rules, compare, diff, diff_answers};
use antumbra_observation::{Leg, Observation};
use serde_json::Value;
use similar::{Algorithm, capture_diff_slices};
use xxhash_rust::xxh3::xxh3_64;

use bodies::{Change, Pair};

fn main() {
    println!("{:<44}{:>10}{:>10}   ratio [quartiles]", "", "ours µs", "other µs");
    for (name, size) in [("1 KiB", 1 << 10), ("16 KiB", 16 << 10), ("256 KiB", 256 << 10), ("1 MiB", 1 << 20)]
    {
        equal(name, size);
        for change in Change::ALL {
            structural(name, &Pair::new(size, change));
        }
    }
    ten_thousand();
    for size in [16, 32, 64, 128, 256, 512] {
        text(size);
    }
    memory::print();
}

fn equal(name: &str, size: usize) {
    let Pair { left, right, .. } = Pair::new(size, Change::Nothing);
    let ours = || assert!(compared(&left, &right, &Rules::default()));
    let other = || {
        black_box(black_box(&left) == black_box(&right));
        black_box(xxh3_64(black_box(&left)));
    };
    row(&format!("{name}, equal / memcmp and xxh3"), ours, other);
}

fn structural(name: &str, pair: &Pair) {
    let rules = unordered(pair.change == Change::Unordered);
    let ours = || assert_eq!(compared(&pair.left, &pair.right, &rules), pair.equal());
    let other = || {
        for body in [&pair.left, &pair.right] {
            black_box(serde_json::from_slice::<Value>(black_box(body)).expect("JSON"));
        }
    };
    row(&format!("{name}, {} / serde_json", pair.change.name()), ours, other);
}

/// A page with a nonce and another price in each fortieth line; what grows by more than twice from line to line is not linear. Once with an
/// example of the difference, and once as a comparator does all day: both shadow legs, by tokens, of a place that is known.
fn text(kib: usize) {
    let [left, right] = bodies::pages(kib << 10);
    tokens(kib, &left, &right);
    let answers =
        [&left, &right].map(|text| Leg::answer("v", 200).with_body("text/html", text.clone().into_bytes()));
    let [before, after] = &answers;
    let ours = || {
        black_box(diff_answers(black_box(before), black_box(after), b"/", &Rules::default()));
    };
    row(&format!("{kib} KiB, text with an example / similar"), ours, || by_lines(&left, &right));
}

fn tokens(kib: usize, primary: &str, candidate: &str) {
    let nonce = primary.split('"').nth(1).expect("a nonce");
    let control = primary.replacen(nonce, "another nonce of it", 1);
    let leg = |text: &str| Leg::answer("v", 200).with_body("text/html", text.to_owned().into_bytes());
    let rules = Rules::default();
    let exchange = |id: u32| {
        Observation::new("shop", "GET", "/page")
            .with_id(id.into())
            .with_arrival_us(u64::from(id) * 100_000)
            .with_primary(leg(primary))
            .with_candidate(leg(candidate))
            .with_control(leg(&control))
    };
    let mut known = Evidence::new();
    (0..500).for_each(|id| {
        known.observe(&exchange(id), &rules);
    });
    let next = exchange(500);
    let ours = || {
        black_box(compare(black_box(&next), &rules, &Outside::default(), &known));
    };
    let other = || {
        by_lines(primary, candidate);
        by_lines(primary, &control);
    };
    row(&format!("{kib} KiB, both legs by tokens / similar twice"), ours, other);
}

/// A diff by lines.
fn by_lines(left: &str, right: &str) {
    let [left, right] = [left, right].map(|text| black_box(text).split_inclusive('\n').collect::<Vec<_>>());
    black_box(capture_diff_slices(Algorithm::Myers, &left, &right).len());
}

/// The declared target is a sort of both; here of the elements' texts, found beforehand.
fn ten_thousand() {
    for (name, left, right) in bodies::arrays(10_000) {
        let rules = Rules::new(vec![], vec![Pattern::parse("/").expect("a pattern")]);
        let ours = || {
            black_box(compared(&left, &right, &rules));
        };
        let (lefts, rights) = (elements(&left), elements(&right));
        let other = || {
            for texts in [&lefts, &rights] {
                let mut texts = black_box(texts).clone();
                texts.sort_unstable();
                black_box(texts);
            }
        };
        row(&format!("10,000 elements, {name} / sort of both"), ours, other);
    }
}

fn elements(text: &[u8]) -> Vec<String> {
    let values: Vec<Value> = serde_json::from_slice(text).expect("an array");
    values.iter().map(Value::to_string).collect()
}

fn unordered(yes: bool) -> Rules {
    let pattern = || Pattern::parse("/orders").expect("a pattern");
    Rules::new(vec![], if yes { vec![pattern()] } else { vec![] })
}

fn compared(left: &[u8], right: &[u8], rules: &Rules) -> bool {
    diff(black_box(left), black_box(right), Media::Json, rules).equal
}

/// Prints a row, unless the command line names others: `just bench-compare "16 KiB, 3"`.
fn row(name: &str, ours: impl Fn(), other: impl Fn()) {
    let mut wanted = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    if wanted.peek().is_some() && !wanted.any(|wanted| name.contains(&wanted)) {
        return;
    }
    let (our_turns, other_turns) = (turns(&ours), turns(&other));
    let (mut our_times, mut other_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (our, other) = (timed(&ours, our_turns), timed(&other, other_turns));
        our_times.push(our);
        other_times.push(other);
        ratios.push(our / other);
    }
    let (ours, others, middle) = (quartiles(our_times)[1], quartiles(other_times)[1], quartiles(ratios));
    println!("{name:<44}{ours:>10.2}{others:>10.2}   {:.2} [{:.2}, {:.2}]", middle[1], middle[0], middle[2]);
}

/// So many that a round takes a few milliseconds.
fn turns(work: &impl Fn()) -> u32 {
    let mut turns = 1;
    while turns < 1 << 24 && timed(work, turns) * f64::from(turns) < ROUND_US {
        turns *= 2;
    }
    turns
}

/// Microseconds for each turn.
fn timed(work: &impl Fn(), turns: u32) -> f64 {
    let began = Instant::now();
    for _ in 0..turns {
        work();
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(turns)
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

const ROUNDS: usize = 31;
const ROUND_US: f64 = 2_000.0;
