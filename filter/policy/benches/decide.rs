//! What a decision costs natively, in nanoseconds: `just bench-policy`.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Policy, Request, Secrets, Timestamp, Words};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// A browser's request: 12 headers, 6 cookies.
struct Browser;

impl Request for Browser {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let value = match name {
            ":method" => "GET",
            ":path" => "/shop/cart?step=2&city=SH",
            ":authority" => "shop.example.org",
            "user-agent" => {
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
            }
            "x-tenant" => "t4",
            "cookie" => {
                "theme=dark; _ga=GA1.2.1234567890.1700000000; uid=user-4711; session=0123456789abcdef0123456789abcdef; seen=stable; canary=0"
            }
            _ => return None,
        };
        Some(Cow::Borrowed(value.as_bytes()))
    }

    fn peer_address(&self) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, 77]))
    }

    fn now(&self) -> Timestamp {
        Timestamp(1_770_206_400_000_000)
    }
}

fn policy(rules: &str) -> Policy {
    let text = format!(
        r#"{{"version": 1, "name": "shop", "variants": {{"stable": {{}}, "canary": {{}}}}, "default": "stable", "rules": [{rules}]}}"#
    );
    let secrets: Secrets = vec![("key".to_owned(), b"0123456789abcdef".to_vec())];
    let read = Policy::from_tree(&Tree::from_json(text.as_bytes()).expect("JSON"));
    read.and_then(|policy| policy.bind(&secrets)).expect("a policy")
}

const COOKIE: &str = r#"{"name": "testers", "matches": [{"cookies": {"canary": "1"}}], "to": "canary"}"#;
const SPLIT: &str =
    r#"{"name": "split", "split": {"by": ["cookie:uid"], "weights": {"canary": 5, "stable": 95}}}"#;
const STICKY: &str = r#"{"name": "split", "split": {"by": ["cookie:uid"], "weights": {"canary": 5, "stable": 95}, "sticky": {"cookie": "seen"}}}"#;
const SIGNED: &str = r#"{"name": "split", "split": {"by": ["cookie:uid"], "weights": {"canary": 5, "stable": 95}, "sticky": {"cookie": "other", "signedWith": "key"}}}"#;
const MIRROR: &str = r#"{"name": "mirror", "mirror": [{"to": "canary", "percent": 5, "sample": "key"}]}"#;

fn addresses(count: u32) -> String {
    let mut list = String::new();
    for n in 0..count {
        let _ = write!(
            list,
            "{}\"{}\"",
            if n == 0 { "" } else { "," },
            IpAddr::from((0x0A00_0000 + n * 3).to_be_bytes())
        );
    }
    format!(r#"{{"name": "addresses", "matches": [{{"ip": [{list}]}}], "to": "canary"}}"#)
}

fn twenty() -> String {
    let mut rules = vec![COOKIE.to_owned()];
    rules.extend(
        (0..6).map(|n| format!(r#"{{"matches": [{{"cookies": {{"flag{n}": "on"}}}}], "to": "canary"}}"#)),
    );
    rules.extend(
        (0..4)
            .map(|n| format!(r#"{{"matches": [{{"headers": {{"x-tenant": "vip{n}"}}}}], "to": "canary"}}"#)),
    );
    rules.push(
        r#"{"matches": [{"headers": {"user-agent": {"search": "Nightly|Canary"}}}], "to": "canary"}"#
            .to_owned(),
    );
    rules.extend((0..3).map(|n| {
        format!(r#"{{"matches": [{{"headers": {{"x-team{n}": {{"prefix": "beta"}}}}}}], "to": "canary"}}"#)
    }));
    rules.extend(
        (0..3).map(|n| format!(r#"{{"matches": [{{"path": {{"prefix": "/beta{n}"}}}}], "to": "canary"}}"#)),
    );
    rules.extend([addresses(10_000), STICKY.to_owned()]);
    rules.join(",")
}

fn decide(bencher: Bencher<'_, '_>, rules: &str) {
    let policy = policy(rules);
    bencher.bench_local(|| black_box(&policy).decide(black_box(&Browser), Dice(7)).position);
}

#[divan::bench]
fn no_rule(bencher: Bencher<'_, '_>) {
    decide(bencher, "");
}

#[divan::bench]
fn one_cookie(bencher: Bencher<'_, '_>) {
    decide(bencher, COOKIE);
}

#[divan::bench]
fn cookie_and_split(bencher: Bencher<'_, '_>) {
    decide(bencher, &format!("{COOKIE},{SPLIT}"));
}

#[divan::bench]
fn sticky_cookie(bencher: Bencher<'_, '_>) {
    decide(bencher, STICKY);
}

#[divan::bench]
fn signing_a_sticky_cookie(bencher: Bencher<'_, '_>) {
    decide(bencher, SIGNED);
}

#[divan::bench]
fn mirror_by_key_and_split(bencher: Bencher<'_, '_>) {
    decide(bencher, &format!("{MIRROR},{SPLIT}"));
}

#[divan::bench]
fn twenty_rules(bencher: Bencher<'_, '_>) {
    decide(bencher, &twenty());
}

#[divan::bench]
fn a_pattern_that_is_more_than_words(bencher: Bencher<'_, '_>) {
    decide(
        bencher,
        r#"{"matches": [{"headers": {"user-agent": {"search": "(Nightly|Canary)/[0-9]+"}}}], "to": "canary"}"#,
    );
}

#[divan::bench(args = [1, 100, 10_000, 100_000])]
fn addresses_in_a_list(bencher: Bencher<'_, '_>, count: u32) {
    decide(bencher, &addresses(count));
}

#[divan::bench(sample_count = 10)]
fn reading_twenty_rules(bencher: Bencher<'_, '_>) {
    let rules = twenty();
    bencher.bench_local(|| policy(black_box(&rules)));
}

/// What the chance of a decision costs, whatever its rules.
#[divan::bench]
fn words(bencher: Bencher<'_, '_>) {
    let mut words = Words::new([7; 32]);
    bencher.bench_local(|| words.next());
}
