//! What a refusal of the control plane, or the end of the writer, is over HTTP.

use antumbra_control::refusal::Refusal;
use axum::http::StatusCode;

use crate::api::problem::Problem;
use crate::judge::Unjudged;
use crate::writer::{ChangeError, Stopped};

impl From<Stopped> for Problem {
    fn from(_: Stopped) -> Self {
        Self::unavailable("the comparator is about to end")
    }
}

impl From<Unjudged> for Problem {
    fn from(unjudged: Unjudged) -> Self {
        match unjudged {
            Unjudged::Stopped => Stopped.into(),
            Unjudged::Refused(error) => error.into(),
            Unjudged::Failed => Self::unjudged(unjudged.to_string()),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(Refusal::Unknown(name)) => Self::unknown_release(&name),
            ChangeError::Refused(Refusal::Uncreated(_)) => {
                Self::new(StatusCode::NOT_FOUND, "unknown-release", error.to_string())
            }
            ChangeError::Refused(Refusal::Verdict { .. } | Refusal::Unjudged) => {
                Self::new(StatusCode::CONFLICT, "against-the-verdict", error.to_string())
            }
            ChangeError::Refused(Refusal::Running { .. } | Refusal::Awaited { .. }) => {
                Self::new(StatusCode::CONFLICT, "running-policy", error.to_string())
            }
            ChangeError::Refused(Refusal::Precondition(_)) => {
                Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", error.to_string())
            }
            ChangeError::Refused(Refusal::Invalid(invalid)) => Self::invalid(invalid),
            ChangeError::Refused(Refusal::ReadOnly { generation, invalid }) => {
                Self::read_only(generation, invalid.problems)
            }
            ChangeError::Store(error) => Self::unavailable(error.to_string()),
        }
    }
}
