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
    assert_eq!((&lines[1]["reason"], &lines[1]["notMirrored"]), (&json!("split"), &json!("unsafe_method")));
    assert!(lines[1]["position"].as_u64().is_some());
    let errors: Vec<&str> = ran.err.lines().collect();
    assert_eq!(errors[0], "antumbra: -: line 3: pth is not a known field; did you mean \"path\"?");
    assert!(errors[1].starts_with("antumbra: -: line 4: document is not JSON: "), "{}", ran.err);
    let again = antumbra(directory.path(), "explain shop.yaml --request - --seed 4", requests);
    assert_eq!(again.out, ran.out, "the same seed makes the same decisions");
}

#[test]
fn explain_takes_a_request_as_it_is_typed_and_writes_for_people() {
    let directory = directory(&[("shop.yaml", SHOP), ("empty", "\n \n")]);
    let request = "{\"path\":\"/cart\",\n\"cookies\":{\"canary\":\"1\"}}";
    let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
    command.args(["explain", "shop.yaml", "--output", "text", "--request", request]);
    let output = command.current_dir(directory.path()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let expected = "{\"path\":\"/cart\", \"cookies\":{\"canary\":\"1\"}}\n  goes to canary (cluster shop-v2): to, rule \"testers\"\n  \
                    is not mirrored: not_sampled\n  request header x-antumbra-variant is set: canary\n  response header vary is \
                    added: x-force, cookie\n";
    assert_eq!(told, expected, "{}", String::from_utf8_lossy(&output.stderr));
    for (request, name) in [("-", "stdin"), ("empty", "empty")] {
        let ran = antumbra(directory.path(), &format!("explain shop.yaml --request {request}"), "");
        let why = format!(
            "antumbra: {name} has no request; one is a line such as {{\"method\": \"GET\", \"path\": \"/cart\"}}\n"
        );
        assert_eq!((ran.code, ran.out.as_str(), ran.err), (2, "", why));
    }
}

/// A problem names its line wherever a policy's file is read, and what is wrong is said once.
#[test]
fn problems_of_a_file_name_their_lines() {
    let broken = SHOP.replace("percent: 10", "percent: 10%").replace("to: canary}\n", "to: canry}\n");
    let directory =
        directory(&[("shop.yaml", &broken), ("syntax.yaml", "name: shop\n  bad: 1\n"), ("fine.yaml", SHOP)]);
    let percent = "shop.yaml:9: rules[0].mirror[0].percent is \"10%\", must be a number, which is in percent: write 10\n";
    let to = "shop.yaml:10: rules[1].to is \"canry\", not a known variant; did you mean \"canary\"?\n";
    let checked = antumbra(directory.path(), "check shop.yaml", "");
    assert_eq!((checked.code, checked.out), (2, format!("{percent}{to}")));
    let json = antumbra(directory.path(), "check shop.yaml --output json", "").out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["valid"], &json["problems"][1]["line"]), (&false.into(), &10.into()), "{json}");
    for line in ["explain shop.yaml --request -", "serve --policy shop.yaml", "policy put shop.yaml"] {
        let ran = antumbra(directory.path(), line, "");
        assert!(ran.code == 2 && ran.err.contains(&format!("{percent}{to}")), "{line}: {}", ran.err);
    }
    let syntax = antumbra(directory.path(), "check syntax.yaml", "").out;
    let once = "syntax.yaml: document is not YAML: mapping values are not allowed in this context at line 2, column 6\n";
    assert_eq!(syntax, once);
    let warned = antumbra(directory.path(), "check fine.yaml", "").out;
    assert!(warned.ends_with("fine.yaml: policy \"shop\" is valid\n"), "{warned}");
}

/// Whoever gives the name of a stored policy where a file is needed is told so.
#[test]
fn a_name_in_the_place_of_a_file_is_told() {
    let directory = directory(&[]);
    for line in ["check shop", "simulate shop", "serve --policy shop", "policy put shop"] {
        let ran = antumbra(directory.path(), line, "");
        let why = "shop: there is no such file; a policy's file is needed here and not its name";
        assert!(ran.code == 2 && ran.err.contains(why), "{line}: {}", ran.err);
    }
    let other = antumbra(directory.path(), "check shop.yaml", "").err;
    assert!(other.starts_with("antumbra: shop.yaml: No such file"), "{other}");
}

