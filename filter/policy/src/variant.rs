//! Named destinations, and finding one by the name that a rule uses.

use std::sync::Arc;

use crate::document::{Field, is_name};

/// A named destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// As the policy calls it, and as the variant header carries it.
    pub name: String,
    /// The host's cluster; the variant's own name unless the policy gives one.
    pub cluster: String,
    /// Whether it shares no state with production, so that even a write may be sent to it twice.
    pub isolated: bool,
}

/// The variants of a document, in its order. Unknown if `variants` itself could not be read: then no name is doubted.
#[derive(Debug)]
pub(crate) struct Variants(Option<Vec<Arc<Variant>>>);

impl Variants {
    pub(crate) fn read(field: Option<&Field<'_>>) -> Self {
        Self(field.and_then(read_all))
    }

    /// The variant that `field` names; a name that is not known is noted.
    pub(crate) fn named(&self, field: &Field<'_>) -> Option<Arc<Variant>> {
        self.find(field, field.text()?)
    }

    /// The variant called `name`; `field` is where a name that is not known is noted.
    pub(crate) fn find(&self, field: &Field<'_>, name: &str) -> Option<Arc<Variant>> {
        let known = self.0.as_ref()?;
        let found = known.iter().find(|variant| variant.name == name);
        if found.is_none() {
            field.unknown_name("variant", name, known.iter().map(|variant| variant.name.as_str()));
        }
        found.cloned()
    }

    pub(crate) fn into_list(self) -> Option<Vec<Arc<Variant>>> {
        self.0
    }
}

fn read_all(field: &Field<'_>) -> Option<Vec<Arc<Variant>>> {
    let entries = field.entries()?;
    if !(1..=MOST_VARIANTS).contains(&entries.len()) {
        field.note(format!("has {} variants, must have 1..={MOST_VARIANTS}", entries.len()));
        return None;
    }
    Some(entries.iter().map(|(name, field)| Arc::new(read_one(name, field))).collect())
}

/// A variant with a problem still has its name, so that the rules which use it are not reported as well.
fn read_one(name: &str, field: &Field<'_>) -> Variant {
    if !is_name(name) {
        field.note(format!("has a name that {NAMES}"));
    }
    let mut variant = Variant { name: name.to_owned(), cluster: name.to_owned(), isolated: false };
    if *field.tree() == crate::document::Tree::Null {
        return variant;
    }
    let Some(map) = field.map(&["cluster", "isolated"]) else { return variant };
    if let Some(cluster) = map.get("cluster").and_then(read_cluster) {
        variant.cluster = cluster;
    }
    variant.isolated = map.get("isolated").and_then(Field::boolean).unwrap_or(false);
    variant
}

fn read_cluster(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if (1..=LONGEST_CLUSTER).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(text.to_owned());
    }
    field.problem(format!("must be 1 to {LONGEST_CLUSTER} visible ASCII characters without spaces"));
    None
}

const MOST_VARIANTS: usize = 64;
/// Characters; Istio's `outbound|80||name.namespace.svc.cluster.local` fits easily.
const LONGEST_CLUSTER: usize = 255;
const NAMES: &str = "must be 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or a digit";
