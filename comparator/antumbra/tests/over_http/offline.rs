//! `antumbra report` and `antumbra verdict` out of a capture and from a server: the same answer, and every line accounted for.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::capture::{capture, fed};
use crate::command_line::{Line, antumbra};
use crate::server::{SHOP, World, healthy, observation};
use antumbra_observation::Observation;
use boon::{Compiler, Schemas};
use http::Method;
use serde_json::Value;

/// Gates that few exchanges satisfy.
const EASY: &str = "gates: {margin: 50, endpointMargin: 50, promoteAlpha: 0.5, warmUp: 0s, atLeast: 0s}";

impl World {
    fn file(&self, name: &str) -> PathBuf {
        self.data().with_file_name(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.file(name), text).unwrap();
    }
}

fn ndjson(observations: impl IntoIterator<Item = Observation>) -> String {
    observations.into_iter().map(|one| serde_json::to_string(&one).unwrap() + "\n").collect()
}

fn json(line: &Line) -> Value {
    serde_json::from_str(&line.out).unwrap_or_else(|error| panic!("{error}: {}{}", line.out, line.err))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_is_judged_as_the_server_judges_it_and_is_what_the_schema_says() {
    let world = World::with_shop().await;
    world.write("shop.yaml", SHOP);
    fed(&world, capture(&world, "c.ndjson --count 200")).await;
    let captured = std::fs::read_to_string(world.file("c.ndjson")).unwrap();

    let schema = antumbra(&world, "schema observation").await.out;
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("observation.json", serde_json::from_str(&schema).unwrap()).unwrap();
    let index = compiler.compile("observation.json", &mut schemas).unwrap();
    for line in captured.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        schemas.validate(&line, index).unwrap_or_else(|error| panic!("{error}: {line}"));
    }

    let other = World::with_shop().await;
    let headers = [("content-type", "application/x-ndjson")];
    let answer = other.send(Method::POST, "/v1/observations", &headers, captured).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let online = json(&antumbra(&other, "report --output json").await);
    let line = antumbra(&world, "report --from c.ndjson --policy shop.yaml --output json").await;
    assert_eq!((line.code, line.err.as_str()), (0, ""));
    let offline = json(&line);
    assert_eq!(offline["exchanges"], 200);
    for part in ["release", "exchanges", "effective", "regressions", "noise", "endpoints", "latency", "gates"]
    {
        assert_eq!(offline[part], online[part], "{part}");
    }
    assert_eq!(offline["capture"]["observations"], 200);
    let markdown = antumbra(&other, "report --output markdown").await.out;
    assert_eq!(other.get("/v1/releases/shop/report?format=markdown").await.text, markdown);
    assert!(markdown.starts_with("### ") && markdown.contains("shop"), "{markdown}");
}

#[tokio::test]
async fn bad_lines_are_named_and_counted() {
    let world = World::new(None).await;
    world.write("shop.yaml", SHOP);
    let good = ndjson((1..=60).map(|id| observation(id, 11)));
    let cut = &good[..90];
    world.write("c.ndjson", format!("{good}{{\"version\":1}}\n\n{{\"lost\":4}}\n{cut}"));
    for output in ["text", "json", "markdown"] {
        let line =
            antumbra(&world, &format!("report --from c.ndjson --policy shop.yaml --output {output}")).await;
        assert_eq!(line.code, 2, "{}{}", line.out, line.err);
        let errors: Vec<&str> = line.err.lines().collect();
        assert_eq!(errors.len(), 2, "{}", line.err);
        assert!(errors[0].starts_with("antumbra: c.ndjson: line 61: missing field"), "{}", line.err);
        assert!(errors[1].starts_with("antumbra: c.ndjson: line 64: EOF while parsing"), "{}", line.err);
        let told = match output {
            "json" => "\"bad\": 2",
            _ => "62 lines read: 60 observations, 2 cannot be used, 4 lost while they were captured",
        };
        assert!(line.out.contains(told) && line.out.contains("/price"), "{output}: {}", line.out);
    }
    let line = antumbra(&world, "report --from c.ndjson --output json").await;
    let delivery = &json(&line)["delivery"];
    assert_eq!((&delivery["mirrored"], &delivery["undelivered"]), (&66.into(), &6.into()), "{}", line.out);
}

#[tokio::test]
async fn captures_that_overlap_are_one() {
    let world = World::new(None).await;
    let lines = |ids: std::ops::RangeInclusive<u128>| ndjson(ids.map(|id| observation(id, 11)));
    world.write("a.ndjson", lines(1..=60) + "{}\n");
    world.write("b.ndjson", lines(41..=100) + "nonsense\n");
    world.write("all.ndjson", lines(1..=100));
    let both = antumbra(&world, "report --from a.ndjson --from b.ndjson --output json").await;
    assert_eq!(both.code, 2, "{}{}", both.out, both.err);
    let errors: Vec<&str> = both.err.lines().collect();
    assert!(errors[0].starts_with("antumbra: a.ndjson: line 61: missing field"), "{}", both.err);
    assert!(errors[1].starts_with("antumbra: b.ndjson: line 61: expected"), "{}", both.err);
    let (both, all) = (json(&both), json(&antumbra(&world, "report --from all.ndjson --output json").await));
    assert_eq!((&both["exchanges"], &both["regressions"]), (&json_of(100), &all["regressions"]));
    let capture = &both["capture"];
    assert_eq!((&capture["observations"], &capture["sameId"]), (&json_of(100), &json_of(20)), "{capture}");
    assert_eq!(capture["problems"][1]["file"], "b.ndjson");
    let twice = antumbra(&world, "report --from - --from -").await;
    assert!(twice.code == 2 && twice.err.contains("only one can be stdin"), "{}", twice.err);
}

