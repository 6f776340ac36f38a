//! What is written down of the filters of a release, so that a restart makes no loss vanish.

use std::collections::BTreeMap;

use antumbra_observation::Instance;
use serde::{Deserialize, Serialize};

use super::delivered::Delivered;
use crate::api::principal::Source;

/// What is written down of the filters of a release.
pub(super) struct Kept {
    /// What each instance delivered, by the source whose token it bears.
    pub(super) instances: BTreeMap<(Option<Source>, Instance), Delivered>,
    /// The sums of instances that nobody remembers any more.
    pub(super) forgotten: BTreeMap<Option<Source>, Delivered>,
    /// The sums when the session of evidence began.
    pub(super) baseline: BTreeMap<Option<Source>, Delivered>,
    /// A release of this name was deleted before.
    pub(super) again: bool,
    /// Milliseconds within which all that were alive speak again; 0 if none was.
    pub(super) awaited_ms: u64,
}

/// The same as text. What came without a token stands where an earlier version wrote it.
#[derive(Serialize, Deserialize)]
struct Written {
    instances: BTreeMap<String, Delivered>,
    forgotten: Delivered,
    baseline: Delivered,
    /// What came with a token, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sources: BTreeMap<String, OfSource>,
    #[serde(default)]
    again: bool,
    /// What is written down by an earlier version does not say it.
    #[serde(default = "usual_ms")]
    awaited_ms: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct OfSource {
    instances: BTreeMap<String, Delivered>,
    forgotten: Delivered,
    baseline: Delivered,
}

impl Kept {
    /// Reads what [`to_text`](Self::to_text) wrote, or an earlier version.
    ///
    /// # Errors
    /// Of the reader of JSON.
    pub(super) fn read(text: &str) -> serde_json::Result<Self> {
        let Written { instances, forgotten, baseline, sources, again, awaited_ms } =
            serde_json::from_str(text)?;
        let open = (String::new(), OfSource { instances, forgotten, baseline });
        let mut kept = Self {
            instances: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            baseline: BTreeMap::new(),
            again,
            awaited_ms,
        };
        for (name, OfSource { instances, forgotten, baseline }) in std::iter::once(open).chain(sources) {
            let source = Source::written(&name);
            let instances = instances
                .into_iter()
                .filter_map(|(instance, sums)| Some(((source.clone(), instance.parse().ok()?), sums)));
            kept.instances.extend(instances);
            kept.forgotten.insert(source.clone(), forgotten);
            kept.baseline.insert(source, baseline);
        }
        kept.forgotten.retain(|_, sums| *sums != Delivered::default());
        kept.baseline.retain(|_, sums| *sums != Delivered::default());
        Ok(kept)
    }

    pub(super) fn to_text(&self) -> String {
        let mut sources: BTreeMap<String, OfSource> = BTreeMap::new();
        let name = |source: &Option<Source>| Source::name_of(source.as_ref()).to_owned();
        for ((source, instance), sums) in &self.instances {
            let of = sources.entry(name(source)).or_default();
            of.instances.insert(instance.to_string(), *sums);
        }
        for (source, sums) in &self.forgotten {
            sources.entry(name(source)).or_default().forgotten = *sums;
        }
        for (source, sums) in &self.baseline {
            sources.entry(name(source)).or_default().baseline = *sums;
        }
        let OfSource { instances, forgotten, baseline } = sources.remove("").unwrap_or_default();
        let Self { again, awaited_ms, .. } = *self;
        let written = Written { instances, forgotten, baseline, sources, again, awaited_ms };
        serde_json::to_string(&written).unwrap_or_default()
    }
}

/// [`Written::awaited_ms`] where it is not written down: three heartbeats of a filter that does not say how often it speaks.
fn usual_ms() -> u64 {
    60_000
}
