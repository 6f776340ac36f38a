//! The command line: `antumbra serve`, and the commands that speak to a server.
//!
//! Data goes to stdout, messages to stderr, and the exit code says what a script needs: 0 success or promote, 1 roll
//! back, 2 wrong usage or configuration, 3 wait, 4 failed while running.

mod audit_keys;
mod audits;
mod capture;
mod check;
mod client;
mod commands;
mod database;
mod diff;
mod doctor;
mod explain;
mod failure;
mod help;
mod import;
mod init;
mod local;
mod output;
mod overriding;
mod policies;
mod replay;
mod report;
mod schema;
mod secret_files;
mod serving;
mod shell;
mod simulate;
mod status;
mod terms;
mod tokens;
mod tried;
mod trying;
mod values;
mod verdict;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use antumbra_plugin::Runtime;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::live::door::Connections;
use crate::shadows::Network;
use failure::Failure;
use terms::DescriptorSet;
use values::{Lasting, NamedPlugin, NamedTarget, Percent, Weight};

/// Runs the command line whose first argument is the program's name. Plugins run in `sandbox`.
pub fn run(args: impl IntoIterator<Item = OsString>, sandbox: &dyn Runtime) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // Looked for before anything is parsed: what cannot be parsed is told in the form that was asked for, too.
    let output = failure::output(&args);
    let parsed = help::fitted(Arguments::command(), output::columns()).try_get_matches_from(args);
    let read = |matches| {
        Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut Arguments::command()))
    };
    let arguments = match parsed.and_then(read) {
        Ok(arguments) => arguments,
        // Help and version are errors of code 0; nobody is left to tell if this cannot be written.
        Err(error) if error.exit_code() == 0 || output == Output::Text => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
        Err(error) => return Failure::Usage(error.render().to_string().trim_end().to_owned()).tell(output),
    };
    let done = dispatch(arguments.command, sandbox).and_then(|code| match output::unwritten() {
        None => Ok(code),
        Some(why) => Err(Failure::Runtime(format!("stdout: {why}"))),
    });
    match done {
        Ok(code) => code,
        Err(failure) => failure.tell(output),
    }
}

fn dispatch(command: Command, sandbox: &dyn Runtime) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(options) => serving::serve(options, sandbox),
        Command::Check(options) => check::check(&options),
        Command::Diff(options) => diff::diff(&options, sandbox),
        Command::Explain(options) => explain::explain(&options),
        Command::Simulate(options) => simulate::simulate(&options),
        Command::Override(options) => overriding::sign(&options),
        Command::Import(options) => import::import(&options),
        Command::Schema(options) => schema::schema(&options),
        Command::Doctor(options) => doctor::doctor(&options),
        Command::Init(options) => init::init(&options),
        Command::Db { command } => database::run(&command),
        Command::Completions(options) => Ok(shell::completions(&options)),
        Command::Man(options) => shell::manual(&options),
        Command::Capture(options) => capture::capture(&options),
        Command::Replay(options) => replay::replay(&options, sandbox),
        Command::Status(target) => commands::status(&target),
        Command::Mirror { command: MirrorCommand::Set(options) } => commands::set_mirror(&options),
        Command::Weights { command: WeightsCommand::Set(options) } => commands::set_weights(&options),
        Command::Policy { command } => policies::run(&command),
        Command::Token { command } => tokens::run(&command),
        Command::Audit(options) => audits::run(&options),
        Command::Report(options) => report::report(&options, sandbox),
        Command::Verdict(options) => verdict::verdict(&options, sandbox),
        Command::Try(options) => trying::rules(&options, sandbox),
        Command::Evidence { command: EvidenceCommand::Reset(options) } => commands::reset_evidence(&options),
    }
}

