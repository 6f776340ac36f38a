//! `antumbra check`: a policy file, everything that is wrong with it, and what is probably unintended.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antumbra_control::{Document, comparison};
use antumbra_policy::document::{Invalid, Problem};
use antumbra_policy::lint;
use serde::Serialize;

use super::output::{print, print_json};
use super::{Failure, Output, USAGE, local};
use crate::clock;

/// What to check.
#[derive(clap::Args)]
pub(super) struct Options {
    /// YAML or JSON
    file: PathBuf,
    /// The policy that it is to replace: also warn of users who would lose their variant
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Exit with code 2 if there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Prints every problem of a file, or its warnings; exit code 2 if there is a problem.
pub(super) fn check(options: &Options) -> Result<ExitCode, Failure> {
    let file = options.file.as_path();
    let read = local::read(file)?;
    let before = options.against.as_deref().map(local::document).transpose()?;
    let warnings = read.as_ref().map_or_else(|_| Vec::new(), |document| warnings(document, before.as_ref()));
    let problems = read.as_ref().err().map(|invalid| invalid.problems.as_slice()).unwrap_or_default();
    match options.output {
        Output::Json => {
            print_json(&Checked { valid: problems.is_empty(), problems, warnings: &warnings });
        }
        Output::Text => print(&text(file, &read, &warnings)),
    }
    let refused = read.is_err() || (options.deny_warnings && !warnings.is_empty());
    Ok(if refused { ExitCode::from(USAGE) } else { ExitCode::SUCCESS })
}

fn warnings(document: &Document, before: Option<&Document>) -> Vec<Problem> {
    // A document that was just read compiles.
    let Ok(policy) = document.policy() else { return Vec::new() };
    let mut warnings = lint::warnings(document.tree(), &policy, clock::now());
    warnings.extend(comparison::warnings(document.tree()));
    let before = before.and_then(|before| before.policy().ok());
    warnings.extend(before.into_iter().flat_map(|before| lint::change_warnings(&before, &policy)));
    if document.rollout().is_some() {
        let message = "is read and checked, and nothing acts on it yet: set shares and weights yourself";
        warnings.push(Problem { path: "rollout".to_owned(), message: message.to_owned() });
    }
    warnings
}

fn text(file: &Path, read: &Result<Document, Invalid>, warnings: &[Problem]) -> String {
    let file = file.display();
    match read {
        Ok(document) => {
            let warnings: String =
                warnings.iter().map(|warning| format!("{file}: warning: {warning}\n")).collect();
            format!("{warnings}{file}: policy {:?} is valid\n", document.name())
        }
        Err(invalid) => invalid.problems.iter().map(|problem| format!("{file}: {problem}\n")).collect(),
    }
}

#[derive(Serialize)]
struct Checked<'p> {
    valid: bool,
    problems: &'p [Problem],
    warnings: &'p [Problem],
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra check shop.yaml
  antumbra check shop.yaml --output json
  antumbra check new.yaml --against shop.yaml --deny-warnings";
