//! A suggestion as it is pasted and read.

use super::Suggestion;
use crate::evidence::{NOT_FOUND, OTHER_ENDPOINTS, OTHER_PATHS};
use crate::excerpt;
use crate::guess::Guess;
use crate::pattern::{Endpoint, Pattern};

impl Suggestion {
    /// What speaks for it and against it, in a line.
    pub(crate) fn worth(&self) -> String {
        let Self { endpoints, because, explains, of, hides, hides_of, costs, .. } = self;
        let at = if *endpoints > 1 { format!(" at {endpoints} endpoints") } else { String::new() };
        let hidden = if *hides == 0 { "none".to_owned() } else { format!("{hides}/{hides_of}") };
        let costs = costs.map_or_else(|| "?".to_owned(), |costs| costs.to_string());
        format!(
            "{because}{at}; explains {explains}/{of} of the control, hides {hidden} of the candidate alone; costs {costs}"
        )
    }
}

/// The pattern of a place at one endpoint; `None` if no pattern can name it and nothing else.
pub(super) fn place(endpoint: &str, path: &str) -> Option<String> {
    if [OTHER_ENDPOINTS, NOT_FOUND].contains(&endpoint) || path == OTHER_PATHS || path.len() >= LONGEST_PATH {
        return None;
    }
    let cookie = path.split(';').next().filter(|_| path.starts_with("cookie:"));
    let bare = cookie.unwrap_or(path);
    let place = match bare.strip_prefix('/') {
        Some(path) if path.split('/').all(is_nameable) => bare.to_owned(),
        Some(_) => return None,
        None if bare.is_empty() => "/".to_owned(),
        None if is_nameable(bare) && !bare.contains('*') => bare.to_owned(),
        None => return None,
    };
    let at = format!("{endpoint} {place}");
    let read = Pattern::parse(&at).ok()?;
    // A name that no request is recognised as is one that was given.
    let names = |own: Endpoint| own.name == endpoint || own.written == endpoint;
    read.endpoint.is_some_and(names).then_some(at)
}

/// An entry of `compare.rules`.
pub(super) fn rule(at: &str, guess: Guess) -> String {
    let (field, value) = guess.field();
    format!("{{\"at\": {}, \"{field}\": {value}}}", quoted(at))
}

/// What was shortened, or has characters that others stand for, is not.
fn is_nameable(segment: &str) -> bool {
    let blank = |c: char| c.is_ascii_whitespace() && c != ' ';
    let odd = |c: char| blank(c) || matches!(c, '*' | '…') || excerpt::is_stand_in(c);
    segment == "*" || segment.trim_ascii() == segment && !segment.contains(odd)
}

fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// Bytes of a path that may have been cut short.
const LONGEST_PATH: usize = 250;
