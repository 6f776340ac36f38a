//! What an import gives: a policy with notes, or why there is none.

use antumbra_policy::document::{Tree, is_name};
use serde::Serialize;

/// Whose configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A route of Apache APISIX with `traffic-split` or `proxy-mirror`
    Apisix,
    /// nginx with `split_clients`, `map`, `geo`, `if` or `mirror`
    Nginx,
    /// Istio's `VirtualService`, with `DestinationRule` if at hand
    Istio,
    /// Gateway API's `HTTPRoute` and `GRPCRoute`
    GatewayApi,
    /// Envoy's virtual hosts and routes: a bootstrap, a route configuration or a config dump
    Envoy,
}

/// A policy and what is not in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Imported {
    /// The document.
    pub policy: Tree,
    /// In the order of the input.
    pub notes: Vec<Note>,
}

impl Imported {
    /// Gives the policy a name, in place of that which the input has for it.
    ///
    /// # Errors
    /// If a policy cannot be called so.
    pub fn rename(&mut self, name: &str) -> Result<(), ImportError> {
        if !is_name(name) {
            return Err(ImportError::Name(name.to_owned()));
        }
        self.policy.set("name", Tree::Text(name.to_owned()));
        Ok(())
    }
}

/// Something that could not be carried over, or that a person has to complete.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// Where in the input, as `http[0].match[1]` or `line 12`.
    #[serde(rename = "where")]
    pub at: String,
    /// What, why, and what to do instead.
    pub what: String,
}

/// Why there is no policy at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// More bytes than are read.
    #[error("input is {0} bytes, must be at most {LARGEST_INPUT}")]
    TooLarge(usize),
    /// Not text.
    #[error("input is not UTF-8: {0}")]
    Encoding(#[from] std::str::Utf8Error),
    /// Neither YAML nor JSON.
    #[error("input is not YAML or JSON: {0}")]
    Yaml(String),
    /// Not nginx's syntax.
    #[error("line {line} {problem}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// After "line 12".
        problem: String,
    },
    /// Well written, but nothing that a policy could say.
    #[error("input has no {0}: there is nothing to import")]
    Nothing(&'static str),
    /// More names than are compared with each other.
    #[error("input has {found} {what}, must have at most {MAX_NAMES}")]
    TooManyNames {
        /// Plural.
        what: &'static str,
        /// How many.
        found: usize,
    },
    /// Well written, but no destination is known; with the first note.
    #[error("no request can be told to reach a destination: {at}: {what}")]
    Untold {
        /// Where in the input.
        at: String,
        /// Why.
        what: String,
    },
    /// A document that no comparator takes, in bytes.
    #[error("input makes a policy of {0} bytes, must be at most 3145728: import its parts by themselves")]
    TooLong(usize),
    /// What was written is no policy; with what is wrong with it.
    #[error("input makes no valid policy: {0}")]
    Refused(String),
    /// The policy cannot be called so.
    #[error(
        "name is {0:?}, must be 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or a digit"
    )]
    Name(String),
    /// More than a policy can hold.
    #[error("input makes {found} {what}, a policy must have at most {most}")]
    TooMany {
        /// Plural.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        most: usize,
    },
}

impl ImportError {
    /// Refuses more names, as hosts, than are compared with each other.
    pub(crate) fn unless_few(what: &'static str, found: usize) -> Result<(), Self> {
        if found > MAX_NAMES { Err(Self::TooManyNames { what, found }) } else { Ok(()) }
    }
}

/// Far more than the rules of a policy can be for, and few enough that each can be compared with each.
const MAX_NAMES: usize = 4096;
/// Bytes of an input.
pub const LARGEST_INPUT: usize = 4 * 1024 * 1024;
