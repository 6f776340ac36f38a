//! Changes of headers as a policy takes them: what it would refuse, and what the peer would have filled in, becomes a note.

use antumbra_policy::document::Tree;

use super::{Changes, Draft};

impl Draft {
    /// The policy's `headers`; `None` if nothing is left of them.
    pub(crate) fn headers(&mut self, at: &str, changes: Changes) -> Option<Tree> {
        let mut tree = Tree::Map(Vec::new());
        for (field, pairs) in [("set", changes.set), ("add", changes.add)] {
            let mut written = Tree::Map(Vec::new());
            for (name, value) in pairs {
                match refusal(&name, &value) {
                    Some(why) => {
                        self.note(at, format!("the change of header {name:?} is not carried over: {why}"));
                    }
                    None => {
                        let value = Tree::Text(value);
                        if field == "add" && written.get(&name).is_some_and(|known| *known != value) {
                            self.added_twice(at, &name, &value);
                        } else {
                            written.set(&name, value);
                        }
                    }
                }
            }
            if written != Tree::Map(Vec::new()) {
                tree.set(field, written);
            }
        }
        let mut removed = Vec::new();
        for name in changes.remove {
            match refusal(&name, "") {
                Some(why) => self.note(at, format!("header {name:?} is not removed: {why}")),
                None => removed.push(Tree::Text(name)),
            }
        }
        if !removed.is_empty() {
            tree.set("remove", Tree::List(removed));
        }
        for field in ["set", "add", "remove"] {
            if let Some(changes) = tree.get_mut(field) {
                self.shorten(at, changes);
            }
        }
        (tree != Tree::Map(Vec::new())).then_some(tree)
    }

    fn shorten(&mut self, at: &str, changes: &mut Tree) {
        let over = match changes {
            Tree::Map(entries) if entries.len() > MAX_CHANGES => entries.split_off(MAX_CHANGES).len(),
            Tree::List(items) if items.len() > MAX_CHANGES => items.split_off(MAX_CHANGES).len(),
            _ => return,
        };
        let changes = if over == 1 { "change of headers is" } else { "changes of headers are" };
        self.note(at, format!("{over} {changes} not carried over: a policy takes {MAX_CHANGES}"));
    }
}

fn refusal(name: &str, value: &str) -> Option<&'static str> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || !name.bytes().all(token) {
        return Some("it is not the name of a header that a policy can change");
    }
    if MEANINGFUL.contains(&lower.as_str()) {
        return Some("the header has a meaning of its own");
    }
    if filled_in(value) {
        return Some("its value is filled in for each request");
    }
    let visible = value.bytes().all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t'));
    let fits = visible && value.len() <= LONGEST_VALUE && value.trim() == value;
    (!fits).then_some("its value is not visible ASCII without blanks around")
}

/// Envoy's `%REQ(x)%`, which Istio's values may have, too.
fn filled_in(value: &str) -> bool {
    let mut parts = value.split('%').skip(1);
    parts.any(|part| part.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// The policy refuses changes of these.
const MEANINGFUL: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-antumbra-shadow",
];
/// Of one kind.
const MAX_CHANGES: usize = 32;
/// Bytes.
const LONGEST_VALUE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_refuses_is_noted() {
        let mut draft = Draft::default();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let changes = Changes {
            set: vec![pair("x-a", "1 %"), pair("Host", "b"), pair(":path", "/"), pair("x-b", "%REQ(x)%")],
            add: vec![pair("x-c", "é"), pair("x-d", " d")],
            remove: vec!["te".to_owned(), "x-e".to_owned()],
        };
        let headers = draft.headers("here", changes).unwrap();
        assert_eq!(serde_json::to_string(&headers).unwrap(), r#"{"set":{"x-a":"1 %"},"remove":["x-e"]}"#);
        assert_eq!(draft.notes.len(), 6);
        assert_eq!(draft.headers("here", Changes::default()), None);
        let many = Changes { remove: (0..40).map(|n| format!("x-{n}")).collect(), ..Changes::default() };
        let headers = draft.headers("there", many).unwrap();
        assert!(matches!(headers.get("remove"), Some(Tree::List(names)) if names.len() == 32));
        assert_eq!(
            draft.notes.last().unwrap().what,
            "8 changes of headers are not carried over: a policy takes 32"
        );
    }
}
