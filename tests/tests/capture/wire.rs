//! What only the wire shows: informational answers, `expect`, and upgraded connections; so both ends are bare sockets.

use antumbra_e2e::envoy_config::CONNECTION_MANAGER;
use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use antumbra_e2e::world::Versions;
use antumbra_observation::{Body, NotMirrored};
use anyhow::{Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{RecordedWorld, policy, primary};

/// A stable version on a bare socket: it takes one connection and converses on it.
async fn bare<F: Future<Output = Result<()>> + Send + 'static>(
    converse: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> Result<(std::net::SocketAddr, JoinHandle<Result<()>>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(async move { converse(listener.accept().await?.0).await });
    Ok((address, serving))
}

/// Reads up to and including `end`; answers all that was read.
async fn read_to(stream: &mut TcpStream, end: &str) -> Result<String> {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        ensure!(stream.read_buf(&mut read).await? > 0, "ended after {:?}", String::from_utf8_lossy(&read));
    }
    Ok(String::from_utf8_lossy(&read).into_owned())
}

async fn say(stream: &mut TcpStream, text: &str) -> Result<()> {
    Ok(stream.write_all(text.as_bytes()).await?)
}

#[tokio::test]
async fn early_hints_are_not_taken_for_the_answer() -> Result<()> {
    let (stable, serving) = bare(|mut stream| async move {
        read_to(&mut stream, "\r\n\r\n").await?;
        say(&mut stream, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n").await?;
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfinal").await
    })
    .await?;
    let shadow = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await?;
    let versions = Versions { stable, canary: shadow.address(), control: shadow.address() };
    let world = RecordedWorld::start(versions, &policy(""), |mut config| {
        config.at(CONNECTION_MANAGER)?["proxy_100_continue"] = json!(true);
        Ok(config)
    })
    .await?;
    let mut client = TcpStream::connect(world.envoy.address).await?;
    say(&mut client, "GET /hints HTTP/1.1\r\nhost: shop\r\n\r\n").await?;
    let answer = read_to(&mut client, "\r\n\r\nfinal").await?;
    assert!(answer.contains("HTTP/1.1 200 OK\r\n"), "{answer}");
    let observed = world.observation("/hints").await?;
    assert_eq!((primary(&observed).status, &primary(&observed).body), (200, &Body::Whole("final".into())));
    assert!(primary(&observed).headers.iter().all(|(name, _)| name.0 != b"link"), "{observed:?}");
    serving.await??;
    world.envoy.assert_no_traps().await
}

/// The body waits for the proxy's word; the shadow has all of it at once and waits for nobody's.
#[tokio::test]
async fn a_body_that_waits_to_be_asked_for_is_captured() -> Result<()> {
    let answering = || Upstream::start(Behaviour::Answer(Reply::json("{}")));
    let (stable, shadow) = (answering().await?, answering().await?);
    let versions = Versions { stable: stable.address(), canary: shadow.address(), control: shadow.address() };
    let writes = policy(", unsafeMethods: allow");
    let world = RecordedWorld::start(versions, &writes, Ok).await?;
    let mut client = TcpStream::connect(world.envoy.address).await?;
    say(&mut client, "POST /ask HTTP/1.1\r\nhost: shop\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n")
        .await?;
    let asked = read_to(&mut client, "\r\n\r\n").await?;
    assert!(asked.starts_with("HTTP/1.1 100 Continue\r\n"), "{asked}");
    say(&mut client, "body").await?;
    let answer = read_to(&mut client, "{}").await?;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let observed = world.observation("/ask").await?;
    assert_eq!(observed.request.body, Body::Whole("body".into()));
    assert_eq!(primary(&observed).status, 200);
    for service in [&stable, &shadow] {
        let received = &service.received()[0];
        assert_eq!((&received.body[..], received.header("expect")), (&b"body"[..], None));
    }
    world.envoy.assert_no_traps().await
}

/// A service that answers before it has read everything: a shadow of what it had read would be another request.
#[tokio::test]
async fn a_request_whose_end_never_came_is_not_mirrored() -> Result<()> {
    let (stable, serving) = bare(|mut stream| async move {
        read_to(&mut stream, "\r\n\r\nbegin").await?;
        say(&mut stream, "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 4\r\n\r\nmuch").await?;
        // The connection stays until the proxy has had enough of it.
        Ok(stream.read_to_end(&mut Vec::new()).await.map(|_| ())?)
    })
    .await?;
    let shadow = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await?;
    let versions = Versions { stable, canary: shadow.address(), control: shadow.address() };
    let world = RecordedWorld::start(versions, &policy(", unsafeMethods: allow"), Ok).await?;
    let mut client = TcpStream::connect(world.envoy.address).await?;
    say(&mut client, "POST /large HTTP/1.1\r\nhost: shop\r\ncontent-length: 100\r\n\r\nbegin").await?;
    let answer = read_to(&mut client, "much").await?;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let accounts = world.settled(1).await?;
    assert_eq!(accounts.not_mirrored, [(NotMirrored::RequestIncomplete, 1)].into());
    assert_eq!(shadow.received(), []);
    drop(client);
    serving.await??;
    world.envoy.assert_no_traps().await
}

#[tokio::test]
async fn an_upgraded_connection_works_and_is_never_mirrored() -> Result<()> {
    let (stable, serving) = bare(|mut stream| async move {
        let asked = read_to(&mut stream, "\r\n\r\n").await?;
        ensure!(asked.to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n"), "{asked}");
        say(
            &mut stream,
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        )
        .await?;
        for _ in 0..3 {
            read_to(&mut stream, "ping").await?;
            say(&mut stream, "pong").await?;
        }
        Ok(())
    })
    .await?;
    let shadow = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await?;
    let versions = Versions { stable, canary: shadow.address(), control: shadow.address() };
    let world = RecordedWorld::start(versions, &policy(""), |mut config| {
        config.at(CONNECTION_MANAGER)?["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
        Ok(config)
    })
    .await?;
    let mut client = TcpStream::connect(world.envoy.address).await?;
    let key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    say(
        &mut client,
        &format!(
            "GET /chat HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: websocket\r\n{key}\r\n\r\n"
        ),
    )
    .await?;
    let switched = read_to(&mut client, "\r\n\r\n").await?;
    assert!(switched.starts_with("HTTP/1.1 101 "), "{switched}");
    for _ in 0..3 {
        say(&mut client, "ping").await?;
        assert_eq!(read_to(&mut client, "pong").await?, "pong");
    }
    serving.await??;
    drop(client);
    let accounts = world.settled(1).await?;
    assert_eq!(accounts.not_mirrored, [(NotMirrored::Upgrade, 1)].into());
    assert_eq!(shadow.received(), []);
    world.envoy.assert_no_traps().await
}
