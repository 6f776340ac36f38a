//! Waiting for something to become true, with a bound, instead of sleeping and hoping.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks until there is an answer; an error after [`LIMIT`], or at once if asking fails.
pub async fn until<T, F: Future<Output = Result<Option<T>>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if start.elapsed() > LIMIT {
            bail!("waited {LIMIT:?} in vain until {what}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Generous: the machines of continuous integration are slow.
pub const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(25);
