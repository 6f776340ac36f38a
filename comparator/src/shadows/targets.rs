//! The services that the comparator asks itself, where a mirror says `via: comparator`: whom a cluster's name stands for.
//!
//! Only the operator names addresses, once, at the start: what a filter hands over chooses among them and says no more than path and
//! headers. The exchange's id, which the filter drew at random, decides who is asked first, and who is spared where a service does not
//! answer: the breaker is the filter's, so a report says the same by whomever the calls are made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use antumbra_observation::{Breakers, Handover, Leg, Observation, ShadowRequest, Unsent};
use tokio::task::JoinSet;

use crate::clock;
use crate::shadows::{Asked, Began, Call, Limits, Network, Shadows, Target, Url, resolve};

/// Targets by the names of their clusters; none by default.
#[derive(Clone)]
pub struct Targets {
    shadows: Shadows,
    by_name: BTreeMap<String, Arc<Target>>,
    /// By the names of clusters, over all batches.
    breakers: Arc<Mutex<Breakers>>,
    /// The origin of their clock.
    began: Instant,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            shadows: Shadows::new(MAX_CALLS, Limits::default()),
            by_name: BTreeMap::new(),
            breakers: Arc::default(),
            began: Instant::now(),
        }
    }
}

impl Targets {
    /// With a service at `url`, which is `http://host[:port][/prefix]`, under the name of its cluster. `allowed` names guarded
    /// networks that it may be in, as 10.0.0.0/8; loopback needs no name.
    ///
    /// # Errors
    /// Which of the arguments is wrong, or why the address may not or cannot be called.
    pub async fn with(self, cluster: &str, url: &str, allowed: &[&str]) -> Result<Self, String> {
        let url: Url = url.parse().map_err(|error| format!("{url:?} {error}"))?;
        let network = |text: &&str| text.parse::<Network>().map_err(|error| format!("{text:?} {error}"));
        let allowed = allowed.iter().map(network).collect::<Result<Vec<_>, _>>()?;
        self.with_url(cluster, &url, &allowed).await
    }

    pub(crate) async fn with_url(
        mut self,
        cluster: &str,
        url: &Url,
        allowed: &[Network],
    ) -> Result<Self, String> {
        let address = resolve(url, allowed).await?;
        let target =
            Target::new(cluster, url, address, MAX_CALLS_TO_ONE).map_err(|error| error.to_string())?;
        self.by_name.insert(cluster.to_owned(), Arc::new(target));
        Ok(self)
    }

    /// Whether the cluster has an address.
    pub(crate) fn knows(&self, cluster: &str) -> bool {
        self.by_name.contains_key(cluster)
    }

