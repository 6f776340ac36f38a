//! Whole requests under a policy that uses everything. Nothing that a client writes may break a message or pass for what
//! the policy says, unless the client is trusted.

use std::net::IpAddr;
use std::sync::LazyLock;

use antumbra_policy::{Dice, Policy, Secrets, parse_address, signed_override};

use super::asked::{Asked, assert_sound, compiled};

/// Lines of `name: value`. `@peer`, `@metadata`, `@form` and `@json` are the request's other parts, `@early` keeps bodies for
/// later; the byte 0x1f in a value stands for a line feed.
pub fn check(bytes: &[u8]) {
    let asked = read(bytes);
    let policy = &*POLICY;
    let decision = policy.decide(&asked, Dice(u64::from(bytes.first().copied().unwrap_or_default())));
    assert_sound(&decision);
    let awaits = decision.awaits_body;
    assert!(!awaits || asked.early && (asked.form.is_some() || asked.json.is_some()), "{decision:?}");
    assert_eq!(decision.trusted, is_trusted(&asked), "trusts a stranger, or doubts a friend: {asked:?}");
    let explained = decision.response_edits.iter().any(|edit| edit.name() == "x-explain");
    assert_eq!(explained, decision.trusted, "explains to whom it trusts: {decision:?}");
    let variant = decision.variant.map(|variant| variant.name.as_bytes());
    let served = asked.clone().edited(&decision.request_edits);
    if decision.trusted && variant.is_none() {
        return;
    }
    assert_eq!(served.values("x-variant").collect::<Vec<_>>(), Vec::from_iter(variant), "{decision:?}");
    if !decision.trusted {
        check_client(&asked, &served, variant);
    }
    if variant == Some(b"c") {
        assert_eq!(served.values("x-gone").count(), 0);
        assert_eq!(served.values("x-ui").collect::<Vec<_>>(), [b"cards"]);
        assert_eq!(served.values(":authority").collect::<Vec<_>>(), [b"c.test:8443"]);
    }
}

/// What an untrusted client sent under our names is gone.
fn check_client(asked: &Asked, served: &Asked, variant: Option<&[u8]>) {
    let tier = asked.values("x-tier").next().filter(|tier| matches!(*tier, b"gold" | b"silver"));
    assert_eq!(served.values("x-force").count(), 0, "{served:?}");
    assert_eq!(served.values("x-release").collect::<Vec<_>>(), Vec::from_iter(variant), "{served:?}");
    assert_eq!(served.values("x-handed-tier").collect::<Vec<_>>(), Vec::from_iter(tier), "{served:?}");
    assert_eq!(members(served, b"release"), Vec::from_iter(variant), "{served:?}");
    assert_eq!(members(served, b"tier"), Vec::from_iter(tier), "{served:?}");
    let ours = |name: &[u8]| name == b"release" || name == b"tier";
    let others = |asked: &Asked| {
        let all: Vec<Vec<u8>> = all_members(asked).map(<[u8]>::to_vec).collect();
        all.into_iter().filter(|member| !ours(&key(member))).collect::<Vec<_>>()
    };
    let sound = |member: &Vec<u8>| !member.iter().any(|b| b.is_ascii_control() && *b != b'\t');
    let sent: Vec<_> = others(asked).into_iter().filter(sound).collect();
    let kept: Vec<_> = others(served).into_iter().filter(sound).collect();
    assert!(kept.iter().all(|member| sent.contains(member)), "made up: {kept:?} of {sent:?}");
}

/// The values of a member of baggage, for a reader who looks at every line and decodes keys, as some libraries do.
fn members<'a>(asked: &'a Asked, name: &[u8]) -> Vec<&'a [u8]> {
    let value = |member: &'a [u8]| {
        let equals = member.iter().position(|b| *b == b'=');
        equals.map_or(&[][..], |equals| &member[equals + 1..])
    };
    all_members(asked).filter(|member| key(member) == name).map(value).collect()
}

