//! Takes the encodings off a body: gzip, deflate with and without zlib's frame, brotli, zstd, several on top of each other.
//!
//! A few bytes can decode to gigabytes (brotli: 1.3 million to one), so every decoder is read no further than the bound that
//! the length of the whole body sets. What does not decode to its end, checksum included, was not read: two bodies that
//! begin alike are not equal.

use std::borrow::Cow;
use std::io::Read;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::refusal::Refusal;

/// One content coding of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Most bytes that are decoded of one body.
pub(crate) const MAX_DECODED: usize = 16 * 1024 * 1024;
/// Most bytes that one byte may decode to, unless [`FREE`] covers all of them.
pub(crate) const MAX_RATIO: usize = 100;
/// Decoded bytes that need no ratio.
pub(crate) const FREE: usize = 1024 * 1024;

impl Encoding {
    /// The encodings that a `content-encoding` or `grpc-encoding` names, first applied first.
    pub(crate) fn listed(value: &str) -> Result<Vec<Self>, Refusal> {
        let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names = names.filter(|name| !name.eq_ignore_ascii_case("identity"));
        let encodings: Vec<Self> =
            names.take(MAX_STACKED + 1).map(Self::named).collect::<Option<_>>().ok_or(Refusal::Encoding)?;
        if encodings.len() > MAX_STACKED { Err(Refusal::Encoding) } else { Ok(encodings) }
    }

    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    fn decode(self, bytes: &[u8], bound: Bound) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::Gzip => bound.read(&mut flate2::bufread::MultiGzDecoder::new(bytes)),
            Self::Deflate => inflate(bytes, bound),
            Self::Brotli => unbrotli(bytes, bound),
            Self::Zstd => unpack(bytes, bound),
        }
    }
}

/// The body without its encodings. No bytes are no bytes, whatever they are said to be.
pub(crate) fn decode<'a>(bytes: &'a [u8], encodings: &[Encoding]) -> Result<Cow<'a, [u8]>, Refusal> {
    Bound::of(bytes.len()).decode(bytes, encodings)
}

/// How much may come out, and what is said of more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    bytes: usize,
    refusal: Refusal,
}

impl Bound {
    /// What a body of so many bytes may decode to.
    pub(crate) fn of(encoded: usize) -> Self {
        let by_ratio = encoded.saturating_mul(MAX_RATIO).max(FREE);
        if by_ratio < MAX_DECODED {
            Self { bytes: by_ratio, refusal: Refusal::Ratio }
        } else {
            Self { bytes: MAX_DECODED, refusal: Refusal::Size }
        }
    }

    /// The most that may come out.
    pub(crate) fn bytes(self) -> usize {
        self.bytes
    }

    /// Decodes one part of the body; what comes out is no longer left for the others. Behind one that does not decode nothing
    /// is left: decoders do not tell how much they made of it.
    pub(crate) fn decode<'a>(
        &mut self,
        bytes: &'a [u8],
        encodings: &[Encoding],
    ) -> Result<Cow<'a, [u8]>, Refusal> {
        let mut decoded = Cow::Borrowed(bytes);
        for encoding in encodings.iter().rev().filter(|_| !bytes.is_empty()) {
            let plain = encoding
                .decode(&decoded, *self)
                .inspect_err(|&refusal| *self = Self { bytes: 0, refusal })?;
            self.bytes = self.bytes.saturating_sub(plain.len());
            decoded = Cow::Owned(plain);
        }
        Ok(decoded)
    }

    fn check(self, bytes: usize) -> Result<(), Refusal> {
        if bytes > self.bytes { Err(self.refusal) } else { Ok(()) }
    }

    fn read(self, decoder: &mut impl Read) -> Result<Vec<u8>, Refusal> {
        let mut decoded = Vec::new();
        let read = decoder.take(self.bytes as u64 + 1).read_to_end(&mut decoded);
        self.check(decoded.len())?;
        read.map(|_| decoded).map_err(|_| Refusal::Corrupt)
    }
}

