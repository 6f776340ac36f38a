//! What is made up has everything that the comparison is for, and of everything enough.

use crate::made_up::{self, Made};

fn made() -> impl Iterator<Item = Made> {
    (0..CONFIGURATIONS).map(|seed| made_up::configuration(seed, [8001, 8002], [8003, 8004]))
}

#[test]
fn every_construct_is_made_up() {
    let texts: Vec<String> = made().map(|made| made.text()).collect();
    let with = |word: &str| texts.iter().filter(|text| text.contains(word)).count();
    let few: Vec<_> =
        CONSTRUCTS.iter().map(|word| (*word, with(word))).filter(|(_, count)| *count < 5).collect();
    assert!(few.is_empty(), "hardly made up at all: {few:?}");
}

#[test]
fn what_is_hidden_is_run_and_not_told() {
    let mut hidden = 0;
    for made in made() {
        let told = made.text();
        let run: String = made.files().into_iter().map(|(_, text)| text).collect();
        assert!(!told.contains("@@") && !run.contains("@@"), "{told}");
        assert!(!run.contains("_by_lua") && !run.contains("/gone") && !run.contains("/more."), "{run}");
        hidden += usize::from(told.contains("_by_lua") || told.contains("/gone") || told.contains("/more."));
    }
    assert!(hidden * 4 > 200, "{hidden} of {CONFIGURATIONS} hide anything");
}

#[test]
fn every_kind_of_request_is_made_up() {
    let requests: Vec<_> = made().take(20).flat_map(|made| made.requests(20)).collect();
    let with = |test: &dyn Fn(&str, &str, &str) -> bool| {
        let fits = requests.iter().filter(|request| {
            let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
            test(path, query, &request.cookie)
        });
        fits.count()
    };
    for (kind, count) in [
        ("a value in percent notation", with(&|_, query, _| query.contains("=a%20b"))),
        ("a name in percent notation", with(&|_, query, _| query.contains("v%65r"))),
        ("a plus", with(&|_, query, _| query.contains('+'))),
        ("an empty value", with(&|_, query, _| query.contains("=&") || query.ends_with('='))),
        (
            "no value",
            with(&|_, query, _| query.split('&').any(|part| !part.is_empty() && !part.contains('='))),
        ),
        (
            "a parameter twice",
            with(&|_, query, _| query.matches("ver=").count() > 1 || query.matches("name=").count() > 1),
        ),
        ("a path in percent notation", with(&|path, _, _| path.contains('%'))),
        ("a path with a step back", with(&|path, _, _| path.contains("/../"))),
        ("a cookie in percent notation", with(&|_, _, cookie| cookie.contains('%'))),
        ("a cookie in quotes", with(&|_, _, cookie| cookie.contains('"'))),
        (
            "a failure",
            requests
                .iter()
                .filter(|request| request.headers.iter().any(|(name, _)| *name == "x-fail"))
                .count(),
        ),
        ("a final dot", requests.iter().filter(|request| request.host.starts_with("a.test.")).count()),
    ] {
        assert!(count >= 3, "{kind}: {count} of {}", requests.len());
    }
}

const CONFIGURATIONS: u64 = 200;
/// As they are written.
const CONSTRUCTS: [&str; 53] = [
    "_old/",
    "/base",
    "?x=1;",
    "$request_uri;",
    "$uri$is_args$args;",
    "rewrite_by_lua_block",
    "rewrite_by_lua '",
    "access_by_lua_block",
    "access_by_lua_file",
    "content_by_lua_block",
    "/gone",
    "/more.conf",
    "/more.map",
    "/then.conf",
    "\nallow ",
    "\ndeny ",
    "auth_request ",
    "satisfy any",
    "limit_req ",
    "error_page 403 =",
    "error_page 401 403",
    "error_page 503 @",
    "proxy_intercept_errors on",
    "recursive_error_pages on",
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "grpc_pass",
    "real_ip_header X-Forwarded-For",
    "real_ip_header X-Real-IP",
    "real_ip_recursive",
    "geo $",
    "ranges;",
    "split_clients \"${remote_addr}salt\"",
    "split_clients $cookie_uid",
    "split_clients $arg_ver",
    "hostnames;",
    "try_files $uri @",
    "limit_except",
    "internal;",
    "location ^~ ",
    "location = ",
    "location ~ ",
    "location ~* ",
    "location /site/",
    "location @",
    "default_server",
    "server_name ~^",
    "include c",
    "rewrite ^/api/(.*)$ /x/$1 last",
    "rewrite ^/api/ /y/ break",
    "= \"a%20b\")",
    "= \"a b\")",
];
