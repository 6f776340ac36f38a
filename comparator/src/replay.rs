//! Recorded requests, asked again: of the primary, then of candidate and control together, at a rate of their own.
//!
//! The rate is an open loop: a request is due whether or not earlier ones were answered, as with real users, and what finds no
//! place then is counted and not sent later, so that a slow service is not spared the load that shows it. The primary is asked
//! first because only what it answered can be compared.

mod accounts;
mod beginning;
mod capture;
pub(crate) mod captured;
mod chunked;
pub(crate) mod comparing;
mod entry;
mod gor;
mod har;
mod lines;
mod losses;
mod missed;
mod place;
mod raw_request;
mod recording;
mod skips;
mod statuses;
mod target;
mod wire;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antumbra_engine::Evidence;
use antumbra_observation::{Body, ExchangeId, Leg, Observation, Outcome, Request, VERSION};
use antumbra_policy::Dice;
use http::header::{HeaderMap, HeaderValue};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::clock;
use crate::replay::accounts::Admitted;
use crate::replay::comparing::Comparing;
use crate::replay::entry::{Recorded, RequestLine, Skipped};
use crate::shadows::{Asked, Began, Call, Limits, Shadows, Target};

pub(crate) use accounts::{Accounts, Admission, blanked};
pub(crate) use capture::MAX_LINE;
pub(crate) use entry::Entry;
pub(crate) use lines::{Line, next as next_line};
pub(crate) use recording::{Recording, Unreadable};

/// Who is asked, and how.
pub(crate) struct Plan {
    /// The stable version.
    pub(crate) primary: Arc<Target>,
    /// The new version.
    pub(crate) candidate: Arc<Target>,
    /// The stable version once more.
    pub(crate) control: Option<Arc<Target>>,
    /// The `Host` of all calls; each target's own unless given.
    pub(crate) host: Host,
    /// Of one call.
    pub(crate) timeout: Duration,
    /// Requests a second, above 0.
    pub(crate) rate: f64,
    /// Requests under way at a time.
    pub(crate) concurrency: usize,
    /// Most requests that are sent.
    pub(crate) limit: u64,
    /// Set in each request in place of those that were recorded.
    pub(crate) headers: HeaderMap,
    /// Which requests are sent, and how.
    pub(crate) admission: Admission,
}

/// Under which name the services are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// That of each URL.
    Own,
    /// That of the recording.
    Recorded,
    /// This one.
    Named(HeaderValue),
}

/// What came of a replay so far.
pub(crate) struct Replay {
    plan: Plan,
    /// Connections apart from the shadows': the primary's would be warm for a control of the same address alone.
    primaries: Shadows,
    shadows: Shadows,
    places: Arc<Semaphore>,
    comparing: Comparing,
    dice: Mutex<Dice>,
    found: Mutex<Found>,
}

/// What was counted and compared.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) accounts: Accounts,
    pub(crate) evidence: Evidence,
}

/// A recorded request that may be sent.
struct Due {
    request: Request,
    asked: Asked,
    id: ExchangeId,
    status: Option<u16>,
}

impl Replay {
    /// A replay that compares by these rules and plugins.
    pub(crate) fn new(plan: Plan, limits: Limits, comparing: Comparing) -> Self {
        let primaries = Shadows::new(plan.concurrency, limits);
        let shadows = Shadows::new(plan.concurrency.saturating_mul(2), limits);
        let places = Arc::new(Semaphore::new(plan.concurrency));
        let dice = Mutex::new(Dice(RandomState::new().build_hasher().finish()));
        Self { plan, primaries, shadows, places, comparing, dice, found: Mutex::default() }
    }

