//! Lines and fields of a message as it went over the wire, and why bytes are none.

use std::borrow::Cow;

use antumbra_observation::Bytes;

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unparsed {
    /// They end before the body begins.
    Head,
    /// They end within the body. It has so many bytes of its length, if that is known.
    Body(Option<(usize, usize)>),
    /// They are none, for this reason.
    Broken(Cow<'static, str>),
}

impl Unparsed {
    /// What is wrong.
    pub(crate) fn explained(self) -> Cow<'static, str> {
        match self {
            Self::Head => "it ends before the end of its headers".into(),
            Self::Body(Some((has, length))) => {
                let bytes = if length == 1 { "byte" } else { "bytes" };
                format!("its body has {has} of the {length} {bytes} of its content-length").into()
            }
            Self::Body(None) => "its chunked body has no end".into(),
            Self::Broken(why) => why,
        }
    }
}

/// The bytes up to the end of the line, which is CRLF or LF, and those after it.
pub(crate) fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.strip_prefix(b"\n")?))
}

/// A header or a trailer; none if it is not of the form `name: value`.
pub(super) fn header(line: &[u8]) -> Option<(Bytes, Bytes)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
        // A folded line, or a way to smuggle.
        return None;
    }
    Some((name.into(), value.strip_prefix(b":")?.trim_ascii().into()))
}
