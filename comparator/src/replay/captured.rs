//! A capture to evidence, without a server: every line counts, and one that cannot be used is named with its number.
//!
//! Nothing is dropped without a word: what a line does not say is an observation that is missing, which the verdict must know.

mod accounts;
mod session;

use std::io::{self, BufRead};

use antumbra_engine::{Evidence, Rules};
use antumbra_observation::{Malformed, Observation};
use serde::Deserialize;

use crate::api::misread;
use crate::ingest::decode::{self, Format};
use crate::redaction::Left;
use crate::replay::beginning::without_mark;
use crate::replay::comparing::Takes;
use crate::replay::losses::{self, Losses};
use crate::replay::{Line, MAX_LINE, MAX_SEEN, next_line};
use crate::seen::Seen;
use session::{Belongs, Sessions};

pub(crate) use accounts::Accounts;

/// What a capture held.
#[derive(Debug)]
pub(crate) struct Captured<A = Evidence> {
    /// What its observations say together.
    pub(crate) evidence: A,
    /// What became of its lines.
    pub(crate) accounts: Accounts,
    /// The release that it is about; none before the first observation.
    pub(crate) release: Option<String>,
    /// The variant that is its candidate, likewise.
    candidate: Option<String>,
    /// The variant that answered the clients, likewise, where no policy says whose answers are compared.
    primary: Option<String>,
    sessions: Sessions,
    /// The exchanges of the session.
    seen: Seen,
    /// What captures say that they lost in it.
    losses: Losses,
}

impl<A: Default> Default for Captured<A> {
    fn default() -> Self {
        Self {
            evidence: A::default(),
            accounts: Accounts::default(),
            release: None,
            candidate: None,
            primary: None,
            sessions: Sessions::default(),
            seen: Seen::new(MAX_SEEN),
            losses: Losses::default(),
        }
    }
}

impl<A: Default> Captured<A> {
    /// Reads to the end, taking each observation in.
    ///
    /// # Errors
    /// Of the reader; what was read before it stays.
    pub(crate) fn read(&mut self, mut reader: impl BufRead, taking: &impl Takes<All = A>) -> io::Result<()> {
        let mut number = 0;
        while let Some(line) = next_line(&mut reader, MAX_LINE)? {
            number += 1;
            match line {
                Line::Whole(line) => {
                    let line = if number == 1 { without_mark(&line) } else { &line };
                    if !line.trim_ascii().is_empty() {
                        self.line(number, line, taking);
                    }
                }
                Line::TooLong => self.accounts.take_bad(number, format!("has more than {MAX_LINE} bytes")),
            }
        }
        self.accounts.lose(self.losses.end());
        Ok(())
    }

    fn line(&mut self, number: u64, line: &[u8], taking: &impl Takes<All = A>) {
        if let Some(lost) = losses::lost(line) {
            self.losses.note(lost);
            return;
        }
        match observation(line).and_then(|observation| self.comparable(observation, line, taking.rules())) {
            Ok(comparable) => {
                self.accounts.lines += 1;
                self.take(comparable, taking);
            }
            Err(message) => self.accounts.take_bad(number, message),
        }
    }

    /// The observation, if it is one of the session; what the line says besides is noted.
    fn comparable(
        &mut self,
        observation: Observation,
        line: &[u8],
        rules: &Rules,
    ) -> Result<Option<(Observation, Left)>, String> {
        let observation = self.of_one_release(observation)?;
        let Told { session, left } = misread::json(line).map_err(|misread| misread.in_line())?;
        match self.sessions.of(session, observation.generation)? {
            Belongs::Here => {}
            Belongs::Earlier => return Ok(None),
            Belongs::Begins => self.begin_session(),
        }
        let observation = self.of_one_candidate(observation)?;
        let observation = self.of_one_primary(observation, rules)?;
        Ok(Some((observation, left)))
    }

