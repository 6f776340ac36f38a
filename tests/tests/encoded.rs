//! Answers that are compressed all the way through the real proxy are compared by what they say.

use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use antumbra_e2e::world::{Versions, World};
use anyhow::Result;

const POLICY: &str = "
version: 1
name: shop
variants: {stable: {cluster: stable}, candidate: {cluster: canary-shadow}, control: {cluster: control}}
default: stable
rules:
- mirror: [{to: candidate, percent: 100, control: {to: control, percent: 100}}]
";

#[tokio::test]
async fn a_zipped_answer_shows_the_field_that_differs() -> Result<()> {
    let (stable, candidate, control) =
        (zipped(PRICE_10).await?, zipped(PRICE_12).await?, zipped(SPACED_10).await?);
    let versions =
        Versions { stable: stable.address(), canary: candidate.address(), control: control.address() };
    let world = World::start(versions, POLICY).await?;
    world.drive(60, 4, |_| "/price".to_owned(), || {}).await?;
    world.settled(60).await?;

    let report = world.comparator.report("shop").await?;
    let regressions = report["regressions"].as_array().map_or(&[][..], Vec::as_slice);
    let found: Vec<_> = regressions.iter().map(|found| (&found["path"], &found["kind"])).collect();
    assert_eq!(found, [(&"/price".into(), &"value".into())], "{report:#}");
    assert_eq!(regressions[0]["example"]["candidate"], "12", "{report:#}");
    // The control's bytes are others in every exchange; what they say is not.
    assert_eq!((&report["noise"], &report["refused"]), (&serde_json::json!([]), &serde_json::json!([])));
    world.assert_no_traps().await
}

async fn zipped(body: &[u8]) -> Result<Upstream> {
    let headers =
        vec![("content-type", b"application/json".to_vec()), ("content-encoding", b"gzip".to_vec())];
    Upstream::start(Behaviour::Answer(Reply { status: 200, headers, body: body.to_vec() })).await
}

/// `printf '{"price":10,"currency":"EUR"}' | gzip -n`
const PRICE_10: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x2a, 0x28, 0xca, 0x4c, 0x4e,
    0x55, 0xb2, 0x32, 0x34, 0xd0, 0x51, 0x4a, 0x2e, 0x2d, 0x2a, 0x4a, 0xcd, 0x4b, 0xae, 0x54, 0xb2, 0x52,
    0x72, 0x0d, 0x0d, 0x52, 0xaa, 0x05, 0x00, 0x6f, 0x8e, 0xbf, 0xc4, 0x1d, 0x00, 0x00, 0x00,
];
/// The same with blanks, and with the time in gzip's header.
const SPACED_10: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, 0xff, 0xab, 0x56, 0x2a, 0x28, 0xca, 0x4c, 0x4e,
    0x55, 0xb2, 0x52, 0x30, 0x34, 0xd0, 0x51, 0x50, 0x4a, 0x2e, 0x2d, 0x2a, 0x4a, 0xcd, 0x4b, 0xae, 0x04,
    0xf2, 0x95, 0x5c, 0x43, 0x83, 0x94, 0x6a, 0x01, 0x6f, 0x84, 0xd8, 0x1d, 0x20, 0x00, 0x00, 0x00,
];
/// 12 instead of 10.
const PRICE_12: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x2a, 0x28, 0xca, 0x4c, 0x4e,
    0x55, 0xb2, 0x32, 0x34, 0xd2, 0x51, 0x4a, 0x2e, 0x2d, 0x2a, 0x4a, 0xcd, 0x4b, 0xae, 0x54, 0xb2, 0x52,
    0x72, 0x0d, 0x0d, 0x52, 0xaa, 0x05, 0x00, 0x9e, 0x88, 0x0b, 0xb0, 0x1d, 0x00, 0x00, 0x00,
];
