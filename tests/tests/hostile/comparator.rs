//! A comparator that answers what none should: the filter refuses it, and the clients do not notice.

use antumbra_e2e::client::Client;
use antumbra_e2e::envoy::Envoy;
use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::patience::until;
use antumbra_e2e::toolchain;
use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use anyhow::Result;
use serde_json::json;

/// A document of 300 KB with conditions on 20,000 parameters. When each was compared with all others, reading it took a minute, and the worker answered
/// nobody meanwhile.
#[tokio::test]
async fn a_document_made_to_take_long_holds_up_no_request() -> Result<()> {
    let conditions: serde_json::Map<_, _> = (0..20_000).map(|n| (format!("k{n}"), json!("1"))).collect();
    let variants = json!({"stable": null});
    let rules = json!([{"to": "stable", "matches": [{"query": conditions}]}]);
    let hostile = json!({
        "version": 1, "generation": 2, "name": "shop", "variants": variants, "default": "stable", "rules": rules
    });
    let comparator = Upstream::start(Behaviour::Answer(Reply::json(&hostile.to_string()))).await?;
    let stable = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await?;
    let config = EnvoyConfig::shipped()?.module(&toolchain::filter_module()?)?;
    let config = config
        .upstream("stable", stable.address())?
        .upstream("antumbra", comparator.address())?
        .plugin(&json!({
            "release": "shop",
            "comparator": {"cluster": "antumbra"},
            "policy": {"version": 1, "name": "shop", "variants": variants, "default": "stable", "rules": []},
        }))?;
    let directory = tempfile::tempdir()?;
    let envoy = Envoy::start(config, directory.path(), 1).await?;
    let client = Client::default();
    let url = format!("http://{}/", envoy.address);
    until("the document is refused", || async {
        assert_eq!(client.get(&url).await?.status, 200);
        let told = "asks a request for more than 8192 names";
        Ok(envoy.process().log().contains(told).then_some(()))
    })
    .await?;
    for _ in 0..100 {
        assert_eq!(client.get(&url).await?.status, 200);
    }
    envoy.assert_no_traps().await
}
