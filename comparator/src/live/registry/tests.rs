//! Heartbeats of several filters, over time and over a restart.

use antumbra_observation::{NotMirrored, Undelivered, UnsafeMethod};

use super::delivered::MAX_COUNT;
use super::*;

impl Registry {
    /// What the filters of all sources delivered.
    fn delivery(&self, release: &str, now: Instant) -> Delivery {
        let each = self.deliveries(release, now).into_iter().map(|(_, delivery)| delivery);
        each.fold(Delivery::default(), Delivery::and)
    }
}

fn beat(instance: u128, mirrored: u64, lost: u64, budget: u64) -> Heartbeat {
    let accounts = Accounts {
        mirrored,
        undelivered: [(Undelivered::OutboxFull, lost)].into(),
        not_mirrored: [(NotMirrored::ExchangesInFlight, budget), (NotMirrored::NotSampled, 99)].into(),
        unknown: 1,
        ..Accounts::default()
    };
    Heartbeat::new("shop", Instance(instance), Some(2), accounts)
}

#[test]
fn the_silent_are_gone_but_stay_in_the_sums() {
    let registry = Registry::default();
    let start = Instant::now();
    let later = start + Duration::from_secs(61);
    registry.note(None, beat(1, 10, 2, 5), start);
    registry.note(None, beat(2, 20, 0, 0), later);
    let present = registry.present("shop", 2, later);
    let shown: Vec<_> = present.shown.into_iter().map(|filter| (filter.instance, filter.state)).collect();
    let expected = [(Instance(2).to_string(), State::Alive), (Instance(1).to_string(), State::Gone)];
    assert_eq!(shown, expected);
    assert_eq!((present.alive, present.gone), (1, 1));
    let delivery = registry.delivery("shop", Instant::now());
    assert_eq!((delivery.mirrored, delivery.undelivered, delivery.not_sent), (30, 4, 5));
    assert!(delivery.known && !registry.delivery("till", Instant::now()).known);
    registry.begin_session("shop");
    registry.note(None, beat(2, 25, 0, 0), later);
    let delivery = registry.delivery("shop", Instant::now());
    assert_eq!((delivery.mirrored, delivery.undelivered, delivery.not_sent), (5, 0, 0));
}

/// What filters counted for a release that was deleted is none of the one that is created under its name, after a restart either.
#[test]
fn a_release_that_is_created_again_begins_at_nothing() {
    let (registry, now) = (Registry::default(), Instant::now());
    registry.note(None, beat(1, 10, 2, 5), now);
    registry.forget("shop");
    assert!(!registry.delivery("shop", now).known);
    registry.begin_session("shop");
    registry.note(None, beat(1, 12, 3, 9), now);
    registry.note(None, beat(1, 20, 4, 9), now);
    let sums = |registry: &Registry| {
        let Delivery { mirrored, undelivered, not_sent, .. } = registry.delivery("shop", now);
        (mirrored, undelivered, not_sent)
    };
    assert_eq!(sums(&registry), (8, 1, 0));
    let next = Registry::default();
    next.take_over("shop", &registry.kept("shop", now).unwrap(), true, now).unwrap();
    next.note(None, beat(2, 100, 7, 7), now);
    next.note(None, beat(1, 21, 4, 9), now);
    assert_eq!(sums(&next), (9, 1, 0));
}

/// Who ended an hour ago is no loss: proxies come and go.
#[test]
fn who_fell_silent_is_missed_for_an_hour() {
    let registry = Registry::default();
    let start = Instant::now();
    let minute = Duration::from_secs(60);
    registry.note(None, beat(1, 10, 0, 0), start);
    registry.note(None, beat(2, 10, 0, 0), start + 50 * minute);
    let heard = |now| {
        let Delivery { alive, silent, mirrored, .. } = registry.delivery("shop", now);
        assert_eq!(mirrored, 20, "what they said stays");
        (alive, silent)
    };
    let moment = Duration::from_secs(1);
    assert_eq!(heard(start + 50 * minute), (1, 1));
    assert_eq!(heard(start + 51 * minute), (1, 1));
    assert_eq!(heard(start + 51 * minute + moment), (0, 2));
    assert_eq!(heard(start + 60 * minute), (0, 2));
    assert_eq!(heard(start + 60 * minute + moment), (0, 1));
    assert_eq!(heard(start + 110 * minute + moment), (0, 0));
    registry.note(None, beat(1, 10, 0, 0), start + 120 * minute);
    assert_eq!(heard(start + 120 * minute), (1, 0), "and who speaks again is there again");
}

