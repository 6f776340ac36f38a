//! `map`: exact texts first, then the longest mask at the beginning, the longest at the end, patterns in their order, the default.

use super::reading::Reading;
use super::syntax::Directive;
use super::test::Test;
use super::value::{Cases, Text, guarded, looked_up, one, tidy};
use super::when::When;

/// What a `map` makes of its variable, where `worth` says what a text with variables can be.
pub(super) fn cases<'d>(
    reading: &mut Reading<'d>,
    definition: &Directive,
    worth: impl Fn(&mut Reading<'d>, &str) -> Cases<Text>,
) -> Cases<Text> {
    let source = worth(reading, definition.text(0));
    let entries = Entries::of(reading, definition);
    let mut values: Vec<Option<Cases<Text>>> = vec![None; entries.tried.len()];
    looked_up(&source, |text| {
        let mut cases = Vec::new();
        for (entry, value) in entries.tried.iter().zip(&mut values) {
            let when = entry.when(reading, text);
            if when.is_never() {
                continue;
            }
            let ends = when.is_always();
            let value = value.get_or_insert_with(|| match &entry.value {
                Some(value) => worth(reading, value),
                None => one(Text::Unknown),
            });
            cases.extend(guarded(&when, value));
            if ends {
                break;
            }
        }
        tidy(cases)
    })
}

/// The entries in the order in which nginx tries them.
struct Entries {
    tried: Vec<Entry>,
}

struct Entry {
    /// `None` for what is always so.
    test: Option<Test>,
    /// Whether the text may end in a dot, as the name of a host does.
    host: bool,
    /// `None` if it cannot be told.
    value: Option<String>,
    at: String,
}

impl Entry {
    fn when(&self, reading: &mut Reading<'_>, text: &Text) -> When {
        let (Some(test), true) = (&self.test, self.value.is_some()) else {
            return if self.value.is_some() { When::always() } else { When::unclear() };
        };
        let undotted = text.plain().filter(|_| self.host).and_then(|text| text.strip_suffix('.'));
        match undotted {
            Some(host) => test.passes(reading, &self.at, &Text::literal(host)),
            None => test.passes(reading, &self.at, text),
        }
    }
}

impl Entries {
    fn of(reading: &mut Reading<'_>, definition: &Directive) -> Self {
        let host = definition.block.iter().any(|entry| entry.name == "hostnames" && entry.args.is_empty());
        let entry = |test: Option<Test>, directive: &Directive| Entry {
            test,
            host,
            value: Some(directive.text(0).to_owned()),
            at: directive.at(),
        };
        let (mut exact, mut masks, mut patterns, mut missing) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut last = Entry { test: None, host, value: Some(String::new()), at: definition.at() };
        for directive in &definition.block {
            match (directive.name.as_str(), directive.args.len()) {
                ("hostnames" | "volatile", 0) => {}
                ("include", _) => {
                    reading.note(
                        directive.at(),
                        format!(
                            "{:?} is not in this text: the requests that its entries may \
                        decide keep the old version; give the file as nginx -T prints it",
                            directive.text(0)
                        ),
                    );
                    missing.push(Entry { value: None, ..entry(None, directive) });
                }
                ("default", _) => last = entry(None, directive),
                (pattern, _) if pattern.starts_with('~') => {
                    patterns.push(entry(Some(pattern_of(pattern)), directive));
                }
                (text, _) => {
                    let masked = if host { mask(text) } else { None };
                    masks.extend(masked.map(|mask| entry(Some(mask), directive)));
                    exact.extend(exact_of(text, host).map(|text| (text, directive)));
                }
            }
        }
        masks.sort_by_key(|entry| std::cmp::Reverse(rank(entry.test.as_ref())));
        let mut tried: Vec<Entry> = Vec::new();
        for (text, directive) in exact {
            let value = Some(directive.text(0));
            match tried.iter_mut().find(|known| known.value.as_deref() == value) {
                Some(Entry { test: Some(Test::Equals(known, _)), .. }) => known.push(text),
                _ => tried.push(entry(Some(Test::Equals(vec![text], true)), directive)),
            }
        }
        tried.extend(missing.into_iter().chain(masks).chain(patterns).chain([last]));
        Self { tried }
    }
}

fn pattern_of(text: &str) -> Test {
    let text = text.strip_prefix('~').unwrap_or(text);
    let (fold, pattern) = text.strip_prefix('*').map_or((false, text), |pattern| (true, pattern));
    Test::Matches { pattern: pattern.to_owned(), fold, filled: true }
}

/// `*.a.test` and `.a.test` are all names below, `www.a.*` all that begin so.
fn mask(text: &str) -> Option<Test> {
    let lower = text.to_ascii_lowercase();
    if let Some(domain) = lower.strip_prefix("*.").or_else(|| lower.strip_prefix('.')) {
        return Some(Test::Below(domain.to_owned()));
    }
    lower.strip_suffix('*').filter(|start| start.ends_with('.')).map(|start| Test::Under(start.to_owned()))
}

/// The one text that an entry names; `.a.test` is also `a.test`.
fn exact_of(text: &str, host: bool) -> Option<String> {
    if host && (text.starts_with("*.") || text.ends_with(".*")) {
        return None;
    }
    let text = if host { text.strip_prefix('.').unwrap_or(text) } else { text };
    Some(text.strip_prefix('\\').unwrap_or(text).to_owned())
}

/// Masks at the beginning before those at the end, longer ones first.
fn rank(test: Option<&Test>) -> (u8, usize) {
    match test {
        Some(Test::Below(domain)) => (1, domain.len()),
        Some(Test::Under(start)) => (0, start.len()),
        _ => (0, 0),
    }
}