/// Deflate, as RFC 9110 defines it with zlib's frame, or without, as some send it. A reader would take a cut stream for a
/// whole one.
fn inflate(bytes: &[u8], bound: Bound) -> Result<Vec<u8>, Refusal> {
    let mut stream = Decompress::new(is_zlib(bytes));
    let mut decoded = Vec::new();
    loop {
        decoded.reserve(BUFFER);
        let before = (stream.total_in(), stream.total_out());
        let rest = usize::try_from(before.0).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let status = stream.decompress_vec(rest, &mut decoded, FlushDecompress::None);
        bound.check(decoded.len())?;
        match status {
            Ok(Status::StreamEnd) if stream.total_in() == bytes.len() as u64 => return Ok(decoded),
            Ok(Status::Ok | Status::BufError) if (stream.total_in(), stream.total_out()) != before => {}
            _ => return Err(Refusal::Corrupt),
        }
    }
}

/// RFC 1950, 2.2: method 8, and the first two bytes are a multiple of 31.
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..] if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}

/// Brotli. Its reader would not always see bytes behind the end.
fn unbrotli(bytes: &[u8], bound: Bound) -> Result<Vec<u8>, Refusal> {
    let memory = StandardAlloc::default;
    let mut state = BrotliState::new(memory(), memory(), memory());
    let (mut left, mut at, mut total) = (bytes.len(), 0, 0);
    let mut decoded = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let (mut room, mut filled) = (buffer.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            bytes,
            &mut room,
            &mut filled,
            &mut buffer,
            &mut total,
            &mut state,
        );
        decoded.extend_from_slice(buffer.get(..filled).unwrap_or_default());
        bound.check(decoded.len())?;
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if left == 0 => return Ok(decoded),
            _ => return Err(Refusal::Corrupt),
        }
    }
}

/// One frame of zstd after the other (RFC 8878, 3.1), those to be skipped left out.
fn unpack(mut rest: &[u8], bound: Bound) -> Result<Vec<u8>, Refusal> {
    let mut decoded = Vec::new();
    while !rest.is_empty() {
        match skippable(rest) {
            Some(length) => rest = rest.get(length..).ok_or(Refusal::Corrupt)?,
            None => unpack_frame(&mut rest, &mut decoded, bound)?,
        }
    }
    Ok(decoded)
}

fn unpack_frame(rest: &mut &[u8], decoded: &mut Vec<u8>, bound: Bound) -> Result<(), Refusal> {
    let start = decoded.len();
    let mut frame = FrameDecoder::new();
    frame.set_max_window_size(MAX_WINDOW);
    frame.reset(&mut *rest).map_err(|_| Refusal::Corrupt)?;
    while !frame.is_finished() || frame.can_collect() > 0 {
        if !frame.is_finished() {
            let step = BlockDecodingStrategy::UptoBytes(BUFFER);
            frame.decode_blocks(&mut *rest, step).map_err(|_| Refusal::Corrupt)?;
        }
        bound.check(decoded.len() + frame.can_collect())?;
        frame.collect_to_writer(&mut *decoded).map_err(|_| Refusal::Corrupt)?;
    }
    let declared = frame.content_size();
    let complete = declared == 0 || declared == (decoded.len() - start) as u64;
    let checksum = frame.get_checksum_from_data();
    let intact = checksum.is_none() || checksum == frame.get_calculated_checksum();
    if complete && intact { Ok(()) } else { Err(Refusal::Corrupt) }
}

/// The length of a frame that carries no content, its header included.
fn skippable(frame: &[u8]) -> Option<usize> {
    let (magic, after) = frame.split_first_chunk::<4>()?;
    let (length, _) = after.split_first_chunk::<4>()?;
    let skipped = u32::from_le_bytes(*magic) & 0xffff_fff0 == 0x184d_2a50;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if skipped { length.checked_add(8) } else { None }
}

