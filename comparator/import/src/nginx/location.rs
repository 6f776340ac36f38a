//! Servers and locations, whose destinations become rules and whose mirrors become mirrors.

use super::config::Config;
use super::definitions;
use super::scope::{Scope, is_pass};
use super::syntax::Directive;
use super::value::{Case, Drawn, Outcome};
use crate::condition::{Condition, Predicate, Subject, whole};
use crate::draft::{Destination, Draft, Mirror, Split, Target};

/// Reads the first variable that nothing else is made of, where no `proxy_pass` says which one counts.
pub(super) fn import_variable(draft: &mut Draft, config: &Config<'_>, directives: &[Directive]) {
    let mut scope = Scope::new(config);
    run_everywhere(draft, &mut scope, directives);
    let set: Vec<String> = scope.names().map(str::to_owned).collect();
    let used = |name: &str| {
        let sources = config.order.iter().filter_map(|known| config.variable(known));
        sources.filter(|definition| !definition.block.is_empty()).any(|definition| {
            let values = definition.block.iter().flat_map(|entry| &entry.args);
            let mut texts = values.chain(definition.args.iter().rev().skip(1));
            texts.any(|text| *text == format!("${name}") || text.contains(&format!("${{{name}}}")))
        })
    };
    let free = config.order.iter().map(|name| (*name).to_owned()).filter(|name| !used(name));
    let mut names = set.into_iter().chain(free);
    let Some(name) = names.next() else { return };
    for other in names {
        draft.note(
            format!("${other}"),
            format!("one policy makes one choice, here that of ${name}: import the other by itself"),
        );
    }
    let Some(cases) = definitions::cases_of(draft, &scope, &format!("${name}"), &format!("${{{name}}}"), 0)
    else {
        return;
    };
    let rules = Rules { scope: &scope, base: Condition::Always, catches_all: true, names_variants: true };
    rules.write(draft, &format!("${name}"), &cases);
}

fn run_everywhere(draft: &mut Draft, scope: &mut Scope<'_>, directives: &[Directive]) {
    scope.run(draft, directives);
    for directive in directives.iter().filter(|directive| directive.name != "if") {
        run_everywhere(draft, scope, &directive.block);
    }
}

/// Reads all servers that send requests on; one alone takes every host, of several the last to be tried does.
pub(super) fn import_servers(draft: &mut Draft, config: &Config<'_>, directives: &[Directive]) {
    let mut servers: Vec<&[Directive]> =
        config.all(directives, "server").into_iter().map(|server| server.block.as_slice()).collect();
    servers.retain(|block| has_pass(block));
    if servers.is_empty() {
        servers.push(directives);
    }
    let catch_all = servers.iter().position(|block| is_default(block)).unwrap_or(0);
    let last = servers.remove(catch_all.min(servers.len() - 1));
    for block in servers {
        let host = host(draft, block);
        import_server(draft, config, block, &host, false);
    }
    import_server(draft, config, last, &Condition::Always, true);
}

fn has_pass(block: &[Directive]) -> bool {
    block.iter().any(|directive| is_pass(directive) || has_pass(&directive.block))
}

fn is_default(block: &[Directive]) -> bool {
    let listens = block.iter().filter(|directive| directive.name == "listen");
    listens.flat_map(|listen| &listen.args).any(|word| word == "default_server")
}

fn host(draft: &mut Draft, block: &[Directive]) -> Condition {
    let Some(directive) = block.iter().find(|directive| directive.name == "server_name") else {
        return draft.unclear("server", "has no server_name to tell its requests by");
    };
    let names = directive.args.iter().flat_map(|name| match name.strip_prefix('.') {
        Some(rest) => vec![rest.to_owned(), format!("*.{rest}")],
        None => vec![name.clone()],
    });
    draft.test(&directive.at(), Subject::Host, Predicate::one_of(names.collect()))
}