    /// Sends what comes until there is no more, the limit is reached or `stop` is ready. The last answers may be out then.
    pub(crate) async fn send(
        self: &Arc<Self>,
        mut entries: mpsc::Receiver<Entry>,
        stop: impl Future<Output = ()>,
    ) {
        let mut stop = std::pin::pin!(stop);
        let start = Instant::now();
        let mut due = 0;
        while due < self.plan.limit {
            let entry = tokio::select! {
                () = &mut stop => return,
                entry = entries.recv() => entry,
            };
            let Some(entry) = entry else { return };
            let Some(next) = self.admitted(entry) else { continue };
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep_until(start + self.offset(due)) => {}
            }
            due += 1;
            self.dispatch(next);
        }
    }

    /// Waits until every answer is there.
    pub(crate) async fn drained(&self) {
        let all = u32::try_from(self.plan.concurrency).unwrap_or(u32::MAX);
        drop(self.places.acquire_many(all).await);
    }

    /// What is known by now.
    pub(crate) fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offset(&self, due: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "nobody replays 2^53 requests")]
        let seconds = due as f64 / self.plan.rate;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// The request, ready to be sent, if it may be.
    fn admitted(&self, Entry { at, asked, line }: Entry) -> Option<Due> {
        let line = line.or_else(|| asked.as_ref().ok().map(|recorded| RequestLine::of(&recorded.request)));
        let admitted = asked.and_then(|recorded| self.due(recorded));
        let mut found = self.found();
        match admitted {
            Ok((due, blanked, unconditional)) => {
                found.accounts.recorded += 1;
                found.accounts.lacks(&blanked, &unconditional);
                Some(due)
            }
            Err(Skipped::Lost(lost)) => {
                found.accounts.lost = found.accounts.lost.saturating_add(lost);
                None
            }
            Err(skipped) => {
                found.accounts.recorded += 1;
                found.accounts.skip(at, &skipped);
                if let Some(line) = line.filter(|_| !skipped.is_needless()) {
                    found.accounts.missed.count(&line, &self.comparing.rules);
                }
                None
            }
        }
    }

    /// The request, and the headers that it lacks: those that were blanked, and conditions.
    fn due(
        &self,
        Recorded { request, status }: Recorded,
    ) -> Result<(Due, Vec<String>, Vec<String>), Skipped> {
        let given = |name: &String| self.plan.headers.contains_key(name.as_str());
        let blanked: Vec<String> = blanked(&request).filter(|name| !given(name)).collect();
        let Admitted { mut request, unconditional } = self.plan.admission.admit(request)?;
        request.path = target::carried(&request.path).into();
        let id = self.id();
        let mut asked = self.named(Asked::new(&request, id)?, &request)?;
        asked.headers.extend(self.plan.headers.clone());
        let unconditional = unconditional.into_iter().filter(|name| !given(name)).collect();
        Ok((Due { request, asked, id, status }, blanked, unconditional))
    }

    fn named(&self, mut asked: Asked, request: &Request) -> Result<Asked, Skipped> {
        asked.host = match &self.plan.host {
            Host::Own => None,
            Host::Recorded if request.authority.is_empty() => None,
            Host::Recorded => {
                let host = HeaderValue::from_bytes(&request.authority);
                Some(host.map_err(|_| Skipped::malformed("its host has control characters"))?)
            }
            Host::Named(host) => Some(host.clone()),
        };
        Ok(asked)
    }

    /// Sends the request if there is a place for it now.
    fn dispatch(self: &Arc<Self>, due: Due) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let mut found = self.found();
            found.accounts.late += 1;
            found.accounts.missed.count(&RequestLine::of(&due.request), &self.comparing.rules);
            return;
        };
        self.found().accounts.sent += 1;
        let replay = Arc::clone(self);
        tokio::spawn(async move {
            replay.exchange(due).await;
            drop(place);
        });
    }

    async fn exchange(self: Arc<Self>, Due { request, asked, id, status }: Due) {
        let asked = Arc::new(asked);
        let (at_us, began) = (clock::now_us(), Began::now());
        let call = |target: &Arc<Target>| Call {
            target: Arc::clone(target),
            message: Arc::clone(&asked),
            timeout: self.plan.timeout,
            kept: None,
        };
        let primary = self.primaries.ask(call(&self.plan.primary), began).await;
        if primary.outcome != Outcome::Response {
            let mut found = self.found();
            found.accounts.unanswered(primary.outcome);
            found.accounts.missed.count(&RequestLine::of(&request), &self.comparing.rules);
            return;
        }
        if let Some(answer) = &primary.response {
            self.found().accounts.statuses.count(status, answer.status);
        }
        let candidate_first = self.word() & 1 == 0;
        let control = self.plan.control.as_ref().map(call);
        let (candidate, control) = self
            .shadows
            .exchange(&primary, began, call(&self.plan.candidate), control, candidate_first)
            .await;
        let observation = observation(id, at_us, request, primary, candidate, control);
        if !self.comparing.computes() {
            return self.compare(&observation);
        }
        // A plugin may take its time: the answers to other requests must not wait for it, or they look slow. Should comparing end
        // unexpectedly, the exchange stays one that was sent and not compared.
        let _ = tokio::task::spawn_blocking(move || self.compare(&observation)).await;
    }

    fn compare(&self, observation: &Observation) {
        let prepared = self.comparing.prepare(observation);
        let mut found = self.found();
        let Found { accounts, evidence } = &mut *found;
        self.comparing.observe(evidence, observation, &prepared);
        accounts.compared += 1;
    }

    fn id(&self) -> ExchangeId {
        ExchangeId((u128::from(self.word()) << 64) | u128::from(self.word()))
    }

    fn word(&self) -> u64 {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

/// As a filter would have sent it, without what nobody needs to compare answers.
fn observation(
    id: ExchangeId,
    at_us: u64,
    request: Request,
    primary: Leg,
    candidate: Leg,
    control: Option<Leg>,
) -> Observation {
    Observation {
        version: VERSION,
        id,
        release: String::new(),
        generation: 0,
        rule: None,
        at_us,
        // A replay asks in its own time: what clients did when they were recorded does not matter.
        client: None,
        request: Request { headers: Vec::new(), body: Body::default(), ..request },
        // Whoever answers as the primary is the primary: the policy's name for it does not matter.
        primary: Leg { variant: String::new(), ..primary },
        candidate,
        control,
    }
}

/// Exchanges of a file that are told from each other; a capture of 256 MiB has fewer.
const MAX_SEEN: usize = 4_000_000;
