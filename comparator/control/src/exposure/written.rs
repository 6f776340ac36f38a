//! Parts of a document as it is written. What is of another kind has none.

use antumbra_policy::document::Tree;

/// The text of a leaf that is one.
pub(super) fn text(tree: &Tree) -> Option<&str> {
    match tree {
        Tree::Text(text) => Some(text),
        _ => None,
    }
}

/// The items of a list; none of anything else.
pub(super) fn items(tree: Option<&Tree>) -> &[Tree] {
    match tree {
        Some(Tree::List(items)) => items,
        _ => &[],
    }
}

/// The entries of a mapping; none of anything else.
pub(super) fn entries(tree: Option<&Tree>) -> &[(String, Tree)] {
    match tree {
        Some(Tree::Map(entries)) => entries,
        _ => &[],
    }
}
