//! A schema as a page to read: each object with its fields, each field with its value and its meaning.

use std::fmt::Write as _;

use antumbra_policy::document::Tree;

/// The page of a schema of draft 2020-12 whose objects stand in `$defs`.
pub(super) fn page(schema: &Tree) -> String {
    let mut out = format!("# {}\n\n{}\n", text(schema, "title"), text(schema, "description"));
    let _ = write!(out, "\n## {ROOT}\n\n{}", table(schema));
    let empty = Vec::new();
    let definitions = match schema.get("$defs") {
        Some(Tree::Map(entries)) => entries,
        _ => &empty,
    };
    let (objects, values): (Vec<_>, Vec<_>) =
        definitions.iter().partition(|(_, definition)| definition.get("properties").is_some());
    for (name, definition) in objects {
        let _ = write!(out, "\n## {name}\n\n{}\n\n{}", text(definition, "description"), table(definition));
    }
    out.push_str("\n## Values\n\n| | written as | |\n|---|---|---|\n");
    for (name, definition) in values {
        let meaning = cell(text(definition, "description"));
        let _ = writeln!(
            out,
            "| <a id=\"{name}\"></a>{name} | {} | {meaning}{} |",
            written(definition),
            examples(definition)
        );
    }
    out
}

/// The fields of an object; those of an object within it have dotted names.
fn table(object: &Tree) -> String {
    let mut out = "| Field | Value | Meaning |\n|---|---|---|\n".to_owned();
    rows(&mut out, "", object);
    out
}

fn rows(out: &mut String, above: &str, object: &Tree) {
    let Some(Tree::Map(fields)) = object.get("properties") else { return };
    for (name, field) in fields {
        let name = format!("{above}{name}");
        let meaning = cell(text(field, "description"));
        let _ = writeln!(out, "| `{name}` | {} | {meaning}{} |", written(field), examples(field));
        rows(out, &format!("{name}."), field);
    }
}

/// What may stand there: a type, the allowed words, or the object that is described elsewhere.
fn written(value: &Tree) -> String {
    if let Some(Tree::Text(reference)) = value.get("$ref") {
        let name = reference.trim_start_matches("#/$defs/");
        return format!("[{name}](#{})", name.to_ascii_lowercase());
    }
    if let Some(Tree::List(words)) = value.get("enum") {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", scalar(word))).collect();
        return words.join(", ");
    }
    if let Some(only) = value.get("const") {
        return format!("`{}`", scalar(only));
    }
    let mut types: Vec<String> = match value.get("type") {
        Some(Tree::Text(one)) => vec![one.clone()],
        Some(Tree::List(several)) => several.iter().map(scalar).collect(),
        _ => Vec::new(),
    };
    if let (Some(place), Some(items)) = (types.iter().position(|one| one == "array"), value.get("items")) {
        let items = written(items);
        types.iter_mut().skip(place).take(1).for_each(|one| *one = format!("list of {items}"));
    }
    if let (Some(place), Some(members @ Tree::Map(_))) =
        (types.iter().position(|one| one == "object"), value.get("additionalProperties"))
    {
        let members = written(members);
        types.iter_mut().skip(place).take(1).for_each(|one| *one = format!("names to {members}"));
    }
    types.join(" or ")
}

fn examples(value: &Tree) -> String {
    let Some(Tree::List(examples)) = value.get("examples") else { return String::new() };
    let examples: Vec<String> = examples.iter().map(|example| format!("`{}`", scalar(example))).collect();
    format!(" Such as {}.", cell(&examples.join(", ")))
}

fn scalar(value: &Tree) -> String {
    match value {
        Tree::Text(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

fn text<'t>(value: &'t Tree, key: &str) -> &'t str {
    match value.get(key) {
        Some(Tree::Text(text)) => text,
        _ => "",
    }
}

/// What stands in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

const ROOT: &str = "Document";
