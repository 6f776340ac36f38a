//! The comparator's own shadow calls: who is asked, how many at a time, and what became of each.
//!
//! Candidate and control of an exchange leave together, in an order that the caller draws, because only what was asked at the
//! same moment may be compared in time. Nothing waits for a place: a queue would put its own delay into the latencies, so
//! a call beyond a limit is not sent, and says so.

mod address;
mod body;
mod call;
mod client;
mod resolve;
mod target;

use std::sync::Arc;

use antumbra_observation::{Leg, Outcome};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub(crate) use address::Network;
pub(crate) use call::{Asked, Call, Unsendable};
pub(crate) use client::Limits;
pub(crate) use resolve::resolve;
pub(crate) use target::{Target, Url};

use body::same_as;
use client::Client;

/// Makes shadow calls within bounds.
#[derive(Clone)]
pub(crate) struct Shadows {
    client: Client,
    places: Arc<Semaphore>,
}

impl Shadows {
    /// At most `most` calls at a time, and of those to one target at most as many as the target says.
    pub(crate) fn new(most: usize, limits: Limits) -> Self {
        Self { client: Client::new(limits), places: Arc::new(Semaphore::new(most)) }
    }

    /// One call: its answer, or why there is none.
    pub(crate) async fn ask(&self, call: Call) -> Leg {
        let place = Arc::clone(&self.places).try_acquire_owned();
        match (place, call.target.place()) {
            (Ok(_everywhere), Some(_there)) => self.client.send(call).await,
            _ => not_sent(&call.target.variant),
        }
    }

    /// The shadow calls of one exchange, together; their legs in the order of the arguments. A body that is the primary's says so.
    pub(crate) async fn exchange(
        &self,
        primary: &Leg,
        candidate: Call,
        control: Option<Call>,
        candidate_first: bool,
    ) -> (Leg, Option<Leg>) {
        let Some(control) = control else { return (same_as(self.ask(candidate).await, primary), None) };
        let (candidate, control) = if candidate_first {
            let candidate = self.spawn(candidate);
            (candidate, self.spawn(control))
        } else {
            let control = self.spawn(control);
            (self.spawn(candidate), control)
        };
        let (candidate, control) = (candidate.leg().await, control.leg().await);
        (same_as(candidate, primary), Some(same_as(control, primary)))
    }

    fn spawn(&self, call: Call) -> Asking {
        let shadows = self.clone();
        let variant = call.target.variant.clone();
        Asking { variant, task: tokio::spawn(async move { shadows.ask(call).await }) }
    }
}

/// A call under way; it ends with whoever waits for it.
struct Asking {
    variant: String,
    task: JoinHandle<Leg>,
}

impl Asking {
    /// A call whose task broke off has no answer that anybody heard.
    async fn leg(mut self) -> Leg {
        (&mut self.task).await.unwrap_or_else(|_| not_sent(&self.variant))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A leg whose call never left.
pub(crate) fn not_sent(variant: &str) -> Leg {
    Leg { variant: variant.to_owned(), outcome: Outcome::NotSent, latency_us: None, response: None }
}

#[cfg(test)]
mod tests;
