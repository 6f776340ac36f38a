//! Comparing on all cores, before the one thread that counts.
//!
//! What a batch was compared by goes with it: the writer looks whether that still holds, and compares anew what was overtaken by another
//! policy or another session.
//!
//! Bytes say little about the work: a batch of 400 kB may decode to 400 MB. So the work of a batch is bounded by what is done, its
//! memory by what is made, and the wait of those behind it by time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use antumbra_control::Version;
use antumbra_engine::measured;
use antumbra_observation::Observation;
use tokio::sync::Semaphore;

use crate::api::principal::Source;
use crate::aside::Aside;
use crate::live::kept::{Drawn, Kept, Marks};
use crate::live::known::Known;
use crate::live::policies::Policies;
use crate::live::room::Reserved;
use crate::plugins::{Preparations, Prepared};
use crate::redaction::Redaction;
use crate::writer::Under;

/// Compares batches, as many at a time as there are processors.
pub(crate) struct Comparing {
    aside: Arc<Aside>,
    policies: Arc<Policies>,
    known: Arc<Known>,
    kept: Arc<Kept>,
    places: Arc<Semaphore>,
    stopped: Arc<AtomicBool>,
    /// How long a batch waits for its turn.
    patience: Duration,
}

/// A batch whose answers are compared.
pub(crate) struct Compared {
    /// As they came.
    pub(crate) observations: Vec<Observation>,
    /// What plugins made of them.
    pub(crate) prepared: Preparations,
    /// What comparing made of each; none of what nobody has a policy for.
    pub(crate) compared: Vec<Option<Under>>,
    /// The memory that all of it may take.
    pub(crate) reserved: Reserved,
}

/// Why a batch was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uncompared {
    /// It ended by a panic, which is a defect of ours.
    Failed,
    /// Comparing it takes more work than one batch may.
    TooMuch,
    /// Others are compared, or what they made leaves no room.
    Busy,
    /// The comparator is about to end.
    Stopped,
}

impl Comparing {
    /// Compares by the policies in force and by what is known when a batch comes. Some of it may be kept.
    pub(crate) fn new(
        aside: Arc<Aside>,
        policies: Arc<Policies>,
        known: Arc<Known>,
        kept: Arc<Kept>,
    ) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            aside,
            policies,
            known,
            kept,
            places: Arc::new(Semaphore::new(processors)),
            stopped: Arc::default(),
            patience: MAX_WAIT,
        }
    }

    /// Compares nothing any more, and leaves what is under way after the exchange that it is at.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.places.close();
    }

    /// Compares a batch, on a thread on which that may take its time. What comes of it has a part in the batch's share of the memory.
    pub(crate) async fn batch(
        &self,
        source: Option<Source>,
        observations: Vec<Observation>,
        prepared: Preparations,
        mut reserved: Reserved,
    ) -> Result<Compared, Uncompared> {
        let place = tokio::time::timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.map_err(|_| Uncompared::Busy)?.map_err(|_| Uncompared::Stopped)?;
        let (policies, known) = (Arc::clone(&self.policies), Arc::clone(&self.known));
        let (kept, stopped) = (Arc::clone(&self.kept), Arc::clone(&self.stopped));
        let running = self.aside.run(move || {
            let _place = place;
            let mut spent = Spent { before: reserved.bytes(), ..Spent::default() };
            let mut compared = Vec::with_capacity(observations.len());
            for (at, one) in observations.iter().enumerate() {
                if stopped.load(Ordering::Acquire) {
                    return Err(Uncompared::Stopped);
                }
                let (done, work) = measured(|| under(&policies, &known, &source, one, prepared.get(&at)));
                let Some((mut under, version)) = done else {
                    spent.add(work, 0, &mut reserved)?;
                    compared.push(None);
                    continue;
                };
                spent.add(work, under.compared.held(), &mut reserved)?;
                under.drawn = Marks::of(&under.compared).map(|marks| {
                    let redacted = || redacted(one, &version);
                    spent.keep(kept.draw(one, under.session, marks, redacted), &mut reserved)
                });
                compared.push(Some(under));
            }
            Ok(Compared { observations, prepared, compared, reserved })
        });
        running.await.unwrap_or_else(|error| {
            tracing::error!(%error, "comparing a batch ended unexpectedly");
            Err(Uncompared::Failed)
        })
    }
}

/// What a batch has taken so far.
#[derive(Default)]
struct Spent {
    /// Bytes that it held before.
    before: usize,
    work: u64,
    held: usize,
    /// Bytes of what may be kept.
    kept: usize,
}