#[test]
fn explain_reads_several_lines_of_a_header_and_bytes_as_the_proxy_shows_them() {
    let rule = |test: &str| {
        format!(
            "{{version: 1, name: lines, variants: {{old: null, new: null}}, default: old, clientIp: {{from: xff, trustedHops: 1}}, \
             propagate: [{{cookie: uid, as: 'baggage:uid', allow: ['7']}}], rules: [{{name: one, matches: [{{{test}}}], to: new}}]}}"
        )
    };
    let check = |test: &str, request: Value, matches: bool| {
        let directory = directory(&[("lines.yaml", &rule(test))]);
        let ran = antumbra(directory.path(), "explain lines.yaml --request -", &request.to_string());
        let explained: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
        assert_eq!(explained["variant"], if matches { "new" } else { "old" }, "{test} {request}");
        explained
    };
    let cookies = json!({"headers": {"cookie": ["a=1", "uid=7"]}});
    let explained = check("cookies: {uid: '7'}", cookies.clone(), true);
    assert_eq!(explained["headers"]["baggage"], "uid=7");
    check("headers: {cookie: {search: '; uid=7$'}}", cookies, true);
    let forwarded = json!({"headers": {"x-forwarded-for": ["10.8.0.1", "192.0.2.1"]}});
    check("ip: 10.8.0.0/16", forwarded, true);
    let agents = json!({"headers": {"user-agent": ["Desktop", "Mobile"]}});
    check("headers: {user-agent: {contains: Mobile}}", agents, true);
    check("headers: {x-tenant: b}", json!({"headers": {"x-tenant": ["a", "b"]}}), false);
    check("host: [shop.example, '*.beta.example']", json!({"host": "SHOP.example.:8080"}), true);
    check("host: shop.example.", json!({"host": "shop.example"}), true);
    check("host: '*.beta.example.'", json!({"host": "a.beta.example."}), true);
    check("headers: {host: shop.example}", json!({"host": "shop.example"}), true);
    let name = json!({"headers": {"x-name": {"base64": "Y2Fm6Q=="}}});
    check("headers: {x-name: {search: '^caf'}}", name.clone(), true);
    check("headers: {x-name: café}", name, false);
    let explained = check(
        "cookies: {uid: '8'}",
        json!({"headers": {"baggage": [{"base64": "YT3p"}, "b=2"], "cookie": "uid=7"}}),
        false,
    );
    assert_eq!(explained["headers"]["baggage"], json!({"base64": "YT3pLGI9Mix1aWQ9Nw=="}));
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
    let steps = format!(
        "{SHOP}rollout: {{steps: [{{mirror: 10%}}, {{weights: {{canary: 5}}, atLeast: 10m}}, {{weights: {{canary: 100}}}}], giveUpAfter: 1d}}\n"
    );
    let garbage = format!("{SHOP}rollout: {{stps: [garbage]}}\n");
    let directory = directory(&[
        ("shop.yaml", SHOP),
        ("less.yaml", &less),
        ("wrong.yaml", &wrong),
        ("steps.yaml", &steps),
        ("garbage.yaml", &garbage),
    ]);
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
            "wrong.yaml:9: rules[0].mirror[0].percent is 101, must be within 0..=100\n".to_owned(),
        ),
        (
            "check steps.yaml",
            0,
            "steps.yaml:12: warning: rollout is read and checked, and nothing acts on it yet: set shares and weights yourself\n\
             steps.yaml: policy \"shop\" is valid\n"
                .to_owned(),
        ),
        (
            "check garbage.yaml",
            2,
            "garbage.yaml:12: rollout.stps is not a known field; did you mean \"steps\"?\n\
             garbage.yaml:12: rollout has no field \"steps\", which is required\n"
                .to_owned(),
        ),
    ] {
        let ran = antumbra(directory.path(), line, "");
        let (costs, said): (Vec<&str>, Vec<&str>) =
            ran.out.lines().partition(|line| line.contains(".yaml: takes "));
        let said: String = said.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!((ran.code, &said), (code, &out), "{line}: {}", ran.err);
        assert_eq!(costs.len(), usize::from(said.contains(" is valid")), "{line}: {}", ran.out);
        assert!(costs.iter().all(|cost| cost.contains(" KiB of 16384 KiB of memory (1 %), a request at most ")), "{costs:?}");
        assert!(costs.iter().all(|cost| cost.contains(" of 1000000 steps (")), "{costs:?}");
    }
    let ran = antumbra(directory.path(), "check less.yaml --against shop.yaml --output json", "");
    let checked: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&checked["valid"], checked["warnings"].as_array().unwrap().len()), (&json!(true), 1));
    let cost = &checked["cost"];
    assert_eq!((&cost["maxBytes"], &cost["maxStepsPerRequest"]), (&json!(16 << 20), &json!(1_000_000)));
    assert!(cost["bytes"].as_u64().unwrap() > 300 && cost["stepsPerRequest"].as_u64().unwrap() > 10);
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

