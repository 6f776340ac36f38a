//! What every route may use.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Instant;

use antumbra_control::Version;
use antumbra_engine::Report;
use antumbra_observation::{self as observation, TroubleKind};
use antumbra_store::Audits;
use axum::http::HeaderValue;

use crate::api::principal::Principal;
use crate::api::problem::Problem;
use crate::api::trouble::Trouble;
use crate::aside::Aside;
use crate::http::guard::Guard;
use crate::http::readiness::Readiness;
use crate::ingest::Intake;
use crate::judge::{Judge, Standing};
use crate::live::audited::Audited;
use crate::live::captures::Captures;
use crate::live::kept::Kept;
use crate::live::ledger::Ledger;
use crate::live::reads::Reads;
use crate::live::registry::Present;
use crate::live::tokens::Tokens;

/// What every route may use.
pub(crate) struct App {
    pub(crate) intake: Arc<Intake>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) captures: Arc<Captures>,
    pub(crate) kept: Arc<Kept>,
    /// Whoever holds it tries rules: one at a time.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
    pub(crate) judge: Judge,
    pub(crate) audits: Arc<Audits>,
    pub(crate) audited: Arc<Audited>,
    pub(crate) reads: Arc<Reads>,
    pub(crate) aside: Arc<Aside>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) guard: Guard,
    pub(crate) readiness: Readiness,
    pub(crate) run: Run,
}

/// Names this run of the process, for filters: what they said before, another one heard.
pub(crate) struct Run(HeaderValue);

impl Run {
    /// Another one every time.
    pub(crate) fn new() -> Self {
        Self(RandomState::new().build_hasher().finish().into())
    }

    /// The name as a header has it.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl App {
    /// The policies in force that somebody may see, by name.
    pub(crate) fn policies_of(&self, by: &Principal) -> Vec<(String, Arc<Version>)> {
        let mut all = self.intake.policies.all();
        all.retain(|(name, _)| by.reaches(name));
        all
    }

    /// The report of a release as of now.
    pub(crate) async fn report(&self, release: &str) -> Result<Arc<Report>, Problem> {
        let notes = self.notes(release)?;
        let Intake { writer, registry, .. } = &*self.intake;
        Ok(self.judge.report(writer, registry, release, notes).await?)
    }

    /// How a release stands, without its report.
    pub(crate) async fn standing(&self, release: &str) -> Result<Standing, Problem> {
        let notes = self.notes(release)?;
        let Intake { writer, registry, .. } = &*self.intake;
        Ok(self.judge.standing(writer, registry, release, notes).await?)
    }

    /// What a report notes of the policy and the filters: why nothing comes, or not all. The judge keeps a place for whatever it is asked about, so it is asked about releases
    /// alone.
    fn notes(&self, release: &str) -> Result<Vec<String>, Problem> {
        let version = self.intake.policies.get(release).ok_or_else(|| Problem::unknown_release(release))?;
        let troubles = self.troubles(&version, &self.present(release, version.generation));
        let unmirrored = version.document.unmirrored().map(ToString::to_string);
        Ok(unmirrored.into_iter().chain(troubles.into_iter().map(|trouble| trouble.text)).collect())
    }

    /// The filters of a release, and how many of them run the generation.
    pub(crate) fn present(&self, release: &str, generation: u64) -> Present {
        self.intake.registry.present(release, generation, Instant::now())
    }

    /// What keeps the filters from doing what the policy says: what they met, and what is known here.
    pub(crate) fn troubles(&self, version: &Version, present: &Present) -> Vec<Trouble> {
        let handed = version.document.handed_over().iter();
        let without = handed.filter(|(_, cluster)| !self.intake.targets.knows(cluster));
        let known = without.map(|(leg, cluster)| {
            Trouble::of(observation::Trouble::new(TroubleKind::NoTarget, cluster, leg), 0)
        });
        let met = present.troubles.iter().map(|(trouble, filters)| Trouble::of(trouble.clone(), *filters));
        met.chain(known).collect()
    }
}
