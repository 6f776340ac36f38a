//! What the comparator makes of a policy document.
//!
//! Reading is the filter's own reading plus that of the comparator's own fields, into one list of problems. Whether a
//! change ends a session of evidence is decided here: it does if what is compared with what, or how, became different.

mod restored;

use antumbra_engine::{Gates, Rules, Schemas};
use antumbra_policy::Policy;
use antumbra_policy::document::{Field, Invalid, Problem, Problems, Tree, optional};

use crate::comparands::{Comparands, Unmirrored, strangers};
use crate::comparison;
use crate::comparison::assigned::Assigned;
use crate::handed_over::{HandedOver, NotHandedOver};
use crate::rollout::Rollout;

/// A document that was found right; one that was stored was right once.
pub struct Document {
    name: String,
    tree: Tree,
    rules: Rules,
    gates: Gates,
    plugins: Assigned,
    rollout: Option<Rollout>,
    /// None if the filter's part of a stored document could not be read: then nobody knows what was compared.
    comparands: Option<Comparands>,
    /// What today's rules have against a stored document; nothing about any other.
    problems: Vec<Problem>,
    /// Whether `rules` and `plugins` are what a stored document says.
    compares_as_written: bool,
}

impl Document {
    /// Validates a document; its `generation`, which is the store's to give, is dropped.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_tree(mut tree: Tree) -> Result<Self, Invalid> {
        drop_generation(&mut tree);
        let own = own_part(&tree);
        let problems = Problems::default();
        let policy = Policy::read(&problems.root(&tree));
        let own = Own::read(&problems.root(&own), &tree);
        let read = problems.finish(policy.zip(own));
        let (policy, own) = and_no(strangers(&tree), read)?;
        let comparands = Comparands::of(&policy, &comparison::primary(&tree));
        let gates = Gates { calibration: comparands.is_calibration(), ..own.gates };
        Ok(Self {
            name: policy.name().to_owned(),
            tree,
            rules: own.rules,
            gates,
            plugins: own.plugins,
            rollout: own.rollout,
            comparands: Some(comparands),
            problems: Vec::new(),
            compares_as_written: true,
        })
    }

    /// Reads and validates YAML, of which JSON is a part.
    ///
    /// # Errors
    /// A syntax error, or everything that is wrong with the document.
    pub fn from_yaml(text: &[u8]) -> Result<Self, Invalid> {
        Self::from_tree(tree_from_yaml(text)?)
    }

    /// The policy's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a filter makes of it, compiled anew: the comparator itself only needs what the other methods answer.
    ///
    /// # Errors
    /// Only of a stored document: everything that is wrong with the filter's part.
    pub fn policy(&self) -> Result<Policy, Invalid> {
        Policy::from_tree(&self.tree)
    }

    /// The document as it was written, without its generation.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What may differ, and whose answers are compared.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What a verdict needs.
    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Which plugins have to do with which endpoint.
    pub fn plugins(&self) -> &Assigned {
        &self.plugins
    }

    /// The steps of the release, if the document has any. Nothing acts on them yet.
    pub fn rollout(&self) -> Option<&Rollout> {
        self.rollout.as_ref()
    }

    /// What today's rules have against a stored document: it runs on and cannot be changed but by replacing it. Empty for any other.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether exchanges are compared as the document says; false if its `compare` can no longer be read and the usual rules hold.
    pub fn compares_as_written(&self) -> bool {
        self.compares_as_written
    }

    /// Whether nothing is left of a stored document that a filter could be given.
    pub fn is_lost(&self) -> bool {
        self.tree == Tree::Map(Vec::new())
    }

    /// The same, with the messages of gRPC read by these descriptors, which are no part of a document.
    #[must_use]
    pub fn with_schemas(self, schemas: Schemas) -> Self {
        Self { rules: self.rules.with_schemas(schemas), ..self }
    }

    /// Whether it mirrors anything, so that there is evidence to wait for.
    pub fn mirrors(&self) -> bool {
        self.comparands.as_ref().is_some_and(Comparands::has_candidates)
    }

    /// Why it mirrors nothing, if it cannot mirror anything; not known of a stored document that cannot be read.
    pub fn unmirrored(&self) -> Option<&Unmirrored> {
        self.comparands.as_ref().and_then(Comparands::unmirrored)
    }

    /// The legs whose calls mirrors leave to the comparator, with their clusters, each once.
    pub fn handed_over(&self) -> &[(&'static str, String)] {
        self.comparands.as_ref().map_or(&[], Comparands::handed_over)
    }

    /// Whether a mirror leaves these calls to the comparator.
    ///
    /// # Errors
    /// What no mirror does. Of a stored document that cannot be read nothing is known, and no call is made.
    pub fn refuse_unmirrored(&self, calls: &HandedOver<'_>) -> Result<(), NotHandedOver> {
        calls.refuse_unmirrored(self.comparands.as_ref().map_or(&[], Comparands::handing))
    }

    /// The document as stored: JSON in the document's order.
    pub fn text(&self) -> String {
        serde_json::to_string(&self.tree).unwrap_or_default()
    }

    /// Whether evidence gathered under this document also speaks about `next`, which follows it: same candidates, same controls, same
    /// rules of comparison, same secrets. Shares, weights, gates and methods do not matter.
    pub fn shares_evidence_with(&self, next: &Self) -> bool {
        let same = match (&self.comparands, &next.comparands) {
            (Some(own), Some(others)) => own.share_evidence_with(others),
            _ => false,
        };
        let reads = |part: &str| self.tree.get(part) == next.tree.get(part);
        // What is hidden from now on must be gone from what was gathered.
        same && reads("compare") && reads("redact")
    }
}

