//! Blocks of time, one coin each: at the shortest length and at every doubling of it.
//!
//! One length alone is too weak: a pause of 15 s covers two or three blocks of 10 s, and a few pauses of the same leg would be eight
//! blocks alike. So the sign of the difference has to hold at every length 2^k of which as many blocks as the test needs fit into the time since
//! the count began: what condemns is spread over that time. A burst of less than eight blocks never does by itself.
//!
//! The count begins at the first discordant block, and anew where the candidate's lead is lost, so that a late defect does not wait for
//! the past; each time that it had looked suspicious before, it takes more to be believed (the j-th start j² times the evidence). What
//! follows a silence is tried by itself, too, as the next start. The longer a count lasts, the longer are the blocks that are kept of it.

use serde::{Deserialize, Serialize};

use super::confirmation::Confirmation;
use crate::kind::Sign;
use crate::sparse::is_default;
use crate::stats;

/// The blocks since the count began in which a hypothesis was discordant, ascending: number, and how often more the candidate than the
/// control.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Blocks {
    #[serde(skip_serializing_if = "is_default")]
    nets: Vec<(u32, i32)>,
    /// Each lasts 2^doublings of the shortest.
    #[serde(skip_serializing_if = "is_default")]
    doublings: u8,
    /// How often a count had looked suspicious, and was begun anew.
    #[serde(skip_serializing_if = "is_default")]
    lapsed: u32,
    /// How many exchanges there were of the same kind, discordant or not, when the count began.
    #[serde(skip_serializing_if = "is_default")]
    before: u64,
}

/// What the coins of a count say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// The lead is lost; whether it had looked suspicious before.
    Lost {
        suspicious: bool,
    },
    Ahead,
}

impl Blocks {
    /// Counts a discordant exchange, the `nth` of all.
    pub(crate) fn count(&mut self, block: u32, sign: Sign, nth: u64) {
        let number = block >> self.doublings;
        if self.nets.last().is_none_or(|(last, _)| *last < number) {
            self.settle();
        }
        if self.nets.is_empty() {
            self.before = nth.saturating_sub(1);
        }
        self.add(block >> self.doublings, sign.into());
        self.shorten();
    }

    /// Begins anew where the lead is lost.
    fn settle(&mut self) {
        if let Course::Lost { suspicious } = course(&self.nets) {
            let lapsed = self.lapsed.saturating_add(suspicious.into());
            self.nets.clear();
            self.nets.shrink_to(FEW);
            *self = Self { nets: std::mem::take(&mut self.nets), doublings: 0, lapsed, before: 0 };
        }
    }

    fn add(&mut self, number: u32, net: i32) {
        let at = self.nets.partition_point(|(before, _)| *before < number);
        match self.nets.get_mut(at) {
            Some((same, sum)) if *same == number => *sum = sum.saturating_add(net),
            _ => self.nets.insert(at, (number, net)),
        }
    }

    fn shorten(&mut self) {
        while self.nets.len() > MOST {
            self.lengthen();
        }
    }

    /// Two neighbours become one.
    fn lengthen(&mut self) {
        self.doublings += 1;
        let mut longer: Vec<(u32, i32)> = Vec::with_capacity(self.nets.len());
        for (number, net) in self.nets.drain(..) {
            match longer.last_mut() {
                Some((last, sum)) if *last == number >> 1 => *sum = sum.saturating_add(net),
                _ => longer.push((number >> 1, net)),
            }
        }
        self.nets = longer;
    }

