//! What a policy must know of a request, whoever has it: a proxy, a line of JSON, a test.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::property::PropertyPath;
use crate::timestamp::Timestamp;

/// What a decision asks of a request. Every call may be a call to the host, so each is made at most once per decision
/// and only when a rule needs it.
pub trait Request {
    /// The first value of a header as raw bytes. `name` is in lower case; `:path`, `:method` and `:authority` are names.
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// The address at the other end of the connection.
    fn peer_address(&self) -> Option<IpAddr>;

    /// A property of the host as bytes.
    fn property(&self, _path: &PropertyPath) -> Option<Cow<'_, [u8]>> {
        None
    }

    /// The body, if it is of this kind.
    fn body(&self, _kind: BodyKind) -> Body<'_> {
        Body::None
    }

    /// The time, for rules with a window and for overrides that expire.
    fn now(&self) -> Timestamp;
}

/// What a body has to be for a rule to look into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json` or another type that ends in `+json`.
    Json,
}

/// A request's body as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'r> {
    /// There is none, it is of another kind, or too long to be looked into: what is asked of it is missing.
    None,
    /// It will be there later: the decision says so in [`Decision::awaits_body`].
    ToCome,
    /// All of it.
    Whole(Cow<'r, [u8]>),
}
