//! The link to the comparator: when to poll, and whether the lease still holds.
//!
//! Mirroring costs the services a second request, so it goes on only while somebody looks at the result: without an answer
//! of the comparator for the policy's lease it stops, and begins again with the next answer. Splitting goes on.

use std::time::Duration;

use antumbra_policy::Dice;

/// One poll at a time, about every `interval`.
pub(crate) struct Link {
    interval: Duration,
    next_poll: Duration,
    polling: bool,
    /// What was sent last carried a poll.
    riding: bool,
    last_answer: Option<Duration>,
    /// What the last poll met, if it was not a policy.
    trouble: Option<String>,
}

impl Link {
    /// Polls at the first tick.
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            next_poll: Duration::ZERO,
            polling: false,
            riding: false,
            last_answer: None,
            trouble: None,
        }
    }

    /// Between two polls.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Whether it is time to poll.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        !self.polling && now >= self.next_poll
    }

    /// The next poll is due now.
    pub(crate) fn hurry(&mut self, now: Duration) {
        self.next_poll = self.next_poll.min(now);
    }

    /// Whether to poll now; if so, the poll counts as under way.
    pub(crate) fn poll(&mut self, now: Duration, dice: &mut Dice) -> bool {
        if !self.is_due(now) {
            return false;
        }
        self.begin_poll();
        self.next_poll = now.saturating_add(jittered(self.interval, dice));
        true
    }

    /// Whether a poll is so near that what is sent anyway had better carry it.
    pub(crate) fn rides_along(&mut self, now: Duration) -> bool {
        let near = now.saturating_add(self.interval.checked_div(2).unwrap_or_default()) >= self.next_poll;
        self.riding = near && !self.polling;
        self.riding
    }

    /// What was sent was acknowledged: if a poll rode along, the next one counts from now. Only then, or a comparator that refuses
    /// what it is sent would never be asked.
    pub(crate) fn acknowledged(&mut self, now: Duration) {
        if std::mem::take(&mut self.riding) {
            self.next_poll = now.saturating_add(self.interval);
        }
    }

    /// A poll is under way, whatever the time.
    pub(crate) fn begin_poll(&mut self) {
        self.polling = true;
    }

    pub(crate) fn is_polling(&self) -> bool {
        self.polling
    }

    /// The poll is over, with or without trouble. Answers what to tell the operator: only what is new, not each poll.
    pub(crate) fn polled(&mut self, trouble: Option<String>) -> Option<String> {
        self.polling = false;
        if trouble == self.trouble {
            return None;
        }
        self.trouble = trouble;
        Some(self.trouble.clone().unwrap_or_else(|| "the comparator answers again".to_owned()))
    }

    /// The comparator answered something that only it answers, to this instance or to another one.
    pub(crate) fn alive(&mut self, at: Duration) {
        self.last_answer = self.last_answer.max(Some(at));
    }

    /// How long ago that was.
    pub(crate) fn silence(&self, now: Duration) -> Option<Duration> {
        self.last_answer.map(|at| now.saturating_sub(at))
    }

    /// Whether it answered within the last few intervals.
    pub(crate) fn is_lively(&self, now: Duration) -> bool {
        self.holds(now, self.interval.saturating_mul(LIVELY))
    }

    /// Whether an answer is younger than `lease`.
    pub(crate) fn holds(&self, now: Duration, lease: Duration) -> bool {
        self.last_answer.is_some_and(|at| now.saturating_sub(at) <= lease)
    }
}

const LIVELY: u32 = 3;

/// 90 % to 110 %, so that the workers of many proxies do not poll in step.
fn jittered(interval: Duration, dice: &mut Dice) -> Duration {
    let share = u32::try_from(dice.next() % 201).unwrap_or(0);
    interval.saturating_mul(share.saturating_add(900)).checked_div(1000).unwrap_or(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn polls_one_at_a_time_about_every_interval() {
        let mut link = Link::new(Duration::from_secs(1));
        let mut dice = Dice(3);
        assert!(link.poll(Duration::from_millis(1), &mut dice));
        assert!(!link.poll(Duration::from_secs(5), &mut dice), "the first is under way");
        assert_eq!(link.polled(None), None);
        assert!(!link.poll(Duration::from_millis(900), &mut dice));
        assert!(link.poll(Duration::from_millis(1_102), &mut dice));
    }

    #[test]
    fn trouble_is_told_when_it_begins_changes_and_ends() {
        let mut link = Link::new(Duration::from_secs(1));
        let told =
            [Some("a"), Some("a"), Some("b"), None, None].map(|met| link.polled(met.map(str::to_owned)));
        let told = told.map(Option::unwrap_or_default);
        assert_eq!(told, ["a", "", "b", "the comparator answers again", ""]);
    }

    #[test]
    fn the_lease_begins_with_an_answer_and_ends() {
        let mut link = Link::new(Duration::from_secs(1));
        let lease = Duration::from_secs(15);
        assert!(!link.holds(Duration::ZERO, lease));
        link.alive(Duration::from_secs(1));
        assert!(link.holds(Duration::from_secs(16), lease));
        assert!(!link.holds(Duration::from_millis(16_001), lease));
    }
}
