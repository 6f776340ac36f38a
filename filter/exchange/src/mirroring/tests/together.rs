//! Several instances of one proxy: what they share makes one of them ask for all.

use std::collections::BTreeMap;

use antumbra_observation::RUN_HEADER;

use super::*;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Instances whose clocks have nothing to do with each other, in front of a comparator.
struct Proxy {
    instances: Vec<Option<Fixture>>,
    shared: BTreeMap<&'static str, (Vec<u8>, u32)>,
    shares: bool,
    keeps_documents: bool,
    ms: u64,
    generation: u64,
    run: &'static str,
    answers: bool,
    /// Whose connections to the comparator are dead.
    cut_off: Option<usize>,
    /// How often each instance asked.
    asked: Vec<usize>,
}

impl Proxy {
    fn of(configurations: &[&str]) -> Self {
        let mut proxy = Self {
            instances: Vec::new(),
            shared: BTreeMap::new(),
            shares: true,
            keeps_documents: true,
            ms: 0,
            generation: 7,
            run: "a",
            answers: true,
            cut_off: None,
            asked: Vec::new(),
        };
        configurations.iter().for_each(|configuration| proxy.add(configuration));
        proxy
    }

    fn add(&mut self, configuration: &str) {
        let settings = Settings::from_json(configuration.as_bytes()).unwrap();
        let name = Instance(self.instances.len() as u128 + 1);
        let mirroring = Mirroring::new(settings, name, None);
        self.instances.push(Some(Fixture { mirroring, dice: Dice(u64::try_from(name.0).unwrap()) }));
        self.asked.push(0);
    }

    /// Three of them that have run for a while.
    fn running() -> Self {
        let mut proxy = Self::of(&[CONFIGURATION; 3]);
        proxy.pass(2_000);
        assert_eq!(proxy.generations(), [Some(7); 3]);
        proxy.asked.fill(0);
        proxy
    }

    /// Ticks every 50 ms for so long.
    fn pass(&mut self, ms: u64) {
        let until = self.ms + ms;
        while self.ms < until {
            self.ms += 50;
            (0..self.instances.len()).for_each(|number| self.tick(number));
        }
    }

    fn tick(&mut self, number: usize) {
        let Some(mut instance) = self.instances[number].take() else { return };
        self.confer(&mut instance, number);
        let now = self.clock(number);
        for call in instance.on(Incident::Tick, now) {
            assert_eq!(call.id, CallId::Poll);
            self.asked[number] += 1;
            let answer = match self.cut_off == Some(number) {
                true => answer("504", "upstream request timeout"),
                false => self.answer(&call),
            };
            instance.on(Incident::Answered(CallId::Poll, answer), now);
        }
        self.instances[number] = Some(instance);
    }

    fn confer(&mut self, instance: &mut Fixture, number: usize) {
        let now = at(self.clock(number));
        match instance.mirroring.look(&self.found("record"), now) {
            Step::Wait => {}
            Step::Read => instance.mirroring.read(&self.found("document"), now),
            Step::Write { document, record, over } => {
                if let Some(document) = document.filter(|_| self.keeps_documents) {
                    self.write("document", document, 0);
                }
                self.write("record", record, over);
            }
        }
    }

    fn found(&self, key: &str) -> Found {
        match self.shared.get(key) {
            _ if !self.shares => Found::Unavailable,
            Some((value, number)) => Found::Value(value.clone(), *number),
            None => Found::Nothing,
        }
    }

    fn write(&mut self, key: &'static str, value: Vec<u8>, over: u32) {
        let number = self.shared.get(key).map_or(0, |(_, number)| *number);
        if over == 0 || over == number {
            self.shared.insert(key, (value, number + 1));
        }
    }

    fn answer(&self, call: &Call) -> Answer {
        if !self.answers {
            return answer("503", "no healthy upstream");
        }
        let runs = decode_heartbeat(&call.body).unwrap().generation;
        let (status, body) = match runs == Some(self.generation) {
            true => ("204", String::new()),
            false => ("200", POLICY.replace(":7", &format!(":{}", self.generation))),
        };
        let Answer::Complete { mut headers, body, trailers } = answer(status, &body) else { panic!() };
        headers.push((RUN_HEADER.into(), self.run.into()));
        Answer::Complete { headers, body, trailers }
    }

