//! How many requests each rule sent to each variant. A request costs a search among small numbers; names are made once per
//! policy.

use std::sync::Arc;

use antumbra_policy::{Decision, Policy, Reason};

/// Counts how many requests each rule sent to each variant since the instance began.
#[derive(Debug, Default)]
pub struct Decisions {
    /// As `<rule>.<variant>`, with the count.
    counts: Vec<(String, u64)>,
    policy: Option<Arc<Policy>>,
    /// For this policy: what was decided, and where its count is. Ascending.
    known: Vec<(Decided, usize)>,
}

/// The rule's place or the reason, and the variant's place.
type Decided = (Result<usize, Reason>, Option<usize>);

impl Decisions {
    /// Counts a decision that this policy made.
    pub fn count(&mut self, policy: &Arc<Policy>, decision: &Decision<'_>) {
        if !self.policy.as_ref().is_some_and(|known| Arc::ptr_eq(known, policy)) {
            self.known.clear();
            self.policy = Some(Arc::clone(policy));
        }
        let by = decision.rule_index.ok_or(decision.reason);
        let decided = (by, decision.variant.map(|variant| variant.index));
        let place = match self.known.binary_search_by(|(known, _)| known.cmp(&decided)) {
            Ok(found) => self.known.get(found).map_or(0, |(_, place)| *place),
            Err(at) => {
                let place = self.place(decision);
                self.known.insert(at, (decided, place));
                place
            }
        };
        if let Some((_, count)) = self.counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// `<rule>.<variant>` and the count, in the order of their first request. A dot of a name is an underscore. What no rule
    /// decided has `_default`, `_ids` or `_override` for a rule; the host's own routing is `_host`.
    pub fn counts(&self) -> &[(String, u64)] {
        &self.counts
    }

    fn place(&mut self, decision: &Decision<'_>) -> usize {
        let rule = match decision.rule {
            Some(rule) => rule.replace('.', "_"),
            None => format!("_{}", decision.reason.as_str()),
        };
        let variant =
            decision.variant.map_or_else(|| "_host".to_owned(), |variant| variant.name.replace('.', "_"));
        let name = format!("{rule}.{variant}");
        if let Some(known) = self.counts.iter().position(|(known, _)| *known == name) {
            return known;
        }
        if self.counts.len() >= MAX_SERIES {
            return self.overflow();
        }
        self.counts.push((name, 0));
        self.counts.len().saturating_sub(1)
    }

    /// Policies come and go, series stay: their number has an end.
    fn overflow(&mut self) -> usize {
        let known = self.counts.iter().position(|(known, _)| known == OVERFLOW);
        known.unwrap_or_else(|| {
            self.counts.push((OVERFLOW.to_owned(), 0));
            self.counts.len().saturating_sub(1)
        })
    }
}

/// Series of one instance.
const MAX_SERIES: usize = 1_000;
const OVERFLOW: &str = "_overflow._overflow";

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use antumbra_policy::document::Tree;
    use antumbra_policy::{Dice, Timestamp};

    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    struct Asked(&'static str);

    impl antumbra_policy::Request for Asked {
        fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
            (name == "x").then_some(Cow::Borrowed(self.0.as_bytes()))
        }

        fn peer_address(&self) -> Option<std::net::IpAddr> {
            None
        }

        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
    }

    fn policy(rules: &str) -> Arc<Policy> {
        let text = format!(
            r#"{{"version": 1, "name": "p", "variants": {{"a.b": {{}}, "s": {{}}}}, "default": "s", "rules": [{rules}]}}"#
        );
        Arc::new(Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap()).unwrap())
    }

    #[test]
    fn counts_go_on_under_the_next_policy() {
        let rule = r#"{"name": "one", "matches": [{"headers": {"x": "1"}}], "to": "a.b"}"#;
        let (first, second) = (
            policy(rule),
            policy(&format!(r#"{{"matches": [{{"headers": {{"x": "2"}}}}], "to": null}}, {rule}"#)),
        );
        let mut decisions = Decisions::default();
        for (policy, asked) in [(&first, "1"), (&first, "0"), (&second, "1"), (&second, "2"), (&first, "1")] {
            decisions.count(policy, &policy.decide(&Asked(asked), Dice(0)));
        }
        let counts: Vec<_> =
            decisions.counts().iter().map(|(name, count)| format!("{name} {count}")).collect();
        assert_eq!(counts, ["one.a_b 3", "_default.s 1", "rule-0._host 1"]);
    }
}
