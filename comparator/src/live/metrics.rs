//! What Prometheus is told. The counts come from one snapshot of the accounts, so that they add up within a scrape.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use antumbra_control::audit::Checked;
use antumbra_engine::{PluginReport, SourceReport, SourceStanding, Verdict};
use antumbra_observation::Unsent;
use antumbra_store::Accounts;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::door::Door;

/// What is measured as it happens; the rest is read when asked.
pub(crate) struct Metrics {
    ingest: Histogram,
    /// Who was turned away.
    pub(crate) door: Arc<Door>,
}

/// A release at the time of a scrape.
pub(crate) struct Release {
    /// The policy's name.
    pub(crate) name: String,
    /// The generation in force.
    pub(crate) generation: u64,
    /// Filter instances that speak as often as they should.
    pub(crate) filters: usize,
    /// How many of them run the generation in force.
    pub(crate) converged: usize,
    /// Exchanges in the session of evidence, and what they say; none while the store fails.
    pub(crate) judged: Option<(u64, Verdict)>,
    /// Exchanges in the session of which a shadow was not sent, by reason.
    pub(crate) not_sent: BTreeMap<Unsent, u64>,
    /// How the policy's plugins fared in the session.
    pub(crate) plugins: Vec<PluginReport>,
    /// Who sent the observations of the session, where tokens tell.
    pub(crate) sources: Vec<SourceReport>,
}

/// The store at the time of a scrape.
#[derive(Default)]
pub(crate) struct Stored {
    /// Where the audits end, and what is wrong with them.
    pub(crate) audits: Checked,
    /// The rows of each table that grows; none while the store fails.
    pub(crate) rows: Vec<(&'static str, u64)>,
}

impl Metrics {
    /// Nothing measured yet.
    pub(crate) fn new() -> Self {
        Self { ingest: Histogram::new(exponential_buckets(0.000_5, 2.0, 15)), door: Arc::default() }
    }

    /// A batch was acknowledged, so long after its first byte was read.
    pub(crate) fn acknowledged(&self, after: Duration) {
        self.ingest.observe(after.as_secs_f64());
    }

