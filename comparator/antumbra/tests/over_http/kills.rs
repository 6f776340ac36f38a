//! A comparator under load that is killed at random moments, again and again: every observation that it acknowledged counts once.
//!
//! The filters here do as real ones do: a batch without an answer is sent again under its number, and so are the last ones that were
//! answered, to the process that is there by then.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use antumbra_observation::{Accounts, Heartbeat, Instance, Observation, encode_heartbeat};
use http::Method;
use serde_json::Value;

use crate::audits::verify;
use crate::process::{self, Dice, Process};
use crate::server::{SHOP, accounts, healthy, send, send_batch_of};

/// `ANTUMBRA_KILLS` says how many, `ANTUMBRA_KILLS_SEED` when.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_counts_once_whenever_it_is_killed() {
    let kills = process::kills(25);
    let mut dice = Dice::of_environment();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    let mut load = Load::new(&mut dice);
    for kill in 1..=kills {
        // One of eight comes while it begins, and may come before or after it listens.
        if dice.below(8) == 0 {
            let mut process = Process::begin(dir.path());
            tokio::time::sleep(dice.within(LONGEST_START)).await;
            process.kill();
            continue;
        }
        let (mut process, address) = Process::start(dir.path());
        load.check(address, &format!("before kill {kill}")).await;
        // In half of the rounds it is killed while the filters may still repeat what was open.
        if dice.below(2) == 0 {
            load.settle(address).await;
            load.check(address, &format!("settled before kill {kill}")).await;
        }
        let running = tokio::spawn(load.run(address));
        tokio::time::sleep(dice.within(LONGEST_LOAD)).await;
        process.kill();
        load = running.await.unwrap();
    }
    let (mut process, address) = Process::start(dir.path());
    load.settle(address).await;
    let held = load.check(address, "at the end").await;
    load.check_heartbeats(address).await;
    process.kill();
    let verified = verify(dir.path());
    assert_eq!(verified["intact"], true, "{verified}");
    let told = load.told();
    let (lost, doubled) = (told.compared.saturating_sub(held), held.saturating_sub(told.compared));
    println!(
        "{kills} kills, {} observations acknowledged, {lost} lost, {doubled} doubled, {} repeats told apart, {} changes of the policy",
        told.compared + told.elsewhere,
        told.repeats,
        load.operator.generation - 1,
    );
    assert!(told.compared > 0 && told.elsewhere > 0 && told.repeats > 0, "nothing was put to the test");
}

/// What runs against the comparator, and what it was told.
struct Load {
    filters: Vec<Filter>,
    operator: Operator,
}

/// Observations by what an answer said of them, or would have.
#[derive(Clone, Copy, Default)]
struct Told {
    compared: u64,
    elsewhere: u64,
    repeats: u64,
}

/// What is sent under one number, the same each time.
struct Batch {
    sequence: u64,
    observations: Vec<Observation>,
}

/// A filter instance.
struct Filter {
    instance: Instance,
    dice: Dice,
    sequence: u64,
    /// The last batches that were acknowledged.
    acknowledged: VecDeque<Batch>,
    /// The batch that was sent and not answered.
    open: Option<Batch>,
    told: Told,
    /// Observations of all batches that were sent again, answered or not.
    sent_again: u64,
}

/// Who changes the policy.
struct Operator {
    /// The generation that is known to be stored.
    generation: u64,
    /// Whether a change was sent and not answered.
    open: bool,
    turn: u64,
}

impl Load {
    fn new(dice: &mut Dice) -> Self {
        let filter = |number| Filter {
            instance: Instance(number),
            dice: Dice::seeded(dice.below(1 << 31)),
            sequence: 0,
            acknowledged: VecDeque::new(),
            open: None,
            told: Told::default(),
            sent_again: 0,
        };
        Self {
            filters: (1..=FILTERS).map(filter).collect(),
            operator: Operator { generation: 1, open: false, turn: 0 },
        }
    }

    /// Sends and changes until nobody answers any more.
    async fn run(mut self, address: SocketAddr) -> Self {
        let changing = tokio::spawn(self.operator.run(address));
        let sending: Vec<_> = self.filters.into_iter().map(|one| tokio::spawn(one.run(address))).collect();
        self.filters = Vec::new();
        for one in sending {
            self.filters.push(one.await.unwrap());
        }
        self.operator = changing.await.unwrap();
        self
    }

