//! Every kind of body through the whole engine: what is found where, what is equal, and what is counted as not read.

use std::io::Write as _;

use antumbra_engine::{Evidence, Kind, Report, Rules, TextStyle};
use antumbra_observation::{Body, Leg};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::world::{exchange, read};

/// An answer with these headers.
fn answer(headers: &[(&str, &str)], body: &[u8]) -> Leg {
    let leg = Leg::answer("", 200).with_kept(Body::Whole(body.into()));
    headers.iter().fold(leg, |leg, (name, value)| leg.with_header(name, *value))
}

/// The report after one exchange without control.
fn report(primary: Leg, candidate: Leg, rules: &Rules) -> Report {
    let mut evidence = Evidence::new();
    evidence.observe(&exchange(1, "/shop.Cart/Get", primary, candidate, None), rules);
    let stored: Vec<_> = evidence.take_dirty().collect();
    assert_eq!(Evidence::restore(stored).unwrap(), evidence);
    read(&evidence)
}

fn found(report: &Report) -> Vec<String> {
    report.uncontrolled.iter().map(|found| format!("{} {}", found.path, found.kind)).collect()
}

fn refused(report: &Report) -> Vec<&'static str> {
    report.refused.iter().map(|refused| refused.reason.name()).collect()
}

/// What stands in the examples of a difference in how far candidate and control are from the primary: for candidate and control.
fn farther(media: &str, bodies: impl Fn(u64) -> [String; 3]) -> (String, String) {
    let mut evidence = Evidence::new();
    for number in 1..=60 {
        let [primary, candidate, control] =
            bodies(number).map(|body| answer(&[("content-type", media)], body.as_bytes()));
        evidence.observe(&exchange(number, "/page", primary, candidate, Some(control)), &Rules::default());
    }
    let report = read(&evidence);
    let found = report.regressions.iter().find(|found| found.kind == Kind::Farther);
    let example = found.and_then(|found| found.example.clone()).expect("an example");
    (example.candidate, example.control.expect("what the control has"))
}

#[test]
fn an_example_of_what_is_farther_shows_what_the_control_has() {
    let (candidate, control) = farther("application/json", |number| {
        let body = |id: &str| format!("{{\"id\":\"{id}\"}}");
        [body(&format!("{number:08}")), body("undefined"), body(&format!("{:08}", number + 7_000))]
    });
    assert_eq!(candidate, "\"undefined\"");
    assert!(control.starts_with("\"00007"), "{control}");

    let (candidate, control) = farther("text/html", |number| {
        let body = |nonce: u64, id: u64, price: &str| {
            format!("<i>n{nonce}</i>\n<b>b</b>\n<p>{price}</p>\n<b>b</b>\n<i>m{id}</i>\n")
        };
        [
            body(number, number, "10.00"),
            body(number + 900, number, "0.99"),
            body(number, number + 900, "10.00"),
        ]
    });
    assert!(candidate.contains("n9"), "{candidate}");
    assert!(control.starts_with("line 5: \"<i>m9"), "{control}");
}

