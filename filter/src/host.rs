//! The host, by the proxy-wasm ABI 0.2.1: the only file that declares and makes host calls.
//!
//! Headers are bytes and need not be UTF-8, and hosts do return statuses that the ABI does not list: both would trap with a
//! binding that unwraps. Here every answer but "ok" is `None`. Clocks and randomness are asked of WASI directly, in one call each.

#![expect(unsafe_code, reason = "host calls exchange raw pointers; each is checked at its call")]

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use antumbra_exchange::{Answer, Call, Found, Headers, Now};
use antumbra_observation::Bytes;
use antumbra_policy::{
    Body, BodyKind, Dice, Edit, Policy, PropertyPath, Timestamp, Words, joined_lines, parse_address,
};

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
    fn proxy_add_header_map_value(
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
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, delta: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_done() -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        value: *mut *mut u8,
        size: *mut usize,
        number: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        size: usize,
        number: u32,
    ) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> u32;
    fn random_get(bytes: *mut u8, size: usize) -> u32;
}

/// A header map of the stream or of the answer to a call.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
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

/// The request of the current stream; readable in the request-headers callback, and as long as that holds it.
pub(crate) struct CurrentRequest {
    /// Looks at all headers at once, in one call instead of one for each.
    all: bool,
    map: OnceCell<Option<HeaderMap>>,
    body: AwaitedBody,
}

/// What is known of the current request's body.
pub(crate) enum AwaitedBody {
    /// It can be waited for, up to so many bytes.
    Within(usize),
    /// It is here.
    Here(Vec<u8>),
    /// Nobody waits for it.
    Ignored,
}

impl CurrentRequest {
    /// A request that this policy decides about. A single header is asked for by its first line, so where all lines of one count the
    /// whole map is read, and every other header is found there, too.
    pub(crate) fn asked_by(policy: &Policy, body: AwaitedBody) -> Self {
        let all = policy.needs_all_lines() || policy.header_count() > FEW_HEADERS;
        Self { all, map: OnceCell::new(), body }
    }

    /// A request of which nobody asks anything.
    pub(crate) fn unasked() -> Self {
        Self { all: false, map: OnceCell::new(), body: AwaitedBody::Ignored }
    }

    fn is_of(&self, kind: BodyKind) -> bool {
        use antumbra_policy::Request as _;
        let Some(content_type) = self.header("content-type") else { return false };
        let essence = content_type.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        let essence = essence.to_ascii_lowercase();
        match kind {
            BodyKind::Form => essence == b"application/x-www-form-urlencoded",
            BodyKind::Json => essence == b"application/json" || essence.ends_with(b"+json"),
        }
    }

    /// A body of unknown length could outgrow the host's buffer while it is held, and the host would then refuse the request.
    fn length(&self) -> Option<usize> {
        use antumbra_policy::Request as _;
        std::str::from_utf8(&self.header("content-length")?).ok()?.parse().ok()
    }
}

impl antumbra_policy::Request for CurrentRequest {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if !self.all {
            return header(Map::RequestHeaders, name).map(Cow::Owned);
        }
        let map = self.map.get_or_init(|| HeaderMap::read(Map::RequestHeaders));
        joined_lines(name, map.as_ref()?.lines(name.as_bytes()))
    }

    fn peer_address(&self) -> Option<IpAddr> {
        parse_address(&property(&["source", "address"])?)
    }

    fn property(&self, path: &PropertyPath) -> Option<Cow<'_, [u8]>> {
        let steps: Vec<&str> = path.steps().iter().map(String::as_str).collect();
        property(&steps).map(Cow::Owned)
    }

    fn body(&self, kind: BodyKind) -> Body<'_> {
        match &self.body {
            AwaitedBody::Here(bytes) if self.is_of(kind) => Body::Whole(Cow::Borrowed(bytes)),
            AwaitedBody::Within(most)
                if self.is_of(kind) && self.length().is_some_and(|length| (1..=*most).contains(&length)) =>
            {
                Body::ToCome
            }
            AwaitedBody::Here(_) | AwaitedBody::Within(_) | AwaitedBody::Ignored => Body::None,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(clock(REALTIME) / 1_000).unwrap_or(i64::MAX))
    }
}

