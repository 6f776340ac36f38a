//! Which server a request meets: by the port that it comes to, then by its host.
//!
//! A policy sees no port. So it is made for one: the first on which all paths are sent on. A name belongs to the first server
//! that has it; exact names go before masks at the beginning, those before masks at the end, patterns come last in the order
//! of the file, and what nobody names goes to the default server of the port.

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::includes::undecided;
use super::location::{Place, parts};
use super::reading::Reading;
use super::request;
use super::scope::Scope;
use super::syntax::{Directive, is_pass};
use super::test::Test;
use super::value::{Text, one};
use super::when::When;
use crate::condition::Subject;

/// A server, and the requests that it gets.
pub(super) struct Server<'d> {
    pub(super) when: When,
    pub(super) place: Place<'d>,
    /// What its variables are before anything is set.
    pub(super) scope: Scope,
    pub(super) at: String,
}

/// The servers of one port, the default last. With `others` there are servers that are not known: a request whose host no name
/// says exactly may be one of theirs.
pub(super) fn servers<'d>(
    reading: &mut Reading<'d>,
    around: &'d [Directive],
    found: &[&'d Directive],
    others: bool,
) -> Vec<Server<'d>> {
    let Some(port) = port(found) else { return Vec::new() };
    for server in found {
        note_ports(reading, server, &port);
    }
    let here: Vec<&'d Directive> = found.iter().copied().filter(|server| may_listen(server, &port)).collect();
    let unnamed = |server: &&Directive| undecided(&server.block).is_some() && !has(server, "server_name");
    let names_missing = others || (here.len() > 1 && here.iter().any(unnamed));
    let explicit = here
        .iter()
        .position(|server| listens(server).iter().any(|listen| listen.port == port && listen.default));
    let default = explicit.unwrap_or(0);
    let names = names(reading, &here);
    let mut servers = Vec::new();
    let order = (0..here.len()).filter(|index| *index != default).chain([default]);
    for index in order {
        let Some(server) = here.get(index) else { continue };
        let when =
            if index == default { When::always() } else { requests(reading, &server.at(), &names, index) };
        let when = if names_missing { When::between(&exact(&names, index), &when) } else { when };
        let place = Place::server(around, &server.block);
        servers.push(Server { when, place, scope: constants(server, &port), at: server.at() });
    }
    servers
}

fn has(server: &Directive, name: &str) -> bool {
    server.block.iter().any(|directive| directive.name == name)
}

/// Whether a server listens on a port, or may do so by what it includes.
fn may_listen(server: &Directive, port: &str) -> bool {
    let unknown = !has(server, "listen") && undecided(&server.block).is_some();
    unknown || listens(server).iter().any(|listen| listen.port == port)
}

/// Where a server listens.
struct Listen {
    /// As `80`, or with its address.
    port: String,
    default: bool,
    encrypted: bool,
    at: String,
}

fn listens(server: &Directive) -> Vec<Listen> {
    let written = server.block.iter().filter(|directive| directive.name == "listen");
    let mut listens: Vec<Listen> = written
        .map(|listen| Listen {
            port: port_of(listen.text(0)),
            default: listen.args.iter().any(|word| matches!(word.as_str(), "default_server" | "default")),
            encrypted: listen.args.iter().any(|word| matches!(word.as_str(), "ssl" | "quic")),
            at: listen.at(),
        })
        .collect();
    if listens.is_empty() {
        listens.push(Listen { port: "80".to_owned(), default: false, encrypted: false, at: server.at() });
    }
    listens
}

/// `80` for all addresses, `10.0.0.1:80` for one.
fn port_of(address: &str) -> String {
    let digit = |byte: u8| byte.is_ascii_digit() || byte == b'-';
    let digits = |text: &str| !text.is_empty() && text.bytes().all(digit);
    if digits(address) || address.starts_with("unix:") {
        return address.to_owned();
    }
    let (host, port) = address.rsplit_once(':').filter(|(_, port)| digits(port)).unwrap_or((address, "80"));
    if matches!(host, "*" | "[::]" | "0.0.0.0") { port.to_owned() } else { format!("{host}:{port}") }
}

fn port(servers: &[&Directive]) -> Option<String> {
    let sends = |server: &&&Directive| has_pass(&server.block);
    let sends_all = |server: &&&Directive| {
        let whole = |inner: &&Directive| inner.name == "location" && parts(inner).1 == "/";
        server.block.iter().filter(whole).any(|location| {
            has_pass(&location.block) || location.block.iter().any(|inner| inner.name == "try_files")
        })
    };
    let first = servers.iter().filter(sends).find(sends_all).or_else(|| servers.iter().find(sends));
    first.and_then(|server| listens(server).into_iter().next()).map(|listen| listen.port)
}

/// Whether anything in a block sends requests on.
pub(super) fn has_pass(block: &[Directive]) -> bool {
    block.iter().any(|directive| is_pass(directive) || has_pass(&directive.block))
}

fn note_ports(reading: &mut Reading<'_>, server: &Directive, port: &str) {
    if !has_pass(&server.block) || (!has(server, "listen") && undecided(&server.block).is_some()) {
        return;
    }
    let listens = listens(server);
    let here = listens.iter().any(|listen| listen.port == port);
    for listen in listens.iter().filter(|listen| listen.port != port) {
        let what = if here {
            "requests that come there are decided as those of"
        } else {
            "this server is left out, and the policy is for"
        };
        reading.note(
            &listen.at,
            format!(
                "listen {}: a policy sees no port; {what} port {port}. Import another port by itself",
                listen.port
            ),
        );
    }
}