#[test]
fn methods_are_counted_since_the_session_began_and_outlive_the_process() {
    let registry = Registry::default();
    let now = Instant::now();
    let say = |instance, posts, puts| {
        let mut beat = beat(instance, 100, 0, 0);
        beat.accounts.unsafe_methods = [(UnsafeMethod::Post, posts), (UnsafeMethod::Put, puts)].into();
        registry.note(None, beat, now);
    };
    say(1, 50, 3);
    registry.begin_session("shop");
    say(1, 60, 3);
    say(2, 7, 5);
    let expected = [(UnsafeMethod::Post, 17), (UnsafeMethod::Put, 5)].into();
    assert_eq!(registry.delivery("shop", now).unsafe_methods, expected);
    let next = Registry::default();
    next.take_over("shop", &registry.kept("shop", now).unwrap(), true, now).unwrap();
    assert_eq!(next.delivery("shop", now).unsafe_methods, expected);
    say(1, u64::MAX, 0);
    assert_eq!(registry.delivery("shop", now).unsafe_methods.get(UnsafeMethod::Post), MAX_COUNT - 50 + 7);
}

#[test]
fn a_crowd_of_new_instances_is_not_written_down_one_by_one() {
    let registry = Registry::default();
    let (source, now) = (Source::written("edge"), Instant::now());
    registry.note(source.as_ref(), beat(1, 1, 0, 0), now);
    let due = |after| registry.is_due("shop", now + after);
    assert!(due(Duration::ZERO));
    let others = (10..60).filter(|instance| {
        registry.note(source.as_ref(), beat(*instance, 1, 0, 0), now);
        due(Duration::ZERO)
    });
    assert_eq!(others.count(), 0);
    assert_eq!(
        [KEPT_EVERY_AT_MOST, KEPT_EVERY_AT_MOST * 2].map(due),
        [true, false],
        "they are within a moment"
    );
}

#[test]
fn what_was_written_down_is_taken_over_and_counts_once() {
    let registry = Registry::default();
    let now = Instant::now();
    registry.note(None, beat(1, 10, 2, 5), now);
    registry.begin_session("shop");
    registry.note(None, beat(1, 12, 3, 5), now);
    registry.note(None, beat(2, 20, 0, 0), now);
    let due = |after| registry.is_due("shop", now + after);
    assert_eq!([Duration::ZERO, KEPT_EVERY / 2, KEPT_EVERY].map(due), [true, false, true]);
    assert_eq!((registry.releases(), registry.is_due("till", now)), (vec!["shop".to_owned()], false));
    let text = registry.kept("shop", now).unwrap();
    for (same_session, before, after) in [(true, (22, 2, 0), (24, 3, 0)), (false, (0, 0, 0), (2, 1, 0))] {
        let next = Registry::default();
        next.take_over("shop", &text, same_session, now).unwrap();
        let sums = |delivery: Delivery| (delivery.mirrored, delivery.undelivered, delivery.not_sent);
        let delivery = next.delivery("shop", Instant::now());
        assert_eq!((delivery.known, sums(delivery)), (false, before), "nobody spoke yet");
        next.note(None, beat(2, 22, 1, 0), now);
        let delivery = next.delivery("shop", Instant::now());
        assert_eq!((delivery.known, sums(delivery)), (true, after));
    }
    let damaged = Registry::default();
    assert!(damaged.take_over("shop", "{", true, now).is_err());
    assert!(!damaged.delivery("shop", Instant::now()).known);
}

#[test]
fn who_says_what_cannot_be_does_not_drown_the_others_for_ever() {
    let registry = Registry::default();
    registry.note(None, beat(1, u64::MAX, u64::MAX, u64::MAX), Instant::now());
    registry.begin_session("shop");
    registry.note(None, beat(2, 30, 0, 0), Instant::now());
    assert_eq!(registry.delivery("shop", Instant::now()).mirrored, 30);
}

