//! Header names and values as they go by: bytes, in order.

use antumbra_observation::Bytes;

/// Header names and values in order, duplicates kept; names are lower case, as HTTP/2 and Envoy have them.
pub type Headers = Vec<(Bytes, Bytes)>;

/// The first value of `name`, which is lower case.
pub(crate) fn first<'h>(headers: &'h Headers, name: &str) -> Option<&'h [u8]> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value.0.as_slice())
}
