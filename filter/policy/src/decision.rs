//! What a policy decides about a request, and what it must know for that.

use std::borrow::Cow;
use std::sync::Arc;

use crate::mirror::Mirror;
use crate::variant::Variant;

/// What a decision asks of a request. Every call may be a call to the host, so each is made at most once per decision
/// and only when a rule needs it.
pub trait Request {
    /// The first value of a header as raw bytes. `name` is in lower case; `:path`, `:method` and `:authority` are names.
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// The client's address without port, as canonical text.
    fn peer_address(&self) -> Option<Cow<'_, [u8]>>;
}

/// The decision about one request.
#[derive(Debug)]
pub struct Decision<'p> {
    /// Where it goes; `None` leaves the host's own routing alone.
    pub variant: Option<&'p Arc<Variant>>,
    /// The rule that chose; `None` if it was the policy's default.
    pub rule: Option<&'p str>,
    /// Where in the split it stands, 0 to 999 999; `None` if no split chose.
    pub position: Option<u32>,
    /// At most 4, in the order of the document.
    pub mirrors: Vec<Mirrored<'p>>,
    /// Why `mirrors` is empty; `None` exactly if it is not.
    pub skipped_mirror: Option<NotMirrored>,
}

/// One shadow that a request gets.
#[derive(Debug, Clone, Copy)]
pub struct Mirrored<'p> {
    /// What to send where.
    pub mirror: &'p Arc<Mirror>,
    /// Whether the control answers this request too.
    pub control: bool,
}

/// Why a request is not mirrored. If several mirrors passed it over, the reason of the one that came nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotMirrored {
    /// No rule with a mirror for it was reached.
    NoRule,
    /// Its method may write, and the mirror does not allow that.
    UnsafeMethod,
    /// The mirror's share left it out.
    NotSampled,
}

impl NotMirrored {
    /// The reason's name in metrics and accounts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRule => "no_rule",
            Self::UnsafeMethod => "unsafe_method",
            Self::NotSampled => "not_sampled",
        }
    }
}
