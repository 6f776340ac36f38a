//! A capture to evidence, without a server: every line counts, and one that cannot be used is named with its number.
//!
//! Nothing is dropped without a word: what a line does not say is an observation that is missing, which the verdict must know.

use std::io::{self, BufRead};

use antumbra_engine::{Delivery, Evidence, Rules};
use antumbra_observation::{Malformed, Observation};
use serde::{Deserialize, Serialize};

use crate::ingest::decode::{self, Format};
use crate::redaction::Left;
use crate::replay::comparing::Comparing;
use crate::replay::{Line, MAX_LINE, next_line};

/// What a capture held.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    /// What its observations say together.
    pub(crate) evidence: Evidence,
    /// What became of its lines.
    pub(crate) accounts: Accounts,
    /// The release that it is about; none before the first observation.
    pub(crate) release: Option<String>,
    /// The variant that is its candidate, likewise.
    candidate: Option<String>,
    /// The variant that answered the clients, likewise, where no policy says whose answers are compared.
    primary: Option<String>,
}

/// Counts of lines: `lines = observations + bad`, blank ones and those about losses aside.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accounts {
    /// Lines that should hold an observation.
    pub(crate) lines: u64,
    /// Those that do.
    pub(crate) observations: u64,
    /// Those that do not.
    pub(crate) bad: u64,
    /// Observations that the capture itself says it lost.
    pub(crate) lost: u64,
    /// What the capture says that its observations lack.
    pub(crate) left: Left,
    /// The first bad lines, at most [`MAX_NAMED`].
    pub(crate) problems: Vec<Problem>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Counted from 1.
    pub(crate) line: u64,
    /// What is wrong.
    pub(crate) message: String,
}

impl Captured {
    /// Reads to the end, taking each observation in.
    ///
    /// # Errors
    /// Of the reader; what was read before it stays.
    pub(crate) fn read(&mut self, mut reader: impl BufRead, comparing: &Comparing) -> io::Result<()> {
        let mut number = 0;
        while let Some(line) = next_line(&mut reader, MAX_LINE)? {
            number += 1;
            match line {
                Line::Whole(line) if line.trim_ascii().is_empty() => {}
                Line::Whole(line) => self.line(number, &line, comparing),
                Line::TooLong => self.bad(number, format!("has more than {MAX_LINE} bytes")),
            }
        }
        Ok(())
    }

    fn line(&mut self, number: u64, line: &[u8], comparing: &Comparing) {
        if let Ok(Loss { lost }) = serde_json::from_slice(line) {
            self.accounts.lost += lost;
            return;
        }
        let comparable = observation(line)
            .and_then(|observation| self.of_one_release(observation))
            .and_then(|observation| self.of_one_primary(observation, &comparing.rules));
        match comparable {
            Ok(observation) => {
                let Told { left } = serde_json::from_slice(line).unwrap_or_default();
                self.accounts.left.merge(&left);
                self.accounts.lines += 1;
                self.accounts.observations += 1;
                comparing.observe(&mut self.evidence, &observation, &comparing.prepare(&observation));
            }
            Err(message) => self.bad(number, message),
        }
    }

    /// Answers of two releases are answers of different services, and those of two candidates of different versions: together
    /// they say nothing.
    fn of_one_release(&mut self, observation: Observation) -> Result<Observation, String> {
        let release = self.release.get_or_insert_with(|| observation.release.clone());
        if *release != observation.release {
            return Err(format!("release is {:?}, must be {release:?} as before", observation.release));
        }
        let variant = &observation.candidate.variant;
        let candidate = self.candidate.get_or_insert_with(|| variant.clone());
        if candidate != variant {
            return Err(format!("candidate.variant is {variant:?}, must be {candidate:?} as before"));
        }
        Ok(observation)
    }

    /// Where no policy says whose answers are compared, they are those of one variant other than the candidate's: what the candidate
    /// answered itself would show its defects as those of the control.
    fn of_one_primary(&mut self, observation: Observation, rules: &Rules) -> Result<Observation, String> {
        let variant = &observation.primary.variant;
        if rules.names_primary() || variant.is_empty() {
            return Ok(observation);
        }
        if *variant == observation.candidate.variant {
            return Err(format!("primary.variant is {variant:?}, must not be the candidate's {NO_POLICY}"));
        }
        let primary = self.primary.get_or_insert_with(|| variant.clone());
        if primary != variant {
            return Err(format!("primary.variant is {variant:?}, must be {primary:?} as before {NO_POLICY}"));
        }
        Ok(observation)
    }

    fn bad(&mut self, line: u64, message: String) {
        self.accounts.lines += 1;
        self.accounts.bad += 1;
        if self.accounts.problems.len() < MAX_NAMED {
            self.accounts.problems.push(Problem { line, message });
        }
    }
}

impl Accounts {
    /// As filters report it: a line that cannot be used is an observation that was mirrored and never arrived.
    pub(crate) fn delivery(&self) -> Delivery {
        let undelivered = self.bad + self.lost;
        Delivery {
            known: true,
            mirrored: self.observations + undelivered,
            undelivered,
            ..Delivery::default()
        }
    }

