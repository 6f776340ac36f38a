//! What is compared with what: the one definition that sessions of evidence and calibrations go by.
//!
//! It is read from the compiled policy, so what is written differently and means the same is the same. Only mirrors of enabled rules
//! count. A leg is where its requests go and how they are changed on the way: the name of a variant says neither.

use std::fmt;
use std::sync::Arc;

use antumbra_policy::document::{Problem, Tree};
use antumbra_policy::{HeaderChanges, Mirror, Policy, Variant, Via};

/// Whose answers a policy compares.
#[derive(Debug, Clone)]
pub struct Comparands {
    candidates: Vec<Way>,
    controls: Vec<Way>,
    /// Whose answers count as the primary's: names, for that is what an observation carries. An empty one is the host's own routing.
    primary: Vec<String>,
    calibrating: bool,
    /// The legs that the comparator asks itself, with their clusters, each once.
    handed_over: Vec<(&'static str, String)>,
    /// The mirrors that leave their calls to the comparator.
    handing: Vec<Arc<Mirror>>,
    unmirrored: Option<Unmirrored>,
}

/// Why a policy mirrors nothing, whatever comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmirrored {
    /// No enabled rule has a mirror.
    NoMirror,
    /// Every mirror is at 0 %.
    Zero,
    /// What is above 0 % goes to this variant, which is red.
    Red(String),
}

/// Where the requests of a leg go, and how they are changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    cluster: String,
    host: Option<String>,
    path_prefix: Option<String>,
    /// In the order in which they are made; none is empty.
    headers: Vec<HeaderChanges>,
}

impl Comparands {
    /// Those of a policy whose `compare` takes the answers of `primary` for the primary's.
    pub(crate) fn of(policy: &Policy, primary: &[String]) -> Self {
        let (mut candidates, mut controls, mut calibrating) = (Vec::new(), Vec::new(), false);
        for mirror in policy.mirrors() {
            let candidate = Way::of(&mirror.to, mirror);
            let control = mirror.control.as_ref().map(|control| Way::of(&control.to, mirror));
            // What the mirror changes, it changes for both legs: a mark on shadows is no difference between versions.
            let stable = policy.default_variant().map(|variant| Way::of(variant, mirror));
            calibrating |= control.as_ref() == Some(&candidate) || stable.as_ref() == Some(&candidate);
            add(&mut candidates, candidate);
            control.into_iter().for_each(|control| add(&mut controls, control));
        }
        let mut handed_over = Vec::new();
        let handing = policy.mirrors().filter(|mirror| mirror.via == Via::Comparator);
        let handing: Vec<Arc<Mirror>> = handing.cloned().collect();
        for mirror in &handing {
            let control = mirror.control.as_ref().map(|control| ("control", control.to.cluster.clone()));
            let legs = [("candidate", mirror.to.cluster.clone())].into_iter().chain(control);
            handed_over.extend(legs.filter(|leg| !handed_over.contains(leg)).collect::<Vec<_>>());
        }
        let mut primary = primary.to_vec();
        primary.sort_unstable();
        primary.dedup();
        let unmirrored = Unmirrored::of(policy);
        Self { candidates, controls, primary, calibrating, handed_over, handing, unmirrored }
    }

