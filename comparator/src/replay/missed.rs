//! Requests that were not compared, by their endpoint: one that only they have is not covered by a verdict.

use std::collections::BTreeMap;

use super::entry::RequestLine;
use antumbra_engine::Rules;

/// Requests by endpoint, as far as these can be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Missed(BTreeMap<String, u64>);

impl Missed {
    /// Counts a request.
    pub(super) fn count(&mut self, line: &RequestLine, rules: &Rules) {
        let endpoint = rules.endpoint(&line.method, &line.path);
        if self.0.len() < MAX_ENDPOINTS || self.0.contains_key(&endpoint) {
            *self.0.entry(endpoint).or_default() += 1;
        }
    }

    /// The number of requests of each endpoint.
    pub(super) fn endpoints(&self) -> &BTreeMap<String, u64> {
        &self.0
    }
}

/// As many as evidence tells apart, and more.
const MAX_ENDPOINTS: usize = 4_096;
