//! `antumbra check`: a policy file and everything that is wrong with it.

use std::path::Path;
use std::process::ExitCode;

use antumbra_policy::document::{Invalid, Problem};
use serde::Serialize;

use super::output::{print, print_json};
use super::{Failure, Output, USAGE};
use crate::policies::Document;

/// Reads and validates a file.
pub(super) fn read(file: &Path) -> Result<Result<Document, Invalid>, Failure> {
    let text = std::fs::read(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    Ok(Document::from_yaml(&text))
}

/// Prints every problem of a file; exit code 2 if there is one.
pub(super) fn check(file: &Path, output: Output) -> Result<ExitCode, Failure> {
    let read = read(file)?;
    let problems = read.as_ref().err().map(|invalid| invalid.problems.as_slice()).unwrap_or_default();
    match output {
        Output::Json => print_json(&Checked { valid: problems.is_empty(), problems }),
        Output::Text => print(&text(file, &read)),
    }
    Ok(if read.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(USAGE) })
}

fn text(file: &Path, read: &Result<Document, Invalid>) -> String {
    let file = file.display();
    match read {
        Ok(document) => format!("{file}: policy {:?} is valid\n", document.name()),
        Err(invalid) => invalid.problems.iter().map(|problem| format!("{file}: {problem}\n")).collect(),
    }
}

#[derive(Serialize)]
struct Checked<'p> {
    valid: bool,
    problems: &'p [Problem],
}
