//! The commands that speak to a server: what each one asks, and how the answer is printed.

use std::path::Path;
use std::process::ExitCode;

use antumbra_engine::Verdict;
use antumbra_policy::document::{Tree, is_name};
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::{Client, Message, variable};
use super::output::{self, print, print_json};
use super::{Failure, Output, POLICY_VARIABLE, ResetEvidence, SetMirror, SetWeights, Target, local};
use crate::api::policies::{Listed, Outcome};
use crate::api::releases::Begun;
use crate::api::status::Status;

/// `antumbra status`.
pub(super) fn status(target: &Target) -> Result<ExitCode, Failure> {
    let mut status: Status = Client::new(&target.server)?.get("/v1/status")?;
    if let Some(name) = &target.policy {
        status.releases.retain(|release| release.release == *name);
        if status.releases.is_empty() {
            let unknown = || format!("there is no policy {name:?}");
            return Err(Failure::Usage(if is_like_a_file(name) { of_a_file(name) } else { unknown() }));
        }
    }
    show(target.output, &status, super::status::text)
}

/// `antumbra mirror set`.
pub(super) fn set_mirror(options: &SetMirror) -> Result<ExitCode, Failure> {
    let entries = [
        ("percent", Some(Tree::Float(options.percent.0))),
        ("rule", options.rule.clone().map(Tree::Text)),
        ("to", options.to.clone().map(Tree::Text)),
        ("reason", options.reason.clone().map(Tree::Text)),
    ];
    amend(&options.target, "mirror", &mapping(entries))
}

/// `antumbra weights set`.
pub(super) fn set_weights(options: &SetWeights) -> Result<ExitCode, Failure> {
    let weights = options.weights.iter().map(|w| {
        let weight = i64::try_from(w.weight).unwrap_or(i64::MAX);
        (w.variant.clone(), Tree::Integer(weight))
    });
    let entries = [
        ("weights", Some(Tree::Map(weights.collect()))),
        ("rule", options.rule.clone().map(Tree::Text)),
        ("reason", options.reason.clone().map(Tree::Text)),
        ("despiteVerdict", options.despite_verdict.then_some(Tree::Bool(true))),
    ];
    amend(&options.target, "weights", &mapping(entries))
}

/// A verdict as a script reads it.
pub(super) fn code(verdict: Verdict) -> ExitCode {
    ExitCode::from(match verdict {
        Verdict::Promote => 0,
        Verdict::RollBack => 1,
        Verdict::Wait => 3,
    })
}

/// `antumbra evidence reset`.
pub(super) fn reset_evidence(options: &ResetEvidence) -> Result<ExitCode, Failure> {
    let client = Client::new(&options.target.server)?;
    let path = format!("/v1/releases/{}/evidence", name(&client, options.target.policy.as_deref())?);
    let message = Message { reason: options.reason.clone(), ..Message::default() };
    let begun: Begun = client.send(&Method::DELETE, &path, message)?;
    show(options.target.output, &begun, |begun| {
        let Begun { release, session, generation } = begun;
        format!("{release}: session {session} begins with generation {generation}\n")
    })
}

fn amend(target: &Target, part: &str, body: &Tree) -> Result<ExitCode, Failure> {
    let client = Client::new(&target.server)?;
    let path = format!("/v1/policies/{}/{part}", name(&client, target.policy.as_deref())?);
    let body = serde_json::to_vec(body).map_err(|error| Failure::Usage(error.to_string()))?;
    let message = Message { body: Some(("application/json", body)), ..Message::default() };
    let outcome: Outcome = client.send(&Method::PATCH, &path, message)?;
    output::complain(&outcome);
    show(target.output, &outcome, output::outcome)
}

/// Reads what a server has of the policy that is meant.
pub(super) fn read<T: DeserializeOwned>(
    target: &Target,
    path: impl Fn(&str) -> String,
) -> Result<T, Failure> {
    let client = Client::new(&target.server)?;
    client.get(&path(&name(&client, target.policy.as_deref())?))
}

/// Prints a value for people or for programs.
pub(super) fn show<T: Serialize>(
    output: Output,
    value: &T,
    text: impl Fn(&T) -> String,
) -> Result<ExitCode, Failure> {
    match output {
        Output::Json => print_json(value),
        Output::Text => print(&text(value)),
    }
    Ok(ExitCode::SUCCESS)
}

/// The policy that is meant: the named one, else the environment's, else the only one.
pub(super) fn name(client: &Client, named: Option<&str>) -> Result<String, Failure> {
    let list = || client.get::<Vec<Listed>>("/v1/policies");
    if let Some(name) = named.map(str::to_owned).or_else(|| variable(POLICY_VARIABLE)) {
        // A policy may be called as files are.
        if is_like_a_file(&name) && (!is_name(&name) || list()?.iter().all(|listed| listed.release != name)) {
            return Err(Failure::Usage(of_a_file(&name)));
        }
        return checked(&name);
    }
    let listed: Vec<Listed> = list()?;
    match listed.as_slice() {
        [only] => Ok(only.release.clone()),
        [] => Err(Failure::Usage("no policy is stored".to_owned())),
        several => {
            let names: Vec<&str> = several.iter().map(|listed| listed.release.as_str()).collect();
            Err(Failure::Usage(format!(
                "--policy or {POLICY_VARIABLE} is needed: there are {}",
                names.join(", ")
            )))
        }
    }
}

fn is_like_a_file(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["yaml", "yml", "json"].contains(&ending))
}

/// What somebody is told who gives a file where a name is needed.
fn of_a_file(file: &str) -> String {
    let name = match local::document(Path::new(file)) {
        Ok(document) => format!("{:?}, as that file says", document.name()),
        _ => "the `name` in the file".to_owned(),
    };
    format!(
        "--policy is {file:?}, which is no stored policy and looks like a file; needed is the policy's name: {name}"
    )
}

/// A name that can be one.
pub(super) fn checked(name: &str) -> Result<String, Failure> {
    if is_name(name) {
        Ok(name.to_owned())
    } else {
        Err(Failure::Usage(format!("--policy {name:?} is not a name")))
    }
}

fn mapping<const N: usize>(entries: [(&str, Option<Tree>); N]) -> Tree {
    Tree::Map(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}
