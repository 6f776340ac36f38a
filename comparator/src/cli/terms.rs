//! By what answers are compared: plugins and descriptors for a server, and a policy's file as well where none is asked.

use std::path::Path;
#[cfg(feature = "grpc-messages")]
use std::path::PathBuf;
use std::time::Duration;

use antumbra_control::Document;
use antumbra_engine::{Gates, Rules, Schemas};
use antumbra_plugin::Runtime;

use super::values::NamedPlugin;
use super::{Failure, local};
use crate::descriptors::Descriptors;
use crate::plugins::Plugins;
use crate::replay::comparing::Comparing;

/// What answers are compared by, and what a verdict needs.
pub(super) struct Terms {
    /// The policy's, if there is one.
    pub(super) name: Option<String>,
    pub(super) comparing: Comparing,
    pub(super) gates: Gates,
}

/// By what messages of gRPC answers are read.
#[derive(clap::Args)]
pub(super) struct DescriptorSet {
    /// A descriptor set by which messages of gRPC answers are compared field by field, as `protoc --include_imports
    /// --descriptor_set_out=FILE` writes it; without it they are compared by length and hash
    #[cfg(feature = "grpc-messages")]
    #[arg(long, value_name = "FILE")]
    descriptors: Option<PathBuf>,
}

impl DescriptorSet {
    /// What the file says; nothing if none was given.
    #[cfg(feature = "grpc-messages")]
    pub(super) fn read(&self) -> Result<Descriptors, Failure> {
        let Some(file) = &self.descriptors else { return Ok(Descriptors::default()) };
        let read = Descriptors::from_file(file);
        read.map_err(|bad| Failure::Usage(format!("--descriptors {}: {bad}", file.display())))
    }

    /// Whether there is one.
    #[cfg(feature = "grpc-messages")]
    pub(super) fn is_given(&self) -> bool {
        self.descriptors.is_some()
    }

    #[cfg(not(feature = "grpc-messages"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as the other form of the build")]
    pub(super) fn read(&self) -> Result<Descriptors, Failure> {
        Ok(Descriptors::default())
    }

    #[cfg(not(feature = "grpc-messages"))]
    #[expect(clippy::unused_self, reason = "as the other form of the build")]
    pub(super) fn is_given(&self) -> bool {
        false
    }
}

impl Terms {
    /// The `compare` and `gates` of a policy; without one, nothing may differ and the gates are the usual.
    pub(super) fn read(
        policy: Option<&Path>,
        files: &[NamedPlugin],
        descriptors: &DescriptorSet,
        sandbox: &dyn Runtime,
    ) -> Result<Self, Failure> {
        let plugins = plugins(files, sandbox)?;
        let Descriptors { schemas, .. } = descriptors.read()?;
        let Some(file) = policy else {
            let rules = Rules::default().with_schemas(schemas);
            return Ok(Self {
                name: None,
                comparing: Comparing { rules, ..Comparing::default() },
                gates: Gates::default(),
            }
            .paced());
        };
        Self::of(file, &local::document(file)?, plugins, schemas)
    }

    /// Those of a document, which a file holds or leads to.
    pub(super) fn of(
        file: &Path,
        document: &Document,
        plugins: Plugins,
        schemas: Schemas,
    ) -> Result<Self, Failure> {
        if let Some((index, name)) = plugins.absent(document.plugins()).first() {
            return Err(Failure::Usage(format!(
                "{}: compare.plugins[{index}].plugin is {name:?}, must be given as --plugin {name}=FILE",
                file.display()
            )));
        }
        let rules = document.rules().clone().with_schemas(schemas);
        let assigned = document.plugins().clone();
        let (name, gates) = (Some(document.name().to_owned()), *document.gates());
        Ok(Self { name, comparing: Comparing { rules, assigned, plugins, ..Comparing::default() }, gates }
            .paced())
    }

    /// Counts exchanges by the gates' spans of time.
    fn paced(self) -> Self {
        Self { comparing: Comparing { pace: self.gates.pace(), ..self.comparing }, ..self }
    }

    /// With the spans of time of a replay that is to last so long, if that is known: nobody waits for hours there. The shortest block is a
    /// hundredth of it, at least 100 ms, the time to warm up a twentieth, and a promotion takes no time of its own.
    pub(super) fn shortened(self, planned: Option<Duration>) -> Self {
        let planned_ms = planned.map_or(0, |planned| u64::try_from(planned.as_millis()).unwrap_or(u64::MAX));
        let gates = Gates {
            block_ms: (planned_ms / 100).clamp(100, self.gates.block_ms),
            warm_up_ms: (planned_ms / 20).min(self.gates.warm_up_ms),
            at_least_ms: 0,
            ..self.gates
        };
        Self { gates, ..self }.paced()
    }
}

/// All of the named files, or what is wrong with the first that is none.
pub(super) fn plugins(files: &[NamedPlugin], sandbox: &dyn Runtime) -> Result<Plugins, Failure> {
    let mut plugins = Plugins::default();
    for NamedPlugin { name, file } in files {
        let with = plugins.with_file(name, file, sandbox);
        plugins = with.map_err(|bad| Failure::Usage(format!("--plugin {name}={}: {bad}", file.display())))?;
    }
    Ok(plugins)
}
