//! Finds a compiler for WebAssembly and builds the filter module with it: the one place that knows how.
//!
//! Nobody has to prepare anything: rustup's target if it is there, else rustup is asked for it, else Debian's own compiler
//! is unpacked under `target/`, without being installed. Each compiler has a target directory of its own, since the
//! artefacts of one are of no use to the other.

mod debian;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::{cache, command};

/// The target of the filter module.
pub const WASIP1: &str = "wasm32-wasip1";
/// The target on which the pure crates are tested under Node.
pub const UNKNOWN: &str = "wasm32-unknown-unknown";

/// Builds the filter module if it is not up to date, and answers its path, which ends in `antumbra_filter.wasm`.
///
/// # Errors
/// No compiler can be had (the message has the commands that would help), or the build fails.
pub fn filter_module() -> Result<PathBuf> {
    ensure_target(WASIP1)?.filter_module()
}

/// A compiler that can build for `target`, fetched if need be: the first that can be had, or the one that
/// `ANTUMBRA_WASM_TOOLCHAIN` forces (`rustup` or `debian`).
pub fn ensure_target(target: &str) -> Result<Compiler> {
    match forced(std::env::var_os(VARIABLE).as_deref())? {
        Some(source) => Compiler::from(source, target),
        None => any(target),
    }
}

fn any(target: &str) -> Result<Compiler> {
    let rustup = match Compiler::from(Source::Rustup, target) {
        Ok(compiler) => return Ok(compiler),
        Err(error) => error,
    };
    Compiler::from(Source::Debian, target).map_err(|debian| {
        anyhow::anyhow!(
            "no compiler for {target}. One of these would do:\n  rustup target add {target}\n  {}\nWhy not yet:\n  \
             rustup: {rustup:#}\n  debian: {debian:#}",
            crate::debian::COMMAND
        )
    })
}

/// Where a compiler comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The `rustc` on the PATH, with the target that rustup adds.
    Rustup,
    /// The packages of Debian, unpacked under `target/`.
    Debian,
}

impl Source {
    /// In the order of preference.
    pub const ALL: [Self; 2] = [Self::Rustup, Self::Debian];

    /// As `ANTUMBRA_WASM_TOOLCHAIN` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rustup => "rustup",
            Self::Debian => "debian",
        }
    }
}

/// A compiler that is there and knows its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    source: Source,
    /// Environment variables that make cargo use it.
    variables: Vec<(String, OsString)>,
}

impl Compiler {
    /// The compiler of this source, with `target`; fetched if need be.
    pub fn from(source: Source, target: &str) -> Result<Self> {
        let mut variables = match source {
            Source::Rustup => rustup(target).map(|()| Vec::new())?,
            Source::Debian => debian::Compiler::unpacked()?.variables(target),
        };
        variables.push(("CARGO_TARGET_DIR".to_owned(), target_directory(source).into_os_string()));
        Ok(Self { source, variables })
    }

    /// Where it comes from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// A cargo that uses this compiler in the workspace, and nothing of the environment of an outer cargo: `cargo test`,
    /// `cargo run` and coverage tools set variables that are meant for the native build.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(cache::root());
        for (name, _) in std::env::vars_os().filter(|(name, _)| leaks(name)) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Builds the filter module if it is not up to date, and answers its path.
    pub fn filter_module(&self) -> Result<PathBuf> {
        let module = target_directory(self.source).join(WASIP1).join("wasm").join(MODULE);
        if !module.exists() {
            cache::say(&format!("building the filter module with the compiler of {}", self.source.name()));
        }
        let mut build = self.cargo();
        build.args(["build", "--quiet", "--locked", "--package", "antumbra-filter"]);
        build.args(["--profile", "wasm", "--target", WASIP1]);
        command::run(&mut build)?;
        ensure!(module.is_file(), "`{}` made no {}", command::shown(&build), module.display());
        Ok(module)
    }

    /// What a shell has to export so that its cargo uses this compiler.
    pub fn exports(&self) -> String {
        let line = |(name, value): &(String, OsString)| {
            let quoted = value.to_string_lossy().replace('\'', r"'\''");
            format!("export {name}='{quoted}'\n")
        };
        self.variables.iter().map(line).collect()
    }
}

/// What scripts ask; the answer goes to standard output.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum Question {
    /// Build the filter module and print its path.
    Module,
    /// Print which compilers can be had, one a line; fetches them.
    Available,
    /// Build a plugin and print its path: a Rust crate of its own whose core module becomes a component.
    Plugin {
        /// The crate's directory, as `wit/examples/shop`.
        directory: PathBuf,
    },
    /// Print the variables for a cargo that builds for a target, as `export` lines.
    Env {
        /// As `wasm32-unknown-unknown`.
        target: String,
    },
}