    /// The first cluster that a handover names and that nobody knows.
    pub(crate) fn unknown<'h>(&self, handovers: &'h [Handover]) -> Option<&'h str> {
        let asked =
            handovers.iter().flat_map(|handover| [Some(&handover.candidate), handover.control.as_ref()]);
        asked.flatten().map(|shadow| shadow.target.as_str()).find(|name| !self.by_name.contains_key(*name))
    }

    /// Makes the calls of all of them at once, but for those that breakers keep back; answers when the last is over.
    pub(crate) async fn carry_out(&self, handovers: Vec<Handover>) -> Vec<Observation> {
        let mut exchanges = JoinSet::new();
        let mut observations = Vec::new();
        for handover in handovers {
            if !self.admits(&handover) {
                observations.push(unasked(handover, Unsent::Breaker));
                continue;
            }
            let targets = self.clone();
            exchanges.spawn(async move { targets.observe(handover).await });
        }
        observations.extend(exchanges.join_all().await);
        observations
    }

    /// Candidate and control together or not at all: one word decides for both.
    fn admits(&self, handover: &Handover) -> bool {
        let (now, mut breakers) = (self.began.elapsed(), self.breakers());
        let word = random(handover);
        let mut admits = |shadow: &ShadowRequest| breakers.admit(&shadow.target, word, now);
        admits(&handover.candidate) && handover.control.as_ref().is_none_or(admits)
    }

    fn record(&self, shadow: &ShadowRequest, leg: &Leg) {
        self.breakers().record(&shadow.target, leg.outcome, self.began.elapsed());
    }

    fn breakers(&self) -> MutexGuard<'_, Breakers> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn observe(&self, handover: Handover) -> Observation {
        let (candidate, control) = self.ask(&handover).await;
        self.record(&handover.candidate, &candidate);
        if let (Some(shadow), Some(leg)) = (&handover.control, &control) {
            self.record(shadow, leg);
        }
        Observation { candidate, control, ..handover.observation }
    }

    async fn ask(&self, handover: &Handover) -> (Leg, Option<Leg>) {
        let Handover { observation, candidate, control, .. } = handover;
        let Some((first, second)) = self.calls(handover) else {
            return (unsendable(candidate), control.as_ref().map(unsendable));
        };
        let candidate_first = observation.id.0 & 1 == 1;
        let began = Began::at(observation.at_us, clock::now_us());
        let (first, second) =
            self.shadows.exchange(&observation.primary, began, first, second, candidate_first).await;
        // A target is called by its cluster, a leg by its variant.
        let named = |leg: Leg, shadow: &ShadowRequest| Leg { variant: shadow.variant.clone(), ..leg };
        (named(first, candidate), second.zip(control.as_ref()).map(|(leg, shadow)| named(leg, shadow)))
    }

    /// Candidate and control together or not at all.
    fn calls(&self, handover: &Handover) -> Option<(Call, Option<Call>)> {
        let candidate = self.call(&handover.candidate, handover)?;
        match &handover.control {
            Some(control) => Some((candidate, Some(self.call(control, handover)?))),
            None => Some((candidate, None)),
        }
    }

    /// `None` if HTTP/1.1 cannot carry the request.
    fn call(&self, shadow: &ShadowRequest, handover: &Handover) -> Option<Call> {
        let Observation { id, request, .. } = &handover.observation;
        let message = Asked::written(shadow, *id, &request.body).ok()?;
        Some(Call {
            target: Arc::clone(self.by_name.get(&shadow.target)?),
            message: Arc::new(message),
            timeout: Duration::from_millis(handover.timeout_ms),
            kept: Some(usize::try_from(handover.kept).unwrap_or(usize::MAX)),
        })
    }

    /// Bytes that these hold, and that the answers to them may come to hold.
    pub(crate) fn most_held(handovers: &[Handover]) -> usize {
        let of = |handover: &Handover| {
            let kept = usize::try_from(handover.kept).unwrap_or(usize::MAX).min(Limits::default().kept);
            let calls = 1 + usize::from(handover.control.is_some());
            // Each call has a copy of the request's body.
            let asked = handover.observation.request.body.held().saturating_mul(calls + 1);
            let answers = kept.saturating_mul(calls);
            let primary =
                handover.observation.primary.response.as_ref().map_or(0, |answer| answer.body.held());
            answers.saturating_add(primary).saturating_add(asked)
        };
        handovers.iter().map(of).fold(0, usize::saturating_add)
    }
}

fn unasked(handover: Handover, why: Unsent) -> Observation {
    let leg = |shadow: &ShadowRequest| Leg::not_sent(&shadow.variant, Some(why));
    let (candidate, control) = (leg(&handover.candidate), handover.control.as_ref().map(leg));
    Observation { candidate, control, ..handover.observation }
}

/// The half of the exchange's id that does not decide who is asked first.
fn random(handover: &Handover) -> u64 {
    u64::try_from(handover.observation.id.0 >> 64).unwrap_or_default()
}

fn unsendable(shadow: &ShadowRequest) -> Leg {
    Leg::not_sent(&shadow.variant, Some(Unsent::Unsendable))
}

/// Calls under way at a time, to all targets.
const MAX_CALLS: usize = 256;
/// Calls under way at a time to one target. What is beyond is not sent, and the leg says so.
const MAX_CALLS_TO_ONE: usize = 64;
