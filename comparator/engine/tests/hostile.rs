//! Bodies made to harm the reader: what they cost is bounded, and what is not read is counted.
//!
//! Memory is counted by the allocator of this test, so nothing else may run beside it: one test, one case after the other.
#![cfg(not(target_family = "wasm"))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use antumbra_engine::{Delivery, Evidence, Gates, Rules, report};
use antumbra_observation::{Body, Leg, Observation, Response};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

/// Counts what is allocated at most at one time.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn taken(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(now, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator that counts and hands on to the system's")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        taken(size);
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn answer(media: &str, encoding: &str, body: Vec<u8>) -> Leg {
    Leg::answer("", 200).with_body(media, body).with_header("content-encoding", encoding)
}

/// Compares an answer with one whose body ends in another byte: the reasons for which it was not read, and the bytes of memory
/// that comparing took at most.
fn compared(primary: Leg) -> (Vec<&'static str>, usize) {
    let mut candidate = primary.clone();
    if let Some(Response { body: Body::Whole(bytes), .. }) = &mut candidate.response {
        let mut other = bytes.to_vec();
        *other.last_mut().unwrap() ^= 1;
        *bytes = other.into();
    }
    let observation =
        Observation::new("r", "GET", "/a.B/C").with_id(1).with_primary(primary).with_candidate(candidate);
    let mut evidence = Evidence::new();
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    evidence.observe(&observation, &Rules::default());
    let most = MOST.load(Ordering::Relaxed) - before;
    let report = report("r", &evidence, &Gates::default(), &Delivery::default());
    (report.refused.iter().map(|refused| refused.reason.name()).collect(), most)
}

fn check(what: &str, media: &str, encoding: &str, body: Vec<u8>, reasons: &[&str]) {
    let length = body.len();
    let (refused, most) = compared(answer(media, encoding, body));
    assert_eq!(refused, reasons, "{what}");
    assert!(most < MAX_MEMORY, "{what}: {most} bytes of memory for a body of {length}");
}

fn written<W: std::io::Write>(mut encoder: W, bytes: usize, finish: fn(W) -> Vec<u8>) -> Vec<u8> {
    let block = vec![b' '; 1024 * 1024];
    for _ in 0..bytes / block.len() {
        encoder.write_all(&block).unwrap();
    }
    finish(encoder)
}

fn gzip(bytes: usize) -> Vec<u8> {
    let encoder = GzEncoder::new(Vec::new(), Compression::best());
    written(encoder, bytes, |encoder| encoder.finish().unwrap())
}

fn deflate(bytes: usize) -> Vec<u8> {
    let encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    written(encoder, bytes, |encoder| encoder.finish().unwrap())
}

fn brotli(bytes: usize) -> Vec<u8> {
    let settings = brotli::enc::BrotliEncoderParams { quality: 5, lgwin: 24, ..Default::default() };
    let mut encoded = Vec::new();
    brotli::BrotliCompress(
        &mut std::io::Read::take(std::io::repeat(b' '), bytes as u64),
        &mut encoded,
        &settings,
    )
    .unwrap();
    encoded
}

/// Frames whose blocks say "this byte, 128 KiB times" (RFC 8878, 3.1.1.2.2), four bytes each.
fn zstd(bytes: usize) -> Vec<u8> {
    let block = |last: u32| [&(last | 1 << 1 | (128 * 1024) << 3).to_le_bytes()[..3], b" "].concat();
    let blocks = block(0).repeat(bytes / (128 * 1024) - 1);
    [b"\x28\xb5\x2f\xfd\x00\x68".as_slice(), &blocks, &block(1)].concat()
}

#[test]
fn hostile_bodies_are_bounded_and_counted() {
    bombs();
    records();
    broken();
}

