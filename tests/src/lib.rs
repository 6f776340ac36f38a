//! What the demo and the end-to-end tests share.

pub mod bench;
pub mod cache;
pub mod client;
pub mod clients;
pub mod command;
pub mod comparator;
pub mod components;
pub mod demo;
pub mod envoy;
pub mod envoy_binary;
pub mod envoy_config;
pub mod example;
pub mod misbehaving;
pub mod pair;
pub mod patience;
pub mod pieces;
pub mod plugin;
pub mod process;
pub mod recorded_world;
pub mod recorder;
pub mod service;
pub mod soak;
pub mod toolchain;
pub mod upstream;
pub mod world;