/// Most encodings on top of each other.
const MAX_STACKED: usize = 4;
/// What RFC 8878 asks every decoder to take, in bytes.
const MAX_WINDOW: u64 = 8 * 1024 * 1024;
const BUFFER: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn brotli(bytes: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        let settings = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
        brotli::BrotliCompress(&mut &bytes[..], &mut encoded, &settings).unwrap();
        encoded
    }

    type Encode = fn(&[u8]) -> Vec<u8>;

    const CODECS: [(&str, Encode); 5] =
        [("gzip", gzip), ("deflate", zlib), ("deflate", raw), ("br", brotli), ("zstd", zstd)];

    fn decoded(encodings: &str, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        decode(bytes, &Encoding::listed(encodings)?).map(Cow::into_owned)
    }

    #[test]
    fn every_encoding_is_taken_off_and_nothing_is_half_read() {
        let text = "one line of many, all alike\n".repeat(500);
        for (name, encode) in CODECS {
            let encoded = encode(text.as_bytes());
            assert!(decoded(name, &encoded).as_deref() == Ok(text.as_bytes()), "{name}");
            for cut in [1, 2, encoded.len() / 2, encoded.len() - 1] {
                assert!(decoded(name, &encoded[..cut]) == Err(Refusal::Corrupt), "{name} cut at {cut}");
            }
            let behind = [&encoded[..], b"x"].concat();
            assert!(decoded(name, &behind) == Err(Refusal::Corrupt), "{name} and more");
        }
    }

    #[test]
    fn a_wrong_checksum_is_found() {
        for (name, encode) in [CODECS[0], CODECS[1], CODECS[4]] {
            let mut encoded = encode(b"some text, some text");
            // gzip ends with its length, which follows the checksum.
            let at = encoded.len() - if name == "gzip" { 5 } else { 1 };
            encoded[at] ^= 1;
            assert_eq!(decoded(name, &encoded), Err(Refusal::Corrupt), "{name}");
        }
    }

    #[test]
    fn encodings_stack_up_to_four() {
        let twice = brotli(&gzip(b"text"));
        assert_eq!(decoded("gzip, br", &twice).as_deref(), Ok(&b"text"[..]));
        assert_eq!(decoded(" Identity ,X-GZIP", &gzip(b"text")).as_deref(), Ok(&b"text"[..]));
        assert_eq!(decoded("gzip", b"").as_deref(), Ok(&b""[..]));
        assert_eq!(decoded("compress", b"text"), Err(Refusal::Encoding));
        assert_eq!(decoded("br,br,br,br,br", b"text"), Err(Refusal::Encoding));
    }

    #[test]
    fn two_frames_are_one_content() {
        let gzips = [gzip(b"one, "), gzip(b"two")].concat();
        assert_eq!(decoded("gzip", &gzips).as_deref(), Ok(&b"one, two"[..]));
        let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0...";
        let frames = [&zstd(b"one, ")[..], skipped, &zstd(b"two")].concat();
        assert_eq!(decoded("zstd", &frames).as_deref(), Ok(&b"one, two"[..]));
        assert_eq!(decoded("zstd", &skipped[..9]), Err(Refusal::Corrupt));
    }

    #[test]
    fn what_one_part_decodes_to_is_not_left_for_the_next() {
        for (name, encode) in CODECS {
            let encodings = Encoding::listed(name).unwrap();
            let half = encode(&vec![b'a'; FREE / 2 + 1]);
            let check = |first: &[u8], expected: Result<(), Refusal>, next: Refusal| {
                let mut bound = Bound::of(half.len());
                assert_eq!(bound.decode(first, &encodings).map(drop), expected, "{name}");
                assert_eq!(bound.decode(&half, &encodings).map(drop), Err(next), "{name}");
            };
            check(&half, Ok(()), Refusal::Ratio);
            check(&half[..half.len() - 1], Err(Refusal::Corrupt), Refusal::Corrupt);
            check(&encode(&vec![b'a'; FREE + 1]), Err(Refusal::Ratio), Refusal::Ratio);
        }
    }

    #[test]
    fn bombs_are_refused_at_their_bound() {
        let zeros = vec![0; 3 * MAX_DECODED];
        for (name, encode) in CODECS {
            let bomb = encode(&zeros);
            let expected = if bomb.len() * MAX_RATIO < MAX_DECODED { Refusal::Ratio } else { Refusal::Size };
            assert!(decoded(name, &bomb) == Err(expected), "{name}: {} bytes", bomb.len());
        }
        let stacked = gzip(&gzip(&zeros));
        assert!(decoded("gzip, gzip", &stacked) == Err(Refusal::Ratio));
        // A frame that asks for a window of 2 GiB.
        assert_eq!(decoded("zstd", b"\x28\xb5\x2f\xfd\x00\xa8\x01\0\0"), Err(Refusal::Corrupt));
    }
}
