//! Requests for what is not there, as scanners and old links make them: compared, and no hindrance.

use crate::world::{answer, exchange, read};
use antumbra_engine::{Evidence, Report, Rules, Verdict};
use antumbra_observation::Leg;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn cart() -> Leg {
    answer(200, r#"{"total":1}"#.to_owned(), 4_000)
}

fn nothing(status: u16) -> Leg {
    answer(status, r#"{"error":"no such page"}"#.to_owned(), 4_000)
}

/// A path that nobody else asks for, in letters, so that it folds with no other.
fn made_up(number: u64) -> String {
    let letters = (0..6).map(|place| char::from(b'a' + (number / 26_u64.pow(place) % 26) as u8));
    format!("/{}.php", letters.collect::<String>())
}

/// The report of a release that nine of ten clients use as they should, while the tenth asks for what is not there.
fn scanned(exchanges: u64, candidate: impl Fn(u64) -> Leg) -> Report {
    let mut evidence = Evidence::new();
    for number in 1..=exchanges {
        let observation = match number % 10 {
            0 => {
                let status = if number % 20 == 0 { 404 } else { 405 };
                exchange(number, &made_up(number), nothing(status), candidate(number), Some(nothing(status)))
            }
            _ => exchange(number, "/cart", cart(), cart(), Some(cart())),
        };
        evidence.observe(&observation, &Rules::default());
    }
    read(&evidence)
}

#[test]
fn a_scanner_holds_no_promotion_up() {
    let healthy = scanned(2_400, |number| nothing(if number % 20 == 0 { 404 } else { 405 }));
    assert_eq!(healthy.verdict, Verdict::Promote, "{:?}", healthy.reasons);
    let names: Vec<&str> = healthy.endpoints.iter().map(|endpoint| endpoint.endpoint.as_str()).collect();
    assert_eq!(names, ["GET /cart", "(not found)"]);
    assert!(
        healthy.not_covered.iter().all(|gap| !gap.text.contains("not found")),
        "{:?}",
        healthy.not_covered
    );
}

/// A version that fails on unknown paths is worse, whoever asks for them.
#[test]
fn a_version_that_fails_where_nothing_is_is_found() {
    let failing = scanned(2_400, |_| nothing(500));
    assert_eq!(failing.verdict, Verdict::RollBack, "{:?}", failing.reasons);
    assert!(
        failing.regressions.iter().any(|found| found.endpoint == "(not found)"),
        "{:?}",
        failing.regressions
    );
}

#[test]
fn a_scanner_pushes_no_endpoint_out() {
    let mut evidence = Evidence::new();
    for number in 1..=3_000 {
        evidence.observe(
            &exchange(number, &made_up(number), nothing(404), nothing(404), Some(nothing(404))),
            &Rules::default(),
        );
    }
    evidence.observe(&exchange(3_001, "/cart", cart(), cart(), Some(cart())), &Rules::default());
    // What once had something is an endpoint, also where it has nothing later on.
    evidence.observe(
        &exchange(3_002, "/cart", nothing(404), nothing(404), Some(nothing(404))),
        &Rules::default(),
    );
    let report = read(&evidence);
    let counted: Vec<(&str, u64)> =
        report.endpoints.iter().map(|endpoint| (endpoint.endpoint.as_str(), endpoint.exchanges)).collect();
    assert_eq!(counted, [("(not found)", 3_000), ("GET /cart", 2)]);
}
