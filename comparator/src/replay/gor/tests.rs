//! Files as GoReplay writes them, and as they are when something went wrong.

use antumbra_observation::Body;

use super::*;

fn read(text: &[u8]) -> Vec<Result<String, &'static str>> {
    until_cut(text).unwrap().into_iter().map(|(_, asked)| asked).collect()
}

/// The paths of requests and the reasons of what is skipped, with their places.
fn until_cut(mut text: &[u8]) -> io::Result<Vec<(At, Result<String, &'static str>)>> {
    let (mut found, mut gor) = (Vec::new(), Gor::default());
    while let Some(Entry { at, asked, .. }) = gor.next(&mut text)? {
        let asked = asked.map(|recorded| recorded.request.path.to_text().into_owned());
        found.push((at, asked.map_err(|skipped| skipped.as_str())));
    }
    Ok(found)
}

fn ok(path: &str) -> Result<String, &'static str> {
    Ok(path.to_owned())
}

fn get(path: &str) -> String {
    format!("1 a 1\nGET {path} HTTP/1.1\r\nHost: x\r\n\r\n\n{MONKEYS}\n")
}

fn bodies(text: &str) -> Vec<Result<String, String>> {
    let (mut text, mut gor) = (text.as_bytes(), Gor::default());
    let next = || gor.next(&mut text).unwrap();
    let body = |entry: Entry| match entry.asked {
        Ok(Recorded { request: antumbra_observation::Request { body: Body::Whole(body), .. }, .. }) => {
            Ok(body.to_text().into_owned())
        }
        Ok(_) => unreachable!(),
        Err(skipped) => Err(skipped.to_string()),
    };
    std::iter::from_fn(next).map(body).collect()
}

#[test]
fn requests_between_monkeys() {
    let text = "1 a1 1439818823587396305\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n\n🐵🙈🙉\n\
        2 a1 1439818823587396306 99\nHTTP/1.1 200 OK\r\n\r\n\n🐵🙈🙉\n\
        1 a2 1439818823587396307 0\nPOST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\na\n\nbc\n🐵🙈🙉\r\n\
        1 a3 1439818823587396308\nnonsense\n🐵🙈🙉\n\
        7 a4 1439818823587396308\nGET /x HTTP/1.1\r\n\r\n\n🐵🙈🙉\n\
        3 a1 1439818823587396306 99\nHTTP/1.1 200 OK\r\n\r\n\n🐵🙈🙉\n\
        1 a5 1439818823587396309\nGET /last HTTP/1.1\r\n\r\n\n🐵🙈🙉\n\n";
    let malformed = || Err("malformed");
    assert_eq!(read(text.as_bytes()), [ok("/a"), ok("/b"), malformed(), malformed(), ok("/last")]);
    assert_eq!(read("1 a 1\nGET /cut HTTP/1.1\r\nHos\n🐵🙈🙉\n".as_bytes()), [malformed()]);
    assert_eq!(read(b""), []);
    let posted = "1 a 1\nPOST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\na\n\nbc\n🐵🙈🙉\n";
    assert_eq!(bodies(posted), [Ok("a\n\nbc".to_owned())]);
}

#[test]
fn separators_and_blank_lines_between_records_are_harmless() {
    let text = format!("{MONKEYS}\n\n{}\r\n{MONKEYS}\n\n{}{MONKEYS}\n\n", get("/a"), get("/b"));
    assert_eq!(read(text.as_bytes()), [ok("/a"), ok("/b")]);
    let dos = format!("{}{}", get("/a"), get("/b")).replace("\r\n", "\n").replace('\n', "\r\n");
    assert_eq!(read(dos.as_bytes()), [ok("/a"), ok("/b")]);
    let terse = format!("1 a 1\nGET /a HTTP/1.1\r\n\r\n{MONKEYS}\n");
    assert_eq!(read(terse.as_bytes()), [ok("/a")]);
}

#[test]
fn bytes_behind_a_message_are_an_entry_that_is_malformed() {
    let lost = "1 b 2\nPUT /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nokPUT /2 HTTP/1.1\r\nContent-Length: 2\r\n\r\nno\n";
    let bare = "1 b 2\nGET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n\n";
    let chunked = "1 b 2\nPUT /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nmore\n";
    let numbered = "1 b 2\nGET /1 HTTP/1.1\r\n\r\n\n1 c 3\nGET /2 HTTP/1.1\r\n\r\n\n";
    for record in [lost, bare, chunked, numbered] {
        let text = format!("{}{record}{MONKEYS}\n{}", get("/0"), get("/3"));
        assert_eq!(read(text.as_bytes()), [ok("/0"), ok("/1"), Err("malformed"), ok("/3")], "{record}");
        let places: Vec<At> = until_cut(text.as_bytes()).unwrap().into_iter().map(|(at, _)| at).collect();
        let At::Record { record: number, byte, .. } = places[2] else { panic!() };
        let rest = &text[usize::try_from(byte).unwrap()..];
        let behind = ["PUT /2", "GET /2", "more", "\n1 c 3"];
        assert!(number == 2 && behind.iter().any(|begins| rest.starts_with(begins)), "{rest}");
    }
    let answer = "2 b 2 9\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok1 c 3\nGET /2 HTTP/1.1\r\n\r\n\n";
    let text = format!("{answer}{MONKEYS}\n{}", get("/3"));
    assert_eq!(read(text.as_bytes()), [Err("malformed"), ok("/3")]);
    let said = bodies(&format!("{lost}{MONKEYS}\n"));
    let expected = "40 bytes follow a message and belong to no record, as without a line 🐵🙈🙉 between two";
    assert_eq!(said, [Ok("ok".to_owned()), Err(expected.to_owned())]);
    let one = bodies(&format!("1 b 2\nGET /1 HTTP/1.1\r\n\r\nx\n{MONKEYS}\n"));
    let expected = "1 byte follows a message and belongs to no record, as without a line 🐵🙈🙉 between two";
    assert_eq!(one, [Ok(String::new()), Err(expected.to_owned())]);
}

