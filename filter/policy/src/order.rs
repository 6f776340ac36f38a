//! Sorting, once for all: each sort of another type would be a copy of several kilobytes in the filter's module, and nothing here
//! is sorted while a request waits.

use std::cmp::Ordering;

/// Sorts; equal items keep their order.
pub(crate) fn sort<T>(items: &mut Vec<T>, compare: &dyn Fn(&T, &T) -> Ordering) {
    let order = sorted(items.len(), &|a, b| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    let mut left: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(order.into_iter().filter_map(|place| left.get_mut(place)?.take()));
}

/// Of each name whether it stood before.
pub(crate) fn repeated(names: &[&str]) -> Vec<bool> {
    let order = sorted(names.len(), &|a, b| names.get(a).cmp(&names.get(b)));
    let mut repeated = vec![false; names.len()];
    for pair in order.windows(2) {
        if let [a, b] = pair
            && names.get(*a) == names.get(*b)
            && let Some(repeats) = repeated.get_mut(*b)
        {
            *repeats = true;
        }
    }
    repeated
}

/// The places 0 to `count` in order.
fn sorted(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_items_keep_their_order() {
        let mut items = vec![(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (0, 'e')];
        sort(&mut items, &|(a, _), (b, _)| a.cmp(b));
        assert_eq!(items, [(0, 'e'), (1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]);
    }

    #[test]
    fn repetitions_are_the_later_ones() {
        assert_eq!(repeated(&["b", "a", "b", "c", "b", "a"]), [false, false, true, false, true, true]);
        assert_eq!(repeated(&[]), [false; 0]);
    }
}
