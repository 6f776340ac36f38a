//! What the comparator makes of a policy document, and the generations that are in force.
//!
//! Reading is the filter's own reading plus [`comparison`](crate::comparison), into one list of problems. Whether a
//! change ends a session of evidence is decided here: it does if what is compared with what, or how, became different.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use antumbra_engine::{Gates, Rules, Schemas};
use antumbra_policy::Policy;
use antumbra_policy::document::{Field, Invalid, Problem, Problems, Tree};

use crate::comparison;
use crate::comparison::assigned::Assigned;

/// A document that was found right.
pub struct Document {
    tree: Tree,
    policy: Policy,
    rules: Rules,
    gates: Gates,
    plugins: Assigned,
}

impl Document {
    /// Validates a document; its `generation`, which is the store's to give, is dropped.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_tree(mut tree: Tree) -> Result<Self, Invalid> {
        if let Tree::Map(entries) = &mut tree {
            entries.retain(|(name, _)| name != "generation");
        }
        let own = own_part(&tree);
        let problems = Problems::default();
        let policy = Policy::read(&problems.root(&tree));
        let own = read_own(&problems.root(&own), &tree);
        let read = problems.finish(policy.zip(own));
        let (policy, (rules, gates, plugins)) = and_no(strangers(&tree), read)?;
        let gates = Gates { calibration: is_calibration(&tree), ..gates };
        Ok(Self { tree, policy, rules, gates, plugins })
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
        self.policy.name()
    }

    /// What it decides by.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What it decides by, for whoever has the keys that it names.
    pub fn into_policy(self) -> Policy {
        self.policy
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

    /// The same, with the messages of gRPC read by these descriptors, which are no part of a document.
    #[must_use]
    pub fn with_schemas(self, schemas: Schemas) -> Self {
        Self { rules: self.rules.with_schemas(schemas), ..self }
    }

    /// The document as stored: JSON in the document's order.
    pub fn text(&self) -> String {
        serde_json::to_string(&self.tree).unwrap_or_default()
    }

    /// Whether evidence gathered under the one also speaks about the other: same candidates, same controls, same
    /// rules of comparison (the default variant is one: its answers are the primary). Shares, weights and gates do not matter.
    pub fn shares_evidence_with(&self, other: &Self) -> bool {
        comparands(&self.tree) == comparands(&other.tree)
            && self.tree.get("compare") == other.tree.get("compare")
            && self.tree.get("default") == other.tree.get("default")
    }
}

/// Reads YAML into a tree.
pub fn tree_from_yaml(text: &[u8]) -> Result<Tree, Invalid> {
    let text = std::str::from_utf8(text)
        .map_err(|error| Invalid::single("document", format!("is not UTF-8: {error}")))?;
    // `no` is a country and `y` an answer: booleans are `true` and `false`, as in YAML 1.2.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| Invalid::single("document", format!("is not YAML: {error}")))
}

/// The comparator's fields alone, so that the paths of their problems are those of the whole document.
fn own_part(tree: &Tree) -> Tree {
    let own =
        ["compare", "gates"].iter().filter_map(|name| Some(((*name).to_owned(), tree.get(name)?.clone())));
    Tree::Map(own.collect())
}

fn read_own(root: &Field<'_>, policy: &Tree) -> Option<(Rules, Gates, Assigned)> {
    let map = root.map(&["compare", "gates"])?;
    let rules = comparison::rules(map.get("compare"), policy);
    let plugins = comparison::plugins(map.get("compare"));
    let gates = map.get("gates").map_or_else(|| Some(Gates::default()), comparison::gates);
    Some((rules?, gates?, plugins?))
}

fn and_no<T>(further: Vec<Problem>, read: Result<T, Invalid>) -> Result<T, Invalid> {
    match read {
        Ok(read) if further.is_empty() => Ok(read),
        Ok(_) => Err(Invalid { problems: further }),
        Err(invalid) => Err(Invalid { problems: [invalid.problems, further].concat() }),
    }
}

/// Mirrors whose candidate or control is another one than the first's: their evidence is one and could not be told apart.
/// Rules that are off do not matter; what is wrong with the fields themselves is noted where they are read.
fn strangers(tree: &Tree) -> Vec<Problem> {
    let (mut candidate, mut control, mut problems) = (None, None, Vec::new());
    let rules = items(tree.get("rules")).iter().enumerate();
    for (r, rule) in rules.filter(|(_, rule)| rule.get("enabled") != Some(&Tree::Bool(false))) {
        for (m, mirror) in items(rule.get("mirror")).iter().enumerate() {
            let path = format!("rules[{r}].mirror[{m}]");
            problems.extend(stranger(&mut candidate, mirror, format!("{path}.to"), "candidate"));
            let drawn = mirror.get("control").unwrap_or(&Tree::Null);
            problems.extend(stranger(&mut control, drawn, format!("{path}.control.to"), "control"));
        }
    }
    problems
}

