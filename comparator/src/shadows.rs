//! The comparator's own shadow calls: who is asked, how many at a time, and what became of each.
//!
//! Candidate and control of an exchange leave together, in an order that the caller draws, because only what was asked at the
//! same moment may be compared in time. Nothing waits for a place: a queue would put its own delay into the latencies, so
//! a call beyond a limit is not sent, and says so.

mod address;
mod began;
mod call;
mod client;
mod repeated;
mod resolve;
mod target;
pub(crate) mod targets;

use std::sync::Arc;

use antumbra_observation::{Leg, Unsent};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

pub(crate) use address::Network;
pub(crate) use began::Began;
pub(crate) use call::{Asked, Call, Unsendable, method};
pub(crate) use client::Limits;
pub(crate) use resolve::resolve;
pub(crate) use target::{Target, Url};

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

    /// One call of an exchange that began then: its answer, or why there is none.
    pub(crate) async fn ask(&self, call: Call, began: Began) -> Leg {
        match self.place(&call) {
            Some(_place) => self.client.send(call, began).await,
            None => Leg::not_sent(&call.target.variant, NO_PLACE),
        }
    }

    /// The shadow calls of one exchange that began then, together or not at all; their legs in the order of the arguments. A body that is the
    /// primary's says so.
    pub(crate) async fn exchange(
        &self,
        primary: &Leg,
        began: Began,
        candidate: Call,
        control: Option<Call>,
        candidate_first: bool,
    ) -> (Leg, Option<Leg>) {
        let Some(control) = control else {
            return (self.ask(candidate, began).await.beside(primary), None);
        };
        let places = self.place(&candidate).zip(self.place(&control));
        let Some((here, there)) = places else {
            let unsent = |call: &Call| Leg::not_sent(&call.target.variant, NO_PLACE);
            return (unsent(&candidate), Some(unsent(&control)));
        };
        let (candidate, control) = if candidate_first {
            let candidate = self.spawn(candidate, here, began);
            (candidate, self.spawn(control, there, began))
        } else {
            let control = self.spawn(control, there, began);
            (self.spawn(candidate, here, began), control)
        };
        let (candidate, control) = (candidate.leg().await, control.leg().await);
        (candidate.beside(primary), Some(control.beside(primary)))
    }

    fn spawn(&self, call: Call, place: Place, began: Began) -> Asking {
        let client = self.client.clone();
        let variant = call.target.variant.clone();
        let task = tokio::spawn(async move {
            let _place = place;
            client.send(call, began).await
        });
        Asking { variant, task }
    }

    /// Among all calls, and among those to its target.
    fn place(&self, call: &Call) -> Option<Place> {
        Some((Arc::clone(&self.places).try_acquire_owned().ok()?, call.target.place()?))
    }
}

/// Held while a call is under way.
type Place = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// A call under way; it ends with whoever waits for it.
struct Asking {
    variant: String,
    task: JoinHandle<Leg>,
}

impl Asking {
    /// A call whose task broke off has no answer that anybody heard.
    async fn leg(mut self) -> Leg {
        (&mut self.task).await.unwrap_or_else(|_| Leg::not_sent(&self.variant, Some(Unsent::GivenUp)))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const NO_PLACE: Option<Unsent> = Some(Unsent::NoPlace);

#[cfg(test)]
mod tests;
