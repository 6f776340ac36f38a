//! The module is built by whatever compiler there is, from within a cargo that is itself building something else.

use std::fs;

use antumbra_e2e::toolchain::{self, Compiler, Source, WASIP1};

#[test]
fn the_module_is_built_and_what_it_imports_every_host_has() {
    let module = toolchain::filter_module().unwrap();
    assert!(module.ends_with("antumbra_filter.wasm"), "{}", module.display());
    check_imports(&fs::read(&module).unwrap());
}

/// Takes minutes and a download the first time: for continuous integration.
#[test]
#[ignore = "builds with every compiler that can be had"]
fn every_compiler_builds_the_module() {
    for source in Source::ALL {
        match Compiler::from(source, WASIP1) {
            Ok(compiler) => check_imports(&fs::read(compiler.filter_module().unwrap()).unwrap()),
            Err(error) => eprintln!("no compiler of {}: {error:#}", source.name()),
        }
    }
}

/// A module whose imports a host lacks is not even instantiated.
fn check_imports(module: &[u8]) {
    assert!(module.starts_with(b"\0asm\x01\0\0\0"), "not a WebAssembly module");
    let unknown: Vec<(String, String)> = imports(module)
        .into_iter()
        .filter(|(from, name)| match from.as_str() {
            "env" => !name.starts_with("proxy_"),
            "wasi_snapshot_preview1" => !WASI.contains(&name.as_str()),
            _ => true,
        })
        .collect();
    assert_eq!(unknown, []);
}

/// The functions of WASI that proxy-wasm hosts implement.
const WASI: [&str; 8] = [
    "fd_write",
    "clock_time_get",
    "random_get",
    "environ_get",
    "environ_sizes_get",
    "args_get",
    "args_sizes_get",
    "proc_exit",
];

/// Module and name of each imported function: section 2 of the binary format (WebAssembly 1.0, 5.5.5).
fn imports(module: &[u8]) -> Vec<(String, String)> {
    let mut rest = &module[8..];
    while !rest.is_empty() {
        let (id, after) = (rest[0], &rest[1..]);
        let (length, after) = number(after);
        let (section, next) = after.split_at(length);
        if id == 2 {
            return import_section(section);
        }
        rest = next;
    }
    Vec::new()
}

fn import_section(section: &[u8]) -> Vec<(String, String)> {
    let (count, mut rest) = number(section);
    let mut found = Vec::new();
    for _ in 0..count {
        let (from, after) = text(rest);
        let (name, after) = text(after);
        assert_eq!(after[0], 0, "{from}.{name} is imported and no function");
        rest = number(&after[1..]).1;
        found.push((from, name));
    }
    found
}

fn text(bytes: &[u8]) -> (String, &[u8]) {
    let (length, after) = number(bytes);
    let (text, rest) = after.split_at(length);
    (String::from_utf8(text.to_vec()).unwrap(), rest)
}

/// LEB128.
fn number(bytes: &[u8]) -> (usize, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let value = bytes[..=end].iter().rev().fold(0, |value, byte| (value << 7) | usize::from(byte & 0x7f));
    (value, &bytes[end + 1..])
}
