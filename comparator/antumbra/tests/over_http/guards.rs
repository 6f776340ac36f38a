//! Who is kept out, over real HTTP: no token, foreign pages, slow and oversized senders.

use crate::server::{SHOP, World, healthy};
use antumbra_comparator::{
    Config, Connections, Descriptors, Error, KEEP_EXAMPLES, Keys, Plugins, Targets, serve,
};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TOKEN: &str = "correct-horse-battery";

#[tokio::test]
async fn with_a_token_every_route_but_health_asks_for_it() {
    let world = World::new(Some(TOKEN)).await;
    for (method, path) in [
        (Method::POST, "/v1/observations"),
        (Method::POST, "/v1/heartbeats"),
        (Method::GET, "/v1/policies"),
        (Method::GET, "/v1/policies/shop"),
        (Method::PUT, "/v1/policies/shop"),
        (Method::PATCH, "/v1/policies/shop/mirror"),
        (Method::PATCH, "/v1/policies/shop/weights"),
        (Method::DELETE, "/v1/policies/shop"),
        (Method::GET, "/v1/policies/shop/audit"),
        (Method::GET, "/v1/policies/shop/generations"),
        (Method::GET, "/v1/policies/shop/generations/1"),
        (Method::GET, "/v1/releases/shop/report"),
        (Method::DELETE, "/v1/releases/shop/evidence"),
        (Method::GET, "/v1/releases/shop/exchanges"),
        (Method::GET, "/v1/status"),
        (Method::GET, "/metrics"),
        (Method::GET, "/nowhere"),
    ] {
        for authorization in ["", "Bearer wrong-horse-battery"] {
            let answer = world.send(method.clone(), path, &[("authorization", authorization)], "").await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(world.get(path).await.status, 200, "{path}");
    }
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/yaml")];
    assert_eq!(world.send(Method::PUT, "/v1/policies/shop?create=true", &headers, SHOP).await.status, 201);
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let world = World::with_shop().await;
    let ours = format!("http://{}", world.address);
    for (headers, expected) in [
        (vec![("origin", "http://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("host", "evil.example")], 403),
        (vec![("origin", ours.as_str()), ("sec-fetch-site", "same-origin")], 200),
        (vec![("content-type", "text/plain")], 415),
    ] {
        let mut all = headers.clone();
        if expected != 415 {
            all.push(("content-type", "application/json"));
        }
        let answer = world.send(Method::PATCH, "/v1/policies/shop/mirror", &all, r#"{"percent": 5}"#).await;
        assert_eq!(answer.status.as_u16(), expected, "{headers:?} {answer:?}");
    }
    assert_eq!(world.get("/v1/policies/shop").await.header("etag"), "\"1\"");
}

#[tokio::test]
async fn pages_of_other_sites_take_no_place_of_a_capture() {
    let world = World::with_shop().await;
    for _ in 0..8 {
        let headers = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
        let answer = world.send(Method::GET, "/v1/releases/shop/exchanges", &headers, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("x-content-type-options")), (403, "nosniff"));
    }
}

#[tokio::test]
async fn nothing_is_open_by_default() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let config = Config {
        data: dir.path().join("a.db"),
        audit_keys: Keys::default(),
        policies: Vec::new(),
        token: None,
        connections: Connections::default(),
        targets: Targets::default(),
        descriptors: Descriptors::default(),
        plugins: Plugins::default(),
        keep_examples: KEEP_EXAMPLES,
    };
    assert!(matches!(serve(listener, config, async {}).await, Err(Error::Open(_))));
}

#[tokio::test]
async fn an_endless_body_without_a_length_is_cut_off() {
    let world = World::with_shop().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = "POST /v1/observations HTTP/1.1\r\nhost: a\r\ncontent-type: application/cbor-seq\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[0; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    // The server stops reading soon after its limit; it must not take much more.
    while sent <= 64 << 20 && stream.write_all(&chunk).await.is_ok() {
        sent += 0x10000;
        let mut answer = [0; 64];
        let peeked =
            tokio::time::timeout(std::time::Duration::from_millis(1), stream.peek(&mut answer)).await;
        if matches!(peeked, Ok(Ok(n)) if n > 0) {
            break;
        }
    }
    let mut answer = vec![0; 256];
    let read = stream.read(&mut answer).await.unwrap_or(0);
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 413"), "after {sent} bytes: {answer}");
    world.batch(1, &healthy(1)).await;
    let accounts = world.accounts().await;
    assert_eq!((&accounts["refused"]["too_large"], &accounts["compared"]), (&1.into(), &1.into()));
}

#[tokio::test]
async fn slow_bodies_reserve_only_what_they_sent() {
    let world = World::with_shop().await;
    let head = "POST /v1/observations HTTP/1.1\r\nhost: a\r\ncontent-type: application/cbor-seq\r\n\
                content-length: 8388608\r\n\r\n\0";
    let mut slow = Vec::new();
    for _ in 0..30 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // A request behind them on another connection shows that they were read.
    for sequence in 1..=5 {
        assert_eq!(world.batch(sequence, &healthy(2)).await.status, 200);
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_too() {
    let world = World::with_shop().await;
    for (method, path, expected) in [
        (Method::GET, "/v2", 404),
        (Method::GET, "/v1/observations", 405),
        (Method::POST, "/v1/policies/shop", 405),
        (Method::GET, "/v1/releases/shop/report?format=xml", 400),
        (Method::GET, "/v1/releases/none/report", 404),
        (Method::GET, "/v1/policies/%ff", 400),
        (Method::GET, "/v1/releases/%ff/report", 400),
        (Method::GET, "/v1/releases/shop/report?format=json&format=text", 400),
    ] {
        let answer = world.send(method, path, &[], "").await;
        assert_eq!(answer.status.as_u16(), expected, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    }
}
