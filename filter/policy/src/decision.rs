//! What a policy decides about a request.

use std::sync::Arc;

use crate::edits::Edit;
use crate::mirror::Mirrored;
use crate::variant::Variant;

/// The decision about one request.
#[derive(Debug)]
pub struct Decision<'p> {
    /// Where it goes; `None` leaves the host's own routing alone.
    pub variant: Option<&'p Arc<Variant>>,
    /// The rule that chose; `None` if none did.
    pub rule: Option<&'p str>,
    /// The place of that rule among the enabled ones, for counting.
    pub rule_index: Option<usize>,
    /// How it was chosen.
    pub reason: Reason,
    /// Where in the split it stands, 0 to 999 999; `None` if no position decided.
    pub position: Option<u32>,
    /// At most 4, in the order of the document.
    pub mirrors: Vec<Mirrored<'p>>,
    /// Why `mirrors` is empty; `None` exactly if it is not.
    pub skipped_mirror: Option<SkippedMirror>,
    /// Of a mirrored request: what its client is known by, as a salted hash; the same keys as those of a mirror that samples
    /// by key. `None` if it has none of them.
    pub client: Option<u32>,
    /// Whether the client may choose for itself and see why, where that was asked: it costs a look at its address.
    pub trusted: bool,
    /// What to change in the request before it is routed, in order.
    pub request_edits: Vec<Edit<'p>>,
    /// What to add to the response.
    pub response_edits: Vec<Edit<'p>>,
    /// A rule asked for a body that is still to come, and this decision took it for missing: hold the request, and decide
    /// again with the same dice once the body is there.
    pub awaits_body: bool,
}

/// How a variant was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The client chose, and was allowed to.
    Override,
    /// Its id is on the list of a yellow variant.
    Ids,
    /// A rule's `to`.
    To,
    /// Its position in a rule's `split`.
    Split,
    /// A sticky cookie that a split set before.
    Sticky,
    /// It has none of the split's keys, and the default takes those.
    MissingKey,
    /// A rule's `select`.
    Select,
    /// No rule chose: the policy's default.
    Default,
}

impl Reason {
    /// The reason's name in output and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Ids => "ids",
            Self::To => "to",
            Self::Split => "split",
            Self::Sticky => "sticky",
            Self::MissingKey => "missing_key",
            Self::Select => "select",
            Self::Default => "default",
        }
    }
}

/// Why a request is not mirrored. If several mirrors passed it over, the reason of the one that came nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkippedMirror {
    /// No rule with a mirror for it was reached.
    NoRule,
    /// The mirror's variant is red.
    Red,
    /// Its method may write, and the mirror does not allow that.
    UnsafeMethod,
    /// The mirror's share left it out.
    NotSampled,
}

impl SkippedMirror {
    /// The reason's name in metrics and accounts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRule => "no_rule",
            Self::Red => "red",
            Self::UnsafeMethod => "unsafe_method",
            Self::NotSampled => "not_sampled",
        }
    }
}