    /// Whether anything is mirrored.
    pub(crate) fn has_candidates(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// The legs whose calls mirrors leave to the comparator, with their clusters, each once.
    pub(crate) fn handed_over(&self) -> &[(&'static str, String)] {
        &self.handed_over
    }

    /// The mirrors that leave their calls to the comparator.
    pub(crate) fn handing(&self) -> &[Arc<Mirror>] {
        &self.handing
    }

    /// Why nothing is mirrored, if nothing can be.
    pub(crate) fn unmirrored(&self) -> Option<&Unmirrored> {
        self.unmirrored.as_ref()
    }

    /// Whether the candidate is the stable version itself: it goes where the control goes, or the default, and is asked as that
    /// would be.
    pub fn is_calibration(&self) -> bool {
        self.calibrating
    }

    /// Whether evidence gathered under these also speaks about `next`, which follows. Where nothing is mirrored nothing is added to
    /// the evidence, which can then still be read.
    pub fn share_evidence_with(&self, next: &Self) -> bool {
        let paused = next.candidates.is_empty();
        self.primary == next.primary
            && self.calibrating == next.calibrating
            && (paused || same(&self.candidates, &next.candidates) && same(&self.controls, &next.controls))
    }
}

impl Unmirrored {
    fn of(policy: &Policy) -> Option<Self> {
        let (mut any, mut red) = (false, None);
        for mirror in policy.mirrors() {
            any = true;
            if mirror.share.millionths() > 0 {
                if !mirror.to.is_red() {
                    return None;
                }
                red = Some(mirror.to.name.clone());
            }
        }
        Some(match (any, red) {
            (false, _) => Self::NoMirror,
            (true, None) => Self::Zero,
            (true, Some(variant)) => Self::Red(variant),
        })
    }
}

/// A sentence, with what mends it.
impl fmt::Display for Unmirrored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMirror => {
                f.write_str("Nothing is mirrored, so no exchange comes: no rule of the policy that is enabled has a `mirror`.")
            }
            Self::Zero => f.write_str(
                "Mirroring is off, so no exchange comes: every mirror of the policy is at 0 %; `antumbra mirror set 10%` starts it.",
            ),
            Self::Red(variant) => write!(
                f,
                "Nothing is mirrored, so no exchange comes: the candidate {variant:?} is red, and a red variant is sent nothing."
            ),
        }
    }
}

impl Way {
    /// Of the shadows of `mirror`, which changes them after the variant did.
    fn of(variant: &Variant, mirror: &Mirror) -> Self {
        let changes = [&variant.headers, &mirror.headers].into_iter();
        Self {
            cluster: variant.cluster.clone(),
            host: mirror.host.clone().or_else(|| variant.host.clone()),
            path_prefix: mirror.path_prefix.clone(),
            headers: changes.filter(|changes| **changes != HeaderChanges::default()).cloned().collect(),
        }
    }
}

fn add(ways: &mut Vec<Way>, way: Way) {
    if !ways.contains(&way) {
        ways.push(way);
    }
}

/// Whether both hold the same, in whatever order.
fn same(some: &[Way], others: &[Way]) -> bool {
    some.len() == others.len() && some.iter().all(|way| others.contains(way))
}

/// Mirrors whose candidate or control is another one than the first's: their evidence is one and could not be told apart.
/// Rules that are off do not matter; what is wrong with the fields themselves is noted where they are read.
pub(crate) fn strangers(tree: &Tree) -> Vec<Problem> {
    let (mut candidate, mut control, mut problems) = (None, None, Vec::new());
    let rules = items(tree.get("rules")).iter().enumerate();
    for (r, rule) in rules.filter(|(_, rule)| rule.get("enabled") != Some(&Tree::Bool(false))) {
        for (m, mirror) in items(rule.get("mirror")).iter().enumerate() {
            let path = format!("rules[{r}].mirror[{m}]");
            problems.extend(stranger(&mut candidate, mirror, format!("{path}.to"), "candidate"));
            let drawn = mirror.get("control").unwrap_or(&Tree::Null);
            problems.extend(stranger(&mut control, drawn, format!("{path}.control.to"), "control"));
        }
    }
    problems
}

fn stranger<'t>(first: &mut Option<&'t str>, leg: &'t Tree, path: String, role: &str) -> Option<Problem> {
    let Some(Tree::Text(to)) = leg.get("to") else { return None };
    let first = *first.get_or_insert(to);
    let message = format!("is {to:?}, must be {first:?}: one release has one {role}");
    (first != to).then_some(Problem { path, message })
}

fn items(tree: Option<&Tree>) -> &[Tree] {
    match tree {
        Some(Tree::List(items)) => items,
        _ => &[],
    }
}
