//! What a written text is made of: literals and names of variables.

/// A piece of a written text.
pub(super) enum Word {
    /// As it stands.
    Literal(String),
    /// By its name, in which case does not matter.
    Variable(String),
}

/// Literals and variables of a text, as `${a}b$c`. A dollar sign that begins no name is itself.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut parts = text.split('$');
    words.extend(parts.next().filter(|part| !part.is_empty()).map(|part| Word::Literal(part.to_owned())));
    for part in parts {
        let braced = part.strip_prefix('{').and_then(|part| part.split_once('}'));
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, rest) = braced.unwrap_or_else(|| part.split_at(end));
        if name.is_empty() {
            words.push(Word::Literal(format!("${rest}")));
            continue;
        }
        words.push(Word::Variable(name.to_owned()));
        if !rest.is_empty() {
            words.push(Word::Literal(rest.to_owned()));
        }
    }
    words
}

/// The variable that a text is.
pub(super) fn only_variable(text: &str) -> Option<String> {
    match words(text).as_slice() {
        [Word::Variable(name)] => Some(name.clone()),
        _ => None,
    }
}
