//! Bytes that a comparison holds at its height, for each value of both bodies, beside what `serde_json` holds of them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use antumbra_engine::{Media, Rules, diff};
use serde_json::Value;

use super::bodies::{Change, Pair};

/// Prints a line for each kind of pair.
pub(crate) fn print() {
    println!("\n{:<44}{:>10}{:>10}", "bytes for each value of both bodies", "ours", "serde_json");
    for change in [Change::ThreeFields, Change::Spacing, Change::Keyed] {
        let pair = Pair::new(256 << 10, change);
        let bodies = [&pair.left, &pair.right];
        let parsed = || bodies.map(|body| serde_json::from_slice::<Value>(body).expect("JSON"));
        let values: usize = parsed().iter().map(values).sum();
        let theirs = height(|| drop(parsed()));
        let ours = height(|| drop(diff(&pair.left, &pair.right, Media::Json, &Rules::default())));
        println!("{:<44}{:>10}{:>10}", format!("256 KiB, {}", change.name()), ours / values, theirs / values);
    }
}

fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    }
}

/// The most that was allocated at once while it ran.
fn height(work: impl FnOnce()) -> usize {
    let before = HELD.load(Relaxed);
    HIGHEST.store(before, Relaxed);
    work();
    HIGHEST.load(Relaxed) - before
}

struct Counted;

static HELD: AtomicUsize = AtomicUsize::new(0);
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTED: Counted = Counted;

#[expect(unsafe_code, reason = "an allocator is; this one counts and leaves the work to the system's")]
// SAFETY: both functions hand on what they were given.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.load(Relaxed) + layout.size();
        HELD.store(held, Relaxed);
        if held > HIGHEST.load(Relaxed) {
            HIGHEST.store(held, Relaxed);
        }
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.store(HELD.load(Relaxed).wrapping_sub(layout.size()), Relaxed);
        // SAFETY: the caller's place and layout.
        unsafe { System.dealloc(place, layout) }
    }
}
