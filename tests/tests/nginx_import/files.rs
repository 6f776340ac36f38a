//! Files that somebody has, and those that are made up: each is read as every format that its name or its content suggests, and
//! what is imported is a valid policy.

use std::fs;
use std::path::{Path, PathBuf};

use antumbra_import::{Format, import};
use antumbra_policy::Policy;

use crate::made_up;

#[test]
fn files_of_a_directory_are_imported_or_refused() {
    let Some(directory) = std::env::var_os("ANTUMBRA_IMPORT_FILES") else {
        println!(
            "ANTUMBRA_IMPORT_FILES names no directory: no file of anybody's was read, only those that are made up"
        );
        return;
    };
    let mut files = Vec::new();
    gather(Path::new(&directory), &mut files);
    files.sort();
    assert!(!files.is_empty(), "no file in {}", directory.display());
    let mut imported = 0;
    for file in &files {
        let text = fs::read(file).unwrap();
        for format in formats(file, &text) {
            imported += usize::from(read(&file.display().to_string(), format, &text));
        }
    }
    println!("{} files, {imported} imported", files.len());
}

/// What is there without anybody's directory: configurations of nginx that are made up, whole and torn, and the documents of
/// others as whatever they might be.
#[test]
fn made_up_files_are_imported_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut imported = 0;
    for seed in 0..40 {
        let made = made_up::configuration(seed, [8001, 8002], [8003, 8004]);
        let text = made.text();
        let file = directory.path().join("nginx.conf");
        let half = text.char_indices().map(|(at, _)| at).nth(text.len() / 2).unwrap();
        for text in [text.as_str(), &text[..half], &text[half..]] {
            for format in formats(&file, text.as_bytes()) {
                imported += usize::from(read(&format!("made up by {seed}"), format, text.as_bytes()));
            }
        }
    }
    assert!(imported >= 36, "{imported} imported");
    for (kind, text, expected) in DOCUMENTS {
        let found = formats(Path::new("any"), text.as_bytes());
        assert_eq!(found, expected, "{kind}");
        assert!(found.into_iter().all(|format| read(kind, format, text.as_bytes())), "{kind}");
    }
}

/// Reads a text as a format; whether it was imported, and then it is a valid policy.
fn read(name: &str, format: Format, text: &[u8]) -> bool {
    match import(format, text) {
        Ok(found) => {
            if let Err(invalid) = Policy::from_tree(&found.policy) {
                panic!("{name} as {format:?}: {invalid}");
            }
            println!("{name} as {format:?}: imported, {} notes", found.notes.len());
            true
        }
        Err(error) => {
            println!("{name} as {format:?}: {error}");
            false
        }
    }
}

fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { gather(&path, files) } else { files.push(path) }
    }
}

/// What a file may be: by its words; by its name if these tell nothing.
fn formats(file: &Path, text: &[u8]) -> Vec<Format> {
    let text = String::from_utf8_lossy(text);
    let found = WORDS.iter().filter(|(_, words)| words.iter().any(|word| text.contains(word)));
    let mut found: Vec<Format> = found.map(|(format, _)| *format).collect();
    found.dedup();
    if !found.is_empty() {
        return found;
    }
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml" | "json") => {
            vec![Format::Apisix, Format::Istio, Format::GatewayApi, Format::Envoy]
        }
        _ => vec![Format::Nginx],
    }
}

/// Words that only one system writes.
const WORDS: [(Format, &[&str]); 4] = [
    (Format::Apisix, &["traffic-split", "proxy-mirror", "upstream_id", "ApisixRoute"]),
    (Format::Istio, &["networking.istio.io"]),
    (Format::GatewayApi, &["gateway.networking.k8s.io"]),
    (Format::Envoy, &["virtual_hosts", "static_resources", "dynamic_route_configs"]),
];

/// One of each, which is told from the others by its words and imported.
const DOCUMENTS: [(&str, &str, &[Format]); 4] = [
    (
        "a route of APISIX",
        r#"{"uri": "/*", "upstream": {"nodes": {"10.0.0.1:80": 1}, "type": "roundrobin"}, "plugins": {"traffic-split": {"rules":
            [{"weighted_upstreams": [{"upstream": {"nodes": {"10.0.0.2:80": 1}, "type": "roundrobin"}, "weight": 1}, {"weight": 9}]}]}}}"#,
        &[Format::Apisix],
    ),
    (
        "a VirtualService",
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hosts: [a], http: [{route: \
            [{destination: {host: a, subset: v1}, weight: 90}, {destination: {host: a, subset: v2}, weight: 10}]}]}\n",
        &[Format::Istio],
    ),
    (
        "an HTTPRoute",
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec: {rules: [{backendRefs: [{name: \
            a, port: 80, weight: 9}, {name: b, port: 80, weight: 1}]}]}\n",
        &[Format::GatewayApi],
    ),
    (
        "routes of Envoy",
        r#"{"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route":
            {"cluster": "a"}}]}]}"#,
        &[Format::Envoy],
    ),
];
