//! One door to each outside world, and a word at the top of every file.

use std::collections::BTreeSet;
use std::path::Path;

use crate::sources::{read, relative, sources};

/// One door to each outside world; to the filter's host one out and one in. A door is a module: a file, and the folder of its name.
#[test]
fn each_outside_world_has_one_door() {
    let doors = [
        ("wasm_import_module", &["filter/src/host.rs"][..]),
        ("no_mangle", &["filter/src/exports.rs"]),
        // The example is what a benchmark measures the store against.
        ("rusqlite", &["comparator/store/examples/group_commit.rs", "comparator/store/src/sqlite.rs"]),
        ("wasmtime", &["comparator/sandbox/src/lib.rs"]),
    ];
    for (word, doors) in doors {
        let naming: BTreeSet<String> = sources()
            .into_iter()
            .filter(|path| !is_test(path) && code_names(&read(path), word))
            .map(|path| relative(&path))
            .map(|path| {
                doors.iter().find(|door| is_within(&path, door)).map_or(path, |door| (*door).to_owned())
            })
            .collect();
        let doors: BTreeSet<String> = doors.iter().map(|door| (*door).to_owned()).collect();
        assert_eq!(naming, doors, "who names {word}");
    }
}

/// Whether a file is in the folder of a module.
fn is_within(path: &str, module: &str) -> bool {
    Path::new(path).starts_with(Path::new(module).with_extension(""))
}

/// A test may look behind a door, to see what was stored.
fn is_test(path: &Path) -> bool {
    path.ancestors()
        .skip(1)
        .take(2)
        .any(|directory| directory.ends_with("tests") && !directory.join("src").is_dir())
}

/// A handler that gets into the router by another way could do without a permission.
#[test]
fn routes_are_made_in_one_place() {
    for word in [".route(", ".route_service(", ".nest("] {
        let made: Vec<String> = sources()
            .into_iter()
            .filter(|path| path.ancestors().any(|folder| folder.ends_with("comparator/src")))
            .filter(|path| code_names(&read(path), word))
            .map(|path| relative(&path))
            .collect();
        let expected: &[&str] = if word == ".route(" { &["comparator/src/api/route.rs"] } else { &[] };
        assert_eq!(made, expected, "who names {word}");
    }
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

/// Is the word in the code, comments aside?
fn code_names(source: &str, word: &str) -> bool {
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).any(|code| code.contains(word))
}
