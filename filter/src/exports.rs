//! The entry points, by the proxy-wasm ABI 0.2.1: the only file that the host calls into.
//!
//! Each export costs every request a call into the VM, so there are only those that somebody needs: no `proxy_on_delete`, since
//! what a context holds is freed with its log or its end (see `contexts`). Only a request may be held, and only until its body is
//! there.

#![expect(unsafe_code, reason = "the host finds entry points by their names, and shares its memory with us")]

use std::alloc::{Layout, alloc};

use crate::contexts;
use crate::stream::{Flow, Stream};

unsafe extern "C" {
    /// Made by the linker. That it is named here keeps the linker from wrapping each export into a call of it.
    fn __wasm_call_ctors();
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the host calls this once, before anything else.
    unsafe { __wasm_call_ctors() };
}

/// Memory for an answer of the host, which `host` takes over as a vector. Null: there is none, and the host's call fails.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        Ok(layout) if size == 0 => layout.dangling_ptr().as_ptr(),
        // SAFETY: the size is not zero.
        Ok(layout) => unsafe { alloc(layout) },
        Err(_) => std::ptr::null_mut(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    contexts::create(context, root);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    contexts::root(root).is_some_and(|root| root.configure(size)).into()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    contexts::tick(root);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(stream: u32, _count: u32, end: u32) -> u32 {
    action(contexts::request_headers(stream, end != 0))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(stream: u32, size: usize, end: u32) -> u32 {
    action(contexts::with_stream(stream, |stream| stream.request_body(size, end != 0)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(stream: u32, _count: u32) -> u32 {
    contexts::with_stream(stream, Stream::request_trailers);
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(stream: u32, _count: u32, end: u32) -> u32 {
    contexts::with_stream(stream, |stream| stream.response_headers(end != 0));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(stream: u32, size: usize, end: u32) -> u32 {
    contexts::with_stream(stream, |stream| stream.response_body(size, end != 0));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(stream: u32, _count: u32) -> u32 {
    contexts::with_stream(stream, Stream::response_trailers);
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    context: u32,
    token: u32,
    headers: u32,
    body: usize,
    trailers: u32,
) {
    contexts::answered(context, token, || crate::host::answer(headers, body, trailers));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(stream: u32) {
    contexts::log(stream);
}

/// 0: not yet, the context tells the host when.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(context: u32) -> u32 {
    contexts::done(context).into()
}

fn action(flow: Option<Flow>) -> u32 {
    match flow {
        Some(Flow::Hold) => PAUSE,
        Some(Flow::Continue) | None => CONTINUE,
    }
}

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
