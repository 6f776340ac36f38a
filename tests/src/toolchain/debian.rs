//! Debian's compiler for WebAssembly, unpacked but not installed.
//!
//! Debian 12 carries a recent rustc for its browsers, with matching sources, linker and C library. The packages name each
//! other by version, so apt is asked which belong together rather than told. The standard library for WebAssembly is
//! built from the sources, which takes cargo's unstable `build-std`, hence `RUSTC_BOOTSTRAP`.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::WASIP1;
use crate::debian::{self, apt, is_root};
use crate::{cache, command};

/// The unpacked packages.
#[derive(Debug)]
pub(super) struct Compiler {
    root: PathBuf,
    llvm: String,
}

impl Compiler {
    /// Fetches and unpacks the packages, once.
    pub(super) fn unpacked() -> Result<Self> {
        let packages = Packages::known_to_apt()?;
        let name =
            format!("debian/rustc-{}", packages.version.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let root = cache::once(&name, |place| {
            cache::say(
                "fetching Debian's compiler for WebAssembly into target/debian/ (139 MB, nothing is installed)",
            );
            debian::unpack(&packages.names()?, place)
        })?;
        Ok(Self { root, llvm: packages.llvm })
    }

    /// What makes cargo use it for `target`.
    pub(super) fn variables(&self, target: &str) -> Vec<(String, OsString)> {
        let usr = self.root.join("usr");
        let machine = usr.join(format!("lib/{}-linux-gnu", std::env::consts::ARCH));
        let libraries = [machine, usr.join(format!("lib/llvm-{}/lib", self.llvm))];
        let prefix = format!("CARGO_TARGET_{}", target.to_uppercase().replace('-', "_"));
        let linker = usr.join(format!("bin/wasm-ld-{}", self.llvm));
        let mut variables = vec![
            ("RUSTC".to_owned(), usr.join("bin/rustc").into()),
            ("RUSTC_BOOTSTRAP".to_owned(), "1".into()),
            ("LD_LIBRARY_PATH".to_owned(), std::env::join_paths(libraries).unwrap_or_default()),
            ("CARGO_UNSTABLE_BUILD_STD".to_owned(), "std,panic_abort".into()),
            (format!("{prefix}_LINKER"), linker.into()),
        ];
        if target == WASIP1 {
            let mut flags = OsString::from("-L ");
            flags.push(usr.join("lib/wasm32-wasi"));
            flags.push(" -C target-feature=-crt-static");
            variables.push((format!("{prefix}_RUSTFLAGS"), flags));
        }
        variables
    }
}

/// Packages that match each other.
#[derive(Debug, PartialEq, Eq)]
struct Packages {
    /// Of rustc-web, as `1.96.0+dfsg1-1~deb12u2`.
    version: String,
    /// LLVM's major version, as `22`.
    llvm: String,
}

impl Packages {
    fn known_to_apt() -> Result<Self> {
        if let Some(found) = Self::ask()?.filter(Self::is_recent) {
            return Ok(found);
        }
        if !is_root() {
            bail!(
                "apt knows no rustc-web of {OLDEST}; its lists may be missing or old: run `apt-get update` as root"
            );
        }
        debian::update()?;
        let found = Self::ask()?.filter(Self::is_recent);
        found.with_context(|| {
            format!("apt knows no rustc-web of {OLDEST}, even after `apt-get update`: this is not Debian 12")
        })
    }

    /// Whether it can build this workspace: lists that are months old name an older one.
    fn is_recent(&self) -> bool {
        minor(&self.version) >= minor(OLDEST)
    }

    fn ask() -> Result<Option<Self>> {
        let Some(version) = debian::candidate("rustc-web")? else { return Ok(None) };
        let library =
            library(&version).with_context(|| format!("rustc-web has the odd version {version}"))?;
        let depends = command::run(&mut apt("apt-cache", &["depends", &library]))?;
        let llvm = llvm(&depends).with_context(|| format!("{library} depends on no libllvm"))?;
        Ok(Some(Self { llvm: llvm.to_owned(), version }))
    }

    fn names(&self) -> Result<Vec<String>> {
        let Self { version, llvm } = self;
        let library = library(version).with_context(|| format!("rustc-web has the odd version {version}"))?;
        let rust = ["rustc-web", &library, "libstd-rust-web-dev", "rust-web-src"];
        let names = rust.map(|name| format!("{name}={version}")).into_iter();
        Ok(names.chain([format!("libllvm{llvm}"), format!("lld-{llvm}"), "wasi-libc".to_owned()]).collect())
    }
}

/// The version of Rust that the workspace asks for.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// 96 of `1.96.0+dfsg1-1~deb12u2`.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.split('.').next()?.parse().ok()
}

/// `libstd-rust-web-1.96` for `1.96.0+…`.
fn library(version: &str) -> Option<String> {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (numeric(major) && numeric(minor)).then(|| format!("libstd-rust-web-{major}.{minor}"))
}

/// `22` for `  Depends: libllvm22`.
fn llvm(depends: &str) -> Option<&str> {
    depends.lines().find_map(|line| line.trim().strip_prefix("Depends: libllvm"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::UNKNOWN;

    #[test]
    fn apt_is_asked_for_versions_that_match() {
        assert_eq!(llvm("libstd-rust-web-1.96\n  Depends: libc6\n  Depends: libllvm22\n"), Some("22"));
        let packages = Packages { version: "1.96.0+d".to_owned(), llvm: "22".to_owned() };
        let old = Packages { version: "1.85.0+dfsg3-1~deb12u3".to_owned(), llvm: "19".to_owned() };
        assert!(packages.is_recent() && !old.is_recent());
        assert_eq!(
            packages.names().unwrap().join(" "),
            "rustc-web=1.96.0+d libstd-rust-web-1.96=1.96.0+d libstd-rust-web-dev=1.96.0+d rust-web-src=1.96.0+d \
             libllvm22 lld-22 wasi-libc"
        );
        assert!(library("2").is_none() && library("1.x.0").is_none());
    }

    #[test]
    fn only_the_system_interface_needs_a_c_library() {
        let compiler = Compiler { root: PathBuf::from("/r"), llvm: "22".to_owned() };
        let flags = |target: &str| {
            let variables = compiler.variables(target).into_iter();
            variables.filter(|(name, _)| name.ends_with("_RUSTFLAGS")).map(|(_, value)| value).next()
        };
        let expected = "-L /r/usr/lib/wasm32-wasi -C target-feature=-crt-static";
        assert_eq!(flags(WASIP1), Some(expected.into()));
        assert_eq!(flags(UNKNOWN), None);
    }
}
