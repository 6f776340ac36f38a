//! What a wanted change makes of the policy in force: a new document, nothing, or the reason why not. Pure.

use antumbra_engine::Verdict;
use antumbra_policy::document::{Invalid, Tree};
use antumbra_policy::edit::{self, EditError, Selection};

use crate::document::Document;
use crate::refusal::Refusal;
use crate::version::Version;

/// A change that somebody asks for.
#[derive(Debug, Clone)]
pub struct Change {
    /// Which policy.
    pub name: String,
    /// What to do with it.
    pub edit: Edit,
    /// In which state it must be.
    pub expected: Expected,
    /// Who asks.
    pub author: String,
    /// Why.
    pub reason: String,
    /// What is known of the candidate.
    pub judged: Judged,
    /// Although the verdict is `roll back`.
    pub despite_verdict: bool,
}

/// What is known of the verdict where a change is asked for. Judging takes a while, so it is done before, and only for a change that gives
/// clients more of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It was not asked for, since the change gave clients no more of a candidate when it was looked at.
    Unasked,
    /// It was asked for, and could not be told.
    Failed,
    /// This one.
    As(Verdict),
    /// It does not matter, as for a policy file at the start.
    Waived,
}

/// What to do with a policy.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Replace.
    Put(Tree),
    /// Replace, or create.
    Create(Tree),
    /// The same from a policy file at the start of the comparator.
    File(Tree),
    /// Set the mirrored share.
    Mirror {
        /// 0 to 100.
        percent: f64,
        /// Only of this rule.
        rule: Option<String>,
        /// Only towards this variant.
        to: Option<String>,
    },
    /// Set weights of a split.
    Weights {
        /// In the order to append new ones in.
        weights: Vec<(String, u64)>,
        /// Of this rule.
        rule: Option<String>,
    },
}

impl Edit {
    /// The name in the audit.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Put(_) | Self::Create(_) => PUT,
            Self::File(_) => FILE,
            Self::Mirror { .. } => "mirror",
            Self::Weights { .. } => "weights",
        }
    }

    /// Whether a policy file says so.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Whether it brings a whole document.
    pub(crate) fn is_document(&self) -> bool {
        matches!(self, Self::Put(_) | Self::Create(_) | Self::File(_))
    }
}

/// The state of a policy that a change is meant for (RFC 9110, section 13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Any.
    Any,
    /// `If-Match: *`: it exists.
    Existing,
    /// `If-Match: "3", …`: one of these generations.
    OneOf(Vec<String>),
    /// `If-None-Match: *`: it does not exist.
    Absent,
}

/// The document after the change; `None` if it says the same as the one in force.
pub fn amended(current: Option<&Version>, change: &Change) -> Result<Option<Document>, Refusal> {
    check(current, &change.expected)?;
    let document = match &change.edit {
        // A name that nobody knows is a slip more often than a new release.
        Edit::Put(_) if current.is_none() && change.expected != Expected::Absent => {
            return Err(Refusal::Uncreated(change.name.clone()));
        }
        Edit::Put(tree) | Edit::Create(tree) | Edit::File(tree) => {
            named(Document::from_tree(tree.clone())?, &change.name)?
        }
        other => {
            let current = current.ok_or_else(|| Refusal::Unknown(change.name.clone()))?;
            current.refuse_read_only()?;
            Document::from_tree(edited(current.document.tree().clone(), other)?)?
        }
    };
    let same = current.is_some_and(|current| current.document.text() == document.text());
    Ok((!same).then_some(document))
}

pub(crate) fn check(current: Option<&Version>, expected: &Expected) -> Result<(), Refusal> {
    let told = match (expected, current) {
        (Expected::Any, _) | (Expected::Existing, Some(_)) | (Expected::Absent, None) => return Ok(()),
        (Expected::OneOf(tags), Some(version)) if tags.contains(&version.etag()) => return Ok(()),
        (Expected::OneOf(tags), Some(version)) => {
            let tags: Vec<&str> = tags.iter().map(|tag| tag.trim_matches('"')).collect();
            format!("the policy is at generation {}, not {}", version.generation, tags.join(" or "))
        }
        (Expected::Absent, Some(version)) => {
            format!("the policy exists already, at generation {}", version.generation)
        }
        (Expected::Existing | Expected::OneOf(_), None) => "the policy does not exist".to_owned(),
    };
    Err(Refusal::Precondition(told))
}

fn named(document: Document, name: &str) -> Result<Document, Invalid> {
    if document.name() == name {
        return Ok(document);
    }
    Err(Invalid::single("name", format!("is {:?}, must be {name:?} as in the address", document.name())))
}

fn edited(mut tree: Tree, edit: &Edit) -> Result<Tree, Invalid> {
    let refused = match edit {
        Edit::Put(_) | Edit::Create(_) | Edit::File(_) => None,
        Edit::Mirror { percent, rule, to } => {
            let selection = Selection { rule: rule.as_deref(), to: to.as_deref() };
            edit::set_mirror(&mut tree, selection, *percent).err()
        }
        Edit::Weights { weights, rule } => edit::set_weights(&mut tree, rule.as_deref(), weights).err(),
    };
    match refused {
        // A problem is its path and then its words.
        Some(EditError::SeveralSplits { known }) => Err(Invalid::single(
            "rules",
            format!("has several with a split, one must be named: {}", known.join(", ")),
        )),
        Some(error) => Err(Invalid::single("rules", format!("has {error}"))),
        None => Ok(tree),
    }
}

/// The action of [`Edit::File`] in the audit.
pub const FILE: &str = "file";
/// The action of [`Edit::Put`] and [`Edit::Create`] in the audit.
pub const PUT: &str = "put";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tree_from_yaml;

    fn shop(percent: u8) -> String {
        format!(
            "{{version: 1, name: shop, variants: {{stable: null, canary: null}}, default: stable,
              rules: [{{name: shadow, mirror: [{{to: canary, percent: {percent}}}]}}]}}"
        )
    }

    fn check(edit: Edit, expected: Expected, outcome: &str) {
        let current = Version::new(Document::from_yaml(shop(5).as_bytes()).unwrap(), 3, 0);
        let change = Change {
            name: "shop".to_owned(),
            edit,
            expected,
            author: String::new(),
            reason: String::new(),
            judged: Judged::Waived,
            despite_verdict: false,
        };
        let found = match amended(Some(&current), &change) {
            Ok(Some(document)) => document.text(),
            Ok(None) => "same".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(outcome), "{found:?} does not contain {outcome:?}");
    }

    #[test]
    fn edits_and_preconditions() {
        let put = |percent| Edit::Put(tree_from_yaml(shop(percent).as_bytes()).unwrap());
        let mirror = |percent| Edit::Mirror { percent, rule: None, to: None };
        check(put(5), Expected::Any, "same");
        check(put(6), Expected::OneOf(vec!["\"3\"".to_owned()]), r#""percent":6"#);
        check(put(6), Expected::OneOf(vec!["\"2\"".to_owned()]), "at generation 3");
        check(put(6), Expected::Absent, "at generation 3");
        check(mirror(7.5), Expected::Existing, r#""percent":7.5"#);
        check(mirror(101.0), Expected::Any, "101");
        let weights = vec![("canary".to_owned(), 10)];
        check(Edit::Weights { weights, rule: None }, Expected::Any, "rules");
        let other = tree_from_yaml(shop(5).replace("name: shop", "name: till").as_bytes()).unwrap();
        check(Edit::Put(other), Expected::Any, "name is \"till\", must be \"shop\"");
    }
}
