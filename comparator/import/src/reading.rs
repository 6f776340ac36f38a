//! YAML and JSON as trees, also JSON that people have commented.
//!
//! JSON is a part of YAML, but comments as `//` and `/* */` are not: YAML would take them for a part of the next key, and what
//! that key says would be lost. So they are taken out where JSON remains, and refused where it does not.

use antumbra_policy::document::Tree;

use crate::imported::ImportError;

/// All documents of a stream; a Kubernetes `List` counts as its items. A header that is to be `yes` or `on` stays a text.
pub(super) fn documents(text: &str) -> Result<Vec<Tree>, ImportError> {
    if let Some(bare) = without_comments(text)
        && let Ok(tree) = Tree::from_json(bare.as_bytes())
    {
        return Ok(unlisted(tree));
    }
    let options = serde_saphyr::options! { strict_booleans: true };
    let documents: Vec<Tree> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| ImportError::Yaml(error.to_string()))?;
    if let Some(key) = documents.iter().find_map(commented) {
        return Err(ImportError::Yaml(format!(
            "{key:?} is read as a name: a comment in YAML begins with #, and JSON with comments has to be JSON otherwise"
        )));
    }
    Ok(documents.into_iter().flat_map(unlisted).collect())
}

fn unlisted(document: Tree) -> Vec<Tree> {
    match document.get("items") {
        Some(Tree::List(items)) if document.get("kind").is_some() => items.clone(),
        _ => vec![document],
    }
}

/// The name of a member that begins with a comment.
fn commented(tree: &Tree) -> Option<String> {
    match tree {
        Tree::Map(entries) => entries.iter().find_map(|(key, value)| {
            let comment = key.starts_with("//") || (key.starts_with("/*") && key.contains("*/"));
            comment.then(|| key.chars().take(SHOWN).collect()).or_else(|| commented(value))
        }),
        Tree::List(items) => items.iter().find_map(commented),
        _ => None,
    }
}

/// What would be JSON without its comments and its last commas; `None` where it does not begin as JSON does.
fn without_comments(text: &str) -> Option<String> {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    if !rest.starts_with(['{', '[', '/']) {
        return None;
    }
    let mut bare = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => quoted(rest),
            '/' if rest.starts_with("//") => {
                rest = rest.get(rest.find('\n').unwrap_or(rest.len())..)?;
                continue;
            }
            '/' if rest.starts_with("/*") => {
                rest = rest.get(rest.find("*/")? + 2..)?;
                bare.push(' ');
                continue;
            }
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at_checked(length)?;
        if matches!(token, "}" | "]") {
            let kept = bare.trim_end();
            if let Some(kept) = kept.strip_suffix(',') {
                bare.truncate(kept.len());
            }
        }
        bare.push_str(token);
        rest = after;
    }
    Some(bare)
}

/// Bytes of the text in quotes with which `rest` begins.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}

/// Characters of a name in an error.
const SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_part_of_json() {
        for (text, expected) in [
            (
                r#"{"a": 1, // first
                 "b": "x // y /* z */ \" //", /* last */
                 "c": [1, 2,], }"#,
                r#"{"a":1,"b":"x // y /* z */ \" //","c":[1,2]}"#,
            ),
            ("// all\n[{\"uri\": \"/*\"}]", r#"[{"uri":"/*"}]"#),
            ("/* a */ {\"uri\": \"/*\" /* b\n */}", r#"{"uri":"/*"}"#),
        ] {
            let expected = Tree::from_json(expected.as_bytes()).unwrap();
            assert_eq!(documents(text).unwrap(), [expected], "{text}");
        }
    }

    #[test]
    fn comments_in_yaml_are_refused_unless_they_are_its_own() {
        let refused = documents("{\n  // who\n  uri: /*, upstream_id: 1\n}").unwrap_err().to_string();
        assert!(refused.starts_with("input is not YAML or JSON: \"// who"), "{refused}");
        let read = documents("{uri: /*, b: '//x'} # fine").unwrap();
        assert_eq!(read[0].get("uri"), Some(&Tree::Text("/*".to_owned())));
    }

    #[test]
    fn unfinished_texts_are_survived() {
        for text in ["{\"", "{/*", "{//", "[\"\\", "/", "{,}", "\u{feff}{}"] {
            let _ = documents(text);
        }
    }
}
