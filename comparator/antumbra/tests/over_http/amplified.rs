//! How many bytes the comparator writes for batches that touch every endpoint of a full release.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, SystemTime};

use antumbra_observation::{Leg, Observation, encode};
use http::Method;

use crate::process::Process;
use crate::server::{SHOP, send, send_batch};

/// Each batch has one small observation for each endpoint, which differs at some of its 200 places: at the same ones in all batches of a
/// row, or at others each. What is deferred is written in the end, as a change of the policy's gates asks for.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes two minutes and prints a table"]
async fn what_a_batch_has_written_is_in_proportion_to_its_size() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    let (mut process, address) = Process::start(dir.path());
    let mut ids = 1..;
    let mut exchange = |endpoint, places| observation(ids.next().unwrap(), endpoint, places);
    let mut sequences = 1..;
    for endpoint in 0..ENDPOINTS {
        send_batch(address, sequences.next().unwrap(), &[exchange(endpoint, 0..PLACES)]).await.unwrap();
    }
    process.tell("-TERM");
    process.0.wait().unwrap();
    println!("a database of {} MB", size(dir.path()) / 1_000_000);
    let (process, address) = Process::start(dir.path());
    println!(
        "{:>8}{:>8}{:>10}{:>10}{:>16}{:>16}{:>8}",
        "batches", "differ", "others", "kB sent", "kB acknowledged", "kB in the end", "times"
    );
    for (turn, (batches, others, differing)) in
        [(1, 1, 1), (30, 1, 1), (30, 30, 1), (30, 1, 40)].into_iter().enumerate()
    {
        let (before, mut sent) = (written(&process), 0);
        for batch in 0..batches {
            let place = 10 + turn * 30 + batch * others / batches;
            let batch: Vec<_> =
                (0..ENDPOINTS).map(|endpoint| exchange(endpoint, place..place + differing)).collect();
            sent += batch.iter().map(|one| encode(one).len() as u64).sum::<u64>();
            let answer = send_batch(address, sequences.next().unwrap(), &batch).await.unwrap();
            assert_eq!(answer.json()["compared"], ENDPOINTS, "{answer:?}");
        }
        let acknowledged = written(&process) - before;
        tokio::time::sleep(Duration::from_secs(6)).await;
        let warm_up = ["warmUp: 1ms", "warmUp: 0s"][turn % 2];
        let (policy, yaml) = (SHOP.replace("warmUp: 0s", warm_up), [("content-type", "application/yaml")]);
        send(address, Method::PUT, "/v1/policies/shop", &yaml, policy).await.unwrap();
        tokio::time::sleep(Duration::from_secs(4)).await;
        let all = written(&process) - before;
        println!(
            "{batches:>8}{differing:>8}{others:>10}{:>10}{:>16}{:>16}{:>8.1}",
            sent / 1_000,
            acknowledged / 1_000,
            all / 1_000,
            all as f64 / sent as f64
        );
        assert!(batches < 30 || all < 10 * sent, "{all} bytes written for {sent}");
    }
}

/// Bytes of all the files there.
fn size(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

/// Bytes that the process has given to the system to write so far, of which nearly all are the database's.
fn written(process: &Process) -> u64 {
    let told = std::fs::read_to_string(format!("/proc/{}/io", process.0.id())).unwrap();
    let of = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    of("wchar:").unwrap()
}

/// An exchange in which the candidate differs at these fields.
fn observation(id: u128, endpoint: usize, fields: Range<usize>) -> Observation {
    let leg = |variant: &str, value: &str| {
        let each: Vec<String> =
            fields.clone().map(|field| format!("\"{}\":\"{value}\"", letters(field))).collect();
        Leg::answer(variant, 200).with_json(&format!("{{{}}}", each.join(","))).with_latency_us(2_000)
    };
    Observation::new("shop", "GET", &format!("/api/{}", letters(endpoint)))
        .with_id(id.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .with_arrival_us(now_us())
        .with_primary(leg("stable", "one thing"))
        .with_candidate(leg("canary", "another thing"))
        .with_control(leg("control", "one thing"))
}

/// Examples of long ago would be forgotten meanwhile.
fn now_us() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    u64::try_from(since.as_micros()).unwrap()
}

/// A name of three letters.
fn letters(number: usize) -> String {
    [676, 26, 1].iter().map(|unit| char::from(b'a' + (number / unit % 26) as u8)).collect()
}

const ENDPOINTS: usize = 1_000;
const PLACES: usize = 200;
