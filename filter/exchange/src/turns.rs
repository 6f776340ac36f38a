//! When an instance may call: Envoy takes calls from every callback, other hosts only from the root context's tick.
//!
//! There everything that could lead to a call waits for the tick and is dealt with in the order in which it came. An answer
//! keeps the time of its arrival, which is its latency; the shadows of a capture leave only now, so their clock starts now. Few
//! leave at once: a burst would meet the breakers of the candidate's cluster, and that would look like its fault.

use antumbra_observation::NotMirrored;

use crate::clock::Now;
use crate::incident::Incident;
use crate::settings::Host;

/// What waits for the next tick: nothing, in Envoy.
pub(crate) struct Turns {
    host: Host,
    postponed: Vec<(Incident, Now)>,
}

impl Turns {
    pub(crate) fn new(host: Host) -> Self {
        Self { host, postponed: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.postponed.is_empty()
    }

    /// Answers what can be dealt with now; keeps what has to wait.
    pub(crate) fn admit(&mut self, incident: Incident, now: Now) -> Option<Incident> {
        let calls = matches!(incident, Incident::Captured(_) | Incident::Answered(..) | Incident::Drain);
        if self.host == Host::Envoy || !calls {
            return Some(incident);
        }
        self.postponed.push((incident, now));
        None
    }

    /// What is dealt with before this incident, and as of when.
    pub(crate) fn due(&mut self, incident: &Incident, now: Now) -> Vec<(Incident, Now)> {
        match incident {
            Incident::Tick => self.due_now(now),
            Incident::Abandon => std::mem::take(&mut self.postponed)
                .into_iter()
                .flat_map(|(earlier, _)| cut(earlier, now))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn due_now(&mut self, now: Now) -> Vec<(Incident, Now)> {
        let mut captures = 0_usize;
        let due = self.postponed.extract_if(.., |(incident, at)| {
            if matches!(incident, Incident::Captured(_)) {
                captures = captures.saturating_add(1);
                *at = now;
            }
            captures <= MAX_CAPTURES || !matches!(incident, Incident::Captured(_))
        });
        due.collect()
    }
}

/// No tick comes any more. A capture never becomes a mirrored exchange; an answer finds nobody who waits for it.
fn cut(incident: Incident, now: Now) -> Vec<(Incident, Now)> {
    match incident {
        Incident::Captured(capture) => {
            vec![
                (Incident::GivenUp(capture.reserved), now),
                (Incident::Passed(NotMirrored::Shutdown.into()), now),
            ]
        }
        _ => Vec::new(),
    }
}

/// Exchanges whose shadows leave on one tick: half of the calls that may wait for a connection in the clusters that we ship.
const MAX_CAPTURES: usize = 8;
