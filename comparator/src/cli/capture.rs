//! `antumbra capture`: what a running comparator receives, into a file that can be replayed.
//!
//! The server redacts, so that a secret does not even come here. The file is new and nobody else's to read: one that is there
//! already may be open to all.

mod waiting;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::client::{Client, Message};
use super::values::Lasting;
use super::{Failure, Target, commands};
use crate::redaction::{KEEP_TEXT, Left, Secret};
use waiting::Waiting;

/// What to keep, and how much of it.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The file to write, one observation a line; must not be there yet
    file: PathBuf,
    /// End after so many exchanges
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after so long, as in 60s or 15m
    #[arg(long)]
    duration: Option<Lasting>,
    /// End before the file is larger
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20)]
    max_bytes: u64,
    /// Also blank the values at this path of JSON bodies, as /customer/email, /items/*/card or /**/card, or of a header, cookie or
    /// parameter, as header:x-session, cookie:uid or query:ref; may be repeated
    #[arg(long, value_name = "SECRET", value_parser = secret)]
    redact: Vec<String>,
    /// Keep texts and pages although --redact names a path: nothing in them is secret
    #[arg(long, requires = "redact")]
    keep_text: bool,
    #[command(flatten)]
    target: Target,
}

/// Captures until there is enough, or somebody interrupts.
pub(super) fn capture(options: &Options) -> Result<ExitCode, Failure> {
    let client = Client::new(&options.target.server)?;
    let release = commands::name(&client, options.target.policy.as_deref())?;
    let path = format!("/v1/releases/{release}/exchanges");
    let mut capture = Capture::new(options)?;
    let keep = options.keep_text.then(|| KEEP_TEXT.to_owned());
    let redact = options.redact.iter().cloned().chain(keep).collect();
    let message = Message { redact, ..Message::default() };
    let waiting = Waiting::new(&release, &options.target.server, &options.file);
    let followed = client.follow(&path, message, ended(options, &waiting), |line| {
        let goes_on = capture.take(line);
        waiting.tell(capture.kept.exchanges);
        goes_on
    });
    waiting.end();
    if followed.is_err() && capture.kept.bytes == 0 {
        // An empty file would only be in the way of the next attempt.
        drop(std::fs::remove_file(&options.file));
        return followed.map(|()| ExitCode::SUCCESS);
    }
    let kept = capture.finish()?;
    commands::show(options.target.output, &kept, Kept::to_text)?;
    followed.map(|()| ExitCode::SUCCESS)
}

async fn ended(options: &Options, waiting: &Waiting) {
    let timer = async {
        match options.duration {
            Some(Lasting(duration)) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = timer => {}
        () = interrupted => {}
        () = waiting.show() => {}
    }
}

/// The text as it is, if it names something: the server reads it.
fn secret(text: &str) -> Result<String, String> {
    text.parse::<Secret>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

struct Capture<'o> {
    options: &'o Options,
    file: File,
    kept: Kept,
}

/// What was captured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    file: PathBuf,
    exchanges: u64,
    bytes: u64,
    /// The server had more than this reader took in time.
    lost: u64,
    /// What the lines say that they lack.
    left: Left,
}

/// What a line says besides its observation.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    left: Left,
}

/// A line that is no observation.
#[derive(Deserialize)]
struct Loss {
    lost: u64,
}

impl<'o> Capture<'o> {
    fn new(options: &'o Options) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&options.file);
        let file = file.map_err(|error| unopened(&options.file, &error))?;
        let kept =
            Kept { file: options.file.clone(), exchanges: 0, bytes: 0, lost: 0, left: Left::default() };
        Ok(Self { options, file, kept })
    }

    /// Keeps a line with its end; false if there is enough.
    fn take(&mut self, line: &[u8]) -> Result<bool, Failure> {
        if line.starts_with(b"{\"lost\":") {
            self.kept.lost += serde_json::from_slice::<Loss>(line).map_or(0, |loss| loss.lost);
            // Kept, too: who judges the file has to know.
            self.file.write_all(line).map_err(|error| self.failed(&error))?;
            self.kept.bytes += line.len() as u64;
            return Ok(true);
        }
        if self.kept.bytes + line.len() as u64 > self.options.max_bytes {
            return Ok(false);
        }
        self.file.write_all(line).map_err(|error| self.failed(&error))?;
        self.kept.bytes += line.len() as u64;
        self.kept.exchanges += 1;
        if let Ok(Told { left }) = serde_json::from_slice(line) {
            self.kept.left.merge(&left);
        }
        Ok(self.options.count.is_none_or(|count| self.kept.exchanges < count))
    }

    fn finish(self) -> Result<Kept, Failure> {
        self.file.sync_all().map_err(|error| self.failed(&error))?;
        Ok(self.kept)
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::Runtime(format!("{}: {error}", self.options.file.display()))
    }
}

/// Why a capture cannot begin. One that is there is never written to: others may read it, and it may be open to all.
fn unopened(file: &Path, error: &io::Error) -> Failure {
    let file = file.display();
    Failure::Usage(if error.kind() == io::ErrorKind::AlreadyExists {
        format!(
            "{file}: File exists, and a capture only begins a new one: name another, or remove it. `antumbra report --from {file} --from OTHER` \
             judges both together, `cat {file} OTHER | antumbra replay -` replays both"
        )
    } else {
        format!("{file}: {error}")
    })
}

impl Kept {
    fn to_text(&self) -> String {
        let Self { file, exchanges, bytes, lost, left } = self;
        let of =
            |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let exchanges = of(*exchanges, "exchange", "exchanges");
        let mut lines = vec![format!("{}: {exchanges}, {}", file.display(), of(*bytes, "byte", "bytes"))];
        if *lost > 0 {
            lines.push(format!(
                "lost: {} came faster than they were written",
                of(*lost, "exchange", "exchanges")
            ));
        }
        lines.extend(left.lines());
        lines.into_iter().map(|line| line + "\n").collect()
    }
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra capture shop.ndjson --count 10000
  antumbra capture shop.ndjson --duration 15m --redact /customer/email --redact header:x-session
  antumbra capture shop.ndjson --server http://127.0.0.1:7400 --policy shop --max-bytes 1000000000

Always blanked are passwords, tokens, keys, cookies, card numbers and their like, by name or by form, \
wherever they stand, and what the policy hides. Blanked values look alike: whether two differ is not kept. \
A compressed body with such a value is kept without its encoding, and of a binary one only length and hash. \
If a path is named, so are all bodies other than JSON, its records and forms; --keep-text keeps texts and \
pages. Of a form, fields are blanked whose names begin or end as a path does. \
What could not be kept is said at the end, and by `antumbra report --from`. Without --count and --duration, \
Control-C ends it.";
