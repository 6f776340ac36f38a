//! When an instance speaks that need not ask: what it runs and what it counted nobody else can tell.
//!
//! At once if there is something to tell, as long as the comparator is known to listen; else once in a while, so that it is known to
//! be alive.

use std::time::Duration;

use antumbra_observation::Accounts;

/// What the comparator was told last.
#[derive(Default)]
pub(crate) struct Report {
    /// The generation and the accounts; `None` if nobody may have heard them.
    said: Option<(Option<u64>, Accounts)>,
    at: Option<Duration>,
}

impl Report {
    /// Whether to speak, if it is known whether the comparator `listens`.
    pub(crate) fn is_due(
        &self,
        generation: Option<u64>,
        accounts: &Accounts,
        listens: bool,
        now: Duration,
    ) -> bool {
        let Some(at) = self.at else { return true };
        let news = || self.said.as_ref().is_none_or(|(said, told)| *said != generation || told != accounts);
        now.saturating_sub(at) >= LONGEST_SILENCE || (listens && news())
    }

    /// It speaks now.
    pub(crate) fn say(&mut self, generation: Option<u64>, accounts: &Accounts, now: Duration) {
        self.said = Some((generation, accounts.clone()));
        self.at = Some(now);
    }

    /// What was said last, nobody may have heard, or whoever heard it is gone.
    pub(crate) fn unheard(&mut self) {
        self.said = None;
    }
}

/// Far shorter than the minute after which the comparator takes an instance for gone.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn speaks_first_then_of_what_is_new_and_else_once_in_a_while() {
        let second = Duration::from_secs;
        let none = Accounts::default();
        let some = Accounts { requests: 1, ..Accounts::default() };
        let mut report = Report::default();
        assert!(report.is_due(None, &none, false, second(0)));
        report.say(Some(7), &none, second(0));
        assert!(!report.is_due(Some(7), &none, true, second(9)));
        assert!(report.is_due(Some(8), &none, true, second(1)), "another generation");
        assert!(report.is_due(Some(7), &some, true, second(1)), "other accounts");
        assert!(!report.is_due(Some(7), &some, false, second(9)), "nobody listens");
        assert!(report.is_due(Some(7), &none, false, second(10)));
        report.unheard();
        assert!(report.is_due(Some(7), &none, true, second(1)));
    }
}
