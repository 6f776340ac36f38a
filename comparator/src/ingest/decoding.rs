//! Decoding bodies where that holds up nothing else.

use std::sync::Arc;

use antumbra_observation::Malformed;
use tokio::sync::Semaphore;

use crate::aside::Aside;

/// Decodes on threads on which that may take its time, as many at a time as there are processors: until it is decoded, nobody knows
/// what a batch takes.
pub(crate) struct Decoding {
    aside: Arc<Aside>,
    places: Arc<Semaphore>,
}

impl Decoding {
    /// Nothing is decoded yet.
    pub(crate) fn new(aside: Arc<Aside>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { aside, places: Arc::new(Semaphore::new(processors)) }
    }

    /// Decodes small bodies at once, for which another thread is not worth asking.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        bytes: Vec<u8>,
        decode: impl FnOnce(&[u8]) -> Result<T, Malformed> + Send + 'static,
    ) -> Result<T, Malformed> {
        if bytes.len() <= AT_ONCE {
            return decode(&bytes);
        }
        let place = Arc::clone(&self.places).acquire_owned().await;
        let running = self.aside.run(move || {
            let _place = place;
            decode(&bytes)
        });
        running.await.unwrap_or_else(|error| {
            tracing::error!(%error, "decoding a batch ended unexpectedly");
            Err(Malformed::Undecodable { index: 0, message: "decoding it failed".to_owned() })
        })
    }
}

/// Bytes that are decoded where they arrive.
const AT_ONCE: usize = 16 * 1024;
