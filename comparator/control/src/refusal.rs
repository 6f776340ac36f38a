//! Why something that somebody wants done with a release is not done.

use antumbra_policy::document::Invalid;

/// Why a change is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The policy is not there.
    #[error("there is no policy {0:?}")]
    Unknown(String),
    /// The policy is not there, and nobody said that it is to be created.
    #[error(
        "there is no policy {0:?}; to create it, PUT it with `?create=true` or `If-None-Match: *` (`antumbra policy put --create`)"
    )]
    Uncreated(String),
    /// Filters run the policy that is to be deleted.
    #[error(
        "{filters} filter{} run{} the policy {release:?}: they would go on splitting by it; delete it nevertheless with \
         `?force=true` (`antumbra policy delete --force`)", if *.filters == 1 { "" } else { "s" }, if *.filters == 1 { "s" } else { "" }
    )]
    Running {
        /// The policy's name.
        release: String,
        /// How many.
        filters: usize,
    },
    /// Filters ran the policy that is to be deleted before the comparator started, and could not have said yet that they still do.
    #[error(
        "filters ran the policy {release:?} before the comparator started, and may do so still: those that do will have said so in \
         {seconds} s; delete it nevertheless with `?force=true` (`antumbra policy delete --force`)"
    )]
    Awaited {
        /// The policy's name.
        release: String,
        /// Seconds until it is known.
        seconds: u64,
    },
    /// Clients would get more of a candidate that is shown to be worse.
    #[error(
        "the verdict is roll back, and {raised}; lowering needs nothing, raising needs `despiteVerdict: true` in a PATCH or \
         `?despiteVerdict=true` at a PUT (`--despite-verdict`)"
    )]
    Verdict {
        /// Which rule gives clients more.
        raised: String,
    },
    /// It gives clients more of a candidate by now, and nobody asked for the verdict.
    #[error(
        "the policy changed meanwhile, and the change gives clients more of a candidate: the verdict has to be asked for"
    )]
    Unjudged,
    /// It is not in the state that the change is meant for; what it is and what was expected, as a sentence.
    #[error("{0}")]
    Precondition(String),
    /// The document, or what the change would make of it, breaks its rules.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The stored document breaks today's rules, so nothing can be made of it.
    #[error(
        "generation {generation} of the policy was valid once and is refused by today's rules; it can only be replaced by a \
         corrected document (PUT): {invalid}"
    )]
    ReadOnly {
        /// The generation in force.
        generation: u64,
        /// What is wrong with it.
        invalid: Invalid,
    },
}
