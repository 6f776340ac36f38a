//! The engine as its users see it, on whole releases without a network.

mod bodies;
mod forecasts;
mod forgers;
mod live;
mod margins;
mod merged;
#[cfg(feature = "grpc-messages")]
mod messages;
mod order;
mod real_traffic;
mod release;
mod scanners;
mod services;
mod simulate;
mod simulations;
mod suggestions;
mod thin;
mod traffic;
mod trials;
mod verdicts;
mod world;

// Neither snapshots nor properties build for every target.
#[cfg(not(target_family = "wasm"))]
mod apart;
#[cfg(not(target_family = "wasm"))]
mod comparison;
#[cfg(not(target_family = "wasm"))]
mod properties;
#[cfg(not(target_family = "wasm"))]
mod sentences;
#[cfg(not(target_family = "wasm"))]
mod text;
#[cfg(not(target_family = "wasm"))]
mod traps;
