//! What was said of an exchange outside the engine, as data: a judge's differences in place of the engine's own, and how the
//! plugins fared that had to do with it.
//!
//! The engine runs no foreign code. That a plugin failed is part of the evidence: an exchange that was compared without it says
//! something else than its neighbours.

use std::collections::BTreeMap;

use antumbra_observation::{Leg, Response};
use serde::{Deserialize, Serialize};

use crate::compare::{Comparison, Primary};
use crate::diff::{Detail, Differences, Scope};
use crate::excerpt;
use crate::guess::Guesses;
use crate::headers;
use crate::kind::Kind;
use crate::secrets::Secrets;

/// What is known of one exchange beside its answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outside {
    /// What a judge found in the candidate's answer. `None` if no judge was asked, so that the engine compares.
    pub candidate: Option<Vec<Finding>>,
    /// What a judge found in the control's answer. `None` if no judge was asked, so that the engine compares.
    pub control: Option<Vec<Finding>>,
    /// Whether the bodies are without their content encodings already: the headers still name what was sent.
    pub decoded: bool,
    /// The plugins of the endpoint, and why each was of no use, if it was not. At most 64 are counted, under at most 16 reasons.
    pub plugins: BTreeMap<String, Option<&'static str>>,
}

/// A difference that a judge found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The place, with `*` for positions in arrays; empty for the whole body.
    pub path: String,
    /// How the answer differs there.
    pub kind: Kind,
    /// What the primary has there. It is shortened, and not shown where it looks like a secret.
    pub primary: String,
    /// What the other answer has there, shown likewise.
    pub other: String,
}

/// How a plugin fared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginReport {
    /// Its name in the policy.
    pub plugin: String,
    /// The number of exchanges that it had to do with.
    pub exchanges: u64,
    /// The number of exchanges that were compared without it, by reason.
    pub failed: BTreeMap<String, u64>,
}

/// The plugins of a release, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Plugins(BTreeMap<String, Counts>);

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Counts {
    exchanges: u64,
    failed: BTreeMap<String, u64>,
}

impl Outside {
    /// How a shadow's answer differs: as a judge says where one was asked and both answered alike, else as the engine sees.
    pub(crate) fn comparison<'w>(
        judged: Option<&[Finding]>,
        primary: &Primary<'_>,
        other: &Leg,
        scope: Scope<'_>,
        mut into: Differences<'w>,
    ) -> Comparison<'w> {
        match judged {
            Some(found) if primary.answers_as(other) => {
                // No plugin sees these.
                if let (Some(primary), Some(other)) = (trailers(primary.leg()), trailers(other)) {
                    headers::compare(&primary, &other, None, scope, &mut into);
                }
                found.iter().for_each(|found| found.add(scope.rules.secrets(), &mut into));
                Comparison { comparable: true, differences: into }
            }
            _ => primary.compare(other, scope, into),
        }
    }
}

/// An answer without what a judge was asked about.
fn trailers(leg: &Leg) -> Option<Response> {
    let Response { status, trailers, .. } = leg.response.as_ref()?;
    Some(Response { status: *status, trailers: trailers.clone(), ..Response::default() })
}

impl Finding {
    fn add(&self, secrets: &Secrets, differences: &mut Differences<'_>) {
        let segments = || self.path.split('/').map(str::as_bytes);
        let named = || {
            segments()
                .find_map(|name| secrets.of_member(name))
                .or_else(|| secrets.of_path(segments().skip(1)))
        };
        let either =
            || [&self.primary, &self.other].into_iter().find_map(|text| excerpt::credential(text.as_bytes()));
        let kind = named().or_else(either);
        let shown = |text: &str| excerpt::text(text.as_bytes(), kind);
        let detail = || Detail {
            exact: self.path.clone(),
            primary: shown(&self.primary),
            other: shown(&self.other),
            control: None,
        };
        differences.add(|place| place.push_str(&self.path), self.kind, detail, Guesses::default);
    }
}

