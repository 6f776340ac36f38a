//! What an imported policy decides, and whether that is what nginx did.

use std::fmt;

use antumbra_import::Imported;
use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Reason, Timestamp, WrittenRequest};
use serde_json::{Map, Value, json};

use crate::exchange::Sent;

/// A policy with the notes of its import.
pub(crate) struct Policy {
    compiled: antumbra_policy::Policy,
    tree: Tree,
    notes: Vec<(String, String)>,
}

/// A decision beside what nginx did.
pub(crate) enum Outcome {
    /// The same; perhaps elsewhere than to the default.
    Same { moved: bool },
    /// Another one, which the import says: the old version keeps the request.
    Said,
    /// Another one, and nobody says so.
    Differs,
}

impl Policy {
    /// The policy of an import.
    pub(crate) fn of(imported: &Imported) -> Result<Self, String> {
        let compiled =
            antumbra_policy::Policy::from_tree(&imported.policy).map_err(|invalid| invalid.to_string())?;
        let notes = imported.notes.iter().map(|note| (note.at.clone(), note.what.clone())).collect();
        Ok(Self { compiled, tree: imported.policy.clone(), notes })
    }

    /// Compares the decision on a request with what nginx did; the text says what was decided.
    pub(crate) fn outcome(&self, request: &Sent, nginx: Option<&str>) -> (Outcome, String) {
        let written = written(request);
        let decision = self.compiled.decide(&written, Dice(7));
        let cluster = decision.variant.map(|variant| variant.cluster.as_str());
        let rule = decision.rule.unwrap_or_default();
        let decided = format!("to {cluster:?} by {rule:?} ({})", decision.reason.as_str());
        let default = self.compiled.default_variant().map(|variant| variant.cluster.as_str());
        let same = match decision.reason {
            Reason::Split | Reason::MissingKey => nginx.is_some_and(|nginx| self.shares(rule, nginx)),
            _ => cluster == nginx,
        };
        if same {
            return (Outcome::Same { moved: cluster != default }, decided);
        }
        // A part of the draw that could not be told has the old version's share; which part is drawn is left to chance.
        if decision.reason == Reason::Split && self.says(rule, cluster) {
            return (Outcome::Said, decided);
        }
        if self.says(rule, cluster) { (Outcome::Said, decided) } else { (Outcome::Differs, decided) }
    }

    /// Whether a note says why a rule keeps its requests, and where, unless the host's own routing has them.
    fn says(&self, rule: &str, cluster: Option<&str>) -> bool {
        if rule == ODD || rule.strip_prefix(ODD).is_some_and(|rest| rest.starts_with('-')) {
            return self.notes.iter().any(|(_, what)| what.contains("keep the old version"));
        }
        if rule.starts_with("split") {
            return self
                .notes
                .iter()
                .any(|(_, what)| what.starts_with("a part of the draw leads to no upstream"));
        }
        let Some(place) = rule.strip_prefix("kept-") else { return false };
        let with = cluster.map(|cluster| format!("which is {cluster:?} here"));
        self.notes.iter().any(|(at, what)| {
            let name = at.rsplit('/').next().unwrap_or_default().replace(' ', "-");
            (place == name || place.strip_prefix(&name).is_some_and(|rest| rest.starts_with('-')))
                && what.contains("old version")
                && with.as_ref().is_none_or(|with| what.contains(with))
        })
    }

    /// Whether a split sends anything to a cluster.
    fn shares(&self, rule: &str, cluster: &str) -> bool {
        let weights =
            self.rule(rule).and_then(|rule| rule.get("split")).and_then(|split| split.get("weights"));
        let Some(Tree::Map(weights)) = weights else { return false };
        weights
            .iter()
            .any(|(name, weight)| *weight != Tree::Integer(0) && self.cluster(name) == Some(cluster))
    }

    fn rule(&self, name: &str) -> Option<&Tree> {
        let Some(Tree::List(rules)) = self.tree.get("rules") else { return None };
        rules.iter().find(|rule| matches!(rule.get("name"), Some(Tree::Text(known)) if known == name))
    }

    fn cluster(&self, variant: &str) -> Option<&str> {
        match self.tree.get("variants")?.get(variant)?.get("cluster")? {
            Tree::Text(cluster) => Some(cluster),
            _ => None,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", serde_saphyr::to_string(&self.tree).unwrap_or_default())?;
        self.notes.iter().try_for_each(|(at, what)| writeln!(f, "# {at}: {what}"))
    }
}

/// The request as `antumbra explain` reads it.
pub(crate) fn written(request: &Sent) -> WrittenRequest {
    let mut headers = Map::new();
    for (name, value) in &request.headers {
        headers.insert((*name).to_owned(), Value::String(value.clone()));
    }
    if !request.cookie.is_empty() {
        headers.insert("cookie".to_owned(), Value::String(request.cookie.clone()));
    }
    let text = json!({
        "method": request.method, "path": request.path, "host": request.host, "headers": headers,
        "ip": request.ip.to_string(),
    });
    let tree = Tree::from_json(text.to_string().as_bytes()).unwrap();
    WrittenRequest::from_tree(&tree, Timestamp(0)).unwrap()
}

/// The rule for requests that nginx reads in another way.
const ODD: &str = "read-otherwise";
