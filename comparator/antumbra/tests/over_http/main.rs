//! The comparator as its users meet it: over real HTTP on a free port, with a real database in a directory of its own.

mod amplified;
mod anonymous;
mod at_rest;
mod audits;
mod canaries;
mod capture;
mod command_line;
mod connections;
#[cfg(feature = "grpc-messages")]
mod damage;
mod descriptors;
mod diffing;
mod durability;
#[cfg(feature = "plugins")]
mod example_plugin;
mod exposure;
mod guards;
mod handovers;
mod ingest;
mod kills;
mod leaks;
mod lifetime;
mod offline;
#[cfg(feature = "plugins")]
mod plugins;
mod policies;
mod process;
mod recordings;
mod refusals;
mod replay;
mod sentences;
mod server;
mod service;
mod signals;
mod sources;
mod stored;
mod tokens;
mod told;
mod trying;
