//! What a decision tells: the client by response headers, caches by `Vary`, people by metrics and the access log.

use crate::decision::Decision;
use crate::document::{Field, Tree};
use crate::facts::Questions;
use crate::headers::own_name;

/// A policy's `observe`.
#[derive(Debug)]
pub(crate) struct Observe {
    /// Carries the variant's name to the client.
    pub(crate) response_header: Option<String>,
    /// The value of `Vary` once the rules are known.
    vary: Vary,
    /// Carries the whole decision to trusted clients.
    pub(crate) explain_header: Option<String>,
    pub(crate) metrics: bool,
    pub(crate) access_log: bool,
}

#[derive(Debug)]
enum Vary {
    Off,
    On(String),
}

impl Default for Observe {
    fn default() -> Self {
        Self {
            response_header: None,
            vary: Vary::Off,
            explain_header: None,
            metrics: true,
            access_log: false,
        }
    }
}

impl Observe {
    pub(crate) fn read(field: &Field<'_>) -> Option<Self> {
        let map = field.map(&["responseHeader", "vary", "explainHeader", "metrics", "accessLog"])?;
        let header = |name| match map.get(name) {
            None => Some(None),
            Some(field) if *field.tree() == Tree::Null => Some(None),
            Some(field) => own_name(field, field.text()?).map(Some),
        };
        let response_header = header("responseHeader");
        let vary = map.get("vary").map_or(Some(false), Field::boolean);
        let explain_header = header("explainHeader");
        let metrics = map.get("metrics").map_or(Some(true), Field::boolean);
        let access_log = map.get("accessLog").map_or(Some(false), Field::boolean);
        Some(Self {
            response_header: response_header?,
            vary: if vary? { Vary::On(String::new()) } else { Vary::Off },
            explain_header: explain_header?,
            metrics: metrics?,
            access_log: access_log?,
        })
    }

    /// The response depends on every request header that a rule may ask for.
    pub(crate) fn vary_by(&mut self, questions: &Questions) {
        if let Vary::On(names) = &mut self.vary {
            *names = questions.header_names().collect::<Vec<_>>().join(", ");
        }
    }

    /// The value of `Vary`.
    pub(crate) fn vary(&self) -> Option<&str> {
        match &self.vary {
            Vary::On(names) if !names.is_empty() => Some(names),
            Vary::On(_) | Vary::Off => None,
        }
    }
}

/// One line for people: `variant=canary; rule=split; reason=split; position=4711; generation=3; mirror=candidate+control`.
pub(crate) fn explanation(decision: &Decision<'_>, generation: Option<u64>) -> String {
    let mut text = format!("variant={}", decision.variant.map_or("", |variant| &variant.name));
    let mut add = |name: &str, value: &str| {
        text.push_str("; ");
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    };
    if let Some(rule) = decision.rule {
        add("rule", rule);
    }
    add("reason", decision.reason.as_str());
    if let Some(position) = decision.position {
        add("position", &position.to_string());
    }
    if let Some(generation) = generation {
        add("generation", &generation.to_string());
    }
    for mirrored in &decision.mirrors {
        let control = mirrored.mirror.control.as_ref().filter(|_| mirrored.control);
        let control = control.map_or_else(String::new, |control| format!("+{}", control.to.name));
        add("mirror", &format!("{}{control}", mirrored.mirror.to.name));
    }
    text
}
