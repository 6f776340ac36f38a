//! Where the sources are that the rules hold for.

use std::fs;
use std::path::{Path, PathBuf};

use antumbra_e2e::cache;

pub(crate) fn sources() -> Vec<PathBuf> {
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

pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(cache::root()).unwrap_or(path).display().to_string()
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
