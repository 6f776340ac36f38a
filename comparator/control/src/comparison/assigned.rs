//! Which plugins a policy names, and for which endpoints.

use antumbra_engine::template;
use antumbra_policy::document::Field;

/// `compare.plugins` of a policy, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assigned(Vec<Assignment>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Assignment {
    /// As written, for endpoints that the policy names, and folded; none is every endpoint.
    at: Option<[String; 2]>,
    plugin: String,
}

impl Assigned {
    /// Reads `[{at: GET /items/{id}, plugin: prices}]`; without `at` a plugin has to do with every endpoint.
    pub fn read(field: Option<&Field<'_>>) -> Option<Self> {
        let Some(field) = field else { return Some(Self::default()) };
        let read: Vec<Option<Assignment>> = field.list(0..=MAX_ASSIGNED)?.iter().map(assignment).collect();
        read.into_iter().collect::<Option<Vec<_>>>().map(Self)
    }

    /// One plugin for every endpoint.
    pub fn everywhere(plugin: &str) -> Self {
        Self(vec![Assignment { at: None, plugin: plugin.to_owned() }])
    }

    /// Whether the policy names no plugin.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The plugins' names in the order in which they are written, repeats included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|assignment| assignment.plugin.as_str())
    }

    /// The places and names of those that are not here.
    pub fn absent(&self, is_here: impl Fn(&str) -> bool) -> Vec<(usize, &str)> {
        self.names().enumerate().filter(|(_, name)| !is_here(name)).collect()
    }

    /// The plugins of an endpoint.
    pub fn at(&self, endpoint: &str) -> impl Iterator<Item = &str> {
        let here = move |assignment: &&Assignment| {
            assignment.at.as_ref().is_none_or(|at| at.iter().any(|at| at == endpoint))
        };
        self.0.iter().filter(here).map(|assignment| assignment.plugin.as_str())
    }
}

fn assignment(field: &Field<'_>) -> Option<Assignment> {
    let map = field.map(&["at", "plugin"])?;
    let at = match map.get("at") {
        Some(field) => endpoint(field).map(Some),
        None => Some(None),
    };
    let plugin = map.required("plugin").and_then(Field::name);
    Some(Assignment { at: at?, plugin: plugin?.to_owned() })
}

fn endpoint(field: &Field<'_>) -> Option<[String; 2]> {
    match field.text()?.split_whitespace().collect::<Vec<_>>()[..] {
        [method, _] if method.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            field.problem("must begin with a method in upper case, such as GET /items/{id}");
            None
        }
        [method, route] if route.starts_with('/') => {
            Some([format!("{method} {route}"), template(method.as_bytes(), route.as_bytes())])
        }
        _ => {
            field.problem("must be a method and a route, such as GET /items/{id}");
            None
        }
    }
}

const MAX_ASSIGNED: usize = 64;
