//! The policy while it is being written: valid names, one variant per destination, and what a policy must not exceed.

use std::collections::{BTreeMap, BTreeSet};

use antumbra_policy::document::{Tree, is_name};

use crate::condition::Condition;
use crate::imported::Note;
pub(super) use changes::Changes;
use names::Names;
pub(super) use order::Root;

mod changes;
mod conditions;
mod document;
mod finish;
mod headers;
mod merging;
mod names;
mod odd;
mod order;
mod rules;

/// A policy in the making.
#[derive(Default)]
pub(super) struct Draft {
    /// The policy's name, as the peer has it.
    name: String,
    /// Where a request goes that no rule takes; `None` leaves the host's own routing alone.
    pub(super) default: Option<String>,
    variants: Vec<(String, Destination)>,
    /// The names of the variants by what they stand for.
    known: BTreeMap<String, String>,
    variant_names: Names,
    rules: Vec<Rule>,
    rule_names: Names,
    /// The rules that keep requests, by where they go and which they are.
    kept: BTreeMap<String, String>,
    /// To whom the first mirror goes that was written.
    candidate: Option<String>,
    notes: Vec<Note>,
    noted: BTreeSet<Note>,
    /// Requests that the peer reads in another way than a policy.
    odd: Vec<Condition>,
    /// Whether values that are too long to be searched are odd.
    keeps_long: bool,
}

/// Where a variant's requests go.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Destination {
    /// What the variant would be called.
    pub(super) name: String,
    /// The host's cluster.
    pub(super) cluster: String,
    /// The host that requests are sent with.
    pub(super) host: Option<String>,
    /// The policy's `headers`, or null.
    pub(super) headers: Option<Tree>,
    /// The servers behind the cluster, for people.
    pub(super) servers: Vec<String>,
}

/// Where a rule sends its requests.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    /// Nowhere: the rule only mirrors.
    Onward,
    /// Where the host would have sent them.
    Host,
    /// To a variant.
    To(String),
    /// To several.
    Split(Split),
}

/// A split by weight.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Split {
    /// Keys, the first that a request has counts; none draws for each request.
    pub(super) by: Vec<String>,
    /// The peer's own salt.
    pub(super) salt: Option<String>,
    /// Variants, perhaps repeated.
    pub(super) weights: Vec<(String, u64)>,
}

/// A share of requests that a candidate gets as well.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mirror {
    /// The candidate.
    pub(super) to: String,
    /// `percent` or `fraction`, as the policy writes them.
    pub(super) share: (&'static str, Tree),
    /// Where it stands in the input.
    pub(super) at: String,
}

struct Rule {
    name: String,
    role: Role,
    blocks: Vec<Tree>,
    target: Target,
    mirrors: Vec<Mirror>,
    at: String,
}

/// What a rule is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It does what the input says.
    Carried,
    /// It waits to be completed: `enabled: false`.
    Waiting,
    /// It keeps the requests of one that waits away from the rules below.
    Keeping,
}

impl Draft {
    /// Nothing but a name.
    pub(super) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Gives it another name.
    pub(super) fn rename(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// Notes what could not be carried over.
    pub(super) fn note(&mut self, at: impl Into<String>, what: impl Into<String>) {
        let note = Note { at: at.into(), what: what.into() };
        if self.noted.insert(note.clone()) {
            self.notes.push(note);
        }
    }

    /// What was noted so far.
    pub(super) fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The variant of a destination; the same destination is the same variant.
    pub(super) fn variant(&mut self, mut destination: Destination) -> String {
        let cluster = valid_cluster(&destination.cluster);
        if cluster != destination.cluster {
            let what = format!(
                "the cluster {:?} is written {cluster:?}: a policy takes visible ASCII",
                destination.cluster
            );
            self.note("variants", what);
        }
        destination.cluster = cluster;
        let key = format!("{destination:?}");
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let name = self.variant_names.take(&valid_name(&destination.name));
        self.known.insert(key, name.clone());
        self.variants.push((name.clone(), destination));
        name
    }

    /// Names the clusters that the host has to know.
    pub(super) fn note_clusters(&mut self, why: &str) {
        let named = self.variants.iter().map(|(_, destination)| match destination.servers.as_slice() {
            [] => format!("{:?}", destination.cluster),
            servers => format!("{:?} ({})", destination.cluster, servers.join(", ")),
        });
        let mut named: Vec<String> = named.collect();
        named.dedup();
        self.note("variants", format!("{why}: {}", named.join(", ")));
    }
}

/// A valid name that is near to what the peer says.
fn valid_name(wanted: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = wanted.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).trim_end_matches('-');
    let name: String = name.chars().take(LONGEST_STEM).collect();
    if is_name(&name) { name } else { "unnamed".to_owned() }
}

/// A cluster's name takes visible ASCII only.
fn valid_cluster(wanted: &str) -> String {
    let visible = wanted.chars().map(|c| if c.is_ascii_graphic() { c } else { '-' });
    let name: String = visible.take(LONGEST_CLUSTER).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// Characters, so that a number behind them fits into the 63 of a name.
const LONGEST_STEM: usize = 56;
const LONGEST_CLUSTER: usize = 255;
