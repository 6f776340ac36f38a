//! `antumbra schema`: the JSON Schema of what people write, so that their editors complete and explain it.

use std::process::ExitCode;

use antumbra_policy::SCHEMA;
use clap::ValueEnum;

use super::Failure;
use super::output::print;

/// What to describe.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The schema of what
    #[arg(value_enum)]
    document: Document,
}

#[derive(Clone, Copy, ValueEnum)]
enum Document {
    /// A policy, with the comparator's part
    Policy,
}

/// Prints a schema of draft 2020-12.
pub(super) fn schema(options: &Options) -> Result<ExitCode, Failure> {
    match options.document {
        Document::Policy => print(SCHEMA),
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra schema policy > policy.schema.json

An editor with the YAML language server then completes, explains and checks a policy whose first line is
  # yaml-language-server: $schema=policy.schema.json
The server refuses a field that it does not know, so a policy in JSON is given its schema by the editor's settings. `antumbra check`
sees more than a schema can: names of variants that do not exist, buckets that overlap, expressions that do not compile.";
