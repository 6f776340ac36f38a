//! `gray-cookie`: a cookie leads to the pre-release.

use antumbra_e2e::example::Example;
use anyhow::Result;

use crate::{VARIANT, assert_claims};

#[tokio::test]
async fn the_cookie_and_nothing_else_leads_to_the_pre_release() -> Result<()> {
    let gray = Example::inline("gray-cookie").await?;
    for (headers, service, variant) in [
        (&[][..], "prod", "prod"),
        (&[("cookie", "grey_release=true")], "pre-release", "pre"),
        (&[("cookie", "a=b; grey_release=true; c=d")], "pre-release", "pre"),
        (&[("cookie", "grey_release=false")], "prod", "prod"),
        (&[("cookie", "grey_release=trueish")], "prod", "prod"),
        (&[("cookie", "not_grey_release=true")], "prod", "prod"),
        // The first of two of a name wins.
        (&[("cookie", "grey_release=false; grey_release=true")], "prod", "prod"),
        // A client does not choose by the filter's own header.
        (&[(VARIANT, "pre")], "prod", "prod"),
        (&[(VARIANT, "prod"), ("cookie", "grey_release=true")], "pre-release", "pre"),
    ] {
        let reached = gray.ask("/catalogue?page=2", headers).await?;
        assert_eq!(reached.service, service, "{headers:?}");
        assert_eq!(reached.received(VARIANT), Some(variant), "{headers:?}");
        assert_eq!(reached.said["path"], "/catalogue?page=2");
    }
    assert_eq!(gray.service("pre-release").received().len(), 3);
    gray.assert_no_traps().await
}

#[tokio::test]
async fn answers_say_who_gave_them_and_that_they_depend_on_the_cookie() -> Result<()> {
    let gray = Example::inline("gray-cookie").await?;
    assert_claims(&gray, 2).await?;
    let reached = gray.ask("/", &[]).await?;
    assert_eq!(reached.got("vary"), ["cookie"]);
    Ok(())
}

#[tokio::test]
async fn the_pre_release_is_taken_back_and_given_again_at_run_time() -> Result<()> {
    let gray = Example::start("gray-cookie").await?;
    let tester = [("cookie", "grey_release=true")];
    assert_eq!(gray.ask("/", &tester).await?.service, "pre-release");
    gray.put_edited("policy.yaml", "enabled: true", "enabled: false").await?;
    assert_eq!(gray.ask("/", &tester).await?.service, "prod");
    gray.put("policy.yaml").await?;
    assert_eq!(gray.ask("/", &tester).await?.service, "pre-release");
    gray.assert_no_traps().await
}
