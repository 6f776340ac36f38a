//! What the comparison with a real nginx found, each in its smallest configuration.

use super::decided::{check, imported, says};

#[test]
fn lua_within_an_if_keeps_the_requests_of_the_if() {
    for lua in ["access_by_lua_block { ngx.exit(403) }", "rewrite_by_lua_file x.lua;"] {
        let text = format!(
            "server {{ location / {{ if ($cookie_a) {{ {lua} proxy_pass http://next; }}
             if ($http_x_b) {{ proxy_pass http://next; }} proxy_pass http://stable; }} location /p {{ proxy_pass http://p; }} }}"
        );
        check(
            &text,
            &[
                (r#"{"path": "/", "cookies": {"a": "1"}}"#, "stable"),
                (r#"{"path": "/", "headers": {"x-b": "1"}}"#, "next"),
                (r#"{"path": "/p", "cookies": {"a": "1"}}"#, "p"),
            ],
        );
        assert!(says(&imported(&text), "line 1", "may send requests anywhere"), "{lua}");
    }
}

#[test]
fn the_path_without_its_slash_is_answered_for_every_kind_of_server() {
    for pass in
        ["fastcgi_pass unix:/php.sock", "uwsgi_pass app:3031", "scgi_pass app:1", "memcached_pass m:11211"]
    {
        let text =
            format!("server {{ location /app/ {{ {pass}; }} location / {{ proxy_pass http://stable; }} }}");
        check(&text, &[(r#"{"path": "/app"}"#, "host"), (r#"{"path": "/apps"}"#, "stable")]);
    }
}

/// nginx asks first whether the location is internal; its own page then answers.
#[test]
fn the_path_without_its_slash_is_refused_within_an_internal_location() {
    check(
        "server { error_page 404 = @app; location /x { internal; location /x/y/ { proxy_pass http://next; } }
         location @app { proxy_pass http://stable; } location / { proxy_pass http://stable; } }",
        &[(r#"{"path": "/x/y"}"#, "stable"), (r#"{"path": "/x/y/z"}"#, "stable")],
    );
    check(
        "server { error_page 404 = @first; location /x { internal; location /x/y/ { error_page 404 = @second; proxy_pass http://next; } }
         location /a/ { internal; proxy_pass http://next; } location @first { proxy_pass http://first; }
         location @second { proxy_pass http://second; } location / { proxy_pass http://first; } }",
        &[
            (r#"{"path": "/x/y"}"#, "second"),
            (r#"{"path": "/x"}"#, "first"),
            (r#"{"path": "/a"}"#, "first"),
            (r#"{"path": "/a/b"}"#, "first"),
        ],
    );
}

/// What one server reads in another way keeps its own version, also if nothing is odd about the other.
#[test]
fn what_is_odd_in_one_server_is_not_kept_in_another() {
    check(
        "server { server_name a.test; location /x { proxy_pass http://a; } location / { proxy_pass http://a; } }
         server { listen 80 default_server; location / { proxy_pass http://b; } }",
        &[
            (r#"{"path": "/%61", "host": "a.test"}"#, "a"),
            (r#"{"path": "/%61", "host": "b.test"}"#, "b"),
        ],
    );
    check(
        "server { server_name a.test; location /x { proxy_pass http://a; } location / { proxy_pass http://a; } }
         server { listen 80 default_server; include gone.conf; location / { proxy_pass http://b; } }",
        &[(r#"{"path": "/%61", "host": "b.test"}"#, "host")],
    );
}

/// nginx compares a parameter as it is sent, a policy what it means.
#[test]
fn encoded_parameters_keep_the_old_version() {
    let text = "server { location / { if ($arg_ver = a) { proxy_pass http://next; } if ($arg_text != b) { return 404; }
        proxy_pass http://stable; } }";
    check(
        text,
        &[
            (r#"{"path": "/?ver=a&text=b"}"#, "next"),
            (r#"{"path": "/?VER=a&text=b&other=%61+"}"#, "next"),
            (r#"{"path": "/?ver=%61&text=b"}"#, "stable"),
            (r#"{"path": "/?text=b&v%65r=a"}"#, "stable"),
            (r#"{"path": "/?text=b&%56ER=a"}"#, "stable"),
            (r#"{"path": "/?text=b&other=%26ver=a"}"#, "stable"),
            (r#"{"path": "/?overs=%61&text=b"}"#, "stable"),
        ],
    );
    assert!(says(&imported(text), "line 1", "the name or its value with % or +"));
}

#[test]
fn a_path_that_an_error_page_leads_to_is_said() {
    let text = "server {\nerror_page 404 =200 /old/;\nlocation /old/ { proxy_pass http://stable; }\n\
        location /x { if ($cookie_a) { return 404; } proxy_pass http://next; }\nlocation / { proxy_pass http://stable; }\n}";
    let imported = imported(text);
    assert!(says(&imported, "line 2", r#"is asked for "/old/" with GET"#), "{:?}", imported.notes);
    check(text, &[(r#"{"path": "/x", "cookies": {"a": "1"}}"#, "stable"), (r#"{"path": "/x"}"#, "next")]);
}

/// What a place sends on at last is its old version, not what an `if` without a mark takes before.
#[test]
fn the_old_version_behind_another_place_is_what_it_sends_on_at_last() {
    let old = "if ($http_user_agent !~ bot) { proxy_pass http://next; } proxy_pass http://stable;";
    for location in [
        "try_files $uri @app;",
        "error_page 404 = @app;",
        "auth_request /ask; error_page 403 = @app; proxy_pass http://stable;",
    ] {
        let text = format!(
            "server {{ location /x {{ {location} }} location @app {{ {old} }} location = /ask {{ internal; proxy_pass http://ask; }}
             location / {{ proxy_pass http://stable; }} }}"
        );
        check(&text, &[(r#"{"path": "/x"}"#, "stable"), (r#"{"path": "/"}"#, "stable")]);
    }
}

/// nginx hashes what stands around a key that is not there: all such requests have one share.
#[test]
fn requests_without_the_key_of_a_draw_have_one_share() {
    for (key, expected) in
        [("$cookie_uid", "next"), ("\"${cookie_uid}salt\"", "stable"), ("\"a${cookie_uid}\"", "stable")]
    {
        let text = format!(
            "split_clients {key} $to {{ 20% next; * stable; }} server {{ location / {{ proxy_pass http://$to; }} }}"
        );
        check(
            &text,
            &[(r#"{"path": "/"}"#, expected), (r#"{"path": "/", "cookies": {"uid": ""}}"#, expected)],
        );
        assert!(says(&imported(&text), "line 1", "all requests without $cookie_uid the same share"));
    }
    let text =
        "split_clients $arg_ver $to { 20% next; * stable; } server { location / { proxy_pass http://$to; } }";
    let policy = serde_json::to_string(&imported(text).policy).unwrap();
    assert!(policy.contains(r#""by":["query:ver","query:VER","query:Ver"]"#), "{policy}");
}

/// A program that answers in an `if` goes before the `proxy_pass` of the location, and before that of a `limit_except`.
#[test]
fn a_program_that_answers_in_an_if_goes_before_the_pass_of_its_location() {
    for program in
        ["content_by_lua_block { ngx.exec('@x') }", "content_by_lua_file a.lua;", "js_content main.answer;"]
    {
        let text = format!(
            "server {{ location / {{ set $to stable; if ($cookie_to) {{ set $to next; }}
             if ($cookie_new) {{ proxy_pass http://next; }} if ($cookie_lua) {{ {program} }} proxy_pass http://$to; }} }}"
        );
        check(
            &text,
            &[
                (r#"{"path": "/", "cookies": {"to": "1", "lua": "1"}}"#, "stable"),
                (r#"{"path": "/", "cookies": {"new": "1", "lua": "1"}}"#, "stable"),
                (r#"{"path": "/", "cookies": {"new": "1"}}"#, "next"),
                (r#"{"path": "/"}"#, "stable"),
            ],
        );
        assert!(says(&imported(&text), "line 2", "may send requests anywhere"), "{program}");
    }
    let text = "server { location / { limit_except GET { js_content main.answer; }
        if ($cookie_new) { proxy_pass http://next; } proxy_pass http://next; } location /s { proxy_pass http://stable; } }";
    check(text, &[(r#"{"path": "/", "method": "POST"}"#, "host"), (r#"{"path": "/"}"#, "next")]);
    check(
        "server { location / { limit_except GET { fastcgi_pass unix:/php.sock; } proxy_pass http://next; } }",
        &[(r#"{"path": "/", "method": "POST"}"#, "host"), (r#"{"path": "/"}"#, "next")],
    );
    // What changes an answer alone is no answer: the page of what is not there holds.
    let text = "server {\nlocation /files {\nlog_by_lua_block { count() }\nerror_page 404 = @app;\n}
        location @app { proxy_pass http://stable; } location / { proxy_pass http://stable; } }";
    assert!(says(&imported(text), "line 4", "whether a file is there no policy knows"));
    check(text, &[(r#"{"path": "/files/a"}"#, "stable")]);
}

/// Whoever is refused beside a program goes where the `error_page` says, which may be another version.
#[test]
fn a_guard_beside_a_program_may_send_requests_to_another_version() {
    let rest = "location @out { proxy_pass http://stable; } location / { proxy_pass http://stable; }";
    for location in [
        "rewrite_by_lua_file a.lua; proxy_pass http://next;",
        "rewrite_by_lua_file a.lua; limit_except GET { proxy_pass http://next; } proxy_pass http://stable;",
    ] {
        let guarded = |guard: &str, page: &str| {
            format!("server {{ location /x {{ {guard} error_page {page} = @out; {location} }} {rest} }}")
        };
        let refused = r#"{"path": "/x", "method": "DELETE", "ip": "10.0.0.1"}"#;
        for (guard, page) in [("auth_request /ask;", "401"), ("deny 10.0.0.0/8;", "403")] {
            check(&guarded(guard, page), &[(refused, "host"), (r#"{"path": "/"}"#, "stable")]);
        }
        // What nginx answers itself has no version.
        check(&guarded("deny 10.0.0.0/8;", "401"), &[(refused, "next")]);
        let guarded = guarded("auth_request /ask;", "401");
        assert!(says(&imported(&guarded), "line 1", "whom auth_request refuses no policy knows"));
    }
}

#[test]
fn a_path_that_nginx_sends_on_as_it_reads_it_is_said() {
    let text = "server {
        location / { proxy_pass http://stable/; }
        location /same/ { proxy_pass http://stable/same/; }
        location /read { proxy_pass http://stable$uri$is_args$args; }
        location /sent { proxy_pass http://stable$request_uri; }
        location /plain { proxy_pass http://stable; }
    }";
    let imported = imported(text);
    for (line, expected) in [(2, true), (3, true), (4, true), (5, false), (6, false)] {
        let said = says(&imported, &format!("line {line}"), "sends the path on without `//`");
        assert_eq!(said, expected, "{line} {:?}", imported.notes);
    }
}

/// What answers instead is said wherever requests are sent on: in an `if`, beside `try_files`, for other methods.
#[test]
fn pages_of_failures_are_said_wherever_requests_are_sent_on() {
    let page = "error_page 502 @out;";
    for location in [
        format!("{page} proxy_pass http://stable;"),
        format!("{page} try_files $uri @out; if ($cookie_a) {{ break; }} proxy_pass http://stable;"),
        format!("{page} if ($cookie_a) {{ proxy_pass http://stable; }}"),
        format!("if ($cookie_a) {{ {page} proxy_pass http://stable; }}"),
        format!("if ($cookie_a) {{ {page} }} proxy_pass http://stable;"),
        format!("{page} limit_except GET {{ proxy_pass http://stable; }} return 204;"),
    ] {
        let text = format!(
            "server {{ location / {{\n{location}\n}} location @out {{ proxy_pass http://spare; }} }}"
        );
        assert!(says(&imported(&text), "line 2", "when the first fails is not carried over"), "{location}");
        let without = text.replace(page, "");
        assert!(!says(&imported(&without), "line 2", "when the first fails"), "{location}");
    }
}

/// nginx refuses what is too large before it sends it on; an `error_page` may have it answered elsewhere.
#[test]
fn a_page_of_what_nginx_refuses_itself_is_said() {
    let text = "server { location / {\nerror_page 413 502 400 @out;\nproxy_pass http://next; }
        location @out { proxy_pass http://stable; } }";
    let imported = imported(text);
    for (what, expected) in [
        ("error_page 413: that another server answers the requests that nginx refuses with 413", true),
        ("error_page 502: that another server answers when the first fails", true),
        ("error_page 400", false),
    ] {
        assert_eq!(says(&imported, "line 2", what), expected, "{what} {:?}", imported.notes);
    }
}

/// nginx runs the directives of the server again for the path that an `error_page` leads to.
#[test]
fn what_a_server_rewrites_is_rewritten_again_behind_an_error_page() {
    let text = |ends: &str| {
        format!(
            "server {{ {ends} location /x {{ error_page 403 /api/; return 403; }} location /api/ {{ proxy_pass http://next; }}
             location / {{ proxy_pass http://stable; }} }}"
        )
    };
    let marked = r#"{"path": "/x", "headers": {"x-a": "1"}}"#;
    for (ends, expected) in [
        ("rewrite ^/api/(.*)$ /x/$1 last;", "host"),
        ("if ($http_x_a) { rewrite ^/api/(.*)$ /x/$1 last; }", "host"),
        ("if ($uri ~ ^/api/) { return 204; }", "host"),
        ("if ($http_x_b) { return 301 https://a.test; }", "next"),
        ("", "next"),
    ] {
        check(&text(ends), &[(marked, expected), (r#"{"path": "/y"}"#, "stable")]);
    }
}

/// Whom a rule refuses by an address that a policy does not see goes where others go, which a note says.
#[test]
fn whom_a_replaced_address_refuses_is_said() {
    let text = |real: &str| {
        format!(
            "server {{ {real} location / {{\nallow 10.0.0.0/8;\ndeny all;\nproxy_pass http://stable; }} }}"
        )
    };
    let replaced = imported(&text("set_real_ip_from 192.0.2.0/24;"));
    assert!(says(
        &replaced,
        "line 2",
        "refuse such requests in the proxy, since the policy sends them where it sends others"
    ));
    assert!(!says(&replaced, "line 2", "keep the old version"), "{:?}", replaced.notes);
    assert!(!says(&imported(&text("")), "line 2", "set_real_ip_from"));
}
