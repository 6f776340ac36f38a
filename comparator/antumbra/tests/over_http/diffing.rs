//! `antumbra diff` sees what a report sees: the same bodies as files and as the answers of exchanges differ at the same places.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use antumbra_components::plugin::{NOTHING, TRAP, bytes, judge, normaliser};
use antumbra_observation::{Leg, Observation};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Files, and what `antumbra` says of them.
struct Files(TempDir);

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.path().join(name), content).unwrap();
        self
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
        let output = command.args(arguments).current_dir(self.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn diff(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["diff"], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.diff(&[arguments, &["--output", "json"]].concat());
        let found: Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
        assert_eq!(ran.code, i32::from(found["equal"] != true), "{found}");
        found
    }
}

/// Where and how something differs.
fn places(found: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    found.as_array().unwrap().iter().map(|one| (text(&one["path"]), text(&one["kind"]))).collect()
}

/// As many exchanges as a report needs to be sure.
fn capture(method: &str, path: &str, [left, right]: [Leg; 2]) -> String {
    let exchange = |id: u64| {
        Observation::new("shop", method, path)
            .with_id(id.into())
            .with_arrival_us(1_700_000_000_000_000 + id * 10_000_000)
            .with_primary(left.clone())
            .with_candidate(right.clone())
            .with_control(left.clone())
    };
    (1..=100).map(|id| serde_json::to_string(&exchange(id)).unwrap() + "\n").collect()
}

/// A body in two versions, as a file of this ending and as an answer of this type.
struct Pair {
    ending: &'static str,
    media: &'static str,
    bodies: [Vec<u8>; 2],
}

fn pair(
    ending: &'static str,
    media: &'static str,
    left: impl Into<Vec<u8>>,
    right: impl Into<Vec<u8>>,
) -> Pair {
    Pair { ending, media, bodies: [left.into(), right.into()] }
}

impl Pair {
    /// The places that both find, which are the same.
    fn places(&self, [method, path]: [&str; 2], options: &[&str]) -> BTreeSet<(String, String)> {
        let leg =
            |body: &Vec<u8>| Leg::answer("", 200).with_body(self.media, &body[..]).with_latency_us(1_000);
        let names = ["left", "right"].map(|name| format!("{name}.{}", self.ending));
        let files = Files::new()
            .with(&names[0], &self.bodies[0])
            .with(&names[1], &self.bodies[1])
            .with("shop.binpb", descriptors())
            .with("shop.yaml", RULES)
            .with("c.ndjson", capture(method, path, self.bodies.each_ref().map(leg)));
        let endpoint = format!("{method} {path}");
        let diff = files.json(&[&[&*names[0], &names[1], "--endpoint", &endpoint], options].concat());
        let policy: Vec<&str> =
            options.iter().map(|option| if *option == "--rules" { "--policy" } else { option }).collect();
        let report =
            files.run(&[&["report", "--from", "c.ndjson", "--output", "json"], &policy[..]].concat());
        let report: Value = serde_json::from_str(&report.out).unwrap_or_else(|_| panic!("{}", report.err));
        let (found, told) = (places(&diff["places"]), places(&report["regressions"]));
        assert_eq!(found, told, "{}: {diff} {}", self.ending, report["regressions"]);
        found
    }
}

const RULES: &str = "
version: 1
name: shop
variants: {stable: null, canary: null}
default: stable
rules: []
compare:
  ignore: [/at, 'GET /items/{id} /stock', 'GET /carts /price']
";