#[test]
fn the_number_of_instances_is_bounded_and_sums_survive_it() {
    let registry = Registry::default();
    let now = Instant::now();
    for instance in 0..MAX_INSTANCES as u128 + 10 {
        registry.note(None, beat(instance, 1, 0, 0), now);
    }
    let present = registry.present("shop", 2, now);
    assert_eq!((present.alive, present.converged), (MAX_INSTANCES, MAX_INSTANCES));
    assert_eq!((present.shown.len(), present.more), (MAX_SHOWN, MAX_INSTANCES - MAX_SHOWN));
    assert_eq!(registry.delivery("shop", Instant::now()).mirrored, MAX_INSTANCES as u64 + 10);
    for instance in 0..10 {
        registry.note(None, beat(instance, 2, 0, 0), now);
    }
    assert_eq!(
        registry.delivery("shop", Instant::now()).mirrored,
        MAX_INSTANCES as u64 + 20,
        "who returns counts once"
    );
}

/// Each limit of the filter keeps sampled exchanges from the shadows, and none of them is the policy's will.
#[test]
fn what_a_limit_kept_back_is_not_sent_by_its_reason_since_the_session_began() {
    let registry = Registry::default();
    let now = Instant::now();
    let say = |rate, too_long| {
        let mut beat = beat(1, 100, 0, 0);
        beat.accounts.not_mirrored.add(NotMirrored::Rate, rate);
        beat.accounts.not_mirrored.add(NotMirrored::TooLong, too_long);
        registry.note(None, beat, now);
    };
    say(50, 3);
    registry.begin_session("shop");
    say(950, 7);
    let Delivery { not_sent, not_mirrored_by, .. } = registry.delivery("shop", Instant::now());
    assert_eq!(not_sent, 900);
    assert_eq!(not_mirrored_by, [(NotMirrored::Rate, 900), (NotMirrored::TooLong, 4)].into());
    let next = Registry::default();
    next.take_over("shop", &registry.kept("shop", now).unwrap(), true, now).unwrap();
    assert_eq!(
        next.delivery("shop", Instant::now()).not_mirrored_by,
        not_mirrored_by,
        "they outlive the process"
    );
}

