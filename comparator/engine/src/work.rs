//! How much work comparing is, counted and not timed, so that it is the same on every machine.
//!
//! What arrives says little about it: a kilobyte decodes to a megabyte, and a megabyte of JSON is a quarter of a million nodes. So
//! what is decoded and parsed is counted where that is done, for whoever has to bound many exchanges together.

use std::cell::Cell;

thread_local! {
    static DONE: Cell<u64> = const { Cell::new(0) };
}

/// Does something, and returns how much of comparing's work was done on this thread meanwhile: one for each byte of a body, decoded
/// where it was encoded, more for each of a text, and 64 for each value of JSON.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = DONE.replace(0);
    let made = work();
    let done = DONE.get();
    DONE.set(before.saturating_add(done));
    (made, done)
}

/// Bytes were decoded and are about to be read, each of which may be so much work.
pub(crate) fn read(bytes: usize, each: u64) {
    add((bytes as u64).saturating_mul(each));
}

/// So many nodes of JSON were parsed.
pub(crate) fn parsed(nodes: usize) {
    add((nodes as u64).saturating_mul(PER_NODE));
}

fn add(done: u64) {
    DONE.set(DONE.get().saturating_add(done));
}

/// A node is parsed, hashed and compared; that takes about what so many bytes of text do.
const PER_NODE: u64 = 64;

#[cfg(test)]
mod tests {
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn work_is_counted_for_all_who_ask() {
        let ((inner, of_inner), all) = measured(|| {
            read(5, 2);
            measured(|| {
                parsed(2);
                7
            })
        });
        assert_eq!((inner, of_inner, all), (7, 2 * PER_NODE, 10 + 2 * PER_NODE));
        assert_eq!(measured(|| ()).1, 0);
    }
}
