//! The evidence of one release, and when it is worth judging anew.
//!
//! A judgement goes over every endpoint and place, on the one thread that also takes observations in: a scrape or a look
//! at the status must not make those wait.

use std::time::{Duration, Instant};

use antumbra_engine::{Delivery, Evidence, Report, Verdict};

use antumbra_control::Session;
use antumbra_control::Version;

/// The evidence of a release in its current session.
pub(crate) struct Gathered {
    /// The session.
    pub(crate) session: Session,
    /// What is known in it.
    pub(crate) evidence: Evidence,
    last: Option<Judged>,
}

/// A verdict on the evidence of a session.
#[derive(Clone, Copy)]
struct Judged {
    verdict: Verdict,
    /// Generation, delivery, exchanges.
    of: (u64, Delivery, u64),
    at: Instant,
    took: Duration,
}

impl Gathered {
    /// Evidence that was not judged yet.
    pub(crate) fn new(session: Session, evidence: Evidence) -> Self {
        Self { session, evidence, last: None }
    }

    /// The report as of now.
    pub(crate) fn report(&mut self, release: &str, version: &Version, delivery: &Delivery) -> Report {
        let at = Instant::now();
        let report = antumbra_engine::report(release, &self.evidence, version.document.gates(), delivery);
        let of = (version.generation, *delivery, report.exchanges);
        self.last = Some(Judged { verdict: report.verdict, of, at, took: at.elapsed() });
        report
    }

    /// The last verdict if nothing changed since, or if judging anew could take more than a small share of the thread's
    /// time: whoever asks for how things stand asks often.
    pub(crate) fn verdict(&mut self, release: &str, version: &Version, delivery: &Delivery) -> Verdict {
        let of = (version.generation, *delivery, self.evidence.exchanges());
        match self.last {
            Some(last) if last.of == of || last.at.elapsed() < last.took * PAUSE => last.verdict,
            _ => self.report(release, version, delivery).verdict,
        }
    }
}

/// Between two judgements asked for by the way passes so many times what the last one took: at most a twentieth of the
/// thread's time.
const PAUSE: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use antumbra_control::Document;

    #[test]
    fn a_verdict_by_the_way_is_judged_anew_only_if_that_is_cheap() {
        let text = b"{version: 1, name: shop, variants: {stable: null, canary: null}, default: stable,
            rules: [{name: shadow, mirror: [{to: canary, percent: 5}]}]}";
        let version = Version::new(Document::from_yaml(text).unwrap(), 1, 0);
        let (nothing, some) = (Delivery::default(), Delivery { mirrored: 7, ..Delivery::default() });
        let (cheap, dear) = (Duration::ZERO, Duration::from_secs(60));
        for (of, took, expected) in [
            ((1, nothing, 0), cheap, Verdict::RollBack),
            ((1, some, 0), cheap, Verdict::Wait),
            ((2, nothing, 0), cheap, Verdict::Wait),
            ((1, nothing, 9), cheap, Verdict::Wait),
            ((1, nothing, 9), dear, Verdict::RollBack),
        ] {
            let mut gathered = Gathered::new(Session { number: 1, since: 1 }, Evidence::new());
            gathered.last = Some(Judged { verdict: Verdict::RollBack, of, at: Instant::now(), took });
            assert_eq!(gathered.verdict("shop", &version, &nothing), expected, "{of:?} {took:?}");
        }
    }
}
