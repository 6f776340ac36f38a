//! Descriptor sets: by which messages of gRPC answers are compared field by field.
//!
//! Which file it was is known, too: evidence that was gathered with another one saw differences elsewhere.

#[cfg(feature = "grpc-messages")]
use std::path::Path;

use antumbra_engine::Schemas;

#[cfg(feature = "grpc-messages")]
use antumbra_control::fingerprint;

/// What the messages of gRPC services are like. Without a file they are compared by length and hash.
#[derive(Debug, Clone, Default)]
pub struct Descriptors {
    pub(crate) schemas: Schemas,
    sha256: Option<String>,
}

/// Why a file is no descriptor set.
#[cfg(feature = "grpc-messages")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadDescriptors(String);

impl Descriptors {
    /// Reads a `google.protobuf.FileDescriptorSet`, as `protoc --include_imports --descriptor_set_out=FILE` writes it.
    ///
    /// # Errors
    /// The file cannot be read, or does not decode with all that it imports.
    #[cfg(feature = "grpc-messages")]
    pub fn from_file(file: &Path) -> Result<Self, BadDescriptors> {
        let set = std::fs::read(file).map_err(|error| BadDescriptors(error.to_string()))?;
        let schemas = Schemas::decode(&set).map_err(|error| BadDescriptors(error.to_string()))?;
        Ok(Self { schemas, sha256: Some(fingerprint::sha256(&set)) })
    }

    /// Which file it is; empty without any.
    pub(crate) fn fingerprint(&self) -> String {
        self.sha256.as_ref().map(|sha256| format!("descriptors={sha256}")).unwrap_or_default()
    }
}
