//! Reads the configuration of another system and writes it as a policy.
//!
//! What cannot be carried over becomes a note, and a condition that was only half understood never sends a request to a new
//! version: its rule is written with `enabled: false`, and a rule behind it keeps its requests away from those below. For nginx, such a rule stands
//! alone.

mod apisix;
mod condition;
mod draft;
mod envoy;
mod gateway_api;
mod imported;
mod istio;
mod nginx;
mod part;
mod pattern;
mod reading;
#[cfg(test)]
mod tests;

use reading::documents;

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
        Format::Envoy => envoy::import(&documents(text)?),
    }
}
