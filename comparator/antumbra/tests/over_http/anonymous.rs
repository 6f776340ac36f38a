//! `antumbra replay` of a capture whose credentials were blanked.

use crate::command_line::antumbra;
use crate::server::World;
use crate::service::{Service, Version};
use serde_json::Value;

/// A capture whose requests had a credential that it blanked, each of them twice.
fn captured(world: &World, requests: usize) {
    let lines = (1..=requests).map(|id| {
        format!(
            r#"{{"version":1,"id":"{id:032x}","release":"shop","generation":1,"atUs":5,
            "request":{{"method":"GET","path":"/products/{id}","headers":[["authorization","[redacted]"],["cookie","[redacted]"]]}},
            "primary":{{"outcome":"response","response":{{"status":200}}}},"candidate":{{"outcome":"refused"}}}}"#
        )
        .replace('\n', "")
            + "\n"
    });
    let lines = lines.collect::<String>();
    std::fs::write(world.data().with_file_name("c.ndjson"), lines.clone() + &lines).unwrap();
}

/// Both versions refuse whoever is not known, and so they agree.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_without_the_credentials_that_a_capture_blanked_is_no_proof() {
    let world = World::new(None).await;
    captured(&world, 60);
    let policy = crate::server::SHOP.replace("[header:x-request-trace]", "[/number]").replace(
        "{margin: 0.5, warmUp: 0s, atLeast: 0s}",
        "{margin: 50, endpointMargin: 50, promoteAlpha: 0.5}",
    );
    std::fs::write(world.data().with_file_name("shop.yaml"), policy).unwrap();
    let locked = Service::start(Version::Locked).await;
    let legs = format!("--primary {0} --control {0} --candidate {0}", locked.url());
    let line =
        format!("replay c.ndjson --rate 300 --timeout 20s --concurrency 100 --policy shop.yaml {legs}");
    let anonymous = antumbra(&world, &line).await;
    assert_eq!(anonymous.code, 3, "{}{}", anonymous.out, anonymous.err);
    let said = "c.ndjson: blanked in the recording, so that the services answer as to an anonymous client: authorization, cookie;";
    assert_eq!(anonymous.err.matches(said).count(), 1, "{}", anonymous.err);
    for shown in [
        "120 requests read: 60 sent, 60 compared",
        "skipped: same_id 60",
        "sent without what the recording blanked: authorization 60, cookie 60",
        "another status than recorded: 60 of 60 answers of the primary, 200 → 401 in 60",
        "the primary answers 60 of 60 requests with another status than recorded",
    ] {
        let out = anonymous.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(out.contains(shown), "{shown}: {}", anonymous.out);
    }
    let known =
        antumbra(&world, &format!("{line} --header authorization=key --header cookie=a=b --output json"))
            .await;
    let report: Value = serde_json::from_str(&known.out).unwrap();
    assert_eq!(known.err, "");
    assert_eq!(
        (&report["replay"]["statuses"]["known"], &report["replay"]["statuses"]["changed"]),
        (&60.into(), &serde_json::json!({}))
    );
    assert!(
        report["reasonDetails"].as_array().unwrap().iter().all(|reason| reason["code"] != "population"),
        "{report}"
    );
    let refused = antumbra(&world, &format!("{line} --header host=shop.test")).await;
    assert!(refused.code == 2 && refused.err.contains("for Host there is --host"), "{}", refused.err);
}
