//! Changes to headers that a policy writes down, checked so that they can never break a message.

use crate::document::{Field, Tree, all};
use crate::names::{HEADER_NAMES, header_name};

/// What a policy changes in the headers of a request: first it removes, then it sets, then it adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderChanges {
    /// The headers that lose all their values.
    pub remove: Vec<String>,
    /// The headers that have exactly this value afterwards.
    pub set: Vec<(String, String)>,
    /// The headers that get this value besides those that they have.
    pub add: Vec<(String, String)>,
}

impl HeaderChanges {
    pub(crate) fn read(field: &Field<'_>) -> Option<Self> {
        let map = field.map(&["set", "add", "remove"])?;
        let set = map.get("set").map_or_else(|| Some(Vec::new()), read_values);
        let add = map.get("add").map_or_else(|| Some(Vec::new()), read_values);
        let remove = map.get("remove").map_or_else(
            || Some(Vec::new()),
            |field| field.each(1..=MOST, |field| settable_name(field, field.text()?)),
        );
        Some(Self { remove: remove?, set: set?, add: add? })
    }
}

/// The name of a header that is the policy's own to say something by: none that others use, or that frames a message.
pub(crate) fn own_name(field: &Field<'_>, name: &str) -> Option<String> {
    let name = settable_name(field, name)?;
    if CREDENTIALS.contains(&name.as_str()) {
        field.note(format!("is the header {name:?}, {MEANINGFUL}"));
        return None;
    }
    Some(name)
}

/// The name of a header that a policy may change.
pub(crate) fn settable_name(field: &Field<'_>, name: &str) -> Option<String> {
    let Some(name) = header_name(name) else {
        field.note(format!("is the name {name:?}, which {HEADER_NAMES}"));
        return None;
    };
    if FRAMING.contains(&name.as_str()) {
        field.note(format!("is the header {name:?}, {MEANINGFUL}"));
        return None;
    }
    Some(name)
}

fn read_values(field: &Field<'_>) -> Option<Vec<(String, String)>> {
    let entries = field.entries()?;
    if !(1..=MOST).contains(&entries.len()) {
        field.note(format!("has {} headers, must have 1..={MOST}", entries.len()));
        return None;
    }
    all(&entries, |(name, field)| {
        let name = settable_name(field, name);
        let value = read_value(field);
        name.zip(value)
    })
}

fn read_value(field: &Field<'_>) -> Option<String> {
    let text = match field.tree() {
        Tree::Integer(number) => number.to_string(),
        _ => field.text()?.to_owned(),
    };
    let visible = text.bytes().all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t'));
    if visible && text.len() <= LONGEST_VALUE && text.trim() == text {
        return Some(text);
    }
    field.problem(format!("must be at most {LONGEST_VALUE} visible ASCII characters, without blanks around"));
    None
}

/// Changing one of these would break the message or the hop limit of mirroring.
const FRAMING: [&str; 10] = [
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
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "set-cookie"];
const MEANINGFUL: &str = "must not be one with a meaning of its own";
const MOST: usize = 32;
/// Bytes.
const LONGEST_VALUE: usize = 4096;
