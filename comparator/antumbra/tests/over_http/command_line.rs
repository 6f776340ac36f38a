//! The binary against a real server: what it prints where, and its exit codes.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::server::{SHOP, World, healthy, observation};
use antumbra_observation::Observation;

pub(crate) struct Line {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `antumbra` with the arguments that `line` holds, separated by blanks.
pub(crate) async fn antumbra(world: &World, line: &str) -> Line {
    antumbra_with(world, &[], line).await
}

/// The same with variables of the environment.
pub(crate) async fn antumbra_with(world: &World, variables: &[(&str, &str)], line: &str) -> Line {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let server = format!("http://{}", world.address);
    let dir = world.data().parent().unwrap().to_owned();
    let run = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
        command.args(&arguments).current_dir(dir).env("ANTUMBRA_SERVER", server).env("USER", "dana");
        command.env_remove("ANTUMBRA_TOKEN").env_remove("ANTUMBRA_POLICY").envs(variables);
        command.output().unwrap()
    };
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(run).await.unwrap();
    Line {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

#[tokio::test]
async fn an_operator_tunes_a_release() {
    let world = World::new(None).await;
    std::fs::write(world.data().with_file_name("shop.yaml"), SHOP).unwrap();
    for (line, code, shown) in [
        ("report", 2, "no policy is stored"),
        ("check shop.yaml", 0, "policy \"shop\" is valid"),
        ("policy put shop.yaml", 2, "antumbra policy put --create"),
        ("policy put shop.yaml --policy till", 2, "the `name` in shop.yaml is \"shop\""),
        ("policy put shop.yaml --create", 0, "shop: generation 1"),
        ("policy list", 0, "shop  generation 1"),
        ("policy show", 0, "name: shop"),
        ("mirror set 0.5% --reason careful", 0, "rules[0].mirror[0].percent: 5 → 0.5"),
        ("mirror set 50 --rule nope", 2, "no mirror of rule \"nope\""),
        ("weights set canary=10 stable=90", 0, "shop: generation 3"),
        ("weights set canry=10", 2, "canary"),
        ("weights set canary=1 --rule nope", 2, "no split of rule \"nope\""),
        ("status", 0, "shop  generation 3, not run by all filters"),
        ("status --policy till", 2, "there is no policy"),
        ("audit", 0, "dana  mirror  generation 2  \"careful\""),
        ("policy put shop.yaml --if-generation 2", 2, "at generation 3"),
        ("verdict", 3, "wait"),
        ("evidence reset", 0, "session 2 begins with generation 4"),
        ("policy history", 0, "dana  mirror  \"careful\"\n      rules[0].mirror[0].percent: 5 → 0.5\n"),
        ("policy show --generation 1", 0, "percent: 5\n"),
        ("policy show --generation 9", 2, "has no generation 9; 4 is in force"),
        ("policy delete", 2, "--policy is needed"),
        ("policy delete --policy shop --if-generation 3", 2, "at generation 4"),
        ("policy delete --policy shop --reason done", 0, "shop: deleted at generation 4"),
        ("policy show --policy shop", 2, "there is no policy"),
        ("audit --policy shop", 0, "dana  delete  generation 4  \"done\""),
        ("verdict --policy no/name", 2, "is not a name"),
    ] {
        let Line { code: found, out, err } = antumbra(&world, line).await;
        assert_eq!(found, code, "{line}: {out}{err}");
        let (told, other) = if matches!(code, 0 | 3) { (&out, &err) } else { (&err, &out) };
        assert!(told.contains(shown), "{line}: {out}{err}");
        // Little is known of the candidate yet, which a raise warns of on stderr.
        let warned =
            line.starts_with("weights set canary=10") && other.starts_with("antumbra: the verdict is wait");
        assert!(other.is_empty() || warned, "{line}: {other}");
    }
}

#[tokio::test]
async fn the_verdict_is_an_exit_code_and_everything_prints_as_json() {
    let world = World::with_shop().await;
    world.batch(1, &healthy(20)).await;
    for (line, key) in [
        ("status", "releases"),
        ("report", "verdict"),
        ("audit", "entries"),
        ("policy show", "rules"),
        ("verdict", "reasons"),
        ("mirror set 7", "generation"),
        ("weights set canary=1", "diff"),
        ("evidence reset", "session"),
    ] {
        let Line { out, err, .. } = antumbra(&world, &format!("{line} --output json")).await;
        let json: serde_json::Value =
            serde_json::from_str(&out).unwrap_or_else(|e| panic!("{line}: {e}: {out}{err}"));
        assert!(json.get(key).is_some(), "{line}: {out}");
    }
    // The reset made the fourth generation.
    let broken: Vec<_> = (100..300).map(|id| Observation { generation: 4, ..observation(id, 11) }).collect();
    world.batch(2, &broken).await;
    let rolled = antumbra(&world, "verdict").await;
    assert_eq!(rolled.code, 1, "{}{}", rolled.out, rolled.err);
    assert!(rolled.out.starts_with("roll back\n"), "{}", rolled.out);
    let report = antumbra(&world, "report").await.out;
    assert!(report.contains("/price") && !report.contains('\u{1b}'), "no colours into a pipe: {report}");
    assert!(report.lines().count() <= 20 && !report.contains("\nEndpoints"), "{report}");
    let full = antumbra(&world, "report --full").await.out;
    assert!(full.contains("\nEndpoints"), "{full}");
}

/// The names of all members, but for those of maps whose keys are names of reasons, methods or headers.
fn members(json: &serde_json::Value, found: &mut Vec<String>) {
    const BY_NAME: [&str; 7] =
        ["headers", "refused", "notMirrored", "undelivered", "notMirroredBy", "undeliveredBy", "notSentBy"];
    match json {
        serde_json::Value::Object(map) => {
            for (name, value) in map {
                found.push(name.clone());
                if !BY_NAME.contains(&name.as_str()) || value.is_array() {
                    members(value, found);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| members(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn json_is_camel_case_everywhere_and_a_release_is_called_release() {
    let world = World::with_shop().await;
    world.batch(1, &healthy(20)).await;
    std::fs::write(world.data().with_file_name("shop.yaml"), SHOP).unwrap();
    std::fs::write(
        world.data().with_file_name("request.ndjson"),
        "{\"method\": \"POST\", \"path\": \"/\"}\n",
    )
    .unwrap();
    for line in [
        "status --output json",
        "report --output json",
        "verdict --output json",
        "audit --output json",
        "policy list --output json",
        "policy history --output json",
        "mirror set 7 --output json",
        "weights set canary=1 --output json",
        "policy put shop.yaml --output json",
        "check shop.yaml --output json",
        "simulate shop.yaml --output json",
        "explain shop.yaml --request request.ndjson",
        "evidence reset --output json",
        "policy delete --policy shop --output json",
    ] {
        let Line { out, err, .. } = antumbra(&world, line).await;
        let json: serde_json::Value =
            serde_json::from_str(&out).unwrap_or_else(|e| panic!("{line}: {e}: {out}{err}"));
        let mut found = Vec::new();
        members(&json, &mut found);
        let odd: Vec<_> = found
            .iter()
            .filter(|name| name.contains(['_', '-']) || name.starts_with(char::is_uppercase))
            .collect();
        assert_eq!(odd, [""; 0], "{line}: {json}");
        assert!(json.get("name").is_none() && json[0].get("name").is_none(), "{line}: {json}");
    }
}

#[tokio::test]
async fn errors_are_json_where_that_is_asked_for() {
    let mut world = World::with_shop().await;
    std::fs::write(world.data().with_file_name("bad.yaml"), "name: 7").unwrap();
    for (line, code, kind, detail) in [
        ("report --policy till", 2, "unknown-release", "there is no policy \"till\""),
        ("policy put bad.yaml", 2, "usage", "bad.yaml"),
        ("weights set canary=1 --rule nope", 2, "invalid-document", "problem"),
        ("status --policy no/name", 2, "usage", "there is no policy"),
        ("mirror set 101", 2, "usage", "101"),
        ("status --server http://127.0.0.1:1", 4, "runtime", "antumbra serve"),
    ] {
        let Line { code: found, out, err } = antumbra(&world, &format!("{line} --output json")).await;
        let json: serde_json::Value =
            serde_json::from_str(&err).unwrap_or_else(|e| panic!("{line}: {e}: {err}"));
        assert_eq!((found, out.as_str()), (code, ""), "{line}");
        assert_eq!(json["type"], format!("urn:antumbra:problem:{kind}"), "{line}: {json}");
        assert!(
            json["detail"].as_str().unwrap().contains(detail) && json["title"].is_string(),
            "{line}: {json}"
        );
        let ours = matches!(kind, "usage" | "runtime");
        assert_eq!(json.get("exitCode").is_some(), ours, "the server's problem is passed through: {json}");
        assert_eq!(json.get("status").is_none(), ours, "{json}");
    }
    world.end().await;
}

#[tokio::test]
async fn bad_files_bad_addresses_and_absent_servers_have_codes() {
    let mut world = World::new(None).await;
    let bad = SHOP.replace("percent: 5,", "percent: 101,").replace("default: stable", "default: stabel");
    std::fs::write(world.data().with_file_name("bad.yaml"), bad).unwrap();
    for (name, text, mode) in
        [("short.token", "short", 0o600), ("open.token", "correct-horse-battery", 0o644)]
    {
        let file = world.data().with_file_name(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let serve = "serve --data other.db --listen";
    for (line, code, shown) in [
        ("check bad.yaml".to_owned(), 2, ["percent is 101", "default is \"stabel\""]),
        ("check none.yaml".to_owned(), 2, ["none.yaml", "No such file"]),
        ("check bad.yaml --output json".to_owned(), 2, ["\"valid\": false", "rules[0].mirror[0].percent"]),
        (format!("{serve} 127.0.0.1:0 --policy bad.yaml"), 2, ["percent is 101", "default is \"stabel\""]),
        (format!("{serve} 0.0.0.0:0"), 2, ["0.0.0.0:0", "--token-file"]),
        (format!("{serve} 0.0.0.0:0 --token-file short.token"), 2, ["short.token", "at least 16"]),
        (
            format!("{serve} 0.0.0.0:0 --token-file open.token"),
            2,
            ["open.token: has mode 0644", "must be 0600"],
        ),
        (
            "serve --data antumbra.db --listen 127.0.0.1:0".to_owned(),
            4,
            ["antumbra.db is in use", "by another"],
        ),
        ("status --server ftp://x".to_owned(), 2, ["--server", "ftp://x"]),
        ("nonsense".to_owned(), 2, ["nonsense", "Usage"]),
    ] {
        let Line { code: found, out, err } = antumbra(&world, &line).await;
        assert_eq!(found, code, "{line}: {out}{err}");
        let told = format!("{out}{err}");
        assert!(shown.iter().all(|shown| told.contains(shown)), "{line}: {told}");
    }
    world.end().await;
    let gone = antumbra(&world, "status").await;
    assert_eq!(gone.code, 4, "{}", gone.err);
    assert!(gone.err.to_lowercase().contains("refused"), "{}", gone.err);
}