fn stranger<'t>(first: &mut Option<&'t str>, leg: &'t Tree, path: String, role: &str) -> Option<Problem> {
    let Some(Tree::Text(to)) = leg.get("to") else { return None };
    let first = *first.get_or_insert(to);
    let message = format!("is {to:?}, must be {first:?}: one release has one {role}");
    (first != to).then_some(Problem { path, message })
}

/// Whether the candidate is the stable version itself: it goes where the control goes, or the default, and is asked as that is.
fn is_calibration(tree: &Tree) -> bool {
    let rules = items(tree.get("rules")).iter();
    let mut mirrors = rules
        .filter(|rule| rule.get("enabled") != Some(&Tree::Bool(false)))
        .flat_map(|rule| items(rule.get("mirror")));
    mirrors.any(|mirror| {
        let stable = [mirror.get("control").and_then(|control| control.get("to")), tree.get("default")];
        let candidate = way(tree, mirror.get("to"));
        candidate.is_some() && stable.iter().any(|to| way(tree, *to) == candidate)
    })
}

/// Where a variant's requests go, and how they are changed.
fn way<'t>(tree: &'t Tree, to: Option<&'t Tree>) -> Option<(&'t str, Vec<&'t (String, Tree)>)> {
    let Some(Tree::Text(name)) = to else { return None };
    let variant = tree.get("variants").and_then(|variants| variants.get(name));
    let cluster = match variant.and_then(|variant| variant.get("cluster")) {
        Some(Tree::Text(cluster)) => cluster,
        _ => name,
    };
    let changes = match variant {
        Some(Tree::Map(entries)) => {
            entries.iter().filter(|(name, _)| ["host", "headers"].contains(&name.as_str())).collect()
        }
        _ => Vec::new(),
    };
    Some((cluster, changes))
}

/// Which destinations answer as candidate and as control anywhere in the document.
fn comparands(tree: &Tree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for mirror in items(tree.get("rules")).iter().flat_map(|rule| items(rule.get("mirror"))) {
        found.extend(destination(tree, "candidate", mirror.get("to")));
        found.extend(destination(
            tree,
            "control",
            mirror.get("control").and_then(|control| control.get("to")),
        ));
    }
    found
}

fn destination(tree: &Tree, leg: &str, to: Option<&Tree>) -> Option<String> {
    let Some(Tree::Text(name)) = to else { return None };
    let variant = tree.get("variants").and_then(|variants| variants.get(name));
    let cluster = match variant.and_then(|variant| variant.get("cluster")) {
        Some(Tree::Text(cluster)) => cluster,
        _ => name,
    };
    let mut text = String::new();
    let _ = write!(text, "{leg} {name} {cluster}");
    Some(text)
}

