//! `antumbra policy`: what policies there are, what each says and said, and who may be replaced or deleted.

use std::path::PathBuf;
use std::process::ExitCode;

use antumbra_policy::document::Tree;
use http::Method;

use super::client::{Client, Message};
use super::commands::{checked, name, read, show};
use super::output::{self, print, print_json};
use super::{Failure, Output, Target, local};
use crate::api::policies::{Deleted, History, Listed, Outcome};

/// What to do with policies.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Print a policy: the generation in force, or an earlier one
    #[command(after_help = EXAMPLES)]
    Show(Show),
    /// Show each generation of a policy: who made it, when and why, and what changed
    #[command(after_help = EXAMPLES)]
    History(Target),
    /// Replace a policy; with --create it may be a new one
    #[command(after_help = EXAMPLES)]
    Put(Put),
    /// Delete a policy with its evidence; its audit stays readable
    #[command(after_help = EXAMPLES)]
    Delete(Delete),
    /// List the policies
    #[command(after_help = EXAMPLES)]
    List(Target),
}

/// Which generation to print.
#[derive(clap::Args)]
pub(super) struct Show {
    /// An earlier generation, as `antumbra policy history` lists them
    #[arg(long, value_name = "GENERATION")]
    generation: Option<u64>,
    #[command(flatten)]
    target: Target,
}

/// What to put, and under which conditions.
#[derive(clap::Args)]
pub(super) struct Put {
    /// YAML or JSON; its `name` says which policy it is
    file: PathBuf,
    /// The policy may be a new one
    #[arg(long)]
    create: bool,
    /// Give clients more of a candidate although the verdict is `roll back`; the audit says so
    #[arg(long)]
    despite_verdict: bool,
    /// Only if the policy is at this generation
    #[arg(long, value_name = "GENERATION")]
    if_generation: Option<u64>,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// What to delete, and under which conditions.
#[derive(clap::Args)]
pub(super) struct Delete {
    /// Although filters run it. They go on splitting by it, and stop mirroring when its lease ends
    #[arg(long)]
    force: bool,
    /// Only if the policy is at this generation
    #[arg(long, value_name = "GENERATION")]
    if_generation: Option<u64>,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Show(options) => show_one(options),
        Command::History(target) => history(target),
        Command::Put(options) => put(options),
        Command::Delete(options) => delete(options),
        Command::List(target) => list(target),
    }
}

fn show_one(options: &Show) -> Result<ExitCode, Failure> {
    let policy: Tree = read(&options.target, |name| match options.generation {
        None => format!("/v1/policies/{name}"),
        Some(generation) => format!("/v1/policies/{name}/generations/{generation}"),
    })?;
    match options.target.output {
        Output::Json => print_json(&policy),
        Output::Text => {
            let yaml = serde_saphyr::to_string(&policy);
            print(&yaml.map_err(|error| Failure::Runtime(error.to_string()))?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn history(target: &Target) -> Result<ExitCode, Failure> {
    let history: History = read(target, |name| format!("/v1/policies/{name}/generations"))?;
    show(target.output, &history, output::history)
}

fn list(target: &Target) -> Result<ExitCode, Failure> {
    let listed: Vec<Listed> = Client::new(&target.server)?.get("/v1/policies")?;
    if listed.is_empty() {
        eprintln!("antumbra: no policy is stored; `antumbra policy put FILE --create` stores one");
    }
    show(target.output, &listed, |listed| {
        listed
            .iter()
            .map(|p| format!("{}  generation {}  since {}\n", p.release, p.generation, p.at))
            .collect()
    })
}

/// A bad file is refused here already, with all its problems.
fn put(options: &Put) -> Result<ExitCode, Failure> {
    let file = options.file.display();
    let document = local::document(&options.file)?;
    let name = document.name();
    if let Some(other) = options.target.policy.as_deref().filter(|other| *other != name) {
        let why = format!("--policy is {other:?}, but the `name` in {file} is {name:?}");
        return Err(Failure::Usage(why));
    }
    let message = Message {
        body: Some(("application/json", document.text().into_bytes())),
        if_match: tag(options.if_generation),
        reason: options.reason.clone(),
        ..Message::default()
    };
    let (create, despite) = (options.create, options.despite_verdict);
    let path = format!("/v1/policies/{}?create={create}&despiteVerdict={despite}", checked(name)?);
    let outcome: Outcome = Client::new(&options.target.server)?.send(&Method::PUT, &path, message)?;
    output::complain(&outcome);
    show(options.target.output, &outcome, output::outcome)
}

/// Never of a policy that nobody named: that there is one only is no reason to mean it.
fn delete(options: &Delete) -> Result<ExitCode, Failure> {
    let Some(named) = options.target.policy.as_deref() else {
        return Err(Failure::Usage("--policy is needed: name the policy to delete".to_owned()));
    };
    let client = Client::new(&options.target.server)?;
    let force = if options.force { "?force=true" } else { "" };
    let path = format!("/v1/policies/{}{force}", name(&client, Some(named))?);
    let (if_match, reason) = (tag(options.if_generation), options.reason.clone());
    let message = Message { if_match, reason, ..Message::default() };
    let deleted: Deleted = client.send(&Method::DELETE, &path, message)?;
    show(options.target.output, &deleted, |deleted| {
        let Deleted { release, generation } = deleted;
        format!(
            "{release}: deleted at generation {generation}, with its evidence; the audit stays: antumbra audit --policy {release}\n"
        )
    })
}

fn tag(generation: Option<u64>) -> Option<String> {
    generation.map(|generation| format!("\"{generation}\""))
}

/// Of the whole command.
pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra policy list
  antumbra policy show > shop.yaml
  antumbra policy history                  who made each generation, when, why, and what changed
  antumbra policy show --generation 3      what the policy said then
  antumbra policy put shop.yaml --create   a policy that the comparator does not know yet
  antumbra policy put shop.yaml --if-generation 3 --reason 'mirror the search too'
  antumbra policy delete --policy shop --reason 'released'";
