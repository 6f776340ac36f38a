//! Endpoints by name, and which of their pieces changed since they were stored: nobody changes one without a trace.

use std::collections::{BTreeMap, btree_map};
use std::ops::Deref;
use std::sync::Arc;

use crate::pieces::Pieces;

/// Values by name, shared by clones, of which each remembers what changed of it since that was last asked. To read it is a map; the only
/// ways to change a value say that it changed, and hand out where to note which of its pieces did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tracked<E> {
    all: BTreeMap<Arc<str>, Arc<E>>,
    changed: BTreeMap<Arc<str>, Pieces>,
}

impl<E: Clone + Default> Tracked<E> {
    /// The value of this name, which is made if it is new, and where its pieces that change must be noted.
    pub(crate) fn change(&mut self, name: Arc<str>) -> (&mut E, &mut Pieces) {
        let changed = self.changed.entry(Arc::clone(&name)).or_default();
        (Arc::make_mut(self.all.entry(name).or_default()), changed)
    }

    /// Changes each value of which `wanted` says so.
    pub(crate) fn change_each(
        &mut self,
        wanted: impl Fn(&E) -> bool,
        mut work: impl FnMut(&mut E, &mut Pieces),
    ) {
        for (name, value) in self.all.iter_mut().filter(|(_, value)| wanted(value)) {
            work(Arc::make_mut(value), self.changed.entry(Arc::clone(name)).or_default());
        }
    }

    /// Adds what is stored in pieces like these, or is not and has to be.
    pub(crate) fn restore(&mut self, name: Arc<str>, value: E, unwritten: Option<Pieces>) {
        self.changed.extend(unwritten.map(|pieces| (Arc::clone(&name), pieces)));
        self.all.insert(name, Arc::new(value));
    }
}

impl<E> Tracked<E> {
    /// What changed since this was last called: names, and which pieces of each.
    pub(crate) fn take_changed(&mut self) -> BTreeMap<Arc<str>, Pieces> {
        std::mem::take(&mut self.changed)
    }

    /// The pieces of each value that changed since then; the value itself did, too.
    pub(crate) fn changed(&self) -> impl Iterator<Item = Pieces> {
        self.changed.values().copied()
    }

    /// All of them, whatever changed.
    pub(crate) fn into_all(self) -> BTreeMap<Arc<str>, Arc<E>> {
        self.all
    }
}

impl<E> Default for Tracked<E> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), changed: BTreeMap::new() }
    }
}

impl<E> Deref for Tracked<E> {
    type Target = BTreeMap<Arc<str>, Arc<E>>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl<'t, E> IntoIterator for &'t Tracked<E> {
    type Item = (&'t Arc<str>, &'t Arc<E>);
    type IntoIter = btree_map::Iter<'t, Arc<str>, Arc<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

/// Those of an outline, which nobody stores.
impl<E> FromIterator<(Arc<str>, Arc<E>)> for Tracked<E> {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Arc<E>)>>(all: T) -> Self {
        Self { all: all.into_iter().collect(), changed: BTreeMap::new() }
    }
}
