//! Configurations as a user would have them.

mod compared;
mod decided;
mod kept;
mod large;

use crate::Format;
use crate::tests::shown;

macro_rules! check {
    ($name:literal, $text:expr) => {
        insta::assert_snapshot!($name, shown(Format::Nginx, $text))
    };
}

#[test]
fn split_clients_alone() {
    check!(
        "split_clients",
        r#"
http {
    split_clients "${remote_addr}AAA" $variant {
        0.5%  .one;
        2%    .two;
        *     "";
    }
}"#
    );
}

#[test]
fn a_canary_by_map_cookie_and_share() {
    check!(
        "canary",
        r#"
upstream normal { server 10.0.0.1:8080; server 10.0.0.2:8080 weight=2; }
upstream dark { server 10.0.0.9:8080; }

split_clients $cookie_uid $share { 5% dark; * normal; }
map $http_dark $by_header {
    ~*true$  dark;
    off      normal;
    never    normal;
    default  $share;
}
server {
    listen 80;
    server_name shop.test;
    location / {
        set $group $by_header;
        if ($http_cookie ~* "dark=true") { set $group dark; }
        if ($arg_debug) { set $group dark; }
        proxy_pass http://$group$request_uri;
    }
    location = /health { return 200; }
    location /static/ { root /srv; }
    location ~* \.(php|asp)$ { proxy_pass http://legacy:9000; }
    location ^~ /api/ { proxy_pass http://normal; }
}"#
    );
}

#[test]
fn a_mirror_with_a_share() {
    check!(
        "mirror",
        r#"
split_clients $request_id $shadow { 12.5% shadow; * ""; }
server {
    location / {
        mirror /mirror;
        proxy_pass http://stable;
    }
    location /upload { mirror off; proxy_pass http://stable; }
    location = /mirror {
        internal;
        if ($shadow = "") { return 204; }
        proxy_pass http://$shadow$request_uri;
    }
}"#
    );
}

#[test]
fn a_mirror_of_some_requests() {
    check!(
        "mirror_by_map",
        r#"
map $http_x_shadow $mirrored { default 0; "1" 1; }
server {
    location /api {
        mirror /copy;
        proxy_pass http://api;
    }
    location /copy { internal; if ($mirrored = 0) { return 200; } proxy_pass http://api-next; }
}"#
    );
}

#[test]
fn addresses_and_drawn_ifs() {
    check!(
        "geo",
        r#"
geo $office { default 0; 10.0.0.0/8 1; 10.9.0.0/16 0; 192.0.2.7 1; }
split_clients $remote_addr $v { 10% b; 20% c; * a; }
server {
    location / {
        if ($v = b) { proxy_pass http://b; }
        if ($v = c) { proxy_pass http://c; }
        proxy_pass http://a;
    }
    location /office { if ($office) { proxy_pass http://office; } proxy_pass http://a; }
    location /not { if ($request_method != POST) { proxy_pass http://app_$v; } proxy_pass http://a; }
}"#
    );
}

#[test]
fn joined_conditions() {
    check!(
        "joined",
        r#"
server {
    location / {
        set $t "";
        if ($http_x_a = "1") { set $t A; }
        if ($cookie_b != "") { set $t "${t}B"; }
        if ($t = AB) { proxy_pass http://dark; }
        proxy_pass http://normal/;
    }
}"#
    );
}

#[test]
fn several_servers() {
    check!(
        "servers",
        r#"
server { listen 80; server_name shop.test; return 301 https://$host$request_uri; }
server { listen 443; server_name shop.test .shop.example; location / { proxy_pass http://shop; } location /x { proxy_pass http://shop/y; } }
server { listen 443 default_server; server_name _; location / { grpc_pass grpc://other:50051; } }
server { listen 443; server_name ~^www\d+; proxy_pass http://www; location / { proxy_pass http://www; } }
include conf.d/*.conf;
"#
    );
}

#[test]
fn what_cannot_be_told() {
    check!(
        "unclear",
        r#"
map $http_a$http_b $joined { "11" dark; default normal; }
map $http_agent $bots { "~^(?!good)" dark; "~bot(.*)" dark; default normal; }
map $scheme $by_scheme { https dark; default normal; }
map $bots $second { "~d" x; default y; }
split_clients $uri $by_uri { 50% dark; * normal; }
split_clients "$remote_addr$http_user_agent" $by_both { 50% dark; * normal; }
split_clients $remote_addr $too_much { 60% dark; 60% normal; }
server {
    location /1 { proxy_pass http://$joined; }
    location /2 { proxy_pass http://$bots; }
    location /3 { proxy_pass http://$by_scheme; }
    location /4 { proxy_pass http://$second; }
    location /5 { proxy_pass http://$by_uri; }
    location /6 { proxy_pass http://$by_both; }
    location /7 { proxy_pass http://$too_much; }
    location /8 { proxy_pass http://$arg_host; }
    location /9 { if (-f /tmp/dark) { proxy_pass http://dark; } if ($request_uri ~ dark) { proxy_pass http://dark; } proxy_pass http://normal; mirror /nowhere; }
}"#
    );
}

#[test]
fn the_destination_is_told_last() {
    check!(
        "order",
        r#"
server {
    server_name shop.test;
    if ($http_x_block) { return 403; }
    set $group normal;
    proxy_pass http://$group;
    location / {
        proxy_pass http://$group;
        if ($cookie_dark = "true") { set $group dark; }
    }
    location /unknown { proxy_pass http://$http_x_backend; }
}"#
    );
    check!("fragment", "if ($arg_v = 2) { proxy_pass http://v2; }\nproxy_pass http://v1;");
}
