//! Changes of headers as the input has them.

/// Changes in the order of the input.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Names with their values.
    pub(crate) set: Vec<(String, String)>,
    /// Names with their values.
    pub(crate) add: Vec<(String, String)>,
    /// Names.
    pub(crate) remove: Vec<String>,
}
