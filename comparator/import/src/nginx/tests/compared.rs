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
