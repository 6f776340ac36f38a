//! Clients in 64 buckets, one coin each: a result that sticks to a client and an instance is one, however often the client asks.

use serde::{Deserialize, Serialize};

use super::blocks::enough;
use super::confirmation::Confirmation;
use crate::kind::Sign;
use crate::sparse::is_default;
use crate::stats;

/// One of [`BUCKETS`] groups of clients, by hash.
pub(crate) type Bucket = u8;

/// The bucket of a client: the highest bits of a product (Knuth, TAOCP 6.4), for neighbouring numbers must not share one.
pub(crate) fn bucket(client: u32) -> Bucket {
    (client.wrapping_mul(0x9e37_79b1) >> (u32::BITS - BUCKETS.ilog2())) as Bucket
}

/// How often more a hypothesis was discordant to the candidate's disadvantage than to the control's, by bucket; empty until it first looks suspicious.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Clients(Vec<Sign>);

/// Which clients asked at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Known {
    /// One bit a bucket.
    #[serde(skip_serializing_if = "is_default")]
    buckets: u64,
    #[serde(skip_serializing_if = "is_default")]
    with: u64,
    #[serde(skip_serializing_if = "is_default")]
    without: u64,
}

impl Known {
    pub(crate) fn count(&mut self, bucket: Option<Bucket>) {
        match bucket {
            Some(bucket) => {
                self.buckets |= 1 << (u32::from(bucket) % BUCKETS);
                self.with += 1;
            }
            None => self.without += 1,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.buckets |= other.buckets;
        self.with += other.with;
        self.without += other.without;
    }

    /// Whether so many groups asked that their coins can prove something: most exchanges name their client, and there are groups enough.
    fn tell(&self, enough: u64) -> bool {
        self.with > self.without && u64::from(self.buckets.count_ones()) >= enough
    }
}

impl Clients {
    pub(super) fn count(&mut self, bucket: Bucket, sign: Sign) {
        self.0.resize(BUCKETS as usize, 0);
        if let Some(net) = self.0.get_mut(usize::from(bucket)) {
            *net = net.saturating_add(sign);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, net) in (0..).zip(&other.0) {
            self.count(bucket, *net);
        }
    }

    pub(super) fn confirm(&self, known: &Known, alpha: f64) -> Confirmation {
        let of = enough(alpha);
        if !known.tell(of) {
            return Confirmation::Confirmed;
        }
        let count = |is: fn(&Sign) -> bool| self.0.iter().filter(|net| is(net)).count() as u64;
        let (wins, losses) = (count(|net| *net > 0), count(|net| *net < 0));
        if stats::ln_evidence(wins, losses) >= -alpha.ln() {
            return Confirmation::Confirmed;
        }
        Confirmation::Clients { show: wins, of: of.max(wins + 1) + losses }
    }
}

const BUCKETS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_count_once_where_they_are_known() {
        let mut known = Known::default();
        let mut clients = Clients::default();
        let mut confirmed = |client: Option<u32>, sign: Sign| {
            let bucket = client.map(bucket);
            known.count(bucket);
            if let Some(bucket) = bucket {
                clients.count(bucket, sign);
            }
            clients.confirm(&known, 0.01)
        };
        for client in 1..=7 {
            assert_eq!(confirmed(Some(client), 1), Confirmation::Confirmed, "too few to tell");
        }
        let mut last = Confirmation::Confirmed;
        for _ in 0..10 {
            last = confirmed(Some(8), -1);
        }
        assert_eq!(last, Confirmation::Clients { show: 7, of: 9 }, "ten times one client");
        for client in 9..=13 {
            last = confirmed(Some(client), 1);
        }
        assert_eq!(last, Confirmation::Confirmed);
        (0..100).for_each(|_| last = confirmed(None, 1));
        assert_eq!(last, Confirmation::Confirmed, "most are not known");
    }

    #[test]
    fn buckets_are_even() {
        let mut counts = [0; BUCKETS as usize];
        (0..6_400).for_each(|client| counts[usize::from(bucket(client))] += 1);
        assert!(counts.iter().all(|count| (90..=110).contains(count)), "{counts:?}");
    }
}
