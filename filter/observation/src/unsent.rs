//! Why a shadow call never left. Such a leg says nothing of the service, but somebody has to find out what to mend.

use serde::{Deserialize, Serialize};

/// Why a shadow call never left. One that a later version knows is read as [`Unsent::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsent {
    /// The proxy has no cluster of that name.
    UnknownCluster,
    /// The request has more header fields than the proxy sends.
    TooManyHeaders,
    /// The cluster has no healthy host.
    NoHealthyHost,
    /// The proxy took no further call: its own circuit breaker is open, or the cluster has no host.
    ProxyRefused,
    /// The comparator spares a service that does not answer.
    Breaker,
    /// The comparator has as many calls under way as it may have, or the service as many as that may.
    NoPlace,
    /// HTTP/1.1, which the comparator speaks, cannot carry the request.
    Unsendable,
    /// The comparator gave the call up before anybody heard its answer.
    GivenUp,
    /// Something else.
    #[serde(other)]
    Other,
}

impl Unsent {
    /// The name in observations, reports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownCluster => "unknown_cluster",
            Self::TooManyHeaders => "too_many_headers",
            Self::NoHealthyHost => "no_healthy_host",
            Self::ProxyRefused => "proxy_refused",
            Self::Breaker => "breaker",
            Self::NoPlace => "no_place",
            Self::Unsendable => "unsendable",
            Self::GivenUp => "given_up",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_name_is_the_one_on_the_wire_and_a_new_one_is_read() {
        for reason in [
            Unsent::UnknownCluster,
            Unsent::TooManyHeaders,
            Unsent::NoHealthyHost,
            Unsent::ProxyRefused,
            Unsent::Breaker,
            Unsent::NoPlace,
            Unsent::Unsendable,
            Unsent::GivenUp,
            Unsent::Other,
        ] {
            let cbor = minicbor_serde::to_vec(reason).unwrap();
            assert_eq!(minicbor_serde::from_slice::<Unsent>(&cbor).unwrap(), reason);
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        let later = minicbor_serde::to_vec("solar_flare").unwrap();
        assert_eq!(minicbor_serde::from_slice::<Unsent>(&later).unwrap(), Unsent::Other);
    }
}
