//! gRPC over HTTP/2: messages in frames of five bytes and a length, each perhaps compressed; in gRPC-Web the trailers too.
//!
//! With a descriptor set messages are compared by field, without one by length and hash: the wire format does not tell a
//! text from a nested message. The status of a call may come in the headers where there is no message.

use std::borrow::Cow;

use antumbra_observation::{Bytes, Response};

use super::encoding::{Bound, Encoding};
use super::media::{Media, header};
use crate::excerpt;
use crate::refusal::Refusal;
use crate::schemas::Schemas;
use crate::written::Written;

/// Which call answered, and how its messages are encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// `/package.Service/Method`.
    pub(crate) path: &'a [u8],
    pub(crate) headers: &'a [(Bytes, Bytes)],
    pub(crate) schemas: &'a Schemas,
}

/// The messages as a JSON array. What compressed ones decode to is taken from `bound`.
///
/// # Errors
/// [`Refusal::Malformed`] if a frame is cut off or of no known kind, and whatever keeps a message from being decoded.
pub(crate) fn write(bytes: &[u8], call: Call<'_>, bound: &mut Bound) -> Result<Vec<u8>, Refusal> {
    let message = call.schemas.answer(call.path);
    let encodings =
        header(call.headers, "grpc-encoding").map_or(Ok(Vec::new()), |value| Encoding::listed(&value));
    let mut by_field = MAX_BY_FIELD;
    let mut written = Written::default();
    let mut rest = bytes;
    written.open(b'[');
    while !rest.is_empty() && !written.is_full() {
        let (flags, payload, after) = frame(rest).ok_or(Refusal::Malformed)?;
        rest = after;
        let plain = match flags & COMPRESSED {
            0 => Cow::Borrowed(payload),
            _ => bound.decode(payload, encodings.as_ref().map_err(|refusal| *refusal)?)?,
        };
        match (flags & !COMPRESSED, &message) {
            (0, Some(message)) => {
                by_field = usize::checked_sub(by_field, plain.len()).ok_or(Refusal::Size)?;
                message.write(&plain, &mut written)?;
            }
            (0, None) => written.print(&plain),
            (TRAILERS, _) => trailers(&plain, &mut written),
            _ => return Err(Refusal::Malformed),
        }
    }
    written.close(b']');
    written.finish()
}

/// The trailers of an answer. gRPC's status counts as one wherever it stands: an answer without messages brings it in its
/// headers.
pub(crate) fn trailers_of(response: &Response) -> Cow<'_, [(Bytes, Bytes)]> {
    let mut early = response.headers.iter().filter(|(name, _)| is_status(name)).peekable();
    if early.peek().is_none() || !is_grpc(response) {
        return Cow::Borrowed(&response.trailers);
    }
    Cow::Owned(early.chain(&response.trailers).cloned().collect())
}

/// Whether an answer is one of a gRPC call.
pub(crate) fn is_grpc(response: &Response) -> bool {
    Media::declared(&response.headers) == Media::Grpc
}

/// A header that belongs to the trailers of a call.
pub(crate) fn is_status(name: &[u8]) -> bool {
    ["grpc-status", "grpc-message", "grpc-status-details-bin"]
        .iter()
        .any(|status| name.eq_ignore_ascii_case(status.as_bytes()))
}

/// Flags and payload of the first frame, and what follows it.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&flags, after) = bytes.split_first()?;
    let (length, after) = after.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (payload, rest) = after.split_at_checked(length)?;
    Some((flags, payload, rest))
}

/// `name: value` lines.
fn trailers(block: &[u8], written: &mut Written) {
    written.open(b'{');
    for line in block.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let at = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(at);
        written.name(excerpt::line(name, MAX_NAME).to_ascii_lowercase().as_bytes());
        written.bytes(value.get(1..).unwrap_or_default().trim_ascii());
    }
    written.close(b'}');
}

const COMPRESSED: u8 = 1;
const TRAILERS: u8 = 0x80;
/// Most bytes of messages that are read by field: a field of a byte becomes a value of sixty.
const MAX_BY_FIELD: usize = 1024 * 1024;
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], encoding: &str, expected: Result<&str, Refusal>) {
        let headers = [("grpc-encoding".into(), encoding.into())];
        let call = Call { path: b"/a.B/C", headers: &headers, schemas: &Schemas::default() };
        let written =
            write(bytes, call, &mut Bound::of(bytes.len())).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(written.as_deref().map_err(|refusal| *refusal), expected, "{bytes:?}");
    }

    #[test]
    fn frames_are_elements() {
        let print = r#"[{"length":1,"xxh3":"c44bdff4074eecdb"},{"length":0,"xxh3":"2d06800538d394c2"}]"#;
        check(b"\0\0\0\0\x01\0\0\0\0\0\0", "identity", Ok(print));
        check(b"", "", Ok("[]"));
        check(b"\x80\0\0\0\x10grpc-status: 0\r\n", "", Ok(r#"[{"grpc-status":"0"}]"#));
    }

    #[test]
    fn broken_frames_are_refused() {
        check(b"\0", "", Err(Refusal::Malformed));
        check(b"\0\xff\xff\xff\xffx", "", Err(Refusal::Malformed));
        check(b"\x02\0\0\0\0", "", Err(Refusal::Malformed));
        check(b"\x01\0\0\0\x01x", "gzip", Err(Refusal::Corrupt));
        check(b"\x01\0\0\0\x01x", "snappy", Err(Refusal::Encoding));
    }
}
