//! What is gathered while a configuration is read: the policy, its notes, and the requests that nginx reads in another way
//! than a policy does.

use super::config::Config;
use super::syntax::Directive;
use crate::condition::Condition;
use crate::draft::Draft;

/// A configuration that is being read.
pub(super) struct Reading<'d> {
    /// The policy.
    pub(super) draft: Draft,
    /// What the whole configuration defines.
    pub(super) config: Config<'d>,
    /// Requests whose words mean something else to nginx: they keep the old version.
    odd: Vec<Condition>,
    /// Variables that may still be followed: maps of maps of maps grow without end.
    budget: usize,
}

impl<'d> Reading<'d> {
    /// Nothing was read yet.
    pub(super) fn of(directives: &[&'d Directive]) -> Self {
        let draft = Draft::named("nginx".to_owned());
        Self { draft, config: Config::of(directives), odd: Vec::new(), budget: MAX_FOLLOWED }
    }

    /// Notes what could not be carried over.
    pub(super) fn note(&mut self, at: impl Into<String>, what: impl Into<String>) {
        self.draft.note(at, what);
    }

    /// Requests that nginx may decide in another way, since it reads them in another way.
    pub(super) fn odd(&mut self, condition: Condition) {
        if !matches!(condition, Condition::Unclear(_)) && !self.odd.contains(&condition) {
            self.odd.push(condition);
        }
    }

    /// All such requests.
    pub(super) fn odd_requests(&mut self) -> Vec<Condition> {
        std::mem::take(&mut self.odd)
    }

    /// Whether another variable may be followed.
    pub(super) fn may_follow(&mut self) -> bool {
        self.budget = self.budget.saturating_sub(1);
        self.budget > 0
    }
}

const MAX_FOLLOWED: usize = 20_000;
