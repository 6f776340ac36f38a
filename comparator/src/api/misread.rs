//! JSON that is not what was expected: at which member, and what must stand there.
//!
//! What does stand there is never said. Messages are printed, logged and kept, and the value may be a secret of the request that it
//! belongs to.

use std::fmt;

use serde::de::Deserialize;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

/// Why a text is not what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misread {
    /// It is no JSON: what its reader says, and where.
    Syntax { message: String, line: usize, column: usize },
    /// A member is not what it must be.
    Member(String),
}

/// Reads a whole text.
///
/// # Errors
/// See [`Misread`].
pub(crate) fn json<'t, T: Deserialize<'t>>(text: &'t [u8]) -> Result<T, Misread> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| Misread::of(&place(error.path()), error.inner()))?;
    json.end().map_err(|error| Misread::of("", &error))?;
    Ok(read)
}

impl Misread {
    fn of(place: &str, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let message = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
        match error.classify() {
            Category::Syntax | Category::Eof | Category::Io => {
                Self::Syntax { message: message.to_owned(), line, column }
            }
            Category::Data => Self::Member(worded(place, message)),
        }
    }

    /// What is wrong, without where it is: for a text that is a part of another one.
    pub(crate) fn without_place(&self) -> &str {
        match self {
            Self::Syntax { message, .. } | Self::Member(message) => message,
        }
    }

    /// The same of a text that is one line of a file.
    pub(crate) fn in_line(&self) -> String {
        match self {
            Self::Syntax { message, column, .. } => format!("{message} at column {column}"),
            Self::Member(message) => message.clone(),
        }
    }
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { message, line, column } => write!(f, "{message} at line {line} column {column}"),
            Self::Member(message) => f.write_str(message),
        }
    }
}

/// The way to a member; empty if it is the text as a whole. A name that is none of ours may be a part of the value.
fn place(path: &Path) -> String {
    let mut place = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => place.push_str(&format!("[{index}]")),
            Segment::Map { key } if KNOWN.contains(&key.as_str()) => {
                let dot = if place.is_empty() { "" } else { "." };
                place.push_str(&format!("{dot}{key}"));
            }
            _ if place.is_empty() => return "a member".to_owned(),
            _ => return format!("a member of {place}"),
        }
    }
    place
}

/// What serde says of a member, in other words and without the value.
fn worded(place: &str, message: &str) -> String {
    let subject = if place.is_empty() { "it" } else { place };
    if message.starts_with("missing field ") || message.starts_with("duplicate field ") {
        return if place.is_empty() { message.to_owned() } else { format!("{message} of {place}") };
    }
    // A value may have these words in it, what is expected has not.
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return format!("{subject} cannot be read");
    };
    let expected = kind(expected);
    match found.strip_prefix("invalid type: ").map(|found| found.split(['`', '"']).next().unwrap_or_default())
    {
        Some(found) => format!("{subject} is {}, must be {expected}", kind(found.trim_end())),
        None => format!("{subject} has a value that does not fit, must be {expected}"),
    }
}

/// A kind of value as people who know JSON call it.
fn kind(serde: &str) -> &str {
    match serde {
        "string" => "a string",
        "integer" | "floating point" => "a number",
        "boolean" => "a boolean",
        "sequence" | "a sequence" => "an array",
        "map" | "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number within its bounds",
        _ if serde.starts_with("struct ") => "an object",
        other => other,
    }
}

/// The names of members in observations, heartbeats and HAR files.
#[rustfmt::skip]
const KNOWN: [&str; 48] = [
    "version", "id", "release", "generation", "session", "rule", "atUs", "client", "left", "hashed", "cut", "members",
    "request", "method", "path", "authority", "headers", "trailers", "body", "whole", "base64", "length", "xxh3",
    "primary", "candidate", "control", "variant", "outcome", "notSent", "latencyUs", "sentUs", "response", "status",
    "instance", "sequence", "accounts", "troubles",
    "url", "postData", "mimeType", "text", "params", "name", "value", "fileName", "contentType", "encoding", "bodySize",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Told {
        version: u32,
        request: Option<Asked>,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        hashed: BTreeMap<String, u64>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Asked {
        Get,
        Put,
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let misread = json::<Told>(text.as_bytes()).unwrap_err();
        assert_eq!(misread.to_string(), expected, "{text}");
        assert!(!misread.to_string().contains("hush") && !misread.without_place().contains("hush"), "{text}");
    }

    #[test]
    fn a_member_is_named_and_its_value_is_not() {
        check(r#"{"version":"hush"}"#, "version is a string, must be a whole number within its bounds");
        check(
            r#"{"version":"a, expected hush"}"#,
            "version is a string, must be a whole number within its bounds",
        );
        check(
            r#"{"version":-417}"#,
            "version has a value that does not fit, must be a whole number within its bounds",
        );
        check(
            r#"{"version":1,"headers":[["a","b"],["a",{"hush":1}]]}"#,
            "headers[1][1] is an object, must be a string",
        );
        check(r#"{"version":1,"headers":"hush"}"#, "headers is a string, must be an array");
        check(r#"{"version":1,"headers":null}"#, "headers is null, must be an array");
        check(
            r#"{"version":1,"request":"hush"}"#,
            "request has a value that does not fit, must be `get` or `put`",
        );
        check(
            r#"{"version":1,"hashed":{"x-a":"hush"}}"#,
            "a member of hashed is a string, must be a whole number within its bounds",
        );
        check(
            r#"{"version":1,"hashed":{"x a":"hush"}}"#,
            "a member of hashed is a string, must be a whole number within its bounds",
        );
        check("{}", "missing field `version`");
        check(r#"{"version":1,"version":2}"#, "duplicate field `version`");
        check(r#"["hush"]"#, "[0] is a string, must be a whole number within its bounds");
        check("true", "it is a boolean, must be an object");
    }

    #[test]
    fn what_is_no_json_has_its_place() {
        check("{\"version\": 1\n\"hush\": 2}", "expected `,` or `}` at line 2 column 1");
        check(r#"{"version":1} hush"#, "trailing characters at line 1 column 15");
        let cut = json::<Told>(br#"{"version"#).unwrap_err();
        assert_eq!(cut.in_line(), "EOF while parsing a string at column 9");
        assert_eq!(cut.without_place(), "EOF while parsing a string");
    }
}
