//! When a rule applies: blocks of conditions. Inside a block all must hold, one block is enough.

use std::rc::Rc;

use crate::address::AddressSet;
use crate::document::{Field, Map, Tree};
use crate::facts::{Facts, Questions};
use crate::names::{COOKIE_NAMES, TESTED_HEADERS, is_cookie_name, is_token, tested_header};
use crate::place::{HeaderSlot, Place};
use crate::predicate::{Predicate, Subject};
use crate::property::PropertyPath;
use crate::request::Request;
use crate::search::Sought;
use crate::timestamp::Window;

/// Blocks of which one must hold; no block at all means every request.
#[derive(Debug, Default)]
pub(crate) struct Matches(Vec<Block>);

/// Conditions that must all hold, those that cost least first.
#[derive(Debug)]
struct Block(Vec<Condition>);

#[derive(Debug)]
enum Condition {
    Time(Window),
    Value(Place, Predicate),
    Address(AddressSet),
    Any(Vec<Block>),
    All(Vec<Block>),
    Not(Block),
}

impl Matches {
    pub(crate) fn read(field: &Field<'_>, questions: &mut Questions) -> Option<Self> {
        read_blocks(field, questions, 0).map(Self)
    }

    pub(crate) fn hold<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> bool {
        self.0.is_empty() || self.0.iter().any(|block| block.holds(facts))
    }
}

impl Block {
    fn holds<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> bool {
        self.0.iter().all(|condition| condition.holds(facts))
    }
}

impl Condition {
    fn asks_for_a_body(&self) -> bool {
        let asks = |block: &Block| block.0.iter().any(Self::asks_for_a_body);
        match self {
            Self::Value(place, _) => place.is_in_a_body(),
            Self::Any(blocks) | Self::All(blocks) => blocks.iter().any(asks),
            Self::Not(block) => asks(block),
            Self::Time(_) | Self::Address(_) => false,
        }
    }

    fn holds<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> bool {
        match self {
            Self::Time(window) => window.contains(facts.now()),
            Self::Value(place, predicate) => {
                let found = if predicate.searches() { facts.found(*place) } else { Rc::default() };
                let value = facts.value(*place);
                let (holds, length) = (predicate.holds(value, &found), value.map_or(0, <[u8]>::len));
                facts.took(predicate.steps(length));
                holds
            }
            Self::Address(set) => facts.address().is_some_and(|address| set.contains(address)),
            Self::Any(blocks) => blocks.iter().any(|block| block.holds(facts)),
            Self::All(blocks) => blocks.iter().all(|block| block.holds(facts)),
            Self::Not(block) => !block.holds(facts),
        }
    }
}

/// One method or a list of them, in upper case as on the wire.
pub(crate) fn read_methods(field: &Field<'_>) -> Option<Vec<Box<[u8]>>> {
    field.each_or_one(1..=MAX_METHODS, read_method)
}

fn read_blocks(field: &Field<'_>, questions: &mut Questions, depth: usize) -> Option<Vec<Block>> {
    field.each(1..=MAX_BLOCKS, |block| read_block(block, questions, depth))
}

