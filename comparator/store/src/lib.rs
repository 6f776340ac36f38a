//! What the comparator keeps over a restart: policies, sessions, evidence, accounts, tokens and the audit.

mod accounts;
mod error;
mod sqlite;

pub use accounts::Accounts;
pub use error::{StoreError, UnreadableToken};
pub use sqlite::{Audits, Found, Gathering, JournalEntry, Salvaged, SalvagedTable, Store, Writing};