    /// The exposition as text.
    pub(crate) fn render(&self, accounts: &Accounts, releases: &[Release], stored: &Stored) -> String {
        let mut registry = Registry::with_prefix("antumbra_comparator");
        register_accounts(&mut registry, accounts);
        register_releases(&mut registry, releases);
        register_plugins(&mut registry, releases);
        register_stored(&mut registry, stored);
        register_sources(&mut registry, releases);
        self.door.register(&mut registry);
        let help = "Seconds from the first byte of a batch to its acknowledgement";
        registry.register("ingest_duration_seconds", help, self.ingest.clone());
        let mut out = String::new();
        let _ = text::encode(&mut out, &registry);
        out
    }
}

fn register_accounts(registry: &mut Registry, accounts: &Accounts) {
    for (name, help, value) in [
        ("received", "Observations that arrived", accounts.received),
        ("compared", "Observations that are part of the evidence", accounts.compared),
        ("duplicates", "Observations of batches that were acknowledged before", accounts.duplicates),
    ] {
        let counter: Counter = Counter::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let refused = Family::<ReasonLabel, Counter>::default();
    for (reason, count) in &accounts.refused {
        refused.get_or_create(&ReasonLabel { reason: reason.clone() }).inc_by(*count);
    }
    registry.register("refused", "Observations that were turned away, by reason", refused);
    registry.register("in_flight", "Observations that wait for their commit", gauge(accounts.in_flight));
}

fn register_releases(registry: &mut Registry, releases: &[Release]) {
    let families: [Family<ReleaseLabel, Gauge>; 4] = std::array::from_fn(|_| Family::default());
    let [generations, filters, converged, exchanges] = &families;
    let verdicts = Family::<VerdictLabel, Gauge>::default();
    let not_sent = Family::<UnsentLabel, Gauge>::default();
    for release in releases {
        let label = ReleaseLabel { release: release.name.clone() };
        generations.get_or_create(&label).set(signed(release.generation));
        filters.get_or_create(&label).set(signed(release.filters as u64));
        converged.get_or_create(&label).set(signed(release.converged as u64));
        for (reason, count) in &release.not_sent {
            let label = UnsentLabel { release: release.name.clone(), reason: reason.as_str() };
            not_sent.get_or_create(&label).set(signed(*count));
        }
        let Some((count, verdict)) = &release.judged else { continue };
        exchanges.get_or_create(&label).set(signed(*count));
        for (one, name) in VERDICTS {
            let label = VerdictLabel { release: release.name.clone(), verdict: name };
            verdicts.get_or_create(&label).set(i64::from(*verdict == one));
        }
    }
    let [generations, filters, converged, exchanges] = families;
    registry.register("generation", "Generation of the policy in force", generations);
    registry.register("filters", "Filter instances that speak as often as they should", filters);
    registry.register("filters_converged", "Those of them that run the generation in force", converged);
    registry.register("exchanges", "Exchanges in the session of evidence", exchanges);
    let help = "Exchanges in the session of which a shadow was not sent, by reason";
    registry.register("shadows_not_sent", help, not_sent);
    registry.register("verdict", "1 for the verdict that holds, 0 for the others", verdicts);
}

fn register_plugins(registry: &mut Registry, releases: &[Release]) {
    let (exchanges, failures) =
        (Family::<PluginLabel, Gauge>::default(), Family::<FailureLabel, Gauge>::default());
    for Release { name: release, plugins, .. } in releases {
        for PluginReport { plugin, exchanges: count, failed } in plugins {
            let (release, plugin) = (release.clone(), plugin.clone());
            for (reason, count) in failed {
                let (release, plugin, reason) = (release.clone(), plugin.clone(), reason.clone());
                failures.get_or_create(&FailureLabel { release, plugin, reason }).set(signed(*count));
            }
            exchanges.get_or_create(&PluginLabel { release, plugin }).set(signed(*count));
        }
    }
    let help = "Exchanges in the session that the plugin had to do with";
    registry.register("plugin_exchanges", help, exchanges);
    let help = "Those of them that were compared without it, by reason";
    registry.register("plugin_failures", help, failures);
}

fn register_stored(registry: &mut Registry, Stored { audits, rows }: &Stored) {
    let intact = u64::from(audits.is_intact());
    registry.register(
        "audit_intact",
        "1 while nothing is wrong with the audits but what a seal names",
        gauge(intact),
    );
    let head = Family::<HashLabel, Gauge>::default();
    let label = HashLabel { hash: audits.heads.all.hash.clone() };
    head.get_or_create(&label).set(signed(audits.heads.all.seq));
    let help = "The number of the last entry of all audits, and the hash over all up to it";
    registry.register("audit_head", help, head);
    let chains = Family::<HeadLabel, Gauge>::default();
    for (release, head) in &audits.heads.chains {
        let label = HeadLabel { release: release.clone(), hash: head.hash.clone() };
        chains.get_or_create(&label).set(signed(head.seq));
    }
    registry.register(
        "audit_release_head",
        "The number of the last entry of each audit, and its hash",
        chains,
    );
    let tables = Family::<TableLabel, Gauge>::default();
    for (table, count) in rows {
        tables.get_or_create(&TableLabel { table }).set(signed(*count));
    }
    registry.register("store_rows", "Rows of the tables of the database that grow", tables);
}

fn register_sources(registry: &mut Registry, releases: &[Release]) {
    let families: [Family<SourceLabel, Gauge>; 3] = std::array::from_fn(|_| Family::default());
    let [observations, explained, set_aside] = &families;
    for Release { name: release, sources, .. } in releases {
        for found in sources {
            let label = SourceLabel { release: release.clone(), source: found.source.clone() };
            observations.get_or_create(&label).set(signed(found.observations));
            let is_set_aside = found.standing == SourceStanding::SetAside;
            set_aside.get_or_create(&label).set(i64::from(is_set_aside));
            if let Some(mirrored) = found.explained {
                explained.get_or_create(&label).set(signed(mirrored));
            }
        }
    }
    let [observations, explained, set_aside] = families;
    let help = "Observations in the session that the source sent, whatever came of them";
    registry.register("source_observations", help, observations);
    let help = "Exchanges in the session that the source's filters say they mirrored";
    registry.register("source_mirrored", help, explained);
    let help = "1 for a source that sent more than its filters' heartbeats explain, so that the verdict does not rest on it";
    registry.register("source_set_aside", help, set_aside);
}

fn gauge(value: u64) -> Gauge {
    let gauge: Gauge = Gauge::default();
    gauge.set(signed(value));
    gauge
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReleaseLabel {
    release: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HashLabel {
    hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeadLabel {
    release: String,
    hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabel {
    table: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    release: String,
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    release: String,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnsentLabel {
    release: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabel {
    release: String,
    plugin: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabel {
    release: String,
    plugin: String,
    reason: String,
}

const VERDICTS: [(Verdict, &str); 3] =
    [(Verdict::Promote, "promote"), (Verdict::Wait, "wait"), (Verdict::RollBack, "roll back")];
