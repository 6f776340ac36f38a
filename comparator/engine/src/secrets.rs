//! What is a secret: by the name of its place, or by its own form wherever it stands. Everything that stores, shows or logs traffic goes by
//! this one list.
//!
//! Names and forms err towards hiding. What is ordinary in traffic must stay readable, or reports say nothing: identifiers, times, hashes
//! of files, numbers without a valid check digit, and words.

mod assigned;
mod declared;
mod digits;
mod forms;
mod found;
mod iban;
mod kind;
mod looks;
mod names;
mod targets;

pub use self::declared::{BadSecret, Secret, Secrets, Step};
pub(crate) use self::forms::begins_as_credentials;
pub(crate) use self::found::has_form;
pub use self::found::{FoundSecret, by_form, discreet, in_text, without};
pub use self::kind::SecretKind;
pub(crate) use self::looks::is_token;
pub(crate) use self::targets::names_secret;
pub use self::targets::{Target, unescaped};

#[cfg(test)]
mod tests;
