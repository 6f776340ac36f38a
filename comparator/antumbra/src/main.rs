//! The binary `antumbra`: the library's command line and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    antumbra_comparator::run(std::env::args_os())
}
