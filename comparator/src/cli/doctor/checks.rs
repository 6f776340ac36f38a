//! What each part of a set-up has to have so that a release works.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Check;
use super::proxy::{Filter, Proxy};
use crate::api::status::ReleaseStatus;

/// A policy in force.
pub(super) struct Release {
    pub(super) name: String,
    pub(super) policy: Value,
}

/// What the comparator knows of a release's filters.
pub(super) fn release(status: &ReleaseStatus) -> Vec<Check> {
    let subject = format!("release {}", status.release);
    let mut checks: Vec<Check> =
        status.problems.iter().map(|problem| Check::failed(format!("{subject} policy"), problem)).collect();
    let troubles = status.troubles.iter();
    checks.extend(troubles.map(|trouble| Check::failed(format!("{subject} filters"), &trouble.text)));
    checks.push(match (status.alive, status.converged) {
        (0, _) => Check::failed(
            format!("{subject} filters"),
            "none reports; check `release` and `comparator.cluster` of the filter's configuration, and its token",
        ),
        (filters, true) => {
            let detail = format!("{filters} report, all at generation {}", status.generation);
            Check::ok(format!("{subject} filters"), detail)
        }
        (filters, false) => {
            let detail = format!("{filters} report, not all at generation {} yet; see `antumbra status`", status.generation);
            Check::warning(format!("{subject} filters"), detail)
        }
    });
    checks
}

/// What a proxy has for the releases that its filters are configured for; without `releases`, what can be told without them.
pub(super) fn proxy(proxy: &Proxy, releases: Option<&[Release]>) -> Vec<Check> {
    let mut checks = vec![version(proxy)];
    if proxy.filters.is_empty() {
        let detail = "no Wasm filter with a `release` or a `policy` in its configuration";
        checks.push(Check::failed(format!("{} filter", proxy.subject), detail));
    }
    for filter in &proxy.filters {
        checks.extend(configuration(proxy, filter));
        let Some(releases) = releases else {
            let subject = format!("{} filter {}", proxy.subject, filter.release);
            checks.push(Check::warning(
                subject,
                "clusters, routes and keys not looked at: the comparator does not answer",
            ));
            continue;
        };
        match releases.iter().find(|release| release.name == filter.release) {
            Some(release) => checks.extend(routed(proxy, filter, release)),
            None if filter.comparator.is_some() => checks.push(Check::failed(
                format!("{} filter {}", proxy.subject, filter.release),
                "the comparator has no policy of that name",
            )),
            None => {}
        }
    }
    checks
}

fn version(proxy: &Proxy) -> Check {
    let subject = format!("{} version", proxy.subject);
    let mut numbers = proxy.version.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(1), Some(minor)) if (OLDEST..=NEWEST).contains(&minor) => Check::ok(subject, &proxy.version),
        _ => {
            let detail = format!("{:?} is not tested; 1.{OLDEST} to 1.{NEWEST} are", proxy.version);
            Check::warning(subject, detail)
        }
    }
}

fn configuration(proxy: &Proxy, filter: &Filter) -> Vec<Check> {
    let subject = format!("{} filter {}", proxy.subject, filter.release);
    if !filter.enabled {
        return vec![Check::warning(subject, "is switched off: `enabled` is false")];
    }
    match &filter.comparator {
        None => vec![Check::warning(subject, "has no comparator, so nothing is mirrored")],
        Some(cluster) => vec![hosts(proxy, &format!("{subject} comparator"), cluster)],
    }
}

