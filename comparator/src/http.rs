//! HTTP for people and programs: the router, the guard before it, and one file a noun.

mod app;
mod asking;
mod audits;
pub(crate) mod config;
mod connection;
mod exchanges;
mod generations;
mod guard;
mod patient;
mod places;
mod policies;
mod problems;
mod readiness;
mod reading;
mod releases;
mod router;
pub(crate) mod serve;
mod status;
mod tokens;
mod trying;
