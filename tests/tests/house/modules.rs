//! A crate as a tree of modules, and what each path in it leads to.
//!
//! A name that a module only passes on (`pub use`) leads to the module that has it: an arrow shows who knows whom, not by which door.
//! What a module does not pass on and has no child for is its own; a name that leads out of the crate leads nowhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::reading::{Declared, Path, Reading, read};

/// A module, by its place in [`Tree::modules`].
pub(crate) type Id = usize;

pub(crate) struct Tree {
    /// The first is the crate's root.
    pub(crate) modules: Vec<Module>,
}

pub(crate) struct Module {
    /// Empty for the root.
    pub(crate) path: Vec<String>,
    pub(crate) file: String,
    pub(crate) lines: usize,
    parent: Id,
    children: BTreeMap<String, Id>,
    imports: BTreeMap<String, Vec<Path>>,
    /// All that it writes, imports included.
    pub(crate) written: Vec<Path>,
}

impl Tree {
    /// Reads the crate whose root is this file; `source` answers a file's text, if there is such a file.
    pub(crate) fn read(root: &str, source: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut tree = Self { modules: Vec::new() };
        let directory = root.rsplit_once('/').map_or("", |(directory, _)| directory);
        let reading = read(&source(root).unwrap_or_else(|| panic!("no {root}")));
        tree.add(&At { path: Vec::new(), file: root, directory, parent: 0 }, reading, source);
        tree
    }

    fn add(&mut self, at: &At<'_>, reading: Reading, source: &dyn Fn(&str) -> Option<String>) -> Id {
        let id = self.modules.len();
        let mut imports = BTreeMap::<String, Vec<Path>>::new();
        let mut written = reading.paths;
        for each in reading.uses {
            written.push(each.path.clone());
            imports.entry(each.name).or_default().push(each.path);
        }
        self.modules.push(Module {
            path: at.path.clone(),
            file: at.file.to_owned(),
            lines: reading.lines,
            parent: at.parent,
            children: BTreeMap::new(),
            imports,
            written,
        });
        for declared in reading.modules {
            let name = declared.name.clone();
            let child = self.child(id, at, declared, source);
            self.modules[id].children.entry(name).or_insert(child);
        }
        id
    }

    fn child(
        &mut self,
        parent: Id,
        at: &At<'_>,
        declared: Declared,
        source: &dyn Fn(&str) -> Option<String>,
    ) -> Id {
        let path = [&at.path[..], std::slice::from_ref(&declared.name)].concat();
        let below = format!("{}/{}", at.directory, declared.name);
        if let Some(inline) = declared.inline {
            return self.add(&At { path, file: at.file, directory: &below, parent }, inline, source);
        }
        let beside = at.file.rsplit_once('/').map_or("", |(directory, _)| directory);
        let files = match declared.path {
            Some(named) => vec![format!("{beside}/{named}")],
            None => vec![format!("{below}.rs"), format!("{below}/mod.rs")],
        };
        let (file, text) = files
            .iter()
            .find_map(|file| source(file).map(|text| (file, text)))
            .unwrap_or_else(|| panic!("{} declares {}, but there is no {files:?}", at.file, declared.name));
        self.add(&At { path, file, directory: &below, parent }, read(&text), source)
    }

    /// The modules that a path in a module leads to: none if it leads out of the crate, two if a module and a function are
    /// called alike.
    pub(crate) fn resolve(&self, from: Id, segments: &[String]) -> BTreeSet<Id> {
        self.follow(from, segments, MAX_STEPS)
    }

    fn follow(&self, from: Id, segments: &[String], steps: usize) -> BTreeSet<Id> {
        let Some((first, rest)) = segments.split_first() else { return BTreeSet::new() };
        match first.as_str() {
            "crate" => self.descend(0, rest, steps),
            "self" => self.descend(from, rest, steps),
            "super" => {
                let parent = self.modules[from].parent;
                if rest.first().is_some_and(|next| next == "super") {
                    self.follow(parent, rest, steps)
                } else {
                    self.descend(parent, rest, steps)
                }
            }
            name if self.modules[from].children.contains_key(name) => self.descend(from, segments, steps),
            name => self.imported(from, name, rest, steps),
        }
    }

    fn descend(&self, at: Id, segments: &[String], steps: usize) -> BTreeSet<Id> {
        let Some((first, rest)) = segments.split_first() else { return BTreeSet::from([at]) };
        let child = self.modules[at].children.get(first);
        let mut found = child.map_or_else(BTreeSet::new, |child| self.descend(*child, rest, steps));
        if child.is_none() || rest.is_empty() {
            found.extend(self.imported(at, first, rest, steps));
        }
        if found.is_empty() { BTreeSet::from([at]) } else { found }
    }

    /// Where a name leads that a module imports, and what follows it.
    fn imported(&self, at: Id, name: &str, rest: &[String], steps: usize) -> BTreeSet<Id> {
        let Some(steps) = steps.checked_sub(1) else { return BTreeSet::new() };
        let imports = self.modules[at].imports.get(name).into_iter().flatten();
        // `use http;` names the crate that is called so, not this import once more.
        let imports = imports.filter(|path| path.segments.first().is_some_and(|first| first != name));
        imports.flat_map(|path| self.follow(at, &[&path.segments[..], rest].concat(), steps)).collect()
    }
}

/// Where a module stands.
struct At<'s> {
    path: Vec<String>,
    file: &'s str,
    /// Of its children's files.
    directory: &'s str,
    parent: Id,
}

/// Imports of imports that are followed, so that two that name each other come to an end.
const MAX_STEPS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_the_module_that_has_it() {
        let files = [
            ("src/lib.rs", "mod a; mod b; pub use a::Passed; pub use b::b; struct Own;"),
            (
                "src/a.rs",
                "mod deep; pub use deep::Passed; pub use serde::Serialize; struct Kept; mod inline { mod leaf; }",
            ),
            ("src/a/deep.rs", "pub struct Passed;"),
            ("src/a/inline/leaf.rs", ""),
            ("src/b.rs", "use crate::a; use a::deep as renamed; pub fn b() {}"),
        ];
        let tree = Tree::read("src/lib.rs", &|name| {
            files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned())
        });
        let id = |path: &str| {
            tree.modules
                .iter()
                .position(|module| module.path.join("::") == path)
                .unwrap_or_else(|| panic!("{path}"))
        };
        let check = |from: &str, path: &str, expected: &[&str]| {
            let segments: Vec<String> = path.split("::").map(str::to_owned).collect();
            let found = tree.resolve(id(from), &segments);
            let found: Vec<String> = found.iter().map(|id| tree.modules[*id].path.join("::")).collect();
            assert_eq!(found, expected, "{path} in {from}");
        };
        check("b", "crate::a::Kept", &["a"]);
        check("b", "crate::a::Passed", &["a::deep"]);
        check("b", "crate::Passed::Variant", &["a::deep"]);
        check("b", "crate::Own", &[""]);
        check("b", "a::Serialize", &["a"]);
        check("b", "renamed::Passed", &["a::deep"]);
        check("b", "std::mem::take", &[]);
        check("b", "Vec::new", &[]);
        check("a::deep", "super::Kept", &["a"]);
        check("a::deep", "super::super::b::b", &["b"]);
        check("a::inline::leaf", "super::super::deep::Passed", &["a::deep"]);
        check("a", "deep::Passed", &["a::deep"]);
        check("a", "self::deep", &["a::deep"]);
        check("", "b::b", &["b"]);
        check("", "crate::b", &["b"]);
    }
}