/// Releases new versions gradually and shows whether they are safe.
#[derive(Parser)]
#[command(name = "antumbra", version, after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the comparator: take observations, keep the policies, give verdicts
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeOptions),
    /// Show the policies in force, which filters run them, and what became of the observations
    #[command(after_help = STATUS_EXAMPLES)]
    Status(Target),
    /// Change the mirrored share
    #[command(after_help = MIRROR_EXAMPLES)]
    Mirror {
        #[command(subcommand)]
        command: MirrorCommand,
    },
    /// Change the weights of a split
    #[command(after_help = WEIGHTS_EXAMPLES)]
    Weights {
        #[command(subcommand)]
        command: WeightsCommand,
    },
    /// Show, replace, delete or list policies
    #[command(after_help = policies::EXAMPLES)]
    Policy {
        #[command(subcommand)]
        command: policies::Command,
    },
    /// Create, list or revoke tokens: who may do what with which releases
    #[command(after_help = tokens::EXAMPLES)]
    Token {
        #[command(subcommand)]
        command: tokens::Command,
    },
    /// Show who changed what, when and why, or check that; exit code 1 if it is not as it was written
    #[command(after_help = audits::EXAMPLES)]
    Audit(audits::Options),
    /// Show what the comparison found, by a server or out of a capture
    #[command(after_help = report::EXAMPLES)]
    Report(report::ReportOptions),
    /// Print the verdict; exit code 0 promote, 1 roll back, 3 wait
    #[command(after_help = verdict::EXAMPLES)]
    Verdict(verdict::Options),
    /// Show what other rules would explain and hide, on the exchanges that a server keeps or on a capture; nothing changes
    #[command(after_help = trying::EXAMPLES)]
    Try(trying::Options),
    /// Start a new session of evidence
    #[command(after_help = RESET_EXAMPLES)]
    Evidence {
        #[command(subcommand)]
        command: EvidenceCommand,
    },
    /// Keep what a running comparator receives, redacted, in a file that can be replayed
    #[command(after_help = capture::EXAMPLES)]
    Capture(capture::Options),
    /// Ask two versions what others asked before, and print the verdict; exit code 0 promote, 1 roll back, 3 wait
    #[command(after_help = replay::EXAMPLES)]
    Replay(Box<replay::Options>),
    /// Compare two answers in files under the rules of a policy; exit code 0 equal, 1 different
    #[command(after_help = diff::EXAMPLES)]
    Diff(diff::Options),
    /// Validate a policy file: everything that is wrong with it, and what is probably unintended
    #[command(after_help = check::EXAMPLES)]
    Check(check::Options),
    /// Say what a policy makes of requests, as the filter would
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::Options),
    /// Try a policy on many users: who gets what, and who moves
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(simulate::Options),
    /// Print a signed header that gives its holder a variant for a limited time
    #[command(after_help = overriding::EXAMPLES)]
    Override(overriding::Options),
    /// Write a policy from the configuration of APISIX, nginx, Istio, Gateway API or Envoy
    #[command(after_help = import::EXAMPLES)]
    Import(import::Options),
    /// Print the JSON Schema of a policy, for editors, or of an observation, for other producers
    #[command(after_help = schema::EXAMPLES)]
    Schema(schema::Options),
    /// Check a running set-up from end to end: comparator, filters, clusters, routes, keys, clocks, versions
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::Options),
    /// Write a policy and an Envoy configuration for a service, from flags or answers
    #[command(after_help = init::EXAMPLES)]
    Init(init::Options),
    /// Check a database file, or copy what can be read of a damaged one; no server is needed
    #[command(after_help = database::EXAMPLES)]
    Db {
        #[command(subcommand)]
        command: database::Command,
    },
    /// Print what a shell needs to complete commands and options
    #[command(after_help = shell::COMPLETIONS_EXAMPLES)]
    Completions(shell::Completions),
    /// Print the manual page, or write a page of each command
    #[command(after_help = shell::MANUAL_EXAMPLES)]
    Man(shell::Manual),
}

#[derive(Args)]
struct ServeOptions {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:7400", value_name = "ADDRESS")]
    listen: std::net::SocketAddr,
    /// The database file
    #[arg(long, default_value = "antumbra.db", value_name = "FILE")]
    data: PathBuf,
    /// A policy to put in force if its file says something new since it was last read; may be repeated. What was changed at
    /// run time outlives a restart
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// A file with the secret of an admin's token, which audits call `token-file`. Beyond loopback this is required, or a token that
    /// `antumbra token create` made before; with either, every request needs a token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A file with a key of at least 32 bytes, by which the audits are keyed from now on; may be repeated for earlier keys. The first
    /// key, or another one, needs `antumbra audit seal`
    #[arg(long, value_name = "FILE")]
    audit_key_file: Vec<PathBuf>,
    /// Connections that may be open at a time. 32 more are kept for health, metrics, status and policies
    #[arg(long, default_value_t = Connections::default().most, value_name = "NUMBER")]
    max_connections: usize,
    /// Those of them that one address may have, or one network of 64 bits of IPv6; raise it where many filters come by way of one
    /// proxy
    #[arg(long, default_value_t = Connections::default().per_address, value_name = "NUMBER")]
    max_connections_per_address: usize,
    /// How long values of answers are kept: examples in reports, exchanges to try rules on, and what was set aside as damaged
    #[arg(long, default_value = "7d", value_name = "DURATION")]
    keep_examples: Lasting,
    /// Where a cluster is, for mirrors that say `via: comparator`; may be repeated. The name is resolved once, at the start
    #[arg(long, value_name = "CLUSTER=URL")]
    target: Vec<NamedTarget>,
    /// A private, link-local or otherwise guarded address or network that a target may be in; may be repeated. Loopback always may
    #[arg(long, value_name = "CIDR")]
    allow_address: Vec<Network>,
    /// A component that rewrites or judges answers where a policy's `compare.plugins` names it; may be repeated. The file is read
    /// once, at the start; a changed file starts a new session of evidence
    #[arg(long, value_name = "NAME=FILE")]
    plugin: Vec<NamedPlugin>,
    #[command(flatten)]
    descriptors: DescriptorSet,
}

#[derive(Subcommand)]
enum MirrorCommand {
    /// Set the share of requests that are mirrored
    #[command(after_help = MIRROR_EXAMPLES)]
    Set(SetMirror),
}