/// Clusters, routes and keys that the policy names.
fn routed(proxy: &Proxy, filter: &Filter, release: &Release) -> Vec<Check> {
    let subject = |what: &str| format!("{} {} {what}", proxy.subject, release.name);
    let policy = &release.policy;
    let header = policy["apply"]["header"].as_str().unwrap_or(VARIANT_HEADER).to_ascii_lowercase();
    let mut checks = Vec::new();
    for variant in mirrored(policy) {
        let cluster = policy["variants"][&variant]["cluster"].as_str().unwrap_or(&variant);
        checks.push(hosts(proxy, &subject(&format!("variant {variant}")), cluster));
    }
    let default = policy["default"].as_str().unwrap_or_default();
    for variant in chosen(policy).into_iter().filter(|variant| variant != default) {
        let subject = subject(&format!("route of {variant}"));
        let is_routed = proxy.cluster_headers.contains(&header)
            || proxy.routes.contains(&(header.clone(), variant.clone()));
        checks.push(if is_routed {
            Check::ok(subject, format!("{header}: {variant} is matched"))
        } else {
            let detail =
                format!("no route matches {header}: {variant}, so its clients stay where they were; add one");
            Check::failed(subject, detail)
        });
    }
    for key in secrets(policy) {
        let subject = subject(&format!("key {key}"));
        checks.push(if filter.secrets.contains(&key) {
            Check::ok(subject, "is in the filter's configuration")
        } else {
            Check::failed(
                subject,
                "is named by the policy; add it to `secrets` of the filter's configuration",
            )
        });
    }
    checks
}

fn hosts(proxy: &Proxy, subject: &str, cluster: &str) -> Check {
    match proxy.clusters.get(cluster) {
        None => {
            Check::failed(subject, format!("the proxy has no cluster {cluster:?}; correct one of the two"))
        }
        Some((0, all)) => Check::failed(subject, format!("cluster {cluster} has no healthy host of {all}")),
        Some((healthy, all)) => {
            Check::ok(subject, format!("cluster {cluster} has {healthy} of {all} hosts healthy"))
        }
    }
}

/// Variants that mirrors of the filter call; those of the comparator are called by its targets.
fn mirrored(policy: &Value) -> BTreeSet<String> {
    let mirrors = rules(policy).flat_map(|rule| rule["mirror"].as_array().into_iter().flatten());
    let own = mirrors.filter(|mirror| mirror["via"] != "comparator");
    let names = own.flat_map(|mirror| [mirror["to"].as_str(), mirror["control"]["to"].as_str()]);
    names.flatten().map(str::to_owned).collect()
}

/// Variants that clients may get.
fn chosen(policy: &Value) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for rule in rules(policy) {
        let listed = rule["select"]["map"].as_object().into_iter().flat_map(|map| map.values());
        names.extend(listed.filter_map(|variant| variant.as_str().map(str::to_owned)));
        names.extend(rule["to"].as_str().map(str::to_owned));
        for part in ["weights", "buckets"] {
            names.extend(rule["split"][part].as_object().into_iter().flat_map(|parts| parts.keys().cloned()));
        }
    }
    let variants = policy["variants"].as_object().into_iter().flatten();
    names.extend(variants.filter(|(_, variant)| variant["state"] == "yellow").map(|(name, _)| name.clone()));
    names
}

/// Those that take part.
fn rules(policy: &Value) -> impl Iterator<Item = &Value> {
    let rules = policy["rules"].as_array().into_iter().flatten();
    rules.filter(|rule| rule["enabled"] != false)
}

/// Names of keys, wherever they stand.
fn secrets(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    match value {
        Value::Array(values) => names.extend(values.iter().flat_map(secrets)),
        Value::Object(members) => {
            names.extend(value["signedWith"].as_str().map(str::to_owned));
            names.extend(members.values().flat_map(secrets));
        }
        _ => {}
    }
    names
}

/// The default of `apply.header`.
const VARIANT_HEADER: &str = "x-antumbra-variant";
/// The minor versions that the end-to-end tests run on.
const OLDEST: u32 = 36;
const NEWEST: u32 = 40;

#[cfg(test)]
mod tests {
    use super::super::Finding;
    use super::*;
    use serde_json::json;

