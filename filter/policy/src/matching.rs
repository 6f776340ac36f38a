//! When a rule applies: blocks of conditions. Inside a block all must hold, one block is enough.

use crate::decision::Request;
use crate::document::{Field, Tree};
use crate::facts::{CookieSlot, Facts, HeaderSlot, Questions};
use crate::predicate::{Predicate, Subject};

/// Blocks of which one must hold; no block at all means every request.
#[derive(Debug, Default)]
pub(crate) struct Matches(Vec<Vec<Condition>>);

#[derive(Debug)]
enum Condition {
    Method(HeaderSlot, Vec<Box<[u8]>>),
    Path(HeaderSlot, Predicate),
    Header(HeaderSlot, Predicate),
    Cookie(CookieSlot, Predicate),
}

impl Matches {
    pub(crate) fn read(field: &Field<'_>, questions: &mut Questions) -> Option<Self> {
        let blocks: Vec<_> =
            field.list(1..=MOST_BLOCKS)?.iter().map(|block| read_block(block, questions)).collect();
        blocks.into_iter().collect::<Option<_>>().map(Self)
    }

    pub(crate) fn hold<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> bool {
        self.0.is_empty() || self.0.iter().any(|block| block.iter().all(|condition| condition.holds(facts)))
    }
}

impl Condition {
    fn holds<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> bool {
        match self {
            Self::Method(slot, methods) => {
                facts.header(*slot).is_some_and(|method| methods.iter().any(|known| **known == *method))
            }
            Self::Path(slot, predicate) => predicate.holds(facts.path(*slot)),
            Self::Header(slot, predicate) => predicate.holds(facts.header(*slot)),
            Self::Cookie(slot, predicate) => predicate.holds(facts.cookie(*slot)),
        }
    }
}

/// One method or a list of them, in upper case as on the wire.
pub(crate) fn read_methods(field: &Field<'_>) -> Option<Vec<Box<[u8]>>> {
    let methods: Vec<_> = match field.tree() {
        Tree::List(_) => field.list(1..=MOST_METHODS)?.iter().map(read_method).collect(),
        _ => vec![read_method(field)],
    };
    methods.into_iter().collect()
}

/// The name of a header in lower case.
pub(crate) fn header_name(name: &str) -> Option<String> {
    is_token(name).then(|| name.to_ascii_lowercase())
}

/// Whether `name` can be a cookie's; wider than RFC 6265, since servers meet wider names.
pub(crate) fn is_cookie_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'=' | b';' | b','))
}

/// Conditions in the order of their cost.
fn read_block(field: &Field<'_>, questions: &mut Questions) -> Option<Vec<Condition>> {
    let map = field.map(&BLOCK)?;
    let mut conditions = Vec::new();
    if let Some(field) = map.get("method") {
        let slot = questions.header(":method");
        conditions.push(read_methods(field).map(|methods| Condition::Method(slot, methods)));
    }
    if let Some(field) = map.get("path") {
        let slot = questions.header(":path");
        conditions.push(Predicate::read(field, Subject::Path).map(|path| Condition::Path(slot, path)));
    }
    if let Some(field) = map.get("headers") {
        read_named(field, &mut conditions, |name, field| {
            let slot = header_name(name).map(|name| questions.header(&name));
            let slot = known(slot, field, HEADER_NAMES);
            Predicate::read(field, Subject::Value).zip(slot).map(|(test, slot)| Condition::Header(slot, test))
        });
    }
    if let Some(field) = map.get("cookies") {
        read_named(field, &mut conditions, |name, field| {
            let slot = is_cookie_name(name).then(|| questions.cookie(name));
            let slot = known(slot, field, COOKIE_NAMES);
            Predicate::read(field, Subject::Value).zip(slot).map(|(test, slot)| Condition::Cookie(slot, test))
        });
    }
    if conditions.is_empty() {
        if *field.tree() == Tree::Map(Vec::new()) {
            field.note(format!("is empty, must have at least one of {}", BLOCK.join(", ")));
        }
        return None;
    }
    conditions.into_iter().collect()
}

/// Reads `{name: predicate, …}`, at least one.
fn read_named(
    field: &Field<'_>,
    conditions: &mut Vec<Option<Condition>>,
    mut read: impl FnMut(&str, &Field<'_>) -> Option<Condition>,
) {
    let entries = field.entries();
    if entries.as_ref().is_some_and(Vec::is_empty) {
        field.note("is empty, must have at least one name".to_owned());
    }
    match entries {
        Some(entries) if !entries.is_empty() => {
            conditions.extend(entries.iter().map(|(name, field)| read(name, field)));
        }
        _ => conditions.push(None),
    }
}

fn known<T>(slot: Option<T>, field: &Field<'_>, names: &str) -> Option<T> {
    if slot.is_none() {
        field.note(format!("has a name that {names}"));
    }
    slot
}

fn read_method(field: &Field<'_>) -> Option<Box<[u8]>> {
    let text = field.text()?;
    if is_token(text) && !text.bytes().any(|b| b.is_ascii_lowercase()) {
        return Some(text.as_bytes().into());
    }
    field.problem("must be a method in upper case such as GET");
    None
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

const BLOCK: [&str; 4] = ["path", "method", "headers", "cookies"];
pub(crate) const HEADER_NAMES: &str = "must be a header's: letters, digits and any of !#$%&'*+-.^_`|~";
pub(crate) const COOKIE_NAMES: &str = "must be a cookie's: visible ASCII without '=', ';' and ','";
const MOST_BLOCKS: usize = 64;
const MOST_METHODS: usize = 32;