impl Spent {
    /// What may be kept, if there is room for it: otherwise it is only counted.
    fn keep(&mut self, mut drawn: Drawn, reserved: &mut Reserved) -> Drawn {
        let kept = self.kept.saturating_add(drawn.held());
        if reserved.grow(self.before.saturating_add(self.held).saturating_add(kept)) {
            self.kept = kept;
        } else {
            drawn.drop_copy();
        }
        drawn
    }

    /// Adds what one exchange took. The first may take all that the engine allows for one: sent alone, it is compared.
    fn add(&mut self, work: u64, held: usize, reserved: &mut Reserved) -> Result<(), Uncompared> {
        let is_first = self.work == 0;
        self.work = self.work.saturating_add(work).saturating_add(1);
        self.held = self.held.saturating_add(held);
        if !is_first && (self.work > MAX_WORK || self.held > MAX_HELD) {
            return Err(Uncompared::TooMuch);
        }
        let bytes = self.before.saturating_add(self.held).saturating_add(self.kept);
        if reserved.grow(bytes) { Ok(()) } else { Err(Uncompared::Busy) }
    }
}

/// The outline is read first: if a session begins in between, the policy is the newer one, and the writer sees that they do not fit.
fn under(
    policies: &Policies,
    known: &Known,
    source: &Option<Source>,
    observation: &Observation,
    prepared: Option<&Prepared>,
) -> Option<(Under, Arc<Version>)> {
    let known = known.get(&observation.release, source);
    let version = policies.get(&observation.release)?;
    let compared = Prepared::compare(prepared, observation, version.document.rules(), &known.evidence);
    let under = Under { generation: version.generation, session: known.session, compared, drawn: None };
    Some((under, version))
}

/// What may be kept of an exchange. The generation under which it was compared names what is secret in it.
fn redacted(observation: &Observation, version: &Version) -> Observation {
    let mut observation = observation.clone();
    Redaction::of(version.document.rules().secrets()).apply(&mut observation);
    observation
}

