//! What is counted of one possible regression: how often only the candidate differs, only the control, or both.

use antumbra_observation::ExchangeId;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::coins::{Coins, Lead, Moment};
use crate::compared::{Difference, Exchange};
use crate::diff::Detail;
use crate::farther::{Cause, Values};
use crate::guess::{self, Guesses, Sampled, Tally};
use crate::kind::{Differing, Kind, Sign, Subject};
use crate::order::Order;
use crate::paid::Paid;
use crate::places::{Noisy, Noted, Places};
use crate::room::Room;
use crate::series::{Course, Series, Settled};
use crate::sparse::is_default;

/// The counts of one place and kind at one endpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Hypothesis {
    /// Its number in the release, from 1, by first discordance: fixed then, for the weights depend on it.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) discovered: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) candidate_only: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) control_only: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) both: u64,
    /// Differences of the candidate in exchanges without control.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) uncontrolled: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) first_us: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) last_us: u64,
    /// A uniform sample, lowest rank first.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) examples: Vec<Example>,
    /// Which rules would allow the control's differences.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) tally: Tally,
    /// What values the legs have here, where one was farther: they may tell of instances.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) series: Option<Box<Series>>,
    /// Which of the control's differences speak for the candidate.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) paid: Paid,
    /// Its number among the places of the release.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) place: Option<u32>,
    /// The counts as they were after the first difference since the place is noisy.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) noisy_from: Option<NoisyFrom>,
    /// Of the exchanges in which one leg alone counts, those that only hold a promotion, by leg: who was asked first may be why.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) held: (u64, u64),
    /// In which blocks of time, and for which clients, one leg alone differs.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) coins: Coins,
}

/// One exchange that shows a difference. Each text has at most 120 characters, and what looks like a secret is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// Identifies the exchange.
    pub exchange: ExchangeId,
    /// What the client asked for, such as `GET /items/7?page=2`. It is empty in evidence that was stored by a version without it.
    #[serde(default)]
    pub request: String,
    /// The exact place of the difference, with positions in arrays.
    pub path: String,
    /// What the primary has there.
    pub primary: String,
    /// What the candidate has there.
    pub candidate: String,
    /// What the control has there, if there was one.
    pub control: Option<String>,
    /// When the exchange was, in microseconds since 1970; 0 in evidence that was stored by a version without it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub at_us: u64,
    /// The plugins that failed at this exchange: it was compared without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

/// From where the share of a noisy place is counted, at one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NoisyFrom {
    turn: u32,
    exchanges: u64,
    candidate_only: u64,
    /// Those that count.
    control_only: u64,
}

impl NoisyFrom {
    /// Adds what another engine counted by then.
    pub(crate) fn add(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.candidate_only += other.candidate_only;
        self.control_only += other.control_only;
    }
}

/// What of one exchange is the same for all that counts it.
#[derive(Debug)]
pub(crate) struct Counting<'d> {
    pub(crate) moment: Moment,
    pub(crate) places: &'d mut Places,
    /// Which of the release's exchanges with a control it is.
    pub(crate) nth: u64,
    /// How many blocks there are from the release's first to this one.
    pub(crate) blocks: u32,
    /// Who was asked first in the exchanges before it.
    pub(crate) order: Order,
    /// The most that the margin of a noisy place may be.
    pub(crate) noisy_margin: f64,
    /// Numbers the hypotheses of the release.
    pub(crate) discovered: &'d mut u64,
    /// What may still be named.
    pub(crate) room: &'d mut Room,
}

impl Counting<'_> {
    /// Gives a hypothesis its number, unless it has one.
    pub(crate) fn discover(&mut self, number: &mut Option<u64>) {
        if number.is_none() {
            *self.discovered += 1;
            *number = Some(*self.discovered);
        }
    }
}

/// What is seen of one exchange at the place where it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'e> {
    pub(crate) of: Differing,
    pub(crate) values: Option<Values>,
    pub(crate) by_magnitude: bool,
    pub(crate) unseen: Option<Cause>,
    pub(crate) detail: Option<&'e Detail>,
    pub(crate) sampled: Option<Sampled>,
}

impl<'e> Seen<'e> {
    pub(crate) fn of(difference: &'e Difference) -> Self {
        let Difference { subject: _, of, detail, sampled, unseen, values, by_magnitude } = difference;
        Self {
            of: *of,
            values: *values,
            by_magnitude: *by_magnitude,
            unseen: *unseen,
            detail: detail.as_deref(),
            sampled: *sampled,
        }
    }