fn items(tree: Option<&Tree>) -> &[Tree] {
    match tree {
        Some(Tree::List(items)) => items,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "
version: 1
name: shop
variants: {stable: {cluster: stable}, canary: {cluster: canary}, control: {cluster: control}}
default: stable
rules:
  - name: shadow
    mirror: [{to: canary, percent: 5, control: {to: control, percent: 100}}]
compare: {ignore: [header:x-request-trace], unordered: [/tags]}
gates: {margin: 0.25}
";

    fn document(text: &str) -> Document {
        Document::from_yaml(text.as_bytes()).unwrap_or_else(|invalid| panic!("{invalid}"))
    }

    #[test]
    fn the_whole_document_is_read() {
        let shop = document(SHOP);
        assert_eq!(shop.name(), "shop");
        assert!((shop.gates().margin - 0.0025).abs() < 1e-12);
        let with_generation = document(&format!("{SHOP}generation: 9\n"));
        assert_eq!(with_generation.text(), shop.text());
        assert!(
            shop.text().starts_with(r#"{"version":1,"name":"shop","variants":{"stable""#),
            "{}",
            shop.text()
        );
    }

    #[test]
    fn problems_of_both_parts_come_at_once() {
        let bad = SHOP
            .replace("percent: 5", "percent: 101")
            .replace(
                "unordered: [/tags]",
                "unorderd: [/tags], ignore: 3, primary: [stabel], endpoints: [GET /a, 'GET users']",
            )
            .replace("margin: 0.25", "margin: 70, promoteAlpha: often");
        let bad = bad.replace("ignore: [header:x-request-trace], ", "");
        let invalid = Document::from_yaml(bad.as_bytes()).err().unwrap();
        let text = invalid.to_string();
        for expected in [
            "rules[0].mirror[0].percent is 101",
            "compare.unorderd is not a known field; did you mean \"unordered\"?",
            "compare.ignore is 3, must be a list",
            "compare.endpoints[1] is \"GET users\", names the route \"users\", must begin with /",
            "compare.primary[0] is \"stabel\", not a known variant; did you mean \"stable\"?",
            "gates.margin is 70, must be within 0.001..=50",
            "gates.promoteAlpha is \"often\", must be a number",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn one_release_has_one_candidate_and_one_control() {
        let second = |mirror: &str, enabled: bool| {
            let rule = format!("  - {{name: more, enabled: {enabled}, mirror: [{mirror}]}}\ncompare:");
            SHOP.replace("compare:", &rule)
        };
        let other = "{to: stable, percent: 1, control: {to: canary, percent: 1}}";
        let invalid = Document::from_yaml(second(other, true).as_bytes()).err().unwrap().to_string();
        assert_eq!(
            invalid,
            "rules[1].mirror[0].to is \"stable\", must be \"canary\": one release has one candidate\n\
             rules[1].mirror[0].control.to is \"canary\", must be \"control\": one release has one control"
        );
        document(&second(other, false));
        document(&second("{to: canary, percent: 1}", true));
    }

    #[test]
    fn without_a_default_only_what_the_host_routed_counts() {
        let none = document(&SHOP.replace("default: stable", "default: null"));
        let named = document(&SHOP.replace("compare: {", "compare: {primary: [control], "));
        for (document, variant, counts) in [
            (document(SHOP), "stable", true),
            (document(SHOP), "canary", false),
            (none, "canary", false),
            (document(&SHOP.replace("default: stable", "default: null")), "", true),
            (named, "control", true),
        ] {
            let mut evidence = antumbra_engine::Evidence::new();
            let leg = || antumbra_observation::Leg {
                variant: variant.to_owned(),
                outcome: antumbra_observation::Outcome::Response,
                latency_us: None,
                response: Some(antumbra_observation::Response::default()),
                reason: None,
            };
            let observation = antumbra_observation::Observation {
                version: 1,
                id: antumbra_observation::ExchangeId(1),
                release: "shop".to_owned(),
                generation: 1,
                rule: None,
                at_us: 1,
                client: None,
                request: antumbra_observation::Request::default(),
                primary: leg(),
                candidate: leg(),
                control: None,
            };
            evidence.observe(&observation, document.rules());
            assert_eq!(evidence.exchanges() == 1, counts, "{variant:?}");
        }
    }

    #[test]
    fn a_candidate_that_is_the_stable_version_is_a_calibration() {
        for (variants, calibrates) in [
            ("{stable: {cluster: stable}, canary: {cluster: canary}, control: {cluster: control}}", false),
            ("{stable: {cluster: stable}, canary: {cluster: control}, control: {cluster: control}}", true),
            ("{stable: {cluster: stable}, canary: {cluster: stable}, control: {cluster: control}}", true),
            ("{stable: {cluster: canary}, canary: null, control: {cluster: control}}", true),
            ("{stable: {cluster: a}, canary: {cluster: a, host: beta.test}, control: {cluster: b}}", false),
            ("{stable: {cluster: a}, canary: {cluster: a, state: yellow}, control: {cluster: b}}", true),
        ] {
            let line = "{stable: {cluster: stable}, canary: {cluster: canary}, control: {cluster: control}}";
            let text = SHOP.replace(line, variants);
            assert_eq!(document(&text).gates().calibration, calibrates, "{variants}");
        }
        let calibrating = document(&SHOP.replace("cluster: canary", "cluster: control"));
        assert!(!calibrating.shares_evidence_with(&document(SHOP)), "its evidence is not the release's");
    }

    #[test]
    fn only_what_is_compared_and_how_ends_the_evidence() {
        let shop = document(SHOP);
        for (from, to, shared) in [
            ("percent: 5,", "percent: 50,", true),
            ("percent: 100", "percent: 10", true),
            ("margin: 0.25", "margin: 0.5", true),
            ("cluster: stable", "cluster: other", true),
            ("cluster: canary", "cluster: canary-2", false),
            ("cluster: control", "cluster: control-2", false),
            ("[/tags]", "[/labels]", false),
            ("[/tags]", "[/tags], endpoints: ['GET /users/{name}']", false),
            ("mirror: [{to: canary,", "mirror: [{to: canary, methods: [GET],", true),
            ("gates: {", "gates: {promoteAlpha: 0.1, rollBackAlpha: 0.02, endpointMargin: 3, ", true),
            (
                "rules:",
                "rules:\n  - {name: split, split: {by: ['cookie:u'], weights: {stable: 9, canary: 1}}}",
                true,
            ),
            ("[/tags]}", "[/tags], rules: [{at: /at, time: 5s}]}", false),
            (", control: {to: control, percent: 100}", "", false),
        ] {
            let changed = SHOP.replace(from, to);
            assert_ne!(changed, SHOP, "{from}");
            assert_eq!(document(&changed).shares_evidence_with(&shop), shared, "{from} → {to}");
        }
    }
}
