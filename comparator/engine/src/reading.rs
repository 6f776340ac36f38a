//! What of an answer is read at all, beside what may differ: which headers, and the types of gRPC messages.

use crate::body::Schemas;
use crate::pattern::{Pattern, Place, Rules};

/// The part of the rules that says what is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    only: Option<Vec<Pattern>>,
    schemas: Schemas,
}

impl Rules {
    /// Compare only these headers, cookies and trailers, those too that every answer sets anew. `header:set-cookie` stands for
    /// all cookies. Patterns of other places mean nothing here; what is ignored stays ignored.
    #[must_use]
    pub fn with_headers_only(mut self, only: Vec<Pattern>) -> Self {
        self.reading.only = Some(only);
        self
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
        let only = self.reading.only.as_ref()?;
        Some(only.iter().any(|pattern| pattern.covers(endpoint, place, true)))
    }
}
