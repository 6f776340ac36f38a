//! What holds for any two bodies: a body equals itself, and exchanging two swaps `missing` with `extra`.

use std::collections::BTreeSet;

use crate::world::{answer, exchange, read};
use antumbra_engine::{Evidence, Rules};
use proptest::prelude::*;

/// Small texts of JSON with few names and values, so that two of them have much in common; arrays up to a length.
fn json(longest_array: usize) -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        (0..3_u8).prop_map(|n| n.to_string()),
        "[ab]".prop_map(|text| format!("{text:?}")),
    ];
    scalar.prop_recursive(4, 40, 5, move |inner| {
        let members = prop::collection::btree_map("[a-d]", inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..=longest_array)
                .prop_map(|items| format!("[{}]", items.join(","))),
            members.prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// Paths and kinds in which `other` differs.
fn differences(primary: &str, other: &str) -> BTreeSet<(String, String)> {
    let mut evidence = Evidence::new();
    let leg = |body: &str| answer(200, body.to_owned(), 1);
    evidence.observe(&exchange(1, "/", leg(primary), leg(other), None), &Rules::default());
    read(&evidence).uncontrolled.into_iter().map(|found| (found.path, found.kind.to_string())).collect()
}

proptest! {
    #[test]
    fn a_body_equals_itself_however_it_is_spaced(body in json(4)) {
        prop_assert!(differences(&body, &body.replace(',', " , ")).is_empty());
    }

    #[test]
    fn different_values_differ(left in json(4), right in json(4)) {
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        prop_assert_eq!(differences(&left, &right).is_empty(), parse(&left) == parse(&right));
    }

    #[test]
    fn kinds_are_symmetric_outside_arrays(left in json(0), right in json(0)) {
        let swapped: BTreeSet<(String, String)> = differences(&right, &left)
            .into_iter()
            .map(|(path, kind)| match kind.as_str() {
                "missing" => (path, "extra".to_owned()),
                "extra" => (path, "missing".to_owned()),
                _ => (path, kind),
            })
            .collect();
        prop_assert_eq!(differences(&left, &right), swapped);
    }

    #[test]
    fn any_bytes_are_taken(left: Vec<u8>, right: Vec<u8>, path: Vec<u8>) {
        let leg = |body: &[u8]| {
            let mut leg = answer(200, String::new(), 1);
            leg.response.as_mut().unwrap().body = antumbra_observation::Body::Whole(body.into());
            leg
        };
        let mut observation = exchange(1, "/", leg(&left), leg(&right), Some(leg(&left)));
        observation.request.path = path.into();
        let mut evidence = Evidence::new();
        evidence.observe(&observation, &Rules::default());
        prop_assert_eq!(evidence.exchanges(), 1);
    }
}
