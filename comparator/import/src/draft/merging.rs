//! How the changes of headers of one level join those of the next.

use antumbra_policy::document::Tree;

use super::Draft;

impl Draft {
    /// Both, the second after the first: what it sets, or removes, stands.
    pub(crate) fn merged(&mut self, at: &str, first: Option<&Tree>, second: Option<&Tree>) -> Option<Tree> {
        let (Some(Tree::Map(first)), Some(Tree::Map(second))) = (first, second) else {
            return first.or(second).cloned();
        };
        let mut tree = Tree::Map(first.clone());
        for (field, added) in second {
            let names = names(added);
            let undone: &[&str] = match field.as_str() {
                "set" => &["add", "remove"],
                "remove" => &["add", "set"],
                _ => &[],
            };
            undone.iter().for_each(|field| forget(&mut tree, field, &names));
            let both = match (tree.get(field), added) {
                (Some(Tree::List(known)), Tree::List(added)) => {
                    Tree::List([known.as_slice(), added].concat())
                }
                (Some(known @ Tree::Map(_)), Tree::Map(added)) => self.joined(at, field, known, added),
                _ => added.clone(),
            };
            tree.set(field, both);
        }
        Some(tree)
    }

    fn joined(&mut self, at: &str, field: &str, known: &Tree, added: &[(String, Tree)]) -> Tree {
        let mut both = known.clone();
        for (name, value) in added {
            if field == "add" && both.get(name).is_some_and(|known| known != value) {
                self.added_twice(at, name, value);
            } else {
                both.set(name, value.clone());
            }
        }
        both
    }

    /// Notes a value that finds no place.
    pub(super) fn added_twice(&mut self, at: &str, name: &str, value: &Tree) {
        let what = format!(
            "the value {value} of header {name:?} is not carried over: a policy adds one value of a header"
        );
        self.note(at, what);
    }
}

/// The headers that changes are about.
fn names(changes: &Tree) -> Vec<String> {
    match changes {
        Tree::Map(entries) => entries.iter().map(|(name, _)| name.to_ascii_lowercase()).collect(),
        Tree::List(items) => items
            .iter()
            .filter_map(
                |item| if let Tree::Text(name) = item { Some(name.to_ascii_lowercase()) } else { None },
            )
            .collect(),
        _ => Vec::new(),
    }
}

/// Takes out what a later change undoes.
fn forget(tree: &mut Tree, field: &str, names: &[String]) {
    let undone = |name: &str| names.contains(&name.to_ascii_lowercase());
    let empty = match tree.get_mut(field) {
        Some(Tree::Map(entries)) => {
            entries.retain(|(name, _)| !undone(name));
            entries.is_empty()
        }
        Some(Tree::List(items)) => {
            items.retain(|item| !matches!(item, Tree::Text(name) if undone(name)));
            items.is_empty()
        }
        _ => false,
    };
    if let (true, Tree::Map(fields)) = (empty, tree) {
        fields.retain(|(name, _)| name != field);
    }
}