fn import_server(draft: &mut Draft, config: &Config<'_>, block: &[Directive], host: &Condition, last: bool) {
    let mut locations = Vec::new();
    flatten(block, &mut locations);
    let shadows: Vec<&str> = config.all(block, "mirror").iter().map(|mirror| mirror.text(0)).collect();
    let mut scope = Scope::new(config);
    scope.run(draft, block);
    if locations.is_empty() {
        let rules = Rules { scope: &scope, base: host.clone(), catches_all: last, names_variants: false };
        rules.write_destination(draft, "proxy_pass", block);
    }
    locations.sort_by_key(|location| order(location));
    for location in &locations {
        let (_, uri) = parts(location);
        let inner =
            location.block.iter().any(|directive| directive.name == "internal") || uri.starts_with('@');
        if inner || shadows.contains(&uri) {
            continue;
        }
        import_location(draft, &scope, block, location, host, last, &locations);
    }
}

/// The locations of a server, those within others as well.
fn flatten<'d>(block: &'d [Directive], locations: &mut Vec<&'d Directive>) {
    for location in block.iter().filter(|directive| directive.name == "location") {
        locations.push(location);
        flatten(&location.block, locations);
    }
}

/// Modifier and path of a location.
fn parts(location: &Directive) -> (&str, &str) {
    match location.args.as_slice() {
        [modifier, uri] => (modifier, uri),
        [uri] => ("", uri),
        _ => ("", "/"),
    }
}

/// nginx's order: exact, prefixes that stop the search, patterns as written, the longest prefix.
fn order(location: &Directive) -> (u8, std::cmp::Reverse<usize>) {
    let (modifier, uri) = parts(location);
    let class = match modifier {
        "=" => 0,
        "^~" => 1,
        "~" | "~*" => 2,
        _ => 3,
    };
    (class, std::cmp::Reverse(if class == 2 { 0 } else { uri.len() }))
}

fn import_location(
    draft: &mut Draft,
    server: &Scope<'_>,
    block: &[Directive],
    location: &Directive,
    host: &Condition,
    last: bool,
    all: &[&Directive],
) {
    let path = path(draft, location);
    let base = Condition::all([host.clone(), path]);
    let mut scope = server.within();
    scope.run(draft, &location.block);
    let catches_all = last && base == Condition::Always;
    let rules = Rules { scope: &scope, base, catches_all, names_variants: false };
    let mirrors = [location.block.as_slice(), block];
    let mirrors = mirrors.iter().find_map(|block| {
        let mirrors: Vec<&Directive> = block.iter().filter(|directive| directive.name == "mirror").collect();
        (!mirrors.is_empty()).then_some(mirrors)
    });
    for mirror in mirrors.into_iter().flatten().filter(|mirror| mirror.text(0) != "off") {
        match all.iter().find(|shadow| parts(shadow).1 == mirror.text(0)) {
            Some(shadow) => rules.mirror(draft, server, mirror, shadow),
            None => draft
                .note(mirror.at(), format!("there is no location {:?}: nothing is mirrored", mirror.text(0))),
        }
    }
    rules.write_destination(draft, &location.at(), &location.block);
}

fn path(draft: &mut Draft, location: &Directive) -> Condition {
    let (modifier, uri) = parts(location);
    let predicate = match modifier {
        "=" => Predicate::exact(uri),
        "~" => Predicate::text("search", uri),
        "~*" => Predicate::text("search", uri).ignoring_case(true),
        _ if uri == "/" => return Condition::Always,
        _ => Predicate::text("startsWith", uri),
    };
    draft.test(&location.at(), Subject::Path, predicate)
}

/// Where the requests of one location go.
struct Rules<'s, 'd> {
    scope: &'s Scope<'d>,
    base: Condition,
    /// Whether nothing is tried after it.
    catches_all: bool,
    /// Whether an empty text is a variant like others, and not a request that is not sent on.
    names_variants: bool,
}

impl Rules<'_, '_> {
    /// Writes the rules of what the directives send on.
    fn write_destination(&self, draft: &mut Draft, at: &str, directives: &[Directive]) {
        let cases = self.scope.destination(draft, directives).unwrap_or_else(|| {
            draft.note(at, "where its requests go could not be told: the host's own routing keeps them");
            Case::fixed("")
        });
        self.write(draft, at, &cases);
    }

