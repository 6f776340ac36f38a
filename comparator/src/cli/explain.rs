//! `antumbra explain`: what a policy makes of requests, by the very code that the filter runs.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use antumbra_observation::Bytes;
use antumbra_policy::{Decision, Dice, Edit, SkippedMirror};
use serde::Serialize;

use super::{Failure, Output, USAGE, local, values};
use crate::clock;

/// What to explain.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The policy, YAML or JSON
    file: PathBuf,
    /// Requests, one JSON object a line: a file, `-` for stdin, or the object itself
    #[arg(long, value_name = "FILE|JSON")]
    request: String,
    /// For what is left to chance: the same seed makes the same decisions
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A key that the policy names, as NAME=FILE; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    secret: Vec<values::Secret>,
    /// How to print
    #[arg(long, value_enum, default_value = "json")]
    output: Output,
}

/// What is said of each line of requests. A request that cannot be read is reported with its line, and the others go on.
pub(super) fn explain(options: &Options) -> Result<ExitCode, Failure> {
    let policy = local::policy(&options.file, &options.secret)?;
    let name = if is_object(&options.request) { "--request" } else { &options.request };
    let failed = |error: std::io::Error| Failure::Usage(format!("{name}: {error}"));
    let mut dice = Dice(options.seed);
    let mut out = std::io::stdout().lock();
    let (mut code, mut any) = (ExitCode::SUCCESS, false);
    for (index, line) in BufReader::new(open(&options.request).map_err(failed)?).lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        any = true;
        match local::request(&line, clock::now()) {
            Ok(request) => {
                let explained = Explained::new(&policy.decide(&request, Dice(dice.next())));
                let text = match options.output {
                    Output::Json => format!("{}\n", serde_json::to_string(&explained).unwrap_or_default()),
                    Output::Text => text(&line, &explained),
                };
                if write!(out, "{text}").is_err() {
                    // The reader has read enough.
                    return Ok(code);
                }
            }
            Err(problem) => {
                eprintln!("antumbra: {name}: line {}: {problem}", index + 1);
                code = ExitCode::from(USAGE);
            }
        }
    }
    if !any {
        let stdin = if name == "-" { "stdin" } else { name };
        let why = format!(
            "{stdin} has no request; one is a line such as {{\"method\": \"GET\", \"path\": \"/cart\"}}"
        );
        return Err(Failure::Usage(why));
    }
    Ok(code)
}

/// The request, who gets it and why, and what becomes of its headers.
fn text(request: &str, explained: &Explained) -> String {
    let Explained { variant, cluster, rule, reason, position, mirror, not_mirrored, headers, response } =
        explained;
    let mut lines = vec![request.trim().to_owned()];
    let variant = variant.as_deref().unwrap_or("the host's own routing");
    let cluster = cluster.as_ref().map_or_else(String::new, |cluster| format!(" (cluster {cluster})"));
    let rule = rule.as_ref().map_or_else(String::new, |rule| format!(", rule {rule:?}"));
    let position = position.map_or_else(String::new, |position| format!(", position {position} of 1000000"));
    lines.push(format!("  goes to {variant}{cluster}: {reason}{rule}{position}"));
    for Shadow { to, cluster, rule, control } in mirror {
        let control =
            control.as_ref().map_or_else(String::new, |control| format!(", and to {control} as control"));
        lines.push(format!("  is mirrored to {to} (cluster {cluster}){control}: rule {rule:?}"));
    }
    lines.extend(not_mirrored.map(|why| format!("  is not mirrored: {why}")));
    for (of, changes) in [("request", headers), ("response", response)] {
        lines.extend(changes.iter().flat_map(|(name, change)| change.lines(of, name)));
    }
    lines.join("\n") + "\n"
}

/// A decision in writing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    variant: Option<String>,
    cluster: Option<String>,
    rule: Option<String>,
    reason: &'static str,
    position: Option<u32>,
    mirror: Vec<Shadow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_mirrored: Option<&'static str>,
    headers: BTreeMap<String, Change>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    response: BTreeMap<String, Change>,
}

#[derive(Debug, Serialize)]
struct Shadow {
    to: String,
    cluster: String,
    rule: String,
    control: Option<String>,
}

/// What becomes of a header.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Change {
    /// Exactly this value.
    Set(Bytes),
    /// These values besides others.
    Added(Vec<Bytes>),
    Removed,
}

