//! `antumbra diff`: two answers in files, compared as a report compares them.
//!
//! The files become the answers of one exchange, which goes the way of every other one: plugins, rules, the engine. So what is listed is
//! what a report would list, short, on one line, and without what looks like a secret.

mod by;
mod media;
mod side;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antumbra_engine::{Diff, Pattern, diff_exchange};
use antumbra_observation::Observation;
use antumbra_plugin::Runtime;
use antumbra_policy::lint::unlikely_method;
use serde::Serialize;

use super::output::{self, print, print_json};
use super::terms::DescriptorSet;
use super::values::NamedPlugin;
use super::{Failure, Output};
use by::By;
use media::ReadAs;
use side::Side;

/// What to compare, and how.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The measure; `-` reads stdin
    left: PathBuf,
    /// What is compared with it; `-` reads stdin
    right: PathBuf,
    /// A policy, or what stands under its `compare`, in YAML or JSON: what may differ
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Whose answers they are, as 'GET /items/7': rules and plugins of this endpoint hold too, not only those of all
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// What both are: json, ndjson, json-seq, sse, html, text, form, multipart, grpc, protobuf, bytes, or a media type as
    /// 'multipart/mixed; boundary=x'. Unless given, the ending of each name says so, and without one JSON, text or bytes are told by
    /// their look
    #[arg(long = "type", alias = "media", value_name = "TYPE", default_value = "auto")]
    read_as: ReadAs,
    /// A component that `compare.plugins` of the rules names; may be repeated
    #[arg(long, value_name = "NAME=FILE", requires = "rules")]
    plugin: Vec<NamedPlugin>,
    #[command(flatten)]
    descriptors: DescriptorSet,
    /// The gRPC method that answered, as shop.Prices/Get
    #[arg(long, value_name = "SERVICE/METHOD", conflicts_with_all = ["endpoint", "message"])]
    method: Option<String>,
    /// The message that the files hold, as shop.Price, whatever method answered
    #[arg(long, value_name = "NAME")]
    message: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Prints where two files differ; exit code 1 if they do.
pub(super) fn diff(options: &Options, sandbox: &dyn Runtime) -> Result<ExitCode, Failure> {
    let from_stdin = |file: &Path| file == Path::new("-");
    if from_stdin(&options.left) && from_stdin(&options.right) {
        return Err(Failure::Usage("LEFT and RIGHT are both -, only one can be stdin".to_owned()));
    }
    let (method, path) = asked(options)?;
    let by = By::read(options, &method, &path, sandbox)?;
    let mut left = Side::read(&options.left, &options.read_as)?;
    let mut right = Side::read(&options.right, &options.read_as)?;
    let (of_left, of_right) = (left.media.clone(), right.media.clone());
    left.finish(of_right, by.reads_messages)?;
    right.finish(of_left, by.reads_messages)?;
    let observation =
        Observation::new("", &method, &path).with_primary(left.answer()).with_candidate(right.answer());
    let prepared = by.plugins.prepare(&by.rules, &by.assigned, &observation, None);
    let compared = prepared.rewritten.as_ref().unwrap_or(&observation);
    let found = Found {
        diff: diff_exchange(compared, &by.rules, &prepared.outside),
        left: Named { file: left.name, media: left.media },
        right: Named { file: right.name, media: right.media },
        endpoint: by.endpoint,
        not_applied: by.not_applied,
        plugins: prepared.outside.plugins,
    };
    match options.output {
        Output::Json => print_json(&found),
        Output::Text => print(&text::of(&found, output::colour())),
    }
    Ok(ExitCode::from(u8::from(!found.diff.equal)))
}

/// Which request the files answer, as far as somebody says so.
fn asked(options: &Options) -> Result<(String, String), Failure> {
    if let Some(method) = &options.method {
        let method = method.strip_prefix('/').unwrap_or(method);
        if !method.contains('/') {
            let needed = "must be a service and a method such as shop.Prices/Get";
            return Err(Failure::Usage(format!("--method is {method:?}, {needed}")));
        }
        return Ok(("POST".to_owned(), format!("/{method}")));
    }
    let Some(endpoint) = &options.endpoint else { return Ok((String::new(), String::new())) };
    match endpoint.split_once(' ').map(|(method, path)| (method, path.trim_start())) {
        Some((method, path)) if !method.is_empty() && path.starts_with('/') => {
            check_method(method)?;
            Ok((method.to_owned(), path.to_owned()))
        }
        _ => {
            let needed = "must be a method and a path such as 'GET /items/7'";
            Err(Failure::Usage(format!("--endpoint is {endpoint:?}, {needed}")))
        }
    }
}

/// Refuses a method that no rule can name, and says that no request has one that is not in use.
fn check_method(method: &str) -> Result<(), Failure> {
    if let Err(bad) = Pattern::parse(&format!("{method} / /")) {
        return Err(Failure::Usage(format!("--endpoint {bad}")));
    }
    if let Some(odd) = unlikely_method(method) {
        eprintln!("antumbra: --endpoint names a method that {odd}");
    }
    Ok(())
}

/// What was found, in what, and by what.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(flatten)]
    diff: Diff,
    left: Named,
    right: Named,
    /// The endpoint that the files answer for; empty if nobody names one.
    #[serde(skip)]
    endpoint: String,
    /// Places and plugins of the rules that name another endpoint, or any while nobody says whose answers these are.
    not_applied: Vec<String>,
    /// The plugins of the endpoint, and why each was of no use, if it was not.
    plugins: BTreeMap<String, Option<&'static str>>,
}

/// A file, and what it was read as; a guess if there is nothing.
#[derive(Serialize)]
struct Named {
    file: String,
    #[serde(rename = "type")]
    media: Option<String>,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra diff v1.json v2.json
  antumbra diff v1.json v2.json --rules shop.yaml --endpoint 'GET /items/7'
  curl -s localhost:8080/items | antumbra diff expected.json - --output json
  antumbra diff v1.html.gz v2.html.gz
  antumbra diff v1.pb v2.pb --descriptors shop.binpb --message shop.Price

Endings: .json .ndjson .jsonl .json-seq .sse .event-stream .html .txt .xml .yaml .csv .form .urlencoded \
.multipart .grpc .pb .protobuf .bin, each with .gz, .br or .zst behind it if the file is compressed. The \
boundary of a multipart body is read from its first line that begins with --. Differences of one kind at \
one place are listed once with their number and an example; --output json lists all of them.

Exit codes: 0 equal but for what the rules allow, 1 different, 2 usage or configuration, 4 failure while running";
