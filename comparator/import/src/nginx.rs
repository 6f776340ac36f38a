//! nginx: `split_clients`, `map`, `geo`, `set` and `if` as far as they choose where `proxy_pass` goes, and `mirror`.
//!
//! A variable is followed back to the request: what it can be worth, and when, is a list of cases of which the first
//! that applies counts. The destination of a location is one such list, and its cases become rules. A file without
//! `proxy_pass` is read for what its first variable chooses.

mod access;
mod answer;
mod asked;
mod config;
mod cookie;
mod files;
mod geo;
mod goal;
mod includes;
mod location;
mod maps;
mod mirrors;
mod others;
mod page;
mod pass;
mod query;
mod reached;
mod reading;
mod request;
mod rules;
mod scope;
mod script;
mod servers;
mod shares;
mod syntax;
mod test;
#[cfg(test)]
mod tests;
mod value;
mod variable;
mod when;
mod words;
mod writing;

use crate::imported::{ImportError, Imported, Note};
use goal::Old;
use includes::may_decide;
use location::Place;
use reading::Reading;
use scope::Scope;
use servers::{Server, has_pass};
use syntax::{Directive, is_pass};
use when::When;

/// Reads a configuration or a part of one.
pub(super) fn import(text: &str) -> Result<Imported, ImportError> {
    let mut directives = files::read(text)?;
    if directives.iter().any(is_of_location) {
        let (inner, around) =
            directives.into_iter().partition(|directive| !AROUND.contains(&directive.name.as_str()));
        directives = around;
        directives.push(Directive::location(inner));
    }
    let around = http(&directives);
    let inner: Vec<&Directive> = around
        .iter()
        .flat_map(|block| block.iter())
        .filter(|directive| !OUTSIDE.contains(&directive.name.as_str()))
        .collect();
    let mut reading = Reading::of(&inner);
    others::note(&mut reading, &inner);
    if inner.iter().any(|directive| has_pass(std::slice::from_ref(*directive))) {
        import_servers(&mut reading, &around, &inner);
    } else {
        variable::import(&mut reading, &inner);
    }
    reading.draft.note_clusters("the proxy needs clusters of these names, or the variants those that it has");
    // How nginx reads paths and names in general is no reason why nothing could be told.
    let tells = |note: &&Note| note.what.contains("old version") && !note.what.starts_with("nginx ");
    let reason = reading.draft.notes().iter().find(tells).cloned();
    let sends = inner.iter().any(|directive| has_pass(std::slice::from_ref(*directive)));
    match (reading.draft.finish("proxy_pass, split_clients, map, geo or set"), reason) {
        (Ok(mut imported), _) => {
            let files = files::names(text);
            imported.notes.sort_by_cached_key(|note| files::place(&files, &note.at));
            Ok(imported)
        }
        (Err(ImportError::Nothing(_)), Some(Note { at, what })) => Err(ImportError::Untold { at, what }),
        (Err(ImportError::Nothing(_)), None) if sends => {
            Err(ImportError::Nothing("request that reaches a proxy_pass"))
        }
        (other, _) => other,
    }
}

/// Whether a directive tells that the text is what stands in a location.
fn is_of_location(directive: &Directive) -> bool {
    is_pass(directive) || (directive.name == "if" && has_pass(&directive.block))
}

/// What stands within `http`, or the text itself if it is only a part of a configuration.
fn http(directives: &[Directive]) -> Vec<&[Directive]> {
    let blocks = directives.iter().filter(|directive| directive.name == "http");
    let blocks: Vec<&[Directive]> = blocks.map(|http| http.block.as_slice()).collect();
    if blocks.is_empty() { vec![directives] } else { blocks }
}

fn import_servers<'d>(reading: &mut Reading<'d>, around: &[&'d [Directive]], inner: &[&'d Directive]) {
    let found: Vec<&Directive> =
        inner.iter().copied().filter(|directive| directive.name == "server").collect();
    let block = around.first().copied().unwrap_or_default();
    let unknown = inner.iter().copied().filter(|directive| may_decide(directive) && !found.is_empty());
    let unknown: Vec<&Directive> = unknown.collect();
    for include in &unknown {
        reading.note(
            include.at(),
            format!(
                "{:?} is not in this text and may have servers: only requests to a host that a server_name of this text \
                names exactly are carried over, those to others stay with the old version in the proxy's own routing; give \
                the file as nginx -T prints it",
                include.text(0)
            ),
        );
    }
    let mut servers = servers::servers(reading, block, &found, !unknown.is_empty());
    if servers.is_empty() {
        let place = Place::server(block, block);
        let at = block.first().map_or_else(String::new, Directive::at);
        servers.push(Server { when: When::always(), place, scope: Scope::default(), at });
    }
    let found: Vec<_> = servers.iter().map(|server| rules::items(reading, server)).collect();
    let shared = found.iter().map(|items| items.shared.clone());
    let common = if unknown.is_empty() { Old::agreed(shared) } else { Old::Nowhere };
    let mut items = Vec::new();
    for (server, found) in servers.iter().zip(found) {
        items.extend(found.settled(&common, server.when.perhaps().is_some()));
    }
    writing::write(reading, items, str::to_owned);
}

/// What stands around locations.
const AROUND: [&str; 7] = ["map", "geo", "split_clients", "upstream", "server", "location", "http"];
/// Blocks whose servers and variables are not those of HTTP.
const OUTSIDE: [&str; 3] = ["stream", "mail", "events"];
