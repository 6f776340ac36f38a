//! Reports, judged from snapshots on threads of their own: neither the writer nor an acknowledgement waits for one.
//!
//! A snapshot is made at a commit's boundary when somebody asks. Of one release one report is judged at a time, and all who asked before
//! its snapshot was made share it: however many look, the reports take one core at most.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use antumbra_control::Session;
use antumbra_engine::{
    Apart, Delivery, Evidence, PluginReport, Report, SourceReport, Sourced, Together, Verdict,
};
use antumbra_observation::Unsent;

use crate::api::principal::Source;
use crate::aside::Aside;
use crate::live::policies::Policies;
use crate::live::registry::Registry;
use crate::writer::{ChangeError, Handle, Job, Snapshot, Stopped};

/// How a release stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// The session of evidence.
    pub(crate) session: Session,
    /// Exchanges in it.
    pub(crate) exchanges: u64,
    /// Those of which a shadow was not sent, by reason.
    pub(crate) not_sent: BTreeMap<Unsent, u64>,
    /// How the policy's plugins fared in it.
    pub(crate) plugins: Vec<PluginReport>,
    /// Who sent them, where tokens tell.
    pub(crate) sources: Vec<SourceReport>,
    /// What they say, or said a moment ago; none while the first verdict of the session takes long.
    pub(crate) verdict: Option<Verdict>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unjudged {
    /// The writer has ended.
    #[error("the comparator is about to end")]
    Stopped,
    /// There is no such release, or the store fails.
    #[error(transparent)]
    Refused(#[from] ChangeError),
    /// Judging ended by a panic, which is a defect of ours.
    #[error("judging the release failed; the log of the comparator says more")]
    Failed,
}

/// Judges releases.
pub(crate) struct Judge {
    policies: Arc<Policies>,
    benches: Mutex<BTreeMap<String, Arc<Bench>>>,
    aside: Arc<Aside>,
}

/// Where one release is judged.
#[derive(Default)]
struct Bench {
    /// Whoever holds it judges.
    turn: Arc<tokio::sync::Mutex<()>>,
    last: Mutex<Option<Judged>>,
}

/// The last report of a release.
#[derive(Clone)]
struct Judged {
    report: Arc<Report>,
    of: Of,
    /// When its snapshot was asked for.
    at: Instant,
    took: Duration,
}

/// What a report is of. Every exchange that is taken in counts as one, whatever came of it.
#[derive(Debug, Clone, PartialEq)]
struct Of {
    generation: u64,
    session: u64,
    circumstances: Circumstances,
    taken: u64,
    expired: u64,
}

/// What a report is made of, the evidence aside.
#[derive(Debug, Clone, Default, PartialEq)]
struct Circumstances {
    /// Of each source's filters.
    deliveries: Vec<(Option<Source>, Delivery)>,
    /// What keeps filters from doing what the policy says, in words.
    notes: Vec<String>,
}

impl Judge {
    /// Judges on these threads what is in force of these policies.
    pub(crate) fn new(aside: Arc<Aside>, policies: Arc<Policies>) -> Self {
        Self { policies, benches: Mutex::default(), aside }
    }

    /// The report of a release as it stands now.
    pub(crate) async fn report(
        &self,
        writer: &Handle,
        registry: &Registry,
        release: &str,
        notes: Vec<String>,
    ) -> Result<Arc<Report>, Unjudged> {
        let asked = Instant::now();
        let bench = self.bench(release);
        let _turn = bench.turn.lock().await;
        if let Some(judged) = bench.last().filter(|judged| judged.at >= asked) {
            return Ok(judged.report);
        }
        let at = Instant::now();
        let snapshot = snapshot(writer, release).await?;
        let circumstances = Circumstances { deliveries: registry.deliveries(release, at), notes };
        bench.judge(&self.aside, at, snapshot, circumstances, release).await
    }

    /// How a release stands. The verdict is the last one if nothing changed since, or if judging anew could take more than a small
    /// share of a core or takes more than a moment, or while somebody judges: whoever asks for how things stand asks often, and does
    /// not ask in order to wait.
    pub(crate) async fn standing(
        &self,
        writer: &Handle,
        registry: &Registry,
        release: &str,
        notes: Vec<String>,
    ) -> Result<Standing, Unjudged> {
        let bench = self.bench(release);
        let at = Instant::now();
        let snapshot = snapshot(writer, release).await?;
        let circumstances = Circumstances { deliveries: registry.deliveries(release, at), notes };
        let standing = Standing::of(&snapshot, &circumstances);
        let turn = Arc::clone(&bench.turn).try_lock_owned().ok();
        let last = bench.last().filter(|judged| judged.of.session == standing.session.number);
        let verdict = match last {
            Some(judged) if turn.is_none() || judged.is_fresh() => Some(judged.report.verdict),
            last => {
                let (aside, release) = (Arc::clone(&self.aside), release.to_owned());
                // Judged to its end whoever waits, or nobody would ever have the verdict of a release that takes long.
                let judging = tokio::spawn(async move {
                    let _turn = match turn {
                        Some(turn) => turn,
                        None => Arc::clone(&bench.turn).lock_owned().await,
                    };
                    bench.judge(&aside, at, snapshot, circumstances, &release).await
                });
                soon(judging, last).await?
            }
        };
        Ok(Standing { verdict, ..standing })
    }

    /// Releases that are not there any more are forgotten here, and not where they are deleted: a report may be under way then.
    fn bench(&self, release: &str) -> Arc<Bench> {
        let mut benches = self.benches.lock().unwrap_or_else(PoisonError::into_inner);
        benches.retain(|release, _| self.policies.get(release).is_some());
        Arc::clone(benches.entry(release.to_owned()).or_default())
    }
}

/// The verdict that is judged, or the last one if that takes more than a moment.
async fn soon(
    judging: tokio::task::JoinHandle<Result<Arc<Report>, Unjudged>>,
    last: Option<Judged>,
) -> Result<Option<Verdict>, Unjudged> {
    let moment = if last.is_some() { MOMENT } else { FIRST_MOMENT };
    match tokio::time::timeout(moment, judging).await {
        Ok(judged) => Ok(Some(judged.map_err(|_| Unjudged::Failed)??.verdict)),
        Err(_) => Ok(last.map(|last| last.report.verdict)),
    }
}

impl Bench {
    /// The last report if it is of the same, else another one, which is kept. Whoever calls it holds the turn.
    async fn judge(
        &self,
        aside: &Aside,
        at: Instant,
        snapshot: Snapshot,
        circumstances: Circumstances,
        release: &str,
    ) -> Result<Arc<Report>, Unjudged> {
        let of = Of::new(&snapshot, circumstances.clone());
        if let Some(judged) = self.last().filter(|judged| judged.of == of) {
            let report = Arc::clone(&judged.report);
            self.keep(Judged { at, ..judged });
            return Ok(report);
        }
        let name = release.to_owned();
        let judging = aside.run(move || {
            let began = Instant::now();
            let (document, nothing) = (&snapshot.version.document, Evidence::new());
            let together = Together::of(sourced(&snapshot, &circumstances, &nothing));
            let report = together.report(&name, document.gates());
            let mut report = report.with_unmet(together.evidence(), document.rules());
            report.notes.extend(circumstances.notes);
            (Arc::new(report), began.elapsed())
        });
        let (report, took) = judging.await.map_err(|error| {
            tracing::error!(%error, release, "judging a release ended unexpectedly");
            Unjudged::Failed
        })?;
        self.keep(Judged { report: Arc::clone(&report), of, at, took });
        Ok(report)
    }

    fn last(&self) -> Option<Judged> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, judged: Judged) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
    }
}

