//! A stored document that today's rules refuse: it was valid once, so what can still be read of it holds.
//!
//! Each part is read on its own. A part that cannot be read falls back to what does no harm: exchanges are compared by the usual
//! rules, no plugin runs, and no verdict says more than `wait`.

use antumbra_engine::{Gates, Rules};
use antumbra_policy::Policy;
use antumbra_policy::document::{Field, Invalid, Problem, Problems, Tree};

use super::{Document, drop_generation, own_part};
use crate::comparands::Comparands;
use crate::comparison;
use crate::records::DAMAGED;
use crate::rollout::Rollout;

impl Document {
    /// Reads what was stored for the policy `name`. What is wrong with it is in [`Document::problems`].
    pub fn restore(name: &str, text: &str) -> Self {
        let (tree, unreadable) = match Tree::from_json(text.as_bytes()) {
            Ok(tree @ Tree::Map(_)) => (tree, None),
            Ok(other) => {
                let message = format!("is {other}, must be a mapping");
                (Tree::Map(Vec::new()), Some(Invalid::single("document", message)))
            }
            Err(_) if text.starts_with(DAMAGED) => {
                let message = "is damaged: its checksum does not match, or it is not UTF-8".to_owned();
                (Tree::Map(Vec::new()), Some(Invalid::single("document", message)))
            }
            Err(invalid) => (Tree::Map(Vec::new()), Some(invalid)),
        };
        match unreadable.map_or_else(|| named(name, Self::from_tree(tree.clone())), Err) {
            Ok(document) => document,
            Err(Invalid { problems }) => Self::in_part(name, tree, problems),
        }
    }

    fn in_part(name: &str, mut tree: Tree, problems: Vec<Problem>) -> Self {
        drop_generation(&mut tree);
        let own = own_part(&tree);
        let policy = Policy::from_tree(&tree).ok();
        let comparands = policy.map(|policy| Comparands::of(&policy, &comparison::primary(&tree)));
        let rules = part(&own, "compare", |field| comparison::rules(field, &tree));
        let secrets = part(&own, "redact", comparison::secrets).unwrap_or_default();
        let plugins = part(&own, "compare", comparison::plugins);
        let gates =
            part(&own, "gates", |field| field.map_or_else(|| Some(Gates::default()), comparison::gates));
        let rollout = part(&own, "rollout", |field| Rollout::read(field?, &tree));
        let calibration = comparands.as_ref().is_some_and(Comparands::is_calibration);
        let (rules, plugins) = rules.zip(plugins).unzip();
        Self {
            name: name.to_owned(),
            compares_as_written: rules.is_some() && tree != Tree::Map(Vec::new()),
            rules: rules.unwrap_or_else(|| usual_rules(&tree)).with_secrets(secrets),
            gates: Gates { calibration, unreadable: true, ..gates.unwrap_or_default() },
            plugins: plugins.unwrap_or_default(),
            rollout,
            comparands,
            problems,
            tree,
        }
    }
}

/// A row that lies under another name says nothing that could be relied on.
fn named(name: &str, read: Result<Document, Invalid>) -> Result<Document, Invalid> {
    let document = read?;
    if document.name() == name {
        return Ok(document);
    }
    let message = format!("is {:?}, must be {name:?}, under which it is stored", document.name());
    Err(Invalid::single("name", message))
}

/// The part under `name`, if nothing is wrong with it.
fn part<T>(own: &Tree, name: &str, read: impl FnOnce(Option<&Field<'_>>) -> Option<T>) -> Option<T> {
    let problems = Problems::default();
    let entries = problems.root(own).entries().unwrap_or_default();
    let field = entries.iter().find(|(known, _)| *known == name).map(|(_, field)| field);
    let read = read(field);
    problems.finish(read).ok()
}

fn usual_rules(tree: &Tree) -> Rules {
    comparison::rules(None, tree).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = r#"{"version": 1, "name": "shop", "variants": {"stable": null, "canary": null}, "default": "stable",
        "rules": [{"name": "shadow", "mirror": [{"to": "canary", "percent": 5}]}],
        "compare": {"unordered": ["/tags"]}, "gates": {"margin": 1}}"#;

    fn valid() -> Document {
        Document::restore("shop", SHOP)
    }

    #[test]
    fn what_is_valid_has_no_problems() {
        let shop = valid();
        assert_eq!(shop.problems(), []);
        assert!(shop.compares_as_written() && !shop.gates().unreadable && !shop.is_lost());
    }

    #[test]
    fn each_part_is_read_on_its_own() {
        for (from, to, problem, margin, compares) in [
            (r#""margin": 1"#, r#""margn": 1"#, "gates.margn", 0.005, true),
            (r#""gates""#, r#""rollout": {"stps": 1}, "gates""#, "rollout.stps", 0.01, true),
            (r#""/tags""#, "3", "compare.unordered[0]", 0.01, false),
            (r#""percent": 5"#, r#""percent": 500"#, "rules[0].mirror[0].percent", 0.01, true),
            (r#""version""#, r#""later": 1, "version""#, "later", 0.01, true),
            (r#""shop""#, r#""till""#, "name", 0.01, true),
        ] {
            let shop = Document::restore("shop", &SHOP.replace(from, to));
            assert_eq!(shop.problems()[0].path, problem);
            assert_eq!(
                (shop.name(), shop.compares_as_written(), shop.is_lost()),
                ("shop", compares, false),
                "{to}"
            );
            assert!(shop.gates().unreadable && (shop.gates().margin - margin).abs() < 1e-9, "{to}");
            let written = to.replace(": ", ":");
            assert!(
                shop.text().contains(written.split(',').next().unwrap_or_default()),
                "{to}: what was stored goes on being answered: {}",
                shop.text()
            );
        }
        let policy = Document::restore("shop", &SHOP.replace(r#""percent": 5"#, r#""percent": 500"#));
        assert!(!policy.shares_evidence_with(&valid()), "nobody knows what was compared");
        let gates = Document::restore("shop", &SHOP.replace(r#""margin": 1"#, r#""margn": 1"#));
        assert!(gates.shares_evidence_with(&valid()));
    }

    #[test]
    fn every_problem_is_there() {
        let two =
            SHOP.replace(r#""margin""#, r#""margn""#).replace(r#""canary", "percent": 5"#, r#""canry""#);
        let problems =
            Document::restore("shop", &two).problems().iter().map(|p| p.path.clone()).collect::<Vec<_>>();
        assert_eq!(problems, ["rules[0].mirror[0].to", "gates.margn"]);
    }

    #[test]
    fn what_is_no_document_is_lost() {
        for (text, expected) in [
            ("{", "document is not JSON"),
            ("", "document is not JSON"),
            ("[]", "document is a list of 0, must be a mapping"),
        ] {
            let lost = Document::restore("shop", text);
            assert!(lost.is_lost() && lost.gates().unreadable && !lost.compares_as_written(), "{text}");
            assert_eq!(lost.name(), "shop");
            assert!(lost.problems()[0].to_string().starts_with(expected), "{:?}", lost.problems());
        }
    }
}