/// Writes a line to the host's log.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: the host copies `text.len()` bytes before it returns.
    unsafe { proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// The first line of a header.
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

/// Changes a header. Of the request this also makes the host look for its route again.
pub(crate) fn edit(map: Map, edit: &Edit<'_>) {
    let (map, name) = (map as u32, edit.name());
    match edit {
        // SAFETY: both strings are read before the call returns.
        Edit::Set(_, value) => unsafe {
            proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len());
        },
        // SAFETY: both strings are read before the call returns.
        Edit::Add(_, value) => unsafe {
            proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len());
        },
        // SAFETY: the string is read before the call returns.
        Edit::Remove(_) => unsafe {
            proxy_remove_header_map_value(map, name.as_ptr(), name.len());
        },
    }
}

/// Lets the access log show a value of this stream.
pub(crate) fn set_property(name: &str, value: &str) {
    // SAFETY: both strings are read before the call returns.
    unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
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

/// From here to the end of this callback, host calls are about this stream.
pub(crate) fn act_for(stream: u32) {
    // SAFETY: no memory is shared.
    unsafe { proxy_set_effective_context(stream) };
}

/// Lets the held request of the stream go on.
pub(crate) fn continue_request() {
    const REQUEST: u32 = 0;
    // SAFETY: no memory is shared.
    unsafe { proxy_continue_stream(REQUEST) };
}

/// Tells the host that a root context whose `on_done` answered false is done now.
pub(crate) fn done() {
    // SAFETY: no memory is shared.
    unsafe { proxy_done() };
}

/// What the VMs of the proxy share under a key.
pub(crate) fn shared(key: &str) -> Found {
    let (mut number, mut status) = (0, OK);
    let value = taken(|value, size| {
        // SAFETY: the key is read, and the number written, before the call returns; see `taken` for the value.
        status = unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), value, size, &raw mut number) };
        status
    });
    match value {
        Some(value) => Found::Value(value, number),
        None if status == NOT_FOUND => Found::Nothing,
        None => Found::Unavailable,
    }
}

/// Lets the VMs of the proxy share a value under a key: over the value of this number alone, or, with 0, over any.
pub(crate) fn share(key: &str, value: &[u8], over: u32) {
    // SAFETY: key and value are read before the call returns.
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), over) };
}

/// Sends a call; its token comes back with the answer. An error is the status with which the host refused. Also from a stream's callback: the host makes
/// the call in the name of the stream's root context, so that it outlives the stream.
pub(crate) fn dispatch(call: &Call) -> Result<u32, u32> {
    let (cluster, headers, trailers) = (&call.cluster, serialised(&call.headers), serialised(&call.trailers));
    let timeout = u32::try_from(call.timeout.as_millis()).unwrap_or(u32::MAX);
    let mut token = 0;
    // SAFETY: everything is read, and the token written, before the call returns.
    let status = unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            call.body.as_ptr(),
            call.body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout,
            &raw mut token,
        )
    };
    if status == OK { Ok(token) } else { Err(status) }
}

