//! What a document costs once it is compiled, counted while it is read: bytes that a filter keeps, and steps that a request takes.
//!
//! Each place alone may be fine and a thousand of them too much, so there is one budget for all.

use std::cell::RefCell;
use std::fmt;

/// What a policy costs in a filter. Counted, not measured, so that all machines agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of memory.
    pub bytes: usize,
    /// Steps that deciding one request takes at most. One takes about a nanosecond in a filter.
    pub steps: usize,
}

impl Cost {
    /// What a policy may cost at most: 16 MiB, and about a millisecond a request.
    pub const MAX: Self = Self { bytes: 16 * 1024 * 1024, steps: 1_000_000 };

    fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), steps: self.steps.saturating_add(other.steps) }
    }
}

/// The sum, and the places that cost most.
#[derive(Debug, Default)]
pub(super) struct Costs(RefCell<Sums>);

#[derive(Debug, Default)]
struct Sums {
    total: Cost,
    bytes: Dearest,
    steps: Dearest,
}

/// Places with what each costs, the dearest first.
#[derive(Debug, Default)]
struct Dearest(Vec<(usize, String)>);

impl Costs {
    /// Adds a cost; its place is asked for only if it is one of the dearest.
    pub(super) fn add(&self, cost: Cost, place: impl Fn() -> String) {
        let mut sums = self.0.borrow_mut();
        sums.total = sums.total.plus(cost);
        sums.bytes.add(cost.bytes, &place);
        sums.steps.add(cost.steps, &place);
    }

    pub(super) fn total(&self) -> Cost {
        self.0.borrow().total
    }

    /// A message for each sum that is beyond the budget.
    pub(super) fn beyond(&self) -> Vec<String> {
        let sums = self.0.borrow();
        let (total, most) = (sums.total, Cost::MAX);
        let mut messages = Vec::new();
        if total.bytes > most.bytes {
            let dearest = sums.bytes.shown(kibibytes);
            let (total, most) = (kibibytes(total.bytes), kibibytes(most.bytes));
            messages
                .push(format!("takes {total} in the filter, must take at most {most}; most of it {dearest}"));
        }
        if total.steps > most.steps {
            let dearest = sums.steps.shown(|steps| steps.to_string());
            messages.push(format!(
                "may take a request {} steps, must take at most {}; most of them {dearest}",
                total.steps, most.steps
            ));
        }
        messages
    }
}

impl Dearest {
    fn add(&mut self, cost: usize, place: &impl Fn() -> String) {
        let at = self.0.iter().take_while(|(known, _)| *known >= cost).count();
        if at < SHOWN && cost > 0 {
            self.0.insert(at, (cost, place()));
            self.0.truncate(SHOWN);
        }
    }

    fn shown(&self, unit: impl Fn(usize) -> String) -> String {
        let places: Vec<String> =
            self.0.iter().map(|(cost, place)| format!("{place} ({})", unit(*cost))).collect();
        places.join(", ")
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = Self::MAX;
        write!(
            f,
            "{} of {} of memory ({} %), a request at most {} of {} steps ({} %)",
            kibibytes(self.bytes),
            kibibytes(most.bytes),
            percent(self.bytes, most.bytes),
            self.steps,
            most.steps,
            percent(self.steps, most.steps),
        )
    }
}

/// Rounded up.
fn kibibytes(bytes: usize) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// Rounded up.
fn percent(part: usize, whole: usize) -> usize {
    part.saturating_mul(100).div_ceil(whole)
}

/// Places that a message names.
const SHOWN: usize = 3;
