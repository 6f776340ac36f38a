//! When an instance may call: Envoy takes calls from every callback, other hosts only from the root context's tick.
//!
//! There everything that could lead to a call waits for the tick and is dealt with in the order in which it came. An answer
//! keeps the time of its arrival, which is its latency; the shadows of a capture leave only now, so their clock starts now.

use crate::{Host, Incident, Now};

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
            Incident::Tick => {
                let mut due = std::mem::take(&mut self.postponed);
                for (earlier, at) in &mut due {
                    if matches!(earlier, Incident::Captured(_)) {
                        *at = now;
                    }
                }
                due
            }
            Incident::Abandon => std::mem::take(&mut self.postponed)
                .into_iter()
                .flat_map(|(earlier, _)| cut(earlier, now))
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// No tick comes any more. A capture never becomes a mirrored exchange; an answer finds nobody who waits for it.
fn cut(incident: Incident, now: Now) -> Vec<(Incident, Now)> {
    match incident {
        Incident::Captured(capture) => {
            vec![(Incident::GivenUp(capture.reserved), now), (Incident::Passed("shutdown"), now)]
        }
        _ => Vec::new(),
    }
}
