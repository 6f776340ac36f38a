//! The end of an import: what is written is what the policy's own reader takes, or it is not written.

use std::collections::BTreeMap;

use antumbra_policy::Policy;
use antumbra_policy::document::{Invalid, Tree};

use super::{Draft, Role, Root, Target, order};
use crate::imported::{ImportError, Imported};

impl Draft {
    /// The policy, if it is one, with the notes as they were made.
    pub(crate) fn finish(self, wanted: &'static str) -> Result<Imported, ImportError> {
        self.finish_in_order(wanted, &[])
    }

    /// The policy, if it is one, with the notes in the order of the input.
    pub(crate) fn finish_in_order(
        mut self,
        wanted: &'static str,
        roots: &[Root<'_>],
    ) -> Result<Imported, ImportError> {
        if self.variants.is_empty() {
            return Err(ImportError::Nothing(wanted));
        }
        self.keep_odd();
        for (what, found, most) in
            [("variants", self.variants.len(), MAX_VARIANTS), ("rules", self.rules.len(), MAX_RULES)]
        {
            if found > most {
                return Err(ImportError::TooMany { what, found, most });
            }
        }
        let policy = self.accepted()?;
        self.note_draws();
        self.note_mirrors();
        let mut notes = self.notes;
        if !roots.is_empty() {
            order::sort(&mut notes, roots);
        }
        Ok(Imported { policy, notes })
    }

    /// The document, without the rules that the policy's reader refuses.
    fn accepted(&mut self) -> Result<Tree, ImportError> {
        for _ in 0..=MAX_RULES {
            let document = self.document();
            let Err(invalid) = Policy::from_tree(&document) else {
                let bytes = serde_json::to_vec(&document).map_or(0, |text| text.len());
                let fits = bytes <= LARGEST_DOCUMENT;
                return if fits { Ok(document) } else { Err(ImportError::TooLong(bytes)) };
            };
            let refused = of_rules(&invalid);
            if refused.is_empty() {
                return Err(ImportError::Refused(invalid.to_string()));
            }
            for (index, (field, problem)) in refused.into_iter().rev() {
                self.refuse(index, &field, &problem);
            }
        }
        Err(ImportError::Refused("its rules are refused again and again".to_owned()))
    }

    /// Takes a rule back that a policy cannot hold. Its requests, or all that come so far where its condition is the problem, stay
    /// with the host's own routing.
    fn refuse(&mut self, index: usize, field: &str, problem: &str) {
        let Some(rule) = self.rules.get_mut(index) else { return };
        let (at, name) = (rule.at.clone(), rule.name.clone());
        let unread = field.starts_with("matches");
        let what = match (rule.role, &rule.target) {
            (Role::Carried, Target::To(_) | Target::Split(_) | Target::Host) | (Role::Keeping, _) => {
                rule.target = Target::Host;
                rule.mirrors.clear();
                let which = if unread {
                    rule.blocks.clear();
                    "every request that no rule before takes"
                } else {
                    "its requests"
                };
                format!(
                    "rule {name:?} leaves {which} to the host's own routing, since a policy refuses it: {problem}"
                )
            }
            (Role::Carried | Role::Waiting, _) => {
                self.rules.remove(index);
                format!("rule {name:?} is left out, since a policy refuses it: {problem}")
            }
        };
        self.note(at, what);
    }

    fn note_draws(&mut self) {
        let draws = |rule: &&super::Rule| matches!(&rule.target, Target::Split(split) if split.by.is_empty());
        let named: Vec<String> =
            self.rules.iter().filter(draws).map(|rule| format!("{:?}", rule.name)).collect();
        let Some(at) = self.rules.iter().find(draws).map(|rule| rule.at.clone()) else { return };
        self.note(
            at,
            format!(
                "the split of {} draws anew for each request; `by`, as in `by: \
             [cookie:uid, ip]`, keeps a user with a variant",
                named.join(", ")
            ),
        );
    }

    fn note_mirrors(&mut self) {
        let Some(mirror) = self.rules.iter().find_map(|rule| rule.mirrors.first()) else { return };
        let at = mirror.at.clone();
        self.note(
            at,
            "only GET, HEAD and OPTIONS are mirrored: add `unsafeMethods: allow` to the \
             mirror if the candidate may also write, and `control` to tell noise from change",
        );
    }
}

/// The first problem of each rule that has any, with the field of the rule.
fn of_rules(invalid: &Invalid) -> BTreeMap<usize, (String, String)> {
    let mut refused = BTreeMap::new();
    for problem in &invalid.problems {
        let rest = problem.path.strip_prefix("rules[").and_then(|rest| rest.split_once(']'));
        let Some((index, field)) = rest.and_then(|(index, field)| Some((index.parse().ok()?, field))) else {
            continue;
        };
        let field = field.trim_start_matches('.').to_owned();
        refused.entry(index).or_insert_with(|| (field, format!("{} {}", problem.path, problem.message)));
    }
    refused
}

const MAX_VARIANTS: usize = 64;
const MAX_RULES: usize = 256;
/// Bytes of a document that a comparator takes.
const LARGEST_DOCUMENT: usize = 3 * 1024 * 1024;