    /// As one of many places that are counted as one: what these have in common suggests no rule.
    pub(crate) fn in_a_crowd(self) -> Self {
        let unguessed = |sampled| Sampled { guesses: Guesses::default(), ..sampled };
        Self { sampled: self.sampled.map(unguessed), ..self }
    }
}

impl Hypothesis {
    /// Counts one exchange in which one leg or both differ here. Keeps `most` examples. Answers whose difference it is.
    fn paired(
        &mut self,
        exchange: &Exchange,
        seen: &Seen<'_>,
        most: usize,
        counting: &mut Counting<'_>,
    ) -> Differing {
        self.seen(exchange.at_us);
        let of = self.unless_of_instances(seen);
        match of {
            Differing::Candidate => {
                self.candidate_only += 1;
                // If the control had anything of its own here, it would be said.
                let control = |detail: &Detail| detail.control.as_ref().unwrap_or(&detail.primary).clone();
                self.keep(exchange, most, seen.detail, |detail| Some(control(detail)));
            }
            Differing::Control => self.control_only += 1,
            Differing::Both => self.both += 1,
        }
        if let Some(sign) = of.sign() {
            counting.discover(&mut self.discovered);
            // By those before it, or the coin would know how it falls.
            if seen.by_magnitude && counting.order.is_uneven() {
                self.hold(sign);
            } else {
                self.coins.count(counting.moment, sign, self.lead());
            }
        }
        if let Some(sampled) = seen.sampled {
            self.tally.count(of.has_control(), sampled);
        }
        of
    }

    /// Whose difference it is; neither's where only values say so that may tell of instances.
    fn unless_of_instances(&mut self, seen: &Seen<'_>) -> Differing {
        let Some(values) = seen.values else { return seen.of };
        let series = self.series.get_or_insert_default();
        let course = series.course(values);
        series.take(values);
        if course == Course::Free { seen.of } else { Differing::Both }
    }

    /// Which values tell of the answers here, and that is known for good: then they need not be looked at.
    pub(crate) fn settled(&self) -> Settled {
        self.series.as_ref().map_or_else(Settled::default, |series| series.settled())
    }

    /// Whether a difference of both legs is here for the sake of values from which nothing is learnt any more: comparing leaves it out as soon
    /// as it knows that, and it must not matter when.
    pub(crate) fn learns_nothing(&self, seen: &Seen<'_>) -> bool {
        seen.values.is_some_and(|values| self.settled().has(values))
    }

    /// Whether such values tell of instances here, and nothing of an answer.
    pub(crate) fn tells_of_instances(&self, values: Values) -> bool {
        self.series.as_ref().is_some_and(|series| series.course(values) == Course::Instances)
    }

    /// Counts one exchange as [`paired`](Self::paired) does, of a place that may be noisy, the last of so many exchanges of its endpoint.
    /// Answers what it says of the share of worse exchanges at quiet places.
    pub(crate) fn placed(
        &mut self,
        subject: &Subject,
        exchange: &Exchange,
        seen: &Seen<'_>,
        most: usize,
        exchanges: u64,
        counting: &mut Counting<'_>,
    ) -> Option<Sign> {
        let of = self.paired(exchange, seen, most, counting);
        if subject.1 == Kind::Farther {
            return None;
        }
        let sign = of.sign().filter(|sign| self.paid.count(*sign, counting.moment.block));
        let place = self.place.or_else(|| counting.places.number(subject));
        self.place = place;
        let noisy = counting.places.noisy(place);
        if let Some(Noisy { turn, .. }) = noisy
            && self.noisy_from.is_none_or(|from| from.turn != turn)
        {
            let (candidate_only, control_only) = (self.candidate_only, self.paid.counted());
            self.noisy_from = Some(NoisyFrom { turn, exchanges, candidate_only, control_only });
        }
        if seen.of.has_control() {
            let Counting { moment, nth, blocks, noisy_margin, .. } = *counting;
            let noise = self.paid.counted() + self.both;
            let noted = Noted { block: moment.block, blocks, nth, noise, exchanges };
            counting.places.note(place, noted, noisy_margin);
        }
        sign.filter(|_| noisy.is_none())
    }

    /// Counts from where it did, if that is the turn `before`, else from now on, after so many exchanges; by the turn of a merge.
    pub(crate) fn settle_noise(&mut self, before: Option<u32>, turn: Option<u32>, exchanges: u64) {
        self.place = None;
        let (candidate_only, control_only) = (self.candidate_only, self.paid.counted());
        let since = self.noisy_from.filter(|from| before == Some(from.turn));
        self.noisy_from = turn.map(|turn| match since {
            Some(from) => NoisyFrom { turn, ..from },
            None => NoisyFrom { turn, exchanges, candidate_only, control_only },
        });
    }

