//! Work that may wait: on threads of a lower priority, so that where processors are few, whoever delivers observations goes first.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinError;

/// Work that may wait for who counts, answers and acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Batches are decoded and compared.
    Batches,
    /// Reports are judged.
    Reports,
}

/// Threads of a lower priority than all others of the process; on Linux alone, elsewhere of the same.
pub(crate) struct Aside(Option<Runtime>);

impl Aside {
    /// As many threads as there are processors for each kind of such work, each started once it is needed. An error is the system's, which has
    /// no means left.
    pub(crate) fn new(of: Work) -> io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let runtime = Builder::new_current_thread()
            .thread_name("aside")
            .max_blocking_threads(processors.saturating_mul(of.kinds()))
            .on_thread_start(move || give_way(of))
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Does the work, after what was asked for before it. An error says that the work panicked, or that the process is about to end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        match &self.0 {
            Some(runtime) => runtime.spawn_blocking(work).await,
            // Only a value that is being dropped has none.
            None => tokio::task::spawn_blocking(work).await,
        }
    }
}

impl Drop for Aside {
    /// Does not wait for work that has begun: nobody waits for what it answers any more.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Work {
    /// Decoding and comparing are each bounded by themselves.
    fn kinds(self) -> usize {
        match self {
            Self::Batches => 2,
            Self::Reports => 1,
        }
    }

    /// By how much the priority is lower than the process's: a thread gets about 0.8 to this power of the time that one of the process's gets.
    #[cfg(target_os = "linux")]
    fn steps(self) -> i32 {
        match self {
            Self::Batches => 10,
            Self::Reports => 15,
        }
    }
}

/// Lowers the priority of the calling thread. That of a process is that of each thread by itself on Linux:
/// <https://man7.org/linux/man-pages/man2/setpriority.2.html>, "C library/kernel differences".
fn give_way(of: Work) {
    #[cfg(target_os = "linux")]
    if let Err(error) = lowered(of) {
        tracing::debug!(%error, ?of, "this work has the priority of all other work");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = of;
}

/// A thread begins with the priority of the one that started it, which is the process's.
#[cfg(target_os = "linux")]
fn lowered(of: Work) -> rustix::io::Result<()> {
    let before = rustix::process::getpriority_process(None)?;
    rustix::process::setpriority_process(None, before.saturating_add(of.steps()).min(LOWEST))
}

#[cfg(target_os = "linux")]
const LOWEST: i32 = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_harms_nothing_else() {
        let aside = Aside::new(Work::Reports).unwrap();
        assert!(aside.run(|| panic!("made up")).await.is_err());
        assert_eq!(aside.run(|| 7).await.unwrap(), 7);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_work_aside_gives_way() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        for of in [Work::Batches, Work::Reports] {
            let aside = Aside::new(of).unwrap();
            assert_eq!(aside.run(priority).await.unwrap(), (before + of.steps()).min(LOWEST));
        }
        assert_eq!(priority(), before);
        assert_eq!(tokio::task::spawn_blocking(priority).await.unwrap(), before);
    }
}
