//! Which clients asked what a moment ago. Retries and hot keys of one client are not independent exchanges, which is what the tests
//! take exchanges to be: within a window they count once.
//!
//! A window belongs to a client and an endpoint: a page that asks ten endpoints is ten different questions. It begins with the
//! exchange that counts, so a client that never pauses still counts once a window. Memory is bounded: when too many
//! clients are about, those that were noted longest ago are forgotten, and may count again a little early. It is not
//! stored and not merged either: after a restart every client counts anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Those that counted within the last window, in two halves by age: the older half goes when the younger is full. Clones share both, and
/// whoever goes on counting copies the younger.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent {
    young: Arc<BTreeMap<u64, u64>>,
    old: Arc<BTreeMap<u64, u64>>,
}

impl Recent {
    /// Whether the exchange counts; if so, the next of this client there does not for a window. `at_us` need not rise: what
    /// arrives late is measured by the same distance.
    pub(crate) fn counts(&mut self, client: u32, endpoint: &str, at_us: u64) -> bool {
        let who = xxh3_64_with_seed(endpoint.as_bytes(), client.into());
        let last = self.young.get(&who).or_else(|| self.old.get(&who));
        if last.is_some_and(|last| last.abs_diff(at_us) < WINDOW_US) {
            return false;
        }
        // What came late does not put the clock back.
        let latest = last.copied().unwrap_or_default().max(at_us);
        if self.young.len() >= MAX_OF_A_HALF {
            self.old = std::mem::take(&mut self.young);
        }
        Arc::make_mut(&mut self.young).insert(who, latest);
        true
    }
}

/// What is only remembered makes no evidence a different one.
impl PartialEq for Recent {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Two seconds: proxies and clients retry within one, people reload later. The time is when the requests arrived.
const WINDOW_US: u64 = 2_000_000;
/// Both halves hold about 3 MiB at most.
const MAX_OF_A_HALF: usize = 32_768;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_counts_once_in_a_window_and_endpoint() {
        let mut recent = Recent::default();
        let mut check = |client, endpoint, at_ms: u64, expected| {
            assert_eq!(
                recent.counts(client, endpoint, at_ms * 1_000),
                expected,
                "{client} {endpoint} {at_ms}"
            );
        };
        check(1, "GET /", 10_000, true);
        check(1, "GET /", 10_001, false);
        check(1, "GET /a", 10_001, true);
        check(2, "GET /", 10_001, true);
        check(1, "GET /", 9_000, false);
        check(1, "GET /", 11_999, false);
        check(1, "GET /", 12_000, true);
        check(1, "GET /", 13_999, false);
        check(1, "GET /", 7_000, true);
        check(1, "GET /", 13_999, false);
    }

    #[test]
    fn memory_is_bounded_and_the_latest_are_remembered() {
        let mut recent = Recent::default();
        let clients = 10 * MAX_OF_A_HALF as u32;
        for client in 0..clients {
            assert!(recent.counts(client, "GET /", 1));
            assert!(recent.young.len() + recent.old.len() <= 2 * MAX_OF_A_HALF);
        }
        assert!((clients - 1_000..clients).all(|client| !recent.counts(client, "GET /", 2)));
        assert!(recent.counts(0, "GET /", 2), "forgotten");
    }
}
