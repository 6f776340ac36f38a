//! An example plugin for a shop: what differs with every build is taken out, and prices are equal to the cent.
//!
//! The normaliser drops `buildId` wherever it stands and sorts `tags`; the judge compares what is left, numbers named `price` with
//! a tolerance. Neither knows whose answer it sees, so neither can favour a version.

use antumbra::plugin::types::{Answer, Difference, Kind, Rewritten};
use serde_json::Value;

wit_bindgen::generate!({ world: "plugin", path: "../.." });

struct Shop;

export!(Shop);

impl exports::antumbra::plugin::normaliser::Guest for Shop {
    fn normalise(_endpoint: String, answer: Answer) -> Result<Option<Rewritten>, String> {
        if !is_json(&answer) {
            return Ok(None);
        }
        let mut body = parsed(&answer)?;
        settle(&mut body);
        let headers = answer.headers.into_iter().filter(|field| field.name != "x-build-id").collect();
        Ok(Some(Rewritten { headers, body: body.to_string().into_bytes() }))
    }
}

impl exports::antumbra::plugin::judge::Guest for Shop {
    fn judge(_endpoint: String, primary: Answer, other: Answer) -> Result<Vec<Difference>, String> {
        let mut found = Vec::new();
        match (is_json(&primary), is_json(&other)) {
            (true, true) => compare("", &parsed(&primary)?, &parsed(&other)?, &mut found),
            (false, false) if primary.body == other.body => {}
            _ => found.push(difference("", Kind::Value, "a body", "another one")),
        }
        Ok(found)
    }
}

/// Drops build ids and puts tags in order, at every depth.
fn settle(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("buildId");
            if let Some(Value::Array(tags)) = members.get_mut("tags") {
                tags.sort_by_key(Value::to_string);
            }
            members.values_mut().for_each(settle);
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

fn compare(path: &str, primary: &Value, other: &Value, found: &mut Vec<Difference>) {
    match (primary, other) {
        (Value::Object(left), Value::Object(right)) => {
            for (name, value) in left {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                match right.get(name) {
                    Some(other) => compare(&path, value, other, found),
                    None => found.push(difference(&path, Kind::Missing, value, "(absent)")),
                }
            }
            for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
                found.push(difference(&format!("{path}/{name}"), Kind::Extra, "(absent)", value));
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let path = format!("{path}/*");
            left.iter().zip(right).for_each(|(left, right)| compare(&path, left, right, found));
        }
        (Value::Array(left), Value::Array(right)) => {
            found.push(difference(path, Kind::Length, left.len(), right.len()));
        }
        _ if path.ends_with("/price") && is_near(primary, other) => {}
        _ if primary == other => {}
        _ => found.push(difference(path, Kind::Value, primary, other)),
    }
}

/// Prices that round to the same cent, or nearly so, are the same price.
fn is_near(primary: &Value, other: &Value) -> bool {
    match (primary.as_f64(), other.as_f64()) {
        (Some(left), Some(right)) => (left - right).abs() < 0.011,
        _ => false,
    }
}

fn difference(path: &str, kind: Kind, primary: impl ToString, other: impl ToString) -> Difference {
    Difference { path: path.to_owned(), kind, primary: primary.to_string(), other: other.to_string() }
}

fn is_json(answer: &Answer) -> bool {
    let mut types = answer.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("content-type"));
    types.next().is_some_and(|field| field.value.starts_with(b"application/json"))
}

fn parsed(answer: &Answer) -> Result<Value, String> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| format!("a body that says it is JSON is none: {error}"))
}
