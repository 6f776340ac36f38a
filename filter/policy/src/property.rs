//! Names of host properties: what the proxy knows of a request beyond its headers, such as a claim of a checked token or
//! the identity of a peer.

/// The way to a property of the host, step by step.
///
/// A name is steps with dots between them (`connection.uri_san_peer_certificate`), or with slashes if a step has a dot of its
/// own (`metadata/filter_metadata/envoy.filters.http.jwt_authn/payload/sub`). `jwt.<claim>` is short for a claim that Envoy's
/// `jwt_authn` filter put under `payload_in_metadata: payload`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PropertyPath {
    name: String,
    steps: Vec<String>,
}

impl PropertyPath {
    /// Reads a name; any text but the empty one is a name.
    pub fn new(name: &str) -> Self {
        let (start, rest): (&[&str], &str) = match name.strip_prefix("jwt.") {
            Some(claim) => {
                (&["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "payload"], claim)
            }
            None => (&[], name),
        };
        let divider = if rest.contains('/') { '/' } else { '.' };
        let steps = start.iter().copied().chain(rest.split(divider)).map(str::to_owned).collect();
        Self { name: name.to_owned(), steps }
    }

    /// The name as the policy has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The steps from the host's root.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_steps() {
        for (name, steps) in [
            ("k1", "k1"),
            ("connection.mtls", "connection mtls"),
            ("metadata/filter_metadata/a.b/c", "metadata filter_metadata a.b c"),
            ("jwt.groups", "metadata filter_metadata envoy.filters.http.jwt_authn payload groups"),
            ("jwt.a/b.c", "metadata filter_metadata envoy.filters.http.jwt_authn payload a b.c"),
        ] {
            assert_eq!(PropertyPath::new(name).steps().join(" "), steps, "{name}");
        }
    }
}