    fn clock(&self, number: usize) -> u64 {
        self.ms + 1_000_000 * number as u64
    }

    fn generations(&self) -> Vec<Option<u64>> {
        let there = self.instances.iter().flatten();
        there.map(|instance| instance.mirroring.policy()?.generation()).collect()
    }

    /// Whether each may mirror now.
    fn leases(&mut self) -> Vec<bool> {
        let ms = self.ms;
        let clocks = (0..).map(|number: u64| ms + 1_000_000 * number);
        let there = self.instances.iter_mut().zip(clocks).filter_map(|(one, ms)| Some((one.as_mut()?, ms)));
        let mut leases = Vec::new();
        for (instance, ms) in there {
            let lease = instance.admit(0, ms);
            if lease.is_ok() {
                instance.on(Incident::GivenUp(0), ms);
            }
            leases.push(lease != Err(NotMirrored::Lease));
        }
        leases
    }

    /// The one that asked most.
    fn poller(&self) -> usize {
        (0..self.asked.len()).max_by_key(|number| self.asked[*number]).unwrap()
    }

    fn others_asked(&self) -> usize {
        self.asked.iter().sum::<usize>() - self.asked[self.poller()]
    }
}

#[test]
fn one_asks_for_all_and_the_others_only_show_that_they_live() {
    let mut proxy = Proxy::running();
    proxy.pass(60_000);
    let asked = proxy.asked[proxy.poller()];
    assert!((50..=70).contains(&asked), "{:?}", proxy.asked);
    assert!((8..=14).contains(&proxy.others_asked()), "{:?}", proxy.asked);
    assert_eq!(proxy.leases(), [true; 3]);
}

#[test]
fn all_run_what_the_poller_was_given_and_say_so() {
    let mut proxy = Proxy::running();
    proxy.generation = 8;
    proxy.pass(1_500);
    assert_eq!(proxy.generations(), [Some(8); 3]);
    proxy.pass(1_000);
    assert!((2..=4).contains(&proxy.others_asked()), "each reports what it runs: {:?}", proxy.asked);
}

#[test]
fn what_changed_is_told_within_an_interval() {
    let mut proxy = Proxy::running();
    proxy.pass(3_000);
    let follower = (0..3).find(|number| *number != proxy.poller()).unwrap();
    let before = proxy.asked[follower];
    let clock = proxy.clock(follower);
    proxy.instances[follower].as_mut().unwrap().on(Incident::Passed(NotMirrored::NoRule.into()), clock);
    proxy.pass(1_100);
    assert_eq!(proxy.asked[follower], before + 1);
}

#[test]
fn a_poller_that_vanished_is_replaced_within_the_lease() {
    let mut proxy = Proxy::running();
    proxy.pass(5_000);
    let vanished = proxy.poller();
    proxy.instances[vanished] = None;
    proxy.asked.fill(0);
    for _ in 0..30 {
        proxy.pass(1_000);
        assert_eq!(proxy.leases(), [true; 2], "at {} ms", proxy.ms);
    }
    assert!(proxy.asked[proxy.poller()] >= 20, "{:?}", proxy.asked);
    assert!(proxy.others_asked() <= 6, "{:?}", proxy.asked);
}

#[test]
fn a_poller_that_is_cut_off_makes_room_and_another_asks_from_then_on() {
    let mut proxy = Proxy::running();
    proxy.pass(5_000);
    let cut_off = proxy.poller();
    proxy.cut_off = Some(cut_off);
    proxy.pass(4_500);
    proxy.asked.fill(0);
    for _ in 0..60 {
        proxy.pass(1_000);
        assert_eq!(proxy.leases(), [true; 3], "at {} ms", proxy.ms);
    }
    // Whoever is cut off goes on trying to say what it runs.
    let mut others: Vec<usize> = (0..3).filter(|number| *number != cut_off).collect();
    others.sort_by_key(|number| proxy.asked[*number]);
    let (quiet, asking) = (proxy.asked[others[0]], proxy.asked[others[1]]);
    assert!(asking >= 50 && quiet <= 8, "{:?}", proxy.asked);

    proxy.generation = 8;
    proxy.pass(1_500);
    assert_eq!(proxy.generations(), [Some(8); 3]);
}