/// Two bodies of one type: the places in which they differ, and why they were not read.
fn check(media: &str, left: &[u8], right: &[u8], places: &[&str], reasons: &[&str]) {
    let headers = [("content-type", media)];
    let report = report(answer(&headers, left), answer(&headers, right), &Rules::default());
    let shown = |body: &[u8]| String::from_utf8_lossy(body).chars().take(200).collect::<String>();
    assert_eq!(found(&report), places, "{media}: {:?} {:?}", shown(left), shown(right));
    assert_eq!(refused(&report), reasons, "{media}: {:?} {:?}", shown(left), shown(right));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn records_fields_and_parts_have_places_of_their_own() {
    let ndjson = "application/x-ndjson";
    check(ndjson, b"{\"a\":1}\n{\"a\":2}\n", b"{\"a\":1}\n{\"a\":3}", &["/*/a value"], &[]);
    check(ndjson, b"{\"a\":1}\n{\"a\":2}", b"{\"a\":2}\n{\"a\":1}", &[" order"], &[]);
    check(ndjson, b"{\"a\":1}\n", b"{\"a\":1}\nbroken", &[" type"], &["malformed"]);
    let events = "text/event-stream; charset=utf-8";
    check(
        events,
        b"event: a\ndata: {\"p\":1}\n\n",
        b"event: a\ndata: {\"p\":2}\n\n",
        &["/*/data/p value"],
        &[],
    );
    check(events, b": ping\ndata: x\n\n", b"data: x\n\n", &[], &[]);
    check(events, b"data: x\n\n", b"data: x\n", &["/*/(undispatched) extra"], &[]);
    check(events, b"data: x\n\n", b"data: x\r", &["/*/(undispatched) extra"], &[]);
    let sequence = "application/json-seq";
    check(sequence, b"\x1e{\"a\":1}\n", b"\x1e{\"a\":2}\n", &["/*/a value"], &[]);
    check(sequence, b"\x1e{\"a\":1}\n", b"{\"a\":1}\n", &[" type"], &["malformed"]);
    check(sequence, b"\x1e1\n\x1e12\n", b"\x1e1\n\x1e12", &[" type"], &["malformed"]);
    check(ndjson, b"{\"a\":1}\n", b"{\"a\":1}", &[], &[]);
    let form = "application/x-www-form-urlencoded";
    check(form, b"a=1&b=2", b"b=2&a=%31", &[], &[]);
    check(form, b"a=1&b=2", b"b=3", &["/a missing", "/b value"], &[]);
    check("image/png", b"\x89PNG1", b"\x89PNG2", &[" value"], &[]);
    check("text/html", b"<p>a</p>", b"  <p>a</p>\n", &[], &[]);
    check("", b"{\"a\":1}", b"{\"a\":2}", &["/a value"], &[]);
    let (declared, bare) = (answer(&[("content-type", form)], b"a=1"), answer(&[], b"a=2"));
    let found = found(&report(declared, bare, &Rules::default()));
    assert_eq!(found, ["/a value", "header:content-type missing"]);
}

#[test]
fn parts_are_compared_as_what_they_are_and_boundaries_do_not_matter() {
    let body = |boundary: &str, json: &str, text: &str| {
        let part = |name: &str, media: &str, body: &str| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name={name}\r\nContent-Type: {media}\r\n\r\n{body}\r\n"
            )
        };
        let parts = part("meta", "application/json", json) + &part("text", "text/plain", text);
        let media = format!("multipart/form-data; boundary={boundary}");
        answer(&[("content-type", media.as_str())], format!("{parts}--{boundary}--\r\n").as_bytes())
    };
    let differences = |left, right| found(&report(left, right, &Rules::default()));
    assert!(differences(body("x", "{\"a\":1}", "t"), body("yy", "{\"a\":1.0}", "t")).is_empty());
    let expected = ["/meta/a value", "/text value"];
    assert_eq!(differences(body("x", "{\"a\":1}", "t"), body("x", "{\"a\":2}", "u")), expected);
    let other = |leg: Leg, from: &str, to: &str| {
        let Body::Whole(bytes) = &leg.response.as_ref().unwrap().body else { panic!("a whole body") };
        let body = Body::Whole(String::from_utf8_lossy(bytes).replace(from, to).into_bytes().into());
        leg.with_kept(body)
    };
    let left = || body("x", "{\"a\":1}", "t");
    let expected = ["/text missing", "/title extra"];
    assert_eq!(differences(left(), other(left(), "name=text", "name=title")), expected);
    assert_eq!(differences(left(), other(left(), "text/plain", "text/css")), ["/text/content-type value"]);
}

