//! What of an answer is read at all, beside what may differ: which headers, and the types of gRPC messages.

use crate::endpoint::EndpointPattern;
use crate::pattern::{Pattern, Place};
use crate::rules::{Index, Rules};
use crate::schemas::Schemas;

/// The part of the rules that says what is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    only: Option<(Vec<Pattern>, Index)>,
    schemas: Schemas,
}

impl Reading {
    /// The same where these endpoints are given.
    pub(crate) fn indexed(self, endpoints: &[EndpointPattern]) -> Self {
        let only = self.only.map(|(only, _)| {
            let only: Vec<Pattern> = only.into_iter().map(|pattern| pattern.among(endpoints)).collect();
            let index = Index::new(only.iter());
            (only, index)
        });
        Self { only, ..self }
    }
}

impl Rules {
    /// Compare only these headers, cookies and trailers, those too that every answer sets anew. `header:set-cookie` stands for
    /// all cookies. Patterns of other places mean nothing here; what is ignored stays ignored.
    #[must_use]
    pub fn with_headers_only(mut self, only: &[Pattern]) -> Self {
        self.reading.only = Some((only.to_vec(), Index::default()));
        self.indexed()
    }

    /// Read the messages of gRPC answers by these descriptors.
    #[must_use]
    pub fn with_schemas(mut self, schemas: Schemas) -> Self {
        self.reading.schemas = schemas;
        self
    }

    pub(crate) fn schemas(&self) -> &Schemas {
        &self.reading.schemas
    }

    /// Whether a header, cookie or trailer is among those that alone are compared; `None` if there is no such list.
    pub(crate) fn lists(&self, endpoint: &str, place: Place<'_>) -> Option<bool> {
        self.reading.only.as_ref().map(|(_, only)| !only.reaching(endpoint, place).is_empty())
    }
}
