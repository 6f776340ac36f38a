//! The commands that need no server: what they print where, and their exit codes.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const SHOP: &str = r#"
version: 1
name: shop
variants: {stable: {cluster: shop-v1}, canary: {cluster: shop-v2}}
default: stable
override: {header: x-force, signedWith: testers}
observe: {vary: true}
rules:
- {name: mirror, mirror: [{to: canary, percent: 10}]}
- {name: testers, matches: [{cookies: {canary: "1"}}], to: canary}
- {name: split, split: {by: ["cookie:uid"], weights: {canary: 20, stable: 80}}}
"#;

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn antumbra(directory: &Path, line: &str, input: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
    command.args(line.split_whitespace()).current_dir(directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

#[test]
fn explain_answers_line_by_line_and_goes_on_after_a_bad_one() {
    let directory = directory(&[("shop.yaml", SHOP)]);
    let requests = "{\"cookies\": {\"canary\": \"1\"}}\n\n{\"pth\": \"/\"}\nnonsense\n{\"method\": \"POST\", \"cookies\": {\"uid\": \"u\"}}\n";
    let ran = antumbra(directory.path(), "explain shop.yaml --request - --seed 4", requests);
    assert_eq!(ran.code, 2, "{}", ran.err);
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["variant"], &lines[0]["cluster"], &lines[0]["rule"], &lines[0]["reason"]),
        (&json!("canary"), &json!("shop-v2"), &json!("testers"), &json!("to"))
    );
    assert_eq!(lines[0]["headers"], json!({"x-antumbra-variant": "canary"}));
    assert_eq!(lines[0]["response"], json!({"vary": ["x-force, cookie"]}));
    assert_eq!((&lines[1]["reason"], &lines[1]["not_mirrored"]), (&json!("split"), &json!("unsafe_method")));
    assert!(lines[1]["position"].as_u64().is_some());
    let errors: Vec<&str> = ran.err.lines().collect();
    assert_eq!(errors[0], "antumbra: -: line 3: pth is not a known field; did you mean \"path\"?");
    assert!(errors[1].starts_with("antumbra: -: line 4: document is not JSON: "), "{}", ran.err);
    let again = antumbra(directory.path(), "explain shop.yaml --request - --seed 4", requests);
    assert_eq!(again.out, ran.out, "the same seed makes the same decisions");
}

#[test]
fn a_signed_header_opens_its_variant() {
    let directory = directory(&[("shop.yaml", SHOP), ("key", "0123456789abcdef0123\n"), ("short", "abc")]);
    let ran = antumbra(directory.path(), "override shop.yaml --variant canary --for 1h --secret key", "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let value = ran.out.trim().strip_prefix("x-force: canary;expires=").unwrap();
    let request = json!({"headers": {"x-force": format!("canary;expires={value}")}}).to_string();
    for (line, reason) in [
        ("explain shop.yaml --request - --secret testers=key", "override"),
        ("explain shop.yaml --request -", "split"),
    ] {
        let explained: Value = serde_json::from_str(&antumbra(directory.path(), line, &request).out).unwrap();
        assert_eq!(explained["reason"], reason, "{line}");
    }
    for (line, said) in [
        (
            "override shop.yaml --variant canry --secret key",
            "--variant \"canry\" is not a variant, must be one of stable, canary",
        ),
        ("override shop.yaml --variant canary --secret short", "short has 3 bytes, must have at least 16"),
        ("override shop.yaml --variant canary --secret none", "none: No such file or directory"),
        ("override shop.yaml --variant canary --for 2y --secret key", "must be a duration within 1s..=365d"),
        (
            "explain shop.yaml --request - --secret others=key",
            "override is signed with \"testers\", which is not among the secrets",
        ),
    ] {
        let ran = antumbra(directory.path(), line, "");
        assert_eq!((ran.code, ran.err.contains(said)), (2, true), "{line}: {}", ran.err);
    }
}

#[test]
fn simulate_shows_shares_and_who_moves() {
    let less = SHOP.replace("canary: 20, stable: 80", "canary: 5, stable: 95");
    let directory = directory(&[("shop.yaml", SHOP), ("less.yaml", &less)]);
    let line = "simulate less.yaml --users 20000 --against shop.yaml";
    let ran = antumbra(directory.path(), &format!("{line} --output json"), "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let simulated: Value = serde_json::from_str(&ran.out).unwrap();
    let canary = simulated["variants"][0]["share"].as_f64().unwrap();
    assert_eq!(simulated["variants"][0]["variant"], "canary");
    assert!((canary - 0.05).abs() < 4.0 * (0.05 * 0.95 / 20_000.0_f64).sqrt(), "{canary}");
    let moved = &simulated["moved"];
    let share = moved["share"].as_f64().unwrap();
    assert!((share - 0.15).abs() < 4.0 * (0.15 * 0.85 / 20_000.0_f64).sqrt(), "{share}");
    assert_eq!((&moved["evicted"], &moved["movements"][0]["from"]), (&moved["users"], &json!("canary")));
    let text = antumbra(directory.path(), line, "").out;
    assert!(text.ends_with("rule \"split\" evicts 15 % of users: 15 % from canary to stable\n"), "{text}");
}

#[test]
fn check_warns_and_can_be_strict() {
    let less = SHOP.replace("canary: 20, stable: 80", "canary: 5, stable: 95");
    let wrong = SHOP.replace("percent: 10", "percent: 101");
    let directory = directory(&[("shop.yaml", SHOP), ("less.yaml", &less), ("wrong.yaml", &wrong)]);
    let evicts = "less.yaml: warning: rule \"split\" evicts 15 % of users: 15 % from canary to stable\n";
    for (line, code, out) in [
        ("check shop.yaml --deny-warnings", 0, "shop.yaml: policy \"shop\" is valid\n".to_owned()),
        ("check less.yaml --against shop.yaml", 0, format!("{evicts}less.yaml: policy \"shop\" is valid\n")),
        (
            "check less.yaml --against shop.yaml --deny-warnings",
            2,
            format!("{evicts}less.yaml: policy \"shop\" is valid\n"),
        ),
        (
            "check wrong.yaml",
            2,
            "wrong.yaml: rules[0].mirror[0].percent is 101, must be within 0..=100\n".to_owned(),
        ),
    ] {
        let ran = antumbra(directory.path(), line, "");
        assert_eq!((ran.code, ran.out), (code, out), "{line}: {}", ran.err);
    }
    let ran = antumbra(directory.path(), "check less.yaml --against shop.yaml --output json", "");
    let checked: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&checked["valid"], checked["warnings"].as_array().unwrap().len()), (&json!(true), 1));
}

/// A word that YAML 1.1 took for a boolean is text: a country, an answer.
#[test]
fn no_is_a_text() {
    let text = SHOP.replace("canary: \"1\"", "country: no");
    let directory = directory(&[("shop.yaml", &text)]);
    let ran =
        antumbra(directory.path(), "explain shop.yaml --request -", r#"{"cookies": {"country": "no"}}"#);
    assert!(ran.out.contains(r#""rule":"testers""#), "{}{}", ran.out, ran.err);
}
