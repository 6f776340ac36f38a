//! The binary `antumbra`: the comparator's command line, and the runtime of its plugins where it is built with one.

use std::process::ExitCode;

/// What some threads decode and compare, another one counts and frees: where that is slow, it is much of what an observation costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(feature = "plugins")]
    let runtime = antumbra_sandbox::Wasmtime;
    #[cfg(not(feature = "plugins"))]
    let runtime = antumbra_comparator::NoRuntime;
    antumbra_comparator::run(std::env::args_os(), &runtime)
}
