//! What the comparator stores, shows, exports and logs has no canary in it, and nor has what the command line makes of files: recordings and
//! captures that are replayed, answers that are compared. What is asked again is asked as it was recorded, or nobody could answer it; what is
//! printed of that is not.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use antumbra_observation::{Body, Leg, Observation, Request};
use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use http::Method;
use tokio::net::TcpListener;

use crate::canaries::{Places, TURN, Told, differing, exchanges, formed};
use crate::process::Process;
use crate::server::{SHOP, World, send, send_batch};

/// A service that answers each exchange as one of its legs did.
async fn answering(told: &Arc<Vec<Told>>, leg: fn(&Observation) -> &Leg) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let told = Arc::clone(told);
    let router = Router::new().fallback(move |headers: HeaderMap| {
        let turn = headers.get(TURN).map(|turn| turn.to_str().unwrap().parse::<usize>().unwrap());
        let response = turn.map(|turn| answer(leg(&told[turn].0)));
        async { response.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response()) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn answer(leg: &Leg) -> Response {
    let Leg { response: Some(answered), .. } = leg else { panic!("an answer") };
    let Body::Whole(body) = &answered.body else { panic!("a body") };
    let mut response = (StatusCode::OK, body.to_vec()).into_response();
    response.headers_mut().clear();
    for (name, value) in &answered.headers {
        let name = HeaderName::from_bytes(name).unwrap();
        response.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    response
}

/// A recording as GoReplay writes it, and behind each whole request one that cannot be read.
fn gor(told: &[Told]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut record = |message: &[u8]| {
        file.extend_from_slice(b"1 7d3fa1 1439818823587396305\n");
        file.extend_from_slice(message);
        file.extend_from_slice("\n🐵🙈🙉\n".as_bytes());
    };
    for Told(Observation { request, .. }, _) in told {
        let body = whole(request);
        let mut head = Vec::new();
        let path: &[u8] = &request.path;
        for part in [b"POST ", path, b" HTTP/1.1\r\nhost: shop.test\r\n"] {
            head.extend_from_slice(part);
        }
        for (name, value) in &request.headers {
            head.extend_from_slice(&[name, &b": "[..], value, b"\r\n"].concat());
        }
        record(&[&head[..], format!("content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat());
        record(&[&head[..], b"a line that is no header ", path, b"\r\n\r\n"].concat());
        record(&[&head[..], b"content-length: 3\r\n\r\nabc", body].concat());
    }
    file
}

fn whole(request: &Request) -> &[u8] {
    match &request.body {
        Body::Whole(body) => body,
        _ => &[],
    }
}

/// The same as a browser writes it.
fn har(told: &[Told]) -> String {
    let mut entries = String::new();
    for Told(Observation { request, .. }, _) in told {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let header = |name: &str, value: &str| serde_json::json!({"name": name, "value": value});
        let headers = request.headers.iter().map(|(name, value)| header(&text(name), &text(value)));
        let headers: Vec<_> = headers.collect();
        let url = format!("https://shop.test{}", text(&request.path));
        for body in
            [serde_json::json!(text(whole(request))), serde_json::json!({"text": text(whole(request))})]
        {
            let entry = serde_json::json!({"request": {
                "method": "POST", "url": url, "headers": headers, "postData": {"mimeType": "", "text": body},
            }});
            let _ = write!(entries, "{}{entry}", if entries.is_empty() { "" } else { ",\n" });
        }
    }
    format!("{{\"log\": {{\"version\": \"1.2\", \"entries\": [{entries}]}}}}")
}

async fn ran(dir: &Path, line: String) -> Vec<u8> {
    let dir = dir.to_owned();
    let run = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
        let output = command.args(line.split_whitespace()).current_dir(dir).output().unwrap();
        assert!(matches!(output.status.code(), Some(0..=4)), "{line}: {output:?}");
        [output.stdout, output.stderr].concat()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// What is printed when `file` is replayed against services that answer as these exchanges say.
async fn replayed(dir: &Path, file: &str, told: &Arc<Vec<Told>>) -> Places {
    let primary = answering(told, |one| &one.primary).await;
    let candidate = answering(told, |one| &one.candidate).await;
    let control = answering(told, |one| one.control.as_ref().unwrap()).await;
    let legs = format!("--primary {primary} --candidate {candidate} --control {control}");
    let mut places = Places(Vec::new());
    for more in [
        "--unsafe-methods allow --header authorization=hush97given9k",
        "--unsafe-methods allow --full",
        "--unsafe-methods allow --output json --policy shop.yaml",
        "--output json",
    ] {
        let line = format!("replay {file} {legs} --rate 500 --concurrency 1000 --timeout 20s {more}");
        places.0.push((format!("antumbra replay {file} {more}"), ran(dir, line).await));
    }
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_a_recording_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let told = Arc::new(exchanges());
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    std::fs::write(dir.path().join("recording.gor"), gor(&told)).unwrap();
    std::fs::write(dir.path().join("recording.har"), har(&told)).unwrap();
    let mut canaries: Vec<String> = told.iter().flat_map(|told| told.1.clone()).collect();
    canaries.push("hush97given9k".to_owned());
    for (file, requests) in [("recording.gor", 2 * told.len()), ("recording.har", told.len())] {
        let places = replayed(dir.path(), file, &told).await;
        let found = places.found(&canaries);
        assert!(found.is_empty(), "{} found: {:#?}", found.len(), found.iter().take(60).collect::<Vec<_>>());
        let shown = String::from_utf8_lossy(&places.0[1].1).into_owned();
        let sent = format!(": {requests} sent, {requests} compared");
        for kept in ["(redacted: ", "/list/*/note", "malformed", &sent] {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
    }
}

/// Each answer in a file, its name as its media type has it.
#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_two_answers_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut places = Places(Vec::new());
    let mut canaries = Vec::new();
    for Told(one, own) in exchanges() {
        let (left, right) = (one.primary.response.unwrap(), one.candidate.response.unwrap());
        if left.headers.iter().any(|(name, _)| name[..] == *b"content-encoding") {
            continue;
        }
        let media = left.headers.iter().find(|(name, _)| name[..] == *b"content-type").unwrap();
        let media = String::from_utf8(media.1.to_vec()).unwrap().replace("; ", ";");
        for (name, answer) in [("left", left), ("right", right)] {
            let Body::Whole(body) = answer.body else { panic!("a body") };
            std::fs::write(dir.path().join(name), &body[..]).unwrap();
        }
        for more in ["", " --output json"] {
            let line = format!("diff left right --type {media}{more}");
            places.0.push((line.clone(), ran(dir.path(), line).await));
        }
        canaries.extend(own);
    }
    let found = places.found(&canaries);
    assert!(found.is_empty(), "{} found: {:#?}", found.len(), found.iter().take(60).collect::<Vec<_>>());
    let all: String = places.0.iter().map(|(_, shown)| String::from_utf8_lossy(shown)).collect();
    assert!(all.matches("redacted").count() > places.0.len() / 2, "{all}");
}

fn asked(dir: &Path, address: SocketAddr, line: &str) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
    command.args(line.split_whitespace()).current_dir(dir);
    command.env("ANTUMBRA_SERVER", format!("http://{address}")).env_remove("ANTUMBRA_TOKEN");
    let output = command.output().unwrap();
    [output.stdout, output.stderr].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_is_stored_shown_captured_or_logged() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    let (mut process, address) = Process::start_logging(dir.path());
    std::fs::write(dir.path().join("rules.yaml"), "[]").unwrap();
    let told = Arc::new(exchanges());
    let canaries: Vec<String> = told.iter().flat_map(|told| told.1.clone()).collect();
    assert!(canaries.len() >= 215, "{}", canaries.len());
    // Without it nothing would be shown that nothing is shown of.
    assert!(told.iter().all(|told| told.1.iter().all(|canary| canary.len() >= 8)));

    let mut capture = Command::new(env!("CARGO_BIN_EXE_antumbra"));
    let line = format!("capture kept.ndjson --count {}", told.len());
    capture.args(line.split_whitespace()).current_dir(dir.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut capture = capture.env("ANTUMBRA_SERVER", format!("http://{address}")).spawn().unwrap();
    let file = dir.path().join("kept.ndjson");
    let listening = async {
        while !file.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), listening).await.unwrap();
    let mut sequence = 0;
    let feed = async {
        // The file is there a moment before the server listens.
        while capture.try_wait().unwrap().is_none() {
            for batch in told.chunks(50) {
                sequence += 1;
                let id = |one: &Observation| u128::from(sequence) * 100_000 + one.id.0;
                let batch: Vec<Observation> = batch
                    .iter()
                    .map(|told| Observation {
                        id: antumbra_observation::ExchangeId(id(&told.0)),
                        ..told.0.clone()
                    })
                    .collect();
                let answer = send_batch(address, sequence, &batch).await.unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(120), feed).await.unwrap();

    let mut places = Places(Vec::new());
    for line in [
        "report",
        "report --full",
        "report --output json",
        "report --output markdown",
        "status",
        "audit",
        "report --from kept.ndjson --policy shop.yaml --full",
        "report --from kept.ndjson --policy shop.yaml --output json",
        "try rules.yaml",
        "try rules.yaml --output json",
        "try rules.yaml --from kept.ndjson --policy shop.yaml",
    ] {
        places.0.push((format!("antumbra {line}"), asked(dir.path(), address, line)));
    }
    places.0.extend(replayed(dir.path(), "kept.ndjson", &told).await.0);
    let secret = formed().remove(0);
    for path in [
        "/v1/releases/shop/report".to_owned(),
        "/v1/status".into(),
        "/metrics".into(),
        "/v1/releases/shop/audit".into(),
        format!("/v1/policies/{secret}"),
        format!("/v1/releases/{secret}/report"),
        format!("/nowhere/{secret}?q={secret}"),
    ] {
        let answer = send(address, Method::GET, &path, &[("accept", "*/*")], "").await.unwrap();
        places.0.push((format!("GET {path}").replace(&secret, "…"), answer.text.into_bytes()));
    }
    let broken = format!("{secret}: [");
    let answer =
        send(address, Method::PUT, "/v1/policies/shop", &[("content-type", "application/yaml")], broken)
            .await
            .unwrap();
    places.0.push(("a broken policy".to_owned(), answer.text.into_bytes()));
    let line = std::fs::read(format!("/proc/{}/cmdline", process.0.id())).unwrap_or_default();
    places.0.push(("the process's arguments".to_owned(), line));
    places.files(dir.path());
    process.tell("-TERM");
    process.0.wait().unwrap();
    places.files(dir.path());

    let found = places.found(&canaries);
    assert!(found.is_empty(), "{} found: {:#?}", found.len(), found.iter().take(60).collect::<Vec<_>>());
    let shown = String::from_utf8_lossy(&places.0[1].1).into_owned();
    for kept in ["ROLL BACK", "/list/*/note", "(redacted: "] {
        assert!(shown.contains(kept), "{kept}: {shown}");
    }
    let captured = std::fs::read_to_string(&file).unwrap();
    assert_eq!(captured.lines().count(), told.len());
    for kept in [r#"\"kept\":1"#, "page=2", "a note of [redacted].", "[redacted]"] {
        assert!(captured.contains(kept), "{kept}");
    }
}

/// What is no secret stays readable, or a report says nothing.
#[tokio::test]
async fn ordinary_values_are_shown() {
    let world = World::with_shop().await;
    let values = [
        "7f6f7a0e-9b1c-4b59-8f39-6a1d1c7f0b11",
        "4539578763621487",
        "1700000000000",
        "Blue lamp, 12.50 EUR",
        "anna@shop.test",
        "2026-01-31T12:00:00Z",
        "W/5e8ff9bf55ba3508",
        "order ord_83749274",
        "https://shop.test/products/7?page=2",
    ];
    let body = |text: &str| {
        let member = |(at, value): (usize, &&str)| {
            format!(r#""note{at}":"{}""#, if text == "x" { "x" } else { value })
        };
        format!("{{{}}}", values.iter().enumerate().map(member).collect::<Vec<_>>().join(","))
    };
    let made =
        |id| differing(id, "/plain", "application/json", &body, &["x".into(), "y".into(), "x".into()]).0;
    let batch: Vec<Observation> = (1..=60).map(made).collect();
    assert_eq!(world.batch(1, &batch).await.status, 200);
    let report = world.get("/v1/releases/shop/report").await.text;
    for value in values {
        assert!(report.contains(value), "{value}: {report}");
    }
}
