//! HTTP archives as browsers and proxies export them (HAR 1.2): one JSON document, read as a whole.

use std::collections::VecDeque;
use std::io::Read;

use antumbra_observation::{Body, Bytes, Request};
use serde::Deserialize;
use serde_json::Value;

use super::{Entry, Recorded, Skipped, Unreadable, raw_request};

/// All requests of an archive.
///
/// # Errors
/// It cannot be read, is too large or is no archive.
pub(crate) fn read(reader: impl Read) -> Result<VecDeque<Entry>, Unreadable> {
    let mut text = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Unreadable::TooLarge { most: MAX_BYTES });
    }
    // Some tools write the mark of UTF-8 first.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let archive: Archive =
        serde_json::from_slice(text).map_err(|error| Unreadable::Archive(error.to_string()))?;
    Ok(archive.log.entries.into_iter().map(recorded).collect())
}

/// An answer that never came has the status 0, and what writes another thing there knows none.
fn recorded(exchange: Exchange) -> Entry {
    let status = exchange.response.and_then(|answer| answer.status.as_u64());
    let status =
        status.filter(|status| (100..1_000).contains(status)).and_then(|status| u16::try_from(status).ok());
    Ok(Recorded { request: request(exchange.request)?, status })
}

fn request(asked: Asked) -> Result<Request, Skipped> {
    let (authority, path) = raw_request::split_target(asked.url.as_bytes()).ok_or(Skipped::Malformed)?;
    let authority = authority.ok_or(Skipped::Malformed)?;
    let headers = asked.headers.into_iter().map(|h| (bytes(h.name), bytes(h.value)));
    let body = asked.post_data.map_or_else(Vec::new, |posted| posted.text.into_bytes());
    Ok(Request {
        method: bytes(asked.method),
        path: path.into(),
        authority: authority.into(),
        headers: headers.collect(),
        body: Body::Whole(body.into()),
    })
}

fn bytes(text: String) -> Bytes {
    text.into_bytes().into()
}

#[derive(Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    request: Asked,
    response: Option<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    status: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    post_data: Option<Posted>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct Posted {
    #[serde(default)]
    text: String,
}

/// Bytes of an archive; it is held in memory.
const MAX_BYTES: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_an_archive() {
        let text = "\u{feff}{\"log\": {\"version\": \"1.2\", \"entries\": [
            {\"request\": {\"method\": \"GET\", \"url\": \"https://shop.test/a?b=1#top\", \"headers\": [
                {\"name\": \":path\", \"value\": \"/a\"}, {\"name\": \"Accept\", \"value\": \"caf\u{e9}\"}]}, \"response\": {\"status\": 401}, \"time\": 3},
            {\"request\": {\"method\": \"POST\", \"url\": \"http://shop.test\", \"postData\": {\"mimeType\": \"x\", \"text\": \"a=b\"}}, \"response\": {\"status\": 0}},
            {\"request\": {\"method\": \"GET\", \"url\": \"http://x/\"}, \"response\": {\"status\": \"odd\"}},
            {\"request\": {\"method\": \"GET\", \"url\": \"data:text/plain,x\"}}]}}";
        let found: Vec<_> = read(text.as_bytes()).unwrap().into_iter().collect();
        let statuses: Vec<_> = found.iter().flatten().map(|recorded| recorded.status).collect();
        assert_eq!(statuses, [Some(401), None, None]);
        let first = &found[0].as_ref().unwrap().request;
        assert_eq!(
            (&first.path, &first.authority, first.headers.len()),
            (&"/a?b=1".into(), &"shop.test".into(), 2)
        );
        assert_eq!(found[1].as_ref().unwrap().request.body, Body::Whole("a=b".into()));
        assert_eq!(found[3], Err(Skipped::Malformed));
        for broken in ["{\"log\": {}}", "{\"log\": {\"entries\": [{\"request\": {\"method\""] {
            assert!(matches!(read(broken.as_bytes()), Err(Unreadable::Archive(_))), "{broken}");
        }
    }
}