#[test]
fn two_answers_are_compared_under_the_rules_of_a_policy() {
    let directory = directory(&[
        ("v1.json", r#"{"items":[{"id":1,"price":1.00},{"id":2,"price":2}],"at":"2026-02-04T12:00:00Z"}"#),
        ("v2.json", r#"{"items":[{"id":2,"price":2},{"id":1,"price":1.01}],"at":"2026-02-04T12:00:03Z"}"#),
        (
            "rules.yaml",
            "rules:\n- {at: /items, array: {by: id}}\n- {at: GET /items /items/*/price, absolute: 0.01}\n- {at: /at, time: 5s}\n",
        ),
        ("shop.yaml", &format!("{SHOP}compare: {{ignore: [/]}}\n")),
        ("wrong.yaml", "rules:\n- {at: /at, tim: 5s}\n- {at: at, time: 5s}\n"),
    ]);
    let run = |line: &str, input: &str| antumbra(directory.path(), line, input);
    let plain = run("diff v1.json v2.json", "");
    assert_eq!(plain.code, 1, "{}", plain.err);
    assert!(!plain.out.contains('\x1b') && plain.out.contains("/items  order\n"), "{}", plain.out);
    let json = |line: &str, input: &str| {
        let ran = run(&format!("diff {line} --output json"), input);
        (
            ran.code,
            serde_json::from_str::<Value>(&ran.out).unwrap_or_else(|_| panic!("{}{}", ran.out, ran.err)),
        )
    };
    let (code, found) = json("v1.json v2.json --rules rules.yaml", "");
    let price = json!({"path": "/items/0/price", "kind": "value", "left": "1.00", "right": "1.01"});
    assert_eq!((code, &found["equal"], &found["differences"]), (1, &json!(false), &json!([price])));
    let (code, found) = json(
        "v1.json - --rules rules.yaml",
        r#"{"items":[{"id":1,"price":1},{"id":3}],"at":"2026-02-04T12:00:00Z"}"#,
    );
    let kinds: Vec<&Value> =
        found["differences"].as_array().unwrap().iter().map(|found| &found["kind"]).collect();
    assert_eq!((code, kinds), (1, vec![&json!("missing"), &json!("extra")]));
    for line in ["v1.json v2.json --rules shop.yaml", "v1.json v1.json"] {
        let (code, found) = json(line, "");
        assert_eq!((code, &found["equal"], &found["differences"]), (0, &json!(true), &json!([])), "{line}");
    }
    let (code, found) = json("v1.json - --media json", "oops");
    assert_eq!((code, &found["refused"]), (1, &json!("malformed")));
    let wrong = run("diff v1.json v2.json --rules wrong.yaml", "");
    assert_eq!(
        (wrong.code, &*wrong.err),
        (
            2,
            "antumbra: wrong.yaml: rules[0].tim is not a known field; did you mean \"time\"?\n\
             wrong.yaml: rules[0] allows nothing, must have one of ignore, absolute, relative, time, like, ignoreCase, nullIsAbsent, array, numbers\n\
             wrong.yaml: rules[1].at is \"at\", names the place \"at\", must begin with / or be header:<name>, cookie:<name> or trailer:<name>\n"
        )
    );
    for line in [
        "diff - -",
        "diff v1.json none.json",
        "diff v1.json",
        "diff v1.json v2.json --endpoint /a",
        "diff v1.json v2.json --rules rules.yaml --endpoint /items",
    ] {
        assert_eq!(run(line, "").code, 2, "{line}");
    }
}

#[test]
fn a_policy_that_says_nothing_about_comparing_allows_nothing() {
    let files = [("shop.yaml", SHOP), ("v1.json", "{\"a\":1}"), ("v2.json", "{\"a\":2}")];
    let directory = directory(&files);
    let ran = antumbra(directory.path(), "diff v1.json v2.json --rules shop.yaml", "");
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert!(ran.out.contains("/a  value"), "{}", ran.out);
}

/// A report in a file that is cut off must not look like one.
#[test]
fn what_cannot_be_written_is_an_error() {
    let directory = directory(&[("v1.json", "{}")]);
    let ran = Command::new(env!("CARGO_BIN_EXE_antumbra"))
        .args(["diff", "v1.json", "v1.json", "--output", "json"])
        .current_dir(directory.path())
        .stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&ran.stderr).unwrap();
    let detail = said["detail"].as_str().unwrap();
    assert!(detail.starts_with("stdout: No space left"), "{said}");
    assert_eq!((ran.status.code(), &said["exitCode"]), (Some(4), &json!(4)));
}

#[test]
fn the_endpoint_of_two_answers_may_be_said() {
    let directory = directory(&[
        ("a", r#"{"price":1.00}"#),
        ("b", r#"{"price":1.01}"#),
        ("rules.json", r#"{"rules": [{"at": "GET /items/7 /price", "absolute": 0.01}]}"#),
    ]);
    let diff = |endpoint: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
        command.args(["diff", "a", "b", "--rules", "rules.json"]).current_dir(directory.path());
        command.args(endpoint.into_iter().flat_map(|endpoint| ["--endpoint", endpoint]));
        command.output().unwrap().status.code()
    };
    let found = [None, Some("GET /items/9"), Some("POST /items/9"), Some("GET /items")].map(diff);
    assert_eq!(found, [Some(1), Some(0), Some(1), Some(1)]);
}

/// What a reader copies out of the documents is a policy.
#[test]
fn the_policies_in_the_documents_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (document, least) in [("README.md", 1), ("envoy/POLICY.md", 2)] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let policies: Vec<&str> = blocks.filter(|block| block.starts_with("version:")).collect();
        assert!(policies.len() >= least, "{document}: {policies:?}");
        for policy in policies {
            let found = antumbra(directory(&[("p.yaml", policy)]).path(), "check p.yaml", "");
            assert_eq!(found.code, 0, "{document}: {}\n{policy}", found.err);
        }
    }
}
