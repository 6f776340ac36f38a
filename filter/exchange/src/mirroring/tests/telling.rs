//! What keeps an instance from doing what its policy says, in its heartbeats.

use antumbra_observation::{Heartbeat, TroubleKind};

use super::*;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

impl Fixture {
    /// The next heartbeat of its own.
    fn heartbeat(&mut self, ms: u64) -> Heartbeat {
        let calls = self.on(Incident::Tick, ms);
        let poll = calls.iter().find(|call| call.id == CallId::Poll).unwrap();
        decode_heartbeat(&poll.body).unwrap()
    }

    fn polled(&mut self, document: &str, ms: u64) {
        self.on(Incident::Answered(CallId::Poll, answer("200", document)), ms);
    }
}

fn told(heartbeat: &Heartbeat) -> Vec<String> {
    let line = |one: &antumbra_observation::Trouble| {
        format!("{:?} {:?} {} {}", one.kind, one.generation, one.subject, one.detail)
    };
    heartbeat.troubles.iter().map(line).collect()
}

#[test]
fn a_policy_that_is_refused_is_told_until_another_is_taken() {
    let mut instance = Fixture::running();
    let signed = POLICY
        .replace(":7", ":8")
        .replace(r#""rules":"#, r#""override":{"header":"x-choose","signedWith":"k1"},"rules":"#);
    let unreadable = POLICY.replace(":7", ":9").replace(r#""lease""#, r#""leese""#);
    let dear: String = (0..40)
        .map(|n| {
            format!(r#"{{"matches":[{{"headers":{{"x":{{"hash":{{"of":9,"buckets":[[1,1]],"salt":"{n}"}}}}}}}}],"to":"stable"}},"#)
        })
        .collect();
    let dear = POLICY.replace(":7", ":8").replace(r#""rules":["#, &format!(r#""rules":[{dear}"#));
    let long = format!("{}{}", " ".repeat(16 << 20), POLICY.replace(":7", ":8"));
    for (at, document, kind, words) in [
        (2_000, &signed, TroubleKind::MissingSecret, r#"Some(8) override is signed with "k1""#),
        (10_000, &unreadable, TroubleKind::PolicyRefused, "Some(9) leese is not a known field"),
        (18_000, &dear, TroubleKind::PolicyRefused, "Some(8) document may take a request "),
        (26_000, &long, TroubleKind::PolicyRefused, "None document has 16777"),
    ] {
        instance.heartbeat(at);
        instance.polled(document, at + 10);
        // The same document comes with every heartbeat.
        for later in [2_000, 4_000] {
            let heartbeat = instance.heartbeat(at + later);
            assert_eq!((heartbeat.generation, heartbeat.troubles[0].kind), (Some(7), kind));
            assert!(told(&heartbeat)[0].contains(words), "{:?}", told(&heartbeat));
            instance.polled(document, at + later + 10);
        }
    }
    instance.heartbeat(34_000);
    instance.polled(&POLICY.replace(":7", ":10"), 34_010);
    assert_eq!(told(&instance.heartbeat(36_000)), [""; 0]);
}

#[test]
fn a_cluster_that_the_proxy_does_not_have_is_told_with_its_leg() {
    let mut instance = Fixture::running();
    let capture = instance.capture();
    instance.on(Incident::Captured(capture), 10);
    instance.on(Incident::NotSent(CallId::Shadow(0, LegName::Candidate), Unsent::UnknownCluster), 10);
    instance.on(Incident::Answered(CallId::Shadow(0, LegName::Control), answer("200", "ok")), 20);
    assert_eq!(told(&instance.heartbeat(2_000)), ["UnknownCluster None canary-shadow candidate"]);
    instance.polled(&POLICY.replace(":7", ":8"), 2_010);
    assert_eq!(told(&instance.heartbeat(4_000)), [""; 0], "another generation may name another cluster");
}

#[test]
fn requests_that_go_astray_are_told_with_where_they_go() {
    let mut instance = Fixture::running();
    let policy = Arc::clone(instance.mirroring.policy().unwrap());
    let candidate = policy.variants().find(|variant| variant.name == "candidate").unwrap();
    assert!(instance.mirroring.wants_route(&policy, candidate));
    instance.mirroring.routed(&policy, candidate, Some(b"stable"));
    assert_eq!(told(&instance.heartbeat(2_000)), ["NoRoute None candidate stable"]);
    instance.polled(&POLICY.replace(":7", ":8"), 2_010);
    instance.mirroring.routed(&policy, candidate, Some(b"stable"));
    assert_eq!(told(&instance.heartbeat(4_000)), [""; 0], "decided by the generation before");
}

#[test]
fn a_heartbeat_says_where_the_instance_runs_how_often_it_speaks_and_when_it_ends() {
    let mut instance = Fixture::running();
    instance.mirroring.runs_in(Some("edge-1".to_owned()));
    let heartbeat = instance.heartbeat(2_000);
    assert_eq!(
        (heartbeat.node.as_deref(), heartbeat.every_ms, heartbeat.ends),
        (Some("edge-1"), Some(10_000), false)
    );
    assert_eq!(heartbeat.filter_version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    instance.on(Incident::Answered(CallId::Poll, answer("204", "")), 2_010);
    let farewell = instance.on(Incident::Drain, 2_020).pop().unwrap();
    assert!(decode_heartbeat(&farewell.body).unwrap().ends);
}

#[test]
fn a_policy_that_the_comparator_has_no_more_splits_on_and_mirrors_nothing_after_its_lease() {
    let mut instance = Fixture::running();
    for at in (2_000..=16_000).step_by(2_000) {
        instance.heartbeat(at);
        instance.on(Incident::Answered(CallId::Poll, answer("404", "{}")), at + 10);
    }
    assert_eq!(instance.admit(0, 16_000), Err(NotMirrored::Lease));
    assert_eq!(instance.mirroring.policy().and_then(|policy| policy.generation()), Some(7));
}
