//! `antumbra audit`: who changed what, whether that is as it was written, and taking it as it stands.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antumbra_control::audit::{Checked, Head};
use antumbra_store::{Audits, Store};

use super::client::{Client, variable};
use super::output;
use super::{Failure, Output, SERVER_VARIABLE, Target, audit_keys, commands};
use crate::api::audits::Verified;
use crate::api::policies::Audit;
use crate::clock;

/// What is shown of the audit of a policy, or done with all audits.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Check all audits: entries, documents and heads; exit code 0 intact, 1 broken, 2 not readable
    #[command(after_help = EXAMPLES)]
    Verify(Verify),
    /// Take the audits of a database as they stand, without a server: under a first or another key, or after somebody looked into what
    /// is wrong with them. What was wrong is written into each audit, and is no news from then on
    #[command(after_help = EXAMPLES)]
    Seal(Seal),
}

#[derive(clap::Args)]
struct Verify {
    /// The comparator; its token, if it asks for one, is read from `ANTUMBRA_TOKEN`
    #[arg(long, env = SERVER_VARIABLE, default_value = "http://127.0.0.1:7400", value_name = "URL")]
    server: String,
    /// A database to check instead, also while a comparator has it
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// A key of the audits of that database, as `antumbra serve` was given it; may be repeated for earlier ones
    #[arg(long, value_name = "FILE", requires = "database")]
    audit_key_file: Vec<PathBuf>,
    /// A head of all audits that was noted earlier, as `antumbra audit verify` prints it: it must be among the entries
    #[arg(long, value_name = "NUMBER:HASH")]
    head: Option<Head>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(clap::Args)]
struct Seal {
    /// The database, which no comparator may have
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
    /// The key to seal with; may be repeated for earlier ones, after it
    #[arg(long, value_name = "FILE")]
    audit_key_file: Vec<PathBuf>,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Does it.
pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    match &options.command {
        None => show(&options.target),
        Some(Command::Verify(options)) => verify(options),
        Some(Command::Seal(options)) => seal(options),
    }
}

fn show(target: &Target) -> Result<ExitCode, Failure> {
    let audit: Audit = commands::read(target, |name| format!("/v1/policies/{name}/audit"))?;
    commands::show(target.output, &audit, output::audit)?;
    Ok(code(audit.findings.is_empty() && audit.broken_at.is_none()))
}

fn verify(options: &Verify) -> Result<ExitCode, Failure> {
    let verified = match &options.database {
        Some(database) => of_database(database, options)?.into(),
        None => {
            let head = options.head.as_ref().map(|head| format!("?head={head}")).unwrap_or_default();
            Client::new(&options.server)?.get(&format!("/v1/audit{head}"))?
        }
    };
    tell(options.output, &verified)
}

fn of_database(database: &Path, options: &Verify) -> Result<Checked, Failure> {
    let unreadable = |why: String| Failure::Usage(format!("--database {}: {why}", database.display()));
    let keys = audit_keys::read(&options.audit_key_file)?;
    // SQLite says only that it cannot open it.
    std::fs::metadata(database).map_err(|error| unreadable(error.to_string()))?;
    let checked = Audits::beside(database, keys).check(options.head.as_ref());
    checked.map_err(|error| unreadable(error.to_string()))
}

fn seal(options: &Seal) -> Result<ExitCode, Failure> {
    let named = |why: String| format!("--database {}: {why}", options.database.display());
    let keys = audit_keys::read(&options.audit_key_file)?;
    std::fs::metadata(&options.database).map_err(|error| Failure::Usage(named(error.to_string())))?;
    let who = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "antumbra audit".to_owned());
    let sealed = Store::open_with(&options.database, keys)
        .and_then(|mut store| {
            store.seal(&who, options.reason.as_deref().unwrap_or_default(), clock::now_ms())
        })
        .map_err(|error| Failure::Runtime(named(error.to_string())))?;
    tell(options.output, &sealed.into())
}

fn tell(output: Output, verified: &Verified) -> Result<ExitCode, Failure> {
    commands::show(output, verified, text)?;
    Ok(code(verified.intact))
}

fn code(intact: bool) -> ExitCode {
    if intact { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text(Verified { checked, .. }: &Verified) -> String {
    // It was cut.
    let Checked { entries, unchecked, heads, findings, more, sealed, beyond: _ } = checked;
    let mut lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.extend((*more > 0).then(|| format!("{more} more things are wrong")));
    let entries = if *entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
    let verdict = if findings.is_empty() { "intact" } else { "BROKEN: not as they were written" };
    lines.push(format!("audits {verdict} ({entries} checked)"));
    lines.extend((*sealed > 0).then(|| format!("{sealed} more were known when the audit was sealed")));
    lines.extend((*unchecked > 0).then(|| {
        format!(
            "{unchecked} of them are keyed, and without the key only their links and documents were checked"
        )
    }));
    if heads.all.seq > 0 {
        lines.push(format!("head {}", heads.all));
    }
    let lines: String = lines.into_iter().map(|line| line + "\n").collect();
    lines
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra audit
  antumbra audit --policy checkout --output json
  antumbra audit verify                    exit code 0 intact, 1 broken
  antumbra audit verify --head 17:9f86d0…  nothing that was there then is gone or changed
  antumbra audit verify --database antumbra.db --audit-key-file /etc/antumbra/audit-key
  antumbra audit seal --database antumbra.db --audit-key-file new-key --audit-key-file old-key --reason 'another key'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_is_wrong_and_what_was_not_looked_at() {
        let intact = Verified::from(Checked { entries: 1, unchecked: 1, ..Checked::default() });
        assert_eq!(
            text(&intact),
            "audits intact (1 entry checked)\n1 of them are keyed, and without the key only their links and documents were checked\n"
        );
    }
}
