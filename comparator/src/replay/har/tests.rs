//! Archives of several exporters, and what is wrong with some.

use antumbra_observation::{Body, Request};

use super::*;
use crate::replay::entry::{At, Skipped};

fn archive(entries: &str) -> Vec<Entry> {
    let text = format!(r#"{{"log": {{"version": "1.2", "entries": [{entries}], "comment": ""}}}}"#);
    let mut har = Har::read(text.as_bytes()).unwrap();
    std::iter::from_fn(|| har.next().unwrap()).collect()
}

fn asked(request: &str) -> Result<Request, Skipped> {
    let entry = archive(&format!(r#"{{"request": {request}}}"#)).remove(0);
    entry.asked.map(|recorded| recorded.request)
}

fn posted(headers: &str, posted: &str) -> Result<(String, Vec<(String, String)>), String> {
    let request = format!(
        r#"{{"method": "POST", "url": "http://shop.test/a", "headers": [{headers}], "postData": {posted}}}"#
    );
    match asked(&request) {
        Ok(Request { body: Body::Whole(body), headers, .. }) => {
            let headers = headers.iter().map(|(name, value)| (name.to_text().into(), value.to_text().into()));
            Ok((body.to_text().into_owned(), headers.collect()))
        }
        Ok(other) => panic!("{other:?}"),
        Err(skipped) => Err(format!("{}: {skipped}", skipped.as_str())),
    }
}

#[test]
fn requests_of_an_archive() {
    let found = archive(
        r#"{"request": {"method": "GET", "url": "https://shop.test/a?b=1#top", "headers": [
                {"name": ":path", "value": "/a"}, {"name": "Accept", "value": "café"}]}, "response": {"status": 401}, "time": 3},
            {"request": {"method": "POST", "url": "http://shop.test", "postData": {"mimeType": "x", "text": "a=b"}}, "response": {"status": 0}},
            {"request": {"method": "GET", "url": "http://x/"}, "response": {"status": "odd"}},
            {"request": {"method": "GET", "url": "http://x/"}, "response": "odd"},
            {"request": {"method": "GET", "url": "data:text/plain,x"}}"#,
    );
    let statuses: Vec<_> =
        found.iter().flat_map(|entry| &entry.asked).map(|recorded| recorded.status).collect();
    assert_eq!(statuses, [Some(401), None, None, None]);
    let first = &found[0].asked.as_ref().unwrap().request;
    assert_eq!(
        (&first.path, &first.authority, first.headers.len()),
        (&"/a?b=1".into(), &"shop.test".into(), 2)
    );
    assert_eq!(found[1].asked.as_ref().unwrap().request.body, Body::Whole("a=b".into()));
    let scheme = "the scheme of its url is data, must be http or https";
    assert_eq!(found[4].asked, Err(Skipped::Foreign(scheme.into())));
    assert_eq!(found[4].at, At::Entry { entry: 4, url: "data:…".to_owned() });
}

#[test]
fn an_odd_entry_costs_only_itself() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let entries = [
        "null".to_owned(),
        "7".to_owned(),
        "{}".to_owned(),
        r#"{"request": null}"#.to_owned(),
        r#"{"request": {"url": "http://x/b"}}"#.to_owned(),
        r#"{"request": {"method": "GET", "url": null}}"#.to_owned(),
        r#"{"request": {"method": "GET", "url": "http://x/c", "headers": [{"name": "a"}]}}"#.to_owned(),
        r#"{"request": {"method": "POST", "url": "http://x/d", "postData": {"mimeType": "x", "text": null}}}"#.to_owned(),
        r#"{"request": {"method": "POST", "url": "http://x/d", "postData": {"mimeType": "x", "text": 7}}}"#.to_owned(),
        r#"{"request": {"method": "GET", "url": "http://x/\ud800"}}"#.to_owned(),
    ];
    let whole = format!(
        r#"{{"_stack": {deep}, "request": {{"method": "GET", "url": "http://x/a", "headers": null}}}}"#
    );
    for odd in entries {
        let found = archive(&format!("{whole}, {odd}, {whole}"));
        let sent: Vec<bool> = found.iter().map(|entry| entry.asked.is_ok()).collect();
        assert_eq!(sent, [true, false, true], "{odd}: {found:?}");
        let why = found[1].asked.as_ref().unwrap_err();
        assert!(why.as_str() == "malformed" && !why.to_string().contains(" line "), "{odd}: {why}");
        assert!(matches!(&found[1].at, At::Entry { entry: 1, .. }), "{odd}");
    }
    let named =
        archive(r#"{"request": {"method": 7, "url": "https://u:p@shop.test/a?token=x&page=2"}}"#).remove(0);
    let url = "https://shop.test/a?token=(redacted)&page=2".to_owned();
    assert_eq!(named.at, At::Entry { entry: 0, url });
}