impl Question {
    /// The answer, lines that end in a newline; `component` builds a plugin out of its crate.
    pub fn answer(&self, component: fn(&Path) -> Result<PathBuf>) -> Result<String> {
        match self {
            Self::Module => Ok(format!("{}\n", filter_module()?.display())),
            Self::Available => Ok(available()),
            Self::Plugin { directory } => Ok(format!("{}\n", component(directory)?.display())),
            Self::Env { target } => Ok(ensure_target(target)?.exports()),
        }
    }
}

fn available() -> String {
    let mut names = String::new();
    for source in Source::ALL {
        match Compiler::from(source, WASIP1) {
            Ok(_) => names.extend([source.name(), "\n"]),
            Err(error) => cache::say(&format!("no compiler of {}: {error:#}", source.name())),
        }
    }
    names
}

fn forced(value: Option<&OsStr>) -> Result<Option<Source>> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    match Source::ALL.into_iter().find(|source| OsStr::new(source.name()) == value) {
        Some(source) => Ok(Some(source)),
        None => bail!("{VARIABLE} is {value:?}, must be rustup or debian"),
    }
}

/// Has the `rustc` on the PATH the target's standard library? If not, rustup is asked for it.
fn rustup(target: &str) -> Result<()> {
    if has(target)? {
        return Ok(());
    }
    let _lock = cache::lock("rustup")?;
    if has(target)? {
        return Ok(());
    }
    cache::say(&format!("adding {target} to the toolchain (rustup target add)"));
    command::run(&mut command::program("rustup", &["target", "add", target], &cache::root()))?;
    ensure!(
        has(target)?,
        "`rustup target add {target}` succeeded, but the rustc on the PATH does not have it"
    );
    Ok(())
}

fn has(target: &str) -> Result<bool> {
    let arguments = ["--print", "target-libdir", "--target", target];
    let directory = command::run(&mut command::program("rustc", &arguments, &cache::root()))?;
    let listed = std::fs::read_dir(Path::new(directory.trim()));
    Ok(listed.is_ok_and(|entries| entries.flatten().any(|entry| is_core(&entry.file_name()))))
}

fn is_core(file: &OsStr) -> bool {
    file.to_string_lossy().starts_with("libcore-")
}

fn target_directory(source: Source) -> PathBuf {
    cache::path(&format!("wasm-{}", source.name()))
}

/// Variables that say how the *outer* cargo builds. Those about its home, the network and registries stay.
fn leaks(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let kept = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_", "CARGO_TERM_"];
    let compiler = ["RUSTC", "RUSTDOC", "RUSTFLAGS", "LLVM_PROFILE_FILE"];
    compiler.iter().any(|prefix| name.starts_with(prefix))
        || (name.starts_with("CARGO_") && !kept.iter().any(|prefix| name.starts_with(prefix)))
}

const VARIABLE: &str = "ANTUMBRA_WASM_TOOLCHAIN";
const MODULE: &str = "antumbra_filter.wasm";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_can_be_forced() {
        assert_eq!(forced(None).unwrap(), None);
        assert_eq!(forced(Some(OsStr::new(""))).unwrap(), None);
        assert_eq!(forced(Some(OsStr::new("rustup"))).unwrap(), Some(Source::Rustup));
        assert_eq!(forced(Some(OsStr::new("debian"))).unwrap(), Some(Source::Debian));
        let error = forced(Some(OsStr::new("Debian"))).unwrap_err().to_string();
        assert_eq!(error, "ANTUMBRA_WASM_TOOLCHAIN is \"Debian\", must be rustup or debian");
    }

    #[test]
    fn what_leaks_from_an_outer_cargo() {
        let leaking =
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "RUSTC"];
        let leaking =
            leaking.into_iter().chain(["CARGO_PROFILE_DEV_LTO", "RUSTC_WRAPPER", "LLVM_PROFILE_FILE"]);
        for name in
            leaking.chain(["CARGO_MANIFEST_DIR", "CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", "RUSTDOCFLAGS"])
        {
            assert!(leaks(OsStr::new(name)), "{name}");
        }
        for name in
            ["PATH", "HOME", "CARGO", "CARGO_HOME", "CARGO_NET_OFFLINE", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"]
        {
            assert!(!leaks(OsStr::new(name)), "{name}");
        }
        assert!(!leaks(OsStr::new("CARGO_REGISTRIES_MINE_INDEX")) && !leaks(OsStr::new("https_proxy")));
    }

    #[test]
    fn exports_survive_a_shell() {
        let path = OsString::from("/it's here/$HOME");
        let compiler = Compiler { source: Source::Debian, variables: vec![("SHOWN".to_owned(), path)] };
        let script = format!("{}printf %s \"$SHOWN\"", compiler.exports());
        assert_eq!(command::run(Command::new("sh").args(["-c", &script])).unwrap(), "/it's here/$HOME");
    }
}
