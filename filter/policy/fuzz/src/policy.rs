//! Documents. Whatever they hold, they compile or are refused with reasons; and what compiles decides, is checked, and is
//! handed on without a change of what it decides.

use std::sync::LazyLock;

use antumbra_policy::document::{Invalid, Problem, Tree};
use antumbra_policy::{Decision, Dice, Policy, Secrets, WrittenRequest, edit, lint};

use super::asked::{Asked, NOW, assert_says_why, assert_sound};

/// JSON text is a document; all other bytes are changes to a rich one.
pub fn check(bytes: &[u8]) {
    match Tree::from_json(bytes) {
        Ok(tree) => {
            examine(&tree);
            if let Err(invalid) = WrittenRequest::from_tree(&tree, NOW) {
                assert_says_why(&invalid);
            }
        }
        Err(invalid) => {
            assert_says_why(&invalid);
            examine(&changed(bytes));
        }
    }
}

/// JSON text is a document; all other bytes are changes to a rich one.
pub(crate) fn document(bytes: &[u8]) -> Tree {
    Tree::from_json(bytes).unwrap_or_else(|_| changed(bytes))
}

fn examine(tree: &Tree) {
    let policy = match compiled(tree) {
        Ok(policy) => policy,
        Err(invalid) => return assert_says_why(&invalid),
    };
    check_warnings(tree, &policy);
    let mut tuned = tree.clone();
    if edit::set_mirror(&mut tuned, edit::Selection::default(), 5.0).is_ok() {
        must_compile(&tuned);
    }
    let mut served = tree.clone();
    let generation = policy.generation().unwrap_or(5);
    served.set("generation", Tree::Integer(generation.cast_signed()));
    let policy = if served == *tree { policy } else { must_compile(&served) };
    let part = serde_json::to_vec(&edit::filter_part(tree, generation)).expect("a tree is JSON");
    let part = must_compile(&Tree::from_json(&part).expect("JSON is JSON"));
    for asked in REQUESTS.iter() {
        let (here, there) = (policy.decide(asked, Dice(11)), part.decide(asked, Dice(11)));
        assert_sound(&here);
        assert_alike(&here, &there);
    }
}

fn assert_alike(here: &Decision<'_>, there: &Decision<'_>) {
    assert_eq!((here.variant, here.rule, here.rule_index), (there.variant, there.rule, there.rule_index));
    assert_eq!((here.reason, here.position, here.trusted), (there.reason, there.position, there.trusted));
    assert_eq!((here.skipped_mirror, here.awaits_body), (there.skipped_mirror, there.awaits_body));
    assert_eq!(here.request_edits, there.request_edits);
    assert_eq!(here.response_edits, there.response_edits);
    assert_eq!(format!("{:?}", here.mirrors), format!("{:?}", there.mirrors));
}

/// Warnings name a place, and a rule that is never reached is never reached.
fn check_warnings(tree: &Tree, policy: &Policy) {
    let warnings = lint::warnings(tree, policy, NOW);
    for Problem { path, message } in &warnings {
        assert!(!path.is_empty() && !message.is_empty(), "{warnings:?}");
        let unreached = path.strip_prefix("rules[").and_then(|rest| rest.strip_suffix(']'));
        let index = unreached.filter(|_| message.starts_with("is never reached"));
        let Some(index) = index.and_then(|index| index.parse::<usize>().ok()) else { continue };
        let Some(Tree::List(rules)) = tree.get("rules") else { panic!("{path} without rules") };
        let name = match rules[index].get("name") {
            Some(Tree::Text(name)) => name.clone(),
            _ => format!("rule-{index}"),
        };
        for asked in REQUESTS.iter() {
            let rule = policy.decide(asked, Dice(11)).rule;
            assert_ne!(rule, Some(name.as_str()), "{path} {message}, but decides {asked:?}");
        }
    }
    assert_eq!(lint::change_warnings(policy, policy), [], "nothing changed");
    for movement in lint::movements(&RICH_POLICY, policy) {
        assert!((0.0..=1.000_001).contains(&movement.share), "{movement:?}");
    }
}

/// With the secrets that it names, if we have them.
fn compiled(tree: &Tree) -> Result<Policy, Invalid> {
    let policy = Policy::from_tree(tree)?;
    match policy.bind(&SECRETS) {
        Ok(policy) => Ok(policy),
        Err(invalid) => {
            assert_says_why(&invalid);
            Policy::from_tree(tree)
        }
    }
}

fn must_compile(tree: &Tree) -> Policy {
    compiled(tree).unwrap_or_else(|invalid| panic!("what is handed on is refused: {invalid}"))
}

/// The rich document after as many changes as the bytes say.
fn changed(bytes: &[u8]) -> Tree {
    let mut bytes = Bytes(bytes);
    let mut tree = RICH.clone();
    for _ in 0..MAX_CHANGES {
        if bytes.0.is_empty() {
            break;
        }
        change(&mut tree, &mut bytes);
    }
    tree
}

