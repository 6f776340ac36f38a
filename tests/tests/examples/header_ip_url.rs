//! `header-ip-url`: cookie, header, address and URL lead to the dark version, by one policy.

use antumbra_e2e::example::Example;
use anyhow::Result;
use http::{Method, Request};
use http_body_util::Full;

use crate::{VARIANT, assert_claims};

/// Asks and says who answered. The load balancer in front is the test: it writes x-forwarded-for.
async fn check(dark: &Example, path: &str, headers: &[(&str, &str)], expected: &str) -> Result<()> {
    let reached = dark.ask(path, headers).await?;
    assert_eq!(reached.service, expected, "{path} {headers:?}");
    assert_eq!(reached.received(VARIANT), Some(expected), "{path} {headers:?}");
    Ok(())
}

#[tokio::test]
async fn cookie_header_and_url_lead_to_the_dark_version() -> Result<()> {
    let dark = Example::inline("header-ip-url").await?;
    for (path, headers, expected) in [
        ("/", &[][..], "normal"),
        ("/", &[("cookie", "dark=true")], "dark"),
        ("/", &[("cookie", "dark=TRUE")], "dark"),
        ("/", &[("cookie", "dark=truer")], "normal"),
        ("/", &[("x-dark", "certainly-True")], "dark"),
        ("/", &[("x-dark", "true-or-not")], "normal"),
        ("/", &[("x-client-version", "2.17")], "dark"),
        ("/", &[("x-client-version", "12.1")], "normal"),
        ("/", &[("x-client-version", "2.1-rc")], "normal"),
        ("/beta", &[], "dark"),
        ("/beta/list", &[], "dark"),
        ("/betamax", &[], "normal"),
        ("/a/../beta", &[], "dark"),
        ("/page.dark", &[], "dark"),
        ("/page.dark?a=b", &[], "dark"),
        ("/page.darker", &[], "normal"),
        ("/page?a=.dark", &[], "normal"),
        ("/page?a=b&preview=1", &[], "dark"),
        ("/page?preview=0&preview=1", &[], "normal"),
        // An earlier rule decides.
        ("/checkout", &[("cookie", "dark=true"), ("x-dark", "true")], "normal"),
        ("/checkout/pay?preview=1", &[], "normal"),
    ] {
        check(&dark, path, headers, expected).await?;
    }
    dark.assert_no_traps().await
}

#[tokio::test]
async fn addresses_count_as_the_load_balancer_wrote_them() -> Result<()> {
    let dark = Example::inline("header-ip-url").await?;
    for (forwarded, expected) in [
        ("198.51.100.7", "dark"),
        ("198.51.100.8", "normal"),
        ("10.8.255.255", "dark"),
        ("10.9.0.0", "normal"),
        ("192.0.2.10", "dark"),
        ("192.0.2.20", "dark"),
        ("192.0.2.21", "normal"),
        ("2001:db8:8::1", "dark"),
        ("2001:db8:9::1", "normal"),
        // What the client wrote itself stands left of what the load balancer wrote.
        ("198.51.100.7, 203.0.113.9", "normal"),
        ("203.0.113.9, 198.51.100.7", "dark"),
        ("no address", "normal"),
    ] {
        check(&dark, "/", &[("x-forwarded-for", forwarded)], expected).await?;
    }
    check(&dark, "/", &[], "normal").await?;

    // The interval is for GET alone: a block of two conditions.
    let post = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{}/", dark.envoy.address))
        .header("x-forwarded-for", "192.0.2.10");
    dark.forget();
    let client = antumbra_e2e::client::Client::default();
    assert_eq!(client.send(post.body(Full::default())?).await?.status, 200);
    assert_eq!((dark.service("dark").received().len(), dark.service("normal").received().len()), (0, 1));
    dark.assert_no_traps().await
}

#[tokio::test]
async fn rules_change_at_run_time() -> Result<()> {
    let dark = Example::start("header-ip-url").await?;
    assert_claims(&dark, 6).await?;
    let network = [("x-forwarded-for", "10.8.1.2")];
    check(&dark, "/", &network, "dark").await?;
    dark.put_edited("policy.yaml", "10.8.0.0/16", "10.9.0.0/16").await?;
    check(&dark, "/", &network, "normal").await?;
    check(&dark, "/beta", &[], "dark").await?;
    dark.put("policy.yaml").await?;
    check(&dark, "/", &network, "dark").await
}
