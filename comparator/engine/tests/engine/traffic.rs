//! A release under traffic as it really comes: requests at random moments, counted as at a server, after a warm-up and by blocks of time.

use antumbra_engine::{Delivery, Evidence, Gates, Report, Rules, report};
use antumbra_observation::{Leg, Observation};

use crate::world::{Dice, answer};

/// A release under way, whose requests arrive at so many a second.
pub(crate) struct Traffic {
    pub(crate) dice: Dice,
    gates: Gates,
    rate: f64,
    /// Since the release began.
    pub(crate) seconds: f64,
    pub(crate) sent: u64,
    pub(crate) evidence: Evidence,
}

/// Which request of the release it is, and when it arrives.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) number: u64,
    pub(crate) seconds: f64,
}

/// One exchange, with the answers of primary, candidate and control.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) client: Option<u32>,
    pub(crate) legs: [Leg; 3],
}

/// Both versions of a service, with all that their instances remember.
pub(crate) type Service = Box<dyn FnMut(&mut Dice, Arrival) -> Asked>;

impl Traffic {
    pub(crate) fn new(seed: u64, rate: f64) -> Self {
        Self::under(Gates::default(), seed, rate)
    }

    /// With gates of its own.
    pub(crate) fn under(gates: Gates, seed: u64, rate: f64) -> Self {
        let mut evidence = Evidence::new();
        evidence.set_pace(gates.pace());
        Self { dice: Dice(seed), gates, rate, seconds: 0.0, sent: 0, evidence }
    }

    /// Waits for the next request, and says what became of it.
    pub(crate) fn next(&mut self, service: &mut dyn FnMut(&mut Dice, Arrival) -> Asked) -> Observation {
        self.seconds -= (1.0 - self.dice.uniform()).ln() / self.rate;
        let arrival = Arrival { number: self.sent, seconds: self.seconds };
        self.sent += 1;
        service(&mut self.dice, arrival).observed(self.sent, self.seconds)
    }

    /// Counts that, too.
    pub(crate) fn ask(&mut self, service: &mut dyn FnMut(&mut Dice, Arrival) -> Asked) {
        let observation = self.next(service);
        self.evidence.observe(&observation, &Rules::default());
    }

    pub(crate) fn read(&self) -> Report {
        let delivery = Delivery { known: true, mirrored: self.sent, ..Delivery::default() };
        report("shop", &self.evidence, &self.gates, &delivery)
    }

    /// The reports of somebody who looks after every 250 of so many exchanges.
    pub(crate) fn watch(&mut self, exchanges: u64, mut service: Service) -> Vec<Report> {
        let looks = (0..exchanges / 250).map(|_| {
            (0..250).for_each(|_| self.ask(&mut *service));
            self.read()
        });
        looks.collect()
    }
}

impl Asked {
    /// As a filter tells of it.
    fn observed(self, number: u64, seconds: f64) -> Observation {
        let [primary, candidate, control] = self.legs;
        let observation = Observation::new("shop", "GET", &self.path)
            .with_id(number.into())
            .with_arrival_us(BEGAN_US + (seconds * 1e6) as u64)
            .with_primary(primary)
            .with_candidate(candidate)
            .with_control(control);
        Observation { client: self.client, ..observation }
    }
}

/// The same question to all, from nobody in particular.
pub(crate) fn asked(path: &str, legs: [Leg; 3]) -> Asked {
    Asked { path: path.to_owned(), client: None, legs }
}

/// About so many milliseconds, in microseconds.
pub(crate) fn about(dice: &mut Dice, ms: f64, sigma: f64) -> u64 {
    (ms * 1e3 * (sigma * dice.normal()).exp()) as u64
}

/// What each of the legs answers, all of them in good time.
pub(crate) fn each(dice: &mut Dice, mut leg: impl FnMut(&mut Dice, usize) -> Leg) -> [Leg; 3] {
    [PRIMARY, CANDIDATE, CONTROL].map(|which| leg(dice, which).with_latency_us(about(dice, 5.0, 0.1)))
}

pub(crate) fn json(body: String) -> Leg {
    answer(200, body, 5_000)
}

/// Where the legs are in an exchange.
pub(crate) const PRIMARY: usize = 0;
pub(crate) const CANDIDATE: usize = 1;
pub(crate) const CONTROL: usize = 2;
/// When each release begins, in microseconds since 1970.
pub(crate) const BEGAN_US: u64 = 1_700_000_000_000_000;