/// The answer to a call, inside its callback. A host that has no headers says that the stream broke off.
pub(crate) fn answer(header_count: u32, body_size: usize, trailer_count: u32) -> Answer {
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

/// The time that durations are taken by.
pub(crate) fn monotonic() -> Duration {
    Duration::from_nanos(clock(MONOTONIC))
}

/// Both clocks. Each is a call to the host, so this is for the arrival of a request that is recorded, whose date people read.
pub(crate) fn arrival() -> Now {
    Now { monotonic: monotonic(), wall_us: clock(REALTIME) / 1_000 }
}

/// An instant of which nobody asks the date.
pub(crate) fn now() -> Now {
    Now { monotonic: monotonic(), wall_us: 0 }
}

/// The next random word of this VM, whose secret the host gives once.
pub(crate) fn dice() -> Dice {
    thread_local!(static STATE: Cell<Option<Words>> = const { Cell::new(None) });
    let mut words = STATE.take().unwrap_or_else(|| Words::new(secret()));
    let word = words.next();
    STATE.set(Some(words));
    word
}

fn secret() -> [u8; 32] {
    let mut secret = [0; 32];
    // SAFETY: the host writes as many bytes into the secret as that has.
    unsafe { random_get((&raw mut secret).cast(), size_of_val(&secret)) };
    secret
}

fn clock(id: u32) -> u64 {
    let mut nanoseconds = 0;
    // SAFETY: the host writes one word before the call returns.
    unsafe { clock_time_get(id, 1, &raw mut nanoseconds) };
    nanoseconds
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
    // SAFETY: the host got `bytes` from `exports::proxy_on_memory_allocate`, `size` bytes of alignment one, and filled them.
    Some(unsafe { Vec::from_raw_parts(bytes, size, size) })
}

fn pairs(bytes: &[u8]) -> Option<Headers> {
    let mut headers = Headers::new();
    each_pair(bytes, |name, value| {
        headers.push((bytes.get(name)?.into(), bytes.get(value)?.into()));
        Some(())
    })?;
    Some(headers)
}

/// A header map in the bytes in which it came.
struct HeaderMap {
    bytes: Vec<u8>,
    places: Vec<(Range<usize>, Range<usize>)>,
}

impl HeaderMap {
    fn read(map: Map) -> Option<Self> {
        // SAFETY: see `taken`.
        let bytes = taken(|value, size| unsafe { proxy_get_header_map_pairs(map as u32, value, size) })?;
        let mut places = Vec::new();
        each_pair(&bytes, |name, value| {
            places.push((name, value));
            Some(())
        })?;
        Some(Self { bytes, places })
    }

    /// The values under a name, in order.
    fn lines(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        let found = self.places.iter().filter(move |(known, _)| self.bytes.get(known.clone()) == Some(name));
        found.filter_map(|(_, value)| self.bytes.get(value.clone()))
    }
}

/// Reads a serialised map: a count, the sizes of each name and value, then each followed by a zero byte; numbers are
/// 32 bits, little endian. (proxy-wasm ABI 0.2.1, "Serialization of maps".)
fn each_pair(bytes: &[u8], mut take: impl FnMut(Range<usize>, Range<usize>) -> Option<()>) -> Option<()> {
    let (count, rest) = word(bytes)?;
    let (mut sizes, _) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut at = count.checked_mul(8)?.checked_add(4)?;
    for _ in 0..count {
        let (name_size, after) = word(sizes)?;
        let (value_size, after) = word(after)?;
        sizes = after;
        let name = at..at.checked_add(name_size)?;
        let value = name.end.checked_add(1)?..name.end.checked_add(1)?.checked_add(value_size)?;
        at = value.end.checked_add(1)?;
        take(name, value)?;
    }
    Some(())
}

fn word(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*word)).ok()?, rest))
}

/// Writes a map as [`pairs`] reads one.
fn serialised(headers: &[(Bytes, Bytes)]) -> Vec<u8> {
    let texts = || headers.iter().flat_map(|(name, value)| [&name.0, &value.0]);
    let size = texts().fold(4_usize, |size, text| size.saturating_add(text.len()).saturating_add(5));
    let mut bytes = Vec::with_capacity(size);
    let mut push = |number: usize| bytes.extend_from_slice(&u32::try_from(number).unwrap_or(0).to_le_bytes());
    push(headers.len());
    texts().for_each(|text| push(text.len()));
    for text in texts() {
        bytes.extend_from_slice(text);
        bytes.push(0);
    }
    bytes
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
/// So many single questions cost less than the whole map.
const FEW_HEADERS: usize = 3;
/// Clocks of WASI.
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
