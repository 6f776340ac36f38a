//! Which methods are not mirrored because they may write, where every filter says it.

use std::cmp::Reverse;

use antumbra_observation::{Counts, UnsafeMethod};

use crate::verdict;
use crate::wording::{listed, percent};

/// `POST and PUT are not mirrored: 18 % of the requests (POST 15 %, PUT 3 %): …`. `None` if the methods of `number` requests are not all
/// known: some filter is too old to say them.
pub(super) fn named(methods: &Counts<UnsafeMethod>, number: u64, requests: u64) -> Option<String> {
    if number == 0 || methods.total() != number {
        return None;
    }
    let share = |count| percent(verdict::ratio(count, requests));
    let mut methods: Vec<(UnsafeMethod, u64)> = methods.iter().collect();
    methods.sort_by_key(|(method, count)| (*method == UnsafeMethod::Other, Reverse(*count)));
    let (subject, why) = match methods[..] {
        [(UnsafeMethod::Other, _)] => ("Other methods than GET, HEAD and OPTIONS are".to_owned(), "they may"),
        [(method, _)] => (format!("{} is", method.as_str()), "it may"),
        _ => {
            let names: Vec<&str> = methods.iter().map(|(method, _)| name(*method)).collect();
            (format!("{} are", listed(&names)), "they may")
        }
    };
    let each = methods.iter().map(|(method, count)| format!("{} {}", name(*method), share(*count)));
    let each: Vec<String> = if methods.len() > 1 { each.collect() } else { Vec::new() };
    let each = if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) };
    Some(format!(
        "{subject} not mirrored: {} of the requests{each}: {why} write, which the mirror does not allow.",
        share(number)
    ))
}

fn name(method: UnsafeMethod) -> &'static str {
    match method {
        UnsafeMethod::Other => "others",
        known => known.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(methods: &[(UnsafeMethod, u64)], number: u64, expected: Option<&str>) {
        let named = named(&methods.iter().copied().collect(), number, 100);
        let expected = expected.map(|start| format!("{start} write, which the mirror does not allow."));
        assert_eq!(named, expected, "{methods:?}");
    }

    #[test]
    fn methods_are_named_where_all_of_them_are_known() {
        use UnsafeMethod::{Delete, Other, Post, Put};
        check(
            &[(Put, 3), (Post, 15)],
            18,
            Some("POST and PUT are not mirrored: 18 % of the requests (POST 15 %, PUT 3 %): they may"),
        );
        check(
            &[(Post, 1), (Put, 2), (Delete, 3), (Other, 40)],
            46,
            Some(
                "DELETE, PUT, POST and others are not mirrored: 46 % of the requests (DELETE 3 %, PUT 2 %, POST 1 %, others 40 %): they may",
            ),
        );
        check(&[(Post, 15)], 15, Some("POST is not mirrored: 15 % of the requests: it may"));
        check(
            &[(Other, 2)],
            2,
            Some("Other methods than GET, HEAD and OPTIONS are not mirrored: 2 % of the requests: they may"),
        );
        check(&[(Post, 15)], 16, None);
        check(&[(Post, 15)], 14, None);
        check(&[], 3, None);
        check(&[], 0, None);
    }
}
