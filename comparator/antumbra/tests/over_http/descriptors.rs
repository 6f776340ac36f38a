//! Descriptor sets in a running comparator: another file is other evidence.

use antumbra_comparator::Descriptors;
use antumbra_observation::Observation;
use serde_json::Value;

use crate::server::{SHOP, World, observation};

/// A `FileDescriptorSet` of one file `a.proto` without anything in it.
const EMPTY_FILE: &[u8] = b"\x0a\x09\x0a\x07a.proto";

async fn reload(world: &mut World, set: Option<&[u8]>) {
    let file = world.data().with_file_name("shop.binpb");
    world.descriptors = match set {
        None => Descriptors::default(),
        Some(set) => {
            std::fs::write(&file, set).unwrap();
            Descriptors::from_file(&file).unwrap()
        }
    };
    world.restart(Vec::new()).await;
}

async fn send(world: &World, generation: u64) {
    let batch: Vec<Observation> = (1..=5)
        .map(|id| Observation { generation, ..observation(u128::from(generation) * 100 + id, 10) })
        .collect();
    assert_eq!(world.batch(generation, &batch).await.json()["compared"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_descriptor_set_begins_the_evidence_anew() {
    let mut world = World::new(None).await;
    assert_eq!(world.put("shop", SHOP).await.status, 201);
    send(&world, 1).await;
    for (set, generation, exchanges) in [
        (None, 1, 5),
        (Some(EMPTY_FILE), 2, 0),
        (Some(EMPTY_FILE), 2, 5),
        (Some(&b""[..]), 3, 0),
        (None, 4, 0),
    ] {
        reload(&mut world, set).await;
        let report: Value = world.get("/v1/releases/shop/report").await.json();
        let etag = world.get("/v1/policies/shop").await;
        assert_eq!(
            (etag.header("etag"), &report["exchanges"]),
            (&*format!("\"{generation}\""), &exchanges.into())
        );
        if exchanges == 0 {
            send(&world, generation).await;
        }
    }
    let audit = world.get("/v1/policies/shop/audit").await.text;
    assert!(audit.contains("plugins or descriptors are other files: descriptors="), "{audit}");
}
