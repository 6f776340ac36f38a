//! The binary `antumbra`: the comparator's command line, and the runtime of its plugins where it is built with one.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "plugins")]
    let runtime = antumbra_sandbox::Wasmtime;
    #[cfg(not(feature = "plugins"))]
    let runtime = antumbra_comparator::NoRuntime;
    antumbra_comparator::run(std::env::args_os(), &runtime)
}
