//! Bytes that evidence holds when every cap is reached: 1,000 endpoints of three legs, 200 places each. With values as they usually
//! are, and with values of which as much is kept as ever is; merged with another of the same size; and the rows in which that is stored.

#![expect(clippy::disallowed_macros, reason = "it prints its table")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use antumbra_engine::{Evidence, Rules};
use antumbra_observation::{Leg, Observation};

fn main() {
    println!(
        "{:<44}{:>12}{:>12}{:>12}",
        "MiB of 1,000 endpoints, 200 places each", "in memory", "merged", "stored"
    );
    for (name, value) in
        [("values of 6 characters", "abcdef".to_owned()), ("values of 1,000", "x".repeat(1_000))]
    {
        let before = HELD.load(Relaxed);
        let mut evidence = full(0, &value);
        let held = HELD.load(Relaxed) - before;
        evidence.merge(full(1, &value));
        let merged = HELD.load(Relaxed) - before;
        let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for row in evidence.take_dirty() {
            let kind = row.key.split(' ').next().unwrap_or_default();
            kinds.entry(kind.to_owned()).or_default().push(row.key.len() + row.bytes.len());
        }
        let stored: usize = kinds.values().flatten().sum();
        println!("{name:<44}{:>12}{:>12}{:>12}", held >> 20, merged >> 20, stored >> 20);
        for (kind, sizes) in kinds {
            let (rows, bytes) = (sizes.len(), sizes.iter().sum::<usize>());
            println!("    {rows} rows `{kind}` of {} bytes each", bytes / rows);
        }
    }
}

/// Every endpoint is asked four times; each time the candidate differs in all 200 fields.
fn full(part: u128, value: &str) -> Evidence {
    let mut evidence = Evidence::new();
    let stable = body("stable", value);
    for turn in 0..4 {
        let candidate = body(["a", "b", "c", "d"][turn], value);
        for endpoint in 0..1_000 {
            let number = (part << 64) + (turn as u128 * 1_000) + endpoint;
            let observation = Observation::new("shop", "GET", &format!("/api/{}", name(endpoint as usize)))
                .with_id(number)
                .with_arrival_us(1_700_000_000_000_000)
                .with_primary(leg(&stable, 5_000))
                .with_candidate(leg(&candidate, 5_000 << turn))
                .with_control(leg(&stable, 6_000));
            evidence.observe(&observation, &Rules::default());
        }
    }
    evidence
}

fn body(first: &str, value: &str) -> String {
    let fields: Vec<String> =
        (0..200).map(|at| format!("\"field-{}\":\"{first} {value}\"", name(at))).collect();
    format!("{{{}}}", fields.join(","))
}

fn leg(body: &str, latency_us: u64) -> Leg {
    Leg::answer("v", 200).with_json(body).with_latency_us(latency_us)
}

/// Three letters.
fn name(number: usize) -> String {
    [676, 26, 1].iter().map(|unit| char::from(b"abcdefghijklmnopqrstuvwxyz"[number / unit % 26])).collect()
}

struct Counted;

static HELD: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTED: Counted = Counted;

#[expect(unsafe_code, reason = "an allocator is; this one counts and leaves the work to the system's")]
// SAFETY: both functions hand on what they were given.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, held: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's pointer and layout.
        unsafe { System.dealloc(held, layout) }
    }
}
