//! Reads the configuration of another system and writes it as a policy.
//!
//! What cannot be carried over becomes a note, and a condition that was only half understood never widens what it
//! guards: its rule is written with `enabled: false`, so that no request goes to a new version by a misreading.

mod apisix;
mod condition;
mod draft;
mod gateway_api;
mod imported;
mod istio;
mod nginx;
mod part;
mod pattern;
#[cfg(test)]
mod tests;

use antumbra_policy::document::Tree;

pub use imported::{Format, ImportError, Imported, LARGEST_INPUT, Note};

/// Reads `text` as `format`.
///
/// # Errors
/// If it is too large, cannot be read, or holds nothing to import.
pub fn import(format: Format, text: &[u8]) -> Result<Imported, ImportError> {
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
