//! Who sent the observations of a release, and which of them the verdict rests on.

use serde::{Deserialize, Serialize};

use super::Report;
use crate::verdict::MAX_SOURCES;
use crate::wording::{count, many};

/// One source of observations: whoever bears a token of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceReport {
    /// The name of its token; `open` for what came without one.
    pub source: String,
    /// Observations that it brought in the session, whatever came of them.
    pub observations: u64,
    /// Exchanges that its filters say they mirrored in the session; absent where no token tells whose heartbeats these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained: Option<u64>,
    /// Whether the verdict rests on it.
    pub standing: SourceStanding,
}

impl Report {
    /// What the findings that are suspected may be.
    pub(crate) fn suspected_title(&self) -> &'static str {
        match self.suspected.iter().any(|found| found.source.is_some()) {
            true => "Suspected: maybe a burst, or only what one source says",
            false => "Suspected: maybe a burst",
        }
    }
}

impl SourceReport {
    /// That it is set aside or has no place, as a sentence with its numbers; none if it counts.
    pub fn why_set_aside(&self) -> Option<String> {
        let Self { source, observations, explained, standing } = self;
        let explained = explained.unwrap_or_default();
        match standing {
            SourceStanding::Counted => None,
            SourceStanding::SetAside => Some(format!(
                "{} from the source {source:?} are set aside: the heartbeats of its filters explain only {}.",
                many(*observations, "observation"),
                count(explained)
            )),
            SourceStanding::NoPlace => Some(format!(
                "{} of the source {source:?} are not compared: it came after {MAX_SOURCES} others, which are the most of a session.",
                many(explained, "exchange")
            )),
        }
    }
}

/// Whether the verdict rests on a source. A later version may know more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceStanding {
    /// It counts.
    Counted,
    /// It brought more than its filters' heartbeats explain. It is kept and shown, and counts again if they explain it.
    SetAside,
    /// Its filters mirror, and it has no place: it came after as many others as a session may have. Nothing that it sent is compared.
    NoPlace,
}
