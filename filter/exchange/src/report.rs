//! When an instance speaks that need not ask: what it runs and what it counted nobody else can tell.
//!
//! At once if there is something to tell, as long as the comparator is known to listen; else once in a while, so that it is known to
//! be alive.

use std::time::Duration;

use antumbra_observation::{Accounts, Trouble};

/// What the comparator was told last.
#[derive(Default)]
pub(crate) struct Report {
    /// `None` if nobody may have heard it.
    said: Option<Said>,
    at: Option<Duration>,
}

/// What an instance says of itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// What it runs.
    pub(crate) generation: Option<u64>,
    /// What it counted.
    pub(crate) accounts: Accounts,
    /// What it met.
    pub(crate) troubles: Vec<Trouble>,
}

impl Report {
    /// Whether to speak, if it is known whether the comparator `listens`.
    pub(crate) fn is_due(&self, now_said: &Said, listens: bool, now: Duration) -> bool {
        let Some(at) = self.at else { return true };
        let news = || self.said.as_ref() != Some(now_said);
        now.saturating_sub(at) >= LONGEST_SILENCE || (listens && news())
    }

    /// Whether nobody may have heard of it.
    pub(crate) fn is_unheard(&self) -> bool {
        self.said.is_none()
    }

    /// It speaks now.
    pub(crate) fn say(&mut self, said: Said, now: Duration) {
        self.said = Some(said);
        self.at = Some(now);
    }

    /// What was said last, nobody may have heard, or whoever heard it is gone.
    pub(crate) fn unheard(&mut self) {
        self.said = None;
    }
}

/// Far shorter than the minute after which the comparator takes an instance for gone.
pub(crate) const LONGEST_SILENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn speaks_first_then_of_what_is_new_and_else_once_in_a_while() {
        let second = Duration::from_secs;
        let said = |generation, requests, troubles| Said {
            generation: Some(generation),
            accounts: Accounts { requests, ..Accounts::default() },
            troubles,
        };
        let quiet = said(7, 0, Vec::new());
        let trouble = Trouble::new(antumbra_observation::TroubleKind::UnknownCluster, "canary", "candidate");
        let mut report = Report::default();
        assert!(report.is_due(&quiet, false, second(0)));
        report.say(quiet.clone(), second(0));
        assert!(!report.is_due(&quiet, true, second(9)));
        assert!(report.is_due(&said(8, 0, Vec::new()), true, second(1)), "another generation");
        assert!(report.is_due(&said(7, 1, Vec::new()), true, second(1)), "other accounts");
        assert!(report.is_due(&said(7, 0, vec![trouble]), true, second(1)), "trouble");
        assert!(!report.is_due(&said(7, 1, Vec::new()), false, second(9)), "nobody listens");
        assert!(report.is_due(&quiet, false, second(10)));
        report.unheard();
        assert!(report.is_due(&quiet, true, second(1)));
    }
}
