//! Tests: what is made of an exchange, with plugins that are made up here, so that none needs a WebAssembly runtime.

use antumbra_control::{Assigned, Document, Version};
use antumbra_engine::{Evidence, Finding};
use antumbra_observation::{Body, Leg, Observation};
use antumbra_plugin::{Answer, BadPlugin, Component, Failure, Limits, Rewritten, Runtime};

use super::{Plugins, Prepared};
use crate::live::policies::Policies;
use crate::live::room::{KIB_IN_FLIGHT, Room};

/// `{"a":1}` and `{"a":2}` in gzip.
const ONE: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\x54\xb2\x32\xac\x05\x00\xaf\xac\x1b\x56\x07\x00\x00\x00";
const TWO: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\x54\xb2\x32\xaa\x05\x00\x6c\xff\x36\x7d\x07\x00\x00\x00";

/// A plugin that does one thing, whatever it is asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MadeUp {
    /// Leaves every answer as it is.
    Leaves,
    /// Rewrites every answer to so many zeros.
    Zeros(usize),
    /// Breaks while it rewrites.
    Breaks,
    /// Finds no difference.
    Agrees,
    /// Breaks while it judges.
    BreaksJudging,
}

impl Runtime for MadeUp {
    fn load(&self, _: &[u8], _: Limits) -> Result<Box<dyn Component>, BadPlugin> {
        Ok(Box::new(*self))
    }
}

impl Component for MadeUp {
    fn normalises(&self) -> bool {
        !self.judges()
    }

    fn judges(&self) -> bool {
        matches!(self, Self::Agrees | Self::BreaksJudging)
    }

    fn normalise(&self, _: &str, _: Answer<'_>) -> Result<Option<Rewritten>, Failure> {
        match self {
            Self::Zeros(count) => Ok(Some(Rewritten { headers: vec![], body: vec![0; *count] })),
            Self::Breaks => Err(Failure::Trap("unreachable".to_owned())),
            _ => Ok(None),
        }
    }

    fn judge(&self, _: &str, _: Answer<'_>, _: Answer<'_>) -> Result<Option<Vec<Finding>>, Failure> {
        match self {
            Self::Agrees => Ok(Some(vec![])),
            Self::BreaksJudging => Err(Failure::Trap("unreachable".to_owned())),
            _ => Ok(None),
        }
    }
}

/// The first bytes of a component: a made-up plugin looks no further.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn with(plugin: MadeUp) -> Plugins {
    Plugins::default().with("p", COMPONENT, &plugin).unwrap()
}

fn leg(status: u16, body: Body) -> Leg {
    Leg::answer("", status).with_header("content-type", "application/json").with_kept(body)
}

fn observation(candidate: Leg) -> Observation {
    Observation::new("shop", "GET", "/items/7")
        .with_id(1)
        .with_primary(leg(200, Body::Whole("{\"a\":1}".into())))
        .with_candidate(candidate)
        .with_control(leg(200, Body::Same))
}

fn prepared(plugin: MadeUp, observation: &Observation) -> Prepared {
    with(plugin).prepare(&antumbra_engine::Rules::default(), &Assigned::everywhere("p"), observation, None)
}

#[test]
fn all_answers_are_rewritten_or_none() {
    let other = leg(200, Body::Whole("{\"a\":2}".into()));
    let zeros =
        |leg: &Leg| leg.response.as_ref().is_some_and(|answer| answer.body == Body::Whole(vec![0; 9].into()));
    let done = prepared(MadeUp::Zeros(9), &observation(other.clone()));
    let rewritten = done.rewritten.unwrap();
    assert!(
        [Some(&rewritten.primary), Some(&rewritten.candidate), rewritten.control.as_ref()]
            .into_iter()
            .flatten()
            .all(zeros)
    );
    assert_eq!(done.outside.plugins["p"], None);

    let broken = prepared(MadeUp::Breaks, &observation(other));
    assert!(broken.rewritten.is_none());
    assert_eq!(broken.outside.plugins["p"], Some("trap"));

    let cut = prepared(MadeUp::Zeros(9), &observation(leg(200, Body::Cut { length: 9, xxh3: 9 })));
    assert!(cut.rewritten.is_none());
    assert_eq!(cut.outside.plugins["p"], Some("cut"));

    // What has another status is not compared, so nobody minds what is left of it.
    let failed = prepared(MadeUp::Zeros(9), &observation(leg(500, Body::Cut { length: 9, xxh3: 9 })));
    assert!(
        failed.rewritten.is_some_and(|rewritten| zeros(&rewritten.primary) && !zeros(&rewritten.candidate))
    );
}

