//! Who is refused before anything answers: by `allow` and `deny`, which ask for the address, and by what no policy can ask.

use super::location::{Level, Place};
use super::reading::Reading;
use super::request;
use super::syntax::Directive;
use super::when::When;

/// Requests that nginx refuses.
pub(super) struct Refusal<'d> {
    /// What refuses them.
    pub(super) directive: &'d Directive,
    /// With one of these statuses.
    pub(super) codes: Vec<u16>,
    /// Which ones; unclear where no policy can tell.
    pub(super) when: When,
}

/// What refuses requests of a place, in the order in which nginx asks.
pub(super) fn refusals<'d>(reading: &mut Reading<'d>, place: &Place<'d>) -> Vec<Refusal<'d>> {
    let unclear = |(name, codes, status): &(&str, &[u16], &str)| {
        let directive = place.inherited(name).into_iter().find(|directive| directive.text(0) != "off")?;
        let written = place.inherited(status).first().and_then(|status| status.text(0).parse().ok());
        let codes = written.map_or_else(|| codes.to_vec(), |code| vec![code]);
        Some(Refusal { directive, codes, when: When::unclear() })
    };
    let mut refusals: Vec<Refusal<'_>> = GUARDS.iter().filter_map(unclear).collect();
    let either = place.inherited("satisfy").first().is_some_and(|satisfy| satisfy.text(0) == "any");
    let asks = refusals.iter().any(|refusal| refusal.codes.contains(&401));
    if let Some((directive, denied)) = denied(reading, place) {
        let when = if either && asks { When::unclear() } else { denied };
        refusals.push(Refusal { directive, codes: vec![403], when });
    }
    refusals
}

/// The requests that `allow` and `deny` refuse: of those that name the address, the first counts.
fn denied<'d>(reading: &mut Reading<'d>, place: &Place<'d>) -> Option<(&'d Directive, When)> {
    let is_rule = |directive: &&'d Directive| matches!(directive.name.as_str(), "allow" | "deny");
    let own = |level: &Level<'d>| level.iter().copied().filter(is_rule).collect::<Vec<_>>();
    let rules = place.chain.iter().rev().map(own).find(|rules| !rules.is_empty())?;
    let first = rules.iter().copied().find(|rule| rule.name == "deny")?;
    let mut denied = When::never();
    let groups: Vec<&[&Directive]> = rules.chunk_by(|a, b| a.name == b.name).collect();
    if groups.len() > MAX_GROUPS {
        return Some((first, When::unclear()));
    }
    for group in groups.into_iter().rev() {
        let Some(rule) = group.first() else { continue };
        let here = named(reading, rule, group);
        denied = if rule.name == "deny" { When::any([here, denied]) } else { here.negated().and(&denied) };
    }
    Some((first, denied))
}

fn named(reading: &mut Reading<'_>, rule: &Directive, group: &[&Directive]) -> When {
    let named: Vec<String> = group.iter().map(|rule| rule.text(0).to_owned()).collect();
    if named.iter().any(|name| name == "all") {
        return When::always();
    }
    let networks: Vec<String> = named.into_iter().filter(|name| name != "unix:").collect();
    if networks.is_empty() {
        return When::never();
    }
    if let Some(replaced) = &reading.config.addresses_replaced {
        let what = format!(
            "{} goes by the address that set_real_ip_from ({replaced}) has nginx take from a header, which a policy takes from \
            x-forwarded-for alone: refuse such requests in the proxy, since the policy sends them where it sends others",
            rule.name
        );
        reading.note(rule.at(), what);
        return When::unclear();
    }
    request::addressed(reading, &rule.at(), networks)
}

/// What else refuses requests, the statuses, and the directive that gives another one.
const GUARDS: [(&str, &[u16], &str); 6] = [
    ("limit_req", &[503], "limit_req_status"),
    ("limit_conn", &[503], "limit_conn_status"),
    ("auth_basic", &[401], ""),
    ("auth_jwt", &[401], ""),
    ("auth_oidc", &[401, 403], ""),
    ("auth_request", &[401, 403, 500], ""),
];
/// Turns between `allow` and `deny` that are followed.
const MAX_GROUPS: usize = 12;
