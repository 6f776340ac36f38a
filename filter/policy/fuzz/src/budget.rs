//! Budgets. Whatever is accepted is within the budget, and no request within the length that is counted takes more steps than it says.

use antumbra_policy::document::{Cost, Tree};
use antumbra_policy::{Dice, Policy};

use super::asked::{Asked, assert_says_why};
use super::policy::document;

/// A document as in the target `policy`. What compiles is asked long requests, made of its own text: what it looks for is in there.
pub fn check(bytes: &[u8]) {
    let tree = document(bytes);
    let policy = match Policy::from_tree(&tree) {
        Ok(policy) => policy,
        Err(invalid) => return assert_says_why(&invalid),
    };
    let (cost, most) = (policy.cost(), Cost::MAX);
    assert!(cost.bytes <= most.bytes && cost.steps <= most.steps, "{cost:?}");
    let body = policy.largest_body();
    for piece in pieces(&tree) {
        for asked in requests(&piece, body) {
            let steps = policy.decide(&asked, Dice(7)).steps;
            assert!(steps <= cost.steps, "{steps} steps of {} for {piece:?}", cost.steps);
        }
    }
}

/// Requests whose headers are as long as they are counted, all in one header or in many, and whose bodies are as long as they are read.
fn requests(piece: &str, body: usize) -> Vec<Asked> {
    let filled = |before: &str, length: usize| {
        let mut text = before.as_bytes().to_vec();
        text.extend(piece.bytes().cycle().take(length.saturating_sub(text.len())));
        text
    };
    let whole = [
        (":path", "/"),
        (":path", "/?"),
        ("cookie", ""),
        ("user-agent", ""),
        ("x-user", ""),
        (":authority", ""),
    ];
    let mut asked: Vec<Asked> = whole
        .iter()
        .map(|(name, before)| Asked::default().with(name, &filled(before, LONGEST_HEADERS)))
        .collect();
    let share = LONGEST_HEADERS / whole.len();
    let all = whole
        .iter()
        .skip(1)
        .fold(Asked::default(), |asked, (name, before)| asked.with(name, &filled(before, share)));
    asked.push(Asked { property: Some(filled("", share)), ..all });
    asked.push(Asked { form: Some(filled("", body)), ..Asked::default() });
    let json = format!(r#"{{"user": {:?}}}"#, String::from_utf8_lossy(&filled("", body / 2)));
    asked.push(Asked { json: Some(json.into_bytes()), ..Asked::default() });
    asked
}

/// What to fill values with: some of the document's texts, and what is dear to read.
fn pieces(tree: &Tree) -> Vec<String> {
    let mut texts = Vec::new();
    collect(tree, &mut texts);
    texts.truncate(MAX_TEXTS);
    texts.extend(["a=; ", "%41&", "é", "a", "{\"a\":"].map(str::to_owned));
    texts
}

fn collect(tree: &Tree, texts: &mut Vec<String>) {
    match tree {
        Tree::Text(text) if !text.is_empty() => texts.push(text.clone()),
        Tree::List(items) => items.iter().for_each(|item| collect(item, texts)),
        Tree::Map(entries) => entries.iter().for_each(|(_, value)| collect(value, texts)),
        _ => {}
    }
}

/// Bytes of a request's headers together.
const LONGEST_HEADERS: usize = 60 * 1024;
const MAX_TEXTS: usize = 12;
