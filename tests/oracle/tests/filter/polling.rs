//! The policy comes with the answer to a heartbeat, and stays until another one comes.

use antumbra_observation::decode_heartbeat;
use antumbra_oracle::{Call, Proxy};
use serde_json::json;

use crate::mirroring::{get, mirrored, policy, running};

fn poll(proxy: &mut Proxy) -> Call {
    let heartbeat = (0..200).flat_map(|_| proxy.tick()).next();
    heartbeat.expect("no heartbeat within two seconds")
}

fn variant(proxy: &mut Proxy) -> Vec<Vec<u8>> {
    proxy.serve(get()).request.headers.all("x-antumbra-variant")
}

#[test]
fn the_filter_runs_what_its_heartbeats_bring() {
    let comparator = json!({"cluster": "antumbra", "token": "t"});
    let mut proxy = Proxy::start(&json!({"host": "generic", "release": "shop", "comparator": comparator}));
    assert_eq!(proxy.sent(), [], "nothing leaves before the first tick");
    let mut heartbeat = proxy.tick().remove(0);
    assert_eq!(heartbeat.header(":path"), Some(&b"/v1/heartbeats"[..]));
    assert_eq!(heartbeat.header("authorization"), Some(&b"Bearer t"[..]));
    assert_eq!(decode_heartbeat(&heartbeat.body).unwrap().generation, None);
    assert_eq!(variant(&mut proxy), Vec::<Vec<u8>>::new(), "no policy, no variant");

    let document = |generation, to: &str| policy(generation, &json!({"name": "all", "to": to})).to_string();
    for (status, body, generation, runs) in [
        (200, document(1, "candidate"), 1, "candidate"),
        (204, String::new(), 1, "candidate"),
        (200, "nonsense".to_owned(), 1, "candidate"),
        (503, "later".to_owned(), 1, "candidate"),
        (200, document(2, "control"), 2, "control"),
        (204, String::new(), 2, "control"),
    ] {
        proxy.answer(&heartbeat, status, body.as_bytes());
        heartbeat = poll(&mut proxy);
        let said = decode_heartbeat(&heartbeat.body).unwrap();
        assert_eq!((said.release.as_str(), said.generation), ("shop", Some(generation)), "{status} {body}");
        assert_eq!(variant(&mut proxy), [runs.as_bytes()], "{status} {body}");
    }
}

#[test]
fn without_the_comparator_mirroring_ends_and_splitting_goes_on() {
    let mut proxy = running("generic", &mirrored());
    proxy.serve(get());
    let mirrored = |calls: Vec<Call>| calls.iter().filter(|call| call.cluster != "antumbra").count();
    assert_eq!(mirrored(proxy.tick()), 2);
    for _ in 0..1_600 {
        proxy.tick();
    }
    assert_eq!(variant(&mut proxy), [b"stable"]);
    assert_eq!(mirrored(proxy.tick()), 0, "the lease of 15 s is over");
}

/// Ten seconds of two workers of a proxy, and how often each asked; `rounds` is the number of ticks.
fn asked_by_two_workers(host: &str, rounds: u32) -> ([Proxy; 2], [u32; 2]) {
    let comparator = json!({"cluster": "antumbra", "token": "t"});
    let configuration = json!({"host": host, "release": "shop", "comparator": comparator});
    let first = Proxy::start(&configuration);
    let second = first.another_worker(&configuration);
    let mut workers = [first, second];
    let mut asked = [0, 0];
    for _ in 0..rounds {
        for (worker, asked) in workers.iter_mut().zip(&mut asked) {
            for call in worker.tick() {
                *asked += 1;
                let known = decode_heartbeat(&call.body).unwrap().generation == Some(1);
                let (status, body) =
                    if known { (204, String::new()) } else { (200, document(1, "candidate")) };
                worker.answer(&call, status, body.as_bytes());
            }
        }
    }
    (workers, asked)
}

fn document(generation: u64, to: &str) -> String {
    policy(generation, &json!({"name": "all", "to": to})).to_string()
}

/// Some hosts trap where nobody gave them memory to share.
#[test]
fn under_the_generic_profile_each_worker_asks() {
    let (_, asked) = asked_by_two_workers("generic", 1_000);
    assert!(asked.iter().all(|asked| (8..=14).contains(asked)), "{asked:?}");
}

#[test]
fn of_two_workers_one_asks_and_both_run_what_it_is_given() {
    let (mut workers, asked) = asked_by_two_workers("envoy", 200);
    assert!((8..=14).contains(&asked[0].max(asked[1])) && asked[0].min(asked[1]) <= 3, "{asked:?}");

    // The one that asks is given another policy; the other one runs it before it asked for anything.
    let poller = usize::from(asked[1] > asked[0]);
    let heartbeat = poll(&mut workers[poller]);
    workers[poller].answer(&heartbeat, 200, document(2, "control").as_bytes());
    let said = (0..40).find_map(|_| {
        workers[poller].tick();
        workers[1 - poller].tick().pop()
    });
    let said = decode_heartbeat(&said.expect("no report within two seconds").body).unwrap();
    assert_eq!(said.generation, Some(2));
    for worker in &mut workers {
        assert_eq!(variant(worker), [b"control"]);
    }
}
