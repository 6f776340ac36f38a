//! What `antumbra replay` makes of recordings as tools write them: what the services are asked, and what is said of the rest.

use crate::command_line::{Line, antumbra};
use crate::server::World;
use crate::service::{Seen, Service, Version};
use serde_json::{Value, json};

/// What came of a recording, and what the primary was asked.
struct Replayed {
    line: Line,
    seen: Vec<Seen>,
}

impl Replayed {
    async fn of(file: impl AsRef<[u8]>, options: &str) -> Self {
        let world = World::new(None).await;
        std::fs::write(world.data().with_file_name("recording"), file).unwrap();
        let (primary, candidate) =
            (Service::start(Version::Price(10)).await, Service::start(Version::Price(10)).await);
        let legs = format!("--primary {} --candidate {}", primary.url(), candidate.url());
        let line = antumbra(&world, &format!("replay recording {legs} --timeout 20s {options}")).await;
        Self { line, seen: primary.seen() }
    }

    fn lines(&self) -> Vec<&str> {
        self.seen.iter().map(|seen| seen.line.as_str()).collect()
    }

    fn says(&self, expected: &[&str]) {
        for expected in expected {
            let Line { out, err, .. } = &self.line;
            assert!(out.lines().any(|line| line == *expected), "{expected}: {out}{err}");
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str::<Value>(&self.line.out).unwrap()["replay"].take()
    }
}

fn record(message: &str) -> String {
    format!("1 7d3fa1 1439818823587396305\n{message}\n🐵🙈🙉\n")
}

fn get(path: &str) -> String {
    record(&format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n"))
}

fn put(path: &str, body: &str) -> String {
    format!("PUT {path} HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn har(entries: &[Value]) -> String {
    json!({"log": {"version": "1.2", "entries": entries}}).to_string()
}

fn entry(url: &str) -> Value {
    json!({"request": {"method": "GET", "url": url, "headers": []}, "response": {"status": 200}})
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_belong_to_no_record_are_said_and_what_is_whole_is_sent() {
    let lost = record(&format!("{}{}", put("/2", "two"), put("/3", "three")));
    let behind = record(&format!("{}rubbish", put("/4", "four")));
    let file = format!("🐵🙈🙉\n{}{lost}{behind}{}", get("/1"), get("/5"));
    let replayed = Replayed::of(&file, "--unsafe-methods allow").await;
    assert_eq!(replayed.lines(), ["GET /1", "GET /5", "PUT /2", "PUT /4"]);
    assert_eq!((replayed.seen[2].body.as_str(), replayed.seen[3].body.as_str()), ("two", "four"));
    let place = |text: &str| {
        let byte = file.find(text).unwrap();
        format!("(line {}, byte {byte})", 1 + file[..byte].matches('\n').count())
    };
    let behind = "belong to no record, as without a line 🐵🙈🙉 between two";
    replayed.says(&[
        "6 requests read: 4 sent, 4 compared",
        "skipped: malformed 2",
        &format!("  record 2 {}: malformed, 69 bytes follow a message and {behind}", place("PUT /3")),
        &format!("  record 3 {}: malformed, 7 bytes follow a message and {behind}", place("rubbish")),
    ]);
    let replayed = Replayed::of(&file, "--output json").await;
    let skipped = replayed.json();
    assert_eq!(skipped["skipped"], json!({"malformed": 2, "unsafe_method": 2}));
    let second = file.match_indices("1 7d3fa1").nth(1).unwrap().0;
    let line = 1 + file[..second].matches('\n').count();
    let expected = json!({"record": 2, "line": line, "byte": second, "reason": "unsafe_method", "message": "PUT may write"});
    assert_eq!(skipped["skippedEntries"][0], expected, "{skipped}");
    assert_eq!(skipped["skippedEntries"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_any_order_is_read_and_an_odd_entry_costs_only_itself() {
    let mut odd = entry("http://shop.test/odd?token=abc");
    odd["request"]["postData"] = json!({"mimeType": "x", "text": null});
    let entries = [entry("http://shop.test/a"), odd, entry("data:text/plain,x"), entry("http://shop.test/b")];
    let log = json!({"entries": entries, "pages": []});
    let file = format!("\u{feff}{{\"comment\": {{\"log\": 1}},\n\"log\": {log}, \"_more\": []}}");
    let replayed = Replayed::of(&file, "").await;
    assert_eq!(replayed.lines(), ["GET /a", "GET /b"]);
    replayed.says(&[
        "4 requests read: 2 sent, 2 compared",
        "skipped: malformed 2",
        "  log.entries[1] http://shop.test/odd?token=(redacted): malformed, its postData has neither text nor params, so its body is not known",
        "  log.entries[2] data:…: malformed, the scheme of its url is data, must be http or https",
    ]);
    let cut = Replayed::of(&file[..file.find("data:").unwrap()], "").await;
    assert_eq!((cut.line.code, cut.lines()), (4, vec!["GET /a"]), "{}", cut.line.out);
    assert!(
        cut.line.err.contains("recording: is broken behind its 2 whole entries: EOF"),
        "{}",
        cut.line.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parameters_of_a_form_are_its_body() {
    let post = |path: &str, mime: &str, params: Value| {
        let headers = json!([{"name": "content-type", "value": mime}, {"name": ":method", "value": "POST"}]);
        let posted = json!({"mimeType": mime, "params": params});
        json!({"request": {"method": "post", "url": format!("https://shop.test{path}"), "headers": headers, "postData": posted}})
    };
    let fields = json!([{"name": "name", "value": "J. Ü"}, {"name": "sum", "value": "1+1=2&3"}]);
    let entries = [
        post("/form", "application/x-www-form-urlencoded", fields.clone()),
        post("/parts", "multipart/form-data; boundary=b0", fields),
    ];
    let replayed = Replayed::of(har(&entries), "--unsafe-methods allow").await;
    assert_eq!(replayed.lines(), ["POST /form", "POST /parts"]);
    let [form, parts] = &replayed.seen[..] else { panic!("{:?}", replayed.seen) };
    assert_eq!(form.body, "name=J.+%C3%9C&sum=1%2B1%3D2%263");
    assert_eq!(form.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(parts.headers["content-type"], "multipart/form-data; boundary=b0");
    let part = |name: &str, value: &str| {
        format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    assert_eq!(parts.body, format!("{}{}--b0--\r\n", part("name", "J. Ü"), part("sum", "1+1=2&3")));
    assert_eq!(parts.headers["content-length"], parts.body.len().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conditions_of_the_recorded_client_are_left_out_unless_asked_for() {
    let mut conditional = entry("http://shop.test/a");
    conditional["request"]["headers"] = json!([
        {"name": "If-None-Match", "value": "\"1\""}, {"name": "if-range", "value": "\"1\""},
        {"name": "Range", "value": "bytes=0-9"}, {"name": "If-Modified-Since", "value": "Thu, 01 Jan 1970 00:00:00 GMT"}]);
    let file = har(&[conditional, entry("http://shop.test/b")]);
    let replayed = Replayed::of(&file, "").await;
    let headers = &replayed.seen[0].headers;
    assert!(!headers.keys().any(|name| name.as_str().starts_with("if-")), "{headers:?}");
    assert_eq!(headers["range"], "bytes=0-9");
    let said = "sent without the client's conditions, or with --conditional-headers send: if-modified-since 1, if-none-match 1, if-range 1";
    replayed.says(&["2 requests read: 2 sent, 2 compared", said]);
    let replayed = Replayed::of(&file, "--conditional-headers send --output json").await;
    assert_eq!(replayed.seen[0].headers["if-none-match"], "\"1\"");
    assert_eq!(replayed.json()["unconditional"], json!({}));
    let replayed = Replayed::of(&file, "--header if-none-match=mine --output json").await;
    assert_eq!(replayed.seen[0].headers["if-none-match"], "mine");
    assert_eq!(replayed.json()["unconditional"], json!({"if-modified-since": 1, "if-range": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_browsers_encode_is_encoded_and_not_skipped() {
    let typed = "/find me?q=\"<a>\"`b|c^{d}'é'";
    let observed = json!({"version": 1, "id": "00000000000000000000000000000001", "request": {"method": "GET", "path": typed}});
    for (file, expected) in [
        (
            har(&[entry(&format!("http://shop.test{typed}#top"))]),
            "GET /find%20me?q=%22%3Ca%3E%22`b|c^{d}%27%C3%A9%27",
        ),
        (get(typed), "GET /find%20me?q=%22%3Ca%3E%22`b|c^{d}'%C3%A9'"),
        (observed.to_string(), "GET /find%20me?q=%22%3Ca%3E%22`b|c^{d}'%C3%A9'"),
    ] {
        let replayed = Replayed::of(&file, "").await;
        assert_eq!(replayed.lines(), [expected], "{file}: {}{}", replayed.line.out, replayed.line.err);
        replayed.says(&["1 request read: 1 sent, 1 compared"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_capture_that_are_skipped_are_named_up_to_a_bound() {
    let observed = |id: u64, method: &str| {
        json!({"version": 1, "id": format!("{id:032x}"), "request": {"method": method, "path": "/a"}})
            .to_string()
    };
    let mut lines = vec![observed(1, "GET"), String::new(), observed(1, "GET")];
    lines.extend((2..62).map(|id| observed(id, "DELETE")));
    lines.push(observed(99, "GET")[..40].to_owned());
    let replayed = Replayed::of(lines.join("\n"), "").await;
    assert_eq!(replayed.lines(), ["GET /a"]);
    replayed.says(&[
        "63 requests read: 1 sent, 1 compared",
        "skipped: malformed 1, same_id 1, unsafe_method 60",
        "  line 3: same_id, the same exchange was read before",
        "  line 4: unsafe_method, DELETE may write",
        "  line 64: malformed, EOF while parsing an object at column 40",
        "  and 42 more",
    ]);
    let named = replayed.line.out.lines().filter(|line| line.starts_with("  line ")).count();
    assert_eq!(named, 20, "{}", replayed.line.out);
}

/// What is skipped by design holds nothing up and is named; what could not be read is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_what_of_a_recording_was_not_looked_at() {
    let sized = |method: &str, path: &str, size: u32| json!({"request": {"method": method, "url": format!("http://shop.test{path}"), "bodySize": size}});
    let mut entries = vec![entry("http://shop.test/a"); 5];
    entries.extend([sized("POST", "/orders/7", 0), sized("GET", "/a", 9), entry("data:text/plain,x")]);
    entries.extend(vec![sized("PUT", "/cart", 9); 3]);
    let replayed = Replayed::of(har(&entries), "--output json").await;
    assert_eq!(replayed.lines(), ["GET /a"; 5]);
    let report: Value = serde_json::from_str(&replayed.line.out).unwrap();
    assert_eq!((&report["verdict"], &report["reasonDetails"][0]["code"]), (&"wait".into(), &"unread".into()));
    let said =
        "40 % of the recorded requests could not be asked again (too_large 4), at most 1 % may be missing";
    assert_eq!(report["reasons"][0], said);
    let told = |cause: &str| {
        let all = report["notCovered"].as_array().unwrap();
        all.iter().find(|found| found["cause"] == cause).map(|found| found["text"].as_str().unwrap())
    };
    assert_eq!(
        told("not-asked"),
        Some(
            "2 endpoints of the recording with 4 requests are not covered, since none of their requests was compared: \
             PUT /cart and POST /orders/{id}."
        )
    );
    assert!(told("unread").unwrap().starts_with("4 of 10 recorded requests could not be asked again"));
    let by_design =
        har(&[entry("http://shop.test/a"), sized("POST", "/orders/7", 0), entry("data:text/plain,x")]);
    let replayed = Replayed::of(by_design, "--output json").await;
    let report: Value = serde_json::from_str(&replayed.line.out).unwrap();
    let codes = report["reasonDetails"].to_string() + &report["notCovered"].to_string();
    assert!(codes.contains("not-asked") && !codes.contains("unread"), "{codes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_capture_lost_is_missing_in_its_replay() {
    let observed = |id: u64| {
        json!({"version": 1, "id": format!("{id:032x}"), "request": {"method": "GET", "path": "/a"}})
            .to_string()
    };
    let lines = [observed(1), "{ \"lost\": 3 }".to_owned(), observed(2)].join("\n");
    let replayed = Replayed::of(&lines, "").await;
    replayed.says(&[
        "2 requests read: 2 sent, 2 compared",
        "lost while they were captured, so not in the recording: 3 exchanges",
    ]);
    // The same capture twice lost the same.
    let replayed = Replayed::of(format!("{lines}\n{lines}"), "--output json").await;
    assert_eq!((&replayed.json()["lost"], &replayed.json()["skipped"]), (&3.into(), &json!({"same_id": 2})));
    assert!(replayed.line.out.contains("could not be asked again (lost 3)"), "{}", replayed.line.out);
}
