//! A suggestion as it is pasted and read.

use super::{Guess, Pattern, Suggestion};
use crate::evidence::{OTHER_ENDPOINTS, OTHER_PATHS};

impl Suggestion {
    /// What speaks for it and against it, in a line.
    pub(crate) fn worth(&self) -> String {
        let Self { because, explains, of, hides, hides_of, costs, .. } = self;
        let hidden = if *hides == 0 { "none".to_owned() } else { format!("{hides}/{hides_of}") };
        let costs = costs.map_or_else(|| "?".to_owned(), |costs| costs.to_string());
        format!(
            "{because}; explains {explains}/{of} of the control, hides {hidden} of the candidate alone; costs {costs}"
        )
    }
}

/// The pattern of a place at one endpoint; `None` if no pattern can name it. Where a segment cannot be named, any will do.
pub(super) fn place(endpoint: &str, path: &str) -> Option<String> {
    if endpoint == OTHER_ENDPOINTS || path == OTHER_PATHS || path.len() >= LONGEST_PATH {
        return None;
    }
    let bare = path.split(';').next().unwrap_or(path);
    let place = match bare.strip_prefix('/') {
        Some(path) => path.split('/').fold(String::new(), |way, segment| way + "/" + nameable(segment)),
        None if bare.is_empty() => "/".to_owned(),
        None => bare.to_owned(),
    };
    let at = format!("{endpoint} {place}");
    let read = Pattern::parse(&at).ok()?;
    (read.endpoint.as_deref() == Some(endpoint)).then_some(at)
}

/// An entry of `compare.rules`.
pub(super) fn rule(at: &str, guess: Guess) -> String {
    let (field, value) = guess.field();
    format!("{{\"at\": {}, \"{field}\": {value}}}", quoted(at))
}

fn nameable(segment: &str) -> &str {
    let odd = |c: char| c.is_whitespace() || matches!(c, '*' | '…' | char::REPLACEMENT_CHARACTER);
    if segment.contains(odd) { "*" } else { segment }
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