impl Plugins {
    /// Counts an exchange.
    pub(crate) fn count(&mut self, plugins: &[(String, Option<String>)]) {
        for (name, failed) in plugins {
            if self.0.len() >= MAX_PLUGINS && !self.0.contains_key(name) {
                continue;
            }
            let counts = self.0.entry(name.clone()).or_default();
            counts.exchanges += 1;
            let Some(reason) = failed else { continue };
            if counts.failed.len() < MAX_REASONS || counts.failed.contains_key(reason) {
                *counts.failed.entry(reason.clone()).or_default() += 1;
            }
        }
    }

    /// Takes in what another engine counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, Counts { exchanges, failed }) in &other.0 {
            if self.0.len() >= MAX_PLUGINS && !self.0.contains_key(name) {
                continue;
            }
            let counts = self.0.entry(name.clone()).or_default();
            counts.exchanges += exchanges;
            for (reason, count) in failed {
                *counts.failed.entry(reason.clone()).or_default() += count;
            }
        }
    }

    /// As it is reported.
    pub(crate) fn report(&self) -> Vec<PluginReport> {
        let each = self.0.iter().map(|(plugin, Counts { exchanges, failed })| PluginReport {
            plugin: plugin.clone(),
            exchanges: *exchanges,
            failed: failed.clone(),
        });
        each.collect()
    }

    /// A note for each plugin that failed.
    pub(crate) fn notes(&self) -> Vec<String> {
        let failing = self.0.iter().filter(|(_, counts)| !counts.failed.is_empty());
        let note = failing.map(|(name, Counts { exchanges, failed })| {
            let reasons: Vec<String> =
                failed.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
            format!(
                "Plugin {name} failed in {} of {} ({}): these were compared without it.",
                failed.values().sum::<u64>(),
                if *exchanges == 1 { "1 exchange".to_owned() } else { format!("{exchanges} exchanges") },
                reasons.join(", ")
            )
        });
        note.collect()
    }
}

const MAX_PLUGINS: usize = 64;
const MAX_REASONS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn count(plugins: &mut Plugins, each: &[(&str, Option<&'static str>)]) {
        let each = each.iter().map(|(name, failed)| ((*name).to_owned(), failed.map(str::to_owned)));
        plugins.count(&each.collect::<Vec<_>>());
    }

    #[test]
    fn failures_are_counted_by_plugin_and_reason() {
        let mut plugins = Plugins::default();
        count(&mut plugins, &[("ids", None), ("prices", Some("fuel"))]);
        count(&mut plugins, &[("ids", None), ("prices", Some("trap"))]);
        count(&mut plugins, &[("prices", Some("fuel"))]);
        assert_eq!(
            plugins.notes(),
            ["Plugin prices failed in 3 of 3 exchanges (fuel 2, trap 1): these were compared without it."]
        );
        let reported: Vec<(String, u64)> =
            plugins.report().into_iter().map(|plugin| (plugin.plugin, plugin.exchanges)).collect();
        assert_eq!(reported, [("ids".to_owned(), 2), ("prices".to_owned(), 3)]);
        let mut merged = plugins.clone();
        merged.merge(&plugins);
        assert_eq!(
            merged.notes(),
            ["Plugin prices failed in 6 of 6 exchanges (fuel 4, trap 2): these were compared without it."]
        );
        (0..1_000).for_each(|number| count(&mut plugins, &[(&format!("p{number}"), None)]));
        assert_eq!(plugins.report().len(), MAX_PLUGINS);
    }

    #[test]
    fn what_a_judge_shows_is_short_and_no_secret() {
        let shown = |path: &str, primary: &str| {
            let mut differences = Differences::detailed();
            let (path, primary) = (path.to_owned(), primary.to_owned());
            let finding = Finding { path, kind: Kind::Value, primary, other: "b".to_owned() };
            finding.add(&Secrets::default(), &mut differences);
            differences.into_details().map(|(_, detail)| detail.primary).collect::<String>()
        };
        assert_eq!(shown("/a", "x\u{1b}[31m"), "x␛[31m");
        assert_eq!(shown("/a", &"x".repeat(9_999)).chars().count(), excerpt::MAX_CHARS);
        assert_eq!(shown("/a", "Bearer abc"), "(redacted: credentials, 10 characters)");
        assert_eq!(shown("/password", "hush"), "(redacted: password, 4 characters)");
    }
}
