//! `antumbra schema`: the JSON Schema of what people write, so that their editors complete and explain it, and of what other
//! programs send.

use std::process::ExitCode;

use antumbra_observation::SCHEMA as OBSERVATION;
use antumbra_policy::SCHEMA as POLICY;
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
    /// An observation: a line of a capture, or what `POST /v1/observations` takes as JSON or NDJSON
    Observation,
}

/// Prints a schema of draft 2020-12.
pub(super) fn schema(options: &Options) -> Result<ExitCode, Failure> {
    match options.document {
        Document::Policy => print(POLICY),
        Document::Observation => print(OBSERVATION),
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra schema policy > policy.schema.json
  antumbra schema observation > observation.schema.json

An editor with the YAML language server then completes, explains and checks a policy whose first line is
  # yaml-language-server: $schema=policy.schema.json
The server refuses a field that it does not know, so a policy in JSON is given its schema by the editor's settings. `antumbra check`
sees more than a schema can: names of variants that do not exist, buckets that overlap, expressions that do not compile.";
