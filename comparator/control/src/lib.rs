//! The control plane's decisions: the policy document, what a change makes of it, and the audit of changes.
//!
//! The crate is pure: it reads no clock and no store. A document is read once, strictly, into what all others use.

pub mod audit;
pub mod change;
pub mod command;
pub mod comparands;
pub mod comparison;
pub mod difference;
pub mod document;
pub mod exposure;
pub mod files;
pub mod fingerprint;
pub mod handed_over;
pub mod records;
pub mod refusal;
pub mod role;
pub mod rollout;
pub mod timestamp;
pub mod token;
pub mod tried;
pub mod version;

pub use command::{Command, Delete, Effect, Effects, Reset, State, decide, raises};
pub use comparands::{Comparands, Unmirrored};
pub use comparison::assigned::Assigned;
pub use document::Document;
pub use files::Files;
pub use records::{Session, StoredPolicy};
pub use role::{Role, Scope};
pub use rollout::Rollout;
pub use token::Token;
pub use tried::Way;
pub use version::Version;