#[derive(Args)]
struct SetMirror {
    /// 0 to 100, with or without `%`
    percent: Percent,
    /// Only in this rule
    #[arg(long)]
    rule: Option<String>,
    /// Only towards this variant
    #[arg(long, value_name = "VARIANT")]
    to: Option<String>,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum WeightsCommand {
    /// Set weights; variants that are not named keep theirs
    #[command(after_help = WEIGHTS_EXAMPLES)]
    Set(SetWeights),
}

#[derive(Args)]
struct SetWeights {
    /// As canary=10
    #[arg(required = true, value_name = "VARIANT=WEIGHT")]
    weights: Vec<Weight>,
    /// In this rule; needed if several split
    #[arg(long)]
    rule: Option<String>,
    /// Raise a candidate although the verdict is `roll back`; the audit says so. Lowering one needs nothing
    #[arg(long)]
    despite_verdict: bool,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum EvidenceCommand {
    /// A new build of the candidate: what the old one did no longer counts
    #[command(after_help = RESET_EXAMPLES)]
    Reset(ResetEvidence),
}

#[derive(Args)]
struct ResetEvidence {
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Which server, which policy, and how to print.
#[derive(Args)]
struct Target {
    /// The comparator; its token, if it asks for one, is read from `ANTUMBRA_TOKEN`
    #[arg(long, env = SERVER_VARIABLE, default_value = "http://127.0.0.1:7400", value_name = "URL")]
    server: String,
    /// The policy; may be left out while there is one
    #[arg(long, env = POLICY_VARIABLE, value_name = "NAME")]
    policy: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

const SERVER_VARIABLE: &str = "ANTUMBRA_SERVER";
/// Names the policy where `--policy` does not.
const POLICY_VARIABLE: &str = "ANTUMBRA_POLICY";
const USAGE: u8 = 2;
const RUNTIME: u8 = 4;
const EXAMPLES: &str = "\
Examples:
  antumbra check shop.yaml                 everything that is wrong with a policy
  antumbra explain shop.yaml --request r   what it makes of a request, and why
  antumbra simulate shop.yaml              who would get what
  antumbra diff v1.json v2.json            where two answers differ
  antumbra import nginx nginx.conf         a policy from what another system is told
  antumbra schema policy                   what an editor needs to complete and explain a policy
  antumbra serve --policy shop.yaml        run the comparator on 127.0.0.1:7400
  antumbra status                          which filters run which generation
  antumbra mirror set 5%                   mirror 5 % from now on
  antumbra report                          what differs, and whether that is noise
  antumbra verdict && ./promote.sh         promote, if that is the verdict
  antumbra try rules.yaml                  what other rules would explain and hide
  antumbra report --from shop.ndjson       the same out of a capture, without a server
  antumbra capture shop.ndjson             keep what is compared, redacted
  antumbra replay shop.ndjson …            the same requests against a new version, before a release

Exit codes: 0 success or promote, 1 roll back, 2 usage or configuration, 3 wait, 4 failure while running";
const SERVE_EXAMPLES: &str = "\
Examples:
  antumbra serve --policy shop.yaml --policy checkout.yaml
  antumbra serve --listen 0.0.0.0:7400 --token-file /etc/antumbra/token
  antumbra serve --policy shop.yaml --plugin prices=prices.wasm
  antumbra serve --policy shop.yaml --descriptors shop.binpb
  antumbra serve --target canary-shadow=http://10.0.0.5:8080 --allow-address 10.0.0.0/24

ANTUMBRA_LOG sets what is logged to stderr, as in `info` (the default) or `debug`.";
const MIRROR_EXAMPLES: &str = "\
Examples:
  antumbra mirror set 5%
  antumbra mirror set 0.5 --rule shadow --reason 'the candidate is at its limit'
  antumbra mirror set 0 --policy checkout  stop mirroring";
const WEIGHTS_EXAMPLES: &str = "\
Examples:
  antumbra weights set canary=10 stable=90
  antumbra weights set canary=0 --rule split --reason 'errors in checkout'";
const STATUS_EXAMPLES: &str = "\
Examples:
  antumbra status
  antumbra status --policy checkout --output json";
const RESET_EXAMPLES: &str = "\
Example:
  antumbra evidence reset --reason 'build 1.4.1'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn without(command: &clap::Command, path: &str) -> Vec<String> {
            let path = format!("{path}{} ", command.get_name());
            let bare = command.get_after_help().is_none().then(|| path.clone());
            let below = command.get_subcommands().flat_map(|below| without(below, &path));
            bare.into_iter().chain(below).collect()
        }
        assert_eq!(without(&Arguments::command(), ""), [""; 0]);
    }

    #[test]
    fn wrong_usage_is_code_2() {
        for line in [
            "",
            "mirror set 101",
            "mirror set five",
            "weights set",
            "weights set canary",
            "servee",
            "report --output xml",
            "verdict --output markdown",
            "verdict --from shop.ndjson --wait 5m",
        ] {
            let args = std::iter::once("antumbra").chain(line.split_whitespace());
            let error = Arguments::try_parse_from(args).err().unwrap();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