#[test]
fn what_an_earlier_version_wrote_down_knows_no_reasons_and_counts() {
    let registry = Registry::default();
    let sums = |mirrored, undelivered, not_sent| {
        format!(r#"{{"mirrored":{mirrored},"undelivered":{undelivered},"notSent":{not_sent}}}"#)
    };
    let (instance, none) = (Instance(1), sums(0, 0, 0));
    let text = format!(
        r#"{{"instances":{{"{instance}":{}}},"forgotten":{none},"baseline":{}}}"#,
        sums(40, 6, 9),
        sums(10, 2, 1)
    );
    registry.take_over("shop", &text, true, Instant::now()).unwrap();
    let expected = Delivery { mirrored: 30, undelivered: 4, not_sent: 8, ..Delivery::default() };
    assert_eq!(registry.delivery("shop", Instant::now()), expected);
    registry.note(None, beat(1, 41, 6, 9), Instant::now());
    let delivery = registry.delivery("shop", Instant::now());
    assert_eq!((delivery.mirrored, delivery.undelivered, delivery.not_sent), (31, 5, 8));
    assert_eq!(delivery.undelivered_by, [(Undelivered::OutboxFull, 6)].into());
}

/// A filter says how often it speaks; one that ends says that, too, and is missed by nobody.
#[test]
fn a_filter_is_gone_after_three_heartbeats_unless_it_said_that_it_ends() {
    let registry = Registry::default();
    let (start, second) = (Instant::now(), Duration::from_secs(1));
    registry.note(None, beat(1, 0, 0, 0), start);
    registry.note(None, Heartbeat { every_ms: Some(60_000), ..beat(2, 0, 0, 0) }, start);
    registry.note(None, Heartbeat { every_ms: Some(0), ..beat(3, 0, 0, 0) }, start);
    registry.note(None, Heartbeat { ends: true, ..beat(4, 0, 0, 0) }, start);
    let states = |after: u32| {
        let shown = registry.present("shop", 2, start + second * after).shown;
        let mut states: Vec<_> = shown.iter().map(|one| (one.instance.clone(), one.state)).collect();
        states.sort();
        states
            .iter()
            .map(|(instance, state)| format!("{}{state:?}", &instance[31..]))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(states(30), "1Alive 2Alive 3Alive 4Ended");
    assert_eq!(states(31), "1Alive 2Alive 3Gone 4Ended");
    assert_eq!(states(60), "1Alive 2Alive 3Gone 4Ended", "who does not say how often it speaks has a minute");
    assert_eq!(states(61), "1Gone 2Alive 3Gone", "an end is news for a minute");
    assert_eq!(states(181), "1Gone 2Gone 3Gone");
    assert_eq!(states(631), "1Gone 2Gone", "and what is gone for ten");
    assert_eq!(states(781), "");
    for after in [0, 30, 31, 60, 61, 180, 181] {
        let now = start + second * after;
        let (present, delivery) = (registry.present("shop", 2, now), registry.delivery("shop", now));
        let told = (delivery.alive, delivery.silent);
        assert_eq!(
            told,
            (present.alive as u64, present.gone as u64),
            "status and report agree after {after} s"
        );
    }
    assert_eq!(registry.running("shop", start + second), 3);
    assert_eq!(
        registry.delivery("shop", start + second * 61).silent,
        2,
        "one speaks every minute, one ended"
    );
}

/// A filter that does not say how often it speaks, and does so every fifty seconds or every two minutes, is there all the time.
#[test]
fn a_filter_that_asks_rarely_is_there_between_its_heartbeats() {
    let second = Duration::from_secs(1);
    for apart in [50, 120] {
        let (registry, start) = (Registry::default(), Instant::now());
        for spoken in 0..5 {
            let now = start + second * apart * spoken;
            registry.note(None, beat(1, 0, 0, 0), now);
            // A filter has spoken twice before it is known how often it does.
            if spoken > 0 || apart < 60 {
                let just_before = now + second * (apart - 1);
                assert_eq!(registry.running("shop", just_before), 1, "{apart} s, {spoken}");
                assert_eq!(registry.delivery("shop", just_before).alive, 1, "{apart} s, {spoken}");
            }
        }
    }
}

/// What was under way while an instance said that it ends arrives after that, and says less.
#[test]
fn a_late_heartbeat_brings_nobody_back() {
    let (registry, now) = (Registry::default(), Instant::now());
    registry.note(None, beat(1, 10, 0, 0), now);
    registry.note(None, Heartbeat { ends: true, ..beat(1, 12, 1, 0) }, now);
    registry.note(None, beat(1, 11, 0, 0), now);
    assert_eq!(registry.running("shop", now), 0);
    let Delivery { alive, silent, mirrored, undelivered, .. } = registry.delivery("shop", now);
    assert_eq!((alive, silent, mirrored, undelivered), (0, 0, 12, 2));
    registry.note(None, Heartbeat { ends: true, ..beat(1, 13, 1, 0) }, now);
    assert_eq!(registry.delivery("shop", now).mirrored, 13, "an end may be said twice");
}

/// Right after a restart nobody has spoken yet, and those who did before may still be there.
#[test]
fn who_was_there_before_a_restart_is_awaited() {
    let (before, start, second) = (Registry::default(), Instant::now(), Duration::from_secs(1));
    before.note(None, Heartbeat { every_ms: Some(10_000), ..beat(1, 0, 0, 0) }, start);
    let restarted = |text: &str, now| {
        let registry = Registry::default();
        registry.take_over("shop", text, true, now).unwrap();
        registry
    };
    let text = before.kept("shop", start).unwrap();
    let next = restarted(&text, start);
    assert_eq!(next.awaited("shop", start + second * 10), Some(second * 20));
    assert_eq!(next.awaited("shop", start + second * 30), None);
    let again = restarted(&next.kept("shop", start + second * 10).unwrap(), start);
    assert_eq!(again.awaited("shop", start), Some(second * 20), "nobody spoke in between");
    assert_eq!(next.awaited("till", start), None);
    for text in [before.kept("shop", start + second * 31).unwrap(), {
        before.note(None, Heartbeat { ends: true, ..beat(1, 0, 0, 0) }, start);
        before.kept("shop", start).unwrap()
    }] {
        assert_eq!(restarted(&text, start).awaited("shop", start), None, "nobody was there: {text}");
    }
}

#[test]
fn what_filters_met_is_told_once_with_how_many_met_it() {
    let registry = Registry::default();
    let now = Instant::now();
    let trouble =
        |subject: &str| Trouble::new(antumbra_observation::TroubleKind::UnknownCluster, subject, "candidate");
    let say = |instance, troubles, at| {
        let node = Some(format!("edge-{}", 9 - instance));
        registry.note(None, Heartbeat { troubles, node, ..beat(instance, 0, 0, 0) }, at);
    };
    say(1, vec![trouble("new")], now);
    say(2, vec![trouble("new"), trouble("old")], now);
    let long = Trouble { subject: "x".repeat(1 << 20), ..trouble("") };
    say(3, vec![long; 100], now);
    let present = registry.present("shop", 2, now);
    let told: Vec<_> = present.troubles.iter().map(|(one, by)| (one.subject.len(), *by)).collect();
    assert_eq!(told, [(3, 2), (3, 1), (200, 1)], "bounded by the comparator, too");
    let nodes: Vec<_> = present.shown.iter().map(|filter| filter.node.clone().unwrap()).collect();
    assert_eq!(nodes, ["edge-6", "edge-7", "edge-8"]);
    let later = now + Duration::from_secs(61);
    say(2, Vec::new(), later);
    assert_eq!(registry.present("shop", 2, later).troubles, [], "who is gone tells nothing");
}

/// Nobody speaks for another's instances, and what each said is known after a restart.
#[test]
fn each_source_has_instances_and_sums_of_its_own() {
    let (registry, now) = (Registry::default(), Instant::now());
    let sources = ["east", "west"].map(|name| Source::written(name).unwrap());
    let [east, west] = &sources;
    registry.note(Some(east), beat(1, 10, 0, 0), now);
    registry.note(Some(west), beat(1, 500, 0, 0), now);
    registry.note(Some(west), beat(2, 0, 0, 0), now);
    let mirrored = |registry: &Registry| {
        let each = registry.deliveries("shop", now).into_iter();
        let each = each.filter_map(|(source, delivery)| Some((source?.to_string(), delivery.mirrored)));
        each.collect::<Vec<_>>()
    };
    assert_eq!(mirrored(&registry), [("east".to_owned(), 10), ("west".to_owned(), 500)]);
    let next = Registry::default();
    next.take_over("shop", &registry.kept("shop", now).unwrap(), true, now).unwrap();
    for registry in [&registry, &next] {
        let knows = |source, instance: Option<u128>| registry.knows("shop", source, instance.map(Instance));
        assert_eq!(mirrored(registry), [("east".to_owned(), 10), ("west".to_owned(), 500)]);
        assert!(knows(east, Some(1)) && knows(west, Some(1)) && knows(west, Some(2)) && knows(east, None));
        assert!(!knows(east, Some(2)) && !knows(&Source::written("north").unwrap(), None));
        assert!(!registry.knows("till", east, Some(Instance(1))));
    }
    registry.begin_session("shop");
    registry.note(Some(west), beat(1, 520, 0, 0), now);
    assert_eq!(mirrored(&registry), [("east".to_owned(), 0), ("west".to_owned(), 20)]);
}

/// Who makes up instances pushes out its own, so that those of others stay known.
#[test]
fn a_flood_of_instances_pushes_out_its_own() {
    let (registry, now) = (Registry::default(), Instant::now());
    let [honest, flood] = ["honest", "flood"].map(|name| Source::written(name).unwrap());
    registry.note(Some(&honest), beat(1, 10, 0, 0), now);
    let many = (MAX_INSTANCES + MAX_GONE + 100) as u128;
    for instance in 0..many {
        registry.note(Some(&flood), beat(instance, 1, 0, 0), now + Duration::from_millis(1));
    }
    assert!(registry.knows("shop", &honest, Some(Instance(1))));
    let sums = registry.deliveries("shop", now);
    assert_eq!(sums.iter().map(|(_, delivery)| delivery.mirrored).sum::<u64>(), many as u64 + 10);
}
