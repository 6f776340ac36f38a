//! The body of a recorded request, out of `postData`: its text, or its parameters written as the type says.
//!
//! Texts lie about bodies that are not text. One that was decoded goes without its encoding, and one that lost bytes is not sent: half a
//! body is not what was asked.

use antumbra_observation::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::replay::entry::Skipped;
use crate::replay::target::push_encoded;

/// What an archive says of a body.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Posted {
    mime_type: Option<String>,
    text: Option<String>,
    params: Option<Vec<Param>>,
    /// `base64`; not of the standard, but tools write it as they do for the content of answers.
    #[serde(alias = "_encoding")]
    encoding: Option<String>,
}

/// One field of a form.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Param {
    name: String,
    value: Option<String>,
    file_name: Option<String>,
    content_type: Option<String>,
}

type Headers = Vec<(Bytes, Bytes)>;

/// The bytes that were sent. `sent` is their number as the archive has it. Headers that say what the body is are made to fit.
pub(super) fn body(
    posted: Option<Posted>,
    sent: Option<u64>,
    headers: &mut Headers,
) -> Result<Vec<u8>, Skipped> {
    let length = header(headers, "content-length").and_then(|length| length.parse().ok());
    let sent = length.or(sent);
    let posted = posted.unwrap_or_default();
    let declared = header(headers, "content-type");
    let mime = posted.mime_type.as_deref().filter(|mime| !mime.trim().is_empty()).map(str::to_owned);
    let body = match (posted.text, posted.params) {
        (Some(text), params) if !text.is_empty() || params.as_ref().is_none_or(Vec::is_empty) => {
            of_text(text, posted.encoding.as_deref(), sent, headers)?
        }
        (_, Some(params)) if !params.is_empty() => {
            let written = written(mime.as_deref(), declared.as_deref());
            return of_params(&params, written, sent, headers);
        }
        (None, None) if mime.is_some() && sent != Some(0) => {
            return Err(Skipped::malformed(
                "its postData has neither text nor params, so its body is not known",
            ));
        }
        _ => Vec::new(),
    };
    if let Some(sent) = sent.filter(|sent| *sent > 0 && body.is_empty()) {
        return Err(without(sent));
    }
    if let (None, Some(mime), false) = (declared, mime, body.is_empty()) {
        headers.push(("content-type".into(), mime.as_str().into()));
    }
    Ok(body)
}

fn without(sent: u64) -> Skipped {
    let bytes = if sent == 1 { "byte" } else { "bytes" };
    Skipped::TooLarge(format!("it was recorded without its body of {sent} {bytes}").into())
}

/// Refuses a body that was cut: fewer bytes than were sent are not what was asked.
fn whole(body: Vec<u8>, sent: Option<u64>) -> Result<Vec<u8>, Skipped> {
    match sent {
        Some(sent) if !body.is_empty() && (body.len() as u64) < sent => {
            let why = format!("its postData has {} of the {sent} bytes of its body", body.len());
            Err(Skipped::TooLarge(why.into()))
        }
        _ => Ok(body),
    }
}

/// What parameters are written as: what the archive says, as the header says it where both mean the same.
fn written<'m>(mime: Option<&'m str>, declared: Option<&'m str>) -> &'m str {
    match (mime, declared) {
        (Some(mime), Some(declared)) if media(mime) == media(declared) => declared,
        (Some(mime), _) => mime,
        (None, declared) => declared.unwrap_or(FORM),
    }
}

fn media(written: &str) -> String {
    written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn of_text(
    text: String,
    encoding: Option<&str>,
    sent: Option<u64>,
    headers: &mut Headers,
) -> Result<Vec<u8>, Skipped> {
    match encoding.map(|encoding| encoding.trim().to_ascii_lowercase()).as_deref() {
        Some("base64") => {
            let decoded = STANDARD.decode(text.trim());
            let decoded = decoded
                .map_err(|_| Skipped::malformed("its postData.text is not base64 as its encoding says"))?;
            return whole(decoded, sent);
        }
        None | Some("" | "utf-8" | "utf8") => {}
        Some(_) => {
            return Err(Skipped::malformed("its postData.encoding is unknown, must be base64 or missing"));
        }
    }
    let encoded = |value: &String| !value.trim().is_empty() && !value.eq_ignore_ascii_case("identity");
    if header(headers, "content-encoding").filter(encoded).is_some() && !text.is_empty() {
        let lost = |char: char| char == LOST || char.is_control() && !char.is_ascii_whitespace();
        if text.contains(lost) {
            return Err(Skipped::malformed(
                "its body is compressed, and postData.text does not have its bytes",
            ));
        }
        // Who shows a compressed body as text has decoded it.
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case(b"content-encoding"));
        return Ok(text.into_bytes());
    }
    if text.contains(LOST) && sent != Some(text.len() as u64) {
        return Err(Skipped::malformed("its body is not text, and postData.text does not have its bytes"));
    }
    whole(text.into_bytes(), sent)
}

