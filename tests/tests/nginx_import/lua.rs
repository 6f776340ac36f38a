//! Directives of the Lua module, which Debian's nginx does not have: what is imported from them is known beforehand.

use antumbra_import::{Format, import};

use crate::exchange::Sent;
use crate::outcome::Policy;
use crate::shares::plain;

/// Where a request for `/` goes, with the new version's cookie.
fn reaches(location: &str) -> Option<String> {
    let text = format!(
        "upstream old {{ server 10.0.0.1; }} upstream new {{ server 10.0.0.2; }}\n\
         server {{ listen 80;\nlocation / {{\n{location}\n}}\nlocation = /other {{ proxy_pass http://old; }} }}"
    );
    let imported = import(Format::Nginx, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let policy = Policy::of(&imported).unwrap();
    let request = Sent { cookie: "next=1".to_owned(), ..plain() };
    policy.decided(&request).cluster.map(str::to_owned)
}

#[test]
fn what_lua_may_decide_never_goes_to_the_new_version() {
    for lua in [
        "rewrite_by_lua_block { if ngx.var.cookie_next then ngx.exec('@x') end }",
        "rewrite_by_lua 'ngx.exit(403)';",
        "access_by_lua_block { ngx.exit(403) }",
        "access_by_lua_file /etc/nginx/gate.lua;",
    ] {
        for location in [
            format!("if ($cookie_next) {{ proxy_pass http://new; }} {lua} proxy_pass http://old;"),
            format!("{lua} if ($cookie_next) {{ proxy_pass http://new; }} proxy_pass http://old;"),
            format!("if ($cookie_next) {{ {lua} proxy_pass http://new; }} proxy_pass http://old;"),
        ] {
            assert_kept(&location);
        }
    }
    for content in ["content_by_lua_block { ngx.exec('@x') }", "content_by_lua_file answer.lua;"] {
        assert_kept(&format!("if ($cookie_next) {{ {content} }} proxy_pass http://old;"));
    }
    assert_kept(
        "set $where old; if ($cookie_next) { set_by_lua_block $where { return 'new' } } proxy_pass http://$where;",
    );
    assert_kept("set $where new; set_by_lua_block $where { return 'old' } proxy_pass http://$where;");
    assert_eq!(
        reaches("if ($cookie_next) { proxy_pass http://new; } proxy_pass http://old;").as_deref(),
        Some("new")
    );
}

/// A request that Lua may decide about goes to the old version, or is left to the host.
fn assert_kept(location: &str) {
    assert!(matches!(reaches(location).as_deref(), None | Some("old")), "{location}");
}

/// Lua that changes nothing but the answer, or chooses among the servers of an upstream, keeps nothing back.
#[test]
fn lua_that_chooses_no_destination_changes_nothing() {
    for lua in [
        "header_filter_by_lua_block { ngx.header.a = 1 }",
        "log_by_lua_block { }",
        "body_filter_by_lua_file b.lua;",
    ] {
        let location = format!("if ($cookie_next) {{ proxy_pass http://new; }} {lua} proxy_pass http://old;");
        assert_eq!(reaches(&location).as_deref(), Some("new"), "{location}");
    }
}
