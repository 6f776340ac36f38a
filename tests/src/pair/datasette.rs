//! Datasette as pip has it, in the version that one asks for: the same data, the same libraries, another Datasette.
//!
//! Each version is installed once into a directory of its own under `target/pair/`. All its libraries are pinned, for both versions
//! alike, and none is resolved anew: what differs between two answers is the service's own doing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::folder::file;
use crate::patience::until;
use crate::process::Process;
use crate::{cache, command};

/// What serves.
pub const STABLE: &str = "0.60.2";
/// What is to be released.
pub const CANDIDATE: &str = "0.61.1";

/// A running instance; it ends when this is dropped.
#[derive(Debug)]
pub struct Datasette {
    /// As pip names it.
    pub version: String,
    /// Where it listens.
    pub address: SocketAddr,
    #[expect(dead_code, reason = "held so that the process lives as long")]
    process: Process,
}

impl Datasette {
    /// Starts a version with these [`data`] on a free port; its log is beside them, by this name.
    pub async fn start(version: &str, name: &str, data: &Path) -> Result<Self> {
        let wanted = version.to_owned();
        let packages = tokio::task::spawn_blocking(move || installed(&wanted)).await??;
        let mut command = Command::new(PYTHON);
        // These packages before Python's own, and none of the user's.
        command.env("PYTHONPATH", packages).env("PYTHONUNBUFFERED", "1").args(["-s", "-W", "ignore"]);
        command
            .args(["-m", "datasette", "serve", "--host", "127.0.0.1", "--port", "0", "--immutable"])
            .arg(data);
        let mut process = Process::spawn(command, name, data.parent().unwrap_or(data))?;
        let address = until("Datasette names its address", || {
            let found = announced(&process.log());
            let alive = process.check();
            async move { alive.map(|()| found) }
        })
        .await?;
        Ok(Self { version: version.to_owned(), address, process })
    }
}

/// The example's data as a database in `directory`.
pub async fn data(directory: &Path) -> Result<PathBuf> {
    let database = directory.join("stock.db");
    let mut fill = Command::new(PYTHON);
    fill.args(["-c", FILL]).arg(&database).arg(file("stock.sql"));
    tokio::task::spawn_blocking(move || command::run(&mut fill)).await??;
    Ok(database)
}

/// The directory of a version and its libraries, fetched if need be.
fn installed(version: &str) -> Result<PathBuf> {
    cache::once(&format!("pair/datasette-{version}"), |place| {
        cache::say(&format!("fetching Datasette {version} from pip into target/pair/ (about 5 MB)"));
        let mut install = Command::new(PYTHON);
        install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]);
        install.arg("--target").arg(place).arg("--requirement").arg(file("requirements.txt"));
        command::run(install.arg(format!("datasette=={version}"))).map(drop)
    })
}

/// `… Uvicorn running on http://127.0.0.1:40001 (Press CTRL+C to quit)`
fn announced(log: &str) -> Option<SocketAddr> {
    let (_, after) = log.split_once("running on http://")?;
    after.split_once(' ')?.0.parse().ok()
}

const PYTHON: &str = "python3";
const FILL: &str = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2], encoding='utf-8').read())";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_what_it_says() {
        let says = "INFO:     Application startup complete.\n\
                    INFO:     Uvicorn running on http://127.0.0.1:40001 (Press CTRL+C to quit)\n";
        assert_eq!(announced(says), Some(SocketAddr::from(([127, 0, 0, 1], 40001))));
        assert_eq!(announced("INFO:     Uvicorn running on http://127.0.0.1:400"), None, "not all of it");
        assert_eq!(announced("INFO:     Waiting for application startup."), None);
    }
}
