//! Which rules are tried on a difference, and which one is suggested.

use super::tally::SAMPLED_WHOLE;
use super::*;
use crate::json::Shape;
use crate::rules::Value;

fn guesses(shape: Shape, left: &str, right: &str) -> Vec<Guess> {
    let value = |text: &str| Value::new(shape, text.as_bytes().to_vec().into());
    let (l, r) = (value(left), value(right));
    let found = Guesses::of(Kind::Value, Some(&l), Some(&r));
    assert_eq!(found, Guesses::of(Kind::Value, Some(&r), Some(&l)), "{left} {right}");
    found.lowest().collect()
}

#[test]
fn what_would_allow_a_difference() {
    let number = |left, right, expected: &[Guess]| {
        assert_eq!(guesses(Shape::Number, left, right), expected, "{left} {right}");
    };
    number("0.30000000000000004", "0.3", &[Guess::Rounding, Guess::Hundredth, Guess::Number]);
    number("20.1", "20.3", &[Guess::Percent, Guess::One, Guess::Number]);
    number("3", "900", &[Guess::Number]);
    number(
        "1700000000",
        "1700000004",
        &[Guess::FiveSeconds, Guess::Permille, Guess::Ten, Guess::Time, Guess::Id, Guess::Number],
    );
    number("123456789", "987654321", &[Guess::Id, Guess::Number]);
    number("1e400", "2e400", &[Guess::Number]);
    let text = |left, right, expected: &[Guess]| {
        assert_eq!(guesses(Shape::Text, left, right), expected, "{left} {right}");
    };
    text("2026-02-04T12:00:00Z", "2026-02-04T12:30:00Z", &[Guess::Hour, Guess::Time]);
    text(
        "550e8400-e29b-41d4-a716-446655440000",
        "550e8400-e29b-41d4-a716-446655440001",
        &[Guess::Uuid, Guess::Id],
    );
    text("9f86d081884c7d65", "0a86d081884c7d65", &[Guess::Id]);
    text("Open", "OPEN", &[Guess::IgnoreCase]);
    text("open", "closed", &[]);
    assert_eq!(guesses(Shape::Bool, "true", "false"), []);
}

#[test]
fn each_step_of_a_ladder_allows_what_those_before_it_do() {
    let texts = ["3", "3.0", "3.004", "3.04", "3.3", "3.9", "12", "900", "1e400", "0", "1700000000"];
    let times = ["1700000001", "1700000030", "1700003000", "2026-02-04T12:00:00Z", "2026-02-04T12:00:03Z"];
    let others = ["2026-02-05T11:00:00Z", "Open", "OPEN", "9f86d081884c7d65", ""];
    let all: Vec<&str> = texts.into_iter().chain(times).chain(others).collect();
    for shape in [Shape::Number, Shape::Text] {
        let value = |text: &str| Value::new(shape, text.as_bytes().to_vec().into());
        for (left, right) in all.iter().flat_map(|left| all.iter().map(move |right| (left, right))) {
            let (l, r) = (value(left), value(right));
            let found = Guesses::of(Kind::Value, Some(&l), Some(&r));
            for guess in PREFERRED {
                let allows = guess.allows(Kind::Value, Some(&l), Some(&r));
                assert_eq!(found.has(guess), allows, "{left} {right} {guess:?}");
            }
        }
    }
}

/// A stored number that changed its meaning would make old evidence suggest the wrong rule.
#[test]
fn each_guess_has_a_number_of_its_own() {
    let mut codes: Vec<u8> = PREFERRED.iter().map(|guess| guess.code()).collect();
    codes.sort_unstable();
    assert_eq!(codes, (1..=21).collect::<Vec<u8>>());
    assert_eq!((Guess::Anything.code(), Guess::Uuid.code(), Guess::Rounding.code()), (0, 4, 13));
}

#[test]
fn the_best_guess_hides_least_and_explains_nearly_all() {
    let near = |most| Sampled { guesses: guesses_of("1700000000", most), weight: 1 };
    let mut tally = Tally::default();
    for _ in 0..99 {
        tally.count(true, near("1700000001"));
    }
    assert_eq!(tally.best().map(|(guess, _)| guess), Some(Guess::Second));
    tally.count(true, near("1700000004"));
    assert_eq!(tally.best().map(|(guess, _)| guess), Some(Guess::FiveSeconds), "it explains all");
    tally.count(false, near("1700000003"));
    assert_eq!(
        tally.best().map(|(guess, allowed)| (guess, allowed.control, allowed.candidate_only)),
        Some((Guess::Second, 99, 0)),
        "the other would hide what the candidate alone shows"
    );
    for _ in 0..5 {
        tally.count(true, Sampled { guesses: Guesses::default(), weight: 1 });
    }
    assert_eq!(tally.best(), None);
    let mut twice = tally.clone();
    twice.merge(&tally);
    assert_eq!((twice.control, twice.candidate_only, twice.by.len()), (210, 2, tally.by.len()));
}

/// Whatever counts are known when an exchange is drawn, and however old: on average the sums are what counting would give.
#[test]
fn what_is_estimated_is_unbiased() {
    let (seeds, exchanges) = (200_u64, 20_000_u64);
    let mut mean = 0.0;
    for seed in 0..seeds {
        let (mut sum, mut taken) = (0, 0);
        for number in 0..exchanges {
            let known = number.saturating_sub(number * seed % 3_000);
            let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&number.to_le_bytes(), seed);
            if let Some(weight) = weight(known, hash) {
                (sum, taken) = (sum + weight, taken + 1);
            }
        }
        let share = sum as f64 / exchanges as f64;
        assert!((share - 1.0).abs() < 0.18, "five standard errors: {share}");
        // N·(1 + ½·log₂(n/N)) of fresh counts are about 1,860.
        assert!((1_200..6_000).contains(&taken), "{taken}");
        mean += share / seeds as f64;
    }
    assert!((mean - 1.0).abs() < 0.01, "{mean}");
    assert!((0..SAMPLED_WHOLE).all(|seen| weight(seen, u64::MAX) == Some(1)), "the first are all counted");
    assert_eq!([512, 1_023, 1_024, u64::MAX].map(|seen| weight(seen, 0)), [2, 2, 4, 1 << 32].map(Some));
    assert_eq!(weight(SAMPLED_WHOLE, 1), None);
}

fn guesses_of(left: &str, right: &str) -> Guesses {
    let value = |text: &str| Value::new(Shape::Number, text.as_bytes().to_vec().into());
    Guesses::of(Kind::Value, Some(&value(left)), Some(&value(right)))
}
