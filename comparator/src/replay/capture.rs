//! Our own captures: one observation a line, of which only the request is asked again.

use std::io::{self, BufRead};

use antumbra_observation::{Request, VERSION};
use serde::Deserialize;

use super::lines::{self, Line};
use super::{Entry, Skipped};

/// The next request, or none at the end.
///
/// # Errors
/// Of the reader.
pub(crate) fn next(reader: &mut impl BufRead) -> io::Result<Option<Entry>> {
    while let Some(line) = lines::next(reader, MAX_LINE)? {
        match line {
            Line::TooLong => return Ok(Some(Err(Skipped::TooLarge))),
            Line::Whole(line) if line.trim_ascii().is_empty() || line.starts_with(b"{\"lost\":") => {}
            Line::Whole(line) => return Ok(Some(request(&line))),
        }
    }
    Ok(None)
}

fn request(line: &[u8]) -> Entry {
    let recorded: Recorded = serde_json::from_slice(line).map_err(|_| Skipped::Malformed)?;
    if recorded.version > VERSION { Err(Skipped::Malformed) } else { Ok(recorded.request) }
}

/// What a replay needs of an observation.
#[derive(Deserialize)]
struct Recorded {
    version: u32,
    request: Request,
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
        while let Some(entry) = next(&mut text).unwrap() {
            found.push(entry.map(|request| request.path.0));
        }
        let malformed = Err(Skipped::Malformed);
        assert_eq!(found, [Ok(b"/\xff".to_vec()), malformed.clone(), malformed.clone(), malformed]);
    }
}