fn multipart(boundary: &str, price: u32) -> String {
    let part = |name: &str, kind: &str, body: &str| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n{body}\r\n"
        )
    };
    let item = part("item", "application/json", &format!(r#"{{"id":1,"price":{price}}}"#));
    format!("{item}{}--{boundary}--\r\n", part("note", "text/plain", "same"))
}

#[test]
fn a_diff_and_a_report_find_the_same() {
    let lines = |price: u32| format!("{{\"id\":1,\"price\":{price}}}\n{{\"id\":2}}\n");
    let events = |price: u32| format!("event: price\ndata: {{\"price\":{price}}}\n\n");
    let page = |price: u32| format!("<html>\n  <p>one</p>\n\n<p>{price}</p></html>");
    for (pair, expected) in [
        (pair("json", "application/json", r#"[{"a":1},{"a":1}]"#, r#"[{"a":2},{"a":3}]"#), "/*/a"),
        (pair("ndjson", "application/x-ndjson", lines(1), lines(2)), "/*/price"),
        (pair("jsonl", "application/jsonl", lines(1), lines(2)), "/*/price"),
        (pair("json-seq", "application/json-seq", "\u{1e}{\"a\":1}\n", "\u{1e}{\"a\":2}\n"), "/*/a"),
        (pair("sse", "text/event-stream", events(1), events(2)), "/*/data/price"),
        (pair("html", "text/html; charset=utf-8", page(1), page(2)), ""),
        (pair("txt", "text/plain", "one\ntwo\n", "one\nthree\n"), ""),
        (pair("urlencoded", "application/x-www-form-urlencoded", "a=1&b=2", "b=3&a=1"), "/b"),
        (pair("bin", "application/octet-stream", b"\0\x01", b"\0\x02"), ""),
        (pair("json", "application/json", "{", "["), ""),
    ] {
        let found = pair.places(["GET", "/items/7"], &[]);
        assert_eq!(
            found.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            [expected],
            "{}",
            pair.ending
        );
    }
    let parts =
        pair("multipart", "multipart/form-data; boundary=\"b 1\"", multipart("b 1", 1), multipart("b 1", 2));
    assert_eq!(
        parts.places(["GET", "/items/7"], &[]),
        [("/item/price".to_owned(), "value".to_owned())].into()
    );
    // What is equal but for its writing is no difference of either.
    for same in [
        pair("html", "text/html", "<p>a</p>\n  <p>b</p>", "<p>a</p>\n<p>b</p>\n"),
        pair("urlencoded", "application/x-www-form-urlencoded", "a=1&b=%20", "b=+&a=1"),
        pair("json", "application/json", r#"{"a":1.0,"b":2}"#, r#"{"b": 2, "a": 1}"#),
    ] {
        assert_eq!(same.places(["GET", "/items/7"], &[]), BTreeSet::new(), "{}", same.ending);
    }
}

#[test]
fn the_rules_of_the_endpoint_hold_in_both() {
    let body = |number: u32| format!(r#"{{"at":{number},"stock":{number},"price":{number},"sum":1}}"#);
    let items = pair("json", "application/json", body(1), body(2));
    let found = |endpoint: [&str; 2]| -> Vec<String> {
        items.places(endpoint, &["--rules", "shop.yaml"]).into_iter().map(|(path, _)| path).collect()
    };
    assert_eq!(found(["GET", "/items/7"]), ["/price"]);
    assert_eq!(found(["GET", "/carts"]), ["/stock"]);
    assert_eq!(found(["PUT", "/items/7"]), ["/price", "/stock"]);

    let files = Files::new().with("a.json", body(1)).with("b.json", body(2)).with("shop.yaml", RULES);
    let bare = files.diff(&["a.json", "b.json", "--rules", "shop.yaml"]);
    let said = "not applied without --endpoint 'METHOD /path': GET /items/{id} /stock, GET /carts /price";
    assert!(bare.code == 1 && bare.out.contains(said), "{}{}", bare.out, bare.err);
    let bare = files.json(&["a.json", "b.json", "--rules", "shop.yaml"]);
    assert_eq!(bare["notApplied"], json!(["GET /items/{id} /stock", "GET /carts /price"]));
    let named = files.json(&["a.json", "b.json", "--rules", "shop.yaml", "--endpoint", "GET /carts"]);
    assert_eq!(named["notApplied"], json!(["GET /items/{id} /stock"]));
    let named = files.diff(&["a.json", "b.json", "--rules", "shop.yaml", "--endpoint", "PUT /items/7"]);
    let said = "not applied, being of other endpoints than PUT /items/{id}: GET /items/{id} /stock, GET /carts /price";
    assert!(named.out.contains(said), "{}", named.out);
    let lower = files.diff(&["a.json", "b.json", "--endpoint", "get /items/7"]);
    let said = "--endpoint names the method \"get\", must be a method in upper case such as GET";
    assert!(lower.code == 2 && lower.err.contains(said), "{}", lower.err);
    let odd = files.diff(&["a.json", "b.json", "--endpoint", "GTE /items/7"]);
    let said =
        "--endpoint names a method that is \"GTE\", a method that is not in use; did you mean \"GET\"?";
    assert!(odd.code == 1 && odd.err.contains(said), "{}", odd.err);
}

/// A message of protobuf: each field has its number and its bytes.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let field = |(number, bytes): &(u8, &[u8])| {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()][..], *bytes].concat()
    };
    fields.iter().flat_map(field).collect()
}

/// `package shop; message Price { string amount = 1; string sold = 2; } service Prices { rpc Get(Price) returns (Price); }`
fn descriptors() -> Vec<u8> {
    let field = |name: &str, number: u8| {
        // Optional and a string.
        [message(&[(1, name.as_bytes())]), vec![3 << 3, number, 4 << 3, 1, 5 << 3, 9]].concat()
    };
    let price = message(&[(1, b"Price"), (2, &field("amount", 1)), (2, &field("sold", 2))]);
    let get = message(&[(1, b"Get"), (2, b".shop.Price"), (3, b".shop.Price")]);
    let prices = message(&[(1, b"Prices"), (2, &get)]);
    let file = message(&[(1, b"shop.proto"), (2, b"shop"), (4, &price), (6, &prices), (12, b"proto3")]);
    message(&[(1, &file)])
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

#[test]
fn messages_are_read_by_their_descriptors() {
    let price = |amount: &str| message(&[(1, amount.as_bytes()), (2, b"yes")]);
    let grpc = pair("grpc", "application/grpc", framed(&price("10")), framed(&price("11")));
    let by_field = grpc.places(["POST", "/shop.Prices/Get"], &["--descriptors", "shop.binpb"]);
    assert_eq!(by_field, [("/*/amount".to_owned(), "value".to_owned())].into());
    let unread = grpc.places(["POST", "/shop.Prices/Get"], &[]);
    assert!(unread.iter().all(|(path, _)| path.starts_with("/*/")) && unread != by_field, "{unread:?}");

    let files = Files::new()
        .with("a.pb", price("10"))
        .with("b.pb", price("11"))
        .with("a.grpc", framed(&price("10")))
        .with("b.grpc", framed(&price("11")))
        .with("a.json", "{}")
        .with("shop.binpb", descriptors());
    for how in
        [&["--message", "shop.Price"], &["--method", "shop.Prices/Get"], &["--method", "/shop.Prices/Get"]]
    {
        for names in [["a.pb", "b.pb"], ["a.grpc", "b.grpc"]] {
            let found = files.json(&[&names[..], &["--descriptors", "shop.binpb"], how].concat());
            let expected =
                json!([{"path": "/0/amount", "kind": "value", "left": "\"10\"", "right": "\"11\""}]);
            assert_eq!(found["differences"], expected, "{names:?} {how:?}");
        }
    }
    for (arguments, said) in [
        (&["a.pb", "b.pb", "--message", "shop.Price"][..], "need --descriptors FILE"),
        (&["a.pb", "b.pb", "--descriptors", "shop.binpb"], "--method or --message must say which"),
        (
            &["a.pb", "b.pb", "--descriptors", "shop.binpb", "--message", "shop.Cost"],
            "--message is \"shop.Cost\", must be in",
        ),
        (
            &["a.pb", "b.pb", "--descriptors", "shop.binpb", "--method", "shop.Prices/Set"],
            "--method is \"shop.Prices/Set\", must be in",
        ),
        (
            &["a.pb", "b.pb", "--descriptors", "shop.binpb", "--method", "Get"],
            "must be a service and a method",
        ),
        (
            &["a.pb", "a.json", "--descriptors", "shop.binpb", "--message", "shop.Price"],
            "a.json is read as application/json",
        ),
    ] {
        let ran = files.diff(arguments);
        assert!(ran.code == 2 && ran.err.contains(said), "{arguments:?}: {}{}", ran.out, ran.err);
    }
}

fn gzipped(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_type_is_told_by_the_ending_or_by_name() {
    let files = Files::new()
        .with("a.json.gz", gzipped(r#"{"a":1}"#))
        .with("b.json", r#"{"a":2}"#)
        .with("b.txt", r#"{"a":2}"#)
        .with("c", "a=1&b=2")
        .with("d", "b=2&a=1")
        .with("e.html", "<p>a</p>")
        .with("f.multipart", "no parts")
        .with("g.json.gz", &gzipped(r#"{"a":1}"#)[..20]);
    let place = json!([{"path": "/a", "kind": "value", "count": 1}]);
    let found = files.json(&["a.json.gz", "b.json"]);
    assert_eq!(
        (&found["places"], &found["left"]),
        (&place, &json!({"file": "a.json.gz", "type": "application/json"}))
    );
    assert_eq!(files.json(&["c", "d"])["equal"], false);
    assert_eq!(files.json(&["c", "d", "--type", "form"])["equal"], true);
    assert_eq!(files.json(&["c", "d", "--type", "application/x-www-form-urlencoded"])["equal"], true);
    // As in a report, an answer of another type is another answer. But a file has no header that says so.
    let found = files.json(&["b.json", "e.html"]);
    assert_eq!(places(&found["places"]), [("".to_owned(), "type".to_owned())].into());
    assert_eq!(files.json(&["b.json", "b.txt"])["equal"], true);
    // One that does not decode is not read, and says so.
    let broken = files.json(&["g.json.gz", "a.json.gz"]);
    assert_eq!((&broken["equal"], &broken["refused"]), (&json!(false), &json!("corrupt")));
    for (arguments, said) in [
        (["c", "d", "--type", "multipart"], "c is read as multipart/form-data and has no line --boundary"),
        (["f.multipart", "f.multipart", "--type", "auto"], "f.multipart is read as multipart/form-data"),
        (["c", "d", "--type", "jason"], "one of json, ndjson"),
        (["c", "none.json", "--type", "json"], "none.json: No such file"),
        (["c", ".", "--type", "json"], ".: Is a directory"),
    ] {
        let ran = files.diff(&arguments);
        assert!(ran.code == 2 && ran.err.contains(said), "{arguments:?}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn differences_of_one_kind_at_one_place_are_folded() {
    let items = |price: u32| json!({"items": vec![json!({"price": price}); 20], "total": price}).to_string();
    let files = Files::new().with("a.json", items(1)).with("b.json", items(2));
    let ran = files.diff(&["a.json", "b.json"]);
    insta::assert_snapshot!(ran.out, @r"
    --- a.json (application/json)
    +++ b.json (application/json)
    /items/*/price  value ×20, first at /items/0/price
      - 1
      + 2
    /total  value
      - 1
      + 2
    21 differences at 2 places
    ");
    let found = files.json(&["a.json", "b.json"]);
    assert_eq!(found["differences"].as_array().unwrap().len(), 21);
    assert_eq!(found["places"][0], json!({"path": "/items/*/price", "kind": "value", "count": 20}));
}

#[test]
fn plugins_have_their_say_or_are_asked_for() {
    let rules = "plugins: [{at: 'GET /items/{id}', plugin: p}]";
    let files = Files::new()
        .with("a.json", r#"{"a":1}"#)
        .with("b.json", r#"{"a":2}"#)
        .with("rules.yaml", rules)
        .with("everywhere.yaml", "plugins: [{plugin: p}]")
        .with("judge.wasm", judge(NOTHING))
        .with("blank.wasm", normaliser(&bytes(1)))
        .with("trap.wasm", judge(TRAP));
    let diff =
        |rules: &str, more: &[&str]| files.diff(&[&["a.json", "b.json", "--rules", rules], more].concat());
    let here = ["--endpoint", "GET /items/7"];
    for plugin in ["p=judge.wasm", "p=blank.wasm"] {
        let ran = diff("rules.yaml", &[&here[..], &["--plugin", plugin]].concat());
        assert_eq!((ran.code, ran.out.as_str()), (0, "equal\n"), "{plugin}: {}", ran.err);
        let ran = diff("everywhere.yaml", &["--plugin", plugin]);
        assert_eq!((ran.code, ran.out.as_str()), (0, "equal\n"), "{plugin}: {}", ran.err);
    }
    let broken = diff("rules.yaml", &[&here[..], &["--plugin", "p=trap.wasm"]].concat());
    assert!(
        broken.code == 1 && broken.out.contains("compared without plugin p, which failed: "),
        "{}",
        broken.out
    );
    let elsewhere = diff("rules.yaml", &["--endpoint", "GET /carts"]);
    assert!(elsewhere.code == 1 && elsewhere.err.is_empty(), "{}", elsewhere.err);
    let unnamed = diff("rules.yaml", &[]);
    assert!(unnamed.code == 1 && unnamed.out.contains("plugin p at GET /items/{id}"), "{}", unnamed.out);
    let absent = "compare.plugins[0].plugin is \"p\", must be given as --plugin p=FILE";
    for (ran, said) in [
        (diff("rules.yaml", &here), absent),
        (diff("everywhere.yaml", &[]), absent),
        (
            diff("everywhere.yaml", &["--plugin", "p=judge.wasm", "--plugin", "q=judge.wasm"]),
            "--plugin q: no compare.plugins of everywhere.yaml names it",
        ),
        (diff("everywhere.yaml", &["--plugin", "p=a.json"]), "is not WebAssembly"),
    ] {
        assert!(ran.code == 2 && ran.err.contains(said), "{said}: {}{}", ran.out, ran.err);
    }
}
