//! When one written rule leaves nothing to another. Only what can be seen in the document counts: a rule that is covered for a
//! deeper reason is not found, but what is found is certain.

use crate::document::Tree;

/// Whether every request that the `matches` of one rule matches is matched by those of an earlier one too; no `matches` at all matches
/// everything. `true` is certain; `false` may only mean that it cannot be seen in the document.
pub fn covers(earlier: Option<&Tree>, later: Option<&Tree>) -> bool {
    match (earlier, later) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(Tree::List(earlier)), Some(Tree::List(later))) => {
            later.iter().all(|later| earlier.iter().any(|earlier| block_covers(earlier, later)))
        }
        _ => false,
    }
}

/// A block with fewer conditions matches more.
fn block_covers(earlier: &Tree, later: &Tree) -> bool {
    let Tree::Map(conditions) = earlier else { return false };
    conditions.iter().all(|(name, condition)| {
        let Some(other) = later.get(name) else { return false };
        match (name.as_str(), condition, other) {
            ("headers" | "cookies" | "query" | "metadata" | "form" | "json", Tree::Map(tests), _) => {
                tests.iter().all(|(name, test)| other.get(name) == Some(test))
            }
            ("path", _, _) => condition == other || path_covers(condition, other),
            _ => condition == other,
        }
    })
}

/// A prefix covers every longer prefix and every path below it.
fn path_covers(earlier: &Tree, later: &Tree) -> bool {
    let Tree::Map(tests) = earlier else { return false };
    let [(name, Tree::Text(prefix))] = tests.as_slice() else { return false };
    let path = match later {
        Tree::Text(path) => Some(path),
        _ => match later.get("prefix").or_else(|| later.get("exact")) {
            Some(Tree::Text(path)) if later.get("ignoreCase").is_none() => Some(path),
            _ => None,
        },
    };
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let rest = path.and_then(|path| path.strip_prefix(prefix));
    name == "prefix" && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// An id that both lists have.
pub(super) fn common_id(one: &Tree, other: &Tree) -> Option<String> {
    let all = |ids: &Tree| ids.get("all") == Some(&Tree::Bool(true));
    if all(one) || all(other) {
        return Some("every id".to_owned());
    }
    let (ids, ranges) = (exact(one), ranges(one));
    let (other_ids, other_ranges) = (exact(other), self::ranges(other));
    let same = ids.iter().find(|id| other_ids.contains(id) || number_within(id, &other_ranges));
    let same = same.or_else(|| other_ids.iter().find(|id| number_within(id, &ranges)));
    same.cloned().or_else(|| {
        let overlap = |a: &(i64, i64), b: &(i64, i64)| (a.0.max(b.0) <= a.1.min(b.1)).then(|| a.0.max(b.0));
        let first = ranges.iter().find_map(|a| other_ranges.iter().find_map(|b| overlap(a, b)));
        first.map(|id| id.to_string())
    })
}

fn exact(ids: &Tree) -> Vec<String> {
    let Some(Tree::List(items)) = ids.get("in") else { return Vec::new() };
    let text = |item: &Tree| match item {
        Tree::Integer(id) => Some(id.to_string()),
        Tree::Text(id) => Some(id.clone()),
        _ => None,
    };
    items.iter().filter_map(text).collect()
}

fn ranges(ids: &Tree) -> Vec<(i64, i64)> {
    let Some(Tree::List(items)) = ids.get("ranges") else { return Vec::new() };
    let pair = |item: &Tree| match item {
        Tree::List(ends) => match ends.as_slice() {
            [Tree::Integer(first), Tree::Integer(last)] => Some((*first, *last)),
            _ => None,
        },
        _ => None,
    };
    items.iter().filter_map(pair).collect()
}

fn number_within(id: &str, ranges: &[(i64, i64)]) -> bool {
    let number = crate::number::whole(id.as_bytes());
    number.is_some_and(|number| ranges.iter().any(|(first, last)| (*first..=*last).contains(&number)))
}