/// Messages are printed and kept by whoever runs this.
#[test]
fn an_odd_entry_is_named_without_its_values() {
    let messages: Vec<String> = [
        r#"{"method": "GET", "url": {"hush": 1}}"#,
        r#"{"method": "GET", "url": "/", "headers": [{"name": "cookie", "value": "a"}, {"name": "cookie", "value": ["hush"]}]}"#,
        r#"{"method": "GET", "url": "/", "headers": "hush, expected hush"}"#,
        r#"{"method": "POST", "url": "/", "postData": "hush"}"#,
        r#"{"method": "POST", "url": "/", "postData": {"params": [{"name": "password", "value": 4711}]}}"#,
    ]
    .map(|request| asked(request).unwrap_err().to_string())
    .to_vec();
    assert!(!messages.concat().contains("hush") && !messages.concat().contains("4711"), "{messages:?}");
    insta::assert_snapshot!(messages.join("\n"), @r"
    request.url is an object, must be a string
    request.headers[1].value is an array, must be a string
    request.headers is a string, must be an array
    request.postData is a string, must be an object
    request.postData.params[0].value is a number, must be a string
    ");
}

#[test]
fn members_stand_anywhere() {
    let entry = r#"{"request": {"method": "GET", "url": "http://x/a"}}"#;
    for text in [
        format!(r#"{{"comment": "x", "log": {{"entries": [{entry}]}}}}"#),
        format!(r#"{{"log": {{"entries": [{entry}], "pages": [1]}}, "more": {{"log": 1}}}}"#),
        format!(r#"{{"x": [{{}}], "log": {{"pages": [], "_x": {{"entries": 1}}, "entries": [{entry}]}}}}"#),
    ] {
        let mut har = Har::read(text.as_bytes()).unwrap();
        assert!(har.next().unwrap().unwrap().asked.is_ok() && har.next().unwrap().is_none(), "{text}");
    }
}

#[test]
fn what_is_no_archive_is_refused_and_one_that_is_cut_is_read_to_there() {
    for broken in [
        "{\"log\": {}}",
        "{}",
        "{\"log\": {\"entries\": [{\"request\": {\"method\"",
        "{\"log\": {\"entries\": {}}}",
    ] {
        assert!(matches!(Har::read(broken.as_bytes()), Err(Unreadable::Archive(_))), "{broken}");
    }
    let entry = r#"{"request": {"method": "GET", "url": "http://x/a"}}"#;
    let whole = format!(r#"{{"log": {{"entries": [{entry}, {entry}]}}}}"#);
    for (text, entries) in [
        (whole[..whole.len() - 9].to_owned(), 1),
        (whole[..whole.len() - 1].to_owned(), 2),
        (format!("{whole} more"), 2),
        (whole.replace(", {", "; {"), 1),
    ] {
        let mut har = Har::read(text.as_bytes()).unwrap();
        let read = std::iter::from_fn(|| har.next().ok().flatten()).count();
        assert_eq!(read, entries, "{text}");
        let mut har = Har::read(text.as_bytes()).unwrap();
        let cut = std::iter::from_fn(|| Some(har.next())).find_map(Result::err).unwrap().to_string();
        assert!(cut.starts_with(&format!("is broken behind its {entries} whole entries: ")), "{cut}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_cost_only_the_entry_that_needs_them() {
    let entry = |url: &str, more: &str| {
        format!(r#"{{"request": {{"method": "GET", "url": "http://x/{url}"}}, "x": "{more}"}}"#)
    };
    let text = format!(r#"{{"log": {{"entries": [{}, {}]}}}}"#, entry("a", "\u{e9}"), entry("\u{e9}", ""));
    let latin: Vec<u8> = text.chars().map(|char| u8::try_from(char).unwrap()).collect();
    let mut har = Har::read(&latin[..]).unwrap();
    let sent: Vec<bool> =
        std::iter::from_fn(|| har.next().unwrap()).map(|entry| entry.asked.is_ok()).collect();
    assert_eq!(sent, [true, false]);
}

#[test]
fn urls_and_methods() {
    let check = |url: &str, headers: &str, expected: Result<(&str, &str), &str>| {
        let request = format!(r#"{{"method": "get", "url": "{url}", "headers": [{headers}]}}"#);
        let found = asked(&request).map(|request| {
            assert_eq!(*request.method, *b"GET");
            (request.authority.to_text().into_owned(), request.path.to_text().into_owned())
        });
        let expected = expected.map(|(host, path)| (host.to_owned(), path.to_owned()));
        assert_eq!(found.map_err(|skipped| skipped.to_string()), expected.map_err(str::to_owned), "{url}");
    };
    let host = r#"{"name": "Host", "value": "own.test"}"#;
    let authority = r#"{"name": ":authority", "value": "h2.test"}"#;
    check("http://x/a#b", "", Ok(("x", "/a")));
    check(" http://x/a\\n ", "", Ok(("x", "/a")));
    check("/a?b#c", host, Ok(("own.test", "/a?b")));
    check("/a", authority, Ok(("h2.test", "/a")));
    check("/a", "", Ok(("", "/a")));
    check("//x:1/a", host, Ok(("x:1", "/a")));
    check("http://x/a b?q=\\\"<ü>`|'{}^", "", Ok(("x", "/a%20b?q=%22%3C%C3%BC%3E`|%27{}^")));
    check("a", "", Err("its url is neither absolute nor a path"));
    check("*", "", Err("its url is neither absolute nor a path"));
    check("", "", Err("its url is neither absolute nor a path"));
    check("http:///a", "", Err("its url has no host"));
    check("wss://x/a", "", Err("it opens a WebSocket, which is not replayed"));
    check("BLOB:http://x/1", "", Err("the scheme of its url is blob, must be http or https"));
    check(
        "chrome-extension://x/a",
        "",
        Err("the scheme of its url is chrome-extension, must be http or https"),
    );
    assert_eq!(*asked(r#"{"method": "pAtch", "url": "/"}"#).unwrap().method, *b"pAtch");
}

const FORM: &str = r#"{"name": "Content-Type", "value": "application/x-www-form-urlencoded"}"#;

#[test]
fn parameters_are_a_body() {
    let fields = r#"[{"name": "who", "value": "ä b"}, {"name": "x&y", "value": "1=2+3*"}, {"name": "none"}]"#;
    let form = "who=%C3%A4+b&x%26y=1%3D2%2B3*&none=";
    for (headers, mime) in
        [(FORM, "\"application/x-www-form-urlencoded\""), (FORM, "null"), ("", "null"), ("", "\"\"")]
    {
        let (body, headers) =
            posted(headers, &format!(r#"{{"mimeType": {mime}, "text": "", "params": {fields}}}"#)).unwrap();
        assert_eq!(body, form);
        let media = "application/x-www-form-urlencoded";
        assert!(
            headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("content-type") && value == media)
        );
    }
    let fields = r#"[{"name": "a\"", "value": "1\r\n2"}, {"name": "f", "fileName": "b.txt", "contentType": "text/csv", "value": "3"}]"#;
    let (body, headers) = posted(
        "",
        &format!(r#"{{"mimeType": "multipart/form-data; boundary=\"x y\"; a=b", "params": {fields}}}"#),
    )
    .unwrap();
    assert_eq!(headers, [("content-type".to_owned(), "multipart/form-data; boundary=antumbra".to_owned())]);
    insta::assert_snapshot!(body.replace('\r', "␍"), @r#"
    --antumbra␍
    Content-Disposition: form-data; name="a%22"␍
    ␍
    1␍
    2␍
    --antumbra␍
    Content-Disposition: form-data; name="f"; filename="b.txt"␍
    Content-Type: text/csv␍
    ␍
    3␍
    --antumbra--␍
    "#);
    let typed = r#"{"name": "content-type", "value": "multipart/form-data; boundary=--b/1"}"#;
    let fields = r#"[{"name": "a", "value": "has --b/1 in it"}]"#;
    let (body, headers) =
        posted(typed, &format!(r#"{{"mimeType": "multipart/form-data", "params": {fields}}}"#)).unwrap();
    assert!(body.starts_with("----b/1-\r\n"), "{body}");
    assert_eq!(headers[0].1, "multipart/form-data; boundary=\"--b/1-\"");
    let (body, _) = posted("", &format!(r#"{{"mimeType": "text/plain", "params": {fields}}}"#)).unwrap();
    assert_eq!(body, "a=has --b/1 in it\r\n");
    let odd = posted("", &format!(r#"{{"mimeType": "application/json", "params": {fields}}}"#));
    assert_eq!(
        odd,
        Err("malformed: its postData has params, which \"application/json\" cannot have".to_owned())
    );
    let file =
        posted("", r#"{"mimeType": "multipart/form-data", "params": [{"name": "f", "fileName": "b.txt"}]}"#);
    assert_eq!(file, Err("too_large: a file of its form was not recorded".to_owned()));
}

#[test]
fn a_text_is_a_body_as_it_was_sent_or_none() {
    let encoded = r#"{"name": "content-encoding", "value": "gzip"}"#;
    let long = |length: u32| format!(r#"{{"name": "Content-Length", "value": "{length}"}}"#);
    let body = |headers: &str, data: &str| posted(headers, data).map(|(body, _)| body);
    assert_eq!(body("", r#"{"text": "ü"}"#), Ok("ü".to_owned()));
    assert_eq!(body("", r#"{"text": "a", "params": [{"name": "b"}]}"#), Ok("a".to_owned()));
    assert_eq!(body(encoded, r#"{"text": "aGk=", "encoding": "base64"}"#), Ok("hi".to_owned()));
    assert_eq!(
        body("", r#"{"text": "a\u0000\ufffd", "mimeType": "image/png"}"#).unwrap_err(),
        "malformed: its body is not text, and postData.text does not have its bytes"
    );
    assert_eq!(body(&long(4), r#"{"text": "a\ufffd"}"#), Ok("a\u{fffd}".to_owned()));
    assert_eq!(
        body("", r#"{"text": "=", "_encoding": "base64"}"#).unwrap_err(),
        "malformed: its postData.text is not base64 as its encoding says"
    );
    assert_eq!(posted(encoded, r#"{"text": "{\"a\": 1}"}"#), Ok(("{\"a\": 1}".to_owned(), vec![])));
    assert!(
        body(encoded, r#"{"text": "\u001f\ufffd\b"}"#)
            .unwrap_err()
            .starts_with("malformed: its body is compressed")
    );
    assert_eq!(body("", r#"{"mimeType": "", "params": []}"#), Ok(String::new()));
    assert_eq!(body(&long(0), r#"{"mimeType": "x"}"#), Ok(String::new()));
    assert_eq!(
        body(&long(9), "null"),
        Err("too_large: it was recorded without its body of 9 bytes".to_owned())
    );
    let without = |bytes: &str| Err(format!("too_large: it was recorded without its body of {bytes}"));
    assert_eq!(body(&long(9), r#"{"mimeType": "x", "text": ""}"#), without("9 bytes"));
    assert_eq!(body(&long(1), r#"{"text": "", "params": []}"#), without("1 byte"));
    assert_eq!(body(&long(9), r#"{"text": "", "encoding": "base64"}"#), without("9 bytes"));
    let cut = |bytes: &str| Err(format!("too_large: its postData has {bytes} bytes of its body"));
    assert_eq!(body(&long(9), r#"{"text": "abc"}"#), cut("3 of the 9"));
    assert_eq!(body(&long(9), r#"{"text": "aGk=", "encoding": "Base64"}"#), cut("2 of the 9"));
    assert_eq!(body(&long(2), r#"{"text": "ü"}"#), Ok("ü".to_owned()));
    assert_eq!(body(&long(1), r#"{"text": "ü"}"#), Ok("ü".to_owned()), "characters, as some tools count");
    assert_eq!(
        body(&format!("{encoded}, {}", long(9)), r#"{"text": "abc"}"#),
        Ok("abc".to_owned()),
        "decoded, so of another length"
    );
    assert_eq!(
        body("", r#"{"text": "abc", "encoding": "hush"}"#).unwrap_err(),
        "malformed: its postData.encoding is unknown, must be base64 or missing"
    );
    let named = r#"{"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a"}]}"#;
    assert_eq!(body(&long(9), named), Ok("a=".to_owned()));
    assert_eq!(
        body(&long(9_000), named).unwrap_err(),
        "too_large: its postData.params hold less than the 9000 bytes of its body"
    );
    let (_, headers) = posted("", r#"{"mimeType": "text/csv", "text": "a"}"#).unwrap();
    assert_eq!(headers, [("content-type".to_owned(), "text/csv".to_owned())]);
    assert_eq!(posted("", r#"{"mimeType": "text/csv", "text": ""}"#), Ok((String::new(), vec![])));
    let unrecorded = asked(r#"{"method": "POST", "url": "/", "bodySize": 7}"#).unwrap_err();
    assert_eq!(unrecorded.as_str(), "too_large");
    let cut = r#"{"method": "PUT", "url": "/a?b", "bodySize": 7, "postData": {"mimeType": "x", "text": ""}}"#;
    assert_eq!(asked(cut).unwrap_err().to_string(), "it was recorded without its body of 7 bytes");
    let line = archive(&format!(r#"{{"request": {cut}}}"#)).remove(0).line.unwrap();
    assert_eq!((line.method, line.path), ("PUT".into(), "/a?b".into()));
    assert!(asked(r#"{"method": "GET", "url": "/", "bodySize": -1}"#).is_ok());
}
