//! What stands in for the sandbox in a build without the cargo feature `plugins`: a refusal.

use antumbra_engine::Finding;

use super::call::{Answer, Failure, Limits, Rewritten};

/// There is none.
pub(super) enum Sandbox {}

impl Sandbox {
    pub(super) fn load(_: &[u8], _: Limits) -> Result<Self, String> {
        Err("cannot be run: this antumbra was built without plugins (cargo feature `plugins`)".to_owned())
    }

    pub(super) fn normalises(&self) -> bool {
        match *self {}
    }

    pub(super) fn judges(&self) -> bool {
        match *self {}
    }

    pub(super) fn normalise(&self, _: &str, _: Answer<'_>) -> Result<Option<Rewritten>, Failure> {
        match *self {}
    }

    pub(super) fn judge(
        &self,
        _: &str,
        _: Answer<'_>,
        _: Answer<'_>,
    ) -> Result<Option<Vec<Finding>>, Failure> {
        match *self {}
    }
}
