//! What is gathered while a configuration is read: the policy, its notes, and the requests that nginx reads in another way
//! than a policy does.

use std::collections::BTreeMap;

use super::config::Config;
use super::syntax::Directive;
use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;

/// A configuration that is being read.
pub(super) struct Reading<'d> {
    /// The policy.
    pub(super) draft: Draft,
    /// What the whole configuration defines.
    pub(super) config: Config<'d>,
    /// Requests whose words mean something else to nginx: they keep the old version.
    odd: Vec<Condition>,
    /// Whether paths are compared, and by patterns.
    paths: Option<bool>,
    paths_noted: bool,
    /// Where paths lead, by the block of the server.
    led: BTreeMap<(usize, String), Led<'d>>,
    /// How often the pages of failures of a block were looked at.
    failures: BTreeMap<usize, usize>,
    /// Entries of variables that may still be looked at: maps of maps of maps grow without end.
    budget: usize,
}

impl<'d> Reading<'d> {
    /// Nothing was read yet.
    pub(super) fn of(directives: &[&'d Directive]) -> Self {
        let draft = Draft::named("nginx".to_owned());
        Self {
            draft,
            config: Config::of(directives),
            odd: Vec::new(),
            paths: None,
            paths_noted: false,
            budget: MAX_FOLLOWED,
            led: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
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

    /// A path is compared, perhaps by a pattern: those that nginx decodes or shortens before are odd.
    pub(super) fn compares_paths(&mut self, at: &str, by_pattern: bool) {
        self.paths = Some(by_pattern || self.paths == Some(true));
        if std::mem::replace(&mut self.paths_noted, true) {
            return;
        }
        self.note(
            at,
            "nginx decodes a path and takes `//`, `/./` and `/../` out of it before it chooses, a policy sees it as it was \
             sent: requests with such paths keep the old version, unless the proxy normalizes them first",
        );
    }
    /// What a step of reading gives, and the requests that it found odd.
    pub(super) fn apart<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> (T, Vec<Condition>) {
        let before = std::mem::take(&mut self.odd);
        let given = read(self);
        (given, std::mem::replace(&mut self.odd, before))
    }

    /// The odd paths of all that was compared since it was asked last.
    pub(super) fn odd_paths(&mut self) -> Vec<Condition> {
        let path = |predicate| Condition::Test(Subject::Path, predicate);
        let Some(by_pattern) = self.paths.take() else { return Vec::new() };
        let encoded = if by_pattern { "%[0-7]" } else { LETTERS };
        let pattern = format!("//|/\\.\\.?(?:/|$)|{encoded}");
        let mut odd = vec![path(Predicate::text("search", pattern).ignoring_case(true))];
        if by_pattern {
            odd.push(path(Predicate::text("search", "").negated()));
        }
        odd
    }

    /// Whether another variable may be followed, with so many entries.
    pub(super) fn may_follow(&mut self, entries: usize) -> bool {
        self.budget = self.budget.saturating_sub(entries.saturating_add(1));
        self.budget > 0
    }

    /// Whether the pages of failures of a block may be looked at once more. A few ways to it tell all that there is to note, and there
    /// may be as many as pages lead to pages.
    pub(super) fn may_fail(&mut self, block: &[Directive]) -> bool {
        let looks = self.failures.entry(block.as_ptr().addr()).or_default();
        *looks = looks.saturating_add(1);
        *looks <= MAX_LOOKS
    }

    /// What `find` finds for a path in a block, where it is looked for once.
    pub(super) fn found_once(
        &mut self,
        block: &[Directive],
        path: &str,
        find: impl FnOnce() -> Led<'d>,
    ) -> Led<'d> {
        *self.led.entry((block.as_ptr().addr(), path.to_owned())).or_insert_with(find)
    }
}

/// The location that a path leads to: `None` if that cannot be told, `Some(None)` for the server itself.
pub(super) type Led<'d> = Option<Option<&'d Directive>>;

/// Letters, digits, `-._~` and `/` in percent notation.
const LETTERS: &str = "%(?:2[def]|3\\d|[46][1-9a-f]|[57][0-9a]|5f|7e)";
/// Ways on which the failures of one block are looked at.
const MAX_LOOKS: usize = 4;
/// Entries of variables that are looked at.
const MAX_FOLLOWED: usize = 200_000;
