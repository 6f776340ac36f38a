//! Configurations whose requests a real nginx was asked about, and what it did; `tests/nginx_import` asks it again for many
//! more.

use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Policy, Timestamp, WrittenRequest};

use crate::{Format, Imported, import};

pub(super) fn imported(text: &str) -> Imported {
    import(Format::Nginx, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The cluster and the rule of a request, written as `GET host/path` or as JSON.
fn decided(imported: &Imported, request: &str) -> (Option<String>, String) {
    let policy = Policy::from_tree(&imported.policy).unwrap_or_else(|invalid| panic!("{invalid}"));
    let request = Tree::from_json(request.as_bytes()).unwrap();
    let request = WrittenRequest::from_tree(&request, Timestamp(0)).unwrap();
    let decision = policy.decide(&request, Dice(1));
    (decision.variant.map(|variant| variant.cluster.clone()), decision.rule.unwrap_or_default().to_owned())
}

/// Every request goes where nginx sends it.
pub(super) fn check(text: &str, requests: &[(&str, &str)]) {
    let imported = imported(text);
    for (request, expected) in requests {
        let (cluster, rule) = decided(&imported, request);
        let notes: Vec<_> = imported.notes.iter().map(|note| format!("{}: {}", note.at, note.what)).collect();
        assert_eq!(
            cluster.as_deref().unwrap_or("host"),
            *expected,
            "{request} by {rule}\n{text}\n{}",
            notes.join("\n")
        );
    }
}

/// A note at a place says something.
pub(super) fn says(imported: &Imported, at: &str, what: &str) -> bool {
    imported.notes.iter().any(|note| note.at == at && note.what.contains(what))
}

#[test]
fn an_error_page_leads_to_a_named_location() {
    check(
        r"server {
            recursive_error_pages on;
            location /cart {
                error_page 419 = @writes;
                if ($request_method !~ ^(GET|HEAD)$) { return 419; }
                proxy_pass http://next;
            }
            location /chain { error_page 420 = @first; return 420; }
            location @first { error_page 421 /plain; return 421; }
            location /plain { proxy_pass http://plain; }
            location /text { error_page 419 = @writes; return 419 sorry; }
            location @writes { proxy_pass http://stable; }
            location / { proxy_pass http://stable; }
        }",
        &[
            (r#"{"path": "/cart"}"#, "next"),
            (r#"{"path": "/cart", "method": "HEAD"}"#, "next"),
            (r#"{"path": "/cart?a=1", "method": "PUT"}"#, "stable"),
            (r#"{"path": "/chain"}"#, "plain"),
            (r#"{"path": "/text"}"#, "host"),
            (r#"{"path": "/other"}"#, "stable"),
        ],
    );
    check(
        r"server {
            location / { error_page 418 = @first; return 418; }
            location @first { error_page 418 = @second; if ($cookie_next) { return 418; } proxy_pass http://stable; }
            location @second { proxy_pass http://next; }
        }",
        // Without `recursive_error_pages` a second error page is not looked at.
        &[(r#"{"path": "/", "cookies": {"next": "1"}}"#, "host"), (r#"{"path": "/"}"#, "stable")],
    );
}

#[test]
fn maps_of_several_variables_and_of_maps() {
    let text = r#"
        split_clients "${remote_addr}x" $lot { 20% in; * out; }
        map $cookie_next $forced { yes 1; no 2; }
        map "$forced/$lot" $to { "1/in" next; "1/out" next; "/in" next; default stable; }
        map "$http_x_a:$arg_b" $pair { "1:2" next; ~*^x stable; default stable; }
        server { location / { proxy_pass http://$to; } location /pair { proxy_pass http://$pair; } }"#;
    check(
        text,
        &[
            (r#"{"path": "/", "cookies": {"next": "yes"}}"#, "next"),
            (r#"{"path": "/", "cookies": {"next": "NO"}}"#, "stable"),
            (r#"{"path": "/pair?b=2", "headers": {"x-a": "1"}}"#, "next"),
            (r#"{"path": "/pair?b=2"}"#, "stable"),
        ],
    );
    let rules = serde_json::to_string(&imported(text).policy).unwrap();
    assert!(rules.contains(r#""weights":{"next":1,"stable":4}"#), "{rules}");
    check(
        "split_clients $remote_addr $lot { 10% b; * a; }
         map $cookie_side $side { a a; b b; default $lot; }
         map $side $to { b next; default stable; }
         server { location / { proxy_pass http://$to; } }",
        &[
            (r#"{"path": "/", "cookies": {"side": "a"}}"#, "stable"),
            (r#"{"path": "/", "cookies": {"side": "b"}}"#, "next"),
        ],
    );
}

#[test]
fn what_an_upstream_does_among_its_servers_is_said() {
    let text = "upstream shop {\n ip_hash;\n server 10.0.0.1 weight=3;\n server 10.0.0.2;\n server 10.0.0.3 backup;\n server 10.0.0.4 down;\n}\nserver { location / { proxy_pass http://SHOP; } }";
    let imported = imported(text);
    for (at, what) in [
        ("line 2", "ip_hash is not carried over"),
        ("line 3", "weight=3 is not carried over: 10.0.0.1 has 75.0 %"),
        ("line 5", "backup is not carried over"),
        ("line 6", "down is not carried over"),
    ] {
        assert!(says(&imported, at, what), "{at} {what}: {:?}", imported.notes);
    }
    check(text, &[(r#"{"path": "/"}"#, "shop")]);
}

#[test]
fn the_longest_prefix_alone_stops_the_patterns() {
    check(
        r"server {
            location ^~ /a/ { proxy_pass http://a; }
            location /a/b/ { proxy_pass http://ab; }
            location = /a/b/c.x { proxy_pass http://exact; }
            location ~ \.x$ { proxy_pass http://x; }
            location ~ ^/a/b/.*\.x$ { proxy_pass http://late; }
            location /n { proxy_pass http://n; location ^~ /n/s/ { proxy_pass http://ns; } location ~ /in$ { proxy_pass http://in; } }
            location / { proxy_pass http://rest; }
        }",
        &[
            (r#"{"path": "/a/q"}"#, "a"),
            (r#"{"path": "/a/q.x"}"#, "a"),
            (r#"{"path": "/a/b/q"}"#, "ab"),
            (r#"{"path": "/a/b/q.x"}"#, "x"),
            (r#"{"path": "/a/b/c.x"}"#, "exact"),
            (r#"{"path": "/n/s/q"}"#, "ns"),
            (r#"{"path": "/n/s/in"}"#, "ns"),
            (r#"{"path": "/n/s/q.x"}"#, "x"),
            (r#"{"path": "/n/in"}"#, "in"),
            (r#"{"path": "/a"}"#, "host"),
            (r#"{"path": "/q"}"#, "rest"),
        ],
    );
}

#[test]
fn a_policy_is_for_one_port() {
    let text = "server { listen 8080; server_name shop.test; location / { proxy_pass http://stable; } }
        server { listen 8081; server_name shop.test; location / { proxy_pass http://next; } }";
    check(
        text,
        &[
            (r#"{"path": "/", "host": "shop.test"}"#, "stable"),
            (r#"{"path": "/", "host": "shop.test:8080"}"#, "stable"),
        ],
    );
    assert!(says(&imported(text), "line 2", "listen 8081: a policy sees no port"));
    check(
        "server { listen 80; server_name a.test; location / { return 301 https://a.test; } }
         server { listen [::]:443 ssl; listen 443 ssl; server_name a.test; location / { if ($scheme = http) { return 403; } proxy_pass http://app; } }",
        &[(r#"{"path": "/", "host": "a.test"}"#, "app")],
    );
}

#[test]
fn names_of_cookies_and_parameters_in_any_case() {
    let text = r#"server {
        set $to stable;
        if ($cookie_MyTest = "Next") { set $to next; }
        if ($arg_Version ~ ^v2) { set $to next; }
        if ($arg_text = "a%20b") { set $to third; }
        location / { proxy_pass http://$to; }
    }"#;
    check(
        text,
        &[
            (r#"{"path": "/", "cookies": {"mytest": "Next"}}"#, "next"),
            (r#"{"path": "/", "cookies": {"MYTEST": "next"}}"#, "stable"),
            (r#"{"path": "/", "cookies": {"xmytest": "Next"}}"#, "stable"),
            (r#"{"path": "/", "headers": {"cookie": "a=1,MyTest=Next"}}"#, "next"),
            (r#"{"path": "/", "headers": {"cookie": "mytest=old; MyTest=Next"}}"#, "stable"),
            (r#"{"path": "/?version=v2.1"}"#, "next"),
            (r#"{"path": "/?VERSION=v1"}"#, "stable"),
            (r#"{"path": "/?text=a+b"}"#, "stable"),
        ],
    );
    assert!(says(&imported(text), "line 5", r#""a%20b" is compared as it is sent"#));
}

#[test]
fn masks_of_host_names() {
    check(
        r"map $host $to {
            hostnames;
            default stable;
            *.next.test next;
            *.old.next.test stable;
            .both.test next;
            shop.* third;
            ~^x\d next;
        }
        server { location / { proxy_pass http://$to; } }",
        &[
            (r#"{"host": "a.next.test:8080"}"#, "next"),
            (r#"{"host": "A.NEXT.test"}"#, "next"),
            (r#"{"host": "next.test"}"#, "stable"),
            (r#"{"host": "a.old.next.test"}"#, "stable"),
            (r#"{"host": "both.test"}"#, "next"),
            (r#"{"host": "a.b.both.test"}"#, "next"),
            (r#"{"host": "shop.co.uk"}"#, "third"),
            (r#"{"host": "shop.next.test"}"#, "next"),
            (r#"{"host": "x7.test"}"#, "next"),
        ],
    );
}

#[test]
fn what_files_decide_keeps_the_old_version() {
    let text = r"server {
        location / { try_files $uri @app; }
        location /img/ { error_page 404 = @app; }
        location /new/ { try_files $uri @new; }
        location /static/ { try_files $uri =404; }
        location @app { if ($cookie_next = 1) { proxy_pass http://next; } proxy_pass http://stable; }
        location @new { proxy_pass http://next; }
    }";
    check(
        text,
        &[
            (r#"{"path": "/x", "cookies": {"next": "1"}}"#, "stable"),
            (r#"{"path": "/img/a"}"#, "stable"),
            (r#"{"path": "/new/a"}"#, "next"),
            (r#"{"path": "/static/a"}"#, "host"),
        ],
    );
    let imported = imported(text);
    for at in ["line 2", "line 3", "line 4"] {
        assert!(says(&imported, at, "whether a file is there"), "{at}: {:?}", imported.notes);
    }
}

#[test]
fn only_servers_of_http_count() {
    check(
        "stream { upstream db { server 10.0.0.9:5432; } map $x $y { default db; } server { listen 5432; proxy_pass db; } }
         mail { server { listen 25; } }
         http { map $http_x_next $to { default stable; 1 next; } server { location / { proxy_pass http://$to; } } }",
        &[(r#"{"path": "/"}"#, "stable"), (r#"{"path": "/", "headers": {"x-next": "1"}}"#, "next")],
    );
}

#[test]
fn the_best_name_of_a_host_decides() {
    let text = r"
        server { server_name a.test; location / { proxy_pass http://first; } }
        server { server_name a.test *.a.test; location / { proxy_pass http://second; } }
        server { server_name x.a.test; location ~ ^/p { proxy_pass http://p; } location ~ ^/p/q { proxy_pass http://q; } location / { proxy_pass http://third; } }
        server { server_name *.y.a.test www.*; location / { proxy_pass http://fourth; } }
        server { server_name ~^(a|www)\. ~^z\d; location / { proxy_pass http://pattern; } }
        server { server_name none.test; listen 80 default_server; location / { proxy_pass http://other; } }";
    check(
        text,
        &[
            (r#"{"host": "A.test:80"}"#, "first"),
            (r#"{"host": "b.a.test"}"#, "second"),
            (r#"{"host": "www.a.test"}"#, "second"),
            (r#"{"host": "x.a.test"}"#, "third"),
            (r#"{"host": "x.a.test", "path": "/p/q"}"#, "p"),
            (r#"{"host": "b.y.a.test"}"#, "fourth"),
            (r#"{"host": "www.else"}"#, "fourth"),
            (r#"{"host": "a.else"}"#, "pattern"),
            (r#"{"host": "z1.a.test"}"#, "second"),
            (r#"{"host": "else.test"}"#, "other"),
        ],
    );
    assert!(says(&imported(text), "line 3", "belongs to an earlier server"));
}

#[test]
fn the_rest_of_a_draw_is_the_empty_text() {
    let imported = imported(
        r#"split_clients $remote_addr $tail { 5% -b; 20% -c; }
        server { location / { proxy_pass http://app$tail; } }"#,
    );
    let policy = serde_json::to_string(&imported.policy).unwrap();
    assert!(policy.contains(r#""weights":{"app-b":1,"app-c":4,"app":15}"#), "{policy}");
}

#[test]
fn the_files_of_a_whole_configuration() {
    let text = r"nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
# configuration file /etc/nginx/nginx.conf:
http { include sites/*; }

# configuration file /etc/nginx/sites/b:
server { include parts/names; location /v2/ { include parts/v2; } location / { proxy_pass http://$to; } }

# configuration file /etc/nginx/parts/names:
listen 80; server_name shop.test;

# configuration file /etc/nginx/parts/v2:

proxy_pass http://$arg_unknown;

# configuration file /etc/nginx/sites/a:
map $cookie_next $to { include parts/next; default stable; }

# configuration file /etc/nginx/parts/next:
yes next; on next;
";
    check(
        text,
        &[
            (r#"{"path": "/", "cookies": {"next": "on"}}"#, "next"),
            (r#"{"path": "/", "cookies": {"next": "no"}}"#, "stable"),
            (r#"{"path": "/v2/x", "cookies": {"next": "on"}}"#, "stable"),
        ],
    );
    let imported = imported(text);
    assert!(says(&imported, "/etc/nginx/parts/v2 line 2", "comes from the request"), "{:?}", imported.notes);
    let mut places: Vec<&str> = imported.notes.iter().map(|note| note.at.as_str()).collect();
    places.dedup();
    let in_order = [
        "/etc/nginx/sites/b line 1",
        "/etc/nginx/parts/v2 line 2",
        "/etc/nginx/parts/next line 1",
        "variants",
    ];
    assert_eq!(places, in_order);
    let error = import(
        Format::Nginx,
        b"# configuration file /a:\nhttp { include b; }\n# configuration file /b:\n\nx {",
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "line 2 of /b is the last, but a block or a directive is not ended");
}

#[test]
fn what_is_included_and_not_there_keeps_the_old_version() {
    let text = "map $cookie_next $to { 1 next; include more.map; ~^a next; default stable; }
        server { location / { proxy_pass http://$to; } location /x { include unknown.conf; proxy_pass http://next; } location /y { include proxy_params; proxy_pass http://next; } }";
    check(
        text,
        &[
            (r#"{"path": "/", "cookies": {"next": "1"}}"#, "next"),
            (r#"{"path": "/", "cookies": {"next": "abc"}}"#, "stable"),
            (r#"{"path": "/x"}"#, "host"),
            (r#"{"path": "/y"}"#, "next"),
        ],
    );
    let text = "server { server_name a.test; include unknown/*.conf; location / { proxy_pass http://next; } }
        server { server_name b.test; include snippets/ssl.conf; location / { proxy_pass http://next; } }
        server { listen 80 default_server; location / { proxy_pass http://stable; } }";
    check(text, &[(r#"{"host": "a.test"}"#, "host"), (r#"{"host": "b.test"}"#, "next")]);
    assert!(says(&imported(text), "line 1", "may have locations"));
}

#[test]
fn what_cannot_be_tested_never_opens_the_way_to_the_new_version() {
    let text = r"server {
        location / {
            set $to stable;
            if ($cookie_next) { set $to next; }
            if ($http_user_agent ~ (?!bot)) { proxy_pass http://third; }
            if ($ssl_client_verify = SUCCESS) { proxy_pass http://third; }
            proxy_pass http://$to;
        }
        location /lua { content_by_lua_block { ngx.exec('@x') } proxy_pass http://next; }
        location /moved { rewrite ^/moved/(.*) /$1 last; proxy_pass http://next; }
        location /gone { rewrite ^ https://else.test permanent; proxy_pass http://next; }
        location /inner { internal; proxy_pass http://next; }
        location /read { limit_except GET { deny all; } proxy_pass http://next; }
    }";
    let imported = imported(text);
    for (request, expected) in [
        (r#"{"path": "/", "cookies": {"next": "1"}}"#, "stable"),
        (r#"{"path": "/lua"}"#, "host"),
        (r#"{"path": "/moved/x"}"#, "host"),
        (r#"{"path": "/gone"}"#, "host"),
        (r#"{"path": "/inner"}"#, "host"),
        (r#"{"path": "/read"}"#, "next"),
        (r#"{"path": "/read", "method": "POST"}"#, "host"),
        (r#"{"path": "/%72ead"}"#, "host"),
        (r#"{"path": "/x/../read"}"#, "host"),
    ] {
        let (cluster, rule) = decided(&imported, request);
        assert_eq!(cluster.as_deref().unwrap_or("host"), expected, "{request} by {rule}");
    }
    for (at, what) in [
        ("line 5", "look-around"),
        ("line 6", "$ssl_client_verify is nothing that a policy can test"),
        ("line 9", "content_by_lua_block may send requests anywhere"),
        ("line 10", "the new path may lead to another location"),
    ] {
        assert!(says(&imported, at, what), "{at} {what}: {:?}", imported.notes);
    }
    let error = import(Format::Nginx, b"server { location / { proxy_pass http://$arg_a; } }").unwrap_err();
    assert!(
        error.to_string().starts_with("no request can be told to reach a destination: line 1: where "),
        "{error}"
    );
    let error =
        import(Format::Nginx, b"server { return 404; location / { proxy_pass http://a; } }").unwrap_err();
    assert_eq!(
        error.to_string(),
        "input has no request that reaches a proxy_pass: there is nothing to import"
    );
}

#[test]
fn of_several_ifs_the_last_answers() {
    check(
        "server { location / {
            if ($http_x_a) { proxy_pass http://a; }
            if ($http_x_b) { set $unused 1; }
            if ($http_x_c) { break; }
            if ($http_x_d) { proxy_pass http://d; }
            proxy_pass http://own;
        } }",
        &[
            (r#"{"headers": {"x-a": "1"}}"#, "a"),
            (r#"{"headers": {"x-a": "1", "x-b": "1"}}"#, "own"),
            (r#"{"headers": {"x-a": "1", "x-d": "1"}}"#, "d"),
            (r#"{"headers": {"x-a": "1", "x-c": "1", "x-d": "1"}}"#, "own"),
            (r#"{"headers": {"x-d": "0"}}"#, "own"),
        ],
    );
}
