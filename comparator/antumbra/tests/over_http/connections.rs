//! Connections under attack: whoever asks is answered, however many others are silent, guess tokens, or never read.

use antumbra_comparator::Connections;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{SHOP, World, healthy};

const TOKEN: &str = "correct-horse-battery";

fn few(most: usize) -> Connections {
    Connections { most, per_address: most }
}

/// The value of a line of the metrics; 0 if there is no such line.
async fn metric(world: &World, headers: &[(&str, &str)], name: &str) -> u64 {
    let metrics = world.send(Method::GET, "/metrics", headers, "").await;
    assert_eq!(metrics.status, 200, "{metrics:?}");
    let line = metrics.text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

#[tokio::test]
async fn who_says_nothing_gives_way_to_who_asks() {
    let world = World::with_places(None, few(8)).await;
    world.put("shop", SHOP).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(world.address).await.unwrap());
    }
    for mut half in [TcpStream::connect(world.address).await.unwrap()] {
        half.write_all(b"GET /healthz HTTP/1.1\r\nx: ").await.unwrap();
        silent.push(half);
    }
    assert_eq!(world.get("/healthz").await.status, 200);
    assert_eq!(world.batch(1, &healthy(2)).await.status, 200);
    let told = silent[0].read(&mut [0; 1]).await;
    assert!(matches!(told, Ok(0) | Err(_)), "{told:?}");
    let gave_way =
        metric(&world, &[], "antumbra_comparator_connections_refused_total{reason=\"gave_way\"}").await;
    assert!(gave_way >= 93, "{gave_way}");
    // Those that nobody needs the place of are closed when they said nothing for a while.
    let told = silent.last_mut().unwrap().read(&mut [0; 1]).await;
    assert!(matches!(told, Ok(0) | Err(_)), "{told:?}");
    let silent =
        metric(&world, &[], "antumbra_comparator_connections_refused_total{reason=\"silent\"}").await;
    assert!(silent >= 1, "{silent}");
}

#[tokio::test]
async fn who_bears_a_wrong_token_loses_the_connection() {
    let world = World::with_places(Some(TOKEN), few(2)).await;
    for authorization in ["", "authorization: Bearer wrong-horse-battery\r\n"] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let asked = format!("GET /v1/status HTTP/1.1\r\nhost: a\r\n{authorization}\r\n");
        stream.write_all(asked.repeat(3).as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers).await;
        let answers = String::from_utf8_lossy(&answers).into_owned();
        assert_eq!(answers.matches("HTTP/1.1 401").count(), 1, "{answers}");
        assert!(answers.contains("connection: close"), "{answers}");
    }
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(metric(&world, &headers, "antumbra_comparator_unauthorised_total").await, 2);
}

#[tokio::test]
async fn health_and_operators_have_places_of_their_own() {
    let world = World::with_places(None, few(4)).await;
    world.put("shop", SHOP).await;
    let mut holding = Vec::new();
    for _ in 0..4 {
        // A request that is never whole, of a client whose headers are in order.
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let head = "GET /v1/policies HTTP/1.1\r\nhost: localhost\r\n\r\nPOST /v1/observations HTTP/1.1\r\nhost: localhost\r\n\
                    content-type: application/cbor-seq\r\ncontent-length: 1000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        assert!(stream.read(&mut [0; 16]).await.unwrap() > 0);
        holding.push(stream);
    }
    let refused = world.batch(1, &healthy(2)).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{refused:?}");
    assert_eq!(refused.header("x-content-type-options"), "nosniff");
    for path in ["/healthz", "/readyz", "/v1/status", "/metrics", "/v1/policies"] {
        let answer = world.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, "close"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    let changed = world.patch("/v1/policies/shop/mirror", r#"{"percent": 0}"#).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let kept = metric(&world, &[], "antumbra_comparator_connections_refused_total{reason=\"kept\"}").await;
    assert_eq!(kept, 1);
    drop(holding);
}

#[tokio::test]
async fn a_request_names_one_host() {
    let world = World::new(None).await;
    for (hosts, expected) in
        [("host: localhost\r\n", "200"), ("host: localhost\r\nhost: localhost\r\n", "400")]
    {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let asked = format!("GET /v1/status HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
    }
}
