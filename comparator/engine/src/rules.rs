//! What may differ between two versions, as a person declares it, and whose answers are compared at all.
//!
//! A rule only ever allows a difference, `numbers: exact` and `array: ordered` aside; so where several reach a place, a
//! difference is fine if one of them says so.

mod allow;
mod class;
mod decimal;
mod index;
mod instant;
mod reading;

pub(crate) use allow::Value;
pub use allow::{Allow, Arrays};
pub use class::{Class, Expression};
pub use decimal::Decimal;
pub(crate) use instant::{Instant, MONTHS, days};

use index::{Index, Reach};
use reading::Reading;

use crate::endpoint::{self, EndpointPattern};
use crate::kind::Kind;
use crate::pattern::{Pattern, Place, Segment};
use crate::schemas::Schemas;
use crate::secrets::Secrets;

/// The rules of a comparison: which differences are declared harmless, and whose answers are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    values: Places<Allow>,
    arrays: Places<Arrays>,
    primary: Vec<String>,
    endpoints: Vec<EndpointPattern>,
    reading: Reading,
    secrets: Secrets,
}

/// What a person says of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// How values there and below may differ.
    Value(Pattern, Allow),
    /// How the elements of the array exactly there are matched.
    Array(Pattern, Arrays),
}

/// What is said of places; of two that say the opposite the later counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Places<T> {
    said: Vec<(Pattern, T)>,
    index: Index,
}

/// What is allowed of the values at one place.
#[derive(Debug, Default)]
pub(crate) struct Allowed<'r>(Vec<&'r Allow>);

impl Rules {
    /// Returns rules by which differences at `ignore` do not count, and arrays exactly at `unordered` are compared as multisets.
    pub fn new(ignore: Vec<Pattern>, unordered: Vec<Pattern>) -> Self {
        let ignored = ignore.into_iter().map(|pattern| Rule::Value(pattern, Allow::Ignore));
        let unordered = unordered.into_iter().map(|pattern| Rule::Array(pattern, Arrays::Unordered));
        Self::default().with_rules(ignored.chain(unordered))
    }

