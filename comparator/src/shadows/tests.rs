//! Shadow calls to real services on loopback, well and badly behaved.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use antumbra_observation::{Body, ExchangeId, Leg, Outcome, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use xxhash_rust::xxh3::xxh3_64;

use super::*;

/// A service that answers each connection's first request with these bytes and closes it; with nothing, it never answers.
async fn service(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answer));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, answer: &'static [u8]) {
    let mut read = vec![0; 4096];
    let length = stream.read(&mut read).await.unwrap_or(0);
    if length == 0 {
        return;
    }
    match answer {
        b"" => std::future::pending().await,
        b"echo" => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            let _ = stream.write_all(&[head.as_bytes(), &read[..length]].concat()).await;
        }
        _ => drop(stream.write_all(answer).await),
    }
}

fn call(address: SocketAddr, method: &str) -> Call {
    let url = "http://shop.test/v2".parse().unwrap();
    let request = Request {
        method: method.into(),
        path: "/a?b=1".into(),
        headers: vec![("x-latin".into(), b"caf\xe9"[..].into())],
        body: Body::Whole("asked".into()),
        ..Request::default()
    };
    Call {
        target: Arc::new(Target::new("canary", &url, address, 2).unwrap()),
        message: Arc::new(Asked::new(&request, ExchangeId(11)).unwrap()),
        timeout: Duration::from_secs(20),
        kept: None,
    }
}

fn shadows() -> Shadows {
    Shadows::new(8, Limits { kept: 8, read: 1_000 })
}

async fn answered(answer: &'static [u8], method: &str) -> Leg {
    let leg = shadows().ask(call(service(answer).await, method), Began::now()).await;
    assert!(leg.latency_us.is_some() && leg.sent_us.is_some(), "{leg:?}");
    assert_eq!((leg.outcome == Outcome::Response, &*leg.variant), (leg.response.is_some(), "canary"));
    leg
}

fn body(leg: Leg) -> Body {
    leg.response.unwrap().body
}

