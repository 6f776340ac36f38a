//! `antumbra check`: a policy file, everything that is wrong with it, and what is probably unintended.

use std::path::PathBuf;
use std::process::ExitCode;

use antumbra_control::{Document, comparison};
use antumbra_policy::document::{Cost, Problem};
use antumbra_policy::lint;
use serde::Serialize;

use super::local::{Placed, Written};
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
    let written = local::read(&options.file)?;
    let read = written.document.as_ref();
    let before = options.against.as_deref().map(local::document).transpose()?;
    let warnings = read.map_or_else(|_| Vec::new(), |document| warnings(document, before.as_ref()));
    let problems = read.err().map(|invalid| invalid.problems.as_slice()).unwrap_or_default();
    let (refused, warned) = (!problems.is_empty(), !warnings.is_empty());
    let (problems, warnings) = (written.placed(problems), written.placed(&warnings));
    let cost = read.ok().and_then(|document| Some(document.policy().ok()?.cost()));
    match options.output {
        Output::Json => {
            print_json(&Checked { valid: !refused, problems, warnings, cost: cost.map(Shown::of) });
        }
        Output::Text => print(&text(&written, &problems, &warnings, cost)),
    }
    let refused = refused || (options.deny_warnings && warned);
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

fn text(written: &Written, problems: &[Placed<'_>], warnings: &[Placed<'_>], cost: Option<Cost>) -> String {
    let told = |kind: &str, all: &[Placed<'_>]| -> String {
        all.iter().map(|one| format!("{}: {kind}{}\n", written.place(one), one.problem)).collect()
    };
    let valid = written
        .document
        .as_ref()
        .map(|document| format!("{}: policy {:?} is valid\n", written.file().display(), document.name()));
    let cost = cost.map(|cost| format!("{}: takes {cost}\n", written.file().display()));
    told("", problems) + &told("warning: ", warnings) + &cost.unwrap_or_default() + &valid.unwrap_or_default()
}

#[derive(Serialize)]
struct Checked<'p> {
    valid: bool,
    problems: Vec<Placed<'p>>,
    warnings: Vec<Placed<'p>>,
    /// Of a valid policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Shown>,
}

/// What a policy costs in a filter, and what it may cost.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    bytes: usize,
    max_bytes: usize,
    steps_per_request: usize,
    max_steps_per_request: usize,
}

impl Shown {
    fn of(cost: Cost) -> Self {
        Self {
            bytes: cost.bytes,
            max_bytes: Cost::MAX.bytes,
            steps_per_request: cost.steps,
            max_steps_per_request: Cost::MAX.steps,
        }
    }
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra check shop.yaml
  antumbra check shop.yaml --output json
  antumbra check new.yaml --against shop.yaml --deny-warnings";