    /// Has each filter repeat what it would after a restart, so that nothing is open.
    async fn settle(&mut self, address: SocketAddr) {
        for filter in &mut self.filters {
            filter.repeat(address).await.expect("the process runs");
        }
    }

    fn told(&self) -> Told {
        self.filters.iter().fold(Told::default(), |sum, filter| sum.and(filter.told))
    }

    /// Once each filter has spoken, the report knows of as many exchanges as all of them have mirrored.
    async fn check_heartbeats(&self, address: SocketAddr) {
        for filter in &self.filters {
            filter.beat(address).await.expect("the process runs");
        }
        let delivery = get(address, "/v1/releases/shop/report").await["delivery"].clone();
        let told = self.told();
        assert_eq!(delivery["mirrored"], told.compared + told.elsewhere, "{delivery}");
    }

    /// The report and the accounts count what was acknowledged, and besides at most what is open; the audit is intact. Returns how many
    /// exchanges the report holds.
    async fn check(&mut self, address: SocketAddr, when: &str) -> u64 {
        assert_eq!(send(address, Method::GET, "/readyz", &[], "").await.unwrap().status, 200, "{when}");
        let accounts = accounts(address).await;
        let report = get(address, "/v1/releases/shop/report").await;
        let told = self.told();
        let open = self.filters.iter().filter_map(|filter| filter.open.as_ref());
        let open = open.fold(Told::default(), |sum, batch| sum.and(batch.first_told()));
        let counted = |name: &str, of: &Value, told: u64, at_most: u64| {
            let held = of.as_u64().unwrap_or(0);
            assert!(told <= held, "{when}: {} of {told} are lost ({name}): {accounts}", told - held);
            assert!(held <= at_most, "{when}: {} are doubled ({name}): {accounts}", held - at_most);
            held
        };
        let compared =
            counted("compared", &accounts["compared"], told.compared, told.compared + open.compared);
        let elsewhere = told.elsewhere + open.elsewhere;
        counted("elsewhere", &accounts["refused"]["elsewhere"], told.elsewhere, elsewhere);
        let sent_again = self.filters.iter().map(|filter| filter.sent_again).sum();
        counted("duplicates", &accounts["duplicates"], told.repeats, sent_again);
        assert_eq!((&report["exchanges"], &accounts["inFlight"]), (&compared.into(), &0.into()), "{when}");
        let refused = accounts["refused"].as_object().unwrap();
        assert!(refused.keys().all(|reason| reason == "elsewhere"), "{when}: {accounts}");
        self.operator.check(address, when).await;
        compared
    }
}

impl Told {
    fn and(self, other: Self) -> Self {
        Self {
            compared: self.compared + other.compared,
            elsewhere: self.elsewhere + other.elsewhere,
            repeats: self.repeats + other.repeats,
        }
    }

    /// `None` of an answer that breaks off: it never was.
    fn by(text: &str) -> Option<Self> {
        let answer: Value = serde_json::from_str(text).ok()?;
        let of = |name: &str| answer[name].as_u64().unwrap();
        Some(Self { compared: of("compared"), elsewhere: of("elsewhere"), repeats: of("duplicates") })
    }
}

impl Batch {
    /// The last one of every third batch is an exchange that the candidate answered itself, which is refused.
    fn made(sequence: u64, dice: &mut Dice) -> Self {
        let mut observations = healthy(u128::from(1 + dice.below(6)));
        if let Some(last) = observations.last_mut().filter(|_| dice.below(3) == 0) {
            last.primary.variant = "canary".to_owned();
        }
        Self { sequence, observations }
    }

    /// What is said of it the first time.
    fn first_told(&self) -> Told {
        let elsewhere = self.observations.iter().filter(|one| one.primary.variant == "canary").count() as u64;
        Told { compared: self.size() - elsewhere, elsewhere, repeats: 0 }
    }

    fn size(&self) -> u64 {
        self.observations.len() as u64
    }

    /// What was answered; `None` if that never came.
    async fn sent(&self, instance: Instance, address: SocketAddr) -> Option<Told> {
        let answer = send_batch_of(instance, address, self.sequence, &self.observations).await.ok()?;
        assert_eq!(answer.status, 200, "{answer:?}");
        Told::by(&answer.text)
    }
}

