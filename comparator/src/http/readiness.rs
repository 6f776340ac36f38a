//! Whether observations can be stored, asked once for all who ask meanwhile: anybody may, and as often as they like.

use std::time::Instant;

use antumbra_store::StoreError;
use tokio::sync::Mutex;

use crate::api::problem::Problem;
use crate::writer::Stopped;

/// The last answer of the store.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<Answer>>);

struct Answer {
    /// When it was asked for.
    at: Instant,
    /// Why the store cannot be written, if it cannot.
    why_not: Option<String>,
}

impl Readiness {
    /// Asks the store, or shares what it answers somebody who asks later: one question is under way at a time, so that those who change a
    /// policy wait for one at most.
    ///
    /// # Errors
    /// The store cannot be written, or the writer has ended.
    pub(super) async fn ask(
        &self,
        probe: impl AsyncFnOnce() -> Result<Result<(), StoreError>, Stopped>,
    ) -> Result<(), Problem> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if last.as_ref().is_none_or(|answer| answer.at < asked) {
            let at = Instant::now();
            let why_not = probe().await?.err().map(|error| error.to_string());
            *last = Some(Answer { at, why_not });
        }
        match last.as_ref().and_then(|answer| answer.why_not.clone()) {
            Some(why_not) => Err(Problem::unavailable(why_not)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn who_asks_meanwhile_shares_the_next_answer() {
        let (readiness, asked) = (Arc::new(Readiness::default()), Arc::new(AtomicU64::new(0)));
        let ask = || {
            let (readiness, asked) = (Arc::clone(&readiness), Arc::clone(&asked));
            async move {
                let probe = async || {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Ok(Ok(()))
                };
                readiness.ask(probe).await.is_ok()
            }
        };
        let all: Vec<_> = (0..100).map(|_| tokio::spawn(ask())).collect();
        for one in all {
            assert!(one.await.unwrap());
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2, "the first, and one for all who asked meanwhile");
        assert!(ask().await);
        assert_eq!(asked.load(Ordering::Relaxed), 3, "an answer is never older than its question");
        assert!(readiness.ask(async || Err(Stopped)).await.is_err());
    }
}
