//! `antumbra capture` from a running comparator: what is in the file, what never is, and that it can be asked again.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::command_line::antumbra;
use crate::server::{World, observation};
use crate::service::{Service, Version};
use antumbra_observation::{Body, Observation};
use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An exchange full of secrets.
fn telling(id: u128) -> Observation {
    let mut told = observation(id, 10);
    let headers = ["authorization", "Proxy-Authorization", "COOKIE", "x-api-key", "x-session"];
    told.request.headers = headers.iter().map(|name| ((*name).into(), "hush-request".into())).collect();
    told.request.body = Body::Whole(r#"{"customer":{"email":"hush-body","id":7}}"#.into());
    for leg in [&mut told.primary, &mut told.candidate] {
        let response = leg.response.as_mut().unwrap();
        response.headers.push(("Set-Cookie".into(), "sid=hush-answer; Secure".into()));
        response.trailers.push(("x-session".into(), "hush-trailer".into()));
        response.body = Body::Whole(r#"{"price":10,"customer":{"email":"hush-body"}}"#.into());
    }
    told.control.as_mut().unwrap().response.as_mut().unwrap().body = Body::Whole("<p>hush-page</p>".into());
    told
}

pub(crate) fn capture(world: &World, line: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
    command.arg("capture").args(line.split_whitespace()).current_dir(world.data().parent().unwrap());
    command.env("ANTUMBRA_SERVER", format!("http://{}", world.address)).env_remove("ANTUMBRA_TOKEN");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends observations until the capture has enough of them; what it printed.
pub(crate) async fn fed(world: &World, child: Child) -> String {
    fed_with(world, child, telling).await
}

async fn fed_with(world: &World, mut child: Child, made: fn(u128) -> Observation) -> String {
    let mut sequence = 0;
    let feed = async {
        while child.try_wait().unwrap().is_none() {
            sequence += 1;
            let batch: Vec<Observation> = (1..=5).map(|id| made(u128::from(sequence) * 10 + id)).collect();
            assert_eq!(world.batch(sequence, &batch).await.status, 200);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), feed).await.unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}{err}");
    out
}

pub(crate) fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_holds_no_secret_and_can_be_replayed_and_sent_again() {
    let world = World::with_shop().await;
    let child = capture(&world, "c.ndjson --count 12 --redact /customer/email --redact header:X-Session");
    let out = fed(&world, child).await;
    assert!(out.contains("c.ndjson: 12 exchanges"), "{out}");
    let file = world.data().with_file_name("c.ndjson");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let captured = std::fs::read_to_string(&file).unwrap();
    assert!(!captured.contains("hush") && !captured.contains("lost"), "{captured}");
    for shown in [
        "12 bodies that cannot be looked into, only length and hash (malformed 12)",
        "(authorization 12, cookie 12, proxy-authorization 12, set-cookie 24, x-api-key 12, x-session 36)",
        "36 values in bodies",
    ] {
        assert!(out.contains(shown), "{shown}: {out}");
    }
    assert_eq!(captured.lines().count(), 12);
    let first: Observation = serde_json::from_str(&lines(&file)[0]).unwrap();
    assert_eq!(first.request.headers.len(), 5);
    assert!(first.request.headers.iter().all(|(_, value)| value[..] == *b"[redacted]"), "{first:?}");
    let answer = first.primary.response.unwrap();
    assert!(answer.headers.contains(&("Set-Cookie".into(), "sid=[redacted]; Secure".into())), "{answer:?}");
    let body = answer.body;
    assert_eq!(body, Body::Whole(r#"{"price":10,"customer":{"email":"[redacted]"}}"#.into()));
    assert!(matches!(first.control.unwrap().response.unwrap().body, Body::Cut { length: 16, .. }));

    let headers = [("content-type", "application/x-ndjson")];
    let answer = world.send(Method::POST, "/v1/observations", &headers, captured).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["compared"]), (200, &0.into()), "{answer:?}");
    assert_eq!(answer.json()["sameId"], 12, "they were counted as they came: {answer:?}");

    let (stable, dearer) =
        (Service::start(Version::Price(10)).await, Service::start(Version::Price(11)).await);
    let legs = format!("--primary {0} --control {0} --candidate {1}", stable.url(), dearer.url());
    let line = antumbra(&world, &format!("replay c.ndjson --rate 1000 --timeout 20s {legs}")).await;
    assert!(line.out.contains("12 requests read: 12 sent, 12 compared"), "{}{}", line.out, line.err);
    assert_eq!((stable.asked(), dearer.asked()), (24, 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_ends_at_its_bounds_and_overwrites_nothing() {
    let world = World::with_shop().await;
    let length = serde_json::to_string(&telling(11)).unwrap().len();
    let out =
        fed(&world, capture(&world, &format!("small.ndjson --max-bytes {} --output json", 3 * length))).await;
    let kept: serde_json::Value = serde_json::from_str(&out).unwrap();
    let written = std::fs::read(world.data().with_file_name("small.ndjson")).unwrap();
    assert_eq!(kept["bytes"], written.len(), "{out}");
    assert!(written.len() <= 3 * length && written.ends_with(b"\n"), "{}", written.len());
    let out = fed(&world, capture(&world, "timed.ndjson --duration 1s")).await;
    assert!(out.contains("timed.ndjson:"), "{out}");
    for (line, shown) in [
        ("capture new.ndjson --keep-text", "--redact"),
        (
            "capture small.ndjson",
            "small.ndjson: File exists, and a capture only begins a new one: name another",
        ),
        ("capture new.ndjson --policy till", "there is no policy \"till\""),
        ("capture new.ndjson --redact email", "must be a path"),
        ("capture other.ndjson --duration 1", "must be a duration"),
    ] {
        let found = antumbra(&world, line).await;
        assert_eq!(found.code, 2, "{line}: {}{}", found.out, found.err);
        assert!(found.err.contains(shown), "{line}: {}", found.err);
    }
    let left = world.data().with_file_name("new.ndjson");
    assert!(!left.exists(), "what never began leaves no file");
    let child = capture(&world, "late.ndjson --duration 1s");
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let said =
        format!("antumbra: capturing the exchanges of shop from http://{} to late.ndjson", world.address);
    assert!(output.status.success() && err.contains(&said), "{err}");
}

#[tokio::test]
async fn who_leaves_makes_room_for_others() {
    let world = World::with_shop().await;
    let ask = b"GET /v1/releases/shop/exchanges HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let listen = async || {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(ask).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        (stream, answer)
    };
    let mut all = Vec::new();
    for _ in 0..4 {
        let (stream, answer) = listen().await;
        assert_eq!(answer, *b"HTTP/1.1 200");
        all.push(stream);
    }
    assert_eq!(listen().await.1, *b"HTTP/1.1 503");
    all.pop();
    let found = async { while listen().await.1 != *b"HTTP/1.1 200" {} };
    tokio::time::timeout(Duration::from_secs(60), found).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_server_ends_a_capture() {
    let mut world = World::with_shop().await;
    let mut child = capture(&world, "c.ndjson");
    let file = world.data().with_file_name("c.ndjson");
    let begun = async {
        let mut sequence = 0;
        while std::fs::metadata(&file).map_or(0, |about| about.len()) == 0 {
            sequence += 1;
            world.batch(sequence, &[telling(u128::from(sequence))]).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), begun).await.unwrap();
    world.end().await;
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
    assert!(lines(&file).iter().all(|line| serde_json::from_str::<Observation>(line).is_ok()));
}

/// Answers that are compressed, of which the candidate's has another price, and a cookie that lost an attribute.
fn packed(id: u128) -> Observation {
    let mut told = observation(id, 10);
    for (leg, price) in [(&mut told.primary, 10), (&mut told.candidate, 11)] {
        let secure = if price == 10 { "; Secure" } else { "" };
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        write!(encoder, r#"{{"price":{price},"customer":{{"email":"hush-body"}}}}"#).unwrap();
        let response = leg.response.as_mut().unwrap();
        response.headers.push(("content-encoding".into(), "gzip".into()));
        response
            .headers
            .push(("set-cookie".into(), format!("sid=hush-{id}; Path=/{secure}").as_str().into()));
        response.body = Body::Whole(encoder.finish().unwrap().into());
    }
    let answer = told.primary.response.clone();
    told.control.as_mut().unwrap().response = answer;
    told
}

/// Pages that are compressed.
fn page(id: u128) -> Observation {
    let mut told = packed(id);
    let legs = [Some(&mut told.primary), Some(&mut told.candidate), told.control.as_mut()];
    for response in legs.into_iter().flatten().filter_map(|leg| leg.response.as_mut()) {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"<p>no secret</p>").unwrap();
        response.headers =
            vec![("content-type".into(), "text/html".into()), ("content-encoding".into(), "gzip".into())];
        response.body = Body::Whole(encoder.finish().unwrap().into());
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_kept_if_nothing_in_them_is_secret() {
    let world = World::with_shop().await;
    let line = |file: &str| format!("{file} --count 5 --redact /customer/email");
    let out = fed_with(&world, capture(&world, &line("hashed.ndjson")), page).await;
    assert!(out.contains("only length and hash (html 15)"), "{out}");
    let world = World::with_shop().await;
    let kept = format!("{} --keep-text", line("kept.ndjson"));
    let out = fed_with(&world, capture(&world, &kept), page).await;
    assert!(!out.contains("not kept"), "{out}");
    let first: Observation =
        serde_json::from_str(&lines(&world.data().with_file_name("kept.ndjson"))[0]).unwrap();
    let answer = first.candidate.response.unwrap();
    assert_eq!((answer.body, answer.headers.len()), (Body::Whole("<p>no secret</p>".into()), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_compressed_is_judged_as_the_server_judges_it() {
    let world = World::with_shop().await;
    std::fs::write(world.data().with_file_name("shop.yaml"), crate::server::SHOP).unwrap();
    let out =
        fed_with(&world, capture(&world, "c.ndjson --count 200 --redact /customer/email"), packed).await;
    assert!(out.contains("(set-cookie 600)") && out.contains("600 values in bodies"), "{out}");
    assert!(!out.contains("not kept"), "{out}");
    assert!(!std::fs::read_to_string(world.data().with_file_name("c.ndjson")).unwrap().contains("hush"));
    let line = antumbra(&world, "report --from c.ndjson --policy shop.yaml --output json").await;
    let offline: Value = serde_json::from_str(&line.out).unwrap();
    assert_eq!(offline["capture"]["left"]["members"], 600, "{}", line.out);
    let text = antumbra(&world, "report --from c.ndjson --policy shop.yaml").await.out;
    assert!(text.contains("(set-cookie 600)") && text.contains("600 values in bodies"), "{text}");
    let online: Value = serde_json::from_str(&antumbra(&world, "report --output json").await.out).unwrap();
    let found = |report: &Value| {
        let all = report["regressions"].as_array().unwrap().iter();
        let mut all: Vec<String> = all.map(|found| format!("{} {}", found["path"], found["kind"])).collect();
        all.sort();
        all.dedup();
        all
    };
    assert_eq!(found(&offline), [r#""/price" "value""#, r#""cookie:sid;secure" "missing""#], "{offline}");
    assert_eq!(found(&offline), found(&online));
}

/// What was captured before the evidence began anew is no evidence of what came after.
#[tokio::test(flavor = "multi_thread")]
async fn the_session_that_ended_meanwhile_is_not_judged() {
    let world = World::with_shop().await;
    let child = capture(&world, "c.ndjson --count 30");
    let file = world.data().with_file_name("c.ndjson");
    let mut sequence = 0;
    let mut send = async |generation| {
        sequence += 1;
        let id = u128::from(sequence);
        let one = Observation { generation, ..observation(id, if generation == 1 { 11 } else { 10 }) };
        assert_eq!(world.batch(sequence, &[one]).await.status, 200);
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let feed = async {
        while lines_or_none(&file).len() < 20 {
            send(1).await;
        }
        let next = world.put("shop", &crate::server::SHOP.replace("cluster: canary", "cluster: next")).await;
        assert_eq!(next.json()["newSession"], true, "{next:?}");
        send(1).await;
        while lines_or_none(&file).len() < 30 {
            send(2).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), feed).await.unwrap();
    tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let line = antumbra(&world, "report --from c.ndjson --output json").await;
    let report: Value = serde_json::from_str(&line.out).unwrap();
    let counts =
        ["lines", "observations", "superseded"].map(|name| report["capture"][name].as_u64().unwrap());
    assert!(line.err.contains("are not judged, as by a server"), "{}", line.err);
    assert_eq!((line.code, counts[0], counts[1] + counts[2]), (0, 30, 30), "{}", line.out);
    assert!(counts[1] <= 10 && report["exchanges"] == counts[1], "{}", line.out);
    assert!(
        !line.out.contains("/price"),
        "what the earlier candidate did is not held against the next: {}",
        line.out
    );
}

fn lines_or_none(file: &Path) -> Vec<String> {
    if file.exists() { lines(file) } else { Vec::new() }
}
