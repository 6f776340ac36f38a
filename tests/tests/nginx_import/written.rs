//! A request as `antumbra explain` reads it.

use antumbra_policy::document::Tree;
use antumbra_policy::{Timestamp, WrittenRequest};
use serde_json::{Map, Value, json};

use crate::exchange::Sent;

/// The request; a proxy whose policy reads x-forwarded-for has `appended` its peer to it.
pub(crate) fn written(request: &Sent, appended: bool) -> WrittenRequest {
    let mut headers = Map::new();
    for (name, value) in &request.headers {
        headers.insert((*name).to_owned(), Value::String(value.clone()));
    }
    if appended {
        let before = headers.get("x-forwarded-for").and_then(Value::as_str);
        let all = before.map_or_else(|| request.ip.to_string(), |before| format!("{before}, {}", request.ip));
        headers.insert("x-forwarded-for".to_owned(), Value::String(all));
    }
    if !request.cookie.is_empty() {
        headers.insert("cookie".to_owned(), Value::String(request.cookie.clone()));
    }
    let text = json!({
        "method": request.method, "path": request.path, "host": request.host, "headers": headers,
        "ip": request.ip.to_string(),
    });
    let tree = Tree::from_json(text.to_string().as_bytes()).unwrap();
    WrittenRequest::from_tree(&tree, Timestamp(0)).unwrap()
}