/// Work of one batch, as the engine counts it: a second or so. What a filter puts into one batch, 256 KiB and one exchange more, is a
/// fifth of that if it is packed as texts are.
const MAX_WORK: u64 = 256 << 20;
/// Bytes of what comes of comparing one batch. A filter's 32 exchanges that differ in everything make less.
const MAX_HELD: usize = 32 << 20;
/// How long a batch waits for its turn. Whoever waits longer would be answered by a comparator that falls behind more and more.
const MAX_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use antumbra_control::Document;
    use antumbra_observation::Leg;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::aside::Work;
    use crate::live::kept::Offer;
    use crate::live::room::Room;

    const SHOP: &str =
        "{version: 1, name: shop, variants: {stable: null, canary: null, control: null}, default: stable,
        rules: [{name: shadow, mirror: [{to: canary, percent: 5}]}]}";

    fn comparing() -> Comparing {
        let aside = Arc::new(Aside::new(Work::Batches).unwrap());
        let policies = Arc::new(Policies::default());
        policies.put(Version::new(Document::from_yaml(SHOP.as_bytes()).unwrap(), 1, 0));
        Comparing::new(aside, policies, Arc::default(), Arc::default())
    }

    /// Some hundred bytes each that decode to a hundred thousand nodes and more.
    fn bomb(id: u128) -> Observation {
        let leg = |variant: &str, number: u8| {
            let text = format!("[{}{number}]", "0,".repeat(240_000));
            let mut packed = GzEncoder::new(Vec::new(), Compression::best());
            packed.write_all(text.as_bytes()).unwrap();
            let mut leg = Leg::answer(variant, 200).with_json("");
            let answer = leg.response.as_mut().unwrap();
            answer.headers.push(("content-encoding".into(), "gzip".into()));
            answer.body = antumbra_observation::Body::Whole(packed.finish().unwrap().into());
            leg
        };
        Observation::new("shop", "GET", "/")
            .with_id(id)
            .with_primary(leg("stable", 1))
            .with_candidate(leg("canary", 2))
            .with_control(leg("control", 3))
    }

    async fn compared(comparing: &Comparing, batch: Vec<Observation>) -> Result<usize, Uncompared> {
        let done = comparing.batch(None, batch, Preparations::new(), Room::new().reserve()).await;
        done.map(|done| done.compared.iter().flatten().count())
    }

    #[tokio::test]
    async fn work_is_bounded_by_what_is_decoded_and_not_by_what_is_sent() {
        let comparing = comparing();
        assert_eq!(compared(&comparing, vec![bomb(1)]).await, Ok(1));
        let many: Vec<Observation> = (0..100).map(bomb).collect();
        assert_eq!(compared(&comparing, many).await, Err(Uncompared::TooMuch));
        let plain = |id| Observation::new("shop", "GET", "/").with_id(id);
        assert_eq!(compared(&comparing, (0..1_000).map(plain).collect()).await, Ok(1_000));
    }

    /// The one thread that counts, and the lock over what is kept of all releases, see nothing that is still to be redacted.
    #[tokio::test]
    async fn what_may_be_kept_is_redacted_where_it_is_compared() {
        let leg = |variant: &str| Leg::answer(variant, 200).with_json(r#"{"password":"hush"}"#);
        let mut one = Observation::new("shop", "GET", "/").with_id(1);
        one.request.headers = vec![("authorization".into(), "hush".into())];
        let one = one.with_primary(leg("stable")).with_candidate(leg("canary")).with_control(leg("control"));
        let large = one.clone().with_candidate(Leg::answer("canary", 200).with_json(&"x".repeat(2 << 20)));
        let comparing = comparing();
        let batch = vec![one, large];
        let done = comparing
            .batch(None, batch, Preparations::new(), Room::new().reserve())
            .await
            .unwrap_or_else(|_| panic!("compared"));
        let mut drawn = done.compared.into_iter().map(|under| under.unwrap().drawn.unwrap());
        let (kept, large) = (drawn.next().unwrap(), drawn.next().unwrap());
        assert!(kept.held() > 0 && large.held() == 0, "one that is too large is not copied");
        let session = 1;
        comparing.kept.offer([Offer { release: "shop", drawn: kept, session }].into_iter(), 7);
        let sample = comparing.kept.sample("shop").exchanges;
        let told = format!("{:?}", sample[0].observation);
        assert!(told.contains("[redacted]") && !told.contains("hush"), "{told}");
    }

    /// Nothing of a warm-up is offered to a sample, and one that has nothing yet would want all of it.
    #[tokio::test]
    async fn nothing_is_copied_while_what_comes_is_only_counted() {
        let comparing = comparing();
        let drawn = async |id: u128| {
            let leg = |variant| Leg::answer(variant, 200).with_json("{}");
            let one = Observation::new("shop", "GET", "/").with_id(id).with_primary(leg("stable"));
            let one = one.with_candidate(leg("canary")).with_control(leg("control"));
            let reserved = Room::new().reserve();
            let done = comparing.batch(None, vec![one], Preparations::new(), reserved).await;
            let mut done = done.unwrap_or_else(|_| panic!("compared")).compared;
            done.pop().flatten().and_then(|under| under.drawn).unwrap()
        };
        assert!(drawn(1).await.held() > 0);
        comparing.kept.rest(["shop"].into_iter());
        let counted = drawn(2).await;
        assert_eq!(counted.held(), 0);
        comparing.kept.offer([Offer { release: "shop", drawn: counted, session: 1 }].into_iter(), 7);
        assert!(drawn(3).await.held() > 0, "what is offered is wanted again");
    }

    #[test]
    fn what_comparing_makes_takes_room() {
        let room = Room::new();
        let (mut one, mut spent) = (room.reserve(), Spent::default());
        assert_eq!(spent.add(1, MAX_HELD, &mut one), Ok(()));
        assert_eq!(spent.add(1, 1, &mut one), Err(Uncompared::TooMuch));
        let (mut others, mut taken) = (Vec::new(), 0);
        loop {
            let mut other = room.reserve();
            match Spent::default().add(1, MAX_HELD, &mut other) {
                Ok(()) => taken += 1,
                refused => break assert_eq!(refused, Err(Uncompared::Busy)),
            }
            others.push(other);
        }
        assert_eq!(taken, 2, "96 MiB in all");
    }

    #[tokio::test]
    async fn nothing_is_compared_once_the_end_has_come() {
        let comparing = comparing();
        comparing.stop();
        assert_eq!(compared(&comparing, vec![bomb(1)]).await, Err(Uncompared::Stopped));
    }

    #[tokio::test]
    async fn who_waits_for_too_long_is_told_to_come_again() {
        let comparing = Comparing { patience: Duration::from_millis(1), ..comparing() };
        let all = u32::try_from(comparing.places.available_permits()).unwrap();
        let _taken = Arc::clone(&comparing.places).acquire_many_owned(all).await.unwrap();
        assert_eq!(compared(&comparing, vec![bomb(1)]).await, Err(Uncompared::Busy));
    }
}
