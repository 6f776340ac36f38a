//! The boundary between the comparator and what runs its plugins.
//!
//! The comparator knows only these traits, so that a build without plugins, the demo's above all, compiles no WebAssembly runtime. Who
//! links one hands it over when the comparator starts.

mod call;

use antumbra_engine::Finding;

pub use call::{Answer, Failure, Limits, Rewritten, countable};

/// Makes plugins of components.
pub trait Runtime: Sync {
    /// Compiles a component in binary form and tries whether it starts. Each call of it will be held to `limits`.
    ///
    /// # Errors
    /// Why these bytes are no plugin.
    fn load(&self, bytes: &[u8], limits: Limits) -> Result<Box<dyn Component>, BadPlugin>;
}

/// A component that is known to have the exports that it says. Calls leave nothing to later ones, and may run side by side.
pub trait Component: Send + Sync {
    /// Does it rewrite answers?
    fn normalises(&self) -> bool;

    /// Does it judge answers in the engine's place?
    fn judges(&self) -> bool;

    /// What the component makes of an answer; none if it leaves it as it is, or does not normalise.
    ///
    /// # Errors
    /// The call failed, was stopped at a limit, or refused the answer.
    fn normalise(&self, endpoint: &str, answer: Answer<'_>) -> Result<Option<Rewritten>, Failure>;

    /// What the component says of two answers; none if it does not judge.
    ///
    /// # Errors
    /// As of [`Component::normalise`].
    fn judge(
        &self,
        endpoint: &str,
        primary: Answer<'_>,
        other: Answer<'_>,
    ) -> Result<Option<Vec<Finding>>, Failure>;
}

/// Why a file is no plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPlugin(pub String);

/// Stands in for a runtime where none is linked: it refuses every component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRuntime;

impl Runtime for NoRuntime {
    fn load(&self, _: &[u8], _: Limits) -> Result<Box<dyn Component>, BadPlugin> {
        Err(BadPlugin(
            "cannot be run: this antumbra was built without plugins (cargo feature `plugins`)".to_owned(),
        ))
    }
}
