//! Files far larger than what a policy can hold end in a refusal or in few rules, and soon.

use std::fmt::Write as _;

use crate::{Format, import};

/// How an import ends: the error, or how many notes there are.
fn ended(text: &str) -> String {
    match import(Format::Nginx, text.as_bytes()) {
        Ok(_) => "a policy".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn repeated(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, index| {
        let _ = writeln!(text, "{}", one(index));
        text
    })
}

#[test]
fn thousands_of_locations() {
    let rest = "location ~ x$ { proxy_pass http://x; } location / { proxy_pass http://old; }";
    for modifier in ["", "^~", "=", "~"] {
        let locations =
            repeated(2_000, |n| format!("location {modifier} /p{n}/x {{ proxy_pass http://app{}; }}", n % 7));
        let ended = ended(&format!("server {{ error_page 500 502 /50x.html; {locations} {rest} }}"));
        assert!(ended.ends_with("rules, a policy must have at most 256"), "{modifier} {ended}");
    }
    for modifier in ["", "^~"] {
        let locations = repeated(800, |n| {
            format!("location {modifier} {} {{ proxy_pass http://app{}; }}", "/a".repeat(n + 1), n % 7)
        });
        let ended = ended(&format!("server {{ {locations} {rest} }}"));
        assert!(ended.ends_with("rules, a policy must have at most 256"), "{modifier} {ended}");
    }
    let nested =
        repeated(800, |n| format!("location /p{n} {{ location ~ x{n} {{ proxy_pass http://c; }} }}"));
    let ended = ended(&format!("server {{ location / {{ proxy_pass http://a; {nested} }} }}"));
    assert!(ended.ends_with("rules, a policy must have at most 256"), "{ended}");
}

#[test]
fn thousands_of_servers() {
    for names in ["s{n}.test", "*.s{n}.test", "~^s{n}\\d s{n}.test"] {
        let servers = repeated(800, |n| {
            let names = names.replace("{n}", &n.to_string());
            format!("server {{ server_name {names}; location / {{ proxy_pass http://app{}; }} }}", n % 7)
        });
        let ended = ended(&servers);
        assert!(
            ended == "a policy" || ended.ends_with("rules, a policy must have at most 256"),
            "{names} {ended}"
        );
    }
}

#[test]
fn thousands_of_entries_and_variables() {
    let entries = repeated(1_000, |n| format!("v{n} app{};", n % 60));
    let locations = repeated(200, |n| {
        format!("location /p{n} {{ if ($http_a{n}) {{ return 403; }} proxy_pass http://$to; }}")
    });
    let text = format!("map $http_x $to {{ default old; {entries} }} server {{ {locations} }}");
    assert!(ended(&text).ends_with("a policy must have at most 256"), "{}", ended(&text));
    let maps = repeated(3_000, |n| format!("map $http_x $v{n} {{ default old; a $v{}; }}", n + 1));
    assert_eq!(ended(&maps), "a policy");
    let rules = repeated(3_000, |n| {
        format!("{} 10.0.{}.{};", if n % 2 == 0 { "allow" } else { "deny" }, n / 250, n % 250)
    });
    assert_eq!(ended(&format!("server {{ location / {{ {rules} proxy_pass http://a; }} }}")), "a policy");
}

/// Pages of failures that lead to places with pages of failures, more ways than anybody could follow.
#[test]
fn pages_that_lead_to_pages() {
    let one = |n: usize| {
        let pages = format!("error_page 502 @p{}; error_page 404 @p{};", n + 1, n + 2);
        format!(
            "location @p{n} {{ recursive_error_pages on; proxy_intercept_errors on; if ($cookie_a) {{ {pages} }}
             if ($cookie_b) {{ {pages} }} if ($cookie_c) {{ {pages} }} {pages} proxy_pass http://stable; }}"
        )
    };
    let text = format!(
        "server {{ {} location @p12 {{ proxy_pass http://last; }} location @p13 {{ proxy_pass http://last; }}
         location / {{ try_files $uri @p0; }} }}",
        repeated(12, one)
    );
    let imported = super::decided::imported(&text);
    assert!(
        imported.notes.iter().any(|note| note.what.contains("when the first fails")),
        "{:?}",
        imported.notes
    );
}