/// Each part may decode to a mebibyte, as a body of its own may; not a thousand of them.
#[test]
fn the_parts_of_a_body_decode_to_no_more_than_the_body_may() {
    let zipped = "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n";
    let body = |boundary: &str, parts: &[(&str, &[u8])]| {
        let begin = |headers: &str| format!("--{boundary}\r\n{headers}\r\n").into_bytes();
        let parts =
            parts.iter().flat_map(|(headers, part)| [begin(headers), part.to_vec(), b"\r\n".to_vec()]);
        [parts.collect::<Vec<_>>().concat(), format!("--{boundary}--\r\n").into_bytes()].concat()
    };
    let text = |last: &[u8]| gzip(&[&vec![b' '; 300 << 10], last].concat());
    let many = |boundary: &str, count: usize, last: &[u8]| {
        let part = text(last);
        body(boundary, &vec![(zipped, part.as_slice()); count])
    };
    let media = "multipart/mixed; boundary=b";
    check(media, &many("b", 3, b"a"), &many("b", 3, b"b"), &["/* value"], &[]);
    check(media, &many("b", 64, b"a"), &many("b", 64, b"b"), &["/* value"], &["ratio"]);
    // Parts within a part take from the same.
    let nested = |last: &[u8]| {
        let (inner, part) = (many("c", 2, last), text(last));
        let outer = "Content-Type: multipart/mixed; boundary=c\r\n";
        body("b", &[(outer, inner.as_slice()), (zipped, part.as_slice()), (zipped, part.as_slice())])
    };
    check(media, &nested(b"a"), &nested(b"b"), &["/* value", "/*/* value"], &["ratio"]);
}

#[test]
fn encodings_are_taken_off_first() {
    let json = [("content-type", "application/json")];
    let zipped = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let differences = |left: Leg, right: Leg| found(&report(left, right, &Rules::default()));
    let header = "header:content-encoding extra";
    assert_eq!(differences(answer(&json, b"{\"a\":1}"), answer(&zipped, &gzip(b"{\"a\": 1}"))), [header]);
    let expected = ["/a value", header];
    assert_eq!(differences(answer(&json, b"{\"a\":1}"), answer(&zipped, &gzip(b"{\"a\":2}"))), expected);
    assert_eq!(differences(answer(&zipped, &gzip(b"[1]")), answer(&zipped, &gzip(b"[2]"))), ["/* value"]);
}

#[test]
fn what_cannot_be_read_differs_and_says_so() {
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let bomb = gzip(&vec![b' '; 2 * 1024 * 1024]);
    let whole = gzip(b"{\"a\":1}");
    for (body, reason) in [(bomb.as_slice(), "ratio"), (&whole[..whole.len() - 3], "corrupt")] {
        let report = report(answer(&headers, &whole), answer(&headers, body), &Rules::default());
        assert_eq!(found(&report), [" value"]);
        assert_eq!(refused(&report), [reason]);
        let example = report.uncontrolled[0].example.as_ref().unwrap();
        let said = format!("{} bytes, xxh3 ", body.len());
        assert!(example.candidate.starts_with(&said), "{}", example.candidate);
        assert!(example.candidate.ends_with(&format!("(not read: {reason})")), "{}", example.candidate);
        assert!(
            report.to_text(TextStyle::default()).contains("Not read: bodies that were compared as bytes")
        );
        assert!(report.to_markdown().contains("| `GET /shop.Cart/Get` |"), "{}", report.to_markdown());
        let json = serde_json::to_value(&report.refused).unwrap();
        let expected = serde_json::json!([{"endpoint": "GET /shop.Cart/Get", "reason": reason, "candidate": 1, "control": 0}]);
        assert_eq!(json, expected);
    }
    let equal = report(answer(&headers, &bomb), answer(&headers, &bomb), &Rules::default());
    assert!(found(&equal).is_empty() && refused(&equal).is_empty(), "equal bytes are never decoded");
}

#[test]
fn rows_of_before_are_still_read() {
    let mut evidence = Evidence::new();
    let json = [("content-type", "application/json")];
    let exchange = exchange(1, "/", answer(&json, b"1"), answer(&json, b"2"), None);
    evidence.observe(&exchange, &Rules::default());
    let rows = evidence.take_dirty();
    let old: Vec<_> = rows.map(|row| without(row, b"refusals")).collect();
    assert_eq!(Evidence::restore(old).unwrap(), evidence);
}

/// A stored row as an engine wrote it that did not know a field, whose value is an empty map.
fn without(mut row: antumbra_engine::Row, field: &[u8]) -> antumbra_engine::Row {
    let Some(at) = row.bytes.windows(field.len()).position(|bytes| bytes == field) else { return row };
    // A map of four becomes one of three; the name has a byte of length before it, the empty map is one byte.
    assert_eq!(row.bytes[0], 0xa4);
    row.bytes[0] = 0xa3;
    row.bytes.drain(at - 1..=at + field.len());
    row
}