/// One change somewhere below: the bytes are the way there, then what happens, then what with.
fn change(tree: &mut Tree, bytes: &mut Bytes<'_>) {
    let children = match tree {
        Tree::List(items) => items.len(),
        Tree::Map(entries) => entries.len(),
        _ => 0,
    };
    let choice = bytes.below(children + 1);
    match tree {
        Tree::List(items) if choice < children => change(&mut items[choice], bytes),
        Tree::Map(entries) if choice < children => change(&mut entries[choice].1, bytes),
        Tree::List(items) if children > 0 && bytes.below(2) == 0 => match bytes.below(3) {
            0 => drop(items.remove(bytes.below(children))),
            1 => items.swap(bytes.below(children), 0),
            _ => items.insert(bytes.below(children), value(bytes)),
        },
        Tree::Map(entries) if children > 0 && bytes.below(2) == 0 => match bytes.below(4) {
            0 => drop(entries.remove(bytes.below(children))),
            1 => entries[bytes.below(children)].0 = key(bytes),
            2 => entries.swap(bytes.below(children), 0),
            _ => entries.push((key(bytes), value(bytes))),
        },
        Tree::Text(text) if bytes.below(2) == 0 => {
            let at = (0..=bytes.below(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at));
            text.insert_str(at.unwrap_or_default(), &bytes.text());
        }
        Tree::Integer(number) if bytes.below(2) == 0 => *number = number.wrapping_add(bytes.signed()),
        _ => *tree = value(bytes),
    }
}

/// A scalar, or a piece of the rich document.
fn value(bytes: &mut Bytes<'_>) -> Tree {
    match bytes.below(12) {
        0 => Tree::Null,
        1 => Tree::Bool(bytes.below(2) == 0),
        2 => Tree::Integer(bytes.signed()),
        3 => Tree::Integer([i64::MIN, -1, 0, 1, 100, 999_999, 4_294_967_295, i64::MAX][bytes.below(8)]),
        4 => Tree::Float([-0.0, 0.5, 1e-7, 99.999_999, 1e300, 1.5e18][bytes.below(6)]),
        5 | 6 => Tree::Text(bytes.text()),
        7 => Tree::List(Vec::new()),
        8 => Tree::Map(Vec::new()),
        _ => piece(&RICH, bytes).clone(),
    }
}

fn piece<'t>(tree: &'t Tree, bytes: &mut Bytes<'_>) -> &'t Tree {
    let children: Vec<&Tree> = match tree {
        Tree::List(items) => items.iter().collect(),
        Tree::Map(entries) => entries.iter().map(|(_, value)| value).collect(),
        _ => return tree,
    };
    match children.get(bytes.below(children.len() + 1)) {
        Some(child) => piece(child, bytes),
        None => tree,
    }
}

/// A key of the rich document, or any.
fn key(bytes: &mut Bytes<'_>) -> String {
    match bytes.below(KEYS.len() + 1) {
        0 => bytes.text(),
        place => KEYS[place - 1].clone(),
    }
}

/// Choices, byte by byte; zero once they are used up.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    fn signed(&mut self) -> i64 {
        (0..8).fold(0, |number, _| number << 8 | i64::from(self.byte()))
    }

    /// Up to 31 bytes.
    fn text(&mut self) -> String {
        let (text, rest) = self.0.split_at(self.below(32).min(self.0.len()));
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }
}

static RICH: LazyLock<Tree> = LazyLock::new(|| {
    Tree::from_json(include_bytes!("rich.json")).unwrap_or_else(|invalid| panic!("{invalid}"))
});

static RICH_POLICY: LazyLock<Policy> = LazyLock::new(|| must_compile(&RICH));

static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    collect(&RICH, &mut keys);
    keys.sort();
    keys.dedup();
    keys
});

fn collect(tree: &Tree, keys: &mut Vec<String>) {
    match tree {
        Tree::List(items) => items.iter().for_each(|item| collect(item, keys)),
        Tree::Map(entries) => {
            for (name, value) in entries {
                keys.push(name.clone());
                collect(value, keys);
            }
        }
        _ => {}
    }
}

static SECRETS: LazyLock<Secrets> =
    LazyLock::new(|| Secrets::from([("k".to_owned(), b"sixteen bytes at least".to_vec())]));

/// One bare, one that many rules match, one from inside, one with bodies to come.
static REQUESTS: LazyLock<[Asked; 4]> = LazyLock::new(|| {
    let line = |method: &str, path: &str| {
        Asked::default().with(":method", method.as_bytes()).with(":path", path.as_bytes())
    };
    let full = line("GET", "/search/a?q=1&u=u-1")
        .with(":authority", b"www.a.test:8443")
        .with("cookie", b"uid=u-1; s=a; plan=pro")
        .with("x-user", b"150")
        .with("x-tier", b"gold")
        .with("baggage", b"k=v,release=forged")
        .with("x-forwarded-for", b"203.0.113.1, 10.0.0.1")
        .with("user-agent", b"Mozilla/5.0");
    let bodies = Asked {
        form: Some(b"plan=pro&n=4".to_vec()),
        json: Some(br#"{"user": {"id": 7}, "model": "gpt"}"#.to_vec()),
        property: Some(b"qa".to_vec()),
        ..line("POST", "/api")
    };
    let inside = Asked { peer: Some([10, 0, 0, 1].into()), ..line("GET", "/m").with("x-force", b"a") };
    [line("GET", "/"), full, inside, Asked { early: true, ..bodies }]
});

const MAX_CHANGES: usize = 8;
