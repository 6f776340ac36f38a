//! Every example of `envoy/examples/` does on the real Envoy what its README says.

mod customer_hash;
mod files;
mod gray_cookie;
mod header_ip_url;
mod red_yellow_green;
mod version_cookies;
mod weighted_mirror;

use antumbra_e2e::example::Example;
use anyhow::Result;

/// The header by which the policies of the examples say who answered.
const VARIANT: &str = "x-antumbra-variant";

/// Asks as the README's curl lines do, and holds the answers against what they say.
async fn assert_claims(example: &Example, least: usize) -> Result<()> {
    let claims = example.claims()?;
    assert!(claims.len() >= least, "the README has only {claims:?}");
    for claim in claims {
        let headers: Vec<_> = claim.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let reached = example.ask(&claim.path, &headers).await?;
        let (name, value) = &claim.expected;
        assert_eq!(reached.got(name), [value.as_str()], "{claim:?}, {}", reached.said);
    }
    Ok(())
}
