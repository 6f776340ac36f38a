//! Headers of a request that its shadows do not repeat, whoever makes them.
//!
//! Those of the hop would corrupt the framing of the call, a proxy in front of the service would obey copied `x-envoy-*`, a copied
//! trace context would attach shadow spans to the client's trace, and only who makes a shadow marks it as one. `te` is not
//! among them: what of it goes along depends on the protocol that is spoken.

use crate::contract::SHADOW_HEADER;

/// Whether a header of this name, in whatever case, is not passed on to a shadow.
pub fn stays_behind(name: &[u8]) -> bool {
    let begins =
        |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    begins(b"proxy-")
        || begins(b"x-envoy-")
        || STAYS_BEHIND.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether a header of this name, in whatever case, has a service take the request for one of another method: a safe request that is
/// repeated with it may write.
pub fn overrides_method(name: &[u8]) -> bool {
    OVERRIDES_METHOD.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// What frameworks obey, as <https://www.rubydoc.info/gems/rack/Rack/MethodOverride>, Express's `method-override` and ASP.NET Core's
/// `HttpMethodOverrideMiddleware` do.
const OVERRIDES_METHOD: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

const STAYS_BEHIND: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "traceparent",
    "tracestate",
    SHADOW_HEADER,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_overrides_the_method_is_known_in_any_case() {
        for name in ["X-HTTP-Method-Override", "x-http-method", "X-Method-OVERRIDE"] {
            assert!(overrides_method(name.as_bytes()), "{name}");
        }
        for name in ["x-http-methods", "method", "", ":method"] {
            assert!(!overrides_method(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn names_in_any_case() {
        for name in ["Connection", "PROXY-authorization", "x-envoy-", "X-Envoy-Retry-On", "x-antumbra-shadow"]
        {
            assert!(stays_behind(name.as_bytes()), "{name}");
        }
        for name in ["accept", "te", "proxy", "x-envoy", "connections", "", ":path"] {
            assert!(!stays_behind(name.as_bytes()), "{name}");
        }
    }
}