    fn begin_session(&mut self) {
        self.accounts.lose(self.losses.end());
        self.accounts.begin_session();
        let (accounts, sessions) = (std::mem::take(&mut self.accounts), std::mem::take(&mut self.sessions));
        let release = self.release.take();
        *self = Self { accounts, sessions, release, ..Self::default() };
    }

    /// What a line lacks counts with its exchange, once.
    fn take(&mut self, comparable: Option<(Observation, Left)>, taking: &impl Takes<All = A>) {
        let Some((observation, left)) = comparable else {
            self.accounts.superseded += 1;
            return;
        };
        let is_new = self.seen.is_new(observation.id);
        self.accounts.lose(self.losses.before(observation.id, is_new));
        if is_new {
            self.accounts.observations += 1;
            self.accounts.left.merge(&left);
            taking.take(&mut self.evidence, &observation);
        } else {
            self.accounts.same_id += 1;
        }
    }

    /// Answers of two releases are answers of different services: together they say nothing.
    fn of_one_release(&mut self, observation: Observation) -> Result<Observation, String> {
        let release = self.release.get_or_insert_with(|| observation.release.clone());
        if *release != observation.release {
            return Err(format!("release is {:?}, must be {release:?} as before", observation.release));
        }
        Ok(observation)
    }

    /// Those of two candidates are of different versions.
    fn of_one_candidate(&mut self, observation: Observation) -> Result<Observation, String> {
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
}

/// What a line says besides its observation. Captures of earlier versions say nothing.
#[derive(Deserialize)]
struct Told {
    session: Option<u64>,
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

/// How to say it.
const NO_POLICY: &str = "where no policy says whose answers are compared (--policy)";

#[cfg(test)]
mod tests {
    use antumbra_engine::Delivery;

    use super::accounts::MAX_NAMED;
    use super::*;
    use crate::replay::comparing::Comparing;

    const ONE: &str = r#"{"version":1,"id":"000000000000000000000000000000ff","release":"shop","generation":1,"atUs":5,"request":{"method":"GET","path":"/"},"primary":{"outcome":"response","response":{"status":204}},"candidate":{"outcome":"refused"}}"#;

