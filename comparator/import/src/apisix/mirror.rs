//! `proxy-mirror`: a share of a route's requests, sent to one address.

use super::upstream;
use crate::condition::{Condition, whole};
use crate::draft::{Draft, Mirror, Target};
use crate::part::Part;

/// Writes the mirror of a route.
pub(super) fn import(draft: &mut Draft, plugin: &Part<'_>, base: Condition) {
    let host = plugin.text_of("host").unwrap_or_default();
    let address =
        ["http://", "https://", "grpc://", "grpcs://"].iter().find_map(|scheme| host.strip_prefix(scheme));
    let Some(address) =
        address.map(|address| address.trim_end_matches('/')).filter(|address| !address.is_empty())
    else {
        draft.note(
            &plugin.at,
            format!(
                "host is {host:?}, must be a URL as http://10.0.0.9:8080, as \
             APISIX demands too: nothing is mirrored"
            ),
        );
        return;
    };
    let ratio = plugin.get("sample_ratio").map_or(Some(1.0), |ratio| ratio.number());
    let Some(ratio) = ratio.filter(|ratio| (0.0..=1.0).contains(ratio)) else {
        draft.note(&plugin.at, "sample_ratio must be within 0..=1: nothing is mirrored");
        return;
    };
    for (name, field) in plugin.others(&["host", "sample_ratio", "_meta"]) {
        draft.note(field.at, format!("{name:?} is not carried over: the mirrored request keeps its path"));
    }
    let to = draft.variant(upstream::at_address(address, address));
    let percent = whole((ratio * 1e8).round() / 1e6);
    let mirror = Mirror { to, share: ("percent", percent), at: plugin.at.clone() };
    draft.rule(&plugin.at, "mirror", base, Target::Onward, vec![mirror]);
}
