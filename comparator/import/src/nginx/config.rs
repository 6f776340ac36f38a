//! What a configuration defines for all its servers: variables and upstreams.

use std::collections::{BTreeMap, BTreeSet};

use super::syntax::Directive;
use crate::draft::{Destination, Draft};

/// Definitions by name.
pub(super) struct Config<'d> {
    variables: BTreeMap<String, &'d Directive>,
    upstreams: BTreeMap<String, &'d Directive>,
    assigned: BTreeSet<String>,
    /// Where the client's address is replaced by one that a header names.
    pub(super) addresses_replaced: Option<String>,
    /// The variables in the order of the file.
    pub(super) order: Vec<String>,
}

impl<'d> Config<'d> {
    /// All that the directives and those within them define. Of two definitions of one variable the last counts, as in nginx.
    pub(super) fn of(directives: &[&'d Directive]) -> Self {
        let mut config = Self {
            variables: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            assigned: BTreeSet::new(),
            addresses_replaced: None,
            order: Vec::new(),
        };
        for directive in directives {
            config.add(directive);
        }
        config
    }

    fn add(&mut self, directive: &'d Directive) {
        match (directive.name.as_str(), directive.args.as_slice()) {
            ("map" | "split_clients", [_, variable]) | ("geo", [.., variable]) => {
                let name = variable.trim_start_matches('$').to_ascii_lowercase();
                if self.variables.insert(name.clone(), directive).is_none() {
                    self.order.push(name);
                }
            }
            ("upstream", [name]) => {
                self.upstreams.entry(name.to_ascii_lowercase()).or_insert(directive);
            }
            (name, [variable, ..]) if name == "set" || name.starts_with("set_by_lua") => {
                self.assigned.insert(variable.trim_start_matches('$').to_ascii_lowercase());
            }
            ("set_real_ip_from", _) => {
                self.addresses_replaced.get_or_insert_with(|| directive.at());
            }
            _ => directive.block.iter().for_each(|inner| self.add(inner)),
        }
    }

    /// What defines a variable.
    pub(super) fn variable(&self, name: &str) -> Option<&'d Directive> {
        self.variables.get(&name.to_ascii_lowercase()).copied()
    }

    /// Whether a `set` assigns the variable anywhere: where none did yet, it is empty.
    pub(super) fn is_assigned(&self, name: &str) -> bool {
        self.assigned.contains(&name.to_ascii_lowercase())
    }

    /// The destination that `proxy_pass` calls `host`, with a note if its servers are not all alike.
    pub(super) fn destination(&self, draft: &mut Draft, host: &str) -> Destination {
        let upstream = self.upstreams.get(&host.to_ascii_lowercase());
        if let Some(upstream) = upstream {
            note_servers(draft, upstream);
        }
        let servers = upstream.into_iter().flat_map(|upstream| servers(upstream));
        let servers = servers.map(|server| server.text(0).to_owned()).collect();
        let name = upstream.map_or(host, |upstream| upstream.text(0));
        let name = if name.is_empty() { "default" } else { name };
        Destination { name: name.to_owned(), cluster: name.to_owned(), servers, ..Destination::default() }
    }
}

fn servers(upstream: &Directive) -> impl Iterator<Item = &Directive> {
    upstream.block.iter().filter(|inner| inner.name == "server")
}

/// A policy sends to a cluster: which of its servers answers is the proxy's own, with shares that are written there.
fn note_servers(draft: &mut Draft, upstream: &Directive) {
    let name = upstream.text(0);
    let up: Vec<&Directive> = servers(upstream).filter(|server| !has(server, "down")).collect();
    let sum: u64 = up.iter().filter(|server| !has(server, "backup")).map(|server| weight(server)).sum();
    for server in &up {
        let address = server.text(0);
        let percent = weight(server).saturating_mul(1000).checked_div(sum).unwrap_or(0);
        if has(server, "backup") {
            draft.note(
                server.at(),
                format!(
                    "backup is not carried over: give {address} a lower priority in the cluster {name:?}"
                ),
            );
        } else if weight(server) != 1 {
            draft.note(
                server.at(),
                format!(
                    "weight={} is not carried over: {address} has {}.{} % of the cluster {name:?}, which the proxy has to \
                     give it; to compare it as a version of its own, write a `split` between two clusters",
                    weight(server),
                    percent / 10,
                    percent % 10
                ),
            );
        }
    }
    note_balancing(draft, upstream);
}

fn note_balancing(draft: &mut Draft, upstream: &Directive) {
    let name = upstream.text(0);
    for server in servers(upstream).filter(|server| has(server, "down")) {
        let address = server.text(0);
        draft.note(
            server.at(),
            format!("down is not carried over: leave {address} out of the cluster {name:?}"),
        );
    }
    let program = upstream.block.iter().find(|inner| inner.name.starts_with("balancer_by_lua"));
    if let Some(program) = program {
        let kind = &program.name;
        draft.note(
            program.at(),
            format!(
                "{kind} is not carried over: a program chooses which server answers, also one that the upstream does not \
                 name, where the policy sends to the cluster {name:?}"
            ),
        );
    }
    let balancing = upstream.block.iter().find(|inner| BALANCERS.contains(&inner.name.as_str()));
    if let Some(balancing) = balancing {
        let method = &balancing.name;
        draft.note(
            balancing.at(),
            format!(
                "{method} is not carried over: set the load balancing of the cluster {name:?} in the proxy"
            ),
        );
    }
}

fn has(server: &Directive, flag: &str) -> bool {
    server.args.iter().any(|word| word == flag)
}

fn weight(server: &Directive) -> u64 {
    let weight = server.args.iter().find_map(|word| word.strip_prefix("weight="));
    weight.and_then(|weight| weight.parse().ok()).unwrap_or(1)
}

const BALANCERS: [&str; 6] = ["ip_hash", "hash", "least_conn", "least_time", "random", "sticky"];
