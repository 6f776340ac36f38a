//! `antumbra schema`: the JSON Schema of what people write, so that their editors complete and explain it, and of what other
//! programs send.

mod fields;

use std::process::ExitCode;

use antumbra_observation::SCHEMA as OBSERVATION;
use antumbra_policy::SCHEMA as POLICY;
use antumbra_policy::document::Tree;
use clap::ValueEnum;

use super::Failure;
use super::output::print;

/// What to describe.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The schema of what
    #[arg(value_enum)]
    document: Document,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Form {
    /// For programs
    #[default]
    Json,
    /// A page to read: each field with its value and its meaning
    Markdown,
}

#[derive(Clone, Copy, ValueEnum)]
enum Document {
    /// A policy, with the comparator's part
    Policy,
    /// An observation: a line of a capture, or what `POST /v1/observations` takes as JSON or NDJSON
    Observation,
}

/// Prints a schema of draft 2020-12, or the page that is made from it.
pub(super) fn schema(options: &Options) -> Result<ExitCode, Failure> {
    let schema = match options.document {
        Document::Policy => POLICY,
        Document::Observation => OBSERVATION,
    };
    match options.output {
        Form::Json => print(schema),
        Form::Markdown => {
            let schema = Tree::from_json(schema.as_bytes());
            print(&fields::page(&schema.map_err(|invalid| Failure::Runtime(invalid.to_string()))?));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra schema policy > policy.schema.json
  antumbra schema observation > observation.schema.json
  antumbra schema policy --output markdown > POLICY-FIELDS.md

An editor with the YAML language server then completes, explains and checks a policy whose first line is
  # yaml-language-server: $schema=policy.schema.json
The server refuses a field that it does not know, so a policy in JSON is given its schema by the editor's settings. `antumbra check` \
sees more than a schema can: names of variants that do not exist, buckets that overlap, expressions that do not compile.";

#[cfg(test)]
mod tests {
    use super::*;

    /// `antumbra schema policy --output markdown > docs/POLICY-FIELDS.md` makes it anew.
    #[test]
    fn the_page_of_a_policys_fields_is_made_from_the_schema() {
        let page = fields::page(&Tree::from_json(POLICY.as_bytes()).unwrap());
        let kept = include_str!("../../../docs/POLICY-FIELDS.md");
        assert!(
            page == kept,
            "docs/POLICY-FIELDS.md is not what `antumbra schema policy --output markdown` prints"
        );
    }

    #[test]
    fn each_field_of_an_observation_has_a_row() {
        let schema = Tree::from_json(OBSERVATION.as_bytes()).unwrap();
        let page = fields::page(&schema);
        let Some(Tree::Map(fields)) = schema.get("properties") else { panic!("no properties") };
        for (name, _) in fields {
            assert!(page.contains(&format!("\n| `{name}` | ")), "{name}: {page}");
        }
    }
}
