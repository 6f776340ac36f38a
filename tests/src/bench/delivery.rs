//! Filters that deliver: a few kept connections that send batches to a comparator, as fast as they are acknowledged or at a pace.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antumbra_observation::{CBOR_SEQUENCE, COUNT_HEADER, INSTANCE_HEADER, Instance, SEQUENCE_HEADER};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::exchanges::{BATCH, Batches};

/// What was acknowledged.
pub(super) struct Delivered {
    /// Observations; each was compared.
    pub(super) observations: u64,
    /// From the first batch until the last acknowledgement.
    pub(super) took: Duration,
    /// Of each batch, from when it was due until it was acknowledged; in order of their size.
    pub(super) latencies: Vec<Duration>,
}

impl Delivered {
    /// Observations in a second.
    pub(super) fn rate(&self) -> f64 {
        self.observations as f64 / self.took.as_secs_f64()
    }

    /// This percentile of the latencies, in milliseconds.
    pub(super) fn milliseconds(&self, percentile: usize) -> f64 {
        let place = (self.latencies.len() * percentile / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).map_or(f64::NAN, Duration::as_secs_f64) * 1e3
    }
}

/// Sends batches for so long, and one from each connection in any case. `pace` is in observations a second; without it the next batch
/// leaves when the last was acknowledged. A batch that had to wait for a connection has waited since it was due. What was not sent by the
/// end is not sent: a comparator that cannot keep up shows a lower rate. An answer other than 200, or an observation that was not
/// compared, is an error.
pub(super) async fn deliver(
    address: SocketAddr,
    batches: &Arc<Batches>,
    pace: Option<u64>,
    length: Duration,
) -> Result<Delivered> {
    let start = Instant::now();
    let turns = Arc::new(AtomicU64::new(0));
    let mut filters = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (batches, turns) = (Arc::clone(batches), Arc::clone(&turns));
        let due = move || {
            let (turn, now) = (turns.fetch_add(1, Ordering::Relaxed), Instant::now());
            let due = pace.map_or(now, |pace| {
                start + Duration::from_secs_f64((turn * BATCH as u64) as f64 / pace as f64)
            });
            // A machine that is busy otherwise may not even begin in time.
            (turn < CONNECTIONS as u64 || due.max(now) < start + length).then_some(due)
        };
        filters.spawn(async move { Filter::connect(address).await?.deliver(&batches, due).await });
    }
    let mut delivered = Delivered { observations: 0, took: Duration::ZERO, latencies: Vec::new() };
    while let Some(filter) = filters.join_next().await {
        let latencies = filter??;
        delivered.observations += (latencies.len() * BATCH) as u64;
        delivered.latencies.extend(latencies);
    }
    delivered.took = start.elapsed();
    delivered.latencies.sort();
    Ok(delivered)
}

/// One connection, and the instance of a filter that it belongs to.
struct Filter {
    stream: TcpStream,
    instance: Instance,
    sequence: u64,
    buffer: Vec<u8>,
}

impl Filter {
    async fn connect(address: SocketAddr) -> Result<Self> {
        static INSTANCES: AtomicU64 = AtomicU64::new(1);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let instance = Instance(INSTANCES.fetch_add(1, Ordering::Relaxed).into());
        Ok(Self { stream, instance, sequence: 0, buffer: Vec::with_capacity(4096) })
    }

    async fn deliver(
        mut self,
        batches: &Batches,
        due: impl Fn() -> Option<Instant>,
    ) -> Result<Vec<Duration>> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let mut latencies = Vec::new();
        while let Some(due) = due() {
            let body = batches.numbered(NUMBERS.fetch_add(1, Ordering::Relaxed));
            let early = due > Instant::now();
            if early {
                tokio::time::sleep_until(due).await;
            }
            // A timer that fires late is not the comparator's fault.
            let began = if early { Instant::now() } else { due };
            self.send(&body).await?;
            latencies.push(began.elapsed());
        }
        Ok(latencies)
    }

    async fn send(&mut self, body: &[u8]) -> Result<()> {
        self.sequence += 1;
        let head = format!(
            "POST /v1/observations HTTP/1.1\r\nhost: antumbra\r\ncontent-type: {CBOR_SEQUENCE}\r\n{INSTANCE_HEADER}: {}\r\n\
             {SEQUENCE_HEADER}: {}\r\n{COUNT_HEADER}: {BATCH}\r\ncontent-length: {}\r\n\r\n",
            self.instance,
            self.sequence,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body).await?;
        let answer = self.answer().await?;
        let compared = answer["compared"].as_u64();
        ensure!(compared == Some(BATCH as u64), "of {BATCH} observations not all were compared: {answer}");
        Ok(())
    }

    async fn answer(&mut self) -> Result<Value> {
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.context("no acknowledgement")?;
            ensure!(
                read > 0,
                "the comparator closed the connection after {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
            if let Some(body) = whole(&self.buffer)? {
                return serde_json::from_slice(body).context("an acknowledgement that is no JSON");
            }
        }
    }
}

/// The body of an answer that is there in full.
pub(super) fn whole(answer: &[u8]) -> Result<Option<&[u8]>> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = (String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase(), &answer[end + 4..]);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("an answer without a length")?.trim().parse()?;
    if body.len() < length {
        return Ok(None);
    }
    ensure!(head.starts_with("http/1.1 200"), "not 200: {}", String::from_utf8_lossy(answer));
    Ok(Some(body))
}

/// As many as there are workers in a larger proxy.
pub(super) const CONNECTIONS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_all_of_it_is_there() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..answer.len() {
            assert_eq!(whole(&answer[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(whole(answer).unwrap(), Some(&b"{}"[..]));
        assert!(whole(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn percentiles_are_of_the_batches() {
        let latencies = (1..=100).map(Duration::from_millis).collect();
        let delivered = Delivered { observations: 3_200, took: Duration::from_secs(2), latencies };
        assert_eq!(
            (delivered.milliseconds(50), delivered.milliseconds(99), delivered.rate()),
            (51.0, 100.0, 1_600.0)
        );
    }
}
