//! What is stored and still as it was at first is not written: most of what is known of most places is nothing yet.

/// Whether a field need not be written, for whoever reads the row knows its value.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
