//! One block of a rule's `matches`: each subject once, what does not fit goes below `all`, `any` and `not`.

use antumbra_policy::document::Tree;

use super::{Condition, Predicate, Subject};

/// A block that is being filled.
#[derive(Default)]
pub(super) struct Block {
    tests: Vec<(Subject, Predicate)>,
    any: Option<Vec<Tree>>,
    all: Vec<Tree>,
    not: Option<Tree>,
}

impl Block {
    /// The block that says the same as a condition.
    pub(super) fn of(condition: &Condition) -> Tree {
        let mut block = Self::default();
        block.add(condition);
        block.into_tree()
    }

    fn add(&mut self, condition: &Condition) {
        match condition {
            Condition::Always | Condition::Unclear(None) => {}
            Condition::Unclear(Some(guess)) | Condition::Never(guess) => self.add(guess),
            Condition::Test(subject, predicate) => self.test(subject, predicate),
            Condition::All(parts) => parts.iter().for_each(|part| self.add(part)),
            Condition::Any(parts) => {
                let blocks = parts.iter().map(Self::of).collect();
                match &mut self.any {
                    free @ None => *free = Some(blocks),
                    Some(_) => self.all.push(mapping("any", Tree::List(chunked("any", blocks)))),
                }
            }
            Condition::Not(inner) => self.not(inner),
        }
    }

    fn test(&mut self, subject: &Subject, predicate: &Predicate) {
        let Some((_, written)) = self.tests.iter_mut().find(|(known, _)| known == subject) else {
            self.tests.push((subject.clone(), predicate.clone()));
            return;
        };
        match written.and(predicate).filter(|_| subject.takes_predicates()) {
            Some(both) => *written = both,
            None => self.all.push(Self::of(&Condition::Test(subject.clone(), predicate.clone()))),
        }
    }

    fn not(&mut self, inner: &Condition) {
        match inner {
            Condition::Test(subject, predicate) if subject.takes_predicates() => {
                self.test(subject, &predicate.negated());
            }
            _ => match &mut self.not {
                free @ None => *free = Some(Self::of(inner)),
                Some(_) => self.all.push(mapping("not", Self::of(inner))),
            },
        }
    }

    fn into_tree(self) -> Tree {
        let mut tree = Tree::Map(Vec::new());
        for (subject, predicate) in &self.tests {
            match subject.name() {
                None => tree.set(subject.field(), predicate_tree(subject, predicate)),
                Some(name) => {
                    if tree.get(subject.field()).is_none() {
                        tree.set(subject.field(), Tree::Map(Vec::new()));
                    }
                    if let Some(named) = tree.get_mut(subject.field()) {
                        named.set(name, predicate.to_tree());
                    }
                }
            }
        }
        if let Some(any) = self.any {
            tree.set("any", Tree::List(chunked("any", any)));
        }
        if !self.all.is_empty() {
            tree.set("all", Tree::List(chunked("all", self.all)));
        }
        if let Some(not) = self.not {
            tree.set("not", not);
        }
        if tree == Tree::Map(Vec::new()) { every_request() } else { tree }
    }
}

impl Subject {
    /// Whether it is tested by a predicate rather than by a list.
    fn takes_predicates(&self) -> bool {
        *self != Self::Ip
    }

    fn field(&self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Method => "method",
            Self::Host => "host",
            Self::Ip => "ip",
            Self::Header(_) => "headers",
            Self::Cookie(_) => "cookies",
            Self::Query(_) => "query",
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Path | Self::Method | Self::Host | Self::Ip => None,
            Self::Header(name) | Self::Cookie(name) | Self::Query(name) => Some(name),
        }
    }
}

fn predicate_tree(subject: &Subject, predicate: &Predicate) -> Tree {
    match (subject, predicate.values()) {
        (Subject::Ip, text @ Tree::Text(_)) => Tree::List(vec![text]),
        (Subject::Ip, values) => values,
        (Subject::Host | Subject::Method, values @ Tree::List(_)) if predicate.tests().eq(["in"]) => values,
        _ => predicate.to_tree(),
    }
}

/// A block must not be empty.
fn every_request() -> Tree {
    mapping("path", mapping("prefix", Tree::Text("/".to_owned())))
}

/// Blocks below `key`, in groups where there are more than a policy takes in one list.
fn chunked(key: &str, mut blocks: Vec<Tree>) -> Vec<Tree> {
    while blocks.len() > MAX_BLOCKS {
        blocks = blocks.chunks(MAX_BLOCKS).map(|part| mapping(key, Tree::List(part.to_vec()))).collect();
    }
    blocks
}

/// How many levels of `all`, `any` and `not` a block has.
pub(super) fn depth(block: &Tree) -> usize {
    let Tree::Map(entries) = block else { return 0 };
    let below = entries.iter().filter_map(|(key, value)| match (key.as_str(), value) {
        ("any" | "all", Tree::List(blocks)) => Some(blocks.iter().map(depth).max().unwrap_or_default()),
        ("not", block) => Some(depth(block)),
        _ => None,
    });
    below.max().map_or(0, |deepest| deepest + 1)
}

fn mapping(key: &str, value: Tree) -> Tree {
    Tree::Map(vec![(key.to_owned(), value)])
}

/// Of one list of a policy.
pub(crate) const MAX_BLOCKS: usize = 64;
