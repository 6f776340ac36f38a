//! What a text of the configuration can be worth: cases, of which the first whose condition holds counts.

use crate::condition::Condition;

/// One case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    /// When it applies, unless an earlier one does.
    pub(super) condition: Condition,
    /// What the text then is.
    pub(super) outcome: Outcome,
}

/// What a text is in one case.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// Always this.
    Value(String),
    /// Drawn by a `split_clients`.
    Drawn(Drawn),
}

/// A draw, and what each of its parts makes of the text. Two draws of the same variable always agree.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawn {
    /// The variable of the `split_clients`.
    pub(super) variable: String,
    /// Weight and text of each part, in the order of the directive.
    pub(super) parts: Vec<(u64, String)>,
}

impl Case {
    /// The one case of a text without variables.
    pub(super) fn fixed(text: impl Into<String>) -> Vec<Self> {
        vec![Self { condition: Condition::Always, outcome: Outcome::Value(text.into()) }]
    }
}

impl Outcome {
    /// Both texts behind each other; `None` for two draws that are independent.
    pub(super) fn join(&self, other: &Self) -> Option<Self> {
        self.zip(other, |a, b| format!("{a}{b}"))
    }

    /// The texts part by part as `combine` has it.
    pub(super) fn zip(&self, other: &Self, combine: impl Fn(&str, &str) -> String) -> Option<Self> {
        let drawn = |variable: &str, parts| Self::Drawn(Drawn { variable: variable.to_owned(), parts });
        Some(match (self, other) {
            (Self::Value(a), Self::Value(b)) => Self::Value(combine(a, b)),
            (Self::Value(a), Self::Drawn(b)) => {
                drawn(&b.variable, b.parts.iter().map(|(weight, text)| (*weight, combine(a, text))).collect())
            }
            (Self::Drawn(a), Self::Value(b)) => {
                drawn(&a.variable, a.parts.iter().map(|(weight, text)| (*weight, combine(text, b))).collect())
            }
            (Self::Drawn(a), Self::Drawn(b)) => {
                let both = a.parts.iter().zip(&b.parts);
                let parts = both.map(|((weight, a), (_, b))| (*weight, combine(a, b))).collect();
                (a.variable == b.variable).then(|| drawn(&a.variable, parts))?
            }
        })
    }
}

/// Every pair of cases of two texts that stand behind each other; `None` if they are too many or not to be joined.
pub(super) fn product(left: &[Case], right: &[Case]) -> Option<Vec<Case>> {
    if left.len().saturating_mul(right.len()) > MAX_CASES {
        return None;
    }
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a, b)));
    pairs
        .map(|(a, b)| {
            let condition = Condition::all([a.condition.clone(), b.condition.clone()]);
            let small = condition.size() <= LARGEST_CONDITION;
            small.then_some(())?;
            Some(Case { condition, outcome: a.outcome.join(&b.outcome)? })
        })
        .collect()
}

/// When a text is what `wanted` says. `None` if that hangs on a draw or becomes too large.
pub(super) fn holds(cases: &[Case], wanted: impl Fn(&str) -> bool) -> Option<Condition> {
    let mut alternatives = Vec::new();
    let mut earlier: Vec<Condition> = Vec::new();
    let mut size = 0_usize;
    for case in cases {
        let Outcome::Value(text) = &case.outcome else { return None };
        if !wanted(text) {
            earlier.push(case.condition.clone());
            continue;
        }
        let before = earlier.iter().cloned().map(Condition::negated);
        let condition = Condition::all([case.condition.clone()].into_iter().chain(before));
        size = size.saturating_add(condition.size());
        if size > LARGEST_CONDITION {
            return None;
        }
        alternatives.push(condition);
    }
    if alternatives.is_empty() {
        Some(Condition::Always.negated())
    } else {
        Some(Condition::any(alternatives))
    }
}

/// Cases of one text.
pub(super) const MAX_CASES: usize = 256;
/// Tests in one condition.
const LARGEST_CONDITION: usize = 512;
