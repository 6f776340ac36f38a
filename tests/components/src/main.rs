//! The library as a command, which the harness runs through cargo when somebody builds a plugin or runs a benchmark.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

/// Reads one file and writes another.
#[derive(Parser)]
enum Command {
    /// Write the module that a text says.
    Assemble {
        /// Text of a module, as `(module …)`.
        text: PathBuf,
        /// Where the module goes.
        module: PathBuf,
    },
    /// Write the component that a module describes in its custom sections.
    Encode {
        /// A core module, as a compiler makes it.
        module: PathBuf,
        /// Where the component goes.
        component: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(&Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("antumbra: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Assemble { text, module } => {
            let said = std::fs::read_to_string(text);
            let said = said.with_context(|| format!("cannot read {}", text.display()))?;
            let made = antumbra_components::module(&said);
            write(module, &made.with_context(|| format!("{} makes no module", text.display()))?)
        }
        Command::Encode { module, component } => {
            let bytes = std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
            let made = antumbra_components::component(&bytes);
            write(component, &made.with_context(|| format!("{} makes no component", module.display()))?)
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
