//! The files, besides a policy, by which answers are read, rewritten and judged: evidence gathered with other ones says something else.

use std::collections::BTreeMap;

use antumbra_policy::document::{Invalid, Problem};

use crate::document::Document;

/// The files that this process was started with, each as a digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The SHA-256 of each plugin, by its name.
    pub plugins: BTreeMap<String, String>,
    /// Which descriptors messages of gRPC are read by, as `descriptors=<SHA-256>`; empty without any.
    pub descriptors: String,
}

impl Files {
    /// Those that a document's exchanges are compared with, as text that is stored with a session. Empty without any.
    pub fn of(&self, document: &Document) -> String {
        let mut names: Vec<&str> = document.plugins().names().collect();
        names.sort_unstable();
        names.dedup();
        let digest = |name: &str| self.plugins.get(name).map_or("absent", String::as_str);
        let mut each: Vec<String> = names.iter().map(|name| format!("{name}={}", digest(name))).collect();
        each.extend(Some(self.descriptors.clone()).filter(|descriptors| !descriptors.is_empty()));
        // What is gathered by the usual rules must not be taken for evidence once the document can be read again.
        each.extend((!document.compares_as_written()).then(|| UNREAD.to_owned()));
        each.join(" ")
    }

    /// The places and names of the plugins that a document wants and that are not here.
    pub fn absent<'d>(&self, document: &'d Document) -> Vec<(usize, &'d str)> {
        document.plugins().absent(|name| self.plugins.contains_key(name))
    }

    /// A policy that names a plugin which is not here would be compared without it for ever. One that the policy in force names already
    /// may stay.
    pub(crate) fn refuse_absent(
        &self,
        document: &Document,
        current: Option<&Document>,
    ) -> Result<(), Invalid> {
        let named =
            |name: &str| current.is_some_and(|current| current.plugins().names().any(|known| known == name));
        let problem = |(index, name): (usize, &str)| Problem {
            path: format!("compare.plugins[{index}].plugin"),
            message: format!("is {name:?}, must be one that is here: start with --plugin {name}=FILE"),
        };
        let absent = self.absent(document).into_iter();
        let problems: Vec<Problem> = absent.filter(|(_, name)| !named(name)).map(problem).collect();
        if problems.is_empty() { Ok(()) } else { Err(Invalid { problems }) }
    }
}

const UNREAD: &str = "compare=unread";