    fn release() -> Release {
        let policy = json!({
            "variants": {"stable": {}, "canary": {}, "trial": {"state": "yellow"}, "candidate": {"cluster": "shadow"}, "far": {}},
            "default": "stable",
            "override": {"signedWith": "testers"},
            "rules": [
                {"mirror": [{"to": "candidate", "control": {"to": "stable"}}, {"to": "far", "via": "comparator"}]},
                {"split": {"weights": {"canary": 0, "stable": 1}, "sticky": {"signedWith": "cookies"}}},
            ],
        });
        Release { name: "shop".to_owned(), policy }
    }

    fn proxy_with(clusters: &Value, headers: &Value, secrets: &Value) -> Proxy {
        let config =
            json!({"release": "shop", "comparator": {"cluster": "antumbra"}, "secrets": secrets}).to_string();
        let dump = json!({"configs": [
            {"filter": {"vm_config": {}, "configuration": {"@type": "…", "value": config}}},
            {"routes": [{"match": {"prefix": "/", "headers": headers}, "route": {"cluster": "canary"}}]},
        ]});
        let info = json!({"version": "0123abcd/1.38.2/Clean/RELEASE/BoringSSL"});
        Proxy::of("Envoy", &info, clusters, &dump)
    }

    fn cluster(name: &str, health: &Value) -> Value {
        json!({"name": name, "host_statuses": [{"health_status": health}]})
    }

    fn found(proxy: &Proxy, finding: Finding) -> Vec<String> {
        let checks = super::proxy(proxy, Some(&[release()]));
        checks.into_iter().filter(|check| check.finding == finding).map(|check| check.subject).collect()
    }

    #[test]
    fn a_proxy_that_fits_has_nothing_to_mend() {
        let healthy = json!({"eds_health_status": "HEALTHY"});
        let statuses: Vec<Value> =
            ["stable", "shadow", "antumbra"].iter().map(|name| cluster(name, &healthy)).collect();
        let clusters = json!({"cluster_statuses": statuses});
        let headers = json!([
            {"name": "X-Antumbra-Variant", "string_match": {"exact": "canary"}},
            {"name": "x-antumbra-variant", "exact_match": "trial"},
        ]);
        let proxy = proxy_with(&clusters, &headers, &json!({"testers": "…", "cookies": "…"}));
        assert_eq!((found(&proxy, Finding::Failed), found(&proxy, Finding::Warning)), (vec![], vec![]));
        assert_eq!(found(&proxy, Finding::Ok).len(), 8);
    }

    #[test]
    fn each_missing_part_is_named() {
        let clusters = json!({"cluster_statuses": [
            cluster("antumbra", &json!({"eds_health_status": "HEALTHY"})),
            cluster("shadow", &json!({"eds_health_status": "HEALTHY", "failed_active_health_check": true})),
        ]});
        let headers = json!([{"name": "x-antumbra-variant", "string_match": {"prefix": "canary"}}]);
        let proxy = proxy_with(&clusters, &headers, &json!({"cookies": "…"}));
        assert_eq!(
            found(&proxy, Finding::Failed),
            [
                "Envoy shop variant candidate",
                "Envoy shop variant stable",
                "Envoy shop route of canary",
                "Envoy shop route of trial",
                "Envoy shop key testers",
            ]
        );
    }

    #[test]
    fn a_proxy_without_the_filter_or_the_policy_is_told() {
        let bare = Proxy::of("Envoy", &json!({"version": "x/1.30.1/y"}), &json!({}), &json!({}));
        let checks = super::proxy(&bare, Some(&[]));
        let findings: Vec<Finding> = checks.iter().map(|check| check.finding).collect();
        assert_eq!(findings, [Finding::Warning, Finding::Failed], "{checks:?}");
        let proxy = proxy_with(&json!({}), &json!([]), &json!({}));
        let told = super::proxy(&proxy, Some(&[]));
        assert!(
            told.iter().any(|check| check.detail == "the comparator has no policy of that name"),
            "{told:?}"
        );
    }
}