impl Judged {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < self.took * PAUSE
    }
}

impl Of {
    fn new(snapshot: &Snapshot, circumstances: Circumstances) -> Self {
        Self {
            generation: snapshot.version.generation,
            session: snapshot.session.number,
            circumstances,
            taken: snapshot.sources.iter().map(|(_, evidence)| evidence.taken()).sum(),
            expired: snapshot.expired,
        }
    }
}

impl Standing {
    /// How it stands before it is judged.
    fn of(snapshot: &Snapshot, circumstances: &Circumstances) -> Self {
        let nothing = Evidence::new();
        let together = Apart::of(sourced(snapshot, circumstances, &nothing));
        Self {
            session: snapshot.session,
            exchanges: together.exchanges(),
            not_sent: together.not_sent(),
            plugins: together.plugins(),
            sources: together.reports(),
            verdict: None,
        }
    }
}

/// What each source brought, in the order in which it first did, with what its filters say; then filters that brought nothing yet.
fn sourced<'s>(
    snapshot: &'s Snapshot,
    circumstances: &'s Circumstances,
    nothing: &'s Evidence,
) -> Vec<Sourced<'s>> {
    let named = |source: &'s Option<Source>| source.as_ref().map(|source| Source::name_of(Some(source)));
    let deliveries = &circumstances.deliveries;
    let brought = snapshot.sources.iter().map(|(source, evidence)| {
        let delivery = deliveries.iter().find(|(of, _)| of == source).map(|(_, delivery)| *delivery);
        Sourced { name: named(source), evidence, delivery: delivery.unwrap_or_default() }
    });
    let spoke = deliveries.iter().filter(|(of, _)| snapshot.sources.iter().all(|(source, _)| source != of));
    let spoke = spoke.map(|(source, delivery)| Sourced {
        name: named(source),
        evidence: nothing,
        delivery: *delivery,
    });
    brought.chain(spoke).collect()
}

