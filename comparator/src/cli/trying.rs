//! `antumbra try`: what the verdict would be under other rules, by a server or out of a capture.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antumbra_control::document::tree_from_yaml;
use antumbra_plugin::Runtime;
use http::Method;
use serde::Serialize;

use super::client::Message;
use super::output::{self, print, print_json};
use super::report::{self, Source};
use super::terms::{self, Terms};
use super::tried;
use super::{Failure, Output, USAGE, local};
use crate::api::trial::Outcome;
use crate::descriptors::Descriptors;
use crate::replay::captured::{Accounts, Captured};
use crate::trial::{Question, Trial};

/// What to try, on what.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Rules as a report suggests them, which extend those of the policy; or what stands under `compare`, or a policy with that,
    /// which replace them. YAML or JSON; `-` is stdin
    rules: PathBuf,
    #[command(flatten)]
    source: Source,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What was found, and out of what if that was a file.
#[derive(Serialize)]
struct Found<'o> {
    #[serde(flatten)]
    outcome: &'o Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<&'o Accounts>,
}

/// Prints what the rules would do.
pub(super) fn rules(options: &Options, sandbox: &dyn Runtime) -> Result<ExitCode, Failure> {
    let text = local::text(&options.rules)?;
    if options.source.from.is_empty() {
        let (client, name) = options.source.server()?;
        let message = Message { body: Some(("application/yaml", text.into_bytes())), ..Message::default() };
        let outcome: Outcome = client.send(&Method::POST, &format!("/v1/releases/{name}/try"), message)?;
        show(options.output, &outcome, None);
        return Ok(ExitCode::SUCCESS);
    }
    let (outcome, capture) = offline(&text, options, sandbox)?;
    show(options.output, &outcome, Some(&capture));
    report::complain(&options.source.from, &capture);
    Ok(if capture.bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(USAGE) })
}

fn show(output: Output, outcome: &Outcome, capture: Option<&Accounts>) {
    match output {
        Output::Json => print_json(&Found { outcome, capture }),
        Output::Text => {
            let head = capture.map(Accounts::to_text).unwrap_or_default();
            print(&format!("{}{}", output::wrapped(&head), tried::text(outcome)));
        }
    }
}

/// All of the captures by the policy as it is, and with other rules.
fn offline(text: &str, options: &Options, sandbox: &dyn Runtime) -> Result<(Outcome, Accounts), Failure> {
    let Options { rules, source, .. } = options;
    let from_stdin = |file: &Path| file == Path::new("-");
    if from_stdin(rules) && source.from.iter().any(|file| from_stdin(file)) {
        return Err(Failure::Usage("RULES and --from are both -, only one can be stdin".to_owned()));
    }
    let policy = source.policy.as_deref().map(Path::new);
    let policy = policy.ok_or_else(|| {
        Failure::Usage("--from needs --policy FILE: the policy whose rules are in force".to_owned())
    })?;
    let document = local::document(policy)?;
    let tried = tree_from_yaml(text.as_bytes()).and_then(|given| document.trying(&given));
    let (tried, way) = tried.map_err(|invalid| {
        let lines = invalid.problems.iter().map(|problem| format!("{}: {problem}", rules.display()));
        Failure::Usage(lines.collect::<Vec<_>>().join("\n"))
    })?;
    let plugins = terms::plugins(&source.plugin, sandbox)?;
    let Descriptors { schemas, .. } = source.descriptors.read()?;
    let now = Terms::of(policy, &document, plugins.clone(), schemas.clone())?;
    let tried = Terms::of(rules, &tried, plugins, schemas)?;
    let trial = Trial { now: now.comparing, tried: tried.comparing };
    let Captured { evidence, accounts, .. } = report::captured(&source.from, &trial)?;
    let question = Question { release: document.name(), way, gates: &now.gates, seen: &|_| None };
    Ok((evidence.judged(&question, &accounts.delivery()), accounts))
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra try rules.yaml
  echo '- {at: GET /search /tookMs, ignore: true}' | antumbra try -
  antumbra report --output json | jq '[.suggestions[].rule]' | antumbra try -
  antumbra try rules.yaml --from shop.ndjson --policy shop.yaml

A list of rules, one rule, or a mapping with rules alone extends the rules of the policy; what stands under \
compare, or a whole policy, replaces them. A change of compare in the policy ends the session of evidence; \
this command does not.

A server keeps up to 100 exchanges of each endpoint and 8 of each kind of difference at each place, at most \
32 MiB of a release, from the start of the session or of the server on. Credentials and values of cookies \
are blanked in them, so rules for these change nothing here. With --from every exchange of the file counts.

What would be hidden of the candidate alone comes first: that may be a defect.

Exit codes: 0 tried, 2 usage or configuration, 4 failure while running";
