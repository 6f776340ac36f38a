//! Documents name paths that exist.

use std::fs;

use antumbra_e2e::cache;

use crate::sources::read;

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