/// What plugins make of small answers may be large: it is part of what may be in flight, and what finds no room there is compared as it
/// came.
#[test]
fn what_plugins_make_has_its_part_in_the_bytes_in_flight() {
    let plugins = with(MadeUp::Zeros(60_000));
    let policies = Policies::default();
    let policy = b"{version: 1, name: shop, variants: {stable: null, canary: null}, default: stable,
        rules: [{name: shadow, mirror: [{to: canary, percent: 5}]}], compare: {plugins: [{at: GET /items/7, plugin: p}]}}";
    policies.put(Version::new(Document::from_yaml(policy).unwrap(), 1, 0));
    let room = Room::new();
    let mut others = room.reserve();
    assert!(others.grow(KIB_IN_FLIGHT * 1024 - 256 * 1024), "a batch may make 256 KiB");
    let batch = vec![observation(leg(200, Body::Whole("{\"a\":2}".into()))); 3];
    let prepared = plugins.prepare_each(&policies, &batch, None, &mut room.reserve());
    let kept: Vec<_> =
        prepared.values().map(|one| (one.rewritten.is_some(), one.outside.plugins["p"])).collect();
    assert_eq!(kept, [(true, None), (false, Some("room")), (false, Some("room"))]);
    drop(others);
    let prepared = plugins.prepare_each(&policies, &batch, None, &mut room.reserve());
    assert!(prepared.len() == 3 && prepared.values().all(|one| one.rewritten.is_some()));
}

/// Whoever wants to look into an answer would have to bring a decoder for each encoding.
#[test]
fn plugins_get_bodies_without_their_encodings() {
    let encoded = |body: &[u8]| {
        let mut leg = leg(200, Body::Whole(body.to_vec().into()));
        let headers = leg.response.iter_mut().flat_map(|response| &mut response.headers);
        headers.for_each(|header| header.1 = "application/json".into());
        leg.response.as_mut().unwrap().headers.push(("Content-Encoding".into(), "gzip".into()));
        leg
    };
    let exchange = |candidate: Leg| Observation {
        primary: encoded(ONE),
        control: Some(encoded(ONE)),
        ..observation(candidate)
    };
    for plugin in [MadeUp::Leaves, MadeUp::Zeros(9)] {
        let other = exchange(encoded(TWO));
        let done = prepared(plugin, &other);
        let rewritten = done.rewritten.clone().unwrap();
        let shown = |leg: &Leg| leg.response.as_ref().map(|response| response.body.clone());
        let expected = |plain: &str| {
            if plugin == MadeUp::Leaves { Body::Whole(plain.into()) } else { Body::Whole(vec![0; 9].into()) }
        };
        assert_eq!(shown(&rewritten.primary), Some(expected("{\"a\":1}")));
        assert_eq!(shown(&rewritten.candidate), Some(expected("{\"a\":2}")));
    }
    let other = exchange(encoded(TWO));
    let done = prepared(MadeUp::Leaves, &other);
    let mut evidence = Evidence::new();
    let compared = done.rewritten.as_ref().unwrap();
    evidence.observe_with(compared, &antumbra_engine::Rules::default(), &done.outside);
    let report = antumbra_engine::report("shop", &evidence, &Default::default(), &Default::default());
    assert_eq!(report.noise.iter().map(|found| found.path.as_str()).collect::<Vec<_>>(), ["/a"]);
    assert_eq!(report.refused, []);

    let broken = prepared(MadeUp::Leaves, &exchange(encoded(&TWO[..20])));
    assert!(broken.rewritten.is_none() && !broken.outside.decoded);
    assert_eq!(broken.outside.plugins["p"], Some("encoding"));
}

#[test]
fn a_judge_has_the_word_about_answers_of_the_same_status() {
    let other = leg(200, Body::Whole("{\"a\":2}".into()));
    let differs = |done: &Prepared, observation: &Observation| {
        let mut evidence = Evidence::new();
        evidence.observe_with(observation, &antumbra_engine::Rules::default(), &done.outside);
        let report = antumbra_engine::report("shop", &evidence, &Default::default(), &Default::default());
        (report.noise.len(), report.plugins[0].failed.clone())
    };
    for (plugin, candidate, differences, failed) in [
        (MadeUp::Agrees, other.clone(), 0, ""),
        (MadeUp::BreaksJudging, other, 1, "trap"),
        (MadeUp::Agrees, leg(500, Body::Same), 1, ""),
    ] {
        let observation = observation(candidate);
        let done = prepared(plugin, &observation);
        let (found, reasons) = differs(&done, &observation);
        assert_eq!(found, differences, "{failed}");
        assert_eq!(reasons.keys().map(String::as_str).collect::<String>(), failed);
    }
}
