//! Rules that reach nothing, because they name an endpoint that no exchange has had: most likely it is misspelled.
//!
//! That hides no difference, so it is told and keeps no release from being promoted.

use std::collections::BTreeMap;

use super::Report;
use crate::evidence::Evidence;
use crate::pattern::Pattern;
use crate::rules::Rules;
use crate::wording::{count, many};

impl Report {
    /// Returns the report with notes on the rules whose endpoint no exchange has had. Nothing is said while there are fewer than
    /// 100 exchanges, or where there were too many endpoints to tell all of them apart.
    #[must_use]
    pub fn with_unmet(mut self, evidence: &Evidence, rules: &Rules) -> Self {
        if self.controlled >= ENOUGH && self.dropped.endpoints == 0 {
            self.notes.extend(notes(&unmet(evidence, rules), self.controlled));
        }
        self
    }
}

/// By endpoint.
fn unmet<'r>(evidence: &Evidence, rules: &'r Rules) -> BTreeMap<&'r str, Vec<&'r Pattern>> {
    let mut unmet: BTreeMap<&str, Vec<&Pattern>> = BTreeMap::new();
    for pattern in rules.patterns() {
        let Some(endpoint) = &pattern.endpoint else { continue };
        if !evidence.endpoints.contains_key(endpoint.name.as_str()) {
            unmet.entry(&endpoint.name).or_default().push(pattern);
        }
    }
    unmet
}

fn notes(unmet: &BTreeMap<&str, Vec<&Pattern>>, exchanges: u64) -> Vec<String> {
    let exchanges = count(exchanges);
    let note = |patterns: &Vec<&Pattern>| {
        let (first, more) = patterns.split_first()?;
        let others = match more.len() {
            0 => "names".to_owned(),
            1 => "and another one name".to_owned(),
            more => format!("and {more} others name"),
        };
        Some(format!(
            "The rule \"{first}\" {others} an endpoint that no compared exchange has had ({exchanges} were compared)."
        ))
    };
    let mut notes: Vec<String> = unmet.values().filter_map(note).take(MAX_NOTES).collect();
    let more = unmet.len().saturating_sub(MAX_NOTES);
    if more > 0 {
        notes.push(format!(
            "Rules name {} more that no compared exchange has had.",
            many(more as u64, "endpoint")
        ));
    }
    notes
}

/// Before so many exchanges an endpoint may just not have been asked yet.
const ENOUGH: u64 = 100;
const MAX_NOTES: usize = 5;

#[cfg(test)]
mod tests {
    use antumbra_observation::{Leg, Observation};

    use super::*;
    use crate::verdict::{Delivery, Gates};
    use crate::{EndpointPattern, report};

    fn told(exchanges: u64, places: &[&str], headers: &[&str]) -> Vec<String> {
        let parse =
            |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text).unwrap()).collect::<Vec<_>>();
        let rules = Rules::new(parse(places), vec![])
            .with_headers_only(&parse(headers))
            .with_endpoints(vec![EndpointPattern::parse("GET /users/{name}").unwrap()]);
        let mut evidence = Evidence::new();
        for number in 1..=exchanges {
            let path = if number.is_multiple_of(2) { "/search" } else { "/users/anna" };
            let leg = || Leg::answer("v", 200).with_body("text/plain", b"ok".to_vec());
            let exchange = Observation::new("shop", "GET", path)
                .with_id(u128::from(number))
                .with_arrival_us(number * 10_000_000)
                .with_primary(leg())
                .with_candidate(leg())
                .with_control(leg());
            evidence.observe(&exchange, &rules);
        }
        let plain = report("shop", &evidence, &Gates::default(), &Delivery::default());
        let told = plain.clone().with_unmet(&evidence, &rules);
        assert_eq!((told.verdict, &told.reasons), (plain.verdict, &plain.reasons));
        let known = plain.notes.len();
        told.notes.into_iter().skip(known).collect()
    }

    #[test]
    fn rules_for_endpoints_that_nobody_asked_are_told() {
        let note = |what: &str| {
            format!("The rule \"{what} an endpoint that no compared exchange has had (120 were compared).")
        };
        let met = ["GET /search /results", "GET /users/{name} /id", "/everywhere", "header:etag"];
        assert_eq!(told(120, &met, &["GET /search header:etag"]), Vec::<String>::new());
        assert_eq!(told(120, &["GET /serch /results"], &[]), [note("GET /serch /results\" names")]);
        assert_eq!(told(120, &["POST /search /results"], &[]), [note("POST /search /results\" names")]);
        assert_eq!(
            told(120, &["GET /serch /a", "GET /serch /b"], &["GET /serch header:x", "GET /search/ header:x"]),
            [note("GET /search/ header:x\" names"), note("GET /serch /a\" and 2 others name")]
        );
        assert_eq!(told(99, &["GET /serch /results"], &[]), Vec::<String>::new());
        let many: Vec<String> = ('a'..='h').map(|name| format!("GET /{name} /x")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let found = told(120, &many, &[]);
        assert_eq!(
            (found.len(), found[5].as_str()),
            (6, "Rules name 3 endpoints more that no compared exchange has had.")
        );
    }
}
