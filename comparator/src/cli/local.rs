//! What the commands share that need no server: policies, requests and keys from files.

use std::io::Read as _;
use std::path::Path;

use antumbra_control::Document;
use antumbra_policy::document::{Invalid, Tree};
use antumbra_policy::{Policy, Secrets, Timestamp, WrittenRequest};

use super::{Failure, values};

/// Reads and validates a file.
pub(super) fn read(file: &Path) -> Result<Result<Document, Invalid>, Failure> {
    let text = std::fs::read(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    Ok(Document::from_yaml(&text))
}

/// A valid policy file; everything that is wrong with another.
pub(super) fn document(file: &Path) -> Result<Document, Failure> {
    read(file)?.map_err(|invalid| not_valid(file, &invalid))
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
