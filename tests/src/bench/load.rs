//! Both ends of a load that weigh little, so that the proxy between them is what is busy: a client that writes prepared
//! requests, and a service that writes one prepared answer. HTTP/1.1 over kept connections, no parsing beyond the end of a message.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A service on a free port that answers every request alike; it ends with the runtime.
pub(super) async fn service() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    Ok(address)
}

/// Sends `requests` requests over `connections` connections; `request(i)` is the i-th, headers included, and must have no body.
pub(super) async fn drive(
    address: SocketAddr,
    requests: u64,
    connections: usize,
    request: impl Fn(u64) -> String + Send + Sync + 'static,
) -> Result<()> {
    let (next, request) = (Arc::new(AtomicU64::new(0)), Arc::new(request));
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (next, request) = (Arc::clone(&next), Arc::clone(&request));
        workers.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut buffer = Vec::with_capacity(4096);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return anyhow::Ok(());
                }
                stream.write_all(request(number).as_bytes()).await?;
                read_answer(&mut stream, &mut buffer).await?;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(())
}

/// Sends `requests` requests, `rate` of them a second, each at its time if one of `connections` connections is free by then; answers
/// how long each took. One that had to wait for a connection has waited since its time came.
pub(super) async fn paced(
    address: SocketAddr,
    requests: u64,
    rate: u64,
    connections: usize,
    request: impl Fn(u64) -> String + Send + Sync + 'static,
) -> Result<Vec<Duration>> {
    let (next, request) = (Arc::new(AtomicU64::new(0)), Arc::new(request));
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (next, request) = (Arc::clone(&next), Arc::clone(&request));
        workers.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (mut buffer, mut latencies) = (Vec::with_capacity(4096), Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return anyhow::Ok(latencies);
                }
                let due = start + Duration::from_secs_f64(number as f64 / rate as f64);
                // A timer that fires late is not the proxy's fault.
                let began = if due > Instant::now() {
                    tokio::time::sleep_until(due).await;
                    Instant::now()
                } else {
                    due
                };
                stream.write_all(request(number).as_bytes()).await?;
                read_answer(&mut stream, &mut buffer).await?;
                latencies.push(began.elapsed());
            }
        });
    }
    let mut latencies = Vec::new();
    while let Some(worker) = workers.join_next().await {
        latencies.extend(worker??);
    }
    Ok(latencies)
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.clear();
    while !buffer.ends_with(BODY) {
        let read = stream.read_buf(buffer).await.context("no answer")?;
        ensure!(read > 0, "the proxy closed the connection after {:?}", String::from_utf8_lossy(buffer));
    }
    ensure!(buffer.starts_with(b"HTTP/1.1 200"), "not 200: {:?}", String::from_utf8_lossy(buffer));
    Ok(())
}

async fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        buffer.clear();
        while !buffer.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        stream.write_all(ANSWER).await?;
    }
}

const BODY: &[u8] = br#"{"ok":true}"#;
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
