//! The binary against a real server: what it prints where, and its exit codes.

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
        ("mirror set 50 --rule nope", 2, "rules has no mirror of rule \"nope\""),
        ("weights set canary=10 stable=90", 0, "shop: generation 3"),
        ("weights set canry=10", 2, "canary"),
        ("weights set canary=1 --rule nope", 2, "rules has no split of rule \"nope\""),
        ("status", 0, "shop  generation 3  converged no"),
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
        assert_eq!(other, "", "{line}");
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

#[tokio::test]
async fn bad_files_bad_addresses_and_absent_servers_have_codes() {
    let mut world = World::new(None).await;
    let bad = SHOP.replace("percent: 5,", "percent: 101,").replace("default: stable", "default: stabel");
    std::fs::write(world.data().with_file_name("bad.yaml"), bad).unwrap();
    std::fs::write(world.data().with_file_name("short.token"), "short").unwrap();
    let serve = "serve --data other.db --listen";
    for (line, code, shown) in [
        ("check bad.yaml".to_owned(), 2, ["percent is 101", "default is \"stabel\""]),
        ("check none.yaml".to_owned(), 2, ["none.yaml", "No such file"]),
        ("check bad.yaml --output json".to_owned(), 2, ["\"valid\": false", "rules[0].mirror[0].percent"]),
        (format!("{serve} 127.0.0.1:0 --policy bad.yaml"), 2, ["percent is 101", "default is \"stabel\""]),
        (format!("{serve} 0.0.0.0:0"), 2, ["0.0.0.0:0", "--token-file"]),
        (format!("{serve} 0.0.0.0:0 --token-file short.token"), 2, ["short.token", "at least 16"]),
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
