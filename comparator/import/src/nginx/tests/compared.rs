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

/// nginx asks first whether the location around is internal.
#[test]
fn the_path_without_its_slash_is_refused_within_an_internal_location() {
    check(
        "server { error_page 404 = @app; location /x { internal; location /x/y/ { proxy_pass http://next; } }
         location @app { proxy_pass http://stable; } location / { proxy_pass http://stable; } }",
        &[(r#"{"path": "/x/y"}"#, "stable"), (r#"{"path": "/x/y/z"}"#, "stable")],
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
