//! The files of one text: what `nginx -T` prints holds all of them, and every `include` is replaced by what it includes.
//!
//! Paths are relative to the directory of the first file, wherever they stand, and a pattern takes the files in the order
//! of their names, both as in nginx. An `include` whose file is not in the text stays, to be noted where it stands.

use std::collections::BTreeMap;

use super::syntax::{self, Directive};
use crate::ImportError;

/// Reads a text, be it one file or what `nginx -T` prints.
///
/// # Errors
/// A file that cannot be read as nginx's syntax.
pub(super) fn read(text: &str) -> Result<Vec<Directive>, ImportError> {
    let sections = sections(text);
    let Some((main, _)) = sections.first() else { return syntax::parse(text, "") };
    let mut files = BTreeMap::new();
    for (name, text) in &sections {
        files.insert(*name, syntax::parse(text, name)?);
    }
    let directory = main.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut includes = Includes { files: &files, directory, left: MAX_DIRECTIVES };
    Ok(includes.resolved(files.get(main).map_or(&[], Vec::as_slice), 0))
}

/// Name and text of each file, behind the line `# configuration file /etc/nginx/nginx.conf:`.
fn sections(text: &str) -> Vec<(&str, &str)> {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let named = line.trim_end().strip_prefix(MARK).and_then(|rest| rest.strip_suffix(':'));
        if let Some(name) = named {
            starts.push((at, at + line.len(), name));
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(start, ..)| *start).chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|((_, from, name), end)| (*name, text.get(*from..end).unwrap_or_default()))
        .collect()
}

struct Includes<'f> {
    files: &'f BTreeMap<&'f str, Vec<Directive>>,
    directory: &'f str,
    /// How many directives may still be copied: files that include each other twice grow without end.
    left: usize,
}

impl Includes<'_> {
    fn resolved(&mut self, directives: &[Directive], depth: usize) -> Vec<Directive> {
        let mut all = Vec::new();
        for directive in directives {
            if directive.name == "include"
                && depth < DEEPEST
                && let Some(included) = self.included(directive.text(0), depth)
            {
                all.extend(included);
                continue;
            }
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                break;
            }
            let block = self.resolved(&directive.block, depth);
            all.push(directive.with(block));
        }
        all
    }

    /// What an `include` stands for; `None` if its file is not in the text. A pattern may well match nothing.
    fn included(&mut self, path: &str, depth: usize) -> Option<Vec<Directive>> {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.directory) };
        let files = self.files;
        if let Some(file) = files.get(path.as_str()) {
            return Some(self.resolved(file, depth + 1));
        }
        let pattern = path.contains(['*', '?', '[']);
        let fitting = files.iter().filter(|(name, _)| matches(path.as_bytes(), name.as_bytes()));
        let fitting: Vec<_> = fitting.map(|(_, file)| file).collect();
        pattern.then(|| fitting.into_iter().flat_map(|file| self.resolved(file, depth + 1)).collect())
    }
}

/// Whether a path fits a pattern of a shell, in which no wildcard stands for a slash.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            let within = path.iter().take_while(|byte| **byte != b'/').count();
            (0..=within).any(|taken| matches(rest, path.get(taken..).unwrap_or_default()))
        }
        ([b'?', rest @ ..], [first, path @ ..]) => *first != b'/' && matches(rest, path),
        ([b'[', rest @ ..], [first, path @ ..]) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (class, rest) = rest.split_at_checked(end).unwrap_or_default();
            in_class(class, *first) && matches(rest.get(1..).unwrap_or_default(), path)
        }
        ([wanted, rest @ ..], [first, path @ ..]) => wanted == first && matches(rest, path),
        _ => false,
    }
}

fn in_class(class: &[u8], byte: u8) -> bool {
    let (negated, class) = match class {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let range = class.windows(3).any(|part| matches!(part, [from, b'-', to] if (from..=to).contains(&&byte)));
    (range || class.contains(&byte)) != negated
}

const MARK: &str = "# configuration file ";
/// Files that include each other.
const DEEPEST: usize = 16;
const MAX_DIRECTIVES: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_paths() {
        for (pattern, path, expected) in [
            ("/a/*.conf", "/a/x.conf", true),
            ("/a/*.conf", "/a/b/x.conf", false),
            ("/a/*/*.conf", "/a/b/x.conf", true),
            ("/a/?[0-9].conf", "/a/x7.conf", true),
            ("/a/[!x]7.conf", "/a/x7.conf", false),
            ("/a/[xy", "/a/x", false),
            ("/a/x.conf", "/a/x.conf", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn files_that_include_each_other_come_to_an_end() {
        let text = "# configuration file /c/a:\ninclude b; include b; x 1;\n# configuration file /c/b:\ninclude a; \
            include a; y 2;\n";
        let read = read(text).unwrap();
        assert!(!read.is_empty() && read.len() <= MAX_DIRECTIVES);
    }
}
