//! Texts as they are stored, whose bytes may be damaged.

use antumbra_control::records::DAMAGED;
use rusqlite::types::ValueRef;

/// The text of a document, or of a field of an audit. What is no UTF-8 begins with a character that begins none of them, so that it cannot
/// be taken for what was written.
pub(super) fn document(stored: ValueRef<'_>) -> String {
    let (ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = stored else { return String::new() };
    std::str::from_utf8(bytes)
        .map_or_else(|_| format!("{DAMAGED}{}", String::from_utf8_lossy(bytes)), str::to_owned)
}
