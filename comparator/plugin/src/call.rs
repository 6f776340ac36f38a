//! One call of a plugin: what it is given, what it may take, what may come of it, and how it can fail.

use std::time::Duration;

use antumbra_engine::Finding;
use antumbra_observation::{Bytes, MAX_HEADERS};

/// An answer as a plugin gets it.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status of HTTP.
    pub status: u16,
    /// Names and values in their order, trailers aside.
    pub headers: &'a [(Bytes, Bytes)],
    /// The whole body, without its content encodings.
    pub body: &'a [u8],
}

/// What is compared in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Names and values in their order.
    pub headers: Vec<(Bytes, Bytes)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What one call may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Instructions, about.
    pub fuel: u64,
    /// Further ones for each byte that it is given.
    pub fuel_per_byte: u64,
    /// Bytes of all its memories.
    pub memory: usize,
    /// By the clock: far more than the fuel takes.
    pub time: Duration,
}

/// Why a call gave nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It computed for too long.
    Fuel,
    /// It took too long.
    Time,
    /// It wanted too much memory.
    Memory,
    /// It broke: an unreachable instruction, an import that is not there.
    Trap(String),
    /// What it answered is malformed or too large.
    Output(String),
    /// It says itself that it cannot deal with the answer.
    Refused(String),
    /// A body was longer than what is kept of it.
    Cut,
    /// The encodings of a body cannot be taken off.
    Encoding(String),
    /// The batch had taken too long already.
    Late,
    /// Too many bytes of observations are in flight to keep what came of it.
    Room,
    /// The comparator was started without it.
    Absent,
}

impl Failure {
    /// The reason under which it is counted.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Fuel => "fuel",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Trap(_) => "trap",
            Self::Output(_) => "output",
            Self::Refused(_) => "refused",
            Self::Cut => "cut",
            Self::Encoding(_) => "encoding",
            Self::Late => "late",
            Self::Room => "room",
            Self::Absent => "absent",
        }
    }

    /// What is known beyond the reason.
    pub fn detail(&self) -> &str {
        match self {
            Self::Trap(detail) | Self::Output(detail) | Self::Refused(detail) | Self::Encoding(detail) => {
                detail
            }
            Self::Fuel => "it computed for too long",
            Self::Time => "it took too long",
            Self::Memory => "it wanted more memory than it may have",
            Self::Cut => "a body was longer than what is kept of it",
            Self::Late => "the batch had taken too long already",
            Self::Room => "too many bytes are in flight",
            Self::Absent => "the comparator was started without it",
        }
    }
}

impl Answer<'_> {
    /// Bytes of what it says.
    pub fn size(&self) -> usize {
        self.body.len().saturating_add(size(self.headers))
    }
}

impl Rewritten {
    /// The same if it is within the bounds of what an answer of `given` bytes may become.
    ///
    /// # Errors
    /// [`Failure::Output`] with the value and the bound: more bytes than [`Limits::output`], or more than [`MAX_HEADERS`] headers.
    pub fn bounded(self, given: usize) -> Result<Self, Failure> {
        let (size, most) = (self.body.len().saturating_add(size(&self.headers)), Limits::output(given));
        if size > most {
            return Err(Failure::Output(format!("answered {size} bytes, must be at most {most}")));
        }
        if self.headers.len() > MAX_HEADERS {
            let count = self.headers.len();
            return Err(Failure::Output(format!("answered {count} headers, must be at most {MAX_HEADERS}")));
        }
        Ok(self)
    }
}

impl Limits {
    /// Bytes that may come of an answer of so many.
    pub fn output(given: usize) -> usize {
        given.saturating_mul(2).saturating_add(SMALL_OUTPUT)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 20_000_000, fuel_per_byte: 1_000, memory: 64 << 20, time: Duration::from_secs(1) }
    }
}

/// The differences if they are of a form that can be counted.
///
/// # Errors
/// [`Failure::Output`]: there are more than 1,000, or one names no place of at most 1,024 bytes.
pub fn countable(found: Vec<Finding>) -> Result<Vec<Finding>, Failure> {
    if found.len() > MAX_FINDINGS {
        let count = found.len();
        return Err(Failure::Output(format!("found {count} differences, must be at most {MAX_FINDINGS}")));
    }
    match found.iter().find(|found| !is_path(&found.path)) {
        None => Ok(found),
        Some(found) => Err(Failure::Output(format!(
            "names the place {:?}, must be empty, begin with / or be header:<name> or cookie:<name>",
            found.path.chars().take(100).collect::<String>()
        ))),
    }
}

fn is_path(path: &str) -> bool {
    let placed = path.is_empty()
        || path.starts_with('/')
        || path.starts_with("header:")
        || path.starts_with("cookie:");
    placed && path.len() <= MAX_PATH && !path.contains(char::is_control)
}

fn size(headers: &[(Bytes, Bytes)]) -> usize {
    headers.iter().map(|(name, value)| name.len().saturating_add(value.len())).fold(0, usize::saturating_add)
}

const SMALL_OUTPUT: usize = 64 << 10;
const MAX_FINDINGS: usize = 1_000;
const MAX_PATH: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use antumbra_engine::Kind;

    #[test]
    fn what_comes_out_is_bounded_by_what_went_in() {
        let rewritten = |body: usize, headers: usize| {
            let headers = vec![(Bytes::from("a"), Bytes::from("b")); headers];
            Rewritten { headers, body: vec![0; body] }
                .bounded(1_000)
                .map(drop)
                .map_err(|failure| failure.reason())
        };
        assert_eq!(rewritten(2_000 + SMALL_OUTPUT - 2, 1), Ok(()));
        assert_eq!(rewritten(2_000 + SMALL_OUTPUT - 1, 1), Err("output"));
        assert_eq!(rewritten(0, MAX_HEADERS), Ok(()));
        assert_eq!(rewritten(0, MAX_HEADERS + 1), Err("output"));
    }

    #[test]
    fn places_that_can_be_counted() {
        let found = |path: &str| Finding {
            path: path.to_owned(),
            kind: Kind::Value,
            primary: String::new(),
            other: String::new(),
        };
        for path in ["", "/", "/items/*/price", "header:etag", "cookie:sid"] {
            assert!(countable(vec![found(path)]).is_ok(), "{path}");
        }
        for path in ["items", "/a\nb", &format!("/{}", "x".repeat(MAX_PATH))] {
            assert!(matches!(countable(vec![found(path)]), Err(Failure::Output(_))), "{path}");
        }
        assert!(countable(vec![found("/"); MAX_FINDINGS]).is_ok());
        assert!(countable(vec![found("/"); MAX_FINDINGS + 1]).is_err());
    }
}
