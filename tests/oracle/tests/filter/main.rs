//! The filter's module, as it runs in Envoy, in a host that others wrote.

mod capture;
mod disorder;
mod mirroring;
mod polling;
mod removal;
mod splits;
