//! Our own captures: one observation a line, of which only the request is asked again, once.

use std::io::{self, BufRead};

use antumbra_observation::{Bytes, ExchangeId, Request, VERSION};
use serde::Deserialize;

use super::entry::{At, Entry, Recorded, RequestLine, Skipped};
use super::lines::{self, Line};
use super::losses::{self, Losses};
use crate::api::misread;
use crate::seen::Seen;

/// How far a capture was read, and the exchanges in it so far.
#[derive(Debug)]
pub(crate) struct Capture {
    lines: u64,
    seen: Seen,
    losses: Losses,
    /// What stands behind a loss that was returned.
    next: Option<Entry>,
}

impl Capture {
    /// Goes on behind so many lines; knows so many exchanges at least.
    pub(crate) fn behind(lines: u64, most: usize) -> Self {
        Self { lines, seen: Seen::new(most), losses: Losses::default(), next: None }
    }

    /// The next request, or none at the end. What the capture says it lost comes before the request behind it.
    ///
    /// # Errors
    /// Of the reader.
    pub(crate) fn next(&mut self, reader: &mut impl BufRead) -> io::Result<Option<Entry>> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        while let Some(line) = lines::next(reader, MAX_LINE)? {
            self.lines += 1;
            let found = match line {
                Line::TooLong => {
                    let why = format!("it has more than {MAX_LINE} bytes");
                    Some(self.entry(Err(Skipped::TooLarge(why.into())), None))
                }
                Line::Whole(line) => self.held(&line),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        let lost = self.losses.end();
        Ok((lost > 0).then(|| self.entry(Err(Skipped::Lost(lost)), None)))
    }

    /// What a line holds; none if it is blank, or says what was lost before the next.
    fn held(&mut self, line: &[u8]) -> Option<Entry> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        if let Some(lost) = losses::lost(line) {
            self.losses.note(lost);
            return None;
        }
        let observed = match observed(line) {
            Ok(observed) => observed,
            Err(skipped) => return Some(self.entry(Err(skipped), told(line))),
        };
        let id = observed.id.unwrap_or(ExchangeId(0));
        let is_new = self.seen.is_new(id);
        let lost = self.losses.before(id, is_new);
        let status = observed.primary.and_then(|leg| leg.response).map(|answer| answer.status);
        let recorded = Recorded { request: observed.request, status };
        let entry = self.entry(if is_new { Ok(recorded) } else { Err(Skipped::SameId) }, None);
        if lost == 0 {
            return Some(entry);
        }
        self.next = Some(entry);
        Some(self.entry(Err(Skipped::Lost(lost)), None))
    }

    fn entry(&self, asked: Result<Recorded, Skipped>, line: Option<RequestLine>) -> Entry {
        Entry { at: At::Line { line: self.lines }, asked, line }
    }
}

fn observed(line: &[u8]) -> Result<Observed, Skipped> {
    let observed: Observed = misread::json(line).map_err(|misread| Skipped::malformed(misread.in_line()))?;
    if observed.version > VERSION {
        let version = observed.version;
        return Err(Skipped::malformed(format!("version is {version}, must be within 1..={VERSION}")));
    }
    Ok(observed)
}

/// What a line that cannot be used asked for, if it says so.
fn told(line: &[u8]) -> Option<RequestLine> {
    let Located { request: Named { method, path } } = serde_json::from_slice(line).ok()?;
    Some(RequestLine { method, path })
}

/// As much of an observation as names its endpoint.
#[derive(Deserialize)]
struct Located {
    request: Named,
}

#[derive(Deserialize)]
struct Named {
    method: Bytes,
    path: Bytes,
}

/// What a replay needs of an observation.
#[derive(Deserialize)]
struct Observed {
    version: u32,
    id: Option<ExchangeId>,
    request: Request,
    primary: Option<Leg>,
}

#[derive(Deserialize)]
struct Leg {
    response: Option<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    status: u16,
}

/// An observation has at most three answers of 8 MiB and a request, in base64 at worst.
pub(crate) const MAX_LINE: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_a_line() {
        let mut text = &b"\n{ \"lost\": 3 }\n{\"version\":1,\"request\":{\"method\":\"GET\",\"path\":{\"base64\":\"L/8=\"}},\"more\":1}\r\n\
            {\"version\":9,\"request\":{\"method\":\"GET\",\"path\":\"/\"}}\n{}\n{\"version\":1,\"request\":{\"met"[..];
        let mut found = Vec::new();
        let mut capture = Capture::behind(0, 9);
        while let Some(Entry { at, asked, .. }) = capture.next(&mut text).unwrap() {
            let At::Line { line } = at else { panic!() };
            found.push((line, asked.map(|recorded| (recorded.request.path.0, recorded.status))));
        }
        let malformed = |why: &str| Err(Skipped::malformed(why.to_owned()));
        let expected = [
            (3, Err(Skipped::Lost(3))),
            (3, Ok((b"/\xff".to_vec(), None))),
            (4, malformed("version is 9, must be within 1..=1")),
            (5, malformed("missing field `version`")),
            (6, malformed("EOF while parsing a string at column 28")),
        ];
        assert_eq!(found, expected);
    }

    /// Messages are printed and kept by whoever runs this.
    #[test]
    fn a_line_that_cannot_be_used_is_named_without_its_values() {
        let lines = [
            r#"{"version":1,"request":{"method":"PUT","path":"/a","headers":[["cookie",{"hush":1}]]}}"#,
            r#"{"version":1,"request":{"method":"PUT","path":"/a"},"primary":{"response":{"status":"hush"}}}"#,
            r#"{"version":1,"request":{"method":{"hush":1},"path":"/a"}}"#,
            r#"{"lost":"hush"}"#,
        ]
        .join("\n");
        let (mut text, mut capture) = (lines.as_bytes(), Capture::behind(0, 9));
        let entries: Vec<Entry> = std::iter::from_fn(|| capture.next(&mut text).unwrap()).collect();
        let messages: Vec<String> =
            entries.iter().map(|entry| entry.asked.as_ref().unwrap_err().to_string()).collect();
        assert!(!messages.concat().contains("hush"), "{messages:?}");
        insta::assert_snapshot!(messages.join("\n"), @r"
        a member of request.headers[0][1] is a number, must be a string
        primary.response.status is a string, must be a whole number within its bounds
        a member of request.method is a number, must be a string
        missing field `version`
        ");
        let line = RequestLine { method: "PUT".into(), path: "/a".into() };
        assert_eq!(
            entries.into_iter().map(|entry| entry.line).collect::<Vec<_>>(),
            [Some(line.clone()), Some(line), None, None]
        );
    }

    #[test]
    fn an_exchange_is_asked_once_and_its_status_is_known() {
        let line = |id: &str| {
            let primary = r#""primary":{"outcome":"response","response":{"status":404}}"#;
            format!(r#"{{"version":1,"id":"{id:0>32}","request":{{"method":"GET","path":"/"}},{primary}}}"#)
        };
        let text = [line("1"), line("1"), line("0"), line("0")].join("\n");
        let (mut text, mut capture) = (text.as_bytes(), Capture::behind(0, 9));
        let next =
            || capture.next(&mut text).unwrap().map(|entry| entry.asked.map(|recorded| recorded.status));
        let found: Vec<_> = std::iter::from_fn(next).collect();
        assert_eq!(found, [Ok(Some(404)), Err(Skipped::SameId), Ok(Some(404)), Ok(Some(404))]);
    }
}
