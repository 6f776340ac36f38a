//! What of an answer is read at all, beside what may differ: which headers, and the types of gRPC messages.

use super::Index;
use crate::endpoint::EndpointPattern;
use crate::pattern::Pattern;
use crate::schemas::Schemas;

/// The part of the rules that says what is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) only: Option<(Vec<Pattern>, Index)>,
    pub(super) schemas: Schemas,
}

impl Reading {
    /// The same where these endpoints are given.
    pub(super) fn indexed(self, endpoints: &[EndpointPattern]) -> Self {
        let only = self.only.map(|(only, _)| {
            let only: Vec<Pattern> = only.into_iter().map(|pattern| pattern.among(endpoints)).collect();
            let index = Index::new(only.iter());
            (only, index)
        });
        Self { only, ..self }
    }
}
