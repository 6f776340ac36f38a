//! Why a shadow call never left. Such a leg says nothing of the service, but somebody has to find out what to mend.

use crate::reason::reasons;

reasons! {
    /// Why a shadow call of a mirrored exchange never left. One call of two may have left: such an exchange is not compared either.
    pub enum Unsent {
        /// The proxy has no cluster of that name.
        UnknownCluster = "unknown_cluster", Thinned;
        /// The request has more header fields than the proxy sends.
        TooManyHeaders = "too_many_headers", Thinned;
        /// The cluster has no healthy host.
        NoHealthyHost = "no_healthy_host", Thinned;
        /// The proxy took no further call: its own circuit breaker is open, or the cluster has no host.
        ProxyRefused = "proxy_refused", Thinned;
        /// The comparator spares a service that does not answer.
        Breaker = "breaker", Thinned;
        /// The comparator has as many calls under way as it may have, or the service as many as that may.
        NoPlace = "no_place", Thinned;
        /// HTTP/1.1, which the comparator speaks, cannot carry the request.
        Unsendable = "unsendable", Thinned;
        /// The comparator gave the call up before anybody heard its answer.
        GivenUp = "given_up", Thinned;
    }
    Other means Thinned;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_reason_of_a_later_version_is_read() {
        let later = minicbor_serde::to_vec("solar_flare").unwrap();
        assert_eq!(minicbor_serde::from_slice::<Unsent>(&later).unwrap(), Unsent::Other);
    }
}
