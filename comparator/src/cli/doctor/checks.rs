//! What each part of a set-up has to have so that a release works.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Check;
use super::proxy::{Filter, Hosts, Proxy};
use crate::api::status::{ReleaseStatus, Versions};

/// A policy in force.
pub(super) struct Release {
    pub(super) name: String,
    pub(super) policy: Value,
}

/// Whether the comparator and this command line are of one version.
pub(super) fn comparator_version(subject: &str, comparator: Option<&str>, own: &str) -> Check {
    let subject = format!("{subject} version");
    match comparator {
        Some(version) if version == own => Check::ok(subject, format!("{version}, as this command line")),
        version => {
            let version = version.unwrap_or("one that does not say which it is");
            Check::warning(
                subject,
                format!("is {version}, and this command line is {own}: use the same for both"),
            )
        }
    }
}

/// Whether the filters of a release and the comparator are of one version; nothing is said where no filter is alive.
fn versions(subject: &str, versions: &[Versions], comparator: Option<&str>) -> Option<Check> {
    let subject = format!("{subject} filter versions");
    let told = super::super::status::versions(versions);
    match versions {
        [] => None,
        [one] if one.version.is_some() && one.version.as_deref() == comparator => {
            Some(Check::ok(subject, format!("{told}, as the comparator")))
        }
        _ => {
            let comparator = comparator.unwrap_or("of a version that it does not say");
            let detail = format!(
                "{told}, and the comparator is {comparator}: give the proxies the module of its version"
            );
            Some(Check::warning(subject, detail))
        }
    }
}

/// What the comparator, which is of this version, knows of a release's filters.
pub(super) fn release(status: &ReleaseStatus, comparator: Option<&str>) -> Vec<Check> {
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
    checks.extend(versions(&subject, &status.versions, comparator));
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
        Some(Hosts { all: 0, .. }) => Check::failed(subject, format!("cluster {cluster} has no host")),
        Some(Hosts { callable: 0, all, .. }) => {
            Check::failed(subject, format!("cluster {cluster} has no healthy host of {all}"))
        }
        Some(Hosts { callable, all, .. }) if proxy.checked.contains(cluster) => {
            Check::ok(subject, format!("cluster {cluster} has {callable} of {all} hosts healthy"))
        }
        Some(hosts) => unchecked(subject, cluster, hosts),
    }
}

/// A proxy without a health check takes every host for healthy: what it asked them says more.
fn unchecked(subject: &str, cluster: &str, hosts: &Hosts) -> Check {
    let Hosts { all, answered, unreached, .. } = hosts;
    let plural = if *all == 1 { "" } else { "s" };
    let has = format!("cluster {cluster} has {all} endpoint{plural} and no health check");
    match (answered, unreached) {
        (1.., _) => Check::ok(subject, format!("{has}; {answered} requests succeeded there")),
        (0, 1..) => {
            let detail = format!(
                "{has}; {unreached} connections failed and no request succeeded: does the service listen there?"
            );
            Check::failed(subject, detail)
        }
        (0, 0) => {
            let detail =
                format!("{has}, and the proxy has asked nothing there yet: whether it answers is not known");
            Check::warning(subject, detail)
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
            {"cluster": {"name": "stable", "health_checks": [{}]}},
            {"cluster": {"name": "shadow", "type": "EDS"}},
            {"cluster": {"name": "antumbra", "health_checks": []}},
            {"routes": [{"match": {"prefix": "/", "headers": headers}, "route": {"cluster": "canary"}}]},
        ]});
        let info = json!({"version": "0123abcd/1.38.2/Clean/RELEASE/BoringSSL"});
        Proxy::of("Envoy", &info, clusters, &dump)
    }

    fn cluster(name: &str, health: &Value) -> Value {
        let stats = json!([{"name": "rq_success", "value": "7"}, {"name": "cx_connect_fail", "value": "2"}]);
        json!({"name": name, "host_statuses": [{"health_status": health, "stats": stats}]})
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

    /// Every host is healthy to a proxy that does not check any.
    #[test]
    fn a_cluster_that_nobody_checks_is_not_called_healthy() {
        let with = |stats: &Value| {
            let host = json!({"health_status": {"eds_health_status": "HEALTHY"}, "stats": stats});
            let clusters =
                json!({"cluster_statuses": [{"name": "antumbra", "host_statuses": [host.clone(), host]}]});
            let proxy = proxy_with(&clusters, &json!([]), &json!({}));
            let check =
                super::proxy(&proxy, None).into_iter().find(|check| check.subject.ends_with("comparator"));
            check.map(|check| (check.finding, check.detail)).unwrap()
        };
        let none = "cluster antumbra has 2 endpoints and no health check";
        assert_eq!(
            with(&json!([])),
            (
                Finding::Warning,
                format!("{none}, and the proxy has asked nothing there yet: whether it answers is not known")
            )
        );
        assert_eq!(
            with(&json!([{"name": "rq_success", "value": "3"}, {"name": "cx_connect_fail", "value": "1"}])),
            (Finding::Ok, format!("{none}; 6 requests succeeded there"))
        );
        assert_eq!(
            with(&json!([{"name": "cx_connect_fail", "value": "4"}])),
            (
                Finding::Failed,
                format!(
                    "{none}; 8 connections failed and no request succeeded: does the service listen there?"
                )
            )
        );
    }

    #[test]
    fn versions_that_differ_are_told() {
        let of = |version: Option<&str>, filters| Versions { version: version.map(str::to_owned), filters };
        let told = |versions: &[Versions], comparator| {
            super::versions("release shop", versions, comparator).map(|check| (check.finding, check.detail))
        };
        assert_eq!(told(&[], Some("0.2.0")), None);
        let same = told(&[of(Some("0.2.0"), 2)], Some("0.2.0")).unwrap();
        assert_eq!(same, (Finding::Ok, "0.2.0 (2 filters), as the comparator".to_owned()));
        let mixed = told(&[of(None, 1), of(Some("0.2.0"), 2)], Some("0.2.0")).unwrap();
        let detail = "not said (1 filter), 0.2.0 (2 filters), and the comparator is 0.2.0: give the proxies the module of its version";
        assert_eq!(mixed, (Finding::Warning, detail.to_owned()));
        assert_eq!(told(&[of(None, 1)], None).unwrap().0, Finding::Warning, "nothing is known of either");
        let own = |comparator| comparator_version("comparator", comparator, "0.2.0");
        assert_eq!(
            (own(Some("0.2.0")).finding, own(Some("0.1.0")).finding, own(None).finding),
            (Finding::Ok, Finding::Warning, Finding::Warning)
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
