//! What filters send: bytes in, observations to the writer, an acknowledgement out once they are durable.

mod batch;
mod comparing;
pub(crate) mod decode;
mod decoding;
mod handovers;
mod heartbeats;
mod intake;
mod observations;

use std::sync::Arc;

pub(crate) use comparing::Comparing;
pub(crate) use decoding::Decoding;
pub(crate) use intake::Intake;

use crate::api::route::{Route, Verb};

/// The routes that filters call.
pub(crate) fn routes() -> [Route<Arc<Intake>>; 3] {
    [
        Route::new(Verb::Post, "/v1/observations", observations::receive),
        Route::new(Verb::Post, "/v1/handovers", handovers::receive),
        Route::new(Verb::Post, "/v1/heartbeats", heartbeats::receive),
    ]
}