fn read_block(field: &Field<'_>, questions: &mut Questions, depth: usize) -> Option<Block> {
    if depth > DEEPEST {
        field.note(format!("is nested deeper than {DEEPEST} levels of any, all and not"));
        return None;
    }
    let map = field.map(&BLOCK)?;
    let mut conditions = Vec::new();
    if let Some(field) = map.get("time") {
        conditions.push(read_window(field).map(Condition::Time));
    }
    read_line(&map, questions, &mut conditions);
    if let Some(field) = map.get("headers") {
        read_named(field, &mut conditions, |name, field| {
            let slot = tested_header(name).map(|name| questions.header(&name));
            let slot = known(slot, field, TESTED_HEADERS);
            on(questions, slot.map(Place::Header), field, Subject::Value)
        });
    }
    if let Some(field) = map.get("cookies") {
        read_named(field, &mut conditions, |name, field| {
            let slot = is_cookie_name(name).then(|| questions.cookie(name));
            let slot = known(slot, field, COOKIE_NAMES);
            on(questions, slot.map(Place::Cookie), field, Subject::Value)
        });
    }
    for (fields, place) in ANY_NAME {
        let Some(field) = map.get(fields) else { continue };
        read_named(field, &mut conditions, |name, field| {
            let named = known((!name.is_empty()).then_some(()), field, "must not be empty");
            let place = named.map(|()| place(questions, name));
            on(questions, place, field, Subject::Value)
        });
    }
    if let Some(field) = map.get("ip") {
        conditions.push(AddressSet::read(field).map(Condition::Address));
    }
    read_nested(&map, questions, depth, &mut conditions);
    if conditions.is_empty() {
        if *field.tree() == Tree::Map(Vec::new()) {
            field.note(format!("is empty, must have at least one of {}", BLOCK.join(", ")));
        }
        return None;
    }
    let conditions: Vec<Condition> = conditions.into_iter().collect::<Option<_>>()?;
    // A body may have to be waited for: only if everything else holds.
    let (last, mut conditions): (Vec<_>, Vec<_>) =
        conditions.into_iter().partition(Condition::asks_for_a_body);
    conditions.extend(last);
    Some(Block(conditions))
}

/// What stands in the request line.
fn read_line(map: &Map<'_>, questions: &mut Questions, conditions: &mut Vec<Option<Condition>>) {
    let mut read = |name, header, place: fn(HeaderSlot) -> Place, subject| {
        let Some(field) = map.get(name) else { return };
        let slot = questions.header(header);
        conditions.push(on(questions, Some(place(slot)), field, subject));
    };
    read("method", ":method", Place::Header, Subject::Method);
    read("path", ":path", Place::Path, Subject::Path);
    read("host", ":authority", Place::Host, Subject::Host);
}

/// A predicate on the value of a place. Without a place it is read for its problems alone.
fn on(
    questions: &mut Questions,
    place: Option<Place>,
    field: &Field<'_>,
    subject: Subject,
) -> Option<Condition> {
    let mut nowhere = Sought::new(true);
    let sought = match place {
        Some(place) => questions.sought(place),
        None => &mut nowhere,
    };
    let predicate = Predicate::read(field, subject, sought)?;
    let place = place?;
    questions.reads(place, field.path(), predicate.steps_per_byte());
    Some(Condition::Value(place, predicate))
}

fn read_nested(
    map: &Map<'_>,
    questions: &mut Questions,
    depth: usize,
    conditions: &mut Vec<Option<Condition>>,
) {
    if let Some(field) = map.get("any") {
        conditions.push(read_blocks(field, questions, depth + 1).map(Condition::Any));
    }
    if let Some(field) = map.get("all") {
        conditions.push(read_blocks(field, questions, depth + 1).map(Condition::All));
    }
    if let Some(field) = map.get("not") {
        conditions.push(read_block(field, questions, depth + 1).map(Condition::Not));
    }
}

/// `{from, to}`, at least one of them.
fn read_window(field: &Field<'_>) -> Option<Window> {
    let map = field.map(&["from", "to"])?;
    let (from, to) = (map.get("from"), map.get("to"));
    if from.is_none() && to.is_none() {
        field.note("is empty, must have at least one of from, to".to_owned());
        return None;
    }
    Window::read(from, to)
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

/// The place of a name.
type PlaceOf = fn(&mut Questions, &str) -> Place;

/// Fields of a block with names of the writer's choice, and where their values are found.
const ANY_NAME: [(&str, PlaceOf); 4] = [
    ("query", |questions, name| Place::Query(questions.query(name))),
    ("metadata", |questions, name| Place::Property(questions.property(&PropertyPath::new(name)))),
    ("form", |questions, name| Place::Form(questions.form(name))),
    ("json", |questions, name| Place::Json(questions.json(name))),
];
const BLOCK: [&str; 14] = [
    "path", "method", "host", "headers", "cookies", "query", "metadata", "form", "json", "ip", "time", "any",
    "all", "not",
];
const MAX_BLOCKS: usize = 64;
const MAX_METHODS: usize = 32;
/// Levels of `any`, `all` and `not`; also what bounds the stack of a decision.
const DEEPEST: usize = 16;
