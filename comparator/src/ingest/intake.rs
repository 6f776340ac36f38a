//! The way of observations to the writer, whoever made the shadow calls.

use std::future::Future;
use std::sync::Arc;

use antumbra_observation::{Handover, Instance, Observation};
use axum::http::StatusCode;

use crate::api::principal::{Principal, Source};
use crate::api::problem::Problem;
use crate::ingest::comparing::{Compared, Comparing, Uncompared};
use crate::ingest::decoding::Decoding;
use crate::live::ledger::{Reason, Settled};
use crate::live::metrics::Metrics;
use crate::live::policies::Policies;
use crate::live::registry::Registry;
use crate::live::room::{Reserved, Room};
use crate::plugins::Plugins;
use crate::shadows::targets::Targets;
use crate::writer::{Batch, Handle};

/// What taking observations in needs.
pub(crate) struct Intake {
    pub(crate) writer: Handle,
    pub(crate) room: Room,
    pub(crate) policies: Arc<Policies>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Metrics,
    pub(crate) targets: Targets,
    pub(crate) plugins: Plugins,
    pub(crate) comparing: Comparing,
    pub(crate) decoding: Decoding,
}

/// Why observations were not taken in.
pub(crate) enum Untaken {
    /// The comparator is about to end.
    Stopped,
    /// The store failed, in its words.
    Unstored(String),
    /// They were not compared.
    Uncompared(Uncompared),
}

impl Intake {
    /// Has the plugins run over observations, compares them, and hands them to the writer; answers once they are durable. It goes on
    /// to its end if the sender leaves meanwhile, or what had arrived would be neither counted nor refused.
    pub(crate) async fn submit(
        self: &Arc<Self>,
        source: Option<Source>,
        id: Option<(Instance, u64)>,
        observations: Vec<Observation>,
        reserved: Reserved,
    ) -> Result<Settled, Untaken> {
        let intake = Arc::clone(self);
        to_its_end(async move { intake.take(source, id, observations, reserved).await }).await
    }

    /// The same for exchanges whose shadow calls are made first: once they are asked for, their observations are counted.
    pub(crate) async fn carry_out(
        self: &Arc<Self>,
        source: Option<Source>,
        handovers: Vec<Handover>,
        reserved: Reserved,
    ) -> Result<Settled, Untaken> {
        let intake = Arc::clone(self);
        let carrying = async move {
            let observations = intake.targets.carry_out(handovers).await;
            intake.take(source, None, observations, reserved).await
        };
        to_its_end(carrying).await
    }

    /// Whether a report about a release is one that the token may make. That it is not is logged: either a filter has the token of another,
    /// or somebody forges evidence.
    ///
    /// # Errors
    /// A problem that names the token, its releases, and the other one.
    pub(super) fn refuse_foreign(&self, by: &Principal, release: &str) -> Result<(), Problem> {
        let refused = by.refuse_beyond(release);
        if let (Err(_), Some(source)) = (&refused, by.source()) {
            self.metrics.door.foreign(&source, release);
        }
        refused
    }

    async fn take(
        &self,
        source: Option<Source>,
        id: Option<(Instance, u64)>,
        observations: Vec<Observation>,
        mut reserved: Reserved,
    ) -> Result<Settled, Untaken> {
        if observations.is_empty() {
            return Ok(Settled::default());
        }
        let count = observations.len() as u64;
        let (observations, prepared) =
            self.plugins.prepare_all(&self.policies, observations, &mut reserved).await;
        let coming = self.writer.announce();
        let compared = self.comparing.batch(source.clone(), observations, prepared, reserved).await.map_err(
            |uncompared| {
                self.writer.refuse(uncompared.reason(), count);
                Untaken::Uncompared(uncompared)
            },
        )?;
        let Compared { observations, prepared, compared, reserved } = compared;
        let submitted = self.writer.submit(coming, |reply| Batch {
            source,
            id,
            observations,
            prepared,
            compared,
            reserved,
            reply,
        });
        submitted.await.map_err(|_| Untaken::Stopped)?.map_err(Untaken::Unstored)
    }
}

/// A handler ends with its connection, this does not.
async fn to_its_end(
    taking: impl Future<Output = Result<Settled, Untaken>> + Send + 'static,
) -> Result<Settled, Untaken> {
    tokio::spawn(taking).await.unwrap_or(Err(Untaken::Uncompared(Uncompared::Failed)))
}

impl Uncompared {
    fn reason(self) -> Reason {
        match self {
            Self::Failed => Reason::Failed,
            Self::TooMuch => Reason::TooMuchWork,
            Self::Busy | Self::Stopped => Reason::Overloaded,
        }
    }
}

impl Untaken {
    /// The reason in words.
    pub(crate) fn words(self) -> String {
        let words = match self {
            Self::Unstored(why) => return why,
            Self::Stopped | Self::Uncompared(Uncompared::Stopped) => "the comparator is about to end",
            Self::Uncompared(Uncompared::Failed) => {
                "comparing the batch failed; the log of the comparator says more"
            }
            Self::Uncompared(Uncompared::TooMuch) => {
                "comparing the batch takes more work than one batch may: its bodies decode to too much, or differ in too much; \
                 send fewer observations in one batch"
            }
            Self::Uncompared(Uncompared::Busy) => {
                "more observations arrive than can be compared; try again in a second"
            }
        };
        words.to_owned()
    }
}

impl From<Untaken> for Problem {
    fn from(untaken: Untaken) -> Self {
        match untaken {
            // Sent again it would fail again.
            Untaken::Uncompared(Uncompared::Failed) => Self::unjudged(untaken.words()),
            Untaken::Uncompared(Uncompared::TooMuch) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-much-work", untaken.words())
            }
            _ => Self::unavailable(untaken.words()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use antumbra_observation::ShadowRequest;

    use super::*;
    use crate::aside::{Aside, Work};
    use crate::live::Live;

    /// Whoever sent it may be gone before it is compared.
    #[tokio::test]
    async fn what_arrived_is_counted_although_nobody_waits_for_the_answer() {
        let live = Live::new(crate::Descriptors::default(), antumbra_store::Accounts::default());
        let (writer, _inbox) = Handle::new(Arc::clone(&live.ledger));
        let batches = Arc::new(Aside::new(Work::Batches).unwrap());
        let intake = Arc::new(Intake {
            writer,
            room: Room::new(),
            policies: Arc::clone(&live.policies),
            registry: live.registry,
            metrics: Metrics::new(),
            targets: Targets::default(),
            plugins: Plugins::default(),
            comparing: Comparing::new(Arc::clone(&batches), live.policies, live.known, live.kept),
            decoding: Decoding::new(batches),
        });
        let observation = Observation::new("shop", "GET", "/");
        let candidate = ShadowRequest {
            variant: "canary".to_owned(),
            target: "canary".to_owned(),
            headers: Vec::new(),
            trailers: Vec::new(),
        };
        let handover =
            Handover { observation: observation.clone(), candidate, control: None, timeout_ms: 1, kept: 1 };
        tokio::select! {
            biased;
            _ = intake.submit(None, None, vec![observation; 3], intake.room.reserve()) => panic!("nobody settles it"),
            () = std::future::ready(()) => {}
        }
        tokio::select! {
            biased;
            _ = intake.carry_out(None, vec![handover; 2], intake.room.reserve()) => panic!("nobody settles it"),
            () = std::future::ready(()) => {}
        }
        for _ in 0..1_000 {
            if live.ledger.now().received == 5 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{:?}", live.ledger.now());
    }
}
