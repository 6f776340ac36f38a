//! Places of `compare` that probably reach nothing, or that cost more than they need to. None of it is wrong.

use antumbra_engine::{EndpointPattern, Pattern};
use antumbra_policy::document::{Problem, Tree};
use antumbra_policy::lint::{unlikely_method, unlikely_path};

/// Everything about a policy's `compare` that is probably unintended, in the order of its fields.
pub fn warnings(policy: &Tree) -> Vec<Problem> {
    let Some(compare) = policy.get("compare") else { return Vec::new() };
    let mut found = Vec::new();
    for name in ["ignore", "unordered"] {
        each(&format!("compare.{name}"), compare.get(name), &mut |path, place| {
            self::place(path, place, &mut found);
        });
    }
    each("compare.endpoints", compare.get("endpoints"), &mut |path, written| {
        if let Some((method, route)) = written.split_once(char::is_whitespace) {
            endpoint(path, method, route.trim(), &mut found);
        }
    });
    if let Some(Tree::List(rules)) = compare.get("rules") {
        for (at, rule) in rules.iter().enumerate() {
            let path = format!("compare.rules[{at}].at");
            each(&path, rule.get("at"), &mut |path, place| self::place(path, place, &mut found));
        }
    }
    if let Some(Tree::List(plugins)) = compare.get("plugins") {
        let given = given(compare.get("endpoints"));
        for (at, plugin) in plugins.iter().enumerate() {
            if let Some(Tree::Text(written)) = plugin.get("at") {
                self::plugin(&format!("compare.plugins[{at}].at"), written, &given, &mut found);
            }
        }
    }
    let only = compare.get("headers").and_then(|headers| headers.get("only"));
    each("compare.headers.only", only, &mut |path, place| self::place(path, place, &mut found));
    found
}

fn place(path: &str, text: &str, found: &mut Vec<Problem>) {
    let Ok(pattern) = Pattern::parse(text) else { return };
    if let Some((method, route)) = pattern.endpoint() {
        endpoint(path, method, route, found);
    }
    if pattern.is_deep() {
        let message = format!(
            "is {text:?}, which is looked for at every depth of every answer: where the depth is known, a path with * costs less"
        );
        found.push(Problem { path: path.to_owned(), message });
    }
}

/// The endpoints that the policy names.
fn given(tree: Option<&Tree>) -> Vec<EndpointPattern> {
    let mut given = Vec::new();
    each("", tree, &mut |_, written| given.extend(EndpointPattern::parse(written)));
    given
}

fn plugin(path: &str, written: &str, given: &[EndpointPattern], found: &mut Vec<Problem>) {
    let Some((method, route)) = written.trim().split_once(char::is_whitespace) else { return };
    let route = route.trim();
    endpoint(path, method, route, found);
    let whole = Pattern::parse(&format!("{method} {route} /"));
    if let Some((part, whole)) = whole.as_ref().ok().and_then(|pattern| pattern.is_part_of(given)) {
        let message = format!(
            "names {part:?}, which is only a part of {whole:?} in compare.endpoints: no exchange is of that part alone, so the plugin never runs for it"
        );
        found.push(Problem { path: path.to_owned(), message });
    }
}

fn endpoint(path: &str, method: &str, route: &str, found: &mut Vec<Problem>) {
    let mut warn = |message| found.push(Problem { path: path.to_owned(), message });
    if let Some(odd) = unlikely_method(method).filter(|_| method != "*") {
        warn(format!("names a method that {odd}"));
    }
    // Braces are ours.
    let words = route.replace(['{', '}'], "");
    if words.len() > 1 && words.ends_with('/') {
        let bare = route.trim_end_matches('/');
        warn(format!("names the route {route:?}, which is another endpoint than {bare:?}"));
    } else if unlikely_path(&words).is_some() {
        warn(format!(
            "names the route {route:?}, which hardly any request has: a path is normalised and has no query"
        ));
    }
}

/// The one text, or each of a list, with where it stands.
fn each(path: &str, tree: Option<&Tree>, look: &mut dyn FnMut(&str, &str)) {
    match tree {
        Some(Tree::Text(text)) => look(path, text),
        Some(Tree::List(all)) => {
            for (at, item) in all.iter().enumerate() {
                if let Tree::Text(text) = item {
                    look(&format!("{path}[{at}]"), text);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tree_from_yaml;

    #[test]
    fn places_that_hardly_any_exchange_has() {
        let yaml = b"compare:
  ignore: [/a, GET /search /a, GET /search/ /a, GETS /search /a, GET /a//b /c, GET / /a, '/**/at']
  unordered: [\"GET /search?q=1 /a\"]
  endpoints: ['GET /users/{name}', '* /files/{name}', 'GET /users/{name}/']
  rules: [{at: /a, ignore: true}, {at: [/b, GTE /x /b], ignore: true}]
  headers: {only: ['PATHC /x header:etag']}
  plugins: [{plugin: p, at: GET /x}, {plugin: p, at: GTE /x}, {plugin: p, at: GET /x/}, {plugin: p, at: GET /users/me}, {plugin: p}]
";
        let said: Vec<String> =
            warnings(&tree_from_yaml(yaml).unwrap()).iter().map(ToString::to_string).collect();
        let expected = [
            "compare.ignore[2] names the route \"/search/\", which is another endpoint than \"/search\"",
            "compare.ignore[3] names a method that is \"GETS\", a method that is not in use; did you mean \"GET\"?",
            "compare.ignore[4] names the route \"/a//b\", which hardly any request has: a path is normalised and has no query",
            "compare.ignore[6] is \"/**/at\", which is looked for at every depth of every answer: where the depth is known, a path with * costs less",
            "compare.endpoints[2] names the route \"/users/{name}/\", which is another endpoint than \"/users/{name}\"",
            "compare.rules[1].at[1] names a method that is \"GTE\", a method that is not in use; did you mean \"GET\"?",
            "compare.plugins[1].at names a method that is \"GTE\", a method that is not in use; did you mean \"GET\"?",
            "compare.plugins[2].at names the route \"/x/\", which is another endpoint than \"/x\"",
            "compare.plugins[3].at names \"GET /users/me\", which is only a part of \"GET /users/{name}\" in compare.endpoints: no exchange is of that part alone, so the plugin never runs for it",
            "compare.headers.only[0] names a method that is \"PATHC\", a method that is not in use; did you mean \"PATCH\"?",
        ];
        assert_eq!(said, expected);
    }
}
