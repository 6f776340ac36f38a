//! Which crate may know which, and what no pure crate may reach.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use antumbra_e2e::{cache, command};
use serde_json::Value;

use crate::sources::read;

/// Dependencies follow the data; nobody knows the filter except as a `.wasm` file.
#[test]
fn dependencies_follow_the_data() {
    let direct = [
        ("antumbra-policy", &[][..]),
        ("antumbra-observation", &[]),
        ("antumbra-exchange", &["antumbra-observation", "antumbra-policy"]),
        ("antumbra-filter", &["antumbra-exchange", "antumbra-observation", "antumbra-policy"]),
        ("antumbra-engine", &["antumbra-observation"]),
        ("antumbra-plugin", &["antumbra-engine", "antumbra-observation"]),
        ("antumbra-control", &["antumbra-engine", "antumbra-observation", "antumbra-policy"]),
        ("antumbra-import", &["antumbra-control", "antumbra-policy"]),
        ("antumbra-store", &["antumbra-control", "antumbra-engine", "antumbra-observation"]),
        (
            "antumbra-comparator",
            &[
                "antumbra-control",
                "antumbra-engine",
                "antumbra-features",
                "antumbra-import",
                "antumbra-observation",
                "antumbra-plugin",
                "antumbra-policy",
                "antumbra-store",
            ],
        ),
        (
            "antumbra-sandbox",
            &[
                "antumbra-components",
                "antumbra-engine",
                "antumbra-features",
                "antumbra-observation",
                "antumbra-plugin",
            ],
        ),
        (
            "antumbra",
            &[
                "antumbra-comparator",
                "antumbra-components",
                "antumbra-observation",
                "antumbra-policy",
                "antumbra-sandbox",
            ],
        ),
        ("antumbra-features", &[]),
        ("antumbra-components", &["antumbra-features"]),
        (
            "antumbra-e2e",
            &[
                "antumbra-comparator",
                "antumbra-components",
                "antumbra-import",
                "antumbra-observation",
                "antumbra-policy",
            ],
        ),
    ];
    let metadata = metadata();
    for (name, allowed) in direct {
        let found = ours(&metadata, name);
        let beyond: Vec<_> =
            found.iter().filter(|dependency| !allowed.contains(&dependency.as_str())).collect();
        assert!(beyond.is_empty(), "{name} depends on {beyond:?}");
    }
    assert_eq!(members(&metadata).len(), direct.len(), "a crate that this test does not know");
}

/// What takes minutes to compile is in the binary that is shipped, and not in the demo.
#[test]
fn the_demo_compiles_no_runtime_of_webassembly() {
    let metadata = metadata();
    let reached = reached(&metadata, "antumbra-e2e");
    for heavy in ["wasmtime", "cranelift-codegen", "wasmparser", "wast", "wit-component", "regex"] {
        assert!(!reached.contains(heavy), "the demo compiles {heavy}");
    }
}

/// The pure crates know no host, no runtime, no protocol stack, not even by way of others.
#[test]
fn pure_crates_stay_pure() {
    let metadata = metadata();
    for name in PURE.map(|(name, _)| name) {
        let reached = reached(&metadata, name);
        for world in ["proxy-wasm", "tokio", "hyper", "axum", "rusqlite", "mio", "socket2", "wasmtime"] {
            assert!(!reached.contains(world), "{name} reaches {world}");
        }
    }
    let bans = PURE.map(|(_, directory)| read(&cache::root().join(directory).join("clippy.toml")));
    assert!(bans.iter().all(|ban| *ban == bans[0]), "the clippy.toml of the pure crates differ");
    for banned in
        ["std::time::Instant", "std::time::SystemTime", "std::env::var", "std::collections::HashMap"]
    {
        assert!(bans[0].contains(banned), "{banned} is not banned");
    }
}

/// A binding between the filter and its host could unwrap, and would export callbacks that nobody needs.
#[test]
fn the_filter_speaks_the_abi_itself() {
    assert!(!reached(&metadata(), "antumbra-filter").contains("proxy-wasm"));
}

const PURE: [(&str, &str); 5] = [
    ("antumbra-policy", "filter/policy"),
    ("antumbra-exchange", "filter/exchange"),
    ("antumbra-observation", "filter/observation"),
    ("antumbra-engine", "comparator/engine"),
    ("antumbra-plugin", "comparator/plugin"),
];

pub(crate) fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    metadata.args(["metadata", "--locked", "--format-version", "1"]).current_dir(cache::root());
    serde_json::from_str(&command::run(&mut metadata).unwrap()).unwrap()
}

pub(crate) fn members(metadata: &Value) -> Vec<&Value> {
    let members = metadata["workspace_members"].as_array().unwrap();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| members.contains(&package["id"]))
        .collect()
}

/// The crates of the workspace that a crate depends on, for whatever purpose.
fn ours(metadata: &Value, name: &str) -> BTreeSet<String> {
    let members = members(metadata);
    let names: Vec<&str> = members.iter().filter_map(|package| package["name"].as_str()).collect();
    let package = members.iter().find(|package| package["name"] == name).unwrap();
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    let dependencies = dependencies.filter_map(|dependency| dependency["name"].as_str());
    dependencies.filter(|dependency| names.contains(dependency)).map(str::to_owned).collect()
}

/// All crates that end up in a build of this one, tests aside.
fn reached(metadata: &Value, name: &str) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let names: BTreeMap<&str, &str> =
        packages.iter().map(|p| (p["id"].as_str().unwrap(), p["name"].as_str().unwrap())).collect();
    let edges: BTreeMap<&str, &Value> =
        nodes.iter().map(|n| (n["id"].as_str().unwrap(), &n["deps"])).collect();
    let start = names.iter().find(|(_, found)| **found == name).map(|(id, _)| *id).unwrap();
    let (mut seen, mut open) = (BTreeSet::from([start]), vec![start]);
    while let Some(id) = open.pop() {
        for dependency in edges[id].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            let next = dependency["pkg"].as_str().unwrap();
            if kinds.iter().any(|kind| kind["kind"].is_null()) && seen.insert(next) {
                open.push(next);
            }
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}
