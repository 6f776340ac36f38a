//! The schema of an observation says what the reader says, field by field.

use std::collections::BTreeSet;

use antumbra_observation::{
    Body, Bytes, ExchangeId, Leg, Observation, Outcome, Request, Response, SCHEMA, Unsent,
};
use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("observation.json", serde_json::from_str(SCHEMA).unwrap()).unwrap();
        let index = compiler.compile("observation.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn refuses(&self, document: &Value) -> Option<String> {
        self.schemas.validate(document, self.index).err().map(|error| error.to_string())
    }
}

/// Everything that an observation can say.
fn full() -> Value {
    json!({
        "version": 1, "id": "000000000000000000000000000000ff", "release": "shop", "generation": 3, "rule": "shadow", "client": 7,
        "atUs": 1_700_000_000_000_000_u64,
        "request": {
            "method": "POST", "path": {"base64": "L/8="}, "authority": "shop.test",
            "headers": [["accept", "*/*"], ["x-raw", {"base64": "/w=="}]], "body": {"whole": "a=1"}
        },
        "primary": {
            "variant": "stable", "outcome": "response", "sentUs": 3, "latencyUs": 10,
            "response": {"status": 200, "headers": [["a", "b"]], "body": {"whole": [1, 2]}, "trailers": [["t", "u"]]}
        },
        "candidate": {"outcome": "response", "response": {"status": 500, "body": {"cut": {"length": 9, "xxh3": u64::MAX}}}},
        "control": {"outcome": "response", "sentUs": null, "latencyUs": null, "reason": "breaker", "response": {"status": 200, "body": "same"}}
    })
}

/// What the reader says.
fn refused(document: &Value) -> Option<String> {
    match serde_json::from_value::<Observation>(document.clone()) {
        Ok(observation) => observation.check(0, 0).err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// Every place of a document, as JSON Pointers.
fn places(document: &Value, at: &str, found: &mut Vec<String>) {
    let inside: Vec<(String, &Value)> = match document {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (format!("{at}/{name}"), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(n, value)| (format!("{at}/{n}"), value)).collect()
        }
        _ => Vec::new(),
    };
    for (path, value) in inside {
        found.push(path.clone());
        places(value, &path, found);
    }
}

fn without(mut document: Value, place: &str) -> Value {
    let (parent, name) = place.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.remove(name)),
        Value::Array(items) => drop(items.remove(name.parse().unwrap())),
        _ => unreachable!(),
    }
    document
}

#[test]
fn schema_and_reader_agree_on_whatever_is_changed() {
    let schema = Schema::new();
    assert_eq!((schema.refuses(&full()), refused(&full())), (None, None));
    let mut all = Vec::new();
    places(&full(), "", &mut all);
    let others = [
        json!(null),
        json!(0),
        json!(2),
        json!(-1),
        json!(1.5),
        json!(70_000),
        json!("same"),
        json!("response"),
        json!("timeout"),
        json!("x"),
        json!([]),
        json!({}),
        json!({"base64": "/w=="}),
        json!({"base64": "?"}),
        json!({"whole": "x"}),
        json!({"cut": {}}),
        json!(["a", "b"]),
        json!([["a", "b"]]),
        json!(true),
    ];
    let mut tried = 0;
    let mut check = |changed: &Value, what: &str| {
        let (schema, reader) = (schema.refuses(changed), refused(changed));
        assert_eq!(
            schema.is_some(),
            reader.is_some(),
            "{what}: {changed}\nschema: {schema:?}\nreader: {reader:?}"
        );
        tried += 1;
    };
    for place in &all {
        check(&without(full(), place), place);
        for other in &others {
            let mut changed = full();
            // The reader also takes the values of an object as a list, in the order in which it knows them.
            if other.is_array() && changed.pointer(place).is_some_and(Value::is_object) {
                continue;
            }
            *changed.pointer_mut(place).unwrap() = other.clone();
            check(&changed, place);
        }
    }
    assert!(tried > 800, "only {tried} changes");
}

/// Whoever adds a field to the contract has to add it here, for this does not compile without, and then to the schema.
#[test]
fn every_field_of_the_contract_is_in_the_schema() {
    fn names(value: &Value, member: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                if member.is_empty() || member == "properties" {
                    found.insert(name.clone());
                }
                names(value, if member.is_empty() { "" } else { name }, found);
            }),
            Value::Array(items) => items.iter().for_each(|item| names(item, member, found)),
            _ => {}
        }
    }
    let fields = || vec![("a".into(), Bytes(vec![0xff]))];
    let leg = |body| Leg {
        variant: "v".to_owned(),
        outcome: Outcome::Response,
        sent_us: Some(u32::MAX),
        latency_us: Some(1),
        response: Some(Response { status: 200, headers: fields(), body, trailers: fields() }),
        reason: Some(Unsent::Other),
    };
    let observation = Observation {
        version: 1,
        id: ExchangeId(1),
        release: "shop".to_owned(),
        generation: 1,
        rule: Some("r".to_owned()),
        at_us: 1,
        client: Some(u32::MAX),
        request: Request {
            method: "GET".into(),
            path: "/".into(),
            authority: "a".into(),
            headers: fields(),
            body: Body::Whole("x".into()),
        },
        primary: leg(Body::Whole("x".into())),
        candidate: leg(Body::Cut { length: 1, xxh3: 1 }),
        control: Some(leg(Body::Same)),
    };
    let written = serde_json::to_value(observation).unwrap();
    assert_eq!(Schema::new().refuses(&written), None);
    let (mut said, mut described) = (BTreeSet::new(), BTreeSet::new());
    names(&written, "", &mut said);
    names(&serde_json::from_str(SCHEMA).unwrap(), "$", &mut described);
    let missing: Vec<&String> = said.difference(&described).collect();
    assert!(missing.is_empty(), "the schema does not know {missing:?}");
}

/// A field without a word about it, or one that the reader does not know, would be of no use.
#[test]
fn every_field_is_described() {
    fn silent(schema: &Value, at: &str, found: &mut Vec<String>) {
        let Some(members) = schema.as_object() else { return };
        for (name, property) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{at}.{name}");
            if property.get("description").is_none()
                && property.get("$ref").is_none()
                && !at.contains("allOf")
            {
                found.push(path.clone());
            }
            silent(property, &path, found);
        }
        for (name, definition) in members.get("$defs").and_then(Value::as_object).into_iter().flatten() {
            silent(definition, name, found);
        }
    }
    let mut found = Vec::new();
    silent(&serde_json::from_str(SCHEMA).unwrap(), "", &mut found);
    assert_eq!(found, ["bytes.base64"; 0].map(str::to_owned));
}
