//! Who makes a request.

use std::fmt;
use std::sync::Arc;

/// Where evidence comes from: the name of the token that its reporters bear.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source(Arc<str>);

impl Source {
    /// The source that is written down under this name; none is that of what came without a token.
    pub(crate) fn written(name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self(name.into()))
    }

    /// The name under which a source is written down, or what came without a token.
    pub(crate) fn name_of(source: Option<&Self>) -> &str {
        source.map_or("", |source| &source.0)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
