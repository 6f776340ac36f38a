//! A proxy without a network around the filter's module: the host is the crate `proxy-wasm-host`, which knows nothing of Envoy
//! or of us, and the test plays clock, client and services.
//!
//! What the ABI leaves to a host is as strict here as a host may be: a header map is there only in the callbacks for which the ABI
//! lists it, and a context knows no other's.

mod exchange;
mod proxy;
mod services;

pub use exchange::{Exchange, Headers, Message};
pub use proxy::Proxy;
pub use services::Call;
