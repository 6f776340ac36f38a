//! By what answers are compared where no server is asked: a policy's file and its plugins, or the usual.

use std::path::Path;

use antumbra_engine::Gates;

use super::values::NamedPlugin;
use super::{Failure, local};
use crate::offline::Comparing;
use crate::plugins::Plugins;

/// What answers are compared by, and what a verdict needs.
pub(super) struct Terms {
    /// The policy's, if there is one.
    pub(super) name: Option<String>,
    pub(super) comparing: Comparing,
    pub(super) gates: Gates,
}

impl Terms {
    /// The `compare` and `gates` of a policy; without one, nothing may differ and the gates are the usual.
    pub(super) fn read(policy: Option<&Path>, files: &[NamedPlugin]) -> Result<Self, Failure> {
        let plugins = plugins(files)?;
        let Some(file) = policy else {
            return Ok(Self { name: None, comparing: Comparing::default(), gates: Gates::default() });
        };
        let document = local::document(file)?;
        if let Some((index, name)) = plugins.absent(document.plugins()).first() {
            return Err(Failure::Usage(format!(
                "{}: compare.plugins[{index}].plugin is {name:?}, must be given as --plugin {name}=FILE",
                file.display()
            )));
        }
        let (rules, assigned) = (document.rules().clone(), document.plugins().clone());
        let (name, gates) = (Some(document.name().to_owned()), *document.gates());
        Ok(Self { name, comparing: Comparing { rules, assigned, plugins }, gates })
    }
}

/// All of the named files, or what is wrong with the first that is none.
pub(super) fn plugins(files: &[NamedPlugin]) -> Result<Plugins, Failure> {
    let mut plugins = Plugins::default();
    for NamedPlugin { name, file } in files {
        let with = plugins.with_file(name, file);
        plugins = with.map_err(|bad| Failure::Usage(format!("--plugin {name}={}: {bad}", file.display())))?;
    }
    Ok(plugins)
}
