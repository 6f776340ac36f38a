//! Directives that choose no destination and still change what a request meets: named once, so that nothing is dropped in silence.

use std::collections::BTreeMap;

use super::reading::Reading;
use super::syntax::Directive;

/// Names the directives that are not carried over, with the first place of each.
pub(super) fn note(reading: &mut Reading<'_>, directives: &[&Directive]) {
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for directive in directives {
        gather(directive, &mut found);
        note_includes(reading, directive);
    }
    for (names, what) in KINDS {
        let named = found.iter().filter(|(name, _)| names.contains(name));
        let named: Vec<String> = named.map(|(name, at)| format!("{name} ({at})")).collect();
        if let Some(first) = found.iter().find(|(name, _)| names.contains(name)) {
            reading.note(first.1.clone(), format!("{what}: {}", named.join(", ")));
        }
    }
}

/// What is included around the locations is not known either.
fn note_includes(reading: &mut Reading<'_>, directive: &Directive) {
    if directive.name == "include" {
        reading.note(
            directive.at(),
            format!("{:?} is not followed: give the file as nginx -T prints it", directive.text(0)),
        );
    }
    for inner in &directive.block {
        note_includes(reading, inner);
    }
}

fn gather<'d>(directive: &'d Directive, found: &mut BTreeMap<&'d str, String>) {
    found.entry(&directive.name).or_insert_with(|| directive.at());
    directive.block.iter().for_each(|inner| gather(inner, found));
}

/// Directives, and why they are left where they are.
const KINDS: [(&[&str], &str); 4] = [
    (
        &[
            "proxy_set_header",
            "grpc_set_header",
            "add_header",
            "proxy_hide_header",
            "proxy_method",
            "proxy_set_body",
            "sub_filter",
        ],
        "headers and bodies are not changed by this policy: set them in the host, or as `headers` of a variant",
    ),
    (
        &[
            "allow",
            "deny",
            "auth_basic",
            "auth_request",
            "auth_jwt",
            "satisfy",
            "limit_req",
            "limit_conn",
            "secure_link",
            "valid_referers",
        ],
        "who is let in is not carried over: keep it in the host",
    ),
    (
        &["proxy_cache", "proxy_store", "proxy_next_upstream", "proxy_redirect"],
        "caches and retries are not carried over: keep them in the host",
    ),
    (
        &["set_real_ip_from", "real_ip_header"],
        "the client's address is taken from a header: say so in `clientIp`",
    ),
];
