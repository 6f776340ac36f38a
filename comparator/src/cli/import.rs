//! `antumbra import`: another system's configuration as a policy.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;
use std::process::ExitCode;

use super::output::{print, print_json};
use super::{Failure, Output};
use crate::import::{Format, Imported, LARGEST_INPUT, import as read_as};

/// Prints the policy to stdout and the notes to stderr, or both as JSON.
pub(super) fn import(format: Format, file: &Path, output: Output) -> Result<ExitCode, Failure> {
    let subject = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let text = read(file).map_err(|error| Failure::Usage(format!("{subject}: {error}")))?;
    let imported = read_as(format, &text).map_err(|error| Failure::Usage(format!("{subject}: {error}")))?;
    match output {
        Output::Json => print_json(&imported),
        Output::Text => {
            print(&yaml(&imported)?);
            eprint!("{}", notes(&imported));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One byte more than is taken tells that there is more.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let source: Box<dyn Read> =
        if file == Path::new("-") { Box::new(stdin()) } else { Box::new(File::open(file)?) };
    let mut text = Vec::new();
    source.take(LARGEST_INPUT as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn yaml(imported: &Imported) -> Result<String, Failure> {
    serde_saphyr::to_string(&imported.policy).map_err(|error| Failure::Runtime(error.to_string()))
}

fn notes(imported: &Imported) -> String {
    imported.notes.iter().map(|note| format!("{}: {}\n", note.at.trim_end_matches(':'), note.what)).collect()
}
