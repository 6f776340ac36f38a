//! Notes in the order of the input: where each stands is found by the names that lead there.

use antumbra_policy::document::Tree;

use crate::imported::Note;

/// A part of the input that notes name at their beginning, and the value that they lead into.
pub(crate) type Root<'a> = (String, &'a Tree);

/// Puts notes in the order of the input; those that name no place of it come last, in the order in which they were made.
pub(super) fn sort(notes: &mut [Note], roots: &[Root<'_>]) {
    notes
        .sort_by_cached_key(|note| place(&note.at, roots).map_or((true, Vec::new()), |place| (false, place)));
}

/// The number of the root, then the numbers of the entries on the way.
fn place(at: &str, roots: &[Root<'_>]) -> Option<Vec<usize>> {
    let named = roots.iter().enumerate().filter_map(|(index, (name, tree))| {
        let rest = at.strip_prefix(name.as_str())?;
        let whole = rest.is_empty() || name.is_empty() || rest.starts_with([':', '.', '[', ' ']);
        whole.then_some((name.len(), index, rest, *tree))
    });
    // The first of the longest.
    let (_, index, rest, tree) = named.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    let mut place = vec![index];
    let walked = walk(rest.trim_start_matches([':', ' ', '.']), tree, &mut place);
    (walked || !at.is_empty() && rest.len() < at.len()).then_some(place)
}

/// Follows a path such as `http[0].match[1]`; whether it leads anywhere.
fn walk(rest: &str, tree: &Tree, place: &mut Vec<usize>) -> bool {
    match tree {
        Tree::Map(entries) => {
            let found = entries.iter().enumerate().find_map(|(index, (key, value))| {
                let rest = rest.strip_prefix(key.as_str())?;
                let ends = rest.is_empty() || rest.starts_with(['.', '[', ':', ' ']);
                ends.then_some((index, rest, value))
            });
            let Some((index, rest, value)) = found else { return false };
            place.push(index);
            walk(rest.trim_start_matches(['.', ':', ' ']), value, place);
            true
        }
        Tree::List(items) => {
            let number = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let Some((number, rest)) = number else { return false };
            let Some((index, value)) =
                number.parse().ok().and_then(|index: usize| Some((index, items.get(index)?)))
            else {
                return false;
            };
            place.push(index);
            walk(rest.trim_start_matches(['.', ':', ' ']), value, place);
            true
        }
        _ => false,
    }
}
