//! The objects of an input by their kinds, in whatever wrapping the APIs and the standalone file give them.

use std::collections::BTreeMap;

use antumbra_policy::document::Tree;

use crate::draft::{Draft, Root};
use crate::part::Part;

/// All that the input defines.
#[derive(Default)]
pub(super) struct Objects<'a> {
    /// Routes, also those that are off, in the order of the input.
    pub(super) routes: Vec<Part<'a>>,
    /// By their ids, of which the first counts.
    pub(super) services: BTreeMap<String, Part<'a>>,
    /// By their ids, of which the first counts.
    pub(super) upstreams: BTreeMap<String, Part<'a>>,
    /// By their ids, of which the first counts.
    pub(super) plugin_configs: BTreeMap<String, Part<'a>>,
    /// What is of no other kind, with the kind.
    others: Vec<(String, Part<'a>)>,
}

impl<'a> Objects<'a> {
    /// Those of all documents.
    pub(super) fn of(documents: &[Root<'a>]) -> Self {
        let mut objects = Self::default();
        for (name, tree) in documents {
            objects.add(&Part::new(name.as_str(), tree), "");
        }
        objects
    }

    /// Notes what is no route and may change what happens to requests.
    pub(super) fn note_others(&self, draft: &mut Draft) {
        for (kind, object) in &self.others {
            draft
                .note(&object.at, format!("{kind} are not carried over: what they change stays in the host"));
        }
    }

    /// `kind` is what the wrapping says; empty is not known.
    fn add(&mut self, part: &Part<'a>, kind: &str) {
        let lists = KINDS.iter().filter_map(|kind| Some((*kind, part.get(kind)?)));
        let lists: Vec<_> = lists.filter(|(_, list)| matches!(list.tree, Tree::List(_))).collect();
        if !lists.is_empty() && part.get("uri").or_else(|| part.get("uris")).is_none() {
            for (kind, list) in lists {
                list.items().iter().for_each(|item| self.add(item, kind));
            }
            return;
        }
        for list in ["list", "nodes"].iter().filter_map(|list| part.get(list)) {
            let listed = list.at.ends_with("list") || part.get("dir").is_some();
            if listed && matches!(list.tree, Tree::List(_)) {
                list.items().iter().for_each(|item| self.add(item, kind));
                return;
            }
        }
        if let Some(inner) = part.get("value").or_else(|| part.get("node")) {
            let key = part.text_of("key").unwrap_or_default();
            let named = KINDS.iter().find(|kind| key.contains(&format!("/{kind}/")));
            return self.add(&inner, named.copied().unwrap_or(kind));
        }
        self.push(part, kind);
    }

    fn push(&mut self, part: &Part<'a>, kind: &str) {
        let named = match kind {
            "services" => Some(&mut self.services),
            "upstreams" => Some(&mut self.upstreams),
            "plugin_configs" => Some(&mut self.plugin_configs),
            _ => None,
        };
        if let Some(named) = named {
            named.entry(part.text_of("id").unwrap_or_default()).or_insert_with(|| part.clone());
            return;
        }
        match kind {
            "" | "routes" if ROUTE.iter().any(|field| part.get(field).is_some()) => {
                self.routes.push(part.clone());
            }
            "" | "routes" => {}
            other => self.others.push((other.to_owned(), part.clone())),
        }
    }
}

const KINDS: [&str; 11] = [
    "routes",
    "services",
    "upstreams",
    "plugin_configs",
    "stream_routes",
    "consumers",
    "consumer_groups",
    "global_rules",
    "plugin_metadata",
    "protos",
    "ssls",
];
const ROUTE: [&str; 9] = [
    "plugins",
    "traffic-split",
    "proxy-mirror",
    "rules",
    "uri",
    "uris",
    "plugin_config_id",
    "service_id",
    "upstream_id",
];
