//! Named destinations: their state, who is listed for them, and finding one by the name that a rule uses.
//!
//! The states are those of red / yellow / green releases: green serves whom the rules send; yellow serves its listed ids as
//! well, before any rule; red is never chosen, whoever asks.

use std::sync::Arc;

use crate::document::{Field, Tree, is_name};
use crate::facts::Facts;
use crate::headers::HeaderChanges;
use crate::key::Keys;
use crate::number::whole;
use crate::order;
use crate::request::Request;

/// A named destination of requests: a version of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The name that the policy uses, and that the variant header carries.
    pub name: String,
    /// The variant's place in the document, from 0.
    pub index: usize,
    /// The host's cluster that shadow requests go to; the variant's own name unless the policy gives one.
    pub cluster: String,
    /// Whether the variant takes requests, and whose.
    pub state: State,
    /// Whether the variant shares no state with production, so that even a write may be sent to it twice.
    pub isolated: bool,
    /// Replaces the `:authority` of a client's request that goes to this variant, if it is given.
    pub host: Option<String>,
    /// What is changed in the headers of a client's request that goes to this variant.
    pub headers: HeaderChanges,
    pub(crate) ids: Option<Ids>,
}

/// Whether a variant takes requests, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// The variant takes the requests that rules send to it.
    #[default]
    Green,
    /// The variant takes the requests of its listed ids before any rule is asked, and those that rules send to it.
    Yellow,
    /// The variant takes no request at all.
    Red,
}

/// Who is listed for a yellow variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ids {
    All,
    /// The exact ones in order.
    Listed {
        exact: Vec<Vec<u8>>,
        ranges: Vec<(i64, i64)>,
    },
}

impl Variant {
    /// A green variant in a cluster of its own name.
    pub(crate) fn named(name: &str, index: usize) -> Self {
        Self {
            name: name.to_owned(),
            index,
            cluster: name.to_owned(),
            state: State::Green,
            isolated: false,
            host: None,
            headers: HeaderChanges::default(),
            ids: None,
        }
    }

    /// Whether the variant takes no request at all.
    pub fn is_red(&self) -> bool {
        self.state == State::Red
    }

    /// Whether this request's id is on its list.
    pub(crate) fn lists<R: Request + ?Sized>(&self, keys: &Keys, facts: &mut Facts<'_, R>) -> bool {
        match &self.ids {
            None => false,
            Some(Ids::All) => true,
            Some(ids @ Ids::Listed { .. }) => keys.with(facts, |id| ids.contain(id)).unwrap_or(false),
        }
    }
}

impl Ids {
    fn contain(&self, id: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Listed { exact, ranges } => {
                let among = |id| ranges.iter().any(|(first, last)| (*first..=*last).contains(&id));
                exact.binary_search_by(|known| (**known).cmp(id)).is_ok() || whole(id).is_some_and(among)
            }
        }
    }
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

    /// The variant that `field` names, or `None` for `null`: the host's own routing.
    pub(crate) fn named_or_null(&self, field: &Field<'_>) -> Option<Option<Arc<Variant>>> {
        match field.tree() {
            Tree::Null => Some(None),
            _ => self.named(field).map(Some),
        }
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

    /// Those that have a list of ids which is read only with keys.
    pub(crate) fn with_listed_ids(&self) -> impl Iterator<Item = &Arc<Variant>> {
        let all = self.0.as_deref().unwrap_or_default().iter();
        all.filter(|variant| matches!(variant.ids, Some(Ids::Listed { .. })))
    }

    pub(crate) fn into_list(self) -> Option<Vec<Arc<Variant>>> {
        self.0
    }
}

fn read_all(field: &Field<'_>) -> Option<Vec<Arc<Variant>>> {
    let entries = field.entries()?;
    if !(1..=MAX_VARIANTS).contains(&entries.len()) {
        field.note(format!("has {} variants, must have 1..={MAX_VARIANTS}", entries.len()));
        return None;
    }
    let read = |(index, (name, field)): (usize, &(&str, Field<'_>))| Arc::new(read_one(index, name, field));
    Some(entries.iter().enumerate().map(read).collect())
}

/// A variant with a problem still has its name, so that the rules which use it are not reported as well.
fn read_one(index: usize, name: &str, field: &Field<'_>) -> Variant {
    if !is_name(name) {
        field.note(format!("has a name that {NAMES}"));
    }
    let mut variant = Variant::named(name, index);
    if *field.tree() == Tree::Null {
        return variant;
    }
    let Some(map) = field.map(&["cluster", "host", "state", "isolated", "headers", "ids"]) else {
        return variant;
    };
    if let Some(cluster) = map.get("cluster").and_then(read_cluster) {
        variant.cluster = cluster;
    }
    let states = [("green", State::Green), ("yellow", State::Yellow), ("red", State::Red)];
    variant.state = map.get("state").and_then(|field| field.one_of(&states)).unwrap_or_default();
    variant.isolated = map.get("isolated").and_then(Field::boolean).unwrap_or(false);
    variant.host = map.get("host").and_then(read_authority);
    variant.headers = map.get("headers").and_then(HeaderChanges::read).unwrap_or_default();
    variant.ids = map.get("ids").and_then(read_ids);
    variant
}

fn read_ids(field: &Field<'_>) -> Option<Ids> {
    let map = field.map(&["all", "in", "ranges"])?;
    let all = map.get("all").map_or(Some(false), Field::boolean);
    let exact = map.get("in").map_or_else(|| Some(Vec::new()), read_id_list);
    let ranges = map.get("ranges").map_or_else(|| Some(Vec::new()), read_id_ranges);
    let (all, exact, ranges) = (all?, exact?, ranges?);
    if all {
        return Some(Ids::All);
    }
    Some(Ids::Listed { exact, ranges })
}

fn read_id_list(field: &Field<'_>) -> Option<Vec<Vec<u8>>> {
    let read = |field: &Field<'_>| match field.tree() {
        Tree::Integer(id) => Some(id.to_string().into_bytes()),
        Tree::Text(id) => Some(id.clone().into_bytes()),
        _ => {
            field.problem("must be a string or a whole number");
            None
        }
    };
    let mut ids = field.each(0..=MAX_IDS, read)?;
    order::sort(&mut ids, &Ord::cmp);
    Some(ids)
}

fn read_id_ranges(field: &Field<'_>) -> Option<Vec<(i64, i64)>> {
    field.each(0..=MAX_RANGES, |field| field.interval(Field::signed))
}

fn read_cluster(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if (1..=LONGEST_CLUSTER).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(text.to_owned());
    }
    field.problem(format!("must be 1 to {LONGEST_CLUSTER} visible ASCII characters without spaces"));
    None
}

/// What stands in `:authority`: a host name, with a port or without.
pub(crate) fn read_authority(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:[]".contains(&b);
    if (1..=LONGEST_CLUSTER).contains(&text.len()) && text.bytes().all(plain) {
        return Some(text.to_owned());
    }
    field.problem("must be a host name, with :port or without");
    None
}

const MAX_VARIANTS: usize = 64;
const MAX_IDS: usize = 100_000;
const MAX_RANGES: usize = 10_000;
/// Characters; Istio's `outbound|80||name.namespace.svc.cluster.local` fits easily.
const LONGEST_CLUSTER: usize = 255;
const NAMES: &str = "must be 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or a digit";