async fn snapshot(writer: &Handle, release: &str) -> Result<Snapshot, Unjudged> {
    let asked = writer.ask(|reply| Job::Snapshot(release.to_owned(), reply)).await;
    Ok(asked.map_err(|Stopped| Unjudged::Stopped)??)
}

/// Between two judgements asked for by the way passes so many times what the last one took: at most a twentieth of a core.
const PAUSE: u32 = 20;
/// Nobody notices it.
const MOMENT: Duration = Duration::from_millis(50);
/// Where there is nothing to answer yet.
const FIRST_MOMENT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aside::Work;
    use antumbra_control::{Document, Version};

    fn snapshot(generation: u64) -> Snapshot {
        let text = b"{version: 1, name: shop, variants: {stable: null, canary: null}, default: stable,
            rules: [{name: shadow, mirror: [{to: canary, percent: 5}]}]}";
        let version = Version::new(Document::from_yaml(text).unwrap(), generation, 0);
        let (version, session) = (Arc::new(version), Session { number: 1, since: 1 });
        Snapshot { version, session, sources: Vec::new(), expired: 0 }
    }

    #[test]
    fn what_is_known_of_a_deleted_release_is_forgotten() {
        let policies = Arc::new(Policies::default());
        let judge = Judge::new(Arc::new(Aside::new(Work::Reports).unwrap()), Arc::clone(&policies));
        let known = |judge: &Judge| judge.benches.lock().unwrap().keys().cloned().collect::<Vec<_>>();
        let text = "{version: 1, name: NAME, variants: {stable: null}, default: stable, rules: []}";
        for name in ["shop", "till"] {
            let document = Document::from_yaml(text.replace("NAME", name).as_bytes()).unwrap();
            policies.put(Version::new(document, 1, 0));
            judge.bench(name);
        }
        let shop = judge.bench("shop");
        assert!(Arc::ptr_eq(&shop, &judge.bench("shop")) && known(&judge) == ["shop", "till"]);
        policies.forget("shop");
        judge.bench("till");
        assert_eq!(known(&judge), ["till"]);
    }

    #[tokio::test]
    async fn who_asks_how_things_stand_does_not_wait_for_a_judge() {
        let (bench, aside) = (Arc::new(Bench::default()), Arc::new(Aside::new(Work::Reports).unwrap()));
        let circumstances = Circumstances::default();
        let judging = bench.judge(&aside, Instant::now(), snapshot(1), circumstances.clone(), "shop");
        let verdict = judging.await.unwrap().verdict;
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let busy: Vec<_> = (0..all)
            .map(|_| {
                let (aside, held) = (Arc::clone(&aside), Arc::clone(&held));
                tokio::spawn(async move { aside.run(move || held.lock().unwrap().recv().is_ok()).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let last = bench.last();
        let judging = tokio::spawn({
            let (bench, aside) = (Arc::clone(&bench), Arc::clone(&aside));
            async move { bench.judge(&aside, Instant::now(), snapshot(2), circumstances, "shop").await }
        });
        assert_eq!(soon(judging, last).await.unwrap(), Some(verdict));
        assert_eq!(bench.last().unwrap().of.generation, 1, "nothing was judged meanwhile");
        drop(release);
        for one in busy {
            one.await.unwrap().unwrap();
        }
        for _ in 0..1_000 {
            if bench.last().unwrap().of.generation == 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("what nobody waited for was not judged to its end");
    }

    #[tokio::test]
    async fn a_report_is_kept_until_something_changes() {
        let (bench, aside) = (Bench::default(), Aside::new(Work::Reports).unwrap());
        let (nothing, delivery) = (Circumstances::default(), Delivery { mirrored: 7, ..Delivery::default() });
        let (some, noted) = (
            Circumstances { deliveries: vec![(None, delivery)], notes: Vec::new() },
            Circumstances { deliveries: vec![(None, delivery)], notes: vec!["no route".to_owned()] },
        );
        let mut reports: Vec<Arc<Report>> = Vec::new();
        for (generation, circumstances, is_new) in [
            (1, &nothing, true),
            (1, &nothing, false),
            (2, &nothing, true),
            (2, &some, true),
            (2, &some, false),
            (2, &noted, true),
            (2, &noted, false),
        ] {
            let judging =
                bench.judge(&aside, Instant::now(), snapshot(generation), circumstances.clone(), "shop");
            let report = judging.await.unwrap();
            let known = reports.iter().any(|before| Arc::ptr_eq(before, &report));
            assert_eq!(!known, is_new, "generation {generation}, {circumstances:?}");
            assert!(circumstances.notes.iter().all(|note| report.notes.contains(note)));
            reports.push(report);
        }
    }
}
