//! What the commands share that need no server: policies, requests and keys from files.

mod lines;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use antumbra_control::Document;
use antumbra_policy::document::{Invalid, Problem, Tree, is_name};
use antumbra_policy::{Policy, Secrets, Timestamp, WrittenRequest};
use serde::Serialize;

use self::lines::Lines;
use super::{Failure, values};

/// A policy's file as it was read.
pub(super) struct Written {
    /// What it says, or everything that is wrong with it.
    pub(super) document: Result<Document, Invalid>,
    file: PathBuf,
    text: Vec<u8>,
}

/// A problem or a warning, and the line of the file that it is about.
#[derive(Serialize)]
pub(super) struct Placed<'p> {
    #[serde(flatten)]
    pub(super) problem: &'p Problem,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
}

impl Written {
    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Each with its line, where it is about a field that is there.
    pub(super) fn placed<'p>(&self, problems: &'p [Problem]) -> Vec<Placed<'p>> {
        // Reading the text again is for those who have something to tell.
        let lines = if problems.is_empty() { Lines::default() } else { Lines::of(&self.text) };
        problems.iter().map(|problem| Placed { problem, line: lines.line(&problem.path) }).collect()
    }

    /// `shop.yaml:12`, or without the line.
    pub(super) fn place(&self, placed: &Placed<'_>) -> String {
        let file = self.file.display();
        placed.line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}"))
    }

    /// The document; or everything that is wrong with it, each problem with its place on a line of its own.
    pub(super) fn valid(&self) -> Result<&Document, String> {
        self.document.as_ref().map_err(|invalid| {
            let placed = self.placed(&invalid.problems);
            let lines = placed.iter().map(|one| format!("{}: {}", self.place(one), one.problem));
            lines.collect::<Vec<_>>().join("\n")
        })
    }
}

/// Reads and validates a file.
pub(super) fn read(file: &Path) -> Result<Written, Failure> {
    let text = std::fs::read(file).map_err(|error| unread(file, &error))?;
    Ok(Written { document: Document::from_yaml(&text), file: file.to_owned(), text })
}

/// Where there is no such file, what was given may be the name of a stored policy.
fn unread(file: &Path, error: &std::io::Error) -> Failure {
    let shown = file.display();
    let name = file.to_str().filter(|name| is_name(name) && file.extension().is_none());
    Failure::Usage(match name {
        Some(name) if error.kind() == std::io::ErrorKind::NotFound => format!(
            "{shown}: there is no such file; a policy's file is needed here and not its name: `antumbra policy show --policy {name} > \
             {name}.yaml` writes a stored policy into one"
        ),
        _ => format!("{shown}: {error}"),
    })
}

/// A valid policy file; everything that is wrong with another.
pub(super) fn document(file: &Path) -> Result<Document, Failure> {
    let written = read(file)?;
    written.valid().map_err(Failure::Usage)?;
    written.document.map_err(|invalid| not_valid(file, &invalid))
}

/// A valid policy file, and what a filter makes of it.
pub(super) fn compiled(file: &Path) -> Result<(Document, Policy), Failure> {
    let document = document(file)?;
    let policy = document.policy().map_err(|invalid| not_valid(file, &invalid))?;
    Ok((document, policy))
}

fn not_valid(file: &Path, invalid: &Invalid) -> Failure {
    let lines = invalid.problems.iter().map(|problem| format!("{}: {problem}", file.display()));
    Failure::Usage(lines.collect::<Vec<_>>().join("\n"))
}

/// The policy of a document with its keys. Without any, nothing that is signed verifies.
pub(super) fn policy(file: &Path, secrets: &[values::Secret]) -> Result<Policy, Failure> {
    let (_, policy) = compiled(file)?;
    if secrets.is_empty() {
        return Ok(policy);
    }
    let mut keys = Secrets::new();
    for values::Secret { name, file } in secrets {
        keys.push((name.clone(), secret(file)?));
    }
    policy.bind(&keys).map_err(|invalid| Failure::Usage(format!("{}: {invalid}", file.display())))
}

/// A key: the bytes of a file without blanks around them.
pub(super) fn secret(file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes =
        std::fs::read(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    let key = bytes.trim_ascii();
    if key.len() < antumbra_policy::SHORTEST_SECRET {
        let (length, least) = (key.len(), antumbra_policy::SHORTEST_SECRET);
        return Err(Failure::Usage(format!(
            "{} has {length} {}, must have at least {least}",
            file.display(),
            if length == 1 { "byte" } else { "bytes" }
        )));
    }
    Ok(key.to_vec())
}

/// The text of a file, or of stdin for `-`.
pub(super) fn text(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}

/// A request from JSON text.
pub(super) fn request(text: &str, now: Timestamp) -> Result<WrittenRequest, String> {
    let read = Tree::from_json(text.as_bytes()).and_then(|tree| WrittenRequest::from_tree(&tree, now));
    read.map_err(|invalid| invalid.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}