    /// Blocks of one time are one block, whoever saw it.
    pub(crate) fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.doublings < other.doublings {
            self.lengthen();
        }
        while other.doublings < self.doublings {
            other.lengthen();
        }
        for (number, net) in other.nets {
            self.add(number, net);
        }
        self.lapsed = self.lapsed.max(other.lapsed);
        self.before = self.before.saturating_add(other.before);
        self.shorten();
    }

    /// Whether the blocks that are over by `now` condemn a hypothesis, after so many exchanges `in_all`.
    pub(crate) fn confirm(&self, now: u32, in_all: u64, alpha: f64) -> Confirmation {
        let over = self.nets.partition_point(|(number, _)| *number < now >> self.doublings);
        let over = self.nets.get(..over).unwrap_or_default();
        let number = self.lapsed.saturating_add(1);
        // A fault that never pauses is no row of bursts, however few exchanges there are.
        let lengths = if self.never_pauses(in_all) { 1 } else { MAX_DOUBLINGS };
        let whole = self.hold(over, alpha, number, lengths);
        let recent = after_silence(over);
        let recent = recent.map(|recent| self.hold(recent, alpha, number.saturating_add(1), MAX_DOUBLINGS));
        if recent == Some(Confirmation::Confirmed) { Confirmation::Confirmed } else { whole }
    }

    /// Each exchange since the count began was the candidate's fault.
    fn never_pauses(&self, in_all: u64) -> bool {
        let net: i64 = self.nets.iter().map(|(_, net)| i64::from(*net)).sum();
        u64::try_from(net).is_ok_and(|net| net >= in_all.saturating_sub(self.before))
    }

    /// Whether the coins are the candidate's at every one of so many lengths, for the `number`-th start.
    fn hold(&self, over: &[(u32, i32)], alpha: f64, number: u32, lengths: u32) -> Confirmation {
        let alpha = alpha / f64::from(number).powi(2);
        let of = enough(alpha);
        let show = |wins: u64, losses: u64, doublings: u32| Confirmation::Blocks {
            show: wins,
            of: of.max(wins + 1) + losses,
            length: 1_u32 << (u32::from(self.doublings) + doublings).min(MAX_DOUBLINGS),
        };
        let (Some((first, _)), Some((last, _))) = (over.first(), over.last()) else { return show(0, 0, 0) };
        let span = u64::from(last - first) + 1;
        let fitting = (0..lengths).take_while(|doublings| *doublings == 0 || of << doublings <= span);
        let coins = fitting.map(|doublings| (coins(over, doublings), doublings));
        let short =
            coins.into_iter().find(|((wins, losses), _)| stats::ln_evidence(*wins, *losses) < -alpha.ln());
        short.map_or(Confirmation::Confirmed, |((wins, losses), doublings)| show(wins, losses, doublings))
    }
}

/// Whether the candidate is still ahead, counted by blocks.
fn course(nets: &[(u32, i32)]) -> Course {
    let (mut wins, mut losses, mut highest, mut suspicious) = (0_u64, 0_u64, 0_u64, false);
    for (_, net) in nets {
        wins += u64::from(*net > 0);
        losses += u64::from(*net < 0);
        let lead = wins.saturating_sub(losses);
        highest = highest.max(lead);
        suspicious |= lead >= SUSPICIOUS && stats::ln_evidence(wins, losses) >= std::f64::consts::LN_10;
    }
    let lead = wins.saturating_sub(losses);
    let lost = lead == 0 || highest - lead >= DRAWDOWN.max(highest / 2);
    if lost { Course::Lost { suspicious } } else { Course::Ahead }
}

/// What follows the last silence, if there was one.
fn after_silence(nets: &[(u32, i32)]) -> Option<&[(u32, i32)]> {
    let at = nets.array_windows().rposition(|[one, next]| next.0 - one.0 > QUIET)?;
    nets.get(at + 1..)
}

/// How many blocks of 2^doublings are the candidate's, and how many the control's.
fn coins(blocks: &[(u32, i32)], doublings: u32) -> (u64, u64) {
    let longer = blocks.chunk_by(|one, next| one.0 >> doublings == next.0 >> doublings);
    longer.fold((0, 0), |(wins, losses), within| {
        let net: i64 = within.iter().map(|(_, net)| i64::from(*net)).sum();
        (wins + u64::from(net > 0), losses + u64::from(net < 0))
    })
}

/// How many coins that are all alike prove something at this level: 8 at 1 %.
pub(super) fn enough(alpha: f64) -> u64 {
    (1..MANY).find(|wins| stats::ln_evidence(*wins, 0) >= -alpha.ln()).unwrap_or(MANY)
}

