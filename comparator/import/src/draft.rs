//! The policy while it is being written: valid names, one variant per destination, and what a policy must not exceed.

use antumbra_policy::document::{Tree, is_name};

use crate::imported::{ImportError, Imported, Note};
pub(super) use changes::{Changes, merged};

mod changes;
mod conditions;
mod document;
mod headers;
mod rules;

/// A policy in the making.
#[derive(Default)]
pub(super) struct Draft {
    /// The policy's name, as the peer has it.
    name: String,
    /// Where a request goes that no rule takes; `None` leaves the host's own routing alone.
    pub(super) default: Option<String>,
    variants: Vec<(String, Destination)>,
    rules: Vec<Rule>,
    notes: Vec<Note>,
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
        if !self.notes.contains(&note) {
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
        if let Some((name, _)) = self.variants.iter().find(|(_, known)| *known == destination) {
            return name.clone();
        }
        let name = unique(&valid_name(&destination.name), |name| {
            self.variants.iter().any(|(known, _)| known == name)
        });
        self.variants.push((name.clone(), destination));
        name
    }

    /// A split of one variant is no split, and one whose weights are all 0 sends nothing anywhere.
    fn sound(&mut self, at: &str, target: Target) -> Target {
        let Target::Split(mut split) = target else { return target };
        let mut merged: Vec<(String, u64)> = Vec::new();
        for (name, weight) in split.weights {
            match merged.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += weight,
                None => merged.push((name, weight)),
            }
        }
        if merged.iter().all(|(_, weight)| *weight == 0) {
            self.note(at, "all weights are 0: no request is meant, the host's own routing keeps them");
            return Target::Host;
        }
        if let [(only, _)] = merged.as_slice() {
            return Target::To(only.clone());
        }
        split.weights = merged;
        Target::Split(split)
    }

    /// One policy compares one candidate; the first that is mirrored to is it.
    fn of_one_candidate(&mut self, mirrors: Vec<Mirror>) -> Vec<Mirror> {
        let earlier = self.rules.iter().flat_map(|rule| &rule.mirrors).chain(&mirrors).next();
        let Some(candidate) = earlier.map(|mirror| mirror.to.clone()) else { return mirrors };
        let (same, others): (Vec<_>, Vec<_>) = mirrors.into_iter().partition(|mirror| mirror.to == candidate);
        for other in others {
            self.note(
                other.at,
                format!(
                    "mirrors to {:?} as well: one policy compares one \
                 candidate, which is {candidate:?}; write a policy of its own for the other",
                    other.to
                ),
            );
        }
        same.into_iter().take(MAX_MIRRORS).collect()
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

    /// The policy, if it is one.
    pub(super) fn finish(mut self, wanted: &'static str) -> Result<Imported, ImportError> {
        if self.variants.is_empty() {
            return Err(ImportError::Nothing(wanted));
        }
        for (what, found, most) in
            [("variants", self.variants.len(), MAX_VARIANTS), ("rules", self.rules.len(), MAX_RULES)]
        {
            if found > most {
                return Err(ImportError::TooMany { what, found, most });
            }
        }
        self.note_draws();
        self.note_mirrors();
        Ok(Imported { policy: self.document(), notes: self.notes })
    }

    fn note_draws(&mut self) {
        let draws = |rule: &&Rule| matches!(&rule.target, Target::Split(split) if split.by.is_empty());
        let named: Vec<String> =
            self.rules.iter().filter(draws).map(|rule| format!("{:?}", rule.name)).collect();
        let Some(at) = self.rules.iter().find(draws).map(|rule| rule.at.clone()) else { return };
        self.note(
            at,
            format!(
                "the split of {} draws anew for each request; `by`, as in `by: \
             [cookie:uid, ip]`, keeps a user with a variant",
                named.join(", ")
            ),
        );
    }

    fn note_mirrors(&mut self) {
        let Some(mirror) = self.rules.iter().find_map(|rule| rule.mirrors.first()) else { return };
        let at = mirror.at.clone();
        self.note(
            at,
            "only GET, HEAD and OPTIONS are mirrored: add `unsafeMethods: allow` to the \
             mirror if the candidate may also write, and `control` to tell noise from change",
        );
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

/// `stem`, or the first of `stem-2`, `stem-3`, … that is not taken.
fn unique(stem: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{stem}-{number}"));
    std::iter::once(stem.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// Characters, so that a number behind them fits into the 63 of a name.
const LONGEST_STEM: usize = 56;
const LONGEST_CLUSTER: usize = 255;
const MAX_MIRRORS: usize = 4;
const MAX_VARIANTS: usize = 64;
const MAX_RULES: usize = 256;
