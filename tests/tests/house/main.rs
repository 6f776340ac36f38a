//! The rules that hold the house together: who may depend on whom, and which file may name what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use antumbra_e2e::{cache, command};
use serde_json::Value;

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
        (
            "antumbra-comparator",
            &[
                "antumbra-engine",
                "antumbra-features",
                "antumbra-observation",
                "antumbra-plugin",
                "antumbra-policy",
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
            &["antumbra-comparator", "antumbra-components", "antumbra-observation", "antumbra-policy"],
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

/// One door to each outside world; to the filter's host one out and one in.
#[test]
fn each_outside_world_has_one_door() {
    let doors = [
        ("wasm_import_module", "filter/src/host.rs"),
        ("no_mangle", "filter/src/exports.rs"),
        ("rusqlite", "comparator/src/store.rs"),
        ("wasmtime", "comparator/sandbox/src/lib.rs"),
    ];
    for (word, door) in doors {
        let naming: Vec<String> = sources()
            .into_iter()
            .filter(|path| !is_test(path) && code_names(&read(path), word))
            .map(|path| relative(&path))
            .collect();
        assert_eq!(naming, [door], "who names {word}");
    }
}

/// A test may look behind a door, to see what was stored.
fn is_test(path: &Path) -> bool {
    path.ancestors()
        .skip(1)
        .take(2)
        .any(|directory| directory.ends_with("tests") && !directory.join("src").is_dir())
}

#[test]
fn every_file_says_what_it_decides() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|path| !read(path).starts_with("//! "))
        .map(|path| relative(&path))
        .collect();
    assert!(silent.is_empty(), "no //! in {silent:?}");
}

#[test]
fn every_path_in_a_document_exists() {
    let mut missing = Vec::new();
    let examples = fs::read_dir(cache::root().join("envoy/examples")).unwrap();
    let examples =
        examples.map(|entry| format!("envoy/examples/{}/README.md", entry.unwrap().file_name().display()));
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "envoy/README.md",
        "envoy/POLICY.md",
        "envoy/HOSTS.md",
        "wit/README.md",
    ];
    let documents = documents.map(str::to_owned);
    for document in documents.into_iter().chain(examples) {
        let path = cache::root().join(&document);
        let directory = path.parent().unwrap();
        for named in named_paths(&read(&path)) {
            if !directory.join(&named).exists() && !cache::root().join(&named).exists() {
                missing.push(format!("{document}: {named}"));
            }
        }
    }
    assert!(missing.is_empty(), "named, but not there: {missing:#?}");
}

#[test]
fn paths_are_found_in_a_document() {
    let text = "See [the file](envoy/envoy.yaml#top), [us](https://example.org/x), [below](#below), `tests/src/lib.rs`, \
                `application/json`, `GET /products/{id}`, `target/wasm`, `envoy/*`, `filter/no-such.rs`.";
    assert_eq!(named_paths(text), ["envoy/envoy.yaml", "tests/src/lib.rs", "filter/no-such.rs"]);
}

const PURE: [(&str, &str); 5] = [
    ("antumbra-policy", "filter/policy"),
    ("antumbra-exchange", "filter/exchange"),
    ("antumbra-observation", "filter/observation"),
    ("antumbra-engine", "comparator/engine"),
    ("antumbra-plugin", "comparator/plugin"),
];

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    metadata.args(["metadata", "--locked", "--format-version", "1"]).current_dir(cache::root());
    serde_json::from_str(&command::run(&mut metadata).unwrap()).unwrap()
}

fn members(metadata: &Value) -> Vec<&Value> {
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

/// Is the word in the code, comments aside?
fn code_names(source: &str, word: &str) -> bool {
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).any(|code| code.contains(word))
}

/// Relative links, and code spans that look like a path below one of our directories. What a build makes is not there
/// before it.
fn named_paths(document: &str) -> Vec<String> {
    let links = document.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let links = links.filter(|link| !link.is_empty() && !link.contains("://"));
    let outside_fences = document.split("```").step_by(2);
    let spans = outside_fences.flat_map(|text| text.split('`').skip(1).step_by(2));
    links.chain(spans.filter(|span| looks_like_a_path(span))).map(str::to_owned).collect()
}

fn looks_like_a_path(span: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_-".contains(c);
    let Some((first, _)) = span.split_once('/') else { return false };
    !first.is_empty() && first != "target" && span.chars().all(plain) && cache::root().join(first).is_dir()
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in ["filter", "comparator", "tests", "wit"] {
        collect(&cache::root().join(directory), &mut found);
    }
    assert!(found.len() > 10, "found only {found:?}");
    found
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
        if path.is_dir() && !hidden && !path.ends_with("target") && !path.ends_with("node_modules") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(cache::root()).unwrap_or(path).display().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
