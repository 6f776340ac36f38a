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
        "docs/BUILDING.md",
        "docs/GLOSSARY.md",
        "docs/OPERATING.md",
        "docs/PERFORMANCE.md",
        "docs/REPORT.md",
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

/// A reader of the first page has a minute.
#[test]
fn no_sentence_of_the_first_page_is_long() {
    let page = read(&cache::root().join("README.md"));
    let long: Vec<String> =
        sentences(&page).into_iter().filter(|sentence| words(sentence) > MAX_WORDS).collect();
    assert!(long.is_empty(), "more than {MAX_WORDS} words: {long:#?}");
}

#[test]
fn sentences_are_told_apart() {
    let text = "# A title\n\nOne, two.\nThree `a. b` four: five. Six\n\n- seven\n- eight\n\n```\nno. sentence\n```\n\n| a | b |\n|---|---|\n| x. | y |\n";
    let found = sentences(text);
    assert_eq!(found, ["One, two.", "Three `a. b` four: five.", "Six", "seven", "eight"]);
    assert_eq!(found.iter().map(|sentence| words(sentence)).collect::<Vec<_>>(), [2, 4, 1, 1, 1]);
}

/// Of the running text: neither headings nor tables nor what stands in fences.
fn sentences(document: &str) -> Vec<String> {
    let running = document.split("```").step_by(2).flat_map(|text| text.split("\n\n"));
    let blocks = running.filter(|block| !block.trim_start().starts_with(['|', '#']));
    let items = blocks
        .flat_map(|block| block.trim().split("\n- ").map(|item| item.trim_start_matches("- ").to_owned()));
    items.flat_map(|item| split_at_ends(&item)).collect()
}

fn split_at_ends(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut sentence = String::new();
    let (mut marks, mut ended) = (0_usize, false);
    for c in text.chars() {
        marks += usize::from(c == '`');
        if ended && c.is_whitespace() && marks.is_multiple_of(2) {
            found.push(std::mem::take(&mut sentence));
        }
        ended = matches!(c, '.' | '?' | '!');
        sentence.push(c);
    }
    found.push(sentence);
    found.iter().map(|sentence| sentence.trim().to_owned()).filter(|sentence| !sentence.is_empty()).collect()
}

/// A code span or the target of a link is one word.
fn words(sentence: &str) -> usize {
    let plain: Vec<&str> = sentence.split('`').step_by(2).collect();
    plain.join("x").split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

const MAX_WORDS: usize = 30;