impl Change {
    fn lines(&self, of: &str, name: &str) -> Vec<String> {
        let shown = |value: &Bytes| String::from_utf8_lossy(value).into_owned();
        match self {
            Self::Set(value) => vec![format!("  {of} header {name} is set: {}", shown(value))],
            Self::Added(values) => values
                .iter()
                .map(|value| format!("  {of} header {name} is added: {}", shown(value)))
                .collect(),
            Self::Removed => vec![format!("  {of} header {name} is removed")],
        }
    }
}

impl Explained {
    fn new(decision: &Decision<'_>) -> Self {
        let shadow = |mirrored: &antumbra_policy::Mirrored<'_>| Shadow {
            to: mirrored.mirror.to.name.clone(),
            cluster: mirrored.mirror.to.cluster.clone(),
            rule: mirrored.mirror.rule.clone(),
            control: mirrored.mirror.control.as_ref().filter(|_| mirrored.control).map(|c| c.to.name.clone()),
        };
        Self {
            variant: decision.variant.map(|variant| variant.name.clone()),
            cluster: decision.variant.map(|variant| variant.cluster.clone()),
            rule: decision.rule.map(str::to_owned),
            reason: decision.reason.as_str(),
            position: decision.position,
            mirror: decision.mirrors.iter().map(shadow).collect(),
            not_mirrored: decision.skipped_mirror.map(SkippedMirror::as_str).filter(|why| *why != "no_rule"),
            headers: changes(&decision.request_edits),
            response: changes(&decision.response_edits),
        }
    }
}

/// The edits in order: a later one goes on from what an earlier one left.
fn changes(edits: &[Edit<'_>]) -> BTreeMap<String, Change> {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    for edit in edits {
        let (name, change) = match edit {
            Edit::Set(name, value) => (name, Change::Set(value.as_ref().into())),
            Edit::Remove(name) => (name, Change::Removed),
            Edit::Add(name, value) => match changes.remove(*name) {
                Some(Change::Added(mut values)) => {
                    values.push(value.as_ref().into());
                    (name, Change::Added(values))
                }
                Some(Change::Set(first)) => (name, Change::Set([&first, &b","[..], value].concat().into())),
                Some(Change::Removed) => (name, Change::Set(value.as_ref().into())),
                None => (name, Change::Added(vec![value.as_ref().into()])),
            },
        };
        changes.insert((*name).to_owned(), change);
    }
    changes
}

/// No file is called so.
fn is_object(request: &str) -> bool {
    request.trim_start().starts_with('{')
}

fn open(request: &str) -> std::io::Result<Box<dyn Read>> {
    Ok(match request {
        "-" => Box::new(std::io::stdin()),
        // One request, however many lines it is written on.
        object if is_object(object) => Box::new(std::io::Cursor::new(object.replace(['\r', '\n'], " "))),
        file => Box::new(std::fs::File::open(file)?),
    })
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra explain shop.yaml --output text --request '{\"path\": \"/cart\", \"cookies\": {\"canary\": \"1\"}}'
  echo '{\"path\": \"/cart\"}' | antumbra explain shop.yaml --request -
  antumbra explain shop.yaml --request requests.ndjson --seed 7 | jq -r .variant | sort | uniq -c

A request has any of method, path, host, headers, cookies, ip, metadata, json, form, time. A list of values stands for several lines of \
a header, {\"headers\": {\"cookie\": [\"a=1\", \"b=2\"]}}, which are joined where Envoy joins them; a value that is not UTF-8 is written \
{\"base64\": \"/w==\"}. The answer's headers are those that the filter sets (a text), adds (a list) or removes (null) before the request \
is routed; response holds what it adds to the answer.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_add_up() {
        let edits = [
            Edit::Set("a", b"1"[..].into()),
            Edit::Add("a", b"2"[..].into()),
            Edit::Add("b", b"1"[..].into()),
            Edit::Add("b", b"2"[..].into()),
            Edit::Remove("c"),
            Edit::Set("d", b"1"[..].into()),
            Edit::Remove("d"),
            Edit::Add("d", b"2"[..].into()),
        ];
        let found = serde_json::to_string(&changes(&edits)).unwrap();
        assert_eq!(found, r#"{"a":"1,2","b":["1","2"],"c":null,"d":"2"}"#);
    }
}
