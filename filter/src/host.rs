//! The host, by the proxy-wasm ABI 0.2.1: the only file that makes host calls.
//!
//! The SDK unwraps UTF-8 and panics on statuses that hosts do return, so calls are declared here and every answer but "ok" is
//! `None`. Only `dispatch_http_call` stays the SDK's: it registers the token by which it later routes the answer.

#![expect(unsafe_code, reason = "host calls exchange raw pointers; each is checked at its call")]

use std::borrow::Cow;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use antumbra_exchange::{Answer, Call, Headers, Now};
use antumbra_policy::Dice;
use proxy_wasm::hostcalls::dispatch_http_call;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, pairs: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        most: usize,
        bytes: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, value: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, delta: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_done() -> u32;
}

unsafe extern "C" {
    /// Not a host call: the SDK's own export. Called from a stream it runs the root's callback as the root, which is how a
    /// call comes to belong to the root context and outlives the stream.
    fn proxy_on_queue_ready(context: u32, queue: u32);
}

/// A header map of the stream or of the answer to a call.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Map {
    RequestHeaders = 0,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    CallHeaders = 6,
    CallTrailers = 7,
}

/// A buffer of the stream, of the answer to a call, or of the plugin.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CallBody = 4,
    PluginConfiguration = 7,
}

/// How loud a line in the host's log is.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
}

/// The request of the current stream; readable in the request-headers callback only.
pub(crate) struct CurrentRequest;

impl antumbra_policy::Request for CurrentRequest {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        header(Map::RequestHeaders, name).map(Cow::Owned)
    }

    fn peer_address(&self) -> Option<Cow<'_, [u8]>> {
        let text = property(&["source", "address"])?;
        let text = std::str::from_utf8(&text).ok()?;
        let address =
            text.parse::<SocketAddr>().map(|peer| peer.ip()).or_else(|_| text.parse::<IpAddr>()).ok()?;
        Some(Cow::Owned(address.to_canonical().to_string().into_bytes()))
    }
}

/// Writes a line to the host's log.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: the host copies `text.len()` bytes before it returns.
    unsafe { proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// The first value of a header.
pub(crate) fn header(map: Map, name: &str) -> Option<Vec<u8>> {
    // SAFETY: the key is read before the call returns; see `taken` for the answer.
    taken(|value, size| unsafe {
        proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), value, size)
    })
}

/// A whole header map.
pub(crate) fn headers(map: Map) -> Option<Headers> {
    // SAFETY: see `taken`.
    pairs(&taken(|value, size| unsafe { proxy_get_header_map_pairs(map as u32, value, size) })?)
}

/// Sets a request header to one value, whatever was there.
pub(crate) fn set_request_header(name: &str, value: &str) {
    let map = Map::RequestHeaders as u32;
    // SAFETY: both strings are read before the call returns.
    unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// Removes a request header.
pub(crate) fn remove_request_header(name: &str) {
    // SAFETY: the string is read before the call returns.
    unsafe { proxy_remove_header_map_value(Map::RequestHeaders as u32, name.as_ptr(), name.len()) };
}

/// Up to `size` bytes of a buffer, from its start.
pub(crate) fn buffer(buffer: Buffer, size: usize) -> Option<Vec<u8>> {
    // SAFETY: see `taken`.
    taken(|bytes, got| unsafe { proxy_get_buffer_bytes(buffer as u32, 0, size, bytes, got) })
}

/// A property of the host, as bytes.
pub(crate) fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    // SAFETY: the path is read before the call returns; see `taken` for the answer.
    taken(|value, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), value, size) })
}

/// Calls `on_tick` of this root context about every `period` milliseconds.
pub(crate) fn set_tick(period: u32) {
    // SAFETY: no memory is shared.
    unsafe { proxy_set_tick_period_milliseconds(period) };
}

/// A counter of this name, made if there is none.
pub(crate) fn counter(name: &str) -> Option<u32> {
    define(0, name)
}

/// A gauge of this name, made if there is none.
pub(crate) fn gauge(name: &str) -> Option<u32> {
    define(1, name)
}

/// Adds to a counter.
pub(crate) fn add(counter: u32, delta: u64) {
    // SAFETY: no memory is shared.
    unsafe { proxy_increment_metric(counter, i64::try_from(delta).unwrap_or(i64::MAX)) };
}