/// Blocks that are kept: a verdict takes eight, and twice as many at half the length.
const MOST: usize = 32;
/// Room that a count which begins anew keeps.
const FEW: usize = 4;
/// A silence has more blocks than this.
const QUIET: u32 = 8;
/// A count ends when the candidate's lead has shrunk by so many blocks, and by half.
const DRAWDOWN: u64 = 4;
/// The smallest lead of which the evidence can be ten.
const SUSPICIOUS: u64 = 5;
/// More than a number of 32 bits has.
const MAX_DOUBLINGS: u32 = 31;
/// More than any level needs.
const MANY: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: f64 = 0.01;

    fn of(nets: impl IntoIterator<Item = (u32, i16)>) -> Blocks {
        let mut blocks = Blocks::default();
        nets.into_iter().for_each(|(block, net)| blocks.count(block, net, 1));
        blocks
    }

    fn confirmed(blocks: &Blocks, now: u32) -> bool {
        blocks.confirm(now, u64::MAX, ALPHA) == Confirmation::Confirmed
    }

    /// Ten exchanges in a minute and a half, and then one now and then.
    #[test]
    fn what_is_always_wrong_need_not_be_spread_evenly() {
        let times = [0, 1, 2, 3, 4, 5, 30, 90, 91];
        let blocks = of(times.map(|block| (block, 1)));
        let confirmed = |in_all| blocks.confirm(200, in_all, ALPHA) == Confirmation::Confirmed;
        assert!(confirmed(9) && !confirmed(10), "one was answered well meanwhile");
    }

    #[test]
    fn eight_blocks_alike_are_enough_and_one_to_the_contrary_asks_for_twelve() {
        assert_eq!(enough(ALPHA), 8);
        let alike = of((0..8).map(|block| (block, 100)));
        assert!(confirmed(&alike, 8) && !confirmed(&alike, 7), "the last is not over");
        let contrary = |more: u32| of((0..=more).map(|block| (block, if block == 2 { -1 } else { 1 })));
        assert!(!confirmed(&contrary(11), 100) && confirmed(&contrary(12), 100));
        let lacking = of([(5, 3), (6, 1)]).confirm(9, u64::MAX, ALPHA);
        assert_eq!(lacking, Confirmation::Blocks { show: 2, of: 8, length: 1 });
    }

    #[test]
    fn rare_and_always_wrong_is_found_at_every_length() {
        for every in [1, 2, 5, 30, 1_000] {
            let rare = |times: u32| of((0..times).map(|turn| (turn * every, 1)));
            assert!(!confirmed(&rare(7), 1_000_000), "{every}");
            for times in [8, 9, 20, 100, 1_000] {
                assert!(confirmed(&rare(times), 1_000_000), "{times} times, every {every}");
            }
        }
    }

    /// Three blocks each, a minute in ten.
    #[test]
    fn a_few_bursts_are_not_many_blocks() {
        let burst = |at: u32| (at..at + 3).map(|block| (block, 50));
        let bursts = |times: u32| of((0..times).flat_map(|turn| burst(turn * 60)));
        assert_eq!(
            bursts(4).confirm(1_000, u64::MAX, ALPHA),
            Confirmation::Blocks { show: 4, of: 8, length: 4 }
        );
        assert!(
            !confirmed(&bursts(7), 1_000) && confirmed(&bursts(8), 1_000),
            "eight bursts are eight coins"
        );
    }

    #[test]
    fn a_late_defect_does_not_wait_for_the_past() {
        let burst = (0..7_u32).map(|block| (block, 100_i16));
        let late = |blocks: u32| of(burst.clone().chain((360..360 + blocks).map(|block| (block, 90))));
        assert!(
            !confirmed(&late(10), 1_000) && confirmed(&late(11), 1_000),
            "the second start asks for more"
        );
        // As often the one as the other for an hour, without a silence.
        let even = (0..360_u32).map(|block| (block, if block % 2 == 0 { 1 } else { -1 }));
        let defect = |blocks: u32| of(even.clone().chain((360..360 + blocks).map(|block| (block, 90))));
        assert!(!confirmed(&defect(7), 1_000) && confirmed(&defect(8), 1_000));
        // After a burst.
        let noisy = |blocks: u32| {
            let after = (7..366_u32).map(|block| (block, if block % 3 == 0 { 1 } else { -1 }));
            of(burst.clone().chain(after).chain((366..366 + blocks).map(|block| (block, 90))))
        };
        assert!(!confirmed(&noisy(10), 1_000) && confirmed(&noisy(11), 1_000));
    }

    #[test]
    fn what_comes_late_is_counted_where_it_belongs_and_engines_add() {
        let ordered = of((0..10).map(|block| (block, 1)));
        assert_eq!(of((0..10).rev().map(|block| (block, 1))), ordered);
        let mut even = of((0..10).step_by(2).map(|block| (block, 1)));
        even.merge(&of((1..10).step_by(2).map(|block| (block, 1))));
        assert_eq!(even, ordered);
        let mut long = of((0..100).map(|block| (block, 1)));
        long.merge(&of((0..20).map(|block| (block, 2))));
        assert_eq!((long.doublings, long.nets.iter().map(|net| net.1).sum::<i32>()), (2, 140));
    }

    #[test]
    fn memory_is_bounded() {
        let mut blocks = Blocks::default();
        (0..100_000).for_each(|block| blocks.count(block, 1, 1));
        assert!(blocks.nets.len() <= MOST && blocks.nets.capacity() <= 2 * MOST);
        assert_eq!(blocks.nets.iter().map(|net| net.1).sum::<i32>(), 100_000, "nothing is forgotten");
        assert!(confirmed(&blocks, 100_000));
    }
}
