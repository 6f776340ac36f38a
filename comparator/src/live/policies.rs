//! The generations in force.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use antumbra_control::{Document, StoredPolicy, Version};

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

    /// Puts what was stored in force. What today's rules refuse is named and runs on; it keeps no other from running.
    pub(crate) fn restore(&self, stored: &[(String, StoredPolicy)]) {
        for (name, stored) in stored {
            let version = Version::restore(name, stored);
            for problem in version.document.problems() {
                tracing::warn!(
                    policy = name,
                    generation = stored.generation,
                    %problem,
                    "the stored policy is refused by today's rules: it runs on, is never promoted or rolled back, and can only be \
                     replaced by a corrected document"
                );
            }
            self.put(version);
        }
    }

    /// The document, whose rules will read messages of gRPC by the descriptors that hold here.
    pub(crate) fn described(&self, document: Document) -> Document {
        document.with_schemas(self.descriptors.schemas.clone())
    }

    /// Takes a policy out of force.
    pub(crate) fn forget(&self, name: &str) {
        self.versions.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Puts a generation in force.
    pub(crate) fn put(&self, version: Version) -> Arc<Version> {
        let document = self.described(version.document);
        let version = Version { document, ..version };
        let (name, version) = (version.document.name().to_owned(), Arc::new(version));
        self.versions.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::clone(&version));
        version
    }
}
