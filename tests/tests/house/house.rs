//! The rooms of a crate, who knows whom, and on which floor each stands.
//!
//! A room is a module below the crate's root, with all of its children. Its floor is the longest way down: a room that knows no
//! other stands on the ground. The root stands above all rooms: it may know each of them, and none may know it.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Module, Tree};

/// A crate, read.
pub(crate) struct House {
    pub(crate) name: String,
    pub(crate) files: BTreeMap<String, File>,
    /// Between files, not from one to itself.
    pub(crate) arrows: Vec<Arrow>,
}

pub(crate) struct File {
    pub(crate) room: String,
    /// `writer::thread`, or [`ROOT`].
    pub(crate) module: String,
    pub(crate) lines: usize,
}

/// One file that names another, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) line: usize,
    pub(crate) written: String,
}

impl House {
    /// Reads a crate from its root file; `source` answers a file's text, if there is such a file.
    pub(crate) fn read(name: &str, root: &str, source: &dyn Fn(&str) -> Option<String>) -> Self {
        let tree = Tree::read(root, source);
        let mut files = BTreeMap::<String, File>::new();
        for module in &tree.modules {
            let file = File { room: room(module), module: full_name(module), lines: module.lines };
            files.entry(module.file.clone()).or_insert(file);
        }
        Self { name: name.to_owned(), files, arrows: arrows(&tree) }
    }

    /// Who knows whom among the rooms. That a room knows the root is left to [`Self::to_the_root`].
    pub(crate) fn rooms(&self) -> Graph {
        let mut graph = Graph::new(self.files.values().map(|file| file.room.clone()));
        for arrow in self.arrows.iter().filter(|arrow| self.files[&arrow.to].room != ROOT) {
            graph.add(&self.files[&arrow.from].room, &self.files[&arrow.to].room);
        }
        graph
    }

    /// Arrows to what the root itself defines, instead of passing it on.
    pub(crate) fn to_the_root(&self) -> impl Iterator<Item = &Arrow> {
        self.arrows.iter().filter(|arrow| self.files[&arrow.to].room == ROOT)
    }

    /// Who knows whom among the files of one room.
    pub(crate) fn within(&self, room: &str) -> Graph {
        let inside = |file: &String| self.files[file].room == room;
        let mut graph = Graph::new(self.files.keys().filter(|file| inside(file)).cloned());
        for arrow in self.arrows.iter().filter(|arrow| inside(&arrow.from) && inside(&arrow.to)) {
            graph.add(&arrow.from, &arrow.to);
        }
        graph
    }

    /// The arrows by which one room knows another.
    pub(crate) fn between(&self, from: &str, to: &str) -> Vec<&Arrow> {
        let room = |file: &String| self.files[file].room.as_str();
        self.arrows.iter().filter(|arrow| room(&arrow.from) == from && room(&arrow.to) == to).collect()
    }
}

/// What stands above all rooms: `lib.rs`.
pub(crate) const ROOT: &str = "lib.rs";

fn room(module: &Module) -> String {
    module.path.first().map_or_else(|| ROOT.to_owned(), Clone::clone)
}

fn full_name(module: &Module) -> String {
    if module.path.is_empty() { ROOT.to_owned() } else { module.path.join("::") }
}

fn arrows(tree: &Tree) -> Vec<Arrow> {
    let mut found = Vec::new();
    for (id, module) in tree.modules.iter().enumerate() {
        for path in &module.written {
            let to = tree.resolve(id, &path.segments).into_iter().map(|to| tree.modules[to].file.clone());
            found.extend(to.filter(|to| *to != module.file).map(|to| Arrow {
                from: module.file.clone(),
                to,
                line: path.line,
                written: path.segments.join("::"),
            }));
        }
    }
    found
}

/// Nodes by name, and whom each knows.
pub(crate) struct Graph {
    pub(crate) known: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn new(nodes: impl Iterator<Item = String>) -> Self {
        Self { known: nodes.map(|node| (node, BTreeSet::new())).collect() }
    }

