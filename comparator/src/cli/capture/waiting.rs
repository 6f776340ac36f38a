//! What a capture waits for, on stderr: traffic may be slow, or not come at all.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How many exchanges came so far, for people who watch.
pub(super) struct Waiting {
    release: String,
    exchanges: AtomicU64,
    bar: ProgressBar,
}

impl Waiting {
    /// Says what is captured, from where and to where.
    pub(super) fn new(release: &str, server: &str, file: &Path) -> Self {
        eprintln!(
            "antumbra: capturing the exchanges of {release} from {server} to {}; Control-C ends it",
            file.display()
        );
        let bar = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner} {msg}");
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Self { release: release.to_owned(), exchanges: AtomicU64::new(0), bar }
    }

    /// So many came.
    pub(super) fn tell(&self, exchanges: u64) {
        self.exchanges.store(exchanges, Ordering::Relaxed);
    }

    /// Shows how many came, until it is dropped: all the time on a terminal, else once in a while.
    pub(super) async fn show(&self) {
        let mut shown = Duration::ZERO;
        loop {
            let exchanges = self.exchanges.load(Ordering::Relaxed);
            if self.bar.is_hidden() {
                tokio::time::sleep(SAID_EVERY).await;
                eprintln!("antumbra: {}", self.said(self.exchanges.load(Ordering::Relaxed)));
            } else {
                let so_far = if shown < SAID_EVERY && exchanges == 0 {
                    "waiting for the first exchange".to_owned()
                } else {
                    self.said(exchanges)
                };
                self.bar.set_message(so_far);
                self.bar.tick();
                tokio::time::sleep(SHOWN_EVERY).await;
                shown += SHOWN_EVERY;
            }
        }
    }

    fn said(&self, exchanges: u64) -> String {
        match exchanges {
            0 => format!("no exchange of {} yet: `antumbra status` shows what filters mirror", self.release),
            1 => "1 exchange so far".to_owned(),
            many => format!("{many} exchanges so far"),
        }
    }

    /// Leaves the line to what follows.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

const SHOWN_EVERY: Duration = Duration::from_millis(200);
/// How often it is said where nobody watches.
const SAID_EVERY: Duration = Duration::from_secs(15);