#[tokio::test]
async fn the_service_sees_the_request_marked_as_a_shadow_and_under_its_name() {
    let limits = Limits { kept: 4_096, read: 4_096 };
    let address = service(b"echo").await;
    let Body::Whole(seen) = body(Shadows::new(1, limits).ask(call(address, "POST"), Began::now()).await)
    else {
        panic!()
    };
    let seen = seen.0.iter().map(|byte| char::from(*byte)).collect::<String>();
    let (head, sent) = seen.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.lines().collect();
    assert_eq!((lines.remove(0), sent), ("POST /v2/a?b=1 HTTP/1.1", "asked"));
    lines.sort_unstable();
    let expected = [
        "content-length: 5",
        "host: shop.test",
        "x-antumbra-shadow: 0000000000000000000000000000000b",
        "x-latin: caf\u{e9}",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn answers_and_why_there_is_none() {
    for (answer, outcome) in [
        (&b"HTTP/1.1 204 No Content\r\n\r\n"[..], Outcome::Response),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
            Outcome::Response,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Outcome::Reset),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n", Outcome::Reset),
        (b"HTTP/1.1 200", Outcome::Refused),
        (b"nonsense\r\n\r\n", Outcome::Refused),
    ] {
        let leg = answered(answer, "GET").await;
        assert_eq!(leg.outcome, outcome, "{}", String::from_utf8_lossy(answer));
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(shadows().ask(call(nobody, "GET"), Began::now()).await.outcome, Outcome::Refused);
    let hanging = Call { timeout: Duration::from_millis(50), ..call(service(b"").await, "GET") };
    assert_eq!(shadows().ask(hanging, Began::now()).await.outcome, Outcome::Timeout);
}

#[tokio::test]
async fn an_answer_is_kept_up_to_a_cap_and_read_up_to_a_bound() {
    let leg =
        answered(b"HTTP/1.1 200 OK\r\nx-a: 1\r\nx-b: \xe9\r\nx-a: 2\r\ncontent-length: 3\r\n\r\nabc", "GET")
            .await;
    let response = leg.response.unwrap();
    assert_eq!(response.body, Body::Whole("abc".into()));
    let mut headers = response.headers;
    headers.sort();
    let expected: [(&str, &[u8]); 4] =
        [("content-length", b"3"), ("x-a", b"1"), ("x-a", b"2"), ("x-b", b"\xe9")];
    assert_eq!(headers, expected.map(|(name, value)| (name.into(), value.into())));
    let long = answered(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n012345678", "GET").await;
    assert_eq!(body(long), Body::Cut { length: 9, xxh3: xxh3_64(b"012345678") });
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n";
    let chunked = answered(chunked, "GET").await.response.unwrap();
    assert_eq!(
        (chunked.body, chunked.trailers),
        (Body::Whole("ab".into()), vec![("x-sum".into(), "1".into())])
    );
    let head = answered(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", "HEAD").await;
    assert_eq!(body(head), Body::default());
    let endless: &[u8] =
        Box::leak([b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 1_001]].concat().into_boxed_slice());
    assert_eq!(answered(endless, "GET").await.outcome, Outcome::Reset);
}

#[tokio::test]
async fn the_legs_of_an_exchange_are_held_against_the_primary() {
    let primary = Response { status: 200, body: Body::Whole("abc".into()), ..Response::default() };
    let primary =
        Leg { outcome: Outcome::Response, response: Some(primary), ..Leg::not_sent("stable", None) };
    let same = service(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc").await;
    let other = service(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabd").await;
    for candidate_first in [true, false] {
        let (candidate, control) = (call(other, "GET"), call(same, "GET"));
        let (candidate, control) =
            shadows().exchange(&primary, Began::now(), candidate, Some(control), candidate_first).await;
        assert_eq!((body(candidate), body(control.unwrap())), (Body::Whole("abd".into()), Body::Same));
    }
    for candidate_first in [true, false] {
        let (candidate, control) = (call(other, "GET"), call(same, "GET"));
        let began = Began::at(1_000_000, 3_000_000);
        let (candidate, control) =
            shadows().exchange(&primary, began, candidate, Some(control), candidate_first).await;
        let [candidate, control] = [candidate, control.unwrap()].map(|leg| leg.sent_us.unwrap());
        let (first, second) = if candidate_first { (candidate, control) } else { (control, candidate) };
        assert!(2_000_000 <= first && first <= second, "{first} {second}");
    }
    let (candidate, control) =
        shadows().exchange(&primary, Began::now(), call(same, "GET"), None, true).await;
    assert_eq!((body(candidate), control), (Body::Same, None));
}

#[tokio::test]
async fn what_exceeds_a_limit_is_not_sent() {
    let hanging = Call { timeout: Duration::from_secs(600), ..call(service(b"").await, "GET") };
    for (most, held) in [(8, 2), (1, 1)] {
        let shadows = Shadows::new(most, Limits::default());
        let spawned = |_| shadows.spawn(hanging.clone(), shadows.place(&hanging).unwrap(), Began::now());
        let asking: Vec<Asking> = (0..held).map(spawned).collect();
        let refused = shadows.ask(hanging.clone(), Began::now()).await;
        assert_eq!(refused, Leg::not_sent("canary", Some(Unsent::NoPlace)), "{most}");
        drop(asking);
        let freed = async {
            while shadows.places.available_permits() < most {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), freed).await.unwrap();
    }
}

#[tokio::test]
async fn candidate_and_control_are_asked_together_or_not_at_all() {
    let (candidate, control) = (call(service(b"").await, "GET"), call(service(b"echo").await, "GET"));
    let shadows = shadows();
    let taken: Vec<_> = std::iter::from_fn(|| candidate.target.place()).collect();
    for (one, other) in [(&candidate, &control), (&control, &candidate)] {
        let unasked = Leg::not_sent("canary", Some(Unsent::NoPlace));
        let legs = shadows.exchange(&unasked, Began::now(), one.clone(), Some(other.clone()), true).await;
        assert_eq!(legs, (unasked.clone(), Some(unasked)), "{} places are taken", taken.len());
    }
    assert_eq!(shadows.places.available_permits(), 8, "nothing is held for a call that does not leave");
}
