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

/// What to send, and what must come back.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) requests: u64,
    pub(super) connections: usize,
    /// The i-th request, headers included; it must have no body.
    pub(super) request: fn(u64) -> String,
    /// The body of every answer.
    pub(super) body: &'static [u8],
}

/// A service on a free port that answers every request with this JSON; it ends with the runtime.
pub(super) async fn service(body: &'static [u8]) -> Result<SocketAddr> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let message: Arc<[u8]> = [head.as_bytes(), body].concat().into();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&message)));
        }
    });
    Ok(address)
}

/// Sends all of it, over connections that are made for it.
pub(super) async fn drive(address: SocketAddr, load: Load) -> Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..load.connections {
        let next = Arc::clone(&next);
        workers.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut buffer = Vec::with_capacity(4096);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= load.requests {
                    return anyhow::Ok(());
                }
                stream.write_all((load.request)(number).as_bytes()).await?;
                read_answer(&mut stream, &mut buffer, load.body).await?;
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(())
}

/// Sends the load, `rate` requests of it a second, each at its time if one of its connections is free by then; answers how long each
/// took. One that had to wait for a connection has waited since its time came.
pub(super) async fn paced(address: SocketAddr, load: Load, rate: u64) -> Result<Vec<Duration>> {
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..load.connections {
        let next = Arc::clone(&next);
        workers.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (mut buffer, mut latencies) = (Vec::with_capacity(4096), Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= load.requests {
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
                stream.write_all((load.request)(number).as_bytes()).await?;
                read_answer(&mut stream, &mut buffer, load.body).await?;
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

async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>, body: &[u8]) -> Result<()> {
    buffer.clear();
    while !buffer.ends_with(body) {
        let read = stream.read_buf(buffer).await.context("no answer")?;
        ensure!(read > 0, "the proxy closed the connection after {:?}", String::from_utf8_lossy(buffer));
    }
    ensure!(buffer.starts_with(b"HTTP/1.1 200"), "not 200: {:?}", String::from_utf8_lossy(buffer));
    Ok(())
}

async fn answer(mut stream: TcpStream, message: Arc<[u8]>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        buffer.clear();
        while !buffer.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        stream.write_all(&message).await?;
    }
}
