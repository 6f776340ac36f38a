//! No client chooses its variant by a forged header, not even where the host keeps what the filter removes.

use antumbra_oracle::{Exchange, Message, Proxy};
use serde_json::{Value, json};

#[test]
fn a_forged_variant_is_removed_or_at_least_emptied() {
    let policy = json!({"version": 1, "name": "shop", "variants": {"a": {}}, "default": null, "rules": []});
    let comparator = json!({"cluster": "antumbra"});
    for configuration in [
        json!({"host": "generic", "policy": policy}),
        json!({"host": "generic", "release": "shop", "comparator": comparator}),
    ] {
        assert_eq!(seen(&configuration, "a", false), Vec::<Vec<u8>>::new(), "{configuration}");
        assert_eq!(seen(&configuration, "a", true), [b""], "{configuration}");
    }
}

/// The same header, where the policy says who goes where.
#[test]
fn a_forged_variant_is_replaced_by_the_chosen_one() {
    let policy =
        json!({"version": 1, "name": "shop", "variants": {"a": {}, "b": {}}, "default": "b", "rules": []});
    let configuration = json!({"host": "generic", "policy": policy});
    for keeps_removed in [false, true] {
        assert_eq!(seen(&configuration, "a", keeps_removed), [b"b"]);
    }
}

/// The variants that the service sees.
fn seen(configuration: &Value, forged: &str, keeps_removed: bool) -> Vec<Vec<u8>> {
    let name = "x-antumbra-variant";
    let mut request = Message::new([(":method", "GET"), (":path", "/"), (name, forged), (name, forged)]);
    request.headers.keeps_removed = keeps_removed;
    let response = Message::new([(":status", "200")]);
    let served = Proxy::start(configuration).serve(Exchange::new(request, response));
    served.request.headers.all(name)
}
