//! The filter: proxy-wasm in and out, and no decision of its own.
//!
//! Each callback reads what the host shows, hands it to the pure crates, and carries out their effects. `policy` decides,
//! `exchange` follows the request and does everything between requests. Nothing here may trap: under every failure policy a
//! trap costs somebody's request.

#![expect(missing_docs, reason = "the SDK's macro makes the one public function")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects
)]

mod host;
mod metrics;
mod root;
mod stream;

use proxy_wasm::traits::RootContext;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(root::Root::new(id)) });
}}