#[test]
fn one_that_is_to_end_makes_room_at_once() {
    let mut proxy = Proxy::running();
    proxy.pass(5_000);
    let leaving = proxy.poller();
    let mut instance = proxy.instances[leaving].take().unwrap();
    let now = proxy.clock(leaving);
    instance.on(Incident::Drain, now);
    proxy.confer(&mut instance, leaving);
    proxy.confer(&mut instance, leaving);
    proxy.asked.fill(0);
    proxy.pass(2_200);
    assert!(proxy.asked[proxy.poller()] >= 2, "{:?}", proxy.asked);
}

#[test]
fn when_the_comparator_is_gone_all_stop_after_the_lease_and_ask_one_at_a_time() {
    let mut proxy = Proxy::running();
    proxy.pass(1_000);
    proxy.answers = false;
    proxy.asked.fill(0);
    proxy.pass(13_000);
    assert_eq!(proxy.leases(), [true; 3]);
    proxy.pass(3_000);
    assert_eq!(proxy.leases(), [false; 3]);
    assert!((8..=20).contains(&proxy.asked.iter().sum::<usize>()), "{:?}", proxy.asked);
    proxy.answers = true;
    proxy.pass(2_000);
    assert_eq!(proxy.leases(), [true; 3]);
}

#[test]
fn a_comparator_that_began_anew_hears_of_all() {
    let mut proxy = Proxy::running();
    proxy.pass(1_000);
    proxy.asked.fill(0);
    proxy.run = "b";
    proxy.pass(2_500);
    assert!(proxy.asked.iter().all(|asked| *asked >= 1), "{:?}", proxy.asked);
    assert!(proxy.others_asked() <= 4, "{:?}", proxy.asked);
}

#[test]
fn without_shared_data_each_asks_for_itself() {
    let mut proxy = Proxy::of(&[CONFIGURATION; 3]);
    proxy.shares = false;
    proxy.pass(10_000);
    assert!(proxy.asked.iter().all(|asked| *asked >= 9), "{:?}", proxy.asked);
    assert_eq!(proxy.leases(), [true; 3]);
}

#[test]
fn who_asks_another_comparator_or_as_somebody_else_asks_for_itself() {
    let other = CONFIGURATION.replace(r#""token":"t""#, r#""token":"u""#);
    let mut proxy = Proxy::of(&[CONFIGURATION, CONFIGURATION, &other]);
    proxy.pass(20_000);
    assert!(proxy.asked[2] >= 18, "{:?}", proxy.asked);
    assert!(proxy.asked[0].min(proxy.asked[1]) <= 5, "{:?}", proxy.asked);
}

#[test]
fn a_document_that_is_not_there_is_asked_for() {
    let mut proxy = Proxy::running();
    proxy.keeps_documents = false;
    proxy.generation = 8;
    proxy.pass(2_500);
    assert_eq!(proxy.generations(), [Some(8); 3]);
}

#[test]
fn what_another_was_given_before_is_not_taken_over_what_is_newer() {
    let mut proxy = Proxy::running();
    proxy.pass(1_000);
    let follower = (0..3).find(|number| *number != proxy.poller()).unwrap();
    proxy.generation = 9;
    let newer = POLICY.replace(":7", ":9");
    let clock = proxy.clock(follower);
    proxy.instances[follower]
        .as_mut()
        .unwrap()
        .on(Incident::Answered(CallId::Poll, answer("200", &newer)), clock);
    for _ in 0..100 {
        proxy.pass(50);
        assert_eq!(proxy.generations()[follower], Some(9), "at {} ms", proxy.ms);
    }
    assert_eq!(proxy.generations(), [Some(9); 3]);
}

#[test]
fn a_record_that_nobody_wrote_is_no_record() {
    let mut proxy = Proxy::running();
    for nonsense in [Vec::new(), vec![7; 55], vec![7; 57]] {
        proxy.shared.insert("record", (nonsense, 1));
        proxy.asked.fill(0);
        proxy.pass(3_000);
        assert!(proxy.asked.iter().all(|asked| *asked >= 2), "{:?}", proxy.asked);
    }
}
