//! What a decision says to the services and to the client: changes of headers, as values that a host can carry out.

use std::borrow::Cow;

use crate::headers::HeaderChanges;

/// One change of a header. Names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit<'p> {
    /// The header gets exactly this value, whatever it had.
    Set(&'p str, Cow<'p, [u8]>),
    /// The header gets this value besides those that it has.
    Add(&'p str, Cow<'p, [u8]>),
    /// The header loses all its values.
    Remove(&'p str),
}

impl Edit<'_> {
    /// The name of the header that is changed.
    pub fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Add(name, _) | Self::Remove(name) => name,
        }
    }

    /// The same change without a borrow of the policy, for a response that may come when the policy is gone.
    pub fn into_owned(self) -> OwnedEdit {
        match self {
            Self::Set(name, value) => OwnedEdit::Set(name.to_owned(), value.into_owned()),
            Self::Add(name, value) => OwnedEdit::Add(name.to_owned(), value.into_owned()),
            Self::Remove(name) => OwnedEdit::Remove(name.to_owned()),
        }
    }
}

/// One change of a header as [`Edit`] has it, without a borrow of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedEdit {
    /// The header gets exactly this value, whatever it had.
    Set(String, Vec<u8>),
    /// The header gets this value besides those that it has.
    Add(String, Vec<u8>),
    /// The header loses all its values.
    Remove(String),
}

impl OwnedEdit {
    /// The change as an [`Edit`], which hosts carry out.
    pub fn borrowed(&self) -> Edit<'_> {
        match self {
            Self::Set(name, value) => Edit::Set(name, Cow::Borrowed(value)),
            Self::Add(name, value) => Edit::Add(name, Cow::Borrowed(value)),
            Self::Remove(name) => Edit::Remove(name),
        }
    }
}

/// The changes that a policy wrote down.
pub(crate) fn written<'p>(changes: &'p HeaderChanges, edits: &mut Vec<Edit<'p>>) {
    let text = |value: &'p String| Cow::Borrowed(value.as_bytes());
    edits.extend(changes.remove.iter().map(|name| Edit::Remove(name)));
    edits.extend(changes.set.iter().map(|(name, value)| Edit::Set(name, text(value))));
    edits.extend(changes.add.iter().map(|(name, value)| Edit::Add(name, text(value))));
}