/// The comparator's own fields.
struct Own {
    rules: Rules,
    plugins: Assigned,
    gates: Gates,
    rollout: Option<Rollout>,
}

impl Own {
    fn read(root: &Field<'_>, policy: &Tree) -> Option<Self> {
        let map = root.map(&OWN)?;
        let rules = comparison::rules(map.get("compare"), policy);
        let secrets = comparison::secrets(map.get("redact"));
        let plugins = comparison::plugins(map.get("compare"));
        let gates = map.get("gates").map_or_else(|| Some(Gates::default()), comparison::gates);
        let rollout = optional(map.get("rollout").map(|field| Rollout::read(field, policy)));
        let rules = rules.zip(secrets).map(|(rules, secrets)| rules.with_secrets(secrets));
        Some(Self { rules: rules?, plugins: plugins?, gates: gates?, rollout: rollout? })
    }
}

/// Reads YAML into a tree.
pub fn tree_from_yaml(text: &[u8]) -> Result<Tree, Invalid> {
    let text = std::str::from_utf8(text)
        .map_err(|error| Invalid::single("document", format!("is not UTF-8: {error}")))?;
    // `no` is a country and `y` an answer: booleans are `true` and `false`, as in YAML 1.2.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        // In one line: the message once, and where.
        let mut plain = serde_saphyr::RenderOptions::new(&serde_saphyr::UserMessageFormatter);
        plain.snippets = serde_saphyr::SnippetMode::Off;
        Invalid::single("document", format!("is not YAML: {}", error.render_with_options(plain)))
    })
}

fn drop_generation(tree: &mut Tree) {
    if let Tree::Map(entries) = tree {
        entries.retain(|(name, _)| name != "generation");
    }
}

/// The comparator's fields alone, so that the paths of their problems are those of the whole document.
fn own_part(tree: &Tree) -> Tree {
    let own = OWN.iter().filter_map(|name| Some(((*name).to_owned(), tree.get(name)?.clone())));
    Tree::Map(own.collect())
}

fn and_no<T>(further: Vec<Problem>, read: Result<T, Invalid>) -> Result<T, Invalid> {
    match read {
        Ok(read) if further.is_empty() => Ok(read),
        Ok(_) => Err(Invalid { problems: further }),
        Err(invalid) => Err(Invalid { problems: [invalid.problems, further].concat() }),
    }
}

const OWN: [&str; 4] = ["compare", "redact", "gates", "rollout"];

#[cfg(test)]
mod tests;
