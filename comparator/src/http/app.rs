//! What every route may use.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Instant;

use antumbra_engine::Report;
use axum::http::HeaderValue;

use crate::api::problem::Problem;
use crate::aside::Aside;
use crate::http::guard::Guard;
use crate::ingest::Intake;
use crate::judge::{Judge, Standing};
use crate::live::captures::Captures;
use crate::live::kept::Kept;
use crate::live::ledger::Ledger;
use crate::live::registry::Alive;

/// What every route may use.
pub(crate) struct App {
    pub(crate) intake: Arc<Intake>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) captures: Arc<Captures>,
    pub(crate) kept: Arc<Kept>,
    /// Whoever holds it tries rules: one at a time.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
    pub(crate) judge: Judge,
    pub(crate) aside: Arc<Aside>,
    pub(crate) guard: Guard,
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
    /// The report of a release as of now.
    pub(crate) async fn report(&self, release: &str) -> Result<Arc<Report>, Problem> {
        let Intake { writer, registry, .. } = self.knowing(release)?;
        Ok(self.judge.report(writer, registry, release).await?)
    }

    /// How a release stands, without its report.
    pub(crate) async fn standing(&self, release: &str) -> Result<Standing, Problem> {
        let Intake { writer, registry, .. } = self.knowing(release)?;
        Ok(self.judge.standing(writer, registry, release).await?)
    }

    /// The judge keeps a place for whatever it is asked about, so it is asked about releases alone.
    fn knowing(&self, release: &str) -> Result<&Intake, Problem> {
        match self.intake.policies.get(release) {
            Some(_) => Ok(&self.intake),
            None => Err(Problem::unknown_release(release)),
        }
    }

    /// The filters of a release that are alive, and how many of them run the generation.
    pub(crate) fn alive(&self, release: &str, generation: u64) -> Alive {
        self.intake.registry.alive(release, generation, Instant::now())
    }
}
