//! A route together with the service and the plugin configuration that it names.
//!
//! Of two settings the route's own counts, then the plugin configuration's, then the service's: the same plugin is not merged.

use super::objects::Objects;
use crate::draft::Draft;
use crate::part::Part;

/// A route that is on.
pub(super) struct Route<'a> {
    /// As the input has it.
    pub(super) part: Part<'a>,
    /// That of `service_id`.
    pub(super) service: Option<Part<'a>>,
    config: Option<Part<'a>>,
}

impl<'a> Route<'a> {
    /// A route with what it refers to; what the input does not show is noted, unless the route is off.
    pub(super) fn new(draft: &mut Draft, part: &Part<'a>, objects: &Objects<'a>) -> Option<Self> {
        if let Some(status) = part.get("status").filter(|status| status.text().as_deref() != Some("1")) {
            draft.note(status.at, "the route is off, as `status` says: it is left out");
            return None;
        }
        let config = part.text_of("plugin_config_id").and_then(|id| {
            let found = objects.plugin_configs.get(&id).cloned();
            if found.is_none() {
                draft.note(
                    part.below("plugin_config_id"),
                    format!("plugin configuration {id:?} is not in the input, so what it splits or mirrors is missing"),
                );
            }
            found
        });
        let service = part.text_of("service_id").and_then(|id| {
            let found = objects.services.get(&id).cloned();
            if found.is_none() {
                draft.note(
                    part.below("service_id"),
                    format!(
                        "service {id:?} is not in the input, so its hosts, upstream and plugins are missing"
                    ),
                );
            }
            found
        });
        Some(Self { part: part.clone(), service, config })
    }

    /// Whether what would split the route's requests is not in the input.
    pub(super) fn is_partial(&self) -> bool {
        let splits = |part: &Part<'a>| {
            part.get("plugins").is_some_and(|plugins| plugins.get("traffic-split").is_some())
        };
        let lacks_config = self.part.get("plugin_config_id").is_some() && self.config.is_none();
        let of_config = self.config.as_ref().is_some_and(splits);
        !splits(&self.part) && (lacks_config || (!of_config && self.lacks_service()))
    }

    /// Whether its hosts are those of a service that is not in the input.
    pub(super) fn hosts_are_unknown(&self) -> bool {
        self.lacks_service() && self.hosts().is_none()
    }

    fn lacks_service(&self) -> bool {
        self.part.get("service_id").is_some() && self.service.is_none()
    }

    /// A plugin's configuration, unless it is off; a bare configuration is `traffic-split`.
    pub(super) fn plugin(&self, name: &str) -> Option<Part<'a>> {
        let own = self.part.get("plugins").unwrap_or_else(|| self.part.clone());
        let config = self.config.as_ref().and_then(|config| config.get("plugins"));
        let service = self.service.as_ref().and_then(|service| service.get("plugins"));
        let found = [Some(own), config, service].into_iter().flatten().find_map(|plugins| plugins.get(name));
        let bare = || self.part.get("rules").filter(|_| name == "traffic-split").map(|_| self.part.clone());
        found.or_else(bare).filter(is_on)
    }

    /// The plugins that are not about splitting or mirroring.
    pub(super) fn other_plugins(&self) -> Vec<(&'a str, Part<'a>)> {
        let holders = [Some(&self.part), self.config.as_ref(), self.service.as_ref()];
        let plugins = holders.into_iter().flatten().filter_map(|holder| holder.get("plugins"));
        plugins.flat_map(|plugins| plugins.others(&PLUGINS)).collect()
    }

    /// Its hosts, else its service's; `None` takes every host.
    pub(super) fn hosts(&self) -> Option<Vec<String>> {
        let own = self.part.get("hosts").or_else(|| self.part.get("host"));
        own.or_else(|| self.service.as_ref()?.get("hosts")).map(|hosts| hosts.texts())
    }

    /// Its URIs; `None` takes every path.
    pub(super) fn uris(&self) -> Option<Vec<String>> {
        self.part.get("uris").or_else(|| self.part.get("uri")).map(|uris| uris.texts())
    }

    /// The higher one is tried first.
    pub(super) fn priority(&self) -> i64 {
        self.part.text_of("priority").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// What its variants and rules may be called by.
    pub(super) fn name(&self) -> Option<String> {
        self.part.text_of("name").or_else(|| self.part.text_of("id").map(|id| format!("route-{id}")))
    }
}

fn is_on(plugin: &Part<'_>) -> bool {
    plugin.get("_meta").and_then(|meta| meta.text_of("disable")).is_none_or(|disable| disable != "true")
}

/// What is carried over.
pub(super) const PLUGINS: [&str; 2] = ["traffic-split", "proxy-mirror"];
