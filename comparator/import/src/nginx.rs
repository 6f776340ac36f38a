//! nginx: `split_clients`, `map`, `geo`, `set` and `if` as far as they choose where `proxy_pass` goes, and `mirror`.
//!
//! A variable is followed back to the request: what it can be worth, and when, is a list of cases of which the first
//! that applies counts. The destination of a location is one such list, and its cases become rules. A file without
//! `proxy_pass` is read for what its first variable chooses.

mod config;
mod definitions;
mod location;
mod request;
mod scope;
mod syntax;
#[cfg(test)]
mod tests;
mod value;

use super::draft::Draft;
use crate::imported::{ImportError, Imported};
use config::Config;

/// Reads a configuration or a part of one.
pub(super) fn import(text: &str) -> Result<Imported, ImportError> {
    let directives = syntax::parse(text)?;
    let mut draft = Draft::named("nginx".to_owned());
    let config = Config::of(&directives);
    for include in config.all(&directives, "include") {
        draft.note(
            include.at(),
            format!("{:?} is not followed: give the file as nginx -T prints it", include.text(0)),
        );
    }
    if config.all(&directives, "proxy_pass").is_empty() && config.all(&directives, "grpc_pass").is_empty() {
        location::import_variable(&mut draft, &config, &directives);
    } else {
        location::import_servers(&mut draft, &config, &directives);
    }
    draft.note_clusters("the proxy needs clusters of these names, or the variants those that it has");
    draft.finish("proxy_pass, split_clients, map, geo or set")
}