fn of_params(
    params: &[Param],
    written: &str,
    sent: Option<u64>,
    headers: &mut Headers,
) -> Result<Vec<u8>, Skipped> {
    let media = media(written);
    let (written, body) = match media.as_str() {
        FORM => (written.to_owned(), form(params)),
        "text/plain" => (written.to_owned(), plain(params)),
        "multipart/form-data" => {
            let boundary = boundary(written, params);
            let body = multipart(params, &boundary)?;
            (format!("multipart/form-data; boundary={}", quoted(&boundary)), body)
        }
        _ => {
            // What is longer, or has other characters, is no type: who knows what it is.
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-._".contains(&byte);
            let named = media.len() <= MAX_TYPE && media.bytes().all(sound);
            let media = if named { format!("{media:?}") } else { "its type".to_owned() };
            return Err(Skipped::malformed(format!("its postData has params, which {media} cannot have")));
        }
    };
    // Another client may write the same with more bytes, but not with any number of them.
    if let Some(sent) = sent.filter(|sent| *sent > longest(params)) {
        let why = format!("its postData.params hold less than the {sent} bytes of its body");
        return Err(Skipped::TooLarge(why.into()));
    }
    // They describe the body as it was, not as it is written here.
    headers.retain(|(name, _)| {
        !name.eq_ignore_ascii_case(b"content-type") && !name.eq_ignore_ascii_case(b"content-encoding")
    });
    headers.push(("content-type".into(), written.as_str().into()));
    Ok(body)
}

/// More bytes than parameters take however a client writes them: three for each of theirs, and what stands between parts.
fn longest(params: &[Param]) -> u64 {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let each = params.iter().map(|Param { name, value, file_name, content_type }| {
        3 * (name.len() + length(value) + length(file_name)) + length(content_type) + MAX_BETWEEN
    });
    each.sum::<usize>() as u64 + MAX_BETWEEN as u64
}

/// As <https://url.spec.whatwg.org/#urlencoded-serializing> says.
fn form(params: &[Param]) -> Vec<u8> {
    let mut body = Vec::new();
    for Param { name, value, .. } in params {
        if !body.is_empty() {
            body.push(b'&');
        }
        push_form(name, &mut body);
        body.push(b'=');
        push_form(value.as_deref().unwrap_or_default(), &mut body);
    }
    body
}

fn push_form(text: &str, body: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b' ' => body.push(b'+'),
            b'*' | b'-' | b'.' | b'_' => body.push(byte),
            _ if byte.is_ascii_alphanumeric() => body.push(byte),
            _ => push_encoded(byte, body),
        }
    }
}

/// As <https://html.spec.whatwg.org/#plain-text-form-data> says.
fn plain(params: &[Param]) -> Vec<u8> {
    let line =
        |Param { name, value, .. }: &Param| format!("{name}={}\r\n", value.as_deref().unwrap_or_default());
    params.iter().map(line).collect::<String>().into_bytes()
}

/// As <https://html.spec.whatwg.org/#multipart-form-data> says.
fn multipart(params: &[Param], boundary: &str) -> Result<Vec<u8>, Skipped> {
    let mut body = String::new();
    for Param { name, value, file_name, content_type } in params {
        let file = file_name.as_ref().map(|file| format!("; filename=\"{}\"", escaped(file)));
        let media = content_type.as_ref().filter(|media| !media.contains(['\r', '\n']));
        let media = media.map(|media| format!("\r\nContent-Type: {media}")).unwrap_or_default();
        let value = match (value, &file) {
            (None, Some(_)) => {
                return Err(Skipped::TooLarge("a file of its form was not recorded".into()));
            }
            (value, _) => value.as_deref().unwrap_or_default(),
        };
        body.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"{}{media}\r\n\r\n{value}\r\n",
            escaped(name),
            file.unwrap_or_default()
        ));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    Ok(body.into_bytes())
}

fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// The boundary that the type names, or one that no value has.
fn boundary(written: &str, params: &[Param]) -> String {
    let parameter = written.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut named = parameter.filter(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"));
    let named = named.next().map(|(_, boundary)| boundary.trim().trim_matches('"'));
    let fits = |boundary: &&str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
        !boundary.is_empty() && boundary.len() <= 70 && boundary.bytes().all(allowed)
    };
    let within = |boundary: &str| {
        params.iter().any(|param| param.value.as_ref().is_some_and(|value| value.contains(boundary)))
    };
    let mut boundary = named.filter(fits).unwrap_or("antumbra").to_owned();
    while within(&boundary) {
        boundary.push('-');
    }
    boundary
}

fn quoted(boundary: &str) -> String {
    let token = boundary.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"'+-._".contains(&byte));
    if token { boundary.to_owned() } else { format!("\"{boundary}\"") }
}

fn header(headers: &Headers, wanted: &str) -> Option<String> {
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
    found.map(|(_, value)| value.to_text().into_owned())
}

/// Bytes that a client writes around one part: a boundary of 70, and headers.
const MAX_BETWEEN: usize = 512;
/// Bytes of a media type that is shown.
const MAX_TYPE: usize = 64;
const FORM: &str = "application/x-www-form-urlencoded";
/// Stands for what could not be read as text.
const LOST: char = '\u{fffd}';