    /// Adds rules behind those that there are.
    #[must_use]
    pub fn with_rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        for rule in rules {
            match rule {
                Rule::Value(pattern, allow) => self.values.said.push((pattern, allow)),
                Rule::Array(pattern, arrays) => self.arrays.said.push((pattern, arrays)),
            }
        }
        self.indexed()
    }

    /// Compares only exchanges whose client was answered by one of these variants. Without any, which is the default, all exchanges are
    /// compared. The tests take the primary for the stable version: where a client got the new one, a defect would show as noise.
    #[must_use]
    pub fn with_primary(self, primary: Vec<String>) -> Self {
        Self { primary, ..self }
    }

    /// Names endpoints that would not be recognised otherwise. The first that a request is one of counts.
    #[must_use]
    pub fn with_endpoints(self, endpoints: Vec<EndpointPattern>) -> Self {
        Self { endpoints, ..self }.indexed()
    }

    /// Compares only these headers, cookies and trailers, also those that every answer sets anew. `header:set-cookie` stands for
    /// all cookies. Patterns of other places mean nothing here; what is ignored stays ignored.
    #[must_use]
    pub fn with_headers_only(mut self, only: &[Pattern]) -> Self {
        self.reading.only = Some((only.to_vec(), Index::default()));
        self.indexed()
    }

    /// Reads the messages of gRPC answers by these descriptors.
    #[must_use]
    pub fn with_schemas(mut self, schemas: Schemas) -> Self {
        self.reading.schemas = schemas;
        self
    }

    /// Hides what these names and places say, in all that is kept and shown of an exchange.
    #[must_use]
    pub fn with_secrets(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// Returns the names and places whose values are hidden.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Makes the rules of one endpoint hold everywhere, for answers of which nobody says where they come from. `endpoint` is a method and
    /// a route or path.
    #[must_use]
    pub fn for_endpoint(mut self, endpoint: &str) -> Self {
        let (method, route) = endpoint.split_once(' ').unwrap_or(("", endpoint));
        let endpoint = self.endpoint(method.as_bytes(), route.trim_start().as_bytes());
        self.values.open(&endpoint);
        self.arrays.open(&endpoint);
        self.indexed()
    }

    fn indexed(self) -> Self {
        let Self { values, arrays, reading, endpoints, primary, secrets } = self;
        let (values, arrays) = (values.indexed(&endpoints), arrays.indexed(&endpoints));
        Self { values, arrays, reading: reading.indexed(&endpoints), endpoints, primary, secrets }
    }

    /// Returns the endpoint that a request belongs to.
    pub fn endpoint(&self, method: &[u8], path: &[u8]) -> String {
        endpoint::named(&self.endpoints, method, path)
    }

    /// Returns whether somebody said whose answers are compared; otherwise those of every variant are.
    pub fn names_primary(&self) -> bool {
        !self.primary.is_empty()
    }

    /// Whether an exchange that this variant answered is compared. An observation that names none is taken at its word.
    pub(crate) fn compares(&self, variant: &str) -> bool {
        variant.is_empty() || self.primary.is_empty() || self.primary.iter().any(|primary| primary == variant)
    }

    pub(crate) fn ignores(&self, endpoint: &str, place: Place<'_>) -> bool {
        self.at(endpoint, place).ignores()
    }

    /// What is allowed of the values at a place.
    pub(crate) fn at(&self, endpoint: &str, place: Place<'_>) -> Allowed<'_> {
        if self.values.said.is_empty() {
            return Allowed::default();
        }
        Allowed(self.values.reaching(endpoint, place).map(|(_, allow)| allow).collect())
    }

    /// Whether two whole texts may differ: values of a header or a cookie, or bodies that are compared as bytes.
    pub(crate) fn excuse(&self, endpoint: &str, place: Place<'_>, left: &[u8], right: &[u8]) -> bool {
        let allowed = self.at(endpoint, place);
        !allowed.is_empty()
            && allowed.excuses(Kind::Value, Some(&Value::text(left)), Some(&Value::text(right)))
    }

    /// How the array exactly there is compared.
    pub(crate) fn array(&self, endpoint: &str, path: &[Segment<'_>]) -> &Arrays {
        if self.arrays.said.is_empty() {
            return &Arrays::Ordered;
        }
        let said = self.arrays.reaching(endpoint, Place::Body(path)).filter(|(reach, _)| reach.exact);
        said.last().map_or(&Arrays::Ordered, |(_, arrays)| arrays)
    }

    pub(crate) fn schemas(&self) -> &Schemas {
        &self.reading.schemas
    }

    /// Whether a header, cookie or trailer is among those that alone are compared; `None` if there is no such list.
    pub(crate) fn lists(&self, endpoint: &str, place: Place<'_>) -> Option<bool> {
        self.reading.only.as_ref().map(|(_, only)| !only.reaching(endpoint, place).is_empty())
    }

    /// Whether something is allowed of values at or below a place of a body, or said of arrays below it.
    pub(crate) fn reach_into(&self, endpoint: &str, path: &[Segment<'_>]) -> bool {
        !self.values.said.is_empty() && self.values.index.reaches_into(endpoint, path)
            || !self.arrays.said.is_empty() && self.arrays.index.leads_below(endpoint, path)
    }

    /// The patterns of all rules.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let only = self.reading.only.iter().flat_map(|(only, _)| only);
        let values = self.values.said.iter().map(|(pattern, _)| pattern);
        values.chain(self.arrays.said.iter().map(|(pattern, _)| pattern)).chain(only)
    }

    /// Whether `1` and `1.0` may differ anywhere.
    pub(crate) fn spell_numbers(&self) -> bool {
        self.values.said.iter().any(|(_, allow)| *allow == Allow::ExactNumbers)
    }
}

impl<T> Places<T> {
    fn indexed(self, endpoints: &[EndpointPattern]) -> Self {
        let said = self.said.into_iter().map(|(pattern, said)| (pattern.among(endpoints), said));
        let said: Vec<_> = said.collect();
        Self { index: Index::new(said.iter().map(|(pattern, _)| pattern)), said }
    }

    fn reaching(&self, endpoint: &str, place: Place<'_>) -> impl Iterator<Item = (Reach, &T)> {
        let reaching = self.index.reaching(endpoint, place).into_iter();
        reaching.filter_map(|reach| Some((reach, &self.said.get(reach.pattern)?.1)))
    }

    fn open(&mut self, endpoint: &str) {
        for (pattern, _) in &mut self.said {
            if pattern.endpoint.as_ref().is_some_and(|own| own.name == endpoint) {
                pattern.endpoint = None;
            }
        }
    }
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { said: Vec::new(), index: Index::default() }
    }
}

impl Allowed<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn ignores(&self) -> bool {
        self.0.iter().any(|allow| **allow == Allow::Ignore)
    }

    /// Whether a difference of these values is fine.
    pub(crate) fn excuses(&self, kind: Kind, left: Option<&Value<'_>>, right: Option<&Value<'_>>) -> bool {
        self.0.iter().any(|allow| allow.excuses(kind, left, right))
    }

    /// Whether `1` and `1.0` differ here.
    pub(crate) fn spells_numbers(&self) -> bool {
        self.0.iter().any(|allow| **allow == Allow::ExactNumbers)
    }

    /// What all values have in common that may stand in the place of this one.
    pub(crate) fn blur(&self, value: &Value<'_>) -> Blur {
        let mut blur = Blur::default();
        for allow in &self.0 {
            allow.blur(value, &mut blur);
        }
        blur
    }
}

/// A value as the rules see it.
#[derive(Debug, Default)]
pub(crate) struct Blur {
    /// Equal for values that may be equal, if any other may.
    pub(crate) class: Option<u64>,
    /// Orders them by how near they are.
    pub(crate) rank: Option<f64>,
    /// The value may as well be absent.
    pub(crate) nothing: bool,
}