    /// Writes a rule for each case, and for the last of all the default.
    fn write(&self, draft: &mut Draft, at: &str, cases: &[Case]) {
        let last = cases.len().saturating_sub(1);
        for (index, case) in cases.iter().enumerate() {
            let target = self.target(draft, &case.outcome);
            let ends = self.catches_all && index == last && case.condition == Condition::Always;
            let name = match &target {
                Target::To(name) => name.clone(),
                Target::Split(_) => "split".to_owned(),
                Target::Host | Target::Onward => "host".to_owned(),
            };
            match &target {
                Target::To(name) if ends => draft.default = Some(name.clone()),
                Target::Host if ends => {}
                _ => {
                    if let (true, Target::Split(Split { weights, .. })) = (ends, &target) {
                        draft.default = weights.last().map(|(name, _)| name.clone());
                    }
                    let condition = Condition::all([self.base.clone(), case.condition.clone()]);
                    draft.rule(at, &name, condition, target, Vec::new());
                }
            }
        }
    }

    fn target(&self, draft: &mut Draft, outcome: &Outcome) -> Target {
        match outcome {
            Outcome::Value(host) if host.is_empty() && !self.names_variants => Target::Host,
            Outcome::Value(host) => Target::To(draft.variant(self.destination(host))),
            Outcome::Drawn(drawn) => {
                let weights =
                    drawn.parts.iter().map(|(weight, host)| (draft.variant(self.destination(host)), *weight));
                let weights = weights.collect();
                Target::Split(Split { weights, ..definitions::split(draft, self.scope, &drawn.variable) })
            }
        }
    }

    /// The destination of a text, which is a host, or where there are none any text that may name a variant.
    fn destination(&self, text: &str) -> Destination {
        let named = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        self.scope.config.destination(if self.names_variants { named } else { text })
    }

    /// Writes the mirrors of a shadow location; where its destination is empty, nothing is mirrored.
    fn mirror(&self, draft: &mut Draft, server: &Scope<'_>, mirror: &Directive, shadow: &Directive) {
        let mut scope = server.within();
        scope.run(draft, &shadow.block);
        let Some(cases) = scope.destination(draft, &shadow.block) else {
            draft.note(mirror.at(), "where it mirrors to could not be told: nothing is mirrored");
            return;
        };
        let mut earlier: Vec<Condition> = Vec::new();
        for case in &cases {
            let others = earlier.iter().cloned().map(Condition::negated);
            let condition =
                Condition::all([self.base.clone(), case.condition.clone()].into_iter().chain(others));
            let mirrors = self.mirrors(draft, &mirror.at(), &case.outcome);
            draft.rule(&mirror.at(), "mirror", condition, Target::Onward, mirrors);
            earlier.push(case.condition.clone());
        }
    }

    fn mirrors(&self, draft: &mut Draft, at: &str, outcome: &Outcome) -> Vec<Mirror> {
        let drawn = match outcome {
            Outcome::Value(host) => Drawn { variable: String::new(), parts: vec![(1, host.clone())] },
            Outcome::Drawn(drawn) => {
                draft.note(at, "the mirror draws anew for each request, where nginx hashes a key");
                drawn.clone()
            }
        };
        let sum: u64 = drawn.parts.iter().map(|(weight, _)| *weight).sum();
        let hosts = drawn.parts.iter().filter(|(weight, host)| *weight > 0 && !host.is_empty());
        #[expect(clippy::cast_precision_loss, reason = "at most 10 000")]
        let percent = |weight: u64| whole((weight as f64 / sum as f64 * 1e8).round() / 1e6);
        let mirror = |(weight, host): &(u64, String)| Mirror {
            to: draft.variant(self.scope.config.destination(host)),
            share: ("percent", percent(*weight)),
            at: at.to_owned(),
        };
        hosts.map(mirror).collect()
    }
}
