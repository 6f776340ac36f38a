//! A place within an answer as a person writes it. The names of members may have blanks, so it is not split at those.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Body(Vec<Way>),
    Header(Name),
    Cookie(Name),
    Trailer(Name),
}

/// How a pattern goes on within a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// `*`: any member or element.
    Any,
    /// `**`: any number of members and elements, none among them.
    Deep,
    /// The member of this name, or the element at this position.
    Named(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// A `*` follows.
    pub(crate) open: bool,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It is empty.
    #[error(
        "is empty, must be a path such as /items/*/price, header:<name>, cookie:<name> or trailer:<name>"
    )]
    Empty,
    /// It names an endpoint without a place in its answers.
    #[error("has {0} parts, must be <place> or <method> <route> <place>")]
    Parts(usize),
    /// The method of the endpoint is none that a request has.
    #[error("names the method {0:?}, must be a method in upper case such as GET")]
    Method(String),
    /// The route of the endpoint does not begin with a slash.
    #[error("names the route {0:?}, must begin with /")]
    Route(String),
    /// The place is of no known form.
    #[error("names the place {0:?}, must begin with / or be header:<name>, cookie:<name> or trailer:<name>")]
    Place(String),
    /// A name begins or ends with a blank, which stands rather between an endpoint without its method and a place.
    #[error(
        "has a blank at an end of {0:?}; is that a route without its method? A blank that belongs to a name is written ~3"
    )]
    Blank(String),
    /// It has a `*` within a name.
    #[error(
        "has a * within {0:?}, may only be a whole segment or the end of a name; as a part of a name it is written ~2"
    )]
    Star(String),
    /// It is longer than 1,024 bytes.
    #[error("has {0} bytes, must be at most 1024")]
    Long(usize),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Body(ways) if ways.is_empty() => f.write_str("/"),
            Target::Body(ways) => ways.iter().try_for_each(|way| write!(f, "/{way}")),
            Target::Header(name) => write!(f, "header:{name}"),
            Target::Cookie(name) => write!(f, "cookie:{name}"),
            Target::Trailer(name) => write!(f, "trailer:{name}"),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Deep => f.write_str("**"),
            Self::Named(name) => f.write_str(&escaped(name)),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.open { "*" } else { "" })
    }
}

/// A name of a member as a pattern has it: what it means names this member alone.
pub(crate) fn escaped(name: &str) -> String {
    if name.is_empty() {
        return NO_NAME.to_owned();
    }
    let text = name.replace('~', "~0").replace('/', "~1").replace('*', "~2");
    let bare = text.trim_matches(' ');
    let before = text.len() - text.trim_start_matches(' ').len();
    let after = if bare.is_empty() { 0 } else { text.len() - before - bare.len() };
    format!("{}{bare}{}", "~3".repeat(before), "~3".repeat(after))
}

/// Whether [`escaped`] would leave a name of printable ASCII as it is.
pub(crate) fn is_plain(name: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| byte == Some(&b' ');
    !name.is_empty()
        && !name.iter().any(|byte| matches!(byte, b'~' | b'/' | b'*'))
        && !blank(name.first())
        && !blank(name.last())
}

/// The name that a pattern means.
fn unescaped(written: &str) -> String {
    let mut name = String::with_capacity(written.len());
    let mut rest = written;
    while let Some((before, behind)) = rest.split_once('~') {
        name.push_str(before);
        let sign = SIGNS.iter().find_map(|(sign, meant)| Some((behind.strip_prefix(*sign)?, *meant)));
        let (behind, meant) = sign.unwrap_or((behind, "~"));
        name.push_str(meant);
        rest = behind;
    }
    name + rest
}

/// What may stand behind `~`, and what it means.
const SIGNS: [(char, &str); 5] = [('0', "~"), ('1', "/"), ('2', "*"), ('3', " "), ('4', "")];
/// The name of a member whose name is empty: `/` alone is the whole body.
const NO_NAME: &str = "~4";

/// Reads a place without an endpoint before it.
pub(super) fn target(place: &str) -> Result<Target, BadPattern> {
    if let Some(path) = place.strip_prefix('/') {
        let ways = if path.is_empty() { Ok(Vec::new()) } else { path.split('/').map(way).collect() };
        return ways.map(Target::Body);
    }
    match place.split_once(':') {
        Some(("header", header)) => Ok(Target::Header(name(place, &header.to_ascii_lowercase())?)),
        Some(("cookie", cookie)) => Ok(Target::Cookie(name(place, cookie)?)),
        Some(("trailer", trailer)) => Ok(Target::Trailer(name(place, &trailer.to_ascii_lowercase())?)),
        _ => Err(BadPattern::Place(place.to_owned())),
    }
}

fn way(written: &str) -> Result<Way, BadPattern> {
    match written {
        "*" => Ok(Way::Any),
        "**" => Ok(Way::Deep),
        _ if written.contains('*') => Err(BadPattern::Star(written.to_owned())),
        _ if written.trim_ascii() != written => Err(BadPattern::Blank(written.to_owned())),
        _ => Ok(Way::Named(unescaped(written))),
    }
}

fn name(place: &str, written: &str) -> Result<Name, BadPattern> {
    let text = written.strip_suffix('*').unwrap_or(written);
    if text.contains('*') {
        return Err(BadPattern::Star(written.to_owned()));
    }
    if written.is_empty() || written.contains(char::is_whitespace) {
        return Err(BadPattern::Place(place.to_owned()));
    }
    Ok(Name { text: text.to_owned(), open: text.len() < written.len() })
}
