//! What a configuration defines for all its servers: variables and upstreams.

use std::collections::BTreeMap;

use super::syntax::Directive;
use crate::draft::Destination;

/// Definitions by name.
pub(super) struct Config<'d> {
    variables: BTreeMap<&'d str, &'d Directive>,
    upstreams: BTreeMap<&'d str, Vec<String>>,
    /// The variables in the order of the file.
    pub(super) order: Vec<&'d str>,
}

impl<'d> Config<'d> {
    /// All that the directives and those within them define.
    pub(super) fn of(directives: &'d [Directive]) -> Self {
        let mut config = Self { variables: BTreeMap::new(), upstreams: BTreeMap::new(), order: Vec::new() };
        config.add(directives);
        config
    }

    fn add(&mut self, directives: &'d [Directive]) {
        for directive in directives {
            match (directive.name.as_str(), directive.args.as_slice()) {
                ("map" | "split_clients", [_, variable]) | ("geo", [.., variable]) => {
                    let name = variable.trim_start_matches('$');
                    if self.variables.insert(name, directive).is_none() {
                        self.order.push(name);
                    }
                }
                ("upstream", [name]) => {
                    let servers = directive.block.iter().filter(|inner| inner.name == "server");
                    self.upstreams.insert(name, servers.map(|server| server.text(0).to_owned()).collect());
                }
                _ => self.add(&directive.block),
            }
        }
    }

    /// What defines a variable.
    pub(super) fn variable(&self, name: &str) -> Option<&'d Directive> {
        self.variables.get(name).copied()
    }

    /// The destination that `proxy_pass` calls `host`.
    pub(super) fn destination(&self, host: &str) -> Destination {
        let servers = self.upstreams.get(host).cloned().unwrap_or_default();
        let (name, cluster) = if host.is_empty() { ("default", "default") } else { (host, host) };
        Destination { name: name.to_owned(), cluster: cluster.to_owned(), servers, ..Destination::default() }
    }

    /// All directives of a name, wherever they stand.
    pub(super) fn all<'a>(&self, directives: &'a [Directive], name: &str) -> Vec<&'a Directive> {
        let mut found = Vec::new();
        for directive in directives {
            if directive.name == name {
                found.push(directive);
            }
            found.extend(self.all(&directive.block, name));
        }
        found
    }
}
