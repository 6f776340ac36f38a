//! Our own captures: one observation a line, of which only the request is asked again, once.

use std::io::{self, BufRead};

use antumbra_observation::{ExchangeId, Request, VERSION};
use serde::Deserialize;

use super::entry::{At, Entry, Recorded, Skipped};
use super::lines::{self, Line};
use crate::seen::Seen;

/// How far a capture was read, and the exchanges in it so far.
#[derive(Debug)]
pub(crate) struct Capture {
    lines: u64,
    seen: Seen,
}

impl Capture {
    /// Goes on behind so many lines; knows so many exchanges at least.
    pub(crate) fn behind(lines: u64, most: usize) -> Self {
        Self { lines, seen: Seen::new(most) }
    }

    /// The next request, or none at the end.
    ///
    /// # Errors
    /// Of the reader.
    pub(crate) fn next(&mut self, reader: &mut impl BufRead) -> io::Result<Option<Entry>> {
        while let Some(line) = lines::next(reader, MAX_LINE)? {
            self.lines += 1;
            let asked = match line {
                Line::TooLong => Err(Skipped::TooLarge(format!("it has more than {MAX_LINE} bytes").into())),
                Line::Whole(line) if line.trim_ascii().is_empty() || line.starts_with(b"{\"lost\":") => {
                    continue;
                }
                Line::Whole(line) => request(&line, &mut self.seen),
            };
            return Ok(Some(Entry { at: At::Line { line: self.lines }, asked }));
        }
        Ok(None)
    }
}

fn request(line: &[u8], seen: &mut Seen) -> Result<Recorded, Skipped> {
    let observed: Observed = serde_json::from_slice(line).map_err(|error| {
        Skipped::malformed(error.to_string().replace(" at line 1 column ", " at column "))
    })?;
    if observed.version > VERSION {
        let version = observed.version;
        return Err(Skipped::malformed(format!("version is {version}, must be within 1..={VERSION}")));
    }
    if !seen.is_new(observed.id.unwrap_or(ExchangeId(0))) {
        return Err(Skipped::SameId);
    }
    let status = observed.primary.and_then(|leg| leg.response).map(|answer| answer.status);
    Ok(Recorded { request: observed.request, status })
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
        let mut text = &b"\n{\"lost\":3}\n{\"version\":1,\"request\":{\"method\":\"GET\",\"path\":{\"base64\":\"L/8=\"}},\"more\":1}\r\n\
            {\"version\":9,\"request\":{\"method\":\"GET\",\"path\":\"/\"}}\n{}\n{\"version\":1,\"request\":{\"met"[..];
        let mut found = Vec::new();
        let mut capture = Capture::behind(0, 9);
        while let Some(Entry { at, asked }) = capture.next(&mut text).unwrap() {
            let At::Line { line } = at else { panic!() };
            found.push((line, asked.map(|recorded| (recorded.request.path.0, recorded.status))));
        }
        let malformed = |why: &str| Err(Skipped::malformed(why.to_owned()));
        let expected = [
            (3, Ok((b"/\xff".to_vec(), None))),
            (4, malformed("version is 9, must be within 1..=1")),
            (5, malformed("missing field `version` at column 2")),
            (6, malformed("EOF while parsing a string at column 28")),
        ];
        assert_eq!(found, expected);
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
