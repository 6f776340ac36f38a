//! The list as one release has it: the names that everybody has, those that its policy adds, and those that are no secrets there.

use std::str::FromStr;

use super::kind::SecretKind;
use super::names;

/// The list of names, with what a policy changes of it. What is a secret by its form always is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    headers: Vec<String>,
    cookies: Vec<String>,
    queries: Vec<String>,
    paths: Vec<Vec<Step>>,
    shown: Vec<String>,
}

/// A place that somebody names because a secret stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// The header or trailer of this lower-case name.
    Header(String),
    /// The cookie of this name.
    Cookie(String),
    /// The parameter of this name in queries, paths and forms.
    Query(String),
    /// The place in bodies, and all below it.
    Path(Vec<Step>),
}

/// A step into a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member or the position of this name.
    Named(String),
    /// `*`: any one member or position.
    Any,
    /// `**`: any number of them.
    Deep,
}

/// The text names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a path of at most {MAX_STEPS} keys as /customer/email, /items/*/card or /**/card, or as header:x-session, cookie:uid or query:ref"
)]
pub struct BadSecret;

impl FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        if let Some(name) = text.strip_prefix("header:") {
            let of_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            let sound = !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(of_token);
            return if sound { Ok(Self::Header(name.to_ascii_lowercase())) } else { Err(BadSecret) };
        }
        if let Some(name) = text.strip_prefix("cookie:") {
            return named(name).map(Self::Cookie);
        }
        if let Some(name) = text.strip_prefix("query:") {
            return named(name).map(Self::Query);
        }
        let path = text.strip_prefix('/').ok_or(BadSecret)?;
        let segments = || path.split('/');
        let sound = segments().count() <= MAX_STEPS && segments().all(|segment| !segment.is_empty());
        if sound { Ok(Self::Path(segments().map(Step::of).collect())) } else { Err(BadSecret) }
    }
}

fn named(name: &str) -> Result<String, BadSecret> {
    let sound = !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_whitespace);
    if sound { Ok(name.to_owned()) } else { Err(BadSecret) }
}

impl Step {
    /// As in the places of a report; whoever copies one of those must not miss the secret.
    fn of(segment: &str) -> Self {
        let signs = [("~4", ""), ("~3", " "), ("~2", "*"), ("~1", "/"), ("~0", "~")];
        match segment {
            "*" => Self::Any,
            "**" => Self::Deep,
            _ => Self::Named(
                signs.into_iter().fold(segment.to_owned(), |name, (sign, meant)| name.replace(sign, meant)),
            ),
        }
    }

    /// Whether this step leads to the member or position of this name.
    pub fn leads_to(&self, name: &[u8]) -> bool {
        match self {
            Self::Named(own) => own.as_bytes() == name,
            Self::Any | Self::Deep => true,
        }
    }
}

impl Extend<Secret> for Secrets {
    fn extend<I: IntoIterator<Item = Secret>>(&mut self, secrets: I) {
        for secret in secrets {
            match secret {
                Secret::Header(name) => self.headers.push(name),
                Secret::Cookie(name) => self.cookies.push(name),
                Secret::Query(name) => self.queries.push(name),
                Secret::Path(path) => self.paths.push(path),
            }
        }
    }
}

impl Secrets {
    /// Takes names off the list: no value is hidden because one of these names it. Case does not matter.
    #[must_use]
    pub fn showing(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.shown.extend(names.into_iter().map(|name| name.to_ascii_lowercase()));
        self
    }

    /// Returns what the value of a header or trailer is.
    pub fn of_header(&self, name: &[u8]) -> Option<SecretKind> {
        if self.headers.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name)) {
            return Some(SecretKind::Named);
        }
        self.unless_shown(name, names::of_parameter)
    }

    /// Returns what the value of a cookie is: every one is a secret that is not taken off the list.
    pub fn of_cookie(&self, name: &[u8]) -> Option<SecretKind> {
        if self.cookies.iter().any(|own| own.as_bytes() == name) {
            return Some(SecretKind::Named);
        }
        self.unless_shown(name, |_| Some(SecretKind::Cookie))
    }

    /// Returns what the value of a parameter is: in a query, a path, a form or a part of one.
    pub fn of_parameter(&self, name: &[u8]) -> Option<SecretKind> {
        if self.queries.iter().any(|own| own.as_bytes() == name) {
            return Some(SecretKind::Named);
        }
        self.unless_shown(name, names::of_parameter)
    }

    /// Returns what the value of a member is, by its name alone.
    pub fn of_member(&self, name: &[u8]) -> Option<SecretKind> {
        self.unless_shown(name, names::of_name)
    }

    /// Returns what stands at a place in a body, or at one that it is below of.
    pub fn of_path<'p>(&self, path: impl IntoIterator<Item = &'p [u8]>) -> Option<SecretKind> {
        let mut open: Vec<&[Step]> = self.paths.iter().map(Vec::as_slice).collect();
        for name in path {
            open = below(&open, name);
            if is_reached(&open) {
                return Some(SecretKind::Named);
            }
        }
        None
    }

    /// Returns the places in bodies that are named.
    pub fn paths(&self) -> &[Vec<Step>] {
        &self.paths
    }

    fn unless_shown(&self, name: &[u8], of: fn(&[u8]) -> Option<SecretKind>) -> Option<SecretKind> {
        let shown = self.shown.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name));
        if shown { None } else { of(name) }
    }
}

/// The paths that lead into a member or position, as what is left of each.
fn below<'p>(paths: &[&'p [Step]], name: &[u8]) -> Vec<&'p [Step]> {
    let mut left = Vec::new();
    let mut open: Vec<&'p [Step]> = paths.to_vec();
    while let Some(path) = open.pop() {
        let Some((first, rest)) = path.split_first() else { continue };
        if *first == Step::Deep {
            left.push(path);
            open.push(rest);
        } else if first.leads_to(name) {
            left.push(rest);
        }
    }
    left.sort_unstable_by_key(|path| path.len());
    left.dedup();
    left
}

/// Whether one of the paths has nothing left that must follow.
fn is_reached(paths: &[&[Step]]) -> bool {
    paths.iter().any(|path| path.iter().all(|step| *step == Step::Deep))
}

/// Nobody needs more, and each is one step of a recursion.
const MAX_STEPS: usize = 32;
const MAX_NAME: usize = 255;
