//! Documents as people write them: YAML in its order, and everything that is wrong with one in a single answer.
#![cfg(not(target_family = "wasm"))]

use antumbra_policy::Policy;
use antumbra_policy::document::Tree;

fn problems(yaml: &str) -> String {
    let tree: Tree = serde_saphyr::from_str(yaml).unwrap();
    Policy::from_tree(&tree).unwrap_err().to_string()
}

#[test]
fn a_release_policy_in_yaml() {
    let tree: Tree = serde_saphyr::from_str(SHOP).unwrap();
    let policy = Policy::from_tree(&tree).unwrap();
    assert_eq!(
        policy.variants().map(|v| &*v.name).collect::<Vec<_>>(),
        ["stable", "canary", "candidate", "control"]
    );
}

#[test]
fn every_mistake_of_a_document_at_once() {
    insta::assert_snapshot!(problems(MISTAKEN), @r#"
    nam is not a known field; did you mean "name"?
    ruls is not a known field; did you mean "rules"?
    version is 2, must be 1
    name is "-shop", must be 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or a digit
    generation is -1, must be within 0..=9223372036854775807
    apply.header is the header "cookie", must not be one with a meaning of its own
    lease is "2 s", must be a duration such as 250ms, 2s, 15m or 24h
    variants.stable.cluster is "", must be 1 to 255 visible ASCII characters without spaces
    variants.stable.isolated is "maybe", must be true or false
    variants.can ary has a name that must be 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or a digit
    default is "stabel", not a known variant; did you mean "stable"?
    rules[0] has to and split, must have at most one of them
    rules[0].split.weights.canry is "canry", not a known variant; did you mean "canary"?
    rules[1] has the name "both" of an earlier rule, must have one of its own
    rules[1].enabled is 1, must be true or false
    rules[1].to is "Stable", not a known variant; did you mean "stable"?
    rules[2].name is "", must be 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or a digit
    rules[2].mirror has 0 items, must have 1..=4
    rules[3].mirror[0].percent is 101, must be within 0..=100
    rules[3].mirror[0].maxBodyBytes is 8388609, must be within 0..=8388608
    rules[3].mirror[1] has both percent and fraction, must have at most one of them
    rules[3].mirror[2].percent is 0.0000001, must have at most 6 decimals
    rules[3].mirror[2].unsafeMethods is true, must be a string
    rules[3].mirror[2].timeout is "61s", must be within 1ms..=60s
    rules[3].mirror[3].fraction.numerator is 3, must be within 0..=2
    rules[3].mirror[3].control.percent is -1, must be within 0..=100
    rules[3].mirror[3].control.to is "canary", must be another variant than the candidate: a control answers for the stable version
    rules[4].mirror[0].methods has POST, must be of GET, HEAD and OPTIONS unless unsafeMethods is allow
    rules[4].mirror[1] has no field "to", which is required
    rules[4].mirror[1].methods[0] is "get", must be a method in upper case such as GET
    rules[4].mirror[1].control has no field "to", which is required
    rules[5].split.by[0] is "uid", must be header:<name>, cookie:<name>, query:<name>, metadata:<name> or ip
    rules[5].split.by[1] is "header:", with a name that must be a header's: letters, digits and any of !#$%&'*+-.^_`|~
    rules[5].split.by[2] is "cookie:a;b", with a name that must be a cookie's: visible ASCII without '=', ';' and ','
    rules[5].split.salt is "", must have 1 to 255 bytes
    rules[5].split.weights has the sum 0, must be within 1..=4294967295
    rules[6].split.by has 0 items, must have 1..=8
    rules[6].split.weights has the sum 4789934590, must be within 1..=4294967295
    rules[7].split.weights.canary is 0.5, must be a whole number within 0..=4294967295
    rules[7].split.weights.stable is -1, must be within 0..=4294967295
    rules[8].split.weights is empty, must have at least one variant
    "#);
}

#[test]
fn mistakes_in_matches() {
    insta::assert_snapshot!(problems(MISMATCHED), @r#"
    rules[0].matches has 0 items, must have 1..=64
    rules[1].matches[0] is empty, must have at least one of path, method, host, headers, cookies, query, metadata, form, json, ip, time, any, all, not
    rules[2].matches[0].header is not a known field; did you mean "headers"?
    rules[3].matches[0].headers is empty, must have at least one name
    rules[3].matches[0].cookies is empty, must have at least one name
    rules[3].matches[1].headers.a b has a name that must be a header's: letters, digits and any of !#$%&'*+-.^_`|~, or :path
    rules[3].matches[1].headers.c is true, must be a string, or a mapping of tests; true, false and decimals need quotes
    rules[3].matches[1].cookies.a=b has a name that must be a cookie's: visible ASCII without '=', ';' and ','
    rules[3].matches[1].cookies.a=b.exists is 1, must be true or false
    rules[3].matches[1].cookies.d tests nothing, must have one of exact, in, prefix, suffix, contains, regex, search, range, gt, gte, lt, lte, mod, hash, exists, not, ignoreCase
    rules[3].matches[2].path.regex is "(", must be a regular expression of at most 16384 bytes when compiled: found open group without closing ')'
    rules[3].matches[3].method has 0 items, must have 1..=100000
    rules[3].matches[3].path.exists is not a known field; known: exact, in, prefix, startsWith, suffix, contains, regex, search, not, ignoreCase
    rules[3].matches[3].path.prefix is "api", must begin with '/'
    rules[3].matches[4].method is "get", must be a method in upper case such as GET
    rules[3].matches[4].path is "api", must begin with '/'
    rules[3].matches[5].headers.e.exakt is not a known field; did you mean "exact"?
    rules[3].matches[5].headers.e.in has 0 items, must have 1..=100000
    rules[3].matches[5].headers.e.not tests nothing, must have one of exact, in, prefix, suffix, contains, regex, search, range, gt, gte, lt, lte, mod, hash, exists, not, ignoreCase
    rules[3].matches[6].headers.f.ignoreCase is 1, must be true or false
    rules[3].matches[6].headers.f.in[1] is a list of 1, must be a string; true, false and decimals need quotes
    rules[3].matches[6].headers.f.in[2] is 1.5, must be a string; true, false and decimals need quotes
    rules[3].matches[6].headers.f.prefix is null, must be a string; true, false and decimals need quotes
    "#);
}

/// Everything that a policy may hold beside rules by header and cookie.
#[test]
fn mistakes_in_what_a_policy_chooses_and_says() {
    insta::assert_snapshot!(problems(MISCHOSEN), @r#"
    apply.header is the header "x-antumbra-shadow", must not be one with a meaning of its own
    body.maxBytes is 0, must be within 1..=1048576
    clientIp.from is "proxy", must be one of peer, xff
    clientIp.trustedHops is 17, must be within 0..=16
    variants.stable.host is "a b", must be a host name, with :port or without
    variants.stable.headers.set.connection is the header "connection", must not be one with a meaning of its own
    variants.stable.headers.set.a b is the name "a b", which must be a header's: letters, digits and any of !#$%&'*+-.^_`|~
    variants.stable.headers.set.x-a is "ü", must be at most 4096 visible ASCII characters, without blanks around
    variants.stable.headers.add has 0 headers, must have 1..=32
    variants.stable.headers.remove[0] is the header "te", must not be one with a meaning of its own
    variants.canary.state is "gren", must be one of green, yellow, red; did you mean "green"?
    variants.canary.ids.in[0] is 1.5, must be a string or a whole number
    variants.canary.ids.ranges[0][1] is 1, must not be below the first, 2
    variants.canary.ids.ranges[1] has 1 items, must have 2
    variants.canary.ids.ranges[2][0] is "a", must be a whole number
    default is "dead", must not be a red variant: nothing could be sent there
    document has no field "idFrom", which the ids of listed need
    override.header is the header "authorization", must not be one with a meaning of its own
    override.trustedCidrs[0] is "10.0.0.0/33", must have a prefix within 0..=32
    rules[0].until is "2026-02-04T00:00:00Z", must not lie before the window's beginning
    rules[1].from is "tomorrow", must be a time with its offset, such as 2026-02-04T20:00:00+08:00 or 2026-02-04T12:00:00Z
    rules[1].until is "2026-02-30T00:00:00Z", must be a time with its offset, such as 2026-02-04T20:00:00+08:00 or 2026-02-04T12:00:00Z
    rules[2] has to and split and select, must have at most one of them
    rules[3].split has neither weights nor buckets, must have one of them
    rules[4].split has both weights and buckets, must have one of them
    rules[5].split.buckets.canary[0][1] is 1000000, must be within 0..=999999
    rules[5].split.buckets.canary[1][1] is 8, must not be below the first, 9
    rules[5].split.buckets.canry is "canry", not a known variant; did you mean "canary"?
    rules[6].split.buckets.canary[0] begins with 10, must lie behind the bucket that ends with 10
    rules[7].split.onMissingKey is "mint", must stand beside a cookie:<name> in by, which is the cookie that is minted
    rules[8].select.by is "cookie:", with a name that must be a cookie's: visible ASCII without '=', ';' and ','
    rules[8].select.map.a is "stabel", not a known variant; did you mean "stable"?
    rules[9].select has a map of 0, must have 1..=1000
    rules[10].split.sticky.secure is false, must be true for the cookie "__Host-a": browsers refuse it otherwise
    rules[11].split.sticky.path is "/x", must be "/" for the cookie "__Host-a": browsers refuse it otherwise
    rules[12].split.sticky.domain is "example.org", must be absent for the cookie "__Host-a": browsers refuse it otherwise
    rules[13].split.sticky.sameSite is "None", must not stand beside secure: false: browsers refuse such a cookie
    rules[14].split.sticky.cookie is "a b", with a name that must be a cookie's: visible ASCII without '=', ';' and ','
    rules[14].split.sticky.maxAge is "401d", must be within 1s..=34560000s
    rules[14].split.sticky.sameSite is "lax", must be one of Lax, Strict, None; did you mean "Lax"?
    rules[14].split.sticky.path is "x", must be a path that begins with '/'
    rules[14].split.sticky.onZeroWeight is "stay", must be one of evict, keep
    rules[14].split.sticky.stick is "some", must be one of all, candidates
    rules[14].split.sticky.signedWith is "-", must be 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or a digit
    rules[15].mirror[0].sample is "user", must be one of request, key
    rules[15].mirror[0].maxInFlight is 0, must be within 1..=65536
    rules[15].mirror[0].host is "", must be a host name, with :port or without
    rules[15].mirror[0].pathPrefix is "v2", must be a path that begins with '/'
    rules[15].mirror[0].headers.remove has 0 items, must have 1..=32
    observe.accesslog is not a known field; did you mean "accessLog"?
    observe.responseHeader is the name "a b", which must be a header's: letters, digits and any of !#$%&'*+-.^_`|~
    observe.vary is 1, must be true or false
    observe.explainHeader is the header "set-cookie", must not be one with a meaning of its own
    propagate[0] hands on what clients send, must have the list of values that it may: allow
    propagate[1].as is the header "cookie", must not be one with a meaning of its own
    propagate[2] must have exactly one of variant, cookie, header
    propagate[3] hands on the variant: that is variant: true, without allow
    propagate[4].as is "x-c", must be header:<name> or baggage:<key>
    propagate[4].allow[0] is "a,b", must be 1 to 256 visible ASCII characters but " , ; \ %
    propagate[4].allow[1] is "", must be 1 to 256 visible ASCII characters but " , ; \ %
    propagate[6] hands on as "header:x-d", must be another than the one before
    propagate[7].as is "baggage:a b", must be header:<name> or baggage:<key>
    propagate[7].allow has 0 items, must have 1..=1000
    "#);
}

#[test]
fn mistakes_in_conditions() {
    insta::assert_snapshot!(problems(MISJUDGED), @r#"
    rules[0].matches[0].ip[0] is "1.1.1.1-1.1.1.0", must be a range whose first address is not above its last
    rules[0].matches[0].ip[1] is "1.1.1.1-2001:db8::1", must be a range of one address family, not from IPv4 to IPv6
    rules[0].matches[0].ip[2] is "10.0.0.0/33", must have a prefix within 0..=32
    rules[0].matches[0].ip[3] is "example.org", must be an address, address/prefix or first-last
    rules[0].matches[0].ip[4] is 7, must be a string
    rules[0].matches[1].ip has 0 items, must have 1..=100000
    rules[0].matches[2].method[1] is "post", must be a method in upper case such as GET
    rules[0].matches[2].host is "a.test:80", must be a host name without port, or *. before one
    rules[0].matches[3].host[0] is "*", must be a host name without port, or *. before one
    rules[0].matches[4].query."" has a name that must not be empty
    rules[0].matches[4].query.b.has is not a known field; did you mean "hash"?
    rules[0].matches[4].metadata."" has a name that must not be empty
    rules[0].matches[4].metadata."" tests nothing, must have one of exact, in, prefix, suffix, contains, regex, search, range, gt, gte, lt, lte, mod, hash, exists, not, ignoreCase
    rules[0].matches[4].form is a list of 0, must be a mapping
    rules[0].matches[4].json.model.prefx is not a known field; did you mean "prefix"?
    rules[0].matches[5].headers.a.range[1] is 1, must not be below the first, 9
    rules[0].matches[5].headers.b.range has 1 items, must have 2
    rules[0].matches[5].headers.c.range[1] is 2.5, must be a whole number
    rules[0].matches[5].headers.d.gt is "x", must be a number
    rules[0].matches[5].headers.e.mod.by is 0, must be within 1..=1000000000
    rules[0].matches[5].headers.e.mod has no field "in", which is required
    rules[0].matches[5].headers.f.mod.in[0] is 10, must be within 0..=9
    rules[0].matches[6].headers.g.hash.buckets[0][1] is 100, must be within 0..=99
    rules[0].matches[6].headers.h.hash has no field "of", which is required
    rules[0].matches[6].headers.h.hash.buckets has 0 items, must have 1..=100000
    rules[0].matches[7].time is empty, must have at least one of from, to
    rules[0].matches[8].time.to is "2026-02-04T00:00:00Z", must not lie before the window's beginning
    rules[0].matches[9].any has 0 items, must have 1..=64
    rules[0].matches[9].all[0] is empty, must have at least one of path, method, host, headers, cookies, query, metadata, form, json, ip, time, any, all, not
    rules[0].matches[9].not.not is empty, must have at least one of path, method, host, headers, cookies, query, metadata, form, json, ip, time, any, all, not
    rules[0].matches[10].path.in[0] is "a", must begin with '/'
    rules[0].matches[10].path.startsWith has 0 items, must have 1..=1000
    rules[0].matches[10].path.search is "(", must be a regular expression of at most 16384 bytes when compiled: found open group without closing ')'
    "#);
}

/// The examples of the design, each in one document.
#[test]
fn policies_for_each_way_to_release() {
    for text in [GRAY, ADDRESSES, STATES, SHADOW, VERSIONS, EXPERIMENT] {
        let tree: Tree = serde_saphyr::from_str(text).unwrap();
        let compiled = Policy::from_tree(&tree);
        assert!(compiled.is_ok(), "{text}\n{}", compiled.unwrap_err());
    }
}

const SHOP: &str = include_str!("documents/shop.yaml");
const MISTAKEN: &str = include_str!("documents/mistaken.yaml");
const MISMATCHED: &str = include_str!("documents/mismatched.yaml");
const MISCHOSEN: &str = include_str!("documents/mischosen.yaml");
const MISJUDGED: &str = include_str!("documents/misjudged.yaml");
const GRAY: &str = include_str!("documents/gray.yaml");
const ADDRESSES: &str = include_str!("documents/addresses.yaml");
const STATES: &str = include_str!("documents/states.yaml");
const SHADOW: &str = include_str!("documents/shadow.yaml");
const VERSIONS: &str = include_str!("documents/versions.yaml");
const EXPERIMENT: &str = include_str!("documents/experiment.yaml");
