//! Modules that do next to nothing: what is left of their cost is the host's, and no filter of the same callbacks can be below it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::components;

/// Does nothing in each of the callbacks that recording an exchange takes.
pub(super) fn empty(directory: &Path) -> Result<PathBuf> {
    write(directory, "empty.wasm", &format!("{BASICS}{NO_REQUEST_HEADERS}{OTHER_CALLBACKS}"))
}

/// Asks for one header and sets one, in the only callback that splitting takes.
pub(super) fn one_header(directory: &Path) -> Result<PathBuf> {
    write(directory, "one-header.wasm", &format!("{IMPORTS}{BASICS}{ONE_HEADER}"))
}

/// The same, with the callbacks that recording an exchange takes.
pub(super) fn one_header_and_empty(directory: &Path) -> Result<PathBuf> {
    write(directory, "one-header-and-empty.wasm", &format!("{IMPORTS}{BASICS}{ONE_HEADER}{OTHER_CALLBACKS}"))
}

/// Makes the calls to the host that mirroring an exchange to a candidate takes, keeps nothing of it and delivers nothing.
pub(super) fn mirroring(directory: &Path) -> Result<PathBuf> {
    write(directory, "mirroring.wasm", &format!("{IMPORTS}{MIRRORING_IMPORTS}{BASICS}{MIRRORING}"))
}

fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    components::assemble(&format!("(module {text})"), &path)?;
    Ok(path)
}

const IMPORTS: &str = r#"
(import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
"#;

/// What every module needs. Memory that the host asks for is always the same: an answer is gone with the next.
const BASICS: &str = r#"
(memory (export "memory") 2)
(func (export "proxy_abi_version_0_2_1"))
(func (export "_initialize"))
(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65536))
(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
(func (export "proxy_on_context_create") (param i32 i32))
"#;

const NO_REQUEST_HEADERS: &str = r#"
(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
"#;

const ONE_HEADER: &str = r#"
(data (i32.const 16) "cookiex-antumbra-variantstable")
(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
  (drop (call $get (i32.const 0) (i32.const 16) (i32.const 6) (i32.const 0) (i32.const 4)))
  (drop (call $replace (i32.const 0) (i32.const 22) (i32.const 18) (i32.const 40) (i32.const 6)))
  (i32.const 0))
"#;

const OTHER_CALLBACKS: &str = r#"
(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))
(func (export "proxy_on_log") (param i32))
(func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
"#;

const MIRRORING_IMPORTS: &str = r#"
(import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
"#;

/// A map is written as it is read, so the request's headers go out in the bytes in which they came; at 128 there is an empty one.
const MIRRORING: &str = r#"
(data (i32.const 16) ":methodx-antumbra-shadowupgradex-antumbra-variantstablecanary-shadowresponse\00code_details")
(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
  (drop (call $get (i32.const 0) (i32.const 16) (i32.const 7) (i32.const 0) (i32.const 4)))
  (drop (call $get (i32.const 0) (i32.const 23) (i32.const 17) (i32.const 0) (i32.const 4)))
  (drop (call $get (i32.const 0) (i32.const 40) (i32.const 7) (i32.const 0) (i32.const 4)))
  (drop (call $replace (i32.const 0) (i32.const 47) (i32.const 18) (i32.const 65) (i32.const 6)))
  (i32.const 0))
(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
  (drop (call $pairs (i32.const 2) (i32.const 0) (i32.const 4)))
  (i32.const 0))
(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
  (drop (call $buffer (i32.const 1) (i32.const 0) (local.get 1) (i32.const 0) (i32.const 4)))
  (i32.const 0))
(func (export "proxy_on_log") (param i32)
  (drop (call $property (i32.const 84) (i32.const 21) (i32.const 0) (i32.const 4)))
  (drop (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
  (drop (call $call (i32.const 71) (i32.const 13) (i32.load (i32.const 0)) (i32.load (i32.const 4))
    (i32.const 0) (i32.const 0) (i32.const 128) (i32.const 4) (i32.const 5000) (i32.const 8))))
(func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
  (drop (call $pairs (i32.const 6) (i32.const 0) (i32.const 4)))
  (drop (call $buffer (i32.const 4) (i32.const 0) (local.get 3) (i32.const 0) (i32.const 4))))
(func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
"#;
