//! Request headers of our own that server and command line share.

/// Request header in which a client names who makes a change.
pub(crate) const AUTHOR_HEADER: &str = "x-antumbra-author";
/// Request header with the reason of a change whose body has no place for it.
pub(crate) const REASON_HEADER: &str = "x-antumbra-reason";
/// Request header that names a value to blank: a path of JSON bodies, or a header.
pub(crate) const REDACT_HEADER: &str = "x-antumbra-redact";
