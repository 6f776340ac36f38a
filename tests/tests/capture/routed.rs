//! The shadows get the request as the stable version got it, and the observation names what the client asked for.

use antumbra_e2e::envoy_config::CONNECTION_MANAGER;
use anyhow::Result;
use http::Request;
use http_body_util::Full;
use serde_json::json;

use super::{Scene, only};

#[tokio::test]
async fn shadows_carry_the_headers_as_finally_routed() -> Result<()> {
    let scene = Scene::start(|mut config| {
        // The last route, to the stable version.
        let route = config.at(&format!("{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes/1"))?;
        route["route"]["prefix_rewrite"] = json!("/internal/");
        route["route"]["host_rewrite_literal"] = json!("shop.internal");
        route["request_headers_to_add"] =
            json!([{"header": {"key": "x-routed", "value": "by the proxy"}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}]);
        Ok(config)
    })
    .await?;
    let request =
        Request::get(scene.world.url("/cart?id=1")).header("x-client", "same").header("te", "trailers");
    assert_eq!(scene.world.client.send(request.body(Full::default())?).await?.status, 200);
    let observed = scene.world.observation("/cart?id=1").await?;
    assert_eq!(&*observed.request.authority.to_text(), "shop.internal");
    let stable = only(&scene.stable);
    for service in [&scene.stable, &scene.candidate, &scene.control] {
        let received = only(service);
        assert_eq!(received.path, "/internal/cart?id=1");
        for (name, value) in [("host", "shop.internal"), ("x-routed", "by the proxy"), ("x-client", "same")] {
            assert_eq!(received.header(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(received.header("te"), stable.header("te"));
    }
    for shadow in [&scene.candidate, &scene.control] {
        assert_eq!(only(shadow).header("x-antumbra-shadow"), Some(observed.id.to_string()));
    }
    Ok(())
}
