//! Every sentence of a report, as people read it: what each situation says, in one place, so that a change of words is seen.

use crate::world::{Dice, answer, exchange, read};
use antumbra_engine::{Delivery, Evidence, Gates, Report, Rules, report};
use antumbra_observation::{Accounts, Leg, NotMirrored, Observation, Outcome, Undelivered, Unsent};

/// What the report says of `exchanges` in which the candidate and the control answer so, by their number.
fn told(exchanges: u64, candidate: impl Fn(u64) -> Leg, control: impl Fn(u64) -> Leg) -> String {
    let mut evidence = Evidence::new();
    for number in 1..=exchanges {
        let observation = exchange(number, "/cart", body("1"), candidate(number), Some(control(number)));
        evidence.observe(&observation, &Rules::default());
    }
    sentences(&read(&evidence))
}

/// Warnings, notes and reasons, a line each.
fn sentences(report: &Report) -> String {
    let uncovered = report.not_covered.iter().map(|found| format!("! {}", found.text));
    let notes = report.notes.iter().map(|note| format!("! {note}"));
    let reasons = report.reasons.iter().map(|reason| format!("- {reason}"));
    let lines: Vec<String> = uncovered.chain(notes).chain(reasons).collect();
    lines.join("\n")
}

fn body(total: &str) -> Leg {
    answer(200, format!(r#"{{"total":{total},"items":["a","b"]}}"#), 4_000)
}

fn other(text: &str) -> Leg {
    answer(200, text.to_owned(), 4_000)
}

fn unanswered() -> Leg {
    Leg { outcome: Outcome::Refused, response: None, ..body("1") }
}

fn not_sent(reason: Unsent) -> Leg {
    Leg { outcome: Outcome::NotSent, response: None, reason: Some(reason), ..body("1") }
}

#[test]
fn what_a_finding_says() {
    let steady = |_| body("1");
    let found = |candidate: fn(u64) -> Leg| told(60, candidate, steady);
    insta::assert_snapshot!(found(|_| body("2")), @r#"
    - GET /cart /total: wrong in 60 of 60 answers of the candidate, never in the stable version (evidence 10^17)
    "#);
    insta::assert_snapshot!(found(|_| body("\"1\"")), @r#"
    - GET /cart /total: of another type in 60 of 60 answers of the candidate, never in the stable version (evidence 10^17)
    "#);
    insta::assert_snapshot!(found(|_| other(r#"{"items":["a","b"]}"#)), @r#"
    - GET /cart /total: missing in 60 of 60 answers of the candidate, never in the stable version (evidence 10^17)
    "#);
    insta::assert_snapshot!(found(|_| other(r#"{"total":1,"new":2,"items":["a","b"]}"#)), @r#"
    - GET /cart /new: added in 60 of 60 answers of the candidate, never in the stable version (evidence 10^17)
    "#);
    insta::assert_snapshot!(found(|_| other(r#"{"total":1,"items":["b","a"]}"#)), @r#"
    - GET /cart /items: in another order in 60 of 60 answers of the candidate, never in the stable version (evidence 10^17)
    "#);
    insta::assert_snapshot!(found(|_| other(r#"{"total":1,"items":["a"]}"#)), @r#"
    - GET /cart /items: of another length in 60 of 60 answers of the candidate, never in the stable version (evidence 10^17)
    "#);
    insta::assert_snapshot!(found(|_| answer(500, r#"{"total":1,"items":["a","b"]}"#.to_owned(), 4_000)), @r#"
    - GET /cart: another status in 60 of 60 answers of the candidate, never in the stable version (evidence 10^17)
    "#);
    insta::assert_snapshot!(found(|_| unanswered()), @r#"
    - GET /cart: the candidate did not answer in 60 of 60 exchanges, the stable version always did (evidence 10^17)
    "#);
    let noisy = told(
        400,
        |number| body(if number % 4 > 0 { "2" } else { "1" }),
        |number| body(if number % 20 == 1 { "3" } else { "1" }),
    );
    insta::assert_snapshot!(noisy, @r#"
    ! GET /cart /total: both answers differ from the client's in 2.25 % of the exchanges, in a way that cannot be compared: it describes an instance, as counters and host names do; declare it under `compare`.
    - GET /cart /total: different in 300 of 400 answers of the candidate, in 20 of the stable version (evidence 10^83)
    "#);
    let slow = told(
        400,
        |number| Leg { latency_us: Some(30_000 + number % 50), ..body("1") },
        |number| Leg { latency_us: Some(5_000 + number % 50), ..body("1") },
    );
    insta::assert_snapshot!(slow, @r#"
    - GET /cart latency: p99 5.0 → 30 ms (6.0×) (evidence 10^118)
    "#);
    let mut dice = Dice(1);
    let stamps: Vec<u64> = (0..200).map(|_| 1_700_000_000 + dice.next() % 1_000).collect();
    let far = told(200, |_| body("0"), |number| body(&stamps[number as usize - 1].to_string()));
    insta::assert_snapshot!(far, @r#"
    ! 1 endpoint with 100 % of the exchanges needs more traffic to show that at most 2 % are worse: GET /cart.
    - up to 2.05 % of answers may be worse, must be below 0.5 %: 476 to 952 more exchanges
    - 1 endpoint needs more traffic (most: GET /cart): 15 to 29 more exchanges
    - latency: too few exchanges to rule out that p99 is 25 % higher: 315 to 1,575 more exchanges
    "#);
}

#[test]
fn what_a_burst_says() {
    let mut evidence = Evidence::new();
    for number in 1..=300 {
        let burst = body(if (100..140).contains(&number) { "2" } else { "1" });
        let observation = exchange(number, "/cart", body("1"), burst, Some(body("1")));
        // Ten in a second: all of it is one block of time.
        let observation = observation.with_arrival_us(1_700_000_100_000_000 + number * 100_000);
        evidence.observe(&observation, &Rules::default());
    }
    insta::assert_snapshot!(sentences(&read(&evidence)), @r#"
    ! 1 endpoint with 100 % of the exchanges needs more traffic to show that at most 2 % are worse: GET /cart.
    - GET /cart /total: wrong in 40 of 300 answers of the candidate, never in the stable version (evidence 10^11); suspected: seen in 1 of about 8 blocks of time
    - up to 22 % of answers may be worse, must be below 0.5 %: 41,101 to 205,504 more exchanges
    - 1 endpoint needs more traffic (most: GET /cart): 6,618 to 33,090 more exchanges
    - latency: too few exchanges to rule out that p99 is 25 % higher: 271 to 1,351 more exchanges
    - seen for 29 s of the 300 s that are needed: 5 min more
    "#);
}

#[test]
fn what_a_wait_says() {
    let steady = |_| body("1");
    insta::assert_snapshot!(sentences(&read(&Evidence::new())), @r#"
    ! Tip: set the cluster of the candidate's variant to that of the control to measure the noise first.
    - no exchange has been compared yet: 618 to 1,235 more exchanges
    "#);
    insta::assert_snapshot!(told(1, steady, steady), @r#"
    ! 1 endpoint with 100 % of the exchanges needs more traffic to show that at most 2 % are worse: GET /cart.
    - too few exchanges to rule out regressions: 617 to 1,234 more exchanges
    - 1 endpoint needs more traffic (most: GET /cart): 155 to 310 more exchanges
    - latency: too few exchanges to rule out that p50 is 10 %, p90 is 15 %, p99 is 25 % higher or 10 % of exchanges are 10 % slower: 404 to 2,020 more exchanges
    - seen for 0 s of the 300 s that are needed: 5 min more
    "#);
    insta::assert_snapshot!(told(30, steady, steady), @r#"
    ! 1 endpoint with 100 % of the exchanges needs more traffic to show that at most 2 % are worse: GET /cart.
    - up to 16 % of answers may be worse, must be below 0.5 %: 597 to 1,193 more exchanges
    - 1 endpoint needs more traffic (most: GET /cart): 135 to 269 more exchanges
    - latency: too few exchanges to rule out that p90 is 15 %, p99 is 25 % higher or 10 % of exchanges are 10 % slower: 391 to 1,955 more exchanges
    - seen for 290 s of the 300 s that are needed: 10 s more
    "#);
    insta::assert_snapshot!(told(2_000, steady, steady), @r#"
    - no regression: at most 0.22 % of answers are worse, shown by 2,000 exchanges
    "#);
    let failing = answer(401, "{}".to_owned(), 4_000);
    let mut evidence = Evidence::new();
    for number in 1..=40 {
        let legs = [failing.clone(), failing.clone(), failing.clone()];
        let [primary, candidate, control] = legs;
        evidence.observe(&exchange(number, "/cart", primary, candidate, Some(control)), &Rules::default());
    }
    insta::assert_snapshot!(sentences(&read(&evidence)), @r#"
    ! 1 endpoint with 100 % of the exchanges needs more traffic to show that at most 2 % are worse: GET /cart.
    - 100 % of the client's answers are 401, at most 50 % may be one failure: requests that succeed are not covered
    - up to 11 % of answers may be worse, must be below 0.5 %: 590 to 1,179 more exchanges
    - 1 endpoint needs more traffic (most: GET /cart): 128 to 255 more exchanges
    - latency: too few exchanges to rule out that p90 is 15 %, p99 is 25 % higher: 387 to 1,932 more exchanges
    "#);
    let mut alone = Evidence::new();
    alone.observe(&exchange(1, "/cart", body("1"), body("2"), None), &Rules::default());
    insta::assert_snapshot!(sentences(&read(&alone)), @r#"
    ! There is no control: only declared rules tell noise from regressions, and latency is advisory.
    - no exchange has a control: noise cannot be told from regressions, so all differences are advisory
    "#);
    insta::assert_snapshot!(told(4, |_| unanswered(), steady), @r#"
    ! 1 endpoint with 100 % of the exchanges needs more traffic to show that at most 2 % are worse: GET /cart.
    - GET /cart: the candidate fails or answers with another status in all 4 exchanges, the stable version never does
    - too few exchanges to rule out regressions: 99,652 to 498,256 more exchanges
    - 1 endpoint needs more traffic (most: GET /cart): 6,469 to 32,341 more exchanges
    - latency: it cannot be ruled out that p50 is 10 %, p90 is 15 %, p99 is 25 % higher or 10 % of exchanges are 10 % slower: out of reach at the present rates
    - seen for 30 s of the 300 s that are needed: 5 min more
    "#);
    insta::assert_snapshot!(told(30, |_| not_sent(Unsent::UnknownCluster), steady), @r#"
    ! 100 % of the exchanges are not compared: the candidate was not asked in 30, `unknown_cluster`: the proxy has no cluster of the name in the policy; correct one of the two.
    - no exchange could be compared: of 30 the candidate was not asked in 30, `unknown_cluster`: the proxy has no cluster of the name in the policy; correct one of the two
    "#);
    let mut elsewhere = Evidence::new();
    let rules = Rules::default().with_primary(vec!["stable".to_owned()]);
    for number in 1..=40 {
        elsewhere.observe(&exchange(number, "/cart", body("1"), body("1"), Some(body("1"))), &rules);
    }
    insta::assert_snapshot!(sentences(&read(&elsewhere)), @r#"
    ! 40 exchanges answered by another variant, so not compared.
    - no exchange could be compared: another variant than the primary of the comparison answered (40 exchanges)
    "#);
    let calibration = Gates { calibration: true, ..Gates::default() };
    let known = Delivery { known: true, mirrored: 1, ..Delivery::default() };
    insta::assert_snapshot!(sentences(&report("shop", &alone, &calibration, &known)), @r#"
    ! There is no control: only declared rules tell noise from regressions, and latency is advisory.
    - calibration: candidate and control are the same version; 1 exchange, no false alarm
    - no exchange has a control: noise cannot be told from regressions, so all differences are advisory
    "#);
}

#[test]
fn what_filters_did_not_do_is_said() {
    let mut evidence = Evidence::new();
    for number in 1..=1_000 {
        let observation = exchange(number, "/cart", body("1"), body("1"), Some(body("1")));
        evidence.observe(&observation, &Rules::default());
    }
    let accounts = Accounts {
        mirrored: 1_000,
        undelivered: [(Undelivered::OutboxFull, 20)].into(),
        not_mirrored: [
            (NotMirrored::UnsafeMethod, 400),
            (NotMirrored::NoRule, 50),
            (NotMirrored::Rate, 90),
            (NotMirrored::TooLong, 30),
            (NotMirrored::LocalReply, 10),
        ]
        .into(),
        ..Accounts::default()
    };
    let delivery = Delivery { silent: 1, alive: 3, ..Delivery::of(&accounts) };
    insta::assert_snapshot!(sentences(&report("shop", &evidence, &Gates::default(), &delivery)), @r#"
    ! 1 of 4 filters has missed three heartbeats: what their proxies do now is not known.
    ! 25 % of the requests are not mirrored: their method, such as POST, PUT or DELETE, may write, which the mirror does not allow.
    ! 3.16 % of the requests are not mirrored: no rule with a mirror matches them.
    ! 0.63 % of the requests are not mirrored: the proxy answered them itself.
    ! 30 of 1,120 sampled exchanges exceed a bound of the policy (too_long 30): they are not mirrored, so the verdict does not cover them.
    - 20 of 1,000 observations did not arrive (outbox_full 20), at most 1 % may be missing
    - 90 of 1,090 sampled exchanges were not mirrored (rate 90), at most 5 % may be: the rest may not be typical
    "#);
    let untold = Delivery::default();
    insta::assert_snapshot!(sentences(&report("shop", &evidence, &Gates::default(), &untold)), @r#"
    - no filter has reported yet: whether anything was lost is not known
    "#);
    let late = Delivery { known: true, mirrored: 800, ..Delivery::default() };
    insta::assert_snapshot!(sentences(&report("shop", &evidence, &Gates::default(), &late)), @r#"
    - the filters have reported on 800 of 1,000 exchanges: whether more was lost is not known
    "#);
}

#[test]
fn what_cannot_be_looked_into_is_said() {
    let bytes =
        |byte: u8| Leg::answer("v", 200).with_body("image/png", vec![byte; 40]).with_latency_us(1_000);
    let mut evidence = Evidence::new();
    for number in 1..=40 {
        let observation: Observation = exchange(number, "/logo", bytes(1), bytes(2), Some(bytes(3)));
        evidence.observe(&observation, &Rules::default());
    }
    insta::assert_snapshot!(sentences(&read(&evidence)), @r#"
    ! GET /logo (body): both answers differ from the client's in 100 % of the exchanges, in a way that cannot be compared: it is neither text nor a format that can be read; declare it under `compare`, or use a plugin.
    ! 1 endpoint with 100 % of the exchanges needs more traffic to show that at most 2 % are worse: GET /logo.
    - GET /logo (body): in 100 % of the exchanges both answers differ from the client's, in a way that cannot be compared: it is neither text nor a format that can be read; declare it under `compare`, or use a plugin
    - up to 11 % of answers may be worse, must be below 0.5 %: 590 to 1,179 more exchanges
    - (body) value: up to 11 % may be worse than its noise, must be below 5 %: 28 to 55 more exchanges
    - 1 endpoint stays uncovered (such as GET /logo): 0 % of the traffic is covered, 95 % is needed: out of reach at the present rates
    - latency: too few exchanges to rule out that p90 is 15 %, p99 is 25 % higher: 387 to 1,932 more exchanges
    "#);
}
