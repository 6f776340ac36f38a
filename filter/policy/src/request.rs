//! What a policy must know of a request, whoever has it: a proxy, a line of JSON, a test.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::property::PropertyPath;
use crate::timestamp::Timestamp;

/// What a decision asks of a request. Every call may be a call to the host, so each is made at most once per decision
/// and only when a rule needs it.
pub trait Request {
    /// The value of a header as raw bytes; `None` if the request does not have it. Of several lines under one name it is what
    /// [`joined_lines`](crate::joined_lines) makes of them. `name` is in lower case; `:path`, `:method` and `:authority` are names.
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// The address at the other end of the connection, if the host knows it.
    fn peer_address(&self) -> Option<IpAddr>;

    /// The value of a property of the host as bytes; `None` if the host has none of that name.
    fn property(&self, _path: &PropertyPath) -> Option<Cow<'_, [u8]>> {
        None
    }

    /// The body, if it is of this kind and short enough to be looked into.
    fn body(&self, _kind: BodyKind) -> Body<'_> {
        Body::None
    }

    /// The time at which the request arrived, for rules with a window and for overrides that expire.
    fn now(&self) -> Timestamp;
}

/// Which kind of body a rule looks into; what is asked of a body of another kind is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// The body is `application/x-www-form-urlencoded`.
    Form,
    /// The body is `application/json` or another type that ends in `+json`.
    Json,
}

/// A request's body as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'r> {
    /// There is no body, or it is of another kind, or it is too long to be looked into: what is asked of it is missing.
    None,
    /// The body will be there later: the decision says so in [`Decision::awaits_body`](crate::Decision::awaits_body).
    ToCome,
    /// The whole body is there.
    Whole(Cow<'r, [u8]>),
}
