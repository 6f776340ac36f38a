//! Directives that choose no destination and still change what a request meets: named once, so that nothing is dropped in silence.

use std::collections::BTreeMap;

use super::includes::may_decide;
use super::reading::Reading;
use super::syntax::Directive;

/// Names the directives that are not carried over, with the first place of each.
pub(super) fn note(reading: &mut Reading<'_>, directives: &[&Directive]) {
    let servers = directives.iter().any(|directive| directive.name == "server");
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for directive in directives {
        gather(directive, &mut found);
        note_includes(reading, directive, if servers { "server" } else { "http" });
    }
    for (names, what) in KINDS {
        let named = found.iter().filter(|(name, _)| names.contains(name));
        let named: Vec<String> = named.map(|(name, at)| format!("{name} ({at})")).collect();
        if let Some(first) = found.iter().find(|(name, _)| names.contains(name)) {
            reading.note(first.1.clone(), format!("{what}: {}", named.join(", ")));
        }
    }
}

/// Files that are not at hand. Where one decides for a server or a location, that is said by who reads these.
fn note_includes(reading: &mut Reading<'_>, directive: &Directive, around: &str) {
    if directive.name == "include" {
        let name = directive.text(0);
        if !DEFINITIONS.contains(&around) && !may_decide(directive) {
            reading.note(
                directive.at(),
                format!(
                    "{name:?} is not in this text and is passed over: its name says that it holds settings, which choose \
                     no destination"
                ),
            );
        } else if !DECIDED.contains(&around) {
            reading.note(
                directive.at(),
                format!("{name:?} is not in this text: give the file as nginx -T prints it"),
            );
        }
    }
    for inner in &directive.block {
        note_includes(reading, inner, &directive.name);
    }
}

fn gather<'d>(directive: &'d Directive, found: &mut BTreeMap<&'d str, String>) {
    found.entry(&directive.name).or_insert_with(|| directive.at());
    directive.block.iter().for_each(|inner| gather(inner, found));
}

/// Directives, and why they are left where they are.
const KINDS: [(&[&str], &str); 6] = [
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
            "auth_basic",
            "auth_oidc",
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
        &["allow", "deny"],
        "the requests that they refuse by an address that a policy knows are left to the proxy's own routing, and the \
         proxy has to refuse them all",
    ),
    (&["post_action"], "the request that follows an answer is not carried over: send it from elsewhere"),
    (
        &["proxy_cache", "proxy_store", "proxy_next_upstream", "proxy_redirect"],
        "caches and retries are not carried over: keep them in the host",
    ),
    (
        &["set_real_ip_from", "real_ip_header"],
        "the client's address is taken from a header: say so in `clientIp`",
    ),
];
/// Blocks that define a variable.
const DEFINITIONS: [&str; 3] = ["map", "geo", "split_clients"];
/// Blocks of which is said what becomes of their requests.
const DECIDED: [&str; 4] = ["server", "location", "if", "limit_except"];
