//! What became of the lines of a capture, and what they lack.

use antumbra_engine::Delivery;
use serde::Serialize;

use crate::redaction::Left;

/// Counts of lines: `lines = observations + superseded + same_id + bad`, blank ones and those about losses aside.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accounts {
    /// Lines that should hold an observation.
    pub(crate) lines: u64,
    /// Those that do, and are judged.
    pub(crate) observations: u64,
    /// Those of sessions of evidence that ended while they were captured: a server does not judge them either.
    pub(crate) superseded: u64,
    /// Those that hold an exchange that was met before.
    pub(crate) same_id: u64,
    /// Those that do not.
    pub(crate) bad: u64,
    /// Observations that the capture itself says it lost.
    pub(crate) lost: u64,
    /// What the capture says that its observations lack.
    pub(crate) left: Left,
    /// The first bad lines, at most [`MAX_NAMED`].
    pub(crate) problems: Vec<Problem>,
    /// What was bad or lost in earlier sessions.
    #[serde(skip)]
    missing_before: u64,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// Counted from 1.
    pub(crate) line: u64,
    /// What is wrong.
    pub(crate) message: String,
}

impl Accounts {
    /// What came so far is no part of the session that begins.
    pub(super) fn begin_session(&mut self) {
        self.superseded += std::mem::take(&mut self.observations);
        self.missing_before = self.bad.saturating_add(self.lost);
        self.left = Left::default();
    }

    /// So many observations are missing, as the capture itself says.
    pub(super) fn lose(&mut self, observations: u64) {
        self.lost = self.lost.saturating_add(observations);
    }

    pub(super) fn take_bad(&mut self, line: u64, message: String) {
        self.lines += 1;
        self.bad += 1;
        if self.problems.len() < MAX_NAMED {
            self.problems.push(Problem { file: None, line, message });
        }
    }

    /// Says in which file the bad lines are of which nothing says so yet.
    pub(crate) fn are_in(&mut self, file: &str) {
        let unnamed = self.problems.iter_mut().filter(|problem| problem.file.is_none());
        unnamed.for_each(|problem| problem.file = Some(file.to_owned()));
    }

    /// As filters report it: a line that cannot be used is an observation that was mirrored and never arrived.
    pub(crate) fn delivery(&self) -> Delivery {
        let undelivered = self.bad.saturating_add(self.lost).saturating_sub(self.missing_before);
        Delivery {
            known: true,
            mirrored: self.observations.saturating_add(undelivered),
            undelivered,
            ..Delivery::default()
        }
    }

    /// What was read, and what is not in it.
    pub(crate) fn to_text(&self) -> String {
        let Self { lines, observations, superseded, same_id, bad, lost, .. } = self;
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let (of_lines, of_observations) = (plural(*lines), plural(*observations));
        let mut text = format!("{lines} line{of_lines} read: {observations} observation{of_observations}");
        for (count, what) in [
            (superseded, "of earlier sessions of evidence"),
            (same_id, "met before"),
            (bad, "cannot be used"),
            (lost, "lost while they were captured"),
        ] {
            if *count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text.push('\n');
        self.left.lines().iter().for_each(|line| text.push_str(&format!("{line}\n")));
        text
    }

    /// One line for each problem that is named, one for the rest, and one for what is not judged.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let named = self.problems.iter().map(|Problem { file, line, message }| match file {
            Some(file) => format!("{file}: line {line}: {message}"),
            None => format!("line {line}: {message}"),
        });
        let more = self.bad.saturating_sub(self.problems.len() as u64);
        let more = match more {
            0 => None,
            1 => Some("and 1 more line that cannot be used".to_owned()),
            more => Some(format!("and {more} more lines that cannot be used")),
        };
        let earlier = match self.superseded {
            0 => None,
            1 => Some(
                "1 observation is not judged, as by a server: another session of evidence began after it"
                    .to_owned(),
            ),
            many => Some(format!(
                "{many} observations are not judged, as by a server: another session of evidence began after them"
            )),
        };
        named.chain(more).chain(earlier).collect()
    }
}

/// Bad lines that are named; the others are counted.
pub(super) const MAX_NAMED: usize = 20;
