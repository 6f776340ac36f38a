//! What a replay sends without, said before the answers are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use super::super::values::NamedHeader;
use crate::replay::{Entry, blanked};

/// Says which headers a recording blanked as soon as one is met: every answer may be that to an anonymous client.
pub(super) struct Lacking {
    file: PathBuf,
    bar: ProgressBar,
    /// Given anew, or said.
    known: BTreeSet<String>,
}

impl Lacking {
    pub(super) fn new(file: &Path, given: &[NamedHeader], bar: &ProgressBar) -> Self {
        let known = given.iter().map(|header| header.name.as_str().to_owned()).collect();
        Self { file: file.to_owned(), bar: bar.clone(), known }
    }

    pub(super) fn look_at(&mut self, entry: &Entry) {
        let Ok(recorded) = &entry.asked else { return };
        let room = MAX_SAID.saturating_sub(self.known.len());
        let names = blanked(&recorded.request).take(room);
        let new: Vec<String> = names.filter(|name| self.known.insert(name.clone())).collect();
        if !new.is_empty() {
            let (file, names) = (self.file.display(), new.join(", "));
            self.bar.suspend(|| {
                eprintln!(
                    "antumbra: {file}: blanked in the recording, so that the services answer as to an anonymous client: \
                     {names}; --header NAME=VALUE sends one"
                );
            });
        }
    }
}

/// Headers that are named: a file may have any.
const MAX_SAID: usize = 64;