fn json_of(count: u64) -> Value {
    count.into()
}

/// While weights are shared the candidate answers clients, too: held against itself a defect of it would look like the control's.
#[tokio::test]
async fn what_the_candidate_answered_itself_is_not_held_against_it() {
    let world = World::new(None).await;
    world.write("easy.yaml", SHOP.replace("gates: {margin: 0.5, warmUp: 0s, atLeast: 0s}", EASY));
    let half = (1..=800).map(|id| {
        let mut one = observation(id, 11);
        if id % 2 == 0 {
            one.primary = one.candidate.clone();
        }
        one
    });
    world.write("half.ndjson", ndjson(half));
    let bare = antumbra(&world, "verdict --from half.ndjson").await;
    assert_eq!(bare.code, 1, "{}{}", bare.out, bare.err);
    let named = "line 2: primary.variant is \"canary\", must not be the candidate's where no policy says";
    assert!(bare.err.contains(named), "{}", bare.err);
    let with_policy = antumbra(&world, "verdict --from half.ndjson --policy easy.yaml").await;
    assert_eq!((with_policy.code, with_policy.err.as_str()), (1, ""), "{}", with_policy.out);
}

#[tokio::test]
async fn a_verdict_of_a_file_is_an_exit_code() {
    let world = World::new(None).await;
    let easy = SHOP.replace("gates: {margin: 0.5, warmUp: 0s, atLeast: 0s}", EASY);
    world.write("easy.yaml", &easy);
    world.write("bad.yaml", SHOP.replace("percent: 5,", "percent: 101,"));
    world.write("healthy.ndjson", ndjson(healthy(900)));
    world.write("broken.ndjson", ndjson((1..=400).map(|id| observation(id, 11))));
    world.write("few.ndjson", ndjson(healthy(2)));
    world.write("gaps.ndjson", ndjson(healthy(900)) + &"nonsense\n".repeat(40));
    world.write("none.ndjson", "nonsense\n");
    world.write("empty.ndjson", "");
    for (line, code, shown) in [
        ("healthy.ndjson --policy easy.yaml", 0, "promote"),
        ("broken.ndjson --policy easy.yaml", 1, "roll back"),
        ("broken.ndjson", 1, "/price"),
        ("few.ndjson --policy easy.yaml", 3, "wait"),
        ("healthy.ndjson", 3, "wait"),
        ("empty.ndjson", 3, "no exchange has been compared yet"),
        ("gaps.ndjson --policy easy.yaml", 3, "and 20 more lines"),
        ("none.ndjson", 2, "no line holds an observation"),
        ("absent.ndjson", 2, "absent.ndjson: No such file"),
        ("healthy.ndjson --policy bad.yaml", 2, "percent is 101"),
        ("healthy.ndjson --wait 5s", 2, "cannot be used with"),
        (".", 4, ".: Is a directory"),
    ] {
        let found = antumbra(&world, &format!("verdict --from {line}")).await;
        let told = format!("{}{}", found.out, found.err);
        assert_eq!(found.code, code, "{line}: {told}");
        assert!(told.contains(shown), "{line}: {told}");
    }
}

#[test]
fn a_capture_is_read_from_a_pipe() {
    use std::io::Write as _;
    let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
    command.args(["verdict", "--from", "-", "--output", "json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let input = ndjson((1..=400).map(|id| observation(id, 11)));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["verdict"], "roll back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_waited_for() {
    let mut world = World::with_shop().await;
    world.batch(1, &healthy(5)).await;
    let line = antumbra(&world, "verdict --wait 1s").await;
    assert_eq!(line.code, 3, "{}{}", line.out, line.err);
    assert!(line.err.starts_with("antumbra: wait after 5 exchanges: "), "{}", line.err);
    assert!(line.out.starts_with("wait\n"), "{}", line.out);

    let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
    command.args(["verdict", "--wait", "100s", "--server"]).arg(format!("http://{}", world.address));
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let broken: Vec<Observation> = (100..500).map(|id| observation(id, 11)).collect();
    world.batch(2, &broken).await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));

    world.end().await;
    let line = antumbra(&world, "verdict --wait 1s").await;
    assert_eq!((line.code, line.out.as_str()), (4, ""), "{}", line.err);
    assert!(line.err.contains("is `antumbra serve` running there?"), "{}", line.err);
    let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
    command.args(["verdict", "--wait", "100s", "--server"]).arg(format!("http://{}", world.address));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It has said that nobody answers before somebody does.
    let mut said = [0; 9];
    std::io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    world.start_again().await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let line = antumbra(&world, "verdict --wait 100s --server ftp://x").await;
    assert_eq!(line.code, 2, "{}", line.err);
}
