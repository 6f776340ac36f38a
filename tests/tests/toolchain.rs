//! The module is built by whatever compiler there is, from within a cargo that is itself building something else, and what it
//! asks of a host every host has: one whose import is missing does not even instantiate it.

use std::collections::BTreeSet;
use std::fs;

use antumbra_e2e::toolchain::{self, Compiler, Source, WASIP1};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

#[test]
fn the_module_asks_for_what_every_host_has_and_exports_what_they_call() {
    let module = toolchain::filter_module().unwrap();
    assert!(module.ends_with("antumbra_filter.wasm"), "{}", module.display());
    check(&fs::read(&module).unwrap());
}

/// Takes minutes and a download the first time: for continuous integration.
#[test]
#[ignore = "builds with every compiler that can be had"]
fn every_compiler_builds_the_module() {
    for source in Source::ALL {
        match Compiler::from(source, WASIP1) {
            Ok(compiler) => check(&fs::read(compiler.filter_module().unwrap()).unwrap()),
            Err(error) => eprintln!("no compiler of {}: {error:#}", source.name()),
        }
    }
}

/// The other test rests on this one: a module that asks for more is found out.
#[test]
fn an_import_that_hosts_lack_is_found() {
    let asking =
        |import: &str| beyond_the_abi(&antumbra_components::module(&format!("(module {import})")).unwrap());
    assert!(asking(r#"(import "env" "proxy_http_call" (func))"#).is_empty());
    for strange in [
        r#"(import "env" "proxy_get_log_level" (func))"#,
        r#"(import "env" "proxy_call_later" (func))"#,
        r#"(import "env" "proxy_log" (global i32))"#,
        r#"(import "wasi_snapshot_preview1" "fd_read" (func))"#,
        r#"(import "wasi" "fd_write" (func))"#,
    ] {
        assert_eq!(asking(strange).len(), 1, "{strange}");
    }
}

fn check(module: &[u8]) {
    assert_eq!(beyond_the_abi(module), BTreeSet::new(), "imports that hosts lack");
    assert_eq!(exports(module), EXPORTS.map(str::to_owned).into(), "exports");
}

/// What the module imports that is not the ABI's, as `module.name`.
fn beyond_the_abi(module: &[u8]) -> BTreeSet<String> {
    let mut beyond = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::ImportSection(section) = payload.unwrap() else { continue };
        for import in section.into_imports().map(Result::unwrap) {
            let known: &[&str] = match import.module {
                "env" => &ENV,
                "wasi_snapshot_preview1" => &WASI,
                _ => &[],
            };
            if !known.contains(&import.name) || !matches!(import.ty, TypeRef::Func(_)) {
                beyond.insert(format!("{}.{}", import.module, import.name));
            }
        }
    }
    beyond
}

fn exports(module: &[u8]) -> BTreeSet<String> {
    let mut exports = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::ExportSection(section) = payload.unwrap() else { continue };
        for export in section.into_iter().map(Result::unwrap) {
            assert!(matches!(export.kind, ExternalKind::Func | ExternalKind::Memory), "{export:?}");
            exports.insert(export.name.to_owned());
        }
    }
    exports
}

/// The host functions of the proxy-wasm ABI 0.2.1, but for `proxy_get_log_level`, without which some hosts do.
const ENV: [&str; 38] = [
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_size",
    "proxy_get_header_map_value",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

/// The functions of WASI that the ABI asks of hosts.
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

/// Each is a call into the VM for every request or tick: no more than somebody needs.
const EXPORTS: [&str; 17] = [
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_done",
    "proxy_on_http_call_response",
    "proxy_on_log",
    "proxy_on_memory_allocate",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_response_body",
    "proxy_on_response_headers",
    "proxy_on_response_trailers",
    "proxy_on_tick",
    "proxy_on_vm_start",
];