fn all_members(asked: &Asked) -> impl Iterator<Item = &[u8]> {
    let members = asked.values("baggage").flat_map(|line| line.split(|b| *b == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

fn key(member: &[u8]) -> Vec<u8> {
    let text = member.split(|b| matches!(b, b'=' | b';')).next().unwrap_or_default();
    let mut key = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| !digits.starts_with('+'));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *byte == b'%') {
            Some(decoded) => {
                key.push(decoded);
                at += 3;
            }
            None => {
                key.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    key.trim_ascii().to_vec()
}

/// At an address that is trusted, or with a signature of ours that has not expired.
fn is_trusted(asked: &Asked) -> bool {
    let forwarded = asked.values("x-forwarded-for").next().unwrap_or_default();
    let entries: Vec<&[u8]> = forwarded.split(|b| *b == b',').collect();
    let client = match entries.len().checked_sub(2) {
        Some(place) => parse_address(entries[place]),
        None => asked.peer,
    };
    let near = match client {
        Some(IpAddr::V4(address)) => address.octets()[0] == 10,
        _ => false,
    };
    let force = asked.values("x-force").next().unwrap_or_default();
    let (signed, signature) = SIGNED.split_at(SIGNED.len() - SIGNATURE);
    near || force
        .strip_prefix(signed.as_bytes())
        .is_some_and(|sent| sent.eq_ignore_ascii_case(signature.as_bytes()))
}

fn read(bytes: &[u8]) -> Asked {
    let mut asked = Asked::default();
    for line in bytes.split(|b| *b == b'\n') {
        let Some(colon) = line.windows(2).position(|pair| pair == b": ") else { continue };
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        let value: Vec<u8> = line[colon + 2..].iter().map(|b| if *b == 0x1f { b'\n' } else { *b }).collect();
        match name.as_str() {
            "@peer" => asked.peer = parse_address(&value),
            "@metadata" => asked.property = Some(value),
            "@form" => asked.form = Some(value),
            "@json" => asked.json = Some(value),
            "@early" => asked.early = true,
            _ => asked = asked.with(&name, &value),
        }
    }
    asked
}

/// A valid choice of `a` until 2100.
static SIGNED: LazyLock<String> = LazyLock::new(|| signed_override(SECRET, "p", "a", 4_102_444_800));
/// Hexadecimal digits, of which either case is good.
const SIGNATURE: usize = 64;
const SECRET: &[u8] = b"sixteen bytes at least";

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let secrets = Secrets::from([("k".to_owned(), SECRET.to_vec())]);
    compiled(RULES).bind(&secrets).unwrap_or_else(|invalid| panic!("{invalid}"))
});

const RULES: &str = r#"{"version": 1, "name": "p", "generation": 3, "default": null,
  "variants": {"stable": {}, "a": {}, "b": {"state": "yellow", "ids": {"in": ["u-1", 7], "ranges": [[100, 199]]}},
    "c": {"host": "c.test:8443", "headers": {"set": {"x-ui": "cards"}, "add": {"via": "antumbra"}, "remove": ["x-gone"]}},
    "dead": {"state": "red"}, "lab": {"isolated": true}},
  "idFrom": ["header:x-user", "cookie:uid"], "clientIp": {"from": "xff", "trustedHops": 1},
  "apply": {"header": "x-variant"},
  "override": {"header": "x-force", "trustedCidrs": ["10.0.0.0/8"], "signedWith": "k"},
  "propagate": [{"variant": true, "as": "header:x-release"}, {"variant": true, "as": "baggage:release"},
    {"header": "x-tier", "as": "baggage:tier", "allow": ["gold", "silver"]},
    {"header": "x-tier", "as": "header:x-handed-tier", "allow": ["gold", "silver"]}],
  "observe": {"responseHeader": "x-served", "vary": true, "explainHeader": "x-explain", "accessLog": true},
  "body": {"maxBytes": 4096},
  "rules": [
    {"name": "shadow", "mirror": [{"to": "lab", "percent": 50, "sample": "key", "unsafeMethods": "allow",
      "control": {"to": "stable", "percent": 50}}, {"to": "dead"}, {"to": "c", "methods": ["GET"]}]},
    {"name": "window", "from": "2026-08-01T00:00:00Z", "until": "2026-10-01T00:00:00+02:00",
     "matches": [{"headers": {"x-window": {"exists": true}}, "time": {"to": "2026-09-02T00:00:00Z"}}], "to": "c"},
    {"name": "lists", "matches": [{"headers": {"x-a": {"in": ["one", "two", 3], "ignoreCase": true}}},
      {"headers": {"x-a": {"prefix": ["pre", "vor"]}}}, {"headers": {"x-a": {"suffix": "fix", "not": {"contains": ["not"]}}}}],
     "to": "a"},
    {"name": "numbers", "matches": [{"headers": {"x-n": {"gt": 10, "lte": 99.5}}}, {"headers": {"x-n": {"gte": -3, "lt": 0}}},
      {"headers": {"x-n": {"mod": {"by": 97, "in": [3, 5]}}}}, {"headers": {"x-n": {"range": [200, 300]}}}], "to": "c"},
    {"name": "patterns", "matches": [{"headers": {"user-agent": {"search": "bot|crawl(er)?", "ignoreCase": true}}},
      {"headers": {"user-agent": {"regex": "Mozilla/[0-9.]+ \\((?:[^;)]+; ?)*[^)]*\\).*"}}}], "to": "c"},
    {"name": "hash", "matches": [{"headers": {"x-h": {"hash": {"of": 10, "buckets": [[0, 3], [9, 9]], "salt": "h"}}}}],
     "to": "a"},
    {"name": "line", "matches": [{"host": ["*.a.test", "b.test"], "method": ["GET", "POST"], "path": {"prefix": "/x"}},
      {"path": {"startsWith": "/y", "ignoreCase": true}, "query": {"q": {"exists": true}}}], "to": "b"},
    {"name": "metadata", "matches": [{"metadata": {"jwt.groups": {"contains": "qa"}}}], "to": "c"},
    {"name": "form", "matches": [{"form": {"plan": "pro", "n": {"gt": 3}}}], "to": "a"},
    {"name": "json", "matches": [{"json": {"/user/id": {"range": [1, 9]}}}, {"json": {"model": {"prefix": "gpt"}}},
      {"json": {"/tags/1": "x", "/a~1b/~0": {"exists": true}}}], "to": "c"},
    {"name": "nested", "matches": [{"any": [{"headers": {"x-b": "1"}}, {"cookies": {"b": "1"}}],
      "all": [{"headers": {"x-c": {"exists": false}}}], "not": {"ip": ["192.0.2.0/24", "2001:db8::/32"]}}], "to": "dead"},
    {"name": "select", "select": {"by": "header:x-pick", "map": {"a": "a", "c": "c", "dead": "dead"}}},
    {"name": "host", "matches": [{"headers": {"x-host": {"exists": true}}}], "to": null},
    {"name": "minted", "matches": [{"path": {"prefix": "/m"}}],
     "split": {"by": "cookie:uid", "onMissingKey": "mint", "weights": {"a": 30, "c": 30, "stable": 40}}},
    {"name": "sticky", "matches": [{"path": {"prefix": "/s"}}],
     "split": {"by": ["header:x-user", "metadata:k", "ip"], "weights": {"a": 30, "dead": 30, "stable": 40},
      "sticky": {"signedWith": "k", "stick": "candidates", "maxAge": "14d"}}},
    {"name": "buckets", "matches": [{"path": {"prefix": "/b"}}],
     "split": {"by": "query:u", "buckets": {"a": [[0, 99999]], "c": [[100000, 499999], [900000, 999999]]},
      "sticky": {"cookie": "bucket", "onZeroWeight": "keep"}, "onMissingKey": "default"}}]}"#;
