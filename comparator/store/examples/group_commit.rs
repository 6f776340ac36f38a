//! What `just bench-ingest` is measured against: SQLite alone, one insert for every observation, in a commit for all that wait.
//!
//! `group_commit <seconds> <bytes of an observation> <observations of a batch> <clients>` prints one object of JSON. The clients are
//! threads that wait for their batch to be durable and then send the next, as the filters do; nothing is parsed, compared or sent
//! over a socket. It stands beside the store, because no other crate names SQLite.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let &[seconds, bytes, batch, clients] = &arguments[..] else {
        return Err("seconds, bytes, observations of a batch, clients".into());
    };
    let directory = std::env::temp_dir().join(format!("antumbra-group-commit-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let measured =
        measure(&directory.join("reference.db"), Duration::from_secs(seconds), bytes, batch, clients);
    std::fs::remove_dir_all(&directory)?;
    println!("{}", measured?);
    Ok(())
}

struct Batch {
    count: u64,
    durable: Sender<()>,
}

fn measure(
    file: &std::path::Path,
    length: Duration,
    bytes: u64,
    batch: u64,
    clients: u64,
) -> Result<String, Box<dyn std::error::Error>> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE observation (body BLOB NOT NULL)")?;
    let (sender, batches) = channel();
    let end = Instant::now() + length;
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let sender = sender.clone();
            std::thread::spawn(move || client(&sender, batch, end))
        })
        .collect();
    drop(sender);
    let start = Instant::now();
    let inserted = write(&connection, &batches, &vec![b'x'; usize::try_from(bytes)?])?;
    let took = start.elapsed();
    let mut latencies = Vec::new();
    for thread in threads {
        latencies.extend(thread.join().map_err(|_| "a client panicked")?);
    }
    latencies.sort();
    let at = |percentile: usize| latencies[latencies.len() * percentile / 100].as_secs_f64() * 1e3;
    let (rate, p50, p99) = (inserted as f64 / took.as_secs_f64(), at(50), at(99));
    Ok(format!("{{\"rate\": {rate}, \"p50\": {p50}, \"p99\": {p99}}}"))
}

/// Sends a batch, waits until it is durable, and so on; answers how long each took.
fn client(sender: &Sender<Batch>, count: u64, end: Instant) -> Vec<Duration> {
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        let (durable, acknowledged) = channel();
        if sender.send(Batch { count, durable }).is_err() || acknowledged.recv().is_err() {
            break;
        }
        latencies.push(began.elapsed());
    }
    latencies
}

/// One transaction for all batches that wait, until the last client is gone; answers how many rows there are.
fn write(connection: &Connection, batches: &Receiver<Batch>, body: &[u8]) -> rusqlite::Result<u64> {
    let mut inserted = 0;
    while let Ok(first) = batches.recv() {
        let waiting: Vec<Batch> = std::iter::once(first).chain(batches.try_iter()).collect();
        let transaction = connection.unchecked_transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO observation (body) VALUES (?1)")?;
            for _ in 0..waiting.iter().map(|batch| batch.count).sum::<u64>() {
                insert.execute(params![body])?;
                inserted += 1;
            }
        }
        transaction.commit()?;
        // A client that is gone needs no word.
        waiting.iter().for_each(|batch| batch.durable.send(()).unwrap_or_default());
    }
    Ok(inserted)
}
