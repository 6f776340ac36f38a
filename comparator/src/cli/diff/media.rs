//! What a file is: as somebody says, or as the ending of its name does.

use std::collections::HashSet;
use std::str::FromStr;

/// What both files are read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadAs {
    /// Each as its name ends.
    Auto,
    /// This media type.
    Media(String),
}

impl FromStr for ReadAs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let media = if text.contains('/') { Some(text) } else { named(text) };
        let names: Vec<&str> = KNOWN.iter().filter_map(|(names, _)| names.first().copied()).collect();
        let unknown =
            || format!("must be auto, a media type such as text/html, or one of {}", names.join(", "));
        media.map(|media| Self::Media(media.to_owned())).ok_or_else(unknown)
    }
}

/// How a name ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) media: Option<&'static str>,
    /// A content encoding.
    pub(super) encoding: Option<&'static str>,
}

impl Ending {
    /// That of a file's name.
    pub(super) fn of(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let packed = lower.rsplit_once('.').and_then(|(rest, ending)| {
            ENCODINGS.iter().find(|(known, _)| *known == ending).map(|(_, encoding)| (rest, *encoding))
        });
        let (plain, encoding) = packed.map_or((&*lower, None), |(rest, encoding)| (rest, Some(encoding)));
        Self { media: plain.rsplit_once('.').and_then(|(_, ending)| named(ending)), encoding }
    }
}

fn named(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(names, _)| names.contains(&name)).map(|(_, media)| *media)
}

/// Whether a media type is one of bare messages, without the frames of gRPC.
pub(super) fn is_message(media: &str) -> bool {
    media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MESSAGE)
}

/// Whether it is one of gRPC.
pub(super) fn is_grpc(media: &str) -> bool {
    media.to_ascii_lowercase().starts_with(GRPC)
}

/// A multipart type with the boundary of a body, if it names none itself. `None`: the body has none.
pub(super) fn with_boundary(media: &str, body: &[u8]) -> Option<String> {
    let lower = media.to_ascii_lowercase();
    if !lower.starts_with("multipart/") || lower.contains("boundary=") {
        return Some(media.to_owned());
    }
    let lines = || {
        let lines = body.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"--"));
        lines.map(<[u8]>::trim_ascii_end)
    };
    let ends: HashSet<&[u8]> = lines().filter_map(|line| line.strip_suffix(b"--")).collect();
    let boundary = lines().find_map(|line| {
        let sound = !line.is_empty() && line.len() <= MAX_BOUNDARY && ends.contains(line);
        std::str::from_utf8(line).ok().filter(|_| sound)
    });
    boundary.map(|boundary| {
        format!("{media}; boundary=\"{}\"", boundary.replace('\\', "\\\\").replace('"', "\\\""))
    })
}

/// Names for `--type`, which are endings of files as well; the first of each is the one that is listed.
const KNOWN: [(&[&str], &str); 20] = [
    (&["json"], "application/json"),
    (&["ndjson", "jsonl"], "application/x-ndjson"),
    (&["json-seq"], "application/json-seq"),
    (&["sse", "event-stream"], "text/event-stream"),
    (&["html", "htm"], "text/html"),
    (&["xhtml"], "application/xhtml+xml"),
    (&["text", "txt", "log"], "text/plain"),
    (&["xml"], "application/xml"),
    (&["yaml", "yml"], "application/yaml"),
    (&["toml"], "application/toml"),
    (&["csv"], "text/csv"),
    (&["md"], "text/markdown"),
    (&["css"], "text/css"),
    (&["js", "mjs"], "application/javascript"),
    (&["svg"], "image/svg+xml"),
    (&["form", "urlencoded"], "application/x-www-form-urlencoded"),
    (&["multipart"], "multipart/form-data"),
    (&["grpc"], GRPC),
    (&["protobuf", "pb", "binpb"], MESSAGE),
    (&["bytes", "bin"], "application/octet-stream"),
];
const ENCODINGS: [(&str, &str); 4] = [("gz", "gzip"), ("gzip", "gzip"), ("br", "br"), ("zst", "zstd")];
pub(super) const GRPC: &str = "application/grpc";
pub(super) const MESSAGE: &str = "application/x-protobuf";
/// RFC 2046, 5.1.1.
const MAX_BOUNDARY: usize = 70;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        let check = |name: &str, media: Option<&'static str>, encoding: Option<&'static str>| {
            assert_eq!(Ending::of(name), Ending { media, encoding }, "{name}");
        };
        check("v1.json", Some("application/json"), None);
        check("V1.JSON.GZ", Some("application/json"), Some("gzip"));
        check("a.b.event-stream.zst", Some("text/event-stream"), Some("zstd"));
        check("a.urlencoded.br", Some("application/x-www-form-urlencoded"), Some("br"));
        check("body.gz", None, Some("gzip"));
        check("json", None, None);
        check("a.png", None, None);
        check("-", None, None);
    }

    #[test]
    fn types() {
        let media = |text: &str| ReadAs::Media(text.to_owned());
        assert_eq!("auto".parse(), Ok(ReadAs::Auto));
        assert_eq!("sse".parse(), Ok(media("text/event-stream")));
        assert_eq!("a/b; c=d".parse(), Ok(media("a/b; c=d")));
        assert!("jason".parse::<ReadAs>().unwrap_err().contains("one of json, ndjson"));
    }

    #[test]
    fn boundaries() {
        let found = |body: &str| with_boundary("multipart/mixed", body.as_bytes());
        assert_eq!(found("--x\r\n\r\na\r\n--x--\r\n").as_deref(), Some("multipart/mixed; boundary=\"x\""));
        assert_eq!(
            found("-- hi\n--a\"b\n\n--a\"b--").as_deref(),
            Some("multipart/mixed; boundary=\"a\\\"b\"")
        );
        assert_eq!(found("--x\r\n\r\na"), None);
        assert_eq!(
            found("--x\r\n--y\r\na\r\n--y--  \r\n").as_deref(),
            Some("multipart/mixed; boundary=\"y\"")
        );
        // Each line that begins so is looked up once.
        let many: String = (0..200_000).map(|at| format!("--{at}\n")).collect();
        assert_eq!(
            found(&format!("{many}--199999--")).as_deref(),
            Some("multipart/mixed; boundary=\"199999\"")
        );
        assert_eq!(found(""), None);
        let said = "Multipart/mixed; Boundary=y";
        assert_eq!(with_boundary(said, b"--x\n--x--").as_deref(), Some(said));
        assert_eq!(with_boundary("text/html", b"").as_deref(), Some("text/html"));
    }
}
