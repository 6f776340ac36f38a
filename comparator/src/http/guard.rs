//! Who speaks to the comparator: the bearer of a token, or, while there are none, anybody on loopback but a browser's page.
//!
//! Without tokens the browser of whoever sits at the machine is the way in: a page can post across origins, and by DNS
//! rebinding it can read too. So nothing but a followed link may come from another origin, and the `Host` must be our own; only the
//! filters' three routes take any `Host`, since a proxy names its cluster there, and no page can send their media types.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};

use crate::api::principal::{Dismissed, Principal};
use crate::api::problem::Problem;
use crate::live::tokens::Tokens;

/// Decides about each request before its route does.
pub(crate) struct Guard {
    tokens: Arc<Tokens>,
    /// The address that the server is bound to.
    bound: IpAddr,
}

impl Guard {
    /// A guard of a server bound to `bound`.
    pub(crate) fn new(tokens: Arc<Tokens>, bound: IpAddr) -> Self {
        Self { tokens, bound }
    }

    /// Lets a request pass at `now_ms` since 1970 and says who makes it, or says why not. Of what everybody may ask it says nobody.
    pub(crate) fn check(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        now_ms: u64,
    ) -> Result<Option<Principal>, Problem> {
        if headers.get_all(HOST).iter().nth(1).is_some() {
            let detail = "the request has more than one Host header";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "header", detail));
        }
        if HEALTH.contains(&path) {
            return Ok(None);
        }
        let are_required = self.tokens.are_required();
        let by = if are_required { self.bearer(headers, now_ms)? } else { Principal::Anybody };
        if !are_required && !FROM_FILTERS.contains(&path) {
            self.check_host(headers)?;
        }
        if !(method.is_safe() && is_visit(path, headers)) {
            self.check_origin(headers, are_required)?;
        }
        Ok(Some(by))
    }

    fn bearer(&self, headers: &HeaderMap, now_ms: u64) -> Result<Principal, Problem> {
        let (scheme, secret) = text(headers, &AUTHORIZATION).split_once(' ').unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Dismissed::Unknown.into());
        }
        Ok(Principal::Bearer(self.tokens.bearer_of(secret.trim(), now_ms)?))
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let host = text(headers, &HOST);
        if self.is_ours(host) {
            return Ok(());
        }
        Err(forbidden(format!("the host {host:?} is not this server's; use its address or localhost")))
    }

    fn check_origin(&self, headers: &HeaderMap, are_required: bool) -> Result<(), Problem> {
        if !matches!(text(headers, &SEC_FETCH_SITE), "" | "same-origin" | "none") {
            return Err(forbidden("the request comes from another site".to_owned()));
        }
        let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        let same = !authority.is_empty() && authority.eq_ignore_ascii_case(text(headers, &HOST));
        if same && (are_required || self.is_ours(authority)) {
            return Ok(());
        }
        Err(forbidden(format!("the origin {origin:?} is not this server's")))
    }

    /// Whether an authority names this server by a name that no foreign DNS can give.
    fn is_ours(&self, authority: &str) -> bool {
        let host = without_port(authority);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.is_loopback() || address == self.bound)
    }
}

