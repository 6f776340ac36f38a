//! Why the store cannot do what was asked.

use std::path::PathBuf;

/// The row of a token that is not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct UnreadableToken {
    /// The token's name, as far as it can be read.
    pub name: String,
    /// What is wrong.
    pub error: StoreError,
}

/// Why the store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another comparator has it.
    #[error("{0} is in use by another comparator")]
    InUse(PathBuf),
    /// A later version of the comparator wrote it.
    #[error(
        "{path} has schema version {found}, must be within 0..={most}: it was written by a later version"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: i64,
        /// The highest that this version knows.
        most: i64,
    },
    /// The file cannot be opened.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The database failed, in its own words: which database that is concerns the file that speaks to it.
    #[error("the database failed: {0}")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored cannot be read back.
    #[error("the stored {what} cannot be read: {message}")]
    Damaged {
        /// Which part.
        what: String,
        /// The reader's words.
        message: String,
    },
}
