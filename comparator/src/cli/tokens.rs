//! `antumbra token`: who may speak to a comparator, as what, for which releases and until when.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::ValueEnum as _;
use clap::builder::PossibleValue;
use http::Method;
use serde_json::json;

use super::client::{Client, Message};
use super::commands::show;
use super::output::{print, print_json};
use super::values::Lasting;
use super::{Failure, Output};
use crate::api::tokens::{Created, List, Listed, State};

/// What to do with tokens.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Create a token, and print its secret to stdout, this once
    #[command(after_help = EXAMPLES)]
    Create(Create),
    /// List all tokens that ever were, without their secrets
    #[command(after_help = EXAMPLES)]
    List(Server),
    /// Take a token back: it lets nobody in from now on, and stays in the list
    #[command(after_help = EXAMPLES)]
    Revoke(Revoke),
}

/// Which token to create.
#[derive(clap::Args)]
pub(super) struct Create {
    /// What audits and logs call it; no other token may ever have had the name
    name: String,
    /// What its bearer may do
    #[arg(long, value_enum)]
    role: Role,
    /// A release that it is for; may be repeated. Without any it is for all
    #[arg(long, value_name = "NAME")]
    release: Vec<String>,
    /// How long it lets its bearer in, as 8h or 90d; without this it has no end
    #[arg(long, value_name = "DURATION")]
    expires: Option<Lasting>,
    #[command(flatten)]
    server: Server,
}

/// Which token to take back.
#[derive(clap::Args)]
pub(super) struct Revoke {
    /// Its name
    name: String,
    #[command(flatten)]
    server: Server,
}

/// Which comparator, and how to print.
#[derive(clap::Args)]
pub(super) struct Server {
    /// The comparator; the token of an admin, once there are tokens, is read from `ANTUMBRA_TOKEN`
    #[arg(long, env = "ANTUMBRA_SERVER", default_value = "http://127.0.0.1:7400", value_name = "URL")]
    server: String,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// Ask for verdicts: a pipeline
    Gate,
    /// Read policies, reports, status, audits and metrics besides: a monitor, or a person who looks
    Observe,
    /// Change policies, begin sessions and read what services answered, too: a person who releases
    Operate,
    /// Manage tokens, and everything else
    Admin,
    /// Fetch a policy and report observations: a filter
    Filter,
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Create(options) => create(options),
        Command::List(server) => {
            let list: List = Client::new(&server.server)?.get(PATH)?;
            show(server.output, &list, |list| list.tokens.iter().map(line).collect())
        }
        Command::Revoke(Revoke { name, server }) => {
            let path = format!("{PATH}/{}", checked(name)?);
            let client = Client::new(&server.server)?;
            let revoked: Listed = client.send(&Method::DELETE, &path, Message::default())?;
            show(server.output, &revoked, line)
        }
    }
}

/// The secret alone goes to stdout, so that a script can keep it in a file.
fn create(options: &Create) -> Result<ExitCode, Failure> {
    let Create { name, role, release, expires, server } = options;
    let mut body = json!({ "name": checked(name)?, "role": role.to_possible_value().as_ref().map(PossibleValue::get_name) });
    if let Some(map) = body.as_object_mut() {
        if !release.is_empty() {
            map.insert("releases".to_owned(), json!(release));
        }
        if let Some(Lasting(span)) = expires {
            map.insert("expiresInSeconds".to_owned(), json!(span.as_secs()));
        }
    }
    let message = Message { body: Some(("application/json", body.to_string().into())), ..Message::default() };
    let created: Created = Client::new(&server.server)?.send(&Method::POST, PATH, message)?;
    eprint!("antumbra: {}", line(&created.token));
    eprintln!("antumbra: the secret is not shown again");
    if created.is_first {
        eprintln!(
            "antumbra: from now on every request needs a token: ANTUMBRA_TOKEN for the command line, `comparator.token` for filters"
        );
    }
    match server.output {
        Output::Json => print_json(&created),
        Output::Text => print(&format!("{}\n", created.secret)),
    }
    Ok(ExitCode::SUCCESS)
}

fn line(token: &Listed) -> String {
    let Listed { name, role, releases, state, created_at, created_by, expires_at, revoked_at, revoked_by } =
        token;
    let scope = releases.as_ref().map_or_else(|| "all releases".to_owned(), |releases| releases.join(", "));
    let mut text = format!("{name}  {role}  {scope}");
    if let Some(at) = created_at {
        let _ = write!(text, "  created {at} by {created_by}");
    }
    if let Some(at) = expires_at {
        let _ = write!(text, "  {} {at}", if *state == State::Expired { "expired" } else { "expires" });
    }
    if let (Some(at), Some(by)) = (revoked_at, revoked_by) {
        let _ = write!(text, "  revoked {at} by {by}");
    }
    text.push('\n');
    text
}

/// A name that can be one, for it becomes a part of a path.
fn checked(name: &str) -> Result<&str, Failure> {
    if antumbra_policy::document::is_name(name) {
        Ok(name)
    } else {
        Err(Failure::Usage(format!("{name:?} is not a name")))
    }
}

const PATH: &str = "/v1/tokens";
/// Of the whole command.
pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra token create root --role admin                   the first one; from then on every request needs a token
  antumbra token create edge --role filter --release shop   for the filters of shop
  antumbra token create ci --role gate --release shop --expires 90d
  antumbra token create ana --role operate > ana.token      the secret alone goes to stdout
  antumbra token list
  antumbra token revoke ci";
