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

use axum::Router;
use axum::routing::post;

pub(crate) use comparing::Comparing;
pub(crate) use decoding::Decoding;
pub(crate) use intake::Intake;

/// The routes that filters call.
pub(crate) fn routes<S>(intake: Arc<Intake>) -> Router<S> {
    Router::new()
        .route("/v1/observations", post(observations::receive))
        .route("/v1/handovers", post(handovers::receive))
        .route("/v1/heartbeats", post(heartbeats::receive))
        .with_state(intake)
}
