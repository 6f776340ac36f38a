//! What the contract is called on the wire: its version, its schema, its media types and its header names.

/// The version of this contract. An observation with a higher one is refused, not guessed at.
pub const VERSION: u32 = 1;

/// The JSON Schema (draft 2020-12) of an [`Observation`](crate::Observation) in JSON.
pub const SCHEMA: &str = include_str!("../observation.schema.json");

/// The media type of a batch from a filter.
pub const CBOR_SEQUENCE: &str = "application/cbor-seq";
/// The request header of a batch that says who sends it, as 32 hexadecimal digits ([`Instance`](crate::Instance)).
pub const INSTANCE_HEADER: &str = "x-antumbra-instance";
/// The request header of a batch that holds its number, counted by the instance from 1. A repeat is acknowledged and not counted
/// again.
pub const SEQUENCE_HEADER: &str = "x-antumbra-sequence";
/// The request header of a batch that says how many observations it holds, for the accounts if the body does not decode.
pub const COUNT_HEADER: &str = "x-antumbra-count";
/// The request header of a batch that carries a [`Heartbeat`](crate::Heartbeat), so that a filter that sends batches need not
/// poll.
pub const HEARTBEAT_HEADER: &str = "x-antumbra-heartbeat";
/// The media type of an answer to a batch with a heartbeat that brings the policy, because the filter runs another generation.
pub const POLICY_JSON: &str = "application/vnd.antumbra.policy+json";
/// The response header that names the run of the comparator's process. If it is another run than before, the comparator has not
/// been told anything yet.
pub const RUN_HEADER: &str = "x-antumbra-run";
/// The request header that marks a shadow request; a request that carries it is never mirrored.
pub const SHADOW_HEADER: &str = "x-antumbra-shadow";