/// 1 GiB of blanks in each encoding: kilobytes on the wire.
fn bombs() {
    for (encoding, bomb) in
        [("gzip", gzip(GIB)), ("deflate", deflate(GIB)), ("br", brotli(GIB)), ("zstd", zstd(GIB))]
    {
        let reason = if bomb.len() * 100 < 16 << 20 { "ratio" } else { "size" };
        check(encoding, "application/json", encoding, bomb, &[reason]);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&gzip(GIB)).unwrap();
    check("gzip in gzip", "text/plain", "gzip, gzip", encoder.finish().unwrap(), &["ratio"]);
    // Many messages, each of which decodes to little more than nothing forbids.
    let message = gzip(1 << 20);
    let frame = [b"\x01".as_slice(), &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat();
    let headers =
        vec![("content-type".into(), "application/grpc".into()), ("grpc-encoding".into(), "gzip".into())];
    let mut leg = answer("", "", [frame.repeat(64), b"\0\0\0\0\x01x".to_vec()].concat());
    leg.response.as_mut().unwrap().headers = headers;
    let (refused, most) = compared(leg);
    assert!(refused == ["ratio"] && most < MAX_MEMORY, "{refused:?} {most}");
}

/// A million of everything.
fn records() {
    let million = |record: &[u8]| record.repeat(1_000_000);
    check("lines of JSON", "application/x-ndjson", "", [million(b"{}\n"), b"1".into()].concat(), &["nodes"]);
    check(
        "broken lines",
        "application/x-ndjson",
        "",
        [million(b"}\n"), b"1".into()].concat(),
        &["malformed"],
    );
    check("events", "text/event-stream", "", [million(b"data:1\n\n"), b"data:x".into()].concat(), &["nodes"]);
    check(
        "lines of an event",
        "text/event-stream",
        "",
        [million(b"data:x\n"), b"data:x".into()].concat(),
        &[],
    );
    check(
        "fields of an event",
        "text/event-stream",
        "",
        [million(b"a:1\n"), b"a:x".into()].concat(),
        &["nodes"],
    );
    check(
        "NULs in an event",
        "text/event-stream",
        "",
        [b"data:".to_vec(), million(b"\0\0\0\0\0\0\0\0")].concat(),
        &["size"],
    );
    let form = "application/x-www-form-urlencoded";
    check("fields", form, "", [million(b"a=1&"), b"a=x".into()].concat(), &["nodes"]);
    check("percent signs", form, "", [million(b"%00%ff%"), b"x".into()].concat(), &[]);
    let parts = [million(b"--b\n\n\n"), b"--b--\nx".into()].concat();
    check("parts", "multipart/mixed; boundary=b", "", parts, &["parts"]);
    check("lines", "text/plain", "", [million(b"a\n"), b"x".into()].concat(), &[]);
    check("empty lines", "text/html", "", [million(b"\n\n\n\n"), b"x".into()].concat(), &[]);
    check(
        "messages",
        "application/grpc",
        "",
        [million(b"\0\0\0\0\0"), b"\0\0\0\0\x01x".into()].concat(),
        &["size"],
    );
}

/// Cut off, without end, of impossible length, not text.
fn broken() {
    let whole = gzip(1 << 20);
    check("a cut stream", "text/plain", "gzip", whole[..whole.len() / 2].to_vec(), &["corrupt"]);
    check("no known encoding", "text/plain", "aes128gcm", b"x".to_vec(), &["encoding"]);
    check("many encodings", "text/plain", &"gzip,".repeat(100), b"x".to_vec(), &["encoding"]);
    let nested = "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".repeat(100_000);
    check("parts without end", "multipart/mixed; boundary=b", "", nested.into_bytes(), &["parts"]);
    check("4 GiB in a frame", "application/grpc", "", b"\0\xff\xff\xff\xffx".to_vec(), &["malformed"]);
    check(
        "a frame of 4 GiB, zipped",
        "application/grpc",
        "",
        b"\x01\xff\xff\xff\xffx".to_vec(),
        &["malformed"],
    );
    let odd = b"\xff\0\xfe\x80\r\n:=&;--\"\\".repeat(10_000);
    for media in MEDIA {
        let (refused, most) = compared(answer(media, "", odd.clone()));
        assert!(refused.iter().all(|reason| *reason == "malformed"), "{media}: {refused:?}");
        assert!(most < MAX_MEMORY, "{media}: {most}");
    }
}

const MEDIA: [&str; 10] = [
    "",
    "application/json",
    "application/x-ndjson",
    "text/event-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/grpc",
    "text/html",
    "text/plain",
    "image/png",
];
const GIB: usize = 1 << 30;
/// Far below what any of these would take if it were read to its end: two bodies of up to 16 MiB, their text as JSON, and the
/// values in it.
const MAX_MEMORY: usize = 160 << 20;
