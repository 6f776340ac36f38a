//! Every crate's rooms stand as its plan says, and people see how they stand.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};

use antumbra_e2e::cache;
use serde_json::Value;

use crate::crates::{members, metadata};
use crate::house::House;
use crate::order::problems;
use crate::picture::picture;
use crate::plans::PLANS;

#[test]
fn no_room_knows_one_above_it() {
    let (mut pictures, mut found) = (String::new(), Vec::new());
    for plan in PLANS {
        let house = House::read(plan.name, &format!("{}/lib.rs", plan.sources), &source);
        pictures += &picture(&house);
        found.extend(problems(&house, plan));
    }
    show(&pictures);
    assert!(found.is_empty(), "{} problems\n{}", found.len(), found.join("\n"));
}

/// A crate without a plan would have no order.
#[test]
fn every_crate_has_a_plan() {
    let roots: BTreeSet<String> = members(&metadata()).into_iter().flat_map(roots).collect();
    let planned: BTreeSet<String> = PLANS.iter().map(|plan| format!("{}/lib.rs", plan.sources)).collect();
    assert_eq!(roots, planned, "left: the crates that have modules; right: those with a plan");
}

/// The files from which a crate's programs and library are compiled, as far as they have modules.
fn roots(package: &Value) -> Vec<String> {
    let targets = package["targets"].as_array().unwrap().iter();
    let built = |target: &&Value| {
        target["kind"]
            .as_array()
            .unwrap()
            .iter()
            .any(|kind| ["lib", "cdylib", "rlib", "bin"].iter().any(|k| kind == k))
    };
    let files = targets.filter(built).map(|target| target["src_path"].as_str().unwrap());
    let root = format!("{}/", cache::root().display());
    let files = files.map(|file| file.strip_prefix(&root).unwrap_or(file).to_owned());
    files.filter(|file| House::read("", file, &source).files.len() > 1).collect()
}

fn source(file: &str) -> Option<String> {
    fs::read_to_string(cache::root().join(file)).ok()
}

/// Past the test runner, which keeps what the print macros say of a test that passes.
fn show(text: &str) {
    let mut out = io::stdout().lock();
    let shown = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    shown.unwrap_or_else(|error| panic!("cannot show the house: {error}"));
}