/// A name of a server, with the place of the server.
struct Name {
    server: usize,
    test: Test,
    /// Those of a higher rank are tried first; of one rank, longer ones.
    rank: (u8, usize),
    when: When,
    /// Its pattern, if it is one that can be run here.
    pattern: Option<Regex>,
}

fn names(reading: &mut Reading<'_>, servers: &[&Directive]) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    let mut known: BTreeMap<Test, usize> = BTreeMap::new();
    let mut patterns = usize::MAX;
    for (index, server) in servers.iter().enumerate() {
        let written = server.block.iter().filter(|directive| directive.name == "server_name");
        for (directive, name) in
            written.flat_map(|directive| directive.args.iter().map(move |name| (directive, name)))
        {
            patterns = patterns.saturating_sub(1);
            for (rank, test) in tests(name, patterns) {
                if let Some(known) = known.get(&test) {
                    if *known != index {
                        reading.note(
                            directive.at(),
                            format!("the name {name:?} belongs to an earlier server of the port"),
                        );
                    }
                    continue;
                }
                let when = request::plain(reading, &directive.at(), &Subject::Host, &test);
                known.insert(test.clone(), index);
                let pattern = test.pattern();
                names.push(Name { server: index, test, rank, when, pattern });
            }
        }
    }
    names
}

/// What a name stands for, with its rank; `.a.test` is two names.
fn tests(name: &str, pattern: usize) -> Vec<((u8, usize), Test)> {
    let lower = name.to_ascii_lowercase();
    if let Some(pattern_text) = name.strip_prefix('~') {
        let fold = pattern_text.bytes().any(|byte| byte.is_ascii_uppercase());
        return vec![((0, pattern), Test::matching(pattern_text, fold))];
    }
    if let Some(domain) = lower.strip_prefix("*.") {
        return vec![((2, domain.len()), Test::Below(domain.to_owned()))];
    }
    if let Some(start) = lower.strip_suffix(".*") {
        return vec![((1, start.len()), Test::Under(format!("{start}.")))];
    }
    if let Some(domain) = lower.strip_prefix('.') {
        let exact = Test::Equals(vec![domain.to_owned()], true);
        return vec![((3, 0), exact), ((2, domain.len()), Test::Below(domain.to_owned()))];
    }
    if lower.is_empty() || lower.starts_with('$') {
        return Vec::new();
    }
    vec![((3, 0), Test::Equals(vec![lower], true))]
}

/// The requests of one server: those of its names without those of better names of others.
fn requests(reading: &mut Reading<'_>, at: &str, names: &[Name], server: usize) -> When {
    let mut exact = Vec::new();
    let mut parts = Vec::new();
    for name in names.iter().filter(|name| name.server == server) {
        // Nothing goes before an exact name.
        if let Test::Equals(values, _) = &name.test {
            exact.extend(values.iter().cloned());
            continue;
        }
        let better = names.iter().filter(|other| {
            other.server != server && other.rank > name.rank && may_overlap(&other.test, name)
        });
        let better: Vec<When> = better.take(MAX_BETTER).map(|other| other.when.clone().negated()).collect();
        if better.len() == MAX_BETTER {
            parts.push(When::between(&When::never(), &name.when));
            continue;
        }
        parts.push(name.when.and(&When::all(better)));
    }
    if !exact.is_empty() {
        parts.insert(0, request::plain(reading, at, &Subject::Host, &Test::Equals(exact, true)));
    }
    if parts.is_empty() {
        return When::never();
    }
    When::any(parts)
}

/// The requests whose host a server names exactly.
fn exact(names: &[Name], server: usize) -> When {
    let exact = |name: &&Name| {
        let of_host =
            matches!(&name.test, Test::Equals(values, _) if values.iter().all(|value| value != "_"));
        name.server == server && of_host
    };
    let parts: Vec<When> = names.iter().filter(exact).map(|name| name.when.clone()).collect();
    if parts.is_empty() { When::never() } else { When::any(parts) }
}

fn may_overlap(better: &Test, name: &Name) -> bool {
    match (better, &name.test) {
        (Test::Equals(values, _), Test::Matches { .. }) => {
            let fits = |value: &String| name.pattern.as_ref().is_none_or(|pattern| pattern.is_match(value));
            values.iter().any(fits)
        }
        (Test::Equals(values, _), test) => values.iter().any(|value| test.known(value).unwrap_or(true)),
        (Test::Below(long), Test::Below(short)) => {
            long.strip_suffix(short.as_str()).is_some_and(|rest| rest.ends_with('.'))
        }
        (Test::Under(long), Test::Under(short)) => long.starts_with(short.as_str()),
        _ => true,
    }
}

/// Variables that are the same for all requests of a server.
fn constants(server: &Directive, port: &str) -> Scope {
    let mut scope = Scope::default();
    let encrypted = listens(server).iter().any(|listen| listen.port == port && listen.encrypted);
    let scheme = if encrypted { "https" } else { "http" };
    let name = server.block.iter().find(|directive| directive.name == "server_name");
    let name = name.map_or("", |directive| directive.text(0)).trim_start_matches('.');
    let number = port.rsplit(':').next().unwrap_or(port);
    let https = if encrypted { "on" } else { "" };
    for (variable, value) in
        [("scheme", scheme), ("https", https), ("server_port", number), ("server_name", name)]
    {
        scope.set(variable, one(Text::literal(value)));
    }
    scope
}
/// Names that go before one and are told from it: a policy takes no more conditions than that in one rule.
const MAX_BETTER: usize = 64;
