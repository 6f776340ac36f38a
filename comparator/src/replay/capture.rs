//! Our own captures: one observation a line, of which only the request is asked again, once.

use std::io::{self, BufRead};

use antumbra_observation::{ExchangeId, Request, VERSION};
use serde::Deserialize;

use super::lines::{self, Line};
use super::{Entry, Recorded, Skipped};
use crate::seen::Seen;

/// The next request, or none at the end.
///
/// # Errors
/// Of the reader.
pub(crate) fn next(reader: &mut impl BufRead, seen: &mut Seen) -> io::Result<Option<Entry>> {
    while let Some(line) = lines::next(reader, MAX_LINE)? {
        match line {
            Line::TooLong => return Ok(Some(Err(Skipped::TooLarge))),
            Line::Whole(line) if line.trim_ascii().is_empty() || line.starts_with(b"{\"lost\":") => {}
            Line::Whole(line) => return Ok(Some(request(&line, seen))),
        }
    }
    Ok(None)
}

fn request(line: &[u8], seen: &mut Seen) -> Entry {
    let observed: Observed = serde_json::from_slice(line).map_err(|_| Skipped::Malformed)?;
    if observed.version > VERSION {
        return Err(Skipped::Malformed);
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
        let mut seen = Seen::new(9);
        while let Some(entry) = next(&mut text, &mut seen).unwrap() {
            found.push(entry.map(|recorded| (recorded.request.path.0, recorded.status)));
        }
        let malformed = Err(Skipped::Malformed);
        assert_eq!(found, [Ok((b"/\xff".to_vec(), None)), malformed.clone(), malformed.clone(), malformed]);
    }

    #[test]
    fn an_exchange_is_asked_once_and_its_status_is_known() {
        let line = |id: &str| {
            let primary = r#""primary":{"outcome":"response","response":{"status":404}}"#;
            format!(r#"{{"version":1,"id":"{id:0>32}","request":{{"method":"GET","path":"/"}},{primary}}}"#)
        };
        let text = [line("1"), line("1"), line("0"), line("0")].join("\n");
        let (mut text, mut seen) = (text.as_bytes(), Seen::new(9));
        let next = || next(&mut text, &mut seen).unwrap().map(|entry| entry.map(|recorded| recorded.status));
        let found: Vec<_> = std::iter::from_fn(next).collect();
        assert_eq!(found, [Ok(Some(404)), Err(Skipped::SameId), Ok(Some(404)), Ok(Some(404))]);
    }
}
