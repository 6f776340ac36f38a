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

/// The names of the files of a text, in its order.
pub(super) fn names(text: &str) -> Vec<&str> {
    text.lines().filter_map(marked).collect()
}

/// Where something stands, by the place that a directive gives of itself: the number of its file and the line. What has no
/// place comes last.
pub(super) fn place(names: &[&str], at: &str) -> (usize, usize) {
    let Some((file, line)) = at.rsplit_once("line ") else { return (usize::MAX, 0) };
    let Ok(line) = line.parse() else { return (usize::MAX, 0) };
    let file = file.trim_end();
    (names.iter().position(|name| *name == file).unwrap_or(0), line)
}

/// The file that begins behind a line.
fn marked(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix(MARK)?.strip_suffix(':')
}

/// Name and text of each file, behind the line `# configuration file /etc/nginx/nginx.conf:`.
fn sections(text: &str) -> Vec<(&str, &str)> {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(name) = marked(line) {
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
    let (patterns, steps) = (pattern.split(|b| *b == b'/'), path.split(|b| *b == b'/'));
    patterns.clone().count() == steps.clone().count()
        && patterns.zip(steps).all(|(pattern, step)| fits(pattern, step))
}

/// The same for one step of a path. Only the last `*` is ever tried anew: what an earlier one took may stay as it is.
fn fits(mut pattern: &[u8], mut step: &[u8]) -> bool {
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            star = Some((rest, step));
            pattern = rest;
        } else if let ([], []) = (pattern, step) {
            return true;
        } else if let Some((behind, left)) = one(pattern, step) {
            (pattern, step) = (behind, left);
        } else if let Some((behind, [_, left @ ..])) = star {
            star = Some((behind, left));
            (pattern, step) = (behind, left);
        } else {
            return false;
        }
    }
}

/// What is left of both behind one character that fits.
fn one<'p, 's>(pattern: &'p [u8], step: &'s [u8]) -> Option<(&'p [u8], &'s [u8])> {
    let (first, left) = step.split_first()?;
    let (fits, behind) = match pattern {
        [b'?', rest @ ..] => (true, rest),
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b']')?;
            let (class, rest) = rest.split_at_checked(end)?;
            (in_class(class, *first), rest.get(1..)?)
        }
        [wanted, rest @ ..] => (wanted == first, rest),
        [] => return None,
    };
    fits.then_some((behind, left))
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
            ("/a/*a*b", "/a/xaxab", true),
            ("/a/*a*b", "/a/xaxabc", false),
            // Tried in every way, this one would take longer than the universe is old.
            (
                "/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
                "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                false,
            ),
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
