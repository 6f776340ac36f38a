//! What matters of an Envoy's own account of itself: <https://www.envoyproxy.io/docs/envoy/latest/operations/admin>.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// An Envoy as its admin interface shows it.
pub(super) struct Proxy {
    pub(super) subject: String,
    /// As in `1.40.0`; empty if it is not said.
    pub(super) version: String,
    /// Hosts that may be called, of all, by cluster.
    pub(super) clusters: BTreeMap<String, (usize, usize)>,
    /// Configurations of our filter.
    pub(super) filters: Vec<Filter>,
    /// Values of request headers that a route matches, as `(header, value)`.
    pub(super) routes: BTreeSet<(String, String)>,
    /// Request headers that name a cluster themselves.
    pub(super) cluster_headers: BTreeSet<String>,
}

/// How the filter is configured for one release.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Filter {
    pub(super) release: String,
    /// The comparator's cluster.
    pub(super) comparator: Option<String>,
    /// Names of keys.
    pub(super) secrets: BTreeSet<String>,
    pub(super) enabled: bool,
}

impl Proxy {
    pub(super) fn of(subject: &str, info: &Value, clusters: &Value, dump: &Value) -> Self {
        let version = info["version"].as_str().unwrap_or_default();
        let mut proxy = Self {
            subject: subject.to_owned(),
            // `<commit>/1.40.0/Clean/RELEASE/BoringSSL`
            version: version.split('/').nth(1).unwrap_or_default().to_owned(),
            clusters: list(&clusters["cluster_statuses"]).filter_map(hosts).collect(),
            filters: Vec::new(),
            routes: BTreeSet::new(),
            cluster_headers: BTreeSet::new(),
        };
        proxy.look(dump);
        // A dump shows a filter once for each listener that has it, and once more for each state of that.
        proxy.filters.sort();
        proxy.filters.dedup();
        proxy
    }

    /// Configurations nest as deep as their authors like, so everything is looked at.
    fn look(&mut self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.look(value)),
            Value::Object(members) => {
                self.filters.extend(filter(value));
                self.routes.extend(matched(value));
                let header = value["route"]["cluster_header"].as_str();
                self.cluster_headers.extend(header.map(str::to_ascii_lowercase));
                members.values().for_each(|value| self.look(value));
            }
            _ => {}
        }
    }
}

/// A Wasm filter whose configuration is ours: JSON text with a `release` or a `policy` in it.
fn filter(value: &Value) -> Option<Filter> {
    let text = value["configuration"]["value"].as_str().filter(|_| value.get("vm_config").is_some())?;
    let config: Value = serde_json::from_str(text).ok()?;
    let release = config["release"].as_str().or(config["policy"]["name"].as_str())?.to_owned();
    Some(Filter {
        release,
        comparator: config["comparator"]["cluster"].as_str().map(str::to_owned),
        secrets: config["secrets"].as_object().into_iter().flat_map(|keys| keys.keys().cloned()).collect(),
        enabled: config["enabled"].as_bool().unwrap_or(true),
    })
}

/// The header values that a route matches exactly.
fn matched(route: &Value) -> Vec<(String, String)> {
    let header = |header: &Value| {
        let name = header["name"].as_str()?.to_ascii_lowercase();
        let exact = header["string_match"]["exact"].as_str().or(header["exact_match"].as_str())?;
        Some((name, exact.to_owned()))
    };
    list(&route["match"]["headers"]).filter_map(header).collect()
}

fn hosts(cluster: &Value) -> Option<(String, (usize, usize))> {
    let name = cluster["name"].as_str()?.to_owned();
    let all = list(&cluster["host_statuses"]);
    let healthy = |host: &&Value| {
        let health = &host["health_status"];
        let failed = ["failed_active_health_check", "failed_outlier_check", "pending_dynamic_removal"];
        !failed.iter().any(|check| health[check].as_bool() == Some(true))
            && health["eds_health_status"]
                .as_str()
                .is_none_or(|status| matches!(status, "HEALTHY" | "UNKNOWN"))
    };
    Some((name, (all.clone().filter(healthy).count(), all.count())))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}