    /// So many exchanges of another engine are not counted, for nothing was noticed there.
    pub(crate) fn add_noiseless(&mut self, exchanges: u64) {
        if let Some(from) = &mut self.noisy_from {
            from.exchanges += exchanges;
        }
    }

    /// Whether it was noisy at its last difference.
    pub(crate) fn is_noisy(&self) -> bool {
        self.noisy_from.is_some()
    }

    /// The counts since the place is noisy, by that turn: exchanges of so many, candidate only, control only.
    pub(crate) fn since_noisy(&self, turn: u32, exchanges: u64) -> Option<(u64, u64, u64)> {
        let from = self.noisy_from.filter(|from| from.turn == turn)?;
        Some((
            exchanges.saturating_sub(from.exchanges),
            self.candidate_only.saturating_sub(from.candidate_only),
            self.paid.counted().saturating_sub(from.control_only),
        ))
    }

    fn hold(&mut self, sign: Sign) {
        let (candidate, control) = &mut self.held;
        *if sign > 0 { candidate } else { control } += 1;
    }

    /// In how many exchanges the candidate alone, or the control alone, speaks for or against a regression.
    pub(crate) fn lead(&self) -> Lead {
        let (candidate, control) = self.held;
        Lead {
            candidate: self.candidate_only.saturating_sub(candidate),
            control: self.control_only.saturating_sub(control),
        }
    }

    /// Counts a difference of the candidate in an exchange without control.
    pub(crate) fn uncontrolled(&mut self, exchange: &Exchange, detail: Option<&Detail>, most: usize) {
        self.seen(exchange.at_us);
        self.uncontrolled += 1;
        self.keep(exchange, most, detail, |_| None);
    }

    /// The weight with which the guesses of the next exchange that differs here are counted, if they are.
    pub(crate) fn weight(&self, hash: u64) -> Option<u64> {
        guess::weight(self.candidate_only + self.control_only + self.both, hash)
    }

    /// Whether an exchange of this rank would be kept among `most` examples. Once it would not, it never will: ranks of those that are
    /// kept only fall.
    pub(crate) fn keeps(&self, rank: Rank, most: usize) -> bool {
        self.examples.len() < most || self.examples.last().is_none_or(|last| last.rank() > rank)
    }

    fn seen(&mut self, at_us: u64) {
        self.first_us = if self.first_us == 0 { at_us } else { self.first_us.min(at_us) };
        self.last_us = self.last_us.max(at_us);
    }

    fn keep(
        &mut self,
        exchange: &Exchange,
        most: usize,
        detail: Option<&Detail>,
        control: impl FnOnce(&Detail) -> Option<String>,
    ) {
        // Without a detail it was known before that the exchange would not be kept.
        let Some(detail) = detail.filter(|_| self.keeps(rank(exchange.id, exchange.control.is_some()), most))
        else {
            return;
        };
        let example = Example {
            exchange: exchange.id,
            request: exchange.request.clone(),
            path: detail.exact.clone(),
            primary: detail.primary.clone(),
            candidate: detail.other.clone(),
            control: control(detail),
            at_us: exchange.at_us,
            without: exchange.without(),
        };
        self.sample(most, [example]);
    }

    /// Forgets the examples of exchanges before a moment, in microseconds since 1970. Answers whether there were any.
    pub(crate) fn expire(&mut self, before_us: u64) -> bool {
        let kept = self.examples.len();
        self.examples.retain(|example| example.at_us >= before_us);
        self.examples.len() < kept
    }

    /// Adds to the sample, of which the `most` of the lowest ranks stay: of a sample, too, they are one.
    pub(crate) fn sample(&mut self, most: usize, more: impl IntoIterator<Item = Example>) {
        for example in more {
            let at = self.examples.partition_point(|kept| kept.rank() <= example.rank());
            self.examples.insert(at, example);
        }
        self.examples.truncate(most);
        self.examples.shrink_to_fit();
    }
}

impl Example {
    fn rank(&self) -> Rank {
        rank(self.exchange, self.control.is_some())
    }
}

/// Which examples are kept: one with control says more than one without; among equals chance decides, with the hash of the
/// exchange's name for dice. The lowest hashes of all that were ever seen are a uniform sample without replacement, need no seed, and
/// those of two engines together are that of both (bottom-k sampling, Cohen & Kaplan 2007).
pub(crate) type Rank = (bool, u64);

pub(crate) fn rank(exchange: ExchangeId, controlled: bool) -> Rank {
    (!controlled, hash(exchange))
}

/// The dice of an exchange.
pub(crate) fn hash(exchange: ExchangeId) -> u64 {
    xxh3_64(&exchange.0.to_le_bytes())
}
