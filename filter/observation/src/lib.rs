//! The wire contract between the filter and the comparator: observations and heartbeats; and what both do alike who make shadow calls.
//!
//! One observation carries all legs of one exchange, so the comparator never joins streams. From the filter they come as a
//! CBOR sequence (RFC 8742, `application/cbor-seq`); people and other producers may send the same structs as JSON or
//! NDJSON. HTTP is bytes: a header value that is not UTF-8 arrives as it was.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects
    )
)]

mod breaker;
mod building;
mod bytes;
mod codec;
mod collected;
mod contract;
mod counts;
mod handover;
mod headers;
mod heartbeat;
mod hex;
mod hop;
mod not_mirrored;
mod observation;
mod reason;
mod trouble;
mod undelivered;
mod unsafe_method;
mod unsent;

pub use breaker::Breakers;
pub use bytes::Bytes;
pub use codec::{
    MAX_COUNTED, MAX_FIELDS, Malformed, check_version, decode_handovers, decode_heartbeat,
    decode_heartbeat_header, decode_sequence, encode, encode_handover, encode_heartbeat,
    encode_heartbeat_header,
};
pub use collected::Collected;
pub use contract::{
    CBOR_SEQUENCE, COUNT_HEADER, HEARTBEAT_HEADER, INSTANCE_HEADER, POLICY_JSON, RUN_HEADER, SCHEMA,
    SEQUENCE_HEADER, SHADOW_HEADER, VERSION,
};
pub use counts::Counts;
pub use handover::{Handover, ShadowRequest};
pub use headers::MAX_HEADERS;
pub use heartbeat::{Accounts, Heartbeat};
pub use hex::{ExchangeId, Instance};
pub use hop::{overrides_method, stays_behind};
pub use not_mirrored::NotMirrored;
pub use observation::{Body, Leg, Observation, Outcome, Request, Response};
pub use reason::{Meaning, Reason};
pub use trouble::{MAX_TROUBLES, Trouble, TroubleKind, node_name};
pub use undelivered::Undelivered;
pub use unsafe_method::UnsafeMethod;
pub use unsent::Unsent;