impl Filter {
    async fn run(mut self, address: SocketAddr) -> Self {
        if self.repeat(address).await.is_some() {
            while self.proceed(address).await.is_some() {}
        }
        self
    }

    /// Sends its last batches again: those that were acknowledged, and the one that was not answered. `None` if the process has gone.
    async fn repeat(&mut self, address: SocketAddr) -> Option<()> {
        for batch in &self.acknowledged {
            self.sent_again += batch.size();
            let told = batch.sent(self.instance, address).await?;
            assert_eq!(told.repeats, batch.size(), "{} {} was acknowledged", self.instance, batch.sequence);
            self.told.repeats += told.repeats;
        }
        let Some(batch) = self.open.take() else { return Some(()) };
        self.sent_again += batch.size();
        self.deliver(batch, address).await
    }

    /// Sends a batch, and after some of them a heartbeat.
    async fn proceed(&mut self, address: SocketAddr) -> Option<()> {
        self.sequence += 1;
        let batch = Batch::made(self.sequence, &mut self.dice);
        self.deliver(batch, address).await?;
        if self.dice.below(4) == 0 {
            self.beat(address).await?;
        }
        Some(())
    }

    async fn deliver(&mut self, batch: Batch, address: SocketAddr) -> Option<()> {
        let Some(told) = batch.sent(self.instance, address).await else {
            self.open = Some(batch);
            return None;
        };
        let first = batch.first_told();
        let whole = if told.repeats > 0 { told.repeats } else { told.compared + told.elsewhere };
        assert_eq!(whole, batch.size(), "{} {}", self.instance, batch.sequence);
        self.told = self.told.and(Told { repeats: told.repeats, ..first });
        self.acknowledged.push_back(batch);
        if self.acknowledged.len() > REPEATED {
            self.acknowledged.pop_front();
        }
        Some(())
    }

    async fn beat(&self, address: SocketAddr) -> Option<()> {
        let delivered = self.told.compared + self.told.elsewhere;
        let accounts =
            Accounts { requests: delivered, mirrored: delivered, delivered, ..Accounts::default() };
        let heartbeat = encode_heartbeat(&Heartbeat::new("shop", self.instance, None, accounts));
        let headers = [("content-type", "application/cbor")];
        let answer = send(address, Method::POST, "/v1/heartbeats", &headers, heartbeat).await.ok()?;
        assert_eq!(answer.status, 200, "{answer:?}");
        Some(())
    }
}

impl Operator {
    async fn run(mut self, address: SocketAddr) -> Self {
        loop {
            self.turn += 1;
            self.open = true;
            let json = format!("{{\"percent\": {}}}", 1 + self.turn % 100);
            let headers = [("content-type", "application/json")];
            let path = "/v1/policies/shop/mirror";
            let Ok(answer) = send(address, Method::PATCH, path, &headers, json).await else { return self };
            let Ok(changed) = serde_json::from_str::<Value>(&answer.text) else { return self };
            self.generation = changed["generation"].as_u64().unwrap();
            self.open = false;
            tokio::time::sleep(BETWEEN_CHANGES).await;
        }
    }

    /// The generation that it knows of is in force, or the one that nobody answered; and the audit tells of each.
    async fn check(&mut self, address: SocketAddr, when: &str) {
        let policy = send(address, Method::GET, "/v1/policies/shop", &[], "").await.unwrap();
        let stored: u64 = policy.header("etag").trim_matches('"').parse().unwrap();
        let expected = self.generation..=self.generation + u64::from(self.open);
        assert!(expected.contains(&stored), "{when}: {stored} is not in {expected:?}");
        (self.generation, self.open) = (stored, false);
        let audit = get(address, "/v1/audit").await;
        assert_eq!((&audit["intact"], &audit["entries"]), (&true.into(), &stored.into()), "{when}: {audit}");
    }
}

async fn get(address: SocketAddr, path: &str) -> Value {
    send(address, Method::GET, path, &[], "").await.unwrap().json()
}

const FILTERS: u128 = 4;
/// Batches that a filter repeats after a restart, as many as it may have in flight.
const REPEATED: usize = 3;
const LONGEST_START: Duration = Duration::from_millis(150);
const LONGEST_LOAD: Duration = Duration::from_millis(250);
const BETWEEN_CHANGES: Duration = Duration::from_millis(25);