    /// What was read, and what is not in it.
    pub(crate) fn to_text(&self) -> String {
        let Self { lines, observations, bad, lost, .. } = self;
        let mut text = format!("{lines} lines read: {observations} observations");
        for (count, what) in [(bad, "cannot be used"), (lost, "lost while they were captured")] {
            if *count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text.push('\n');
        self.left.lines().iter().for_each(|line| text.push_str(&format!("{line}\n")));
        text
    }

    /// One line for each problem that is named, and one for the rest.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let named = self.problems.iter().map(|Problem { line, message }| format!("line {line}: {message}"));
        let more = self.bad.saturating_sub(self.problems.len() as u64);
        named.chain((more > 0).then(|| format!("and {more} more lines that cannot be used"))).collect()
    }
}

/// A line that is no observation: a stream of exchanges says so where its reader was too slow.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loss {
    lost: u64,
}

/// What a line says besides its observation. Captures of earlier versions say nothing.
#[derive(Default, Deserialize)]
struct Told {
    #[serde(default)]
    left: Left,
}

fn observation(line: &[u8]) -> Result<Observation, String> {
    let read = decode::observations(Format::Json, line).map_err(|malformed| match malformed {
        Malformed::Undecodable { message, .. } => message.replace(" at line 1 column ", " at column "),
        Malformed::FutureVersion { version, .. } => {
            format!("version is {version}, must be within 1..={}", antumbra_observation::VERSION)
        }
    })?;
    read.into_iter().next().ok_or_else(|| "holds no observation".to_owned())
}

/// Bad lines that are named; the others are counted.
const MAX_NAMED: usize = 20;

/// How to say it.
const NO_POLICY: &str = "where no policy says whose answers are compared (--policy)";

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"version":1,"id":"000000000000000000000000000000ff","release":"shop","generation":1,"atUs":5,"request":{"method":"GET","path":"/"},"primary":{"outcome":"response","response":{"status":204}},"candidate":{"outcome":"refused"}}"#;

    #[test]
    fn every_line_is_accounted_for() {
        let other = ONE.replace("shop", "till");
        let newer = ONE.replace("\"version\":1", "\"version\":9");
        let silent = ONE.replace(r#","response":{"status":204}"#, "");
        let elsewhere = ONE.replace(r#""candidate":{"#, r#""candidate":{"variant":"next","#);
        let answered = |variant: &str| {
            let primary = format!(r#""primary":{{"variant":"{variant}","#);
            let candidate = r#""candidate":{"variant":"","#;
            ONE.replace(r#""primary":{"#, &primary).replace(r#""candidate":{"#, candidate)
        };
        let (stable, third) = (answered("stable"), answered("third"));
        let cut = &ONE[..60];
        let text = format!(
            "{ONE}\n\n{{\"lost\":3}}\n{other}\n{newer}\n{silent}\nnonsense\n{ONE}\r\n{cut}\n{elsewhere}\n{stable}\n{third}"
        );
        let mut captured = Captured::default();
        captured.read(text.as_bytes(), &Comparing::default()).unwrap();
        let Captured { evidence, accounts, release, .. } = captured;
        assert_eq!((evidence.exchanges(), release.as_deref()), (3, Some("shop")));
        assert_eq!((accounts.lines, accounts.observations, accounts.bad, accounts.lost), (10, 3, 7, 3));
        let expected = Delivery { known: true, mirrored: 13, undelivered: 10, ..Delivery::default() };
        assert_eq!(accounts.delivery(), expected);
        insta::assert_snapshot!(accounts.complaints().join("\n"), @r#"
        line 4: release is "till", must be "shop" as before
        line 5: version is 9, must be within 1..=1
        line 6: primary.response is missing, must be present exactly if primary.outcome is response
        line 7: expected ident at column 2
        line 9: EOF while parsing a string at column 60
        line 10: candidate.variant is "next", must be "" as before
        line 12: primary.variant is "third", must be "stable" as before where no policy says whose answers are compared (--policy)
        "#);
    }

    #[test]
    fn what_the_candidate_answered_itself_is_compared_only_if_a_policy_says_so() {
        let both = ONE.replace(r#""primary":{"#, r#""primary":{"variant":"canary","#);
        let both = both.replace(r#""candidate":{"#, r#""candidate":{"variant":"canary","#);
        let calibration = Comparing {
            rules: Rules::default().with_primary(vec!["canary".to_owned()]),
            ..Comparing::default()
        };
        for (comparing, bad) in [(Comparing::default(), 1), (calibration, 0)] {
            let mut captured = Captured::default();
            captured.read(both.as_bytes(), &comparing).unwrap();
            assert_eq!((captured.accounts.bad, captured.evidence.exchanges()), (bad, 1 - bad));
        }
    }

    #[test]
    fn problems_are_named_up_to_a_bound() {
        let mut captured = Captured::default();
        captured.read("x\n".repeat(1_000).as_bytes(), &Comparing::default()).unwrap();
        let complaints = captured.accounts.complaints();
        assert_eq!((captured.accounts.bad, complaints.len()), (1_000, MAX_NAMED + 1));
        assert_eq!(complaints.last().unwrap(), "and 980 more lines that cannot be used");
    }
}
