//! A real `antumbra serve`, for what only a process of its own can show: kills, signals and limits of the system. And the dice that say
//! when it is killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
        let mut process = Self::begun(dir, command, log);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        (process, address.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap())
    }

    /// Begins to run; nobody waits until it listens.
    pub(crate) fn begin(dir: &Path) -> Self {
        Self::begun(dir, &mut Command::new(env!("CARGO_BIN_EXE_antumbra")), Stdio::null())
    }

    fn begun(dir: &Path, command: &mut Command, log: Stdio) -> Self {
        let command =
            command.args(["serve", "--listen", "127.0.0.1:0", "--data", "a.db", "--policy", "shop.yaml"]);
        Self(command.current_dir(dir).stdout(Stdio::piped()).stderr(log).spawn().unwrap())
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

/// How often a test kills: as `ANTUMBRA_KILLS` says, or so often.
pub(crate) fn kills(unless_said: u64) -> u64 {
    from_environment("ANTUMBRA_KILLS").unwrap_or(unless_said)
}

/// Numbers that one seed makes, so that each run waits as long: a linear congruential generator (Knuth's MMIX).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// With the seed that `ANTUMBRA_KILLS_SEED` says, or 7.
    pub(crate) fn of_environment() -> Self {
        Self::seeded(from_environment("ANTUMBRA_KILLS_SEED").unwrap_or(7))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// A time below `bound`, to the microsecond.
    pub(crate) fn within(&mut self, bound: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(bound.as_micros()).unwrap()))
    }
}

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|error| panic!("{name} is {value:?}: {error}")))
}
