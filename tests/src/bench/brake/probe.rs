//! Whoever has to brake a release while it is attacked: one request after another, each at its time and on a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::site::Site;
use crate::bench::delivery::whole;
use crate::bench::exchanges::RELEASE;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// A service that does nothing else, in another thread: what the machine takes of the time, whoever is asked.
    Machine,
    Healthz,
    Readyz,
    Status,
    /// More or less is mirrored.
    Mirror,
    /// Fewer clients get the canary. That more do is judged first, and is no brake.
    Weights,
}

impl Probe {
    pub(super) const ALL: [Self; 6] =
        [Self::Machine, Self::Healthz, Self::Readyz, Self::Status, Self::Mirror, Self::Weights];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Machine => "(machine)",
            Self::Healthz => "GET /healthz",
            Self::Readyz => "GET /readyz",
            Self::Status => "GET /v1/status",
            Self::Mirror => "PATCH …/mirror",
            Self::Weights => "PATCH …/weights",
        }
    }

    fn request(self, site: Site, turn: u32) -> String {
        let get = |path: &str| site.head(&format!("GET {path}")) + "\r\n";
        let patch = |what: &str, body: &str| {
            let head = site.head(&format!("PATCH /v1/policies/{RELEASE}/{what}"));
            let length = body.len();
            format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        };
        match self {
            Self::Machine => Site { secret: None, ..site }.head("GET /") + "\r\n",
            Self::Healthz => get("/healthz"),
            Self::Readyz => get("/readyz"),
            Self::Status => get("/v1/status"),
            Self::Mirror => patch("mirror", &format!(r#"{{"percent":{}}}"#, [90, 10][turn as usize % 2])),
            Self::Weights => {
                let canary = WEIGHT - 1 - turn;
                patch("weights", &format!(r#"{{"weights":{{"canary":{canary},"stable":{WEIGHT}}}}}"#))
            }
        }
    }

    /// How long after one question the next is due. A change is several writes that wait for the disk, and nobody makes twenty a second.
    fn every(self) -> Duration {
        match self {
            Self::Machine | Self::Healthz | Self::Readyz | Self::Status => Duration::from_millis(50),
            Self::Mirror | Self::Weights => Duration::from_millis(200),
        }
    }

    /// When the first is due: the two kinds of change take turns.
    fn first(self) -> Duration {
        if self == Self::Weights { self.every() / 2 } else { Duration::ZERO }
    }

    /// How many questions may be under way together. Changes come one after another, or an earlier one would take the later one back.
    fn at_once(self) -> usize {
        match self {
            Self::Machine | Self::Healthz | Self::Readyz | Self::Status => 4,
            Self::Mirror | Self::Weights => 1,
        }
    }

    /// Asks for so long, whether or not earlier questions were answered. One for which there was no place has waited since it was due, so
    /// that a stall counts for all that it holds up.
    pub(super) async fn watch(self, site: Site, length: Duration) -> Answers {
        let (mut answers, mut asking) = (Answers::default(), JoinSet::new());
        let (start, end) = (Instant::now() + self.first(), Instant::now() + length);
        for turn in 0.. {
            let (due, now) = (start + self.every() * turn, Instant::now());
            if due.max(now) >= end {
                break;
            }
            if due > now {
                tokio::time::sleep_until(due).await;
            }
            // A timer that fires late is not the comparator's fault.
            let began = if due > now { Instant::now() } else { due };
            if asking.len() >= self.at_once() {
                answers.note(asking.join_next().await);
            }
            let request = self.request(site, turn);
            asking.spawn(async move {
                let answer = tokio::time::timeout(PATIENCE, ask(site.address, &request)).await;
                let answer = answer.unwrap_or_else(|_| Err(anyhow!("no answer in {PATIENCE:?}")));
                let answer = answer.with_context(|| format!("{}, question {turn}", self.name()));
                answer.map(|()| began.elapsed())
            });
        }
        while !asking.is_empty() {
            answers.note(asking.join_next().await);
        }
        answers.took.sort();
        answers
    }
}

/// How long answers took, in order, and why others did not come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) took: Vec<Duration>,
    pub(super) failed: Vec<String>,
}

impl Answers {
    fn note(&mut self, asked: Option<Result<Result<Duration>, JoinError>>) {
        match asked {
            Some(Ok(Ok(took))) => self.took.push(took),
            Some(Ok(Err(why))) => self.failed.push(format!("{why:#}")),
            Some(Err(why)) => self.failed.push(why.to_string()),
            None => {}
        }
    }

    /// The shortest that at least this share of them does not exceed, in milliseconds.
    pub(super) fn milliseconds(&self, percent: usize) -> f64 {
        let rank = (self.took.len() * percent).div_ceil(100).saturating_sub(1);
        self.took.get(rank).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    }
}

async fn ask(address: SocketAddr, request: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address).await.context("no connection")?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(4096);
    while whole(&answer)?.is_none() {
        let read = stream.read_buf(&mut answer).await.context("no whole answer")?;
        ensure!(read > 0, "the connection was closed after {:?}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

/// After which it is taken that no answer comes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of either variant in the policy: more than there are questions.
const WEIGHT: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load;

    #[test]
    fn quantiles_are_of_the_answers() {
        let took = (1..=200).map(Duration::from_millis).collect();
        let answers = Answers { took, failed: Vec::new() };
        assert_eq!([50, 99, 100].map(|percent| answers.milliseconds(percent)), [100.0, 198.0, 200.0]);
        assert!(Answers::default().milliseconds(99).is_nan());
    }

    const MOMENT: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn what_is_not_answered_has_failed() -> Result<()> {
        let well = Site { address: load::service(b"{}").await?, secret: None };
        let answers = Probe::Machine.watch(well, MOMENT).await;
        assert_eq!((answers.took.len(), answers.failed.len()), (1, 0));
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let answers = Probe::Healthz.watch(Site { address: nobody, secret: None }, MOMENT).await;
        assert_eq!((answers.took.len(), answers.failed.len()), (0, 1));
        Ok(())
    }
}