/// Sets a gauge.
pub(crate) fn record(gauge: u32, value: u64) {
    // SAFETY: no memory is shared.
    unsafe { proxy_record_metric(gauge, value) };
}

/// Tells the host that a root context whose `on_done` answered false is done now.
pub(crate) fn done() {
    // SAFETY: no memory is shared.
    unsafe { proxy_done() };
}

/// Runs `on_queue_ready` of a root context now, as that root. From a stream's callback only.
pub(crate) fn wake(root: u32) {
    // SAFETY: an export of this very module with plain arguments; the stream's callback has borrowed no root.
    unsafe { proxy_on_queue_ready(root, 0) };
}

/// Sends a call; its token comes back with the answer. `None`: the host refused.
pub(crate) fn dispatch(call: &Call) -> Option<u32> {
    // The SDK takes `&str` and only ever looks at the bytes, which reach the wire as they are.
    // SAFETY: the strings are handed to `serialize_map`, which copies their bytes; nothing decodes them.
    let text = |bytes: &'_ [u8]| -> *const str { unsafe { std::str::from_utf8_unchecked(bytes) } };
    let headers = call.headers.iter().map(|(name, value)| {
        // SAFETY: both point into `call`, which outlives this function.
        unsafe { (&*text(name), &*text(value)) }
    });
    let body = (!call.body.is_empty()).then_some(call.body.as_slice());
    dispatch_http_call(&call.cluster, headers.collect(), body, vec![], call.timeout).ok()
}

/// The answer to a call, inside its callback. A host that has no headers says that the stream broke off.
pub(crate) fn answer(header_count: usize, body_size: usize, trailer_count: usize) -> Answer {
    if header_count == 0 {
        return Answer::Broken;
    }
    let Some(headers) = headers(Map::CallHeaders) else { return Answer::Broken };
    let body =
        if body_size > 0 { buffer(Buffer::CallBody, body_size).unwrap_or_default() } else { Vec::new() };
    let trailers =
        if trailer_count > 0 { self::headers(Map::CallTrailers).unwrap_or_default() } else { Vec::new() };
    Answer::Complete { headers, body, trailers }
}

/// The clocks.
pub(crate) fn now() -> Now {
    thread_local!(static ORIGIN: Instant = Instant::now());
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Now {
        monotonic: ORIGIN.with(Instant::elapsed),
        wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
    }
}

/// The next random word of this VM, seeded once by the host.
pub(crate) fn dice() -> Dice {
    thread_local!(static STATE: Cell<Dice> = Cell::new(Dice(RandomState::new().hash_one(0))));
    STATE.with(|state| {
        let mut dice = state.get();
        let word = dice.next();
        state.set(dice);
        Dice(word)
    })
}

fn define(kind: u32, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: the name is read, and the id written, before the call returns.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

/// Makes a call that answers with memory which the host allocated in this module, and takes that memory over.
fn taken(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let (mut bytes, mut size) = (std::ptr::null_mut(), 0);
    if call(&raw mut bytes, &raw mut size) != OK {
        return None;
    }
    if bytes.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: the host got `bytes` from the SDK's `proxy_on_memory_allocate`, a vector of capacity `size`, and filled it.
    Some(unsafe { Vec::from_raw_parts(bytes, size, size) })
}

/// Reads a serialised map: a count, the sizes of each name and value, then each followed by a zero byte; numbers are
/// 32 bits, little endian. (proxy-wasm ABI 0.2.1, "Serialization of maps".)
fn pairs(bytes: &[u8]) -> Option<Headers> {
    let (count, rest) = word(bytes)?;
    let (mut sizes, mut data) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut headers = Headers::with_capacity(count);
    for _ in 0..count {
        let (name_size, after) = word(sizes)?;
        let (value_size, after) = word(after)?;
        sizes = after;
        let (name, after) = zero_ended(data, name_size)?;
        let (value, after) = zero_ended(after, value_size)?;
        data = after;
        headers.push((name.into(), value.into()));
    }
    Some(headers)
}

fn word(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*word)).ok()?, rest))
}

fn zero_ended(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(size)?;
    Some((text, rest.get(1..)?))
}

const OK: u32 = 0;
