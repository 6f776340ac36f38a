//! A body to the observations that it holds: a CBOR sequence from filters, JSON or NDJSON from everybody else.
//!
//! All or nothing, in every format, so that the sender knows what became of each observation.

use antumbra_observation::{CBOR_SEQUENCE, Handover, Heartbeat, Malformed, Observation, VERSION};
use antumbra_observation::{decode_handovers, decode_heartbeat, decode_sequence};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::misread;

/// The format of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/cbor-seq`, or `application/cbor` for a single item.
    Cbor,
    /// `application/json`: one.
    Json,
    /// `application/x-ndjson`: one per line.
    Ndjson,
}

impl Format {
    /// The format that a media type (lower case, no parameters) names.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            CBOR_SEQUENCE | "application/cbor" => Some(Self::Cbor),
            "application/json" => Some(Self::Json),
            "application/x-ndjson" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// All observations of a batch.
pub(crate) fn observations(format: Format, bytes: &[u8]) -> Result<Vec<Observation>, Malformed> {
    match format {
        Format::Cbor => decode_sequence(bytes),
        Format::Json => checked(std::iter::once(bytes)),
        Format::Ndjson => {
            checked(bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()))
        }
    }
}

/// All handovers of a batch, which only filters send.
pub(crate) fn handovers(format: Format, bytes: &[u8]) -> Result<Vec<Handover>, Malformed> {
    match format {
        Format::Cbor => decode_handovers(bytes),
        Format::Json | Format::Ndjson => {
            Err(Malformed::Undecodable { index: 0, message: "must be a CBOR sequence".to_owned() })
        }
    }
}

/// One heartbeat; NDJSON is read as JSON.
pub(crate) fn heartbeat(format: Format, bytes: &[u8]) -> Result<Heartbeat, Malformed> {
    if format == Format::Cbor {
        return decode_heartbeat(bytes);
    }
    let heartbeat: Heartbeat = json(bytes, 0)?;
    heartbeat.check()?;
    Ok(heartbeat)
}

fn checked<'b>(texts: impl Iterator<Item = &'b [u8]>) -> Result<Vec<Observation>, Malformed> {
    let mut fields = 0;
    let read = texts.enumerate().map(|(index, text)| {
        let observation: Observation = json(text, index)?;
        fields = observation.check(index, fields)?;
        Ok(observation)
    });
    read.collect()
}

/// A contract of the future may well not decode: its version says so.
fn json<T: DeserializeOwned>(bytes: &[u8], index: usize) -> Result<T, Malformed> {
    misread::json(bytes).map_err(|misread| match serde_json::from_slice::<VersionOnly>(bytes) {
        Ok(VersionOnly { version }) if version > u64::from(VERSION) => {
            Malformed::FutureVersion { index, version }
        }
        _ => Malformed::Undecodable { index, message: misread.to_string() },
    })
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"version":1,"id":"000000000000000000000000000000ff","release":"shop","generation":1,
        "atUs":5,"request":{"method":"GET","path":"/"},
        "primary":{"outcome":"response","response":{"status":204}},"candidate":{"outcome":"refused"}}"#;

    fn check(format: Format, body: &str, expected: Result<usize, &str>) {
        let found = observations(format, body.as_bytes());
        match expected {
            Ok(count) => assert_eq!(found.map(|all| all.len()), Ok(count), "{body}"),
            Err(start) => {
                let error = found.unwrap_err().to_string();
                assert!(error.starts_with(start), "{error}");
            }
        }
    }

    #[test]
    fn a_batch_is_read_whole_or_refused_by_name() {
        let line = ONE.replace('\n', "");
        check(Format::Json, ONE, Ok(1));
        check(Format::Ndjson, &format!("{line}\n\n{line}\r\n"), Ok(2));
        check(Format::Ndjson, "", Ok(0));
        check(Format::Cbor, "", Ok(0));
        check(Format::Json, "", Err("observation 0 does not decode"));
        check(Format::Ndjson, &format!("{line}\n{{}}"), Err("observation 1 does not decode"));
        check(
            Format::Json,
            &ONE.replace("\"version\":1", "\"version\":7"),
            Err("observation 0 has version 7"),
        );
        let silent = ONE.replace(r#","response":{"status":204}"#, "");
        check(Format::Json, &silent, Err("observation 0 does not decode: primary.response is missing"));
        check(
            Format::Ndjson,
            &format!("{line}\n{}", silent.replace('\n', "")),
            Err("observation 1 does not decode"),
        );
        check(Format::Json, r#"{"version": 3, "shape": "new"}"#, Err("observation 0 has version 3"));
    }
}
