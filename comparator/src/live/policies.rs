//! The generations in force.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use antumbra_control::Version;

use crate::descriptors::Descriptors;

/// The generations in force, by policy name. Written by the writer's thread alone.
#[derive(Default)]
pub(crate) struct Policies {
    versions: RwLock<BTreeMap<String, Arc<Version>>>,
    descriptors: Descriptors,
}

impl Policies {
    /// None yet; the rules of all will read messages of gRPC by these descriptors, which are no part of a document.
    pub(crate) fn reading(descriptors: Descriptors) -> Self {
        Self { descriptors, ..Self::default() }
    }

    /// By which files messages are read; empty without any.
    pub(crate) fn fingerprint(&self) -> String {
        self.descriptors.fingerprint()
    }

    /// The generation in force of a policy.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Version>> {
        self.versions.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All, by name.
    pub(crate) fn all(&self) -> Vec<(String, Arc<Version>)> {
        let map = self.versions.read().unwrap_or_else(PoisonError::into_inner);
        map.iter().map(|(name, version)| (name.clone(), Arc::clone(version))).collect()
    }

    /// Puts a generation in force.
    pub(crate) fn put(&self, version: Version) -> Arc<Version> {
        let document = version.document.with_schemas(self.descriptors.schemas.clone());
        let version = Version { document, ..version };
        let (name, version) = (version.document.name().to_owned(), Arc::new(version));
        self.versions.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::clone(&version));
        version
    }
}
