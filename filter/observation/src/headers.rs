//! A list of header fields, bounded while it is read.
//!
//! A pair of empty strings is three bytes on the wire and some fifty in memory: without a bound a batch within its size
//! limit would grow twentyfold.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::bytes::Bytes;

/// How many fields one list of headers or trailers may have; more are refused as undecodable. Envoy takes 100 unless told
/// otherwise.
pub const MAX_HEADERS: usize = 4_096;

/// For `#[serde(deserialize_with)]`.
pub(crate) fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Bytes, Bytes)>, D::Error> {
    deserializer.deserialize_seq(Fields)
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(Bytes, Bytes)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX_HEADERS} pairs of name and value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = seq.next_element()? {
            if fields.len() == MAX_HEADERS {
                return Err(A::Error::custom(format_args!("a list of headers is longer than {MAX_HEADERS}")));
            }
            fields.push(field);
        }
        Ok(fields)
    }
}
