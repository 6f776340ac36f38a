//! `antumbra replay` between real services: what it says of a new version, and whom it does not call.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command_line::{Line, antumbra};
use crate::server::World;
use crate::service::{Service, Version, nobody};
use serde_json::Value;

/// A file of GoReplay with so many requests, beside the world's database.
fn recording(world: &World, requests: usize) {
    let records = (0..requests).map(|id| {
        format!("1 {id:024x} 1439818823587396305\nGET /products/{id} HTTP/1.1\r\nHost: shop.test\r\n\r\n\n🐵🙈🙉\n")
    });
    std::fs::write(world.data().with_file_name("r.gor"), records.collect::<String>()).unwrap();
}

async fn replay(world: &World, line: &str) -> Line {
    antumbra(world, &format!("replay r.gor --rate 200 --timeout 20s {line}")).await
}

fn json(line: &Line) -> Value {
    serde_json::from_str(&line.out).unwrap_or_else(|error| panic!("{error}: {}{}", line.out, line.err))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_differs_is_rolled_back_and_one_that_agrees_is_not() {
    let world = World::new(None).await;
    recording(&world, 300);
    let (primary, control) =
        (Service::start(Version::Price(10)).await, Service::start(Version::Price(10)).await);
    let same = Service::start(Version::Price(10)).await;
    let dearer = Service::start(Version::Price(11)).await;
    let legs = format!("--primary {} --control {} --concurrency 1000", primary.url(), control.url());
    let broken = replay(&world, &format!("{legs} --candidate {}", dearer.url())).await;
    assert_eq!(broken.code, 1, "{}{}", broken.out, broken.err);
    for shown in
        ["300 requests read: 300 sent, 300 compared", "replay  ROLL BACK", "/price: wrong in ", " /number: "]
    {
        assert!(broken.out.contains(shown), "{shown}: {}", broken.out);
    }
    assert_eq!(broken.err, "");
    assert_eq!((primary.asked(), control.asked(), dearer.asked()), (300, 300, 300));

    let healthy = replay(&world, &format!("{legs} --candidate {} --output json", same.url())).await;
    assert!(matches!(healthy.code, 0 | 3), "{}{}", healthy.out, healthy.err);
    let report = json(&healthy);
    assert_eq!(report["replay"]["compared"], 300, "{report}");
    assert_eq!(report["regressions"].as_array().unwrap().len(), 0, "{report}");
    assert_eq!(report["noise"][0]["path"], "/number", "{report}");

    let alone = format!("--primary {} --candidate {}", primary.url(), dearer.url());
    let uncontrolled = replay(&world, &format!("{alone} --limit 20")).await;
    assert_eq!(uncontrolled.code, 3, "{}", uncontrolled.out);
    assert!(uncontrolled.out.contains("no exchange has a control: "), "{}", uncontrolled.out);
    assert_eq!(dearer.asked(), 320);
}

/// As many requests as a promotion takes of a version without any difference, at gates that a short test can meet.
#[tokio::test(flavor = "multi_thread")]
async fn a_good_version_is_promoted() {
    let world = World::new(None).await;
    recording(&world, 1_500);
    let policy = crate::server::SHOP.replace("[header:x-request-trace]", "[/number]").replace(
        "{margin: 0.5, warmUp: 0s, atLeast: 0s}",
        "{margin: 2, endpointMargin: 5, promoteAlpha: 0.5}",
    );
    std::fs::write(world.data().with_file_name("shop.yaml"), policy).unwrap();
    let (stable, control) =
        (Service::start(Version::Slowly(10)).await, Service::start(Version::Slowly(10)).await);
    let same = Service::start(Version::Slowly(10)).await;
    let legs = format!("--primary {} --control {} --candidate {}", stable.url(), control.url(), same.url());
    let line = antumbra(
        &world,
        &format!("replay r.gor --rate 300 --timeout 20s --concurrency 1500 --policy shop.yaml {legs}"),
    )
    .await;
    assert_eq!(line.code, 0, "{}{}", line.out, line.err);
    assert!(line.out.contains("PROMOTE") && line.out.contains("1500 compared"), "{}", line.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_was_cut_is_an_error_that_names_the_place() {
    let world = World::new(None).await;
    recording(&world, 20);
    let file = world.data().with_file_name("r.gor");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.pop();
    std::fs::write(&file, &bytes).unwrap();
    let stable = Service::start(Version::Price(10)).await;
    let line = replay(&world, &format!("--primary {0} --candidate {0}", stable.url())).await;
    assert_eq!(line.code, 4, "{}{}", line.out, line.err);
    let place = format!("begins in line 115 is cut: the file ends at byte {}", bytes.len());
    assert!(line.err.contains("r.gor") && line.err.contains(&place), "{}{}", line.out, line.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policys_rules_and_gates_hold() {
    let world = World::new(None).await;
    recording(&world, 200);
    let policy = crate::server::SHOP.replace("[header:x-request-trace]", "[/price]");
    std::fs::write(world.data().with_file_name("shop.yaml"), policy).unwrap();
    let (stable, dearer) =
        (Service::start(Version::Price(10)).await, Service::start(Version::Price(11)).await);
    let legs = format!("--primary {0} --control {0} --candidate {1}", stable.url(), dearer.url());
    let line = replay(&world, &format!("{legs} --concurrency 1000 --policy shop.yaml --output json")).await;
    let report = json(&line);
    assert_eq!(
        (&report["release"], &report["replay"]["compared"]),
        (&"shop".into(), &200.into()),
        "{report}"
    );
    assert!(!report.to_string().contains("/price"), "{report}");
    assert_eq!(report["gates"]["margin"], 0.005);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_not_there_differs_in_its_outcome() {
    let world = World::new(None).await;
    recording(&world, 60);
    let stable = Service::start(Version::Price(10)).await;
    let hanging = Service::start(Version::Hangs).await;
    let refused = format!("http://{}", nobody().await);
    for (candidate, outcome) in [(refused, "refused"), (hanging.url(), "timeout")] {
        let legs = format!("--primary {0} --control {0} --candidate {candidate}", stable.url());
        let line =
            antumbra(&world, &format!("replay r.gor --concurrency 100 --rate 50 --timeout 1s {legs}")).await;
        assert_eq!(line.code, 1, "{}{}", line.out, line.err);
        assert!(line.out.contains("did not answer in ") && line.out.contains(outcome), "{}", line.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_compared_is_said_and_holds_the_verdict_up() {
    let world = World::new(None).await;
    recording(&world, 20);
    let (stable, hanging) = (Service::start(Version::Price(10)).await, Service::start(Version::Hangs).await);
    let legs = format!("--primary {} --candidate {1} --control {1}", hanging.url(), stable.url());
    let line =
        antumbra(&world, &format!("replay r.gor --concurrency 1 --rate 10000 --timeout 3s {legs}")).await;
    assert_eq!(line.code, 3, "{}{}", line.out, line.err);
    for shown in [
        "20 requests read: 1 sent, 0 compared",
        "19 not sent in time",
        "the primary did not answer: timeout 1",
    ] {
        assert!(line.out.contains(shown), "{shown}: {}", line.out);
    }
    assert_eq!((hanging.asked(), stable.asked()), (1, 0), "without a primary's answer nobody else is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_not_sent_unless_they_may_be() {
    let world = World::new(None).await;
    let archive = r#"{"log": {"entries": [
        {"request": {"method": "GET", "url": "https://shop.test/a"}},
        {"request": {"method": "POST", "url": "https://shop.test/a", "postData": {"text": "x=1"}}},
        {"request": {"method": "GET", "url": "https://shop.test/a", "headers": [{"name": "X-Antumbra-Shadow", "value": "1"}]}},
        {"request": {"method": "GET", "url": "file:///a"}}]}}"#;
    std::fs::write(world.data().with_file_name("s.har"), archive).unwrap();
    let stable = Service::start(Version::Price(10)).await;
    let legs = format!("--primary {0} --candidate {0}", stable.url());
    let line = antumbra(&world, &format!("replay s.har {legs}")).await;
    assert!(line.out.contains("4 requests read: 1 sent, 1 compared"), "{}{}", line.out, line.err);
    assert!(line.out.contains("skipped: malformed 1, shadow 1, unsafe_method 1"), "{}", line.out);
    let text = line.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("POST is not mirrored: 50 % of the requests: it may write"), "{}", line.out);
    assert_eq!(stable.asked(), 2);
    let line = antumbra(&world, &format!("replay s.har {legs} --unsafe-methods allow")).await;
    assert!(line.out.contains("4 requests read: 2 sent, 2 compared"), "{}{}", line.out, line.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_called_who_was_not_named() {
    let world = World::new(None).await;
    recording(&world, 5);
    let stable = Service::start(Version::Price(10)).await;
    let secret = Service::start(Version::Price(99)).await;
    let redirecting = Service::start(Version::Redirects(secret.address)).await;
    for (candidate, shown) in [
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("http://[::ffff:169.254.169.254]", "link-local"),
        ("http://[64:ff9b::a00:1]", "private"),
        ("http://10.0.0.1", "--allow-address 10.0.0.1"),
        ("https://shop.test", "must be http"),
        ("http://shop.test/?x", "no query"),
        ("shop.test", "must be an http:// address"),
    ] {
        let line = replay(&world, &format!("--primary {} --candidate {candidate}", stable.url())).await;
        assert_eq!(line.code, 2, "{candidate}: {}{}", line.out, line.err);
        assert!(line.err.contains("--candidate") && line.err.contains(shown), "{candidate}: {}", line.err);
    }
    assert_eq!(stable.asked(), 0);
    let line = replay(&world, &format!("--primary {} --candidate {}", stable.url(), redirecting.url())).await;
    assert!(line.out.contains("5 compared") && line.out.contains("status"), "{}{}", line.out, line.err);
    assert_eq!((redirecting.asked(), secret.asked()), (5, 0));
}

#[tokio::test]
async fn files_that_are_no_recordings_are_named() {
    let world = World::new(None).await;
    let beside = |name: &str| world.data().with_file_name(name);
    std::fs::write(beside("empty"), "").unwrap();
    std::fs::write(beside("packed"), b"\x1f\x8b\x08").unwrap();
    std::fs::write(beside("page"), "<html>").unwrap();
    let legs = "--primary http://127.0.0.1:1 --candidate http://127.0.0.1:1";
    for (line, shown) in [
        (format!("none {legs}"), "none: No such file"),
        (format!("empty {legs}"), "empty: is empty"),
        (format!("packed {legs}"), "packed: is compressed"),
        (format!("page {legs}"), "page: begins like none of"),
        (format!("page {legs} --rate 0"), "within 0.01..=10000"),
        (format!("page {legs} --timeout 2"), "within 1ms..=60s"),
        (format!("page {legs} --allow-address 10/8"), "as 10.0.0.0/8"),
        ("page --primary http://127.0.0.1:1".to_owned(), "--candidate"),
    ] {
        let found = antumbra(&world, &format!("replay {line}")).await;
        assert_eq!(found.code, 2, "{line}: {}{}", found.out, found.err);
        assert!(found.err.contains(shown), "{line}: {}", found.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_prints_what_was_done() {
    let world = World::new(None).await;
    recording(&world, 5_000);
    let stable = Service::start(Version::Price(10)).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
    command.args([
        "replay",
        "r.gor",
        "--rate",
        "20",
        "--primary",
        &stable.url(),
        "--candidate",
        &stable.url(),
    ]);
    command.current_dir(world.data().parent().unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let asked = async {
        while stable.asked() < 6 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
    let interrupt = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(interrupt.success());
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap().unwrap();
    let out = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(3), "{out}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(out.contains("requests read") && out.contains("replay  WAIT"), "{out}");
    assert!(stable.asked() < 5_000);
}

/// What a recording says of another method is not said again: a GET stays one.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_makes_another_method_of_a_request_is_not_sent_again() {
    let world = World::new(None).await;
    let request = "1 000000000000000000000001 1439818823587396305\nGET /products/1 HTTP/1.1\r\nHost: shop.test\r\n\
        X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method: PUT\r\nX-Method-Override: PATCH\r\nX-Kept: 1\r\n\r\n\n🐵🙈🙉\n";
    std::fs::write(world.data().with_file_name("r.gor"), request).unwrap();
    let (primary, candidate) =
        (Service::start(Version::Price(10)).await, Service::start(Version::Price(10)).await);
    let legs = format!("--primary {} --candidate {}", primary.url(), candidate.url());
    assert_eq!(replay(&world, &legs).await.code, 3);
    for service in [&primary, &candidate] {
        let seen = service.seen();
        let names: Vec<&str> = seen[0].headers.keys().map(http::HeaderName::as_str).collect();
        assert!(names.contains(&"x-kept") && !names.iter().any(|name| name.contains("method")), "{names:?}");
    }
}
