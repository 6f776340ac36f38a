//! What the contract is called on the wire: its version, its schema, its media types and its header names.

/// The version of this contract. An observation with a higher one is refused, not guessed at.
pub const VERSION: u32 = 1;

/// The JSON Schema (draft 2020-12) of an [`Observation`] in JSON.
pub const SCHEMA: &str = include_str!("../observation.schema.json");

/// The media type of a batch from a filter.
pub const CBOR_SEQUENCE: &str = "application/cbor-seq";
/// Request header of a batch: who sends it, as 32 hexadecimal digits ([`Instance`]).
pub const INSTANCE_HEADER: &str = "x-antumbra-instance";
/// Request header of a batch: its number, counted by the instance from 1. A repeat is acknowledged and not counted again.
pub const SEQUENCE_HEADER: &str = "x-antumbra-sequence";
/// Request header of a batch: how many observations it holds, for the accounts if the body does not decode.
pub const COUNT_HEADER: &str = "x-antumbra-count";
/// Request header of a batch: a [`Heartbeat`], so that a filter that sends batches need not poll.
pub const HEARTBEAT_HEADER: &str = "x-antumbra-heartbeat";
/// The media type of an answer to such a batch that brings the policy, because the filter runs another generation.
pub const POLICY_JSON: &str = "application/vnd.antumbra.policy+json";
/// Response header that names the run of the comparator's process: with another one it has heard of no filter yet.
pub const RUN_HEADER: &str = "x-antumbra-run";
/// Request header that marks a shadow request; a request that carries it is never mirrored.
pub const SHADOW_HEADER: &str = "x-antumbra-shadow";
