//! Who keeps the old version, which one that is, and what a note says of it.

use super::decided::{check, imported, says};
use crate::Format;
use crate::import;

#[test]
fn a_place_keeps_its_own_old_version() {
    let text = "server {
        location /legacy { access_by_lua_block { check() } proxy_pass http://old; }
        location /shop { if ($http_user_agent ~ (?!bot)) { proxy_pass http://next; } proxy_pass http://shop; }
        location /back { if ($http_user_agent ~ (?!bot)) { proxy_pass http://next; } return 404; }
        location / { proxy_pass http://new; }
    }";
    check(
        text,
        &[
            (r#"{"path": "/legacy"}"#, "old"),
            (r#"{"path": "/shop"}"#, "shop"),
            (r#"{"path": "/back"}"#, "host"),
            (r#"{"path": "/%6cegacy"}"#, "host"),
            (r#"{"path": "/"}"#, "new"),
        ],
    );
    let imported = imported(text);
    assert!(says(&imported, "line 2", r#"they keep the old version, which is "old" here"#));
    assert!(says(&imported, "line 2", "access_by_lua_block may send requests anywhere"));
    assert!(says(&imported, "line 3", r#"which is "shop" here"#));
    assert!(says(&imported, "line 1", "left to the proxy's own routing"), "{:?}", imported.notes);
}

#[test]
fn a_server_keeps_its_own_old_version() {
    check(
        r#"server { server_name a.test; location / { if ($cookie_next = 1) { proxy_pass http://a2; } proxy_pass http://a1; } }
        server { server_name b.test; location / { if ($cookie_next = 1) { proxy_pass http://b2; } proxy_pass http://b1; } }"#,
        &[
            (r#"{"host": "a.test", "headers": {"cookie": "next=\"1\""}}"#, "a1"),
            (r#"{"host": "b.test", "headers": {"cookie": "next=\"1\""}}"#, "b1"),
            (r#"{"host": "b.test", "cookies": {"next": "1"}}"#, "b2"),
        ],
    );
}

/// Which location a request meets is not known there, so what the location does is no way for all requests.
#[test]
fn a_location_that_cannot_be_told_keeps_what_all_have_in_common() {
    check(
        "server { location ~ ^/(?!x) { proxy_pass http://next; } location / { proxy_pass http://stable; } }",
        &[(r#"{"path": "/y"}"#, "host")],
    );
    check(
        "server { location ~ ^/(?!x) { proxy_pass http://stable; } location / { proxy_pass http://stable; } }",
        &[(r#"{"path": "/y"}"#, "stable")],
    );
    check(
        r"server { server_name ~^(?!x); location / { proxy_pass http://next; } }
        server { listen 80 default_server; location / { proxy_pass http://stable; } }",
        &[(r#"{"host": "a.test"}"#, "host")],
    );
}

#[test]
fn the_last_part_of_a_draw_is_the_old_version_if_it_is_the_largest() {
    for (parts, expected) in
        [("5% next; * stable;", "stable"), ("90% next; * stable;", "host"), ("95% stable; * next;", "host")]
    {
        check(
            &format!(
                "split_clients $remote_addr $to {{ {parts} }}
                server {{ location / {{ if ($http_a ~ (?!b)) {{ proxy_pass http://third; }} proxy_pass http://$to; }} }}"
            ),
            &[(r#"{"path": "/"}"#, expected)],
        );
    }
}

#[test]
fn who_is_refused_by_address_goes_where_the_error_page_leads() {
    let text = "server {
        location / { allow 10.0.0.0/8; allow 192.0.2.7; deny 10.1.0.0/16; deny all; error_page 403 = @old; proxy_pass http://next; }
        location /shut { deny all; proxy_pass http://next; }
        location /some { deny 10.0.0.0/8; allow all; proxy_pass http://next; }
        location @old { proxy_pass http://stable; }
    }";
    check(
        text,
        &[
            (r#"{"path": "/", "ip": "10.2.3.4"}"#, "next"),
            (r#"{"path": "/", "ip": "10.1.3.4"}"#, "next"),
            (r#"{"path": "/", "ip": "192.0.2.7"}"#, "next"),
            (r#"{"path": "/", "ip": "192.0.2.8"}"#, "stable"),
            (r#"{"path": "/shut", "ip": "10.2.3.4"}"#, "host"),
            (r#"{"path": "/some", "ip": "10.2.3.4"}"#, "host"),
            (r#"{"path": "/some", "ip": "11.2.3.4"}"#, "next"),
        ],
    );
}

#[test]
fn whom_a_guard_refuses_no_policy_knows() {
    for (guard, code) in [
        ("auth_request /auth;", 401),
        ("auth_request /auth;", 403),
        ("auth_basic closed;", 401),
        ("auth_jwt closed;", 401),
        ("limit_req zone=a;", 503),
        ("limit_req zone=a; limit_req_status 429;", 429),
        ("limit_conn a 5;", 503),
        ("satisfy any; allow 10.0.0.0/8; deny all; auth_basic closed;", 403),
        ("set_real_ip_from 10.0.0.0/8; allow 10.0.0.0/8; deny all;", 403),
    ] {
        let text = format!(
            "server {{
                location / {{ {guard} error_page {code} = @other; if ($cookie_next) {{ proxy_pass http://next; }} proxy_pass http://new; }}
                location /same {{ {guard} error_page {code} = @other; if ($cookie_next) {{ proxy_pass http://next; }} proxy_pass http://stable; }}
                location /apart {{ {guard} error_page 418 = @other; proxy_pass http://new; }}
                location @other {{ proxy_pass http://stable; }}
            }}"
        );
        check(
            &text,
            &[
                (r#"{"path": "/"}"#, "host"),
                (r#"{"path": "/", "cookies": {"next": "1"}}"#, "host"),
                (r#"{"path": "/same"}"#, "stable"),
                (r#"{"path": "/same", "cookies": {"next": "1"}}"#, "stable"),
                (r#"{"path": "/apart", "ip": "10.0.0.1"}"#, "new"),
            ],
        );
        assert!(says(&imported(&text), "line 2", "keep the old version"), "{guard}");
    }
}

#[test]
fn what_an_upstream_answers_itself_may_have_a_page() {
    let text = "server {
        location /a { proxy_intercept_errors on; error_page 404 = @other; proxy_pass http://new; }
        location /b { error_page 404 = @other; proxy_pass http://new; }
        location /c { error_page 502 = @other; proxy_pass http://new; }
        location @other { proxy_pass http://stable; }
    }";
    let imported = imported(text);
    assert!(says(&imported, "line 2", "when the first has answered 404 is not carried over"));
    assert!(!imported.notes.iter().any(|note| note.at == "line 3" && note.what.contains("404")));
    assert!(says(&imported, "line 4", "when the first fails is not carried over"));
    check(text, &[(r#"{"path": "/a"}"#, "new"), (r#"{"path": "/b"}"#, "new")]);
}

#[test]
fn behind_an_error_page_the_method_is_another_one() {
    check(
        "server {
            location /a { internal; error_page 404 /b; }
            location /c { internal; error_page 404 /d; }
            location /b { limit_except GET { deny all; } proxy_pass http://b; }
            location /d { limit_except POST { deny all; } proxy_pass http://d; }
            location / { proxy_pass http://stable; }
        }",
        &[
            (r#"{"path": "/a", "method": "DELETE"}"#, "b"),
            (r#"{"path": "/b", "method": "DELETE"}"#, "host"),
            (r#"{"path": "/c", "method": "POST"}"#, "host"),
            (r#"{"path": "/d", "method": "POST"}"#, "d"),
        ],
    );
}

#[test]
fn an_if_may_have_an_error_page_of_its_own() {
    check(
        "server {
            location / {
                if ($cookie_next) { error_page 418 = @next; return 418; }
                if ($http_x_a) { error_page 419 = @third; }
                if ($http_x_b) { return 419; }
                proxy_pass http://stable;
            }
            location @next { proxy_pass http://next; }
            location @third { proxy_pass http://third; }
        }",
        &[
            (r#"{"cookies": {"next": "1"}}"#, "next"),
            (r#"{"headers": {"x-a": "1"}}"#, "stable"),
            (r#"{"headers": {"x-b": "1"}}"#, "host"),
        ],
    );
}

#[test]
fn an_address_that_a_header_replaces_decides_nothing() {
    let text = "http {
        set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For;
        geo $office { default 0; 10.0.0.0/8 1; }
        split_clients $remote_addr $lot { 10% next; * stable; }
        server {
            location / { if ($office) { proxy_pass http://next; } proxy_pass http://stable; }
            location /ip { if ($remote_addr = 10.0.0.1) { proxy_pass http://next; } proxy_pass http://stable; }
            location /lot { proxy_pass http://$lot; }
        }
    }";
    check(
        text,
        &[
            (r#"{"path": "/", "ip": "10.0.0.1"}"#, "stable"),
            (r#"{"path": "/ip", "ip": "10.0.0.1"}"#, "stable"),
        ],
    );
    let imported = imported(text);
    for line in ["line 3", "line 7"] {
        assert!(says(&imported, line, "set_real_ip_from (line 2)"), "{line}: {:?}", imported.notes);
    }
    assert!(says(
        &imported,
        "line 4",
        "it is left out, for all clients behind a proxy would be in one share"
    ));
    let policy = serde_json::to_string(&imported.policy).unwrap();
    assert!(!policy.contains(r#""by""#) && !policy.contains(r#""ip""#), "{policy}");
}

#[test]
fn an_include_that_is_not_there_may_decide_anything_behind_it() {
    check(
        "server {
            location / {
                if ($cookie_a) { include unknown.conf; }
                if ($cookie_next) { proxy_pass http://next; }
                proxy_pass http://stable;
            }
            location /all { if ($cookie_next) { proxy_pass http://next; } include unknown.conf; proxy_pass http://stable; }
            location /rest { limit_except GET { include unknown.conf; } proxy_pass http://stable; }
            location /in { include unknown.conf; proxy_pass http://stable; location /in/side { proxy_pass http://stable; } }
        }",
        &[
            (r#"{"path": "/", "cookies": {"next": "1"}}"#, "next"),
            (r#"{"path": "/", "cookies": {"a": "1", "next": "1"}}"#, "stable"),
            (r#"{"path": "/all", "cookies": {"next": "1"}}"#, "stable"),
            (r#"{"path": "/rest", "method": "POST"}"#, "stable"),
            (r#"{"path": "/in/side"}"#, "stable"),
        ],
    );
    check(
        "server {
            location /in { include unknown.conf; proxy_pass http://next; location /in/side { proxy_pass http://next; } }
            location /if { if ($cookie_a) { include unknown.conf; } proxy_pass http://next; }
            location / { proxy_pass http://stable; }
        }",
        &[
            (r#"{"path": "/in"}"#, "host"),
            (r#"{"path": "/in/side"}"#, "host"),
            (r#"{"path": "/if", "cookies": {"a": "1"}}"#, "host"),
            (r#"{"path": "/if"}"#, "next"),
        ],
    );
}

#[test]
fn an_include_beside_servers_may_have_other_servers() {
    let text = "http {
        include mime.types;
        include conf.d/*.conf;
        server { server_name shop.test *.shop.test; location / { proxy_pass http://shop; } }
        server { listen 80 default_server; server_name www.test; location / { proxy_pass http://next; } }
    }";
    check(
        text,
        &[
            (r#"{"host": "shop.test"}"#, "shop"),
            (r#"{"host": "a.shop.test"}"#, "host"),
            (r#"{"host": "www.test"}"#, "next"),
            (r#"{"host": "else.test"}"#, "host"),
        ],
    );
    let imported = imported(text);
    assert!(says(&imported, "line 3", r#""conf.d/*.conf" is not in this text and may have servers"#));
    assert!(says(&imported, "line 2", "its name says that it holds settings"), "{:?}", imported.notes);
    let error =
        import(Format::Nginx, b"include conf.d/*.conf; server { location / { proxy_pass http://a; } }");
    assert!(error.unwrap_err().to_string().contains("may have servers"));
    check(
        "server { include names.conf; location / { proxy_pass http://stable; } }
        server { listen 80 default_server; server_name next.test *.x.test; location / { proxy_pass http://next; } }",
        &[(r#"{"host": "next.test"}"#, "next"), (r#"{"host": "a.x.test"}"#, "host"), (r#"{"host": "b"}"#, "host")],
    );
}

#[test]
fn entries_that_are_included_go_before_masks_and_into_draws() {
    check(
        "map $host $to { hostnames; include more.map; *.next.test next; a.next.test next; default stable; }
        split_clients $remote_addr $lot { 10% next; include more.map; * stable; }
        server { location / { proxy_pass http://$to; } location /lot { proxy_pass http://$lot; } }",
        &[
            (r#"{"host": "a.next.test"}"#, "next"),
            (r#"{"host": "b.next.test"}"#, "stable"),
            (r#"{"path": "/lot"}"#, "stable"),
        ],
    );
}

#[test]
fn a_program_runs_before_the_ifs_of_its_location_too() {
    for block in [
        "access_by_lua_file a.lua;",
        "rewrite_by_lua_block { ngx.exec('@x') }",
        "rewrite_by_lua 'ngx.exec(\"@x\")';",
        "js_access main.access;",
    ] {
        let text = format!(
            "server {{ location / {{ {block} if ($cookie_next) {{ proxy_pass http://next; }} proxy_pass http://stable; }} }}"
        );
        check(&text, &[(r#"{"cookies": {"next": "1"}}"#, "stable"), ("{}", "stable")]);
        let text = format!(
            "server {{ {block} location / {{ if ($cookie_next) {{ proxy_pass http://next; }} proxy_pass http://stable; }} }}"
        );
        check(&text, &[(r#"{"cookies": {"next": "1"}}"#, "stable")]);
    }
    check(
        "server { location / {
            rewrite_by_lua_no_postpone on;
            set_by_lua_block $to { return ngx.var.cookie_next and \"next\" or \"stable\" }
            auth_request_set $other $upstream_http_to; set $other stable;
            if ($cookie_next) { proxy_pass http://next; }
            if ($cookie_lua) { proxy_pass http://$to; }
            if ($cookie_asked) { proxy_pass http://$other; }
            proxy_pass http://own;
        } }",
        &[
            (r#"{"cookies": {"next": "1"}}"#, "next"),
            (r#"{"cookies": {"lua": "1"}}"#, "own"),
            (r#"{"cookies": {"asked": "1"}}"#, "own"),
        ],
    );
}

#[test]
fn what_else_a_pass_does_is_said() {
    let text = "upstream x { balancer_by_lua_block { choose() } server 10.0.0.1; }
        server {
        location /same/ { proxy_pass http://x/same/; }
        location /cut/ { proxy_pass http://x/; }
        location /whole { set $to x; proxy_pass http://$to/here; }
        location /tls { proxy_pass https://x; }
        location /after { post_action @stats; proxy_pass http://x$request_uri; }
        location /query { proxy_pass http://x$uri$is_args$args; }
        location /lost { proxy_pass http://x$uri; }
    }";
    let imported = imported(text);
    for (at, what) in [
        ("line 1", "balancer_by_lua_block is not carried over"),
        ("line 4", r#""http://x/" replaces "/cut/" at the beginning of the path by "/""#),
        ("line 5", r#""http://$to/here" replaces the whole path by "/here""#),
        ("line 6", r#""https://x" is encrypted"#),
        ("line 7", "post_action"),
        ("line 9", r#"replaces the whole path by "$uri""#),
    ] {
        assert!(says(&imported, at, what), "{at} {what}: {:#?}", imported.notes);
    }
    let replaced = |line: &str| says(&imported, line, "replaces");
    assert!(!["line 3", "line 7", "line 8"].into_iter().any(replaced), "{:#?}", imported.notes);
}