    #[test]
    fn every_line_is_accounted_for() {
        let other = ONE.replace("shop", "till");
        let newer = ONE.replace("\"version\":1", "\"version\":9");
        let silent = ONE.replace(r#","response":{"status":204}"#, "");
        let elsewhere = ONE.replace(r#""candidate":{"#, r#""candidate":{"variant":"next","#);
        let answered = |variant: &str| {
            let primary = format!(r#""primary":{{"variant":"{variant}","#);
            let other_id = ONE.replace("0ff", "2ff");
            let candidate = r#""candidate":{"variant":"","#;
            other_id.replace(r#""primary":{"#, &primary).replace(r#""candidate":{"#, candidate)
        };
        let (stable, third) = (answered("stable"), answered("third"));
        let cut = &ONE[..60];
        let again = ONE.replace("0ff", "1ff");
        let text = format!(
            "{ONE}\n\n{{\"lost\":3}}\n{other}\n{newer}\n{silent}\nnonsense\n{again}\r\n{cut}\n{elsewhere}\n{stable}\n{third}"
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

    fn read(lines: &[String]) -> Captured {
        let mut captured = Captured::default();
        captured.read(lines.join("\n").as_bytes(), &Comparing::default()).unwrap();
        captured
    }

    fn numbered(id: u32, more: &str) -> String {
        ONE.replace("0000ff", &format!("{id:06x}")).replace(r#""atUs":5"#, &format!(r#""atUs":5{more}"#))
    }

    #[test]
    fn an_exchange_counts_once_unless_it_has_no_name() {
        let lines = [1, 1, 2, 0, 0, 1].map(|id| numbered(id, ""));
        let Captured { evidence, accounts, .. } = read(&lines);
        assert_eq!((evidence.exchanges(), accounts.same_id, accounts.observations), (4, 2, 4));
        assert_eq!(accounts.delivery(), Delivery { known: true, mirrored: 4, ..Delivery::default() });
        assert_eq!(accounts.to_text(), "6 lines read: 4 observations, 2 met before\n");
    }

    /// Editors and shells write it.
    #[test]
    fn a_byte_order_mark_is_none_of_the_text() {
        let marked = [format!("\u{feff}{}", numbered(1, "")), numbered(2, "")];
        assert_eq!(read(&marked).accounts.to_text(), "2 lines read: 2 observations\n");
        assert_eq!(read(&["\u{feff}".to_owned(), numbered(2, "")]).accounts.observations, 1);
    }

    #[test]
    fn what_two_captures_have_together_counts_once() {
        let told = |id| numbered(id, r#","left":{"cut":1}"#);
        let lost = |count: u64| format!("{{\"lost\":{count}}}");
        let one = [lost(2), told(1), told(2), lost(1), told(3)];
        let mut captured = read(&one);
        captured.read(one.join("\n").as_bytes(), &Comparing::default()).unwrap();
        let later = [told(2), lost(4), told(3), told(4)];
        captured.read(later.join("\n").as_bytes(), &Comparing::default()).unwrap();
        insta::assert_snapshot!(captured.accounts.to_text(), @r"
        9 lines read: 4 observations, 5 met before, 3 lost while they were captured
        not kept: 4 bodies beyond the filter's limit, only length and hash
        ");
        let expected = Delivery { known: true, mirrored: 7, undelivered: 3, ..Delivery::default() };
        assert_eq!(captured.accounts.delivery(), expected);
    }

    /// Messages are printed and kept by whoever runs this.
    #[test]
    fn a_line_that_cannot_be_used_is_named_without_its_values() {
        let lines = [
            ONE.replace(r#""method":"GET""#, r#""method":{"hush":1}"#),
            ONE.replace("\"generation\":1", "\"generation\":\"hush\""),
            ONE.replace(r#""outcome":"response""#, r#""outcome":"hush""#),
            numbered(1, r#","session":"hush""#),
        ];
        let complaints = read(&lines).accounts.complaints().join("\n");
        assert!(!complaints.contains("hush"), "{complaints}");
        insta::assert_snapshot!(complaints, @r"
        line 1: a member of request.method is a number, must be a string
        line 2: generation is a string, must be a whole number within its bounds
        line 3: primary.outcome has a value that does not fit, must be one of `response`, `timeout`, `refused`, `reset`, `notSent`
        line 4: session is a string, must be a whole number within its bounds
        ");
    }

    /// As a server does when the policy's comparands or rules change, or the evidence is reset.
    #[test]
    fn the_last_session_alone_is_judged() {
        let told = |id, session: u64| numbered(id, &format!(r#","session":{session},"left":{{"cut":1}}"#));
        let next = |id| told(id, 4).replace(r#""candidate":{"#, r#""candidate":{"variant":"next","#);
        let lost = || r#"{"lost":5}"#.to_owned();
        let lines =
            [told(1, 3), lost(), "nonsense".to_owned(), told(2, 3), next(1), lost(), next(2), told(3, 3)];
        let Captured { evidence, accounts, .. } = read(&lines);
        assert_eq!((evidence.exchanges(), accounts.observations, accounts.superseded), (2, 2, 3));
        let expected = Delivery { known: true, mirrored: 7, undelivered: 5, ..Delivery::default() };
        assert_eq!(accounts.delivery(), expected);
        insta::assert_snapshot!(accounts.to_text(), @r"
        6 lines read: 2 observations, 3 of earlier sessions of evidence, 1 cannot be used, 10 lost while they were captured
        not kept: 2 bodies beyond the filter's limit, only length and hash
        ");
        insta::assert_snapshot!(accounts.complaints().join("\n"), @r"
        line 3: expected ident at column 2
        3 observations are not judged, as by a server: another session of evidence began after them
        ");
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