    fn add(&mut self, from: &str, to: &str) {
        if from != to
            && let Some(known) = self.known.get_mut(from)
        {
            known.insert(to.to_owned());
        }
    }

    /// All that a node knows, by whatever way.
    fn reached<'g>(&'g self, from: &'g str) -> BTreeSet<&'g str> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(node) = open.pop() {
            open.extend(self.known[node].iter().map(String::as_str).filter(|next| seen.insert(*next)));
        }
        seen
    }

    /// The knots: nodes that all know each other, by whatever way.
    pub(crate) fn knots(&self) -> Vec<BTreeSet<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.known.keys().map(|node| (node.as_str(), self.reached(node))).collect();
        let mut knots: Vec<BTreeSet<&str>> = Vec::new();
        for (node, to) in &reached {
            if to.contains(node) && !knots.iter().any(|knot| knot.contains(node)) {
                knots.push(to.iter().copied().filter(|other| reached[other].contains(node)).collect());
            }
        }
        knots
    }

    /// One shortest way around in a knot, its first node again at the end.
    pub(crate) fn circle(&self, knot: &BTreeSet<&str>) -> Vec<String> {
        knot.iter().map(|start| self.way_back(start)).min_by_key(Vec::len).unwrap_or_default()
    }

    fn way_back(&self, start: &str) -> Vec<String> {
        let mut ways = std::collections::VecDeque::from([vec![start.to_owned()]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            let last = way.last().map_or(start, String::as_str);
            for next in &self.known[last] {
                let longer = [&way[..], std::slice::from_ref(next)].concat();
                if next == start {
                    return longer;
                }
                if seen.insert(next) {
                    ways.push_back(longer);
                }
            }
        }
        Vec::new()
    }

    /// The longest way down from each node, the nodes of a knot taken for one.
    pub(crate) fn floors(&self) -> BTreeMap<&str, usize> {
        let knots = self.knots();
        let mut floors: BTreeMap<&str, usize> = self.known.keys().map(|node| (node.as_str(), 0)).collect();
        loop {
            let mut changed = false;
            for (node, known) in &self.known {
                let alone = BTreeSet::from([node.as_str()]);
                let knot = knots.iter().find(|knot| knot.contains(node.as_str())).unwrap_or(&alone);
                let below = known.iter().filter(|below| !knot.contains(below.as_str()));
                let floor = below.map(|below| floors[below.as_str()] + 1).max().unwrap_or(0);
                for member in knot {
                    if floors[member] < floor {
                        floors.insert(member, floor);
                        changed = true;
                    }
                }
            }
            if !changed {
                return floors;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(arrows: &[(&str, &str)]) -> Graph {
        let nodes = arrows.iter().flat_map(|(from, to)| [*from, *to]).map(str::to_owned);
        let mut graph = Graph::new(nodes);
        arrows.iter().for_each(|(from, to)| graph.add(from, to));
        graph
    }

    #[test]
    fn a_floor_is_the_longest_way_down() {
        let stair = graph(&[("c", "b"), ("b", "a"), ("c", "a"), ("d", "a")]);
        assert_eq!(stair.floors(), BTreeMap::from([("a", 0), ("b", 1), ("c", 2), ("d", 1)]));
        assert!(stair.knots().is_empty());
        let knot = graph(&[("b", "a"), ("b", "c"), ("c", "d"), ("d", "b"), ("e", "c")]);
        assert_eq!(knot.floors(), BTreeMap::from([("a", 0), ("b", 1), ("c", 1), ("d", 1), ("e", 2)]));
    }

    #[test]
    fn a_circle_is_the_shortest_of_its_knot() {
        let graph =
            graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "c"), ("x", "a"), ("d", "y")]);
        let knots = graph.knots();
        assert_eq!(knots, [BTreeSet::from(["a", "b", "c", "d"])]);
        assert_eq!(graph.circle(&knots[0]), ["c", "d", "c"]);
    }
}
