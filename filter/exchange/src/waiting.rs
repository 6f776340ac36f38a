//! Exchanges whose shadow calls are out, until the last leg of each is settled.

use std::sync::Arc;
use std::time::Duration;

use antumbra_observation::{Leg, Observation, Unsent};
use antumbra_policy::{Mirror, Variant};

use crate::call::LegName;
use crate::capture::Capture;
use crate::shadow::{self, Answer};

/// All that one instance waits for.
#[derive(Default)]
pub(crate) struct InFlight {
    /// By ascending key, for the search.
    exchanges: Vec<(u64, Box<Waiting>)>,
    next: u64,
    bytes: usize,
}

/// One exchange. Candidate and control, if that is asked, are out together.
pub(crate) struct Waiting {
    capture: Arc<Capture>,
    pub(crate) mirror: Arc<Mirror>,
    candidate: Shadow,
    /// Without a leg if the control is not asked, or has not answered.
    control: Shadow,
    outstanding: u8,
    /// Bytes that capture and answers may hold.
    bytes: usize,
}

/// One of its calls.
struct Shadow {
    /// When it left.
    sent: Duration,
    /// What became of it.
    leg: Option<Leg>,
}

impl InFlight {
    /// How many exchanges.
    pub(crate) fn len(&self) -> usize {
        self.exchanges.len()
    }

    /// The most that they may come to hold.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a mirror waits for as many answers as it may.
    pub(crate) fn is_full(&self, mirror: &Arc<Mirror>) -> bool {
        let of_mirror =
            || self.exchanges.iter().filter(|(_, waiting)| Arc::ptr_eq(&waiting.mirror, mirror)).count();
        mirror.max_in_flight.is_some_and(|most| of_mirror() >= most)
    }

    /// The calls of an exchange leave now; `legs` is how many. Answers the key that names it.
    pub(crate) fn add(
        &mut self,
        capture: &Arc<Capture>,
        mirror: &Arc<Mirror>,
        legs: u8,
        now: Duration,
    ) -> u64 {
        let key = self.next;
        self.next = key.wrapping_add(1);
        let answer = usize::try_from(mirror.max_body_bytes).unwrap_or(usize::MAX);
        let bytes = capture.held_bytes().saturating_add(answer.saturating_mul(legs.into()));
        self.bytes = self.bytes.saturating_add(bytes);
        let waiting = Waiting {
            capture: Arc::clone(capture),
            mirror: Arc::clone(mirror),
            candidate: Shadow { sent: now, leg: None },
            control: Shadow { sent: now, leg: None },
            outstanding: legs,
            bytes,
        };
        self.exchanges.push((key, Box::new(waiting)));
        key
    }

    /// The exchange of this key, if it is still waited for.
    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut Waiting> {
        let place = self.place(key)?;
        self.exchanges.get_mut(place).map(|(_, waiting)| &mut **waiting)
    }

    /// Takes the exchange out if all its legs are settled.
    pub(crate) fn take_complete(&mut self, key: u64) -> Option<Box<Waiting>> {
        let place = self.place(key)?;
        self.exchanges.get(place).filter(|(_, waiting)| waiting.outstanding == 0)?;
        let (_, waiting) = self.exchanges.remove(place);
        self.bytes = self.bytes.saturating_sub(waiting.bytes);
        Some(waiting)
    }

    /// Gives all of them up; answers how many there were.
    pub(crate) fn clear(&mut self) -> u64 {
        self.bytes = 0;
        u64::try_from(std::mem::take(&mut self.exchanges).len()).unwrap_or(u64::MAX)
    }

    fn place(&self, key: u64) -> Option<usize> {
        self.exchanges.binary_search_by_key(&key, |(key, _)| *key).ok()
    }
}

impl Waiting {
    /// The variant that a leg went to.
    pub(crate) fn variant(&self, name: LegName) -> Option<&Arc<Variant>> {
        match name {
            LegName::Candidate => Some(&self.mirror.to),
            LegName::Control => self.mirror.control.as_ref().map(|control| &control.to),
        }
    }

    /// The host makes a call now.
    pub(crate) fn leaves(&mut self, name: LegName, now: Duration) {
        self.shadow(name).sent = now;
    }

    /// A leg is over, with the host's answer or because it never left; only the first time counts. Answers the leg.
    pub(crate) fn settle(&mut self, name: LegName, answer: Result<Answer, Unsent>, now: Duration) -> &Leg {
        let sent = self.shadow(name).sent;
        let variant = self.variant(name).map_or("", |variant| variant.name.as_str());
        let latency = u64::try_from(now.saturating_sub(sent).as_micros()).unwrap_or(u64::MAX);
        let leg = match answer {
            Err(why) => Leg::not_sent(variant, Some(why)),
            Ok(answer) => {
                let Capture { request, primary, .. } = &*self.capture;
                let leg = shadow::leg(answer, request, variant, latency, self.mirror.max_body_bytes, primary);
                // The host may only now say that it did not send it.
                let sent_us = leg.latency_us.and_then(|_| self.capture.sent_us(sent));
                Leg { sent_us, ..leg }
            }
        };
        if self.shadow(name).leg.is_none() {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
        self.shadow(name).leg.get_or_insert(leg)
    }

    fn shadow(&mut self, name: LegName) -> &mut Shadow {
        match name {
            LegName::Candidate => &mut self.candidate,
            LegName::Control => &mut self.control,
        }
    }

    /// What goes to the comparator.
    pub(crate) fn observation(self, release: &str) -> Observation {
        let candidate = self.candidate.leg.unwrap_or_else(|| Leg::not_sent(&self.mirror.to.name, None));
        Arc::unwrap_or_clone(self.capture).observation(release, &self.mirror, candidate, self.control.leg)
    }
}
