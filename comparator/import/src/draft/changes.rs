//! Changes of headers: as the input has them, and how those of one level join those of the next.

use antumbra_policy::document::Tree;

/// Changes in the order of the input.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Names with their values.
    pub(crate) set: Vec<(String, String)>,
    /// Names with their values.
    pub(crate) add: Vec<(String, String)>,
    /// Names.
    pub(crate) remove: Vec<String>,
}

/// Both, the second last where they name the same header.
pub(crate) fn merged(first: Option<&Tree>, second: Option<&Tree>) -> Option<Tree> {
    let (Some(Tree::Map(first)), Some(Tree::Map(second))) = (first, second) else {
        return first.or(second).cloned();
    };
    let mut tree = Tree::Map(first.clone());
    for (field, added) in second {
        let both = match (tree.get(field), added) {
            (Some(Tree::List(known)), Tree::List(added)) => Tree::List([known.as_slice(), added].concat()),
            (Some(known @ Tree::Map(_)), Tree::Map(added)) => {
                let mut both = known.clone();
                added.iter().for_each(|(name, value)| both.set(name, value.clone()));
                both
            }
            _ => added.clone(),
        };
        tree.set(field, both);
    }
    Some(tree)
}
