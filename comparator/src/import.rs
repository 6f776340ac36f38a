//! Reads the configuration of another system and writes it as a policy.
//!
//! What cannot be carried over becomes a note, and a condition that was only half understood never widens what it
//! guards: its rule is written with `enabled: false`, so that no request goes to a new version by a misreading.

mod apisix;
mod condition;
mod draft;
mod gateway_api;
mod istio;
mod nginx;
mod part;
mod pattern;
#[cfg(test)]
mod tests;

use antumbra_policy::document::Tree;
use serde::Serialize;

/// Whose configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A route of Apache APISIX with `traffic-split` or `proxy-mirror`
    Apisix,
    /// nginx with `split_clients`, `map`, `geo`, `if` or `mirror`
    Nginx,
    /// Istio's `VirtualService`, with `DestinationRule` if at hand
    Istio,
    /// Gateway API's `HTTPRoute` and `GRPCRoute`
    GatewayApi,
}

/// A policy and what is not in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Imported {
    /// The document.
    pub(crate) policy: Tree,
    /// In the order of the input.
    pub(crate) notes: Vec<Note>,
}

/// Something that could not be carried over, or that a person has to complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Note {
    /// Where in the input, as `http[0].match[1]` or `line 12`.
    #[serde(rename = "where")]
    pub(crate) at: String,
    /// What, why, and what to do instead.
    pub(crate) what: String,
}

/// Why there is no policy at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
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

/// Reads `text` as `format`.
///
/// # Errors
/// If it is too large, cannot be read, or holds nothing to import.
pub(crate) fn import(format: Format, text: &[u8]) -> Result<Imported, ImportError> {
    if text.len() > LARGEST_INPUT {
        return Err(ImportError::TooLarge(text.len()));
    }
    let text = std::str::from_utf8(text)?;
    match format {
        Format::Apisix => apisix::import(&documents(text)?),
        Format::Nginx => nginx::import(text),
        Format::Istio => istio::import(&documents(text)?),
        Format::GatewayApi => gateway_api::import(&documents(text)?),
    }
}

/// All documents of a YAML stream, of which JSON is a part; a Kubernetes `List` counts as its items. A header that is to be
/// `yes` or `on` stays a text.
fn documents(text: &str) -> Result<Vec<Tree>, ImportError> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let documents: Vec<Tree> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| ImportError::Yaml(error.to_string()))?;
    Ok(documents.into_iter().flat_map(unlisted).collect())
}

fn unlisted(document: Tree) -> Vec<Tree> {
    match document.get("items") {
        Some(Tree::List(items)) if document.get("kind").is_some() => items.clone(),
        _ => vec![document],
    }
}

/// Bytes of an input.
pub(crate) const LARGEST_INPUT: usize = 4 * 1024 * 1024;
