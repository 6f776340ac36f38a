//! What matters of an Envoy's own account of itself: <https://www.envoyproxy.io/docs/envoy/latest/operations/admin>.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// An Envoy as its admin interface shows it.
pub(super) struct Proxy {
    pub(super) subject: String,
    /// As in `1.40.0`; empty if it is not said.
    pub(super) version: String,
    /// The hosts of each cluster.
    pub(super) clusters: BTreeMap<String, Hosts>,
    /// Clusters of which the proxy, or who tells it of the hosts, looks whether these answer.
    pub(super) checked: BTreeSet<String>,
    /// Configurations of our filter.
    pub(super) filters: Vec<Filter>,
    /// Values of request headers that a route matches, as `(header, value)`.
    pub(super) routes: BTreeSet<(String, String)>,
    /// Request headers that name a cluster themselves.
    pub(super) cluster_headers: BTreeSet<String>,
}

/// What a proxy knows of the hosts of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Hosts {
    pub(super) all: usize,
    /// Those that may be called.
    pub(super) callable: usize,
    /// Requests that succeeded since the proxy began.
    pub(super) answered: u64,
    /// Connections that failed since then.
    pub(super) unreached: u64,
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
            checked: BTreeSet::new(),
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
                self.checked.extend(checked(value));
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

/// The name of a cluster whose hosts are checked: by the proxy, by what it meets there, or by the registry that lists them.
fn checked(cluster: &Value) -> Option<String> {
    let looked_at = list(&cluster["health_checks"]).next().is_some()
        || cluster["outlier_detection"].is_object()
        || cluster["type"].as_str() == Some("EDS");
    cluster["name"].as_str().filter(|_| looked_at).map(str::to_owned)
}

fn hosts(cluster: &Value) -> Option<(String, Hosts)> {
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
    let sum = |wanted: &str| {
        let counters =
            all.clone().flat_map(|host| list(&host["stats"])).filter(|stat| stat["name"] == wanted);
        counters.filter_map(|stat| stat["value"].as_str()?.parse::<u64>().ok()).sum()
    };
    let (answered, unreached) = (sum("rq_success"), sum("cx_connect_fail"));
    Some((
        name,
        Hosts { callable: all.clone().filter(healthy).count(), all: all.count(), answered, unreached },
    ))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}
