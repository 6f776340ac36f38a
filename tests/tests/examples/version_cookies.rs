//! `version-cookies`: a version cookie for each service, and choices that reach the services behind over two hops.

use antumbra_e2e::example::{Example, Reached};
use antumbra_e2e::upstream::Behaviour;
use anyhow::Result;

use crate::{VARIANT, assert_claims};

/// Both hops, and the web services hand on what their requests came with.
async fn two_hops() -> Result<(Example, Example)> {
    let first = Example::start("version-cookies").await?;
    let second = first.second("hop2-envoy.yaml", "hop2-policy.yaml").await?;
    for web in ["ssp-web-v0", "ssp-web-v1"] {
        let (name, to) = (web.to_owned(), second.envoy.address);
        let headers = &["baggage", "x-adposition-version"];
        first.service(web).behave(Behaviour::Relay { name, to, headers });
    }
    Ok((first, second))
}

/// The name of the service behind the one that answered.
fn behind(reached: &Reached) -> &str {
    reached.said["behind"]["service"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn each_service_has_a_version_cookie_of_its_own() -> Result<()> {
    let ssp = Example::inline("version-cookies").await?;
    for (path, cookie, expected) in [
        ("/static/a.js", "", "static-ssp-v0"),
        ("/static/a.js", "static-ssp-version=v1", "static-ssp-v1"),
        ("/static/a.js", "static-ssp-version=v0", "static-ssp-v0"),
        ("/static/a.js", "ssp-web-version=v1", "static-ssp-v0"),
        ("/api/ads", "", "ssp-web-v0"),
        ("/api/ads", "ssp-web-version=v1", "ssp-web-v1"),
        ("/api/ads", "static-ssp-version=v1", "ssp-web-v0"),
        ("/api/ads", "static-ssp-version=v1; ssp-web-version=v1", "ssp-web-v1"),
        // Not on the list.
        ("/api/ads", "ssp-web-version=v2", "ssp-web-v0"),
        ("/api/ads", "ssp-web-version=web-v1", "ssp-web-v0"),
        ("/api/ads", "ssp-web-version=", "ssp-web-v0"),
    ] {
        let reached = ssp.ask(path, &[("cookie", cookie)]).await?;
        assert_eq!(reached.service, expected, "{path} {cookie}");
        let variant = reached.received(VARIANT).unwrap_or_default();
        assert_eq!(expected.replace("-ssp", "").replace("ssp-", ""), variant, "{path} {cookie}");
    }
    // Nobody's business: Envoy's own routes decide, and still no client does.
    for headers in [&[][..], &[("cookie", "ssp-web-version=v1")], &[(VARIANT, "web-v1")]] {
        let reached = ssp.ask("/health", headers).await?;
        assert_eq!((&*reached.service, reached.received(VARIANT)), ("ssp-web-v0", None), "{headers:?}");
    }
    ssp.assert_no_traps().await
}

#[tokio::test]
async fn a_version_is_committed_and_rolled_back_for_one_service_alone() -> Result<()> {
    let ssp = Example::start("version-cookies").await?;
    ssp.put_edited("policy.yaml", "to: web-v0", "to: web-v1").await?;
    for (path, cookie, expected) in [
        ("/api/ads", "", "ssp-web-v1"),
        ("/api/ads", "ssp-web-version=v0", "ssp-web-v0"),
        ("/static/a.js", "", "static-ssp-v0"),
    ] {
        assert_eq!(ssp.ask(path, &[("cookie", cookie)]).await?.service, expected, "{path} {cookie}");
    }
    ssp.put("policy.yaml").await?;
    assert_eq!(ssp.ask("/api/ads", &[]).await?.service, "ssp-web-v0");
    Ok(())
}

#[tokio::test]
async fn choices_are_handed_on_as_baggage_and_header() -> Result<()> {
    let ssp = Example::inline("version-cookies").await?;
    assert_claims(&ssp, 4).await?;
    let cookies = "delivery-version=v1; adposition-version=v0";
    let reached = ssp.ask("/api/ads", &[("cookie", cookies), ("baggage", "tenant=blue;ttl=5")]).await?;
    assert_eq!(reached.received("baggage"), Some("tenant=blue;ttl=5,delivery-version=v1"));
    assert_eq!(reached.received("x-adposition-version"), Some("v0"));
    assert_eq!(reached.received("x-ssp-variant"), Some("web-v0"));

    // Neither values that are not on the list nor what a client wrote itself.
    let forged = [
        ("cookie", "delivery-version=v9; adposition-version=v9"),
        ("baggage", "delivery-version=v1, tenant=blue"),
        ("x-adposition-version", "v1"),
        ("x-ssp-variant", "web-v1"),
    ];
    let reached = ssp.ask("/api/ads", &forged).await?;
    assert_eq!(reached.received("baggage"), Some("tenant=blue"));
    assert_eq!(reached.received("x-adposition-version"), None);
    assert_eq!(reached.received("x-ssp-variant"), Some("web-v0"));
    ssp.assert_no_traps().await
}

#[tokio::test]
async fn the_second_hop_routes_by_what_the_first_handed_on() -> Result<()> {
    let (first, second) = two_hops().await?;
    for (path, cookies, web, expected) in [
        ("/api/delivery", "", "ssp-web-v0", "delivery-v0"),
        ("/api/delivery", "delivery-version=v1", "ssp-web-v0", "delivery-v1"),
        ("/api/delivery", "delivery-version=v0", "ssp-web-v0", "delivery-v0"),
        ("/api/delivery", "adposition-version=v1", "ssp-web-v0", "delivery-v0"),
        ("/api/delivery", "delivery-version=v9", "ssp-web-v0", "delivery-v0"),
        ("/api/adposition", "", "ssp-web-v0", "adposition-v0"),
        ("/api/adposition", "adposition-version=v1", "ssp-web-v0", "adposition-v1"),
        ("/api/adposition", "delivery-version=v1", "ssp-web-v0", "adposition-v0"),
        ("/api/delivery", "ssp-web-version=v1; delivery-version=v1", "ssp-web-v1", "delivery-v1"),
        ("/api/adposition", "ssp-web-version=v1", "ssp-web-v1", "adposition-v0"),
    ] {
        let reached = first.ask(path, &[("cookie", cookies)]).await?;
        assert_eq!((&*reached.service, behind(&reached)), (web, expected), "{path} {cookies}");
    }
    // Other members travel on, to the last service.
    let headers = [("cookie", "delivery-version=v1"), ("baggage", "tenant=blue")];
    let reached = first.ask("/api/delivery", &headers).await?;
    assert_eq!(behind(&reached), "delivery-v1");
    assert_eq!(reached.said["behind"]["headers"]["baggage"], "tenant=blue,delivery-version=v1");
    assert_eq!(reached.said["behind"]["headers"][VARIANT], "delivery-v1");
    assert_eq!(second.service("delivery-v1").received().len(), 3);

    // What a client writes itself ends at the first hop.
    let forged =
        [("baggage", "delivery-version=v1"), ("x-adposition-version", "v1"), (VARIANT, "delivery-v1")];
    for (path, expected) in [("/api/delivery", "delivery-v0"), ("/api/adposition", "adposition-v0")] {
        assert_eq!(behind(&first.ask(path, &forged).await?), expected, "{path}");
    }
    first.assert_no_traps().await?;
    second.assert_no_traps().await
}
