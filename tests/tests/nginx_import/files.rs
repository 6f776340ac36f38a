//! Files that somebody has: each is read as every format that its name suggests, and what is imported is a valid policy.

use std::fs;
use std::path::{Path, PathBuf};

use antumbra_import::{Format, import};
use antumbra_policy::Policy;

#[test]
fn files_of_a_directory_are_imported_or_refused() {
    let Some(directory) = std::env::var_os("ANTUMBRA_IMPORT_FILES") else {
        println!("ANTUMBRA_IMPORT_FILES names no directory: no such file was checked");
        return;
    };
    let mut files = Vec::new();
    gather(Path::new(&directory), &mut files);
    files.sort();
    assert!(!files.is_empty(), "no file in {}", directory.display());
    let mut imported = 0;
    for file in &files {
        let text = fs::read(file).unwrap();
        for format in formats(file) {
            match import(format, &text) {
                Ok(found) => {
                    imported += 1;
                    if let Err(invalid) = Policy::from_tree(&found.policy) {
                        panic!("{} as {format:?}: {invalid}", file.display());
                    }
                    println!("{} as {format:?}: imported, {} notes", file.display(), found.notes.len());
                }
                Err(error) => println!("{} as {format:?}: {error}", file.display()),
            }
        }
    }
    println!("{} files, {imported} imported", files.len());
}

fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { gather(&path, files) } else { files.push(path) }
    }
}

/// YAML and JSON may be anybody's, all else is nginx's.
fn formats(file: &Path) -> Vec<Format> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml" | "json") => vec![Format::Apisix, Format::Istio, Format::GatewayApi],
        _ => vec![Format::Nginx],
    }
}