/// Whether somebody follows a link, and does not read what holds something as long as it is read: a page elsewhere that has a browser
/// fetch it would keep others from it.
fn is_visit(path: &str, headers: &HeaderMap) -> bool {
    let is_link =
        text(headers, &SEC_FETCH_MODE) == "navigate" && text(headers, &SEC_FETCH_DEST) == "document";
    is_link && !path.ends_with("/exchanges")
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn forbidden(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

/// What everybody may ask.
pub(super) const HEALTH: [&str; 2] = ["/healthz", "/readyz"];
const FROM_FILTERS: [&str; 3] = ["/v1/observations", "/v1/handovers", "/v1/heartbeats"];
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: Option<&str>, request: &str, headers: &[(&'static str, &str)], expected: u16) {
        let tokens = Arc::new(Tokens::default());
        tokens.restore(Vec::new(), token);
        let guard = Guard::new(tokens, IpAddr::from([127, 0, 0, 1]));
        let (method, path) = request.split_once(' ').unwrap();
        let map = headers.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect();
        let checked = guard.check(&method.parse().unwrap(), path, &map, 0);
        let found = checked.map_or_else(|problem| problem.status, |_| 200);
        assert_eq!(found, expected, "{request} {headers:?}");
    }

    #[test]
    fn without_a_token_only_this_machine_and_no_page() {
        for (host, origin, expected) in [
            ("127.0.0.1:7400", "", 200),
            ("localhost", "", 200),
            ("[::1]:7400", "", 200),
            ("evil.example:7400", "", 403),
            ("127.0.0.1.evil.example", "", 403),
            ("127.0.0.1:7400", "http://127.0.0.1:7400", 200),
            ("127.0.0.1:7400", "http://127.0.0.1:9999", 403),
            ("127.0.0.1:7400", "http://evil.example", 403),
            ("127.0.0.1:7400", "null", 403),
            ("evil.example:7400", "http://evil.example:7400", 403),
        ] {
            let mut headers = vec![("host", host)];
            headers.extend((!origin.is_empty()).then_some(("origin", origin)));
            check(None, "PUT /v1/policies/shop", &headers, expected);
        }
        check(None, "GET /v1/status", &[("host", "evil.example")], 403);
        check(None, "GET /v1/status", &[], 403);
        check(None, "GET /healthz", &[("host", "evil.example")], 200);
    }

    #[test]
    fn pages_of_other_sites_read_nothing_but_links_to_us_work() {
        let captures = "GET /v1/releases/shop/exchanges";
        let link = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        for (request, more, expected) in [
            (captures, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")][..], 403),
            (captures, &[("sec-fetch-site", "cross-site"), link[0], link[1]], 403),
            (captures, &[("sec-fetch-site", "same-site")], 403),
            (captures, &[("origin", "http://evil.example")], 403),
            (captures, &[("sec-fetch-site", "same-origin")], 200),
            (captures, &[("sec-fetch-site", "none"), link[0], link[1]], 200),
            (captures, &[], 200),
            ("GET /v1/status", &[("sec-fetch-site", "cross-site"), link[0], link[1]], 200),
            (
                "GET /v1/status",
                &[("sec-fetch-site", "cross-site"), link[0], ("sec-fetch-dest", "iframe")],
                403,
            ),
            ("GET /v1/status", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], 403),
            ("GET /healthz", &[("sec-fetch-site", "cross-site")], 200),
            ("DELETE /v1/policies/shop", &[("sec-fetch-site", "cross-site"), link[0], link[1]], 403),
        ] {
            let mut headers = vec![("host", "localhost")];
            headers.extend(more);
            check(None, request, &headers, expected);
        }
    }

    #[test]
    fn filters_name_any_host_but_pages_stay_out() {
        check(None, "POST /v1/observations", &[("host", "antumbra")], 200);
        check(None, "POST /v1/handovers", &[("host", "antumbra")], 200);
        check(None, "POST /v1/handovers", &[("host", "evil"), ("origin", "http://evil")], 403);
        check(None, "POST /v1/heartbeats", &[("host", "evil"), ("origin", "http://evil")], 403);
        check(None, "POST /v1/heartbeats", &[("host", "localhost"), ("sec-fetch-site", "cross-site")], 403);
        check(None, "POST /v1/heartbeats", &[("host", "localhost"), ("sec-fetch-site", "same-origin")], 200);
    }

    #[test]
    fn with_a_token_every_route_asks_for_it() {
        for (authorization, expected) in [
            ("Bearer s3cret", 200),
            ("bearer s3cret", 200),
            ("Bearer s3cre", 401),
            ("Basic s3cret", 401),
            ("s3cret", 401),
            ("", 401),
        ] {
            for route in
                ["GET /v1/status", "GET /metrics", "POST /v1/observations", "DELETE /v1/releases/a/evidence"]
            {
                check(Some("s3cret"), route, &[("host", "any"), ("authorization", authorization)], expected);
            }
        }
        check(Some("s3cret"), "GET /readyz", &[], 200);
        let crossing = [("host", "any"), ("authorization", "Bearer s3cret"), ("origin", "http://other")];
        check(Some("s3cret"), "PUT /v1/policies/shop", &crossing, 403);
    }
}
