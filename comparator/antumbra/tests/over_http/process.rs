//! A real `antumbra serve`, for what only a process of its own can show: kills, signals and limits of the system.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A real `antumbra serve`; it ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// With the database `a.db` and the policy file `shop.yaml` in this folder.
    pub(crate) fn start(dir: &Path) -> (Self, SocketAddr) {
        Self::started(dir, &mut Command::new(env!("CARGO_BIN_EXE_antumbra")))
    }

    /// By a shell that first does as `before` says, such as `ulimit -f 2048`; a file's blocks have 512 bytes there.
    pub(crate) fn start_after(before: &str, dir: &Path) -> (Self, SocketAddr) {
        let script = format!("{before}; exec \"$0\" \"$@\"");
        Self::started(dir, Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_antumbra")]))
    }

    /// With its log in the file `log`.
    pub(crate) fn start_logging(dir: &Path) -> (Self, SocketAddr) {
        let log = std::fs::File::create(dir.join("log")).unwrap();
        Self::logged(
            dir,
            Command::new(env!("CARGO_BIN_EXE_antumbra")).env("ANTUMBRA_LOG", "debug"),
            log.into(),
        )
    }

    fn started(dir: &Path, command: &mut Command) -> (Self, SocketAddr) {
        // A hang-up ends a server whose log goes to a terminal.
        Self::logged(dir, command, Stdio::null())
    }

    fn logged(dir: &Path, command: &mut Command, log: Stdio) -> (Self, SocketAddr) {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data", "a.db", "--policy", "shop.yaml"])
            .current_dir(dir)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let process = Self(child);
        let address = line.trim().strip_prefix("listening on http://");
        (process, address.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Another signal, such as `-TERM`.
    pub(crate) fn tell(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(told.success(), "{signal}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
