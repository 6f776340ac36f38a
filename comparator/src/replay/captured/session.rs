//! Which observations belong together: those of one session of evidence, which ends at a server when answers are compared by other rules
//! or come from elsewhere.
//!
//! Each line of a capture names its session. Where none does, the generation of the policy is all there is to go by, and nobody can tell
//! whether the next one began a session.

/// The sessions of a file so far.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    marked: Option<Option<u64>>,
    /// Of lines that name no session; none before the first that has one.
    generation: Option<u64>,
}

/// Where an observation belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    /// To the session of those before it.
    Here,
    /// To a session that ended.
    Earlier,
    /// To another session, with which the evidence begins anew.
    Begins,
}

impl Sessions {
    /// Where the next observation belongs, by what its line says.
    pub(super) fn of(&mut self, session: Option<u64>, generation: u64) -> Result<Belongs, String> {
        match (*self.marked.get_or_insert(session), session) {
            (Some(current), Some(session)) => {
                self.marked = Some(Some(session.max(current)));
                Ok(match session.cmp(&current) {
                    std::cmp::Ordering::Less => Belongs::Earlier,
                    std::cmp::Ordering::Equal => Belongs::Here,
                    std::cmp::Ordering::Greater => Belongs::Begins,
                })
            }
            (None, None) => self.of_one_generation(generation),
            (Some(current), None) => Err(format!("session is missing, must be there as before ({current})")),
            (None, Some(session)) => Err(format!("session is {session}, must be missing as before")),
        }
    }

    /// Generation 0 is an inline policy, which has no others.
    fn of_one_generation(&mut self, generation: u64) -> Result<Belongs, String> {
        if generation == 0 {
            return Ok(Belongs::Here);
        }
        let before = *self.generation.get_or_insert(generation);
        if before == generation {
            Ok(Belongs::Here)
        } else {
            Err(format!(
                "generation is {generation}, must be {before} as before where no line names its session"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_together() {
        let check = |lines: &[(Option<u64>, u64)], expected: &str| {
            let mut sessions = Sessions::default();
            let found: Vec<String> = lines
                .iter()
                .map(|(session, generation)| match sessions.of(*session, *generation) {
                    Ok(belongs) => format!("{belongs:?}"),
                    Err(why) => why,
                })
                .collect();
            assert_eq!(found.join("; "), expected);
        };
        check(&[(Some(2), 4), (Some(2), 5), (Some(3), 6), (Some(2), 5)], "Here; Here; Begins; Earlier");
        check(
            &[(None, 0), (None, 4), (None, 0), (None, 5), (None, 4)],
            "Here; Here; Here; generation is 5, must be 4 as before where no line names its session; Here",
        );
        check(&[(Some(2), 4), (None, 4)], "Here; session is missing, must be there as before (2)");
        check(&[(None, 4), (Some(2), 4)], "Here; session is 2, must be missing as before");
    }
}
