//! What a policy decides about a request.

use std::sync::Arc;

use crate::edits::Edit;
use crate::mirror::Mirrored;
use crate::variant::Variant;

/// What a policy decides about one request, to be carried out by the host.
#[derive(Debug)]
pub struct Decision<'p> {
    /// The variant that the request goes to; `None` leaves the host's own routing alone.
    pub variant: Option<&'p Arc<Variant>>,
    /// The name of the rule that chose the variant; `None` if none did.
    pub rule: Option<&'p str>,
    /// The place of that rule among the enabled ones, from 0, by which decisions are counted.
    pub rule_index: Option<usize>,
    /// How the variant was chosen.
    pub reason: Reason,
    /// The request's position in the split that decided, 0 to 999,999; `None` if no position decided.
    pub position: Option<u32>,
    /// The shadows that the request gets: at most 4, in the order of the document.
    pub mirrors: Vec<Mirrored<'p>>,
    /// Why `mirrors` is empty; `None` exactly if it is not.
    pub skipped_mirror: Option<SkippedMirror>,
    /// The request's method, where `skipped_mirror` is [`SkippedMirror::UnsafeMethod`]: whoever counts it need not ask the host again.
    pub unsafe_method: Option<Vec<u8>>,
    /// What the client of a mirrored request is known by, as a salted hash of the keys by which mirrors sample. `None` if the
    /// request is not mirrored or has none of those keys.
    pub client: Option<u32>,
    /// Whether the client may choose its variant and see why it got it. Only looked at where the policy allows that to some
    /// clients, since it costs a look at the address.
    pub trusted: bool,
    /// The changes of the request's headers before it is routed, in the order in which they are made.
    pub request_edits: Vec<Edit<'p>>,
    /// The changes of the response's headers.
    pub response_edits: Vec<Edit<'p>>,
    /// A rule asked for a body that is still to come, and this decision took it for missing: hold the request, and decide
    /// again with the same dice once the body is there.
    pub awaits_body: bool,
    /// How many steps it took to look into the request: at most as many as [`Policy::cost`](crate::Policy::cost) says, for a request whose
    /// headers have at most 60 KiB together.
    pub steps: usize,
}

/// How a variant was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The client chose the variant, and was allowed to.
    Override,
    /// The client's id is on the list of a yellow variant.
    Ids,
    /// A rule names the variant with `to`.
    To,
    /// The request's position in a rule's `split` chose the variant.
    Split,
    /// A cookie that a sticky split set before names the variant.
    Sticky,
    /// The request has none of the split's keys, and the default takes those.
    MissingKey,
    /// A rule's `select` lists the variant for a value of the request.
    Select,
    /// No rule chose a variant, so the policy's default took the request.
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

/// Why no mirror of the policy took a request. If several mirrors passed it over, the reason is that of the one that came
/// nearest to taking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkippedMirror {
    /// No rule with a mirror for the request was reached.
    NoRule,
    /// The mirror's variant is red.
    Red,
    /// The request's method may write, and the mirror does not allow that.
    UnsafeMethod,
    /// The mirror's share left the request out.
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
