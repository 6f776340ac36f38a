//! Who was turned away before anything they sent was read: counted by reason, and logged at most once a minute, or whoever
//! floods the door would flood the log too.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::principal::Source;

/// How many connections may be open at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// From all addresses together. A few more places are kept for health and operators.
    pub most: usize,
    /// From one address, or from one network of 64 bits of IPv6. Clients behind one proxy have one address.
    pub per_address: usize,
}

impl Default for Connections {
    /// Half of the open files that a process usually may have, and half of those for one address.
    fn default() -> Self {
        Self { most: 512, per_address: 256 }
    }
}

/// Why a connection was refused, or closed before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Every place is taken, and nobody gives way.
    Full,
    /// It had proved nothing when a newer connection needed its place.
    GaveWay,
    /// It had a place that is kept for health and operators, and asked for something else.
    Kept,
    /// It sent no whole request in time.
    Silent,
    /// It did not read its answer.
    Unread,
}

impl Turned {
    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::GaveWay => "gave_way",
            Self::Kept => "kept",
            Self::Silent => "silent",
            Self::Unread => "unread",
        }
    }
}

/// Counts connections and those who are turned away.
#[derive(Default)]
pub(crate) struct Door {
    open: Gauge,
    refused: Family<TurnedLabel, Counter>,
    wrong_tokens: Counter,
    forbidden: Counter,
    connections_told: Seldom,
    tokens_told: Seldom,
    foreign_told: Seldom,
}

impl Door {
    /// A connection is open.
    pub(crate) fn opened(&self) {
        self.open.inc();
    }

    /// One of those that were open is not.
    pub(crate) fn closed(&self) {
        self.open.dec();
    }

    /// A connection was refused or closed early.
    pub(crate) fn turn_away(&self, peer: IpAddr, reason: Turned) {
        self.refused.get_or_create(&TurnedLabel { reason: reason.as_str() }).inc();
        if let Some(connections) = self.connections_told.count(Instant::now()) {
            let reason = reason.as_str();
            tracing::warn!(
                connections,
                %peer,
                reason,
                "connections were refused or closed early since the last such line; peer and reason are those of the latest"
            );
        }
    }

    /// A request bore no token, or a wrong one.
    pub(crate) fn wrong_token(&self, peer: Option<IpAddr>) {
        self.wrong_tokens.inc();
        if let Some(requests) = self.tokens_told.count(Instant::now()) {
            let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
            tracing::warn!(
                requests,
                peer,
                "requests without the right token were refused since the last such line; peer is that of the latest"
            );
        }
    }

    /// A request came from where none may, or bore a token that does not permit it.
    pub(crate) fn forbidden(&self) {
        self.forbidden.inc();
    }

    /// A report was about a release that its token is not for.
    pub(crate) fn foreign(&self, source: &Source, release: &str) {
        if let Some(reports) = self.foreign_told.count(Instant::now()) {
            tracing::warn!(
                reports,
                %source,
                release,
                "reports about releases that their tokens are not for were refused since the last such line; source and release are \
                 those of the latest"
            );
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Connections that are open", self.open.clone());
        let help = "Connections that were refused or closed early, by reason";
        registry.register("connections_refused", help, self.refused.clone());
        let help = "Requests that were refused because they bore no token or a wrong one";
        registry.register("unauthorised", help, self.wrong_tokens.clone());
        let help =
            "Requests that were refused because of their origin, their host or what their token permits";
        registry.register("forbidden", help, self.forbidden.clone());
    }
}

/// Says how often something happened, at most once a minute.
#[derive(Default)]
struct Seldom(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    told: Option<Instant>,
    since: u64,
}

impl Seldom {
    /// Counts one more; answers the number since it answered last, if that is long enough ago.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.since += 1;
        let due = counted.told.is_none_or(|told| now.saturating_duration_since(told) >= BETWEEN_LINES);
        due.then(|| {
            counted.told = Some(now);
            std::mem::take(&mut counted.since)
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TurnedLabel {
    reason: &'static str,
}

const BETWEEN_LINES: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_told_once_a_minute_with_its_number() {
        let (seldom, began) = (Seldom::default(), Instant::now());
        for (second, expected) in
            [(0, Some(1)), (0, None), (1, None), (59, None), (60, Some(4)), (61, None), (121, Some(2))]
        {
            assert_eq!(seldom.count(began + Duration::from_secs(second)), expected, "second {second}");
        }
    }
}
