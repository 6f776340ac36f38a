//! One entry of a recording: where it stands, and the request that is asked again or the reason why none is.
//!
//! A reason alone does not help the person who has to mend a recording, so each entry that is skipped keeps its place and says what is
//! wrong with it.

use std::borrow::Cow;
use std::fmt;

use antumbra_observation::{Bytes, Request, UnsafeMethod};
use serde::Serialize;

use crate::shadows::Unsendable;

/// One entry of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: At,
    pub(crate) asked: Result<Recorded, Skipped>,
    /// What was asked where the request cannot be sent, as far as it can be read.
    pub(crate) line: Option<RequestLine>,
}

/// What says to which endpoint a request belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestLine {
    pub(crate) method: Bytes,
    /// With its query.
    pub(crate) path: Bytes,
}

impl RequestLine {
    /// That of a request.
    pub(crate) fn of(request: &Request) -> Self {
        Self { method: request.method.clone(), path: request.path.clone() }
    }
}

/// A request, and what came of it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) request: Request,
    /// Of the answer, if the recording has it.
    pub(crate) status: Option<u16>,
}

/// Where an entry stands in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum At {
    /// In a capture.
    Line {
        /// From 1.
        line: u64,
    },
    /// In a GoReplay file.
    Record {
        /// From 1, answers included.
        record: u64,
        /// The line in which it begins, from 1.
        line: u64,
        /// The byte at which it begins, from 0.
        byte: u64,
    },
    /// In a HAR file.
    Entry {
        /// Its index in `log.entries`, from 0.
        entry: usize,
        /// Without what looks like a credential; empty if the entry has none.
        url: String,
    },
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line } => write!(f, "line {line}"),
            Self::Record { record, line, byte } => write!(f, "record {record} (line {line}, byte {byte})"),
            Self::Entry { entry, url } if url.is_empty() => write!(f, "log.entries[{entry}]"),
            Self::Entry { entry, url } => write!(f, "log.entries[{entry}] {url}"),
        }
    }
}

/// Why a recorded request is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Skipped {
    /// Its method may write.
    UnsafeMethod(UnsafeMethod),
    /// It is not a request that HTTP can carry.
    Malformed(Cow<'static, str>),
    /// It is none of HTTP, such as a WebSocket or the URL of what a page made itself. Nobody expects it to be asked again.
    Foreign(Cow<'static, str>),
    /// It was a shadow request itself.
    Shadow,
    /// It was read before.
    SameId,
    /// Beyond the bounds of a recording, or recorded without its body.
    TooLarge(Cow<'static, str>),
    /// So many exchanges are not in the recording, as it says itself.
    Lost(u64),
}

impl Skipped {
    /// It is not a request that HTTP can carry, for this reason.
    pub(crate) fn malformed(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed(why.into())
    }

    /// Whether it is a request of a user that a replay should have asked again, and does not know how.
    pub(crate) fn is_unread(&self) -> bool {
        matches!(self, Self::Malformed(_) | Self::TooLarge(_))
    }

    /// Whether another entry stands for it, or it is no request of a user.
    pub(crate) fn is_needless(&self) -> bool {
        matches!(self, Self::Foreign(_) | Self::Shadow | Self::SameId)
    }

    /// The name under which it is counted.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::UnsafeMethod(_) => "unsafe_method",
            Self::Malformed(_) | Self::Foreign(_) => "malformed",
            Self::Shadow => "shadow",
            Self::SameId => "same_id",
            Self::TooLarge(_) => "too_large",
            Self::Lost(_) => "lost",
        }
    }
}

/// What is wrong, for people.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsafeMethod(UnsafeMethod::Other) => f.write_str("its method may write"),
            Self::UnsafeMethod(method) => write!(f, "{} may write", method.as_str()),
            Self::Malformed(why) | Self::Foreign(why) | Self::TooLarge(why) => f.write_str(why),
            Self::Shadow => f.write_str("it was a shadow request itself"),
            Self::SameId => f.write_str("the same exchange was read before"),
            Self::Lost(count) => write!(f, "{count} before the next one were lost while they were captured"),
        }
    }
}

impl From<Unsendable> for Skipped {
    fn from(unsendable: Unsendable) -> Self {
        let why = unsendable.to_string();
        match unsendable {
            Unsendable::BodyCut => Self::TooLarge(why.into()),
            _ => Self::Malformed(why.into()),
        }
    }
}

/// Why a request that would change the protocol is not asked again.
pub(crate) const WEB_SOCKET: &str = "it opens a WebSocket, which is not replayed";