/// Answers are not asked for, but what was merged into one is.
#[test]
fn a_request_that_is_merged_into_another_message_is_an_entry_that_is_malformed() {
    let request = "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nno\n";
    for message in [
        "2 b 2 9\nHTTP/1.1 200 OK\r\n\r\nok",
        "2 b 2 9\nHTTP/1.1 200 OK\r\n\r\nok1 c 3\n",
        "3 b 2 9\nHTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n1 c 3\n",
        "2 b 2 9\nHTTP/1.1 200 OK\r\nno colon\r\n\r\nok\n",
        "2 b 2 9\nnonsense\n",
    ] {
        let text = format!("{message}{request}{MONKEYS}\n{}", get("/3"));
        assert_eq!(read(text.as_bytes()), [Err("malformed"), ok("/3")], "{message}");
        let mut found = text.as_bytes();
        let line = Gor::default().next(&mut found).unwrap().unwrap().line.unwrap();
        assert_eq!((&line.method, &line.path), (&"POST".into(), &"/2".into()), "{message}");
    }
    let broken = format!("1 b 2\nPUT /1 HTTP/1.1\r\nContent-Length: 99\r\n\r\nx1 c 3\n{request}{MONKEYS}\n");
    assert_eq!(read(broken.as_bytes()), [Err("malformed"), Err("malformed")]);
}

#[test]
fn a_line_of_monkeys_in_a_body_ends_no_record() {
    let body = format!("a\n{MONKEYS}\nb");
    let length = body.len();
    let text = format!(
        "1 a 1\nPUT /a HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}\n{MONKEYS}\n\
         2 a 1 1\nHTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}\n{MONKEYS}\n\
         1 b 2\nPUT /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n\n{MONKEYS}\n"
    );
    assert_eq!(bodies(&text), [Ok(body.clone()), Ok(body)]);
    // So many of them that reading would take a while are no body any more.
    let many = format!("{MONKEYS}\nx\n").repeat(200_000);
    let text = format!(
        "1 a 1\nPUT /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n{many}\n{MONKEYS}\n{}",
        many.len(),
        get("/b")
    );
    let found = read(text.as_bytes());
    assert_eq!((found.first(), found.last()), (Some(&Err("malformed")), Some(&ok("/b"))));
    // A body that is only cut takes nothing of the next record.
    let cut = format!("1 a 1\nPUT /a HTTP/1.1\r\nContent-Length: 99\r\n\r\nabc\n{MONKEYS}\n{}", get("/b"));
    assert_eq!(read(cut.as_bytes()), [Err("malformed"), ok("/b")]);
    let short = format!("1 a 1\nPUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc\n{MONKEYS}\n");
    assert_eq!(bodies(&short), [Err("its body has 3 of the 4 bytes of its content-length".to_owned())]);
}

#[test]
fn a_file_that_is_cut_says_where() {
    let record = "1 a 1\nGET /a HTTP/1.1\r\n\r\n\n🐵🙈🙉\n";
    let text = record.repeat(2);
    for end in record.len() + 1..text.len() {
        let error = until_cut(&text.as_bytes()[..end]).unwrap_err().to_string();
        assert!(error.contains("begins in line 6 is cut"), "{end}: {error}");
        assert!(error.contains(&format!("ends at byte {end}, must end with")), "{end}: {error}");
    }
    assert_eq!(read(text.as_bytes()).len(), 2);
}

#[test]
fn a_record_beyond_the_bound_is_passed_over() {
    let large = vec![b'x'; MAX_RECORD];
    let lines = [b"x\n".repeat(10), b"y".repeat(MAX_RECORD / 2), b"\n".to_vec(), b"z".repeat(MAX_RECORD / 2)]
        .concat();
    for body in [large, lines] {
        let text =
            [b"1 a 1\n", &body[..], "\n🐵🙈🙉\n1 b 2\nGET /b HTTP/1.1\r\n\r\n\n🐵🙈🙉\n".as_bytes()].concat();
        assert_eq!(read(&text), [Err("too_large"), ok("/b")]);
        // Answers of any size are none.
        let answer = [b"2 a 1 9\nHTTP/1.1 200 OK\r\n\r\n", text.get(6..).unwrap()].concat();
        assert_eq!(read(&answer), [ok("/b")]);
    }
}
