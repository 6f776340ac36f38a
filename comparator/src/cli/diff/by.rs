//! By what two files are compared: rules, plugins and descriptors.
//!
//! What names an endpoint does not hold for files that answer for another one, or of which nobody says whose answers they are. That is
//! said, for a difference that a rule allows would be taken for one that no rule allows.

use std::path::Path;

use antumbra_control::document::tree_from_yaml;
use antumbra_control::{Assigned, comparison};
use antumbra_engine::{Allow, Pattern, Rule, Rules, Schemas};
use antumbra_plugin::Runtime;
use antumbra_policy::document::{Problems, Tree};

use super::Options;
use crate::cli::{Failure, local, terms};
use crate::descriptors::Descriptors;
use crate::plugins::Plugins;

/// What decides on a difference.
pub(super) struct By {
    pub(super) rules: Rules,
    pub(super) assigned: Assigned,
    pub(super) plugins: Plugins,
    /// Whether there is a descriptor by which messages are read.
    pub(super) reads_messages: bool,
    /// The endpoint that the files answer for; empty if nobody names one.
    pub(super) endpoint: String,
    /// What names another endpoint, or any if nobody names one here.
    pub(super) not_applied: Vec<String>,
}

impl By {
    /// Reads the files that the options name. `method` and `path` are those of the request, or empty.
    pub(super) fn read(
        options: &Options,
        method: &str,
        path: &str,
        sandbox: &dyn Runtime,
    ) -> Result<Self, Failure> {
        let plugins = terms::plugins(&options.plugin, sandbox)?;
        let (schemas, reads_messages) = schemas(options, path)?;
        let Some(file) = &options.rules else {
            return Ok(Self {
                rules: of_files(Rules::default().with_schemas(schemas)),
                assigned: Assigned::default(),
                plugins,
                reads_messages,
                endpoint: String::new(),
                not_applied: Vec::new(),
            });
        };
        let Written { rules, assigned, tree } = written(file)?;
        let endpoint = rules.endpoint(method.as_bytes(), path.as_bytes());
        are_here(options, file, &assigned, &plugins, &endpoint)?;
        let is_here = |method: &str, route: &str| {
            !path.is_empty() && rules.endpoint(method.as_bytes(), route.as_bytes()) == endpoint
        };
        let not_applied = of_endpoints(&tree, &is_here);
        let rules = of_files(rules.with_schemas(schemas));
        let endpoint = if path.is_empty() { String::new() } else { endpoint };
        Ok(Self { rules, assigned, plugins, reads_messages, endpoint, not_applied })
    }
}

/// The rules for files, which have no headers: those of the answers that they become here say only how they are read.
fn of_files(rules: Rules) -> Rules {
    let made_here = ["header:content-type", "header:content-encoding"];
    let ignored = made_here.into_iter().filter_map(|name| Pattern::parse(name).ok());
    rules.with_rules(ignored.map(|name| Rule::Value(name, Allow::Ignore)))
}

struct Written {
    rules: Rules,
    assigned: Assigned,
    tree: Tree,
}

fn written(file: &Path) -> Result<Written, Failure> {
    let text = local::text(file)?;
    let read = tree_from_yaml(text.as_bytes()).and_then(|tree| {
        let problems = Problems::default();
        let root = problems.root(&tree);
        let read = comparison::bare_rules(&root).zip(comparison::bare_plugins(&root));
        let (rules, assigned) = problems.finish(read)?;
        Ok(Written { rules, assigned, tree })
    });
    read.map_err(|invalid| {
        let lines = invalid.problems.iter().map(|problem| format!("{}: {problem}", file.display()));
        Failure::Usage(lines.collect::<Vec<_>>().join("\n"))
    })
}

/// Refuses a plugin that has to do with these answers and was not given, and one that was given and is not named.
fn are_here(
    options: &Options,
    file: &Path,
    assigned: &Assigned,
    plugins: &Plugins,
    endpoint: &str,
) -> Result<(), Failure> {
    let mut absent = plugins.absent(assigned).into_iter();
    if let Some((index, name)) = absent.find(|(_, name)| assigned.at(endpoint).any(|here| here == *name)) {
        return Err(Failure::Usage(format!(
            "{}: compare.plugins[{index}].plugin is {name:?}, must be given as --plugin {name}=FILE",
            file.display()
        )));
    }
    let unnamed = options.plugin.iter().find(|given| !assigned.names().any(|name| name == given.name));
    match unnamed {
        Some(given) => Err(Failure::Usage(format!(
            "--plugin {}: no compare.plugins of {} names it",
            given.name,
            file.display()
        ))),
        None => Ok(()),
    }
}

/// The descriptors, and whether messages are read by them.
fn schemas(options: &Options, path: &str) -> Result<(Schemas, bool), Failure> {
    let Descriptors { schemas, .. } = options.descriptors.read()?;
    let given = options.descriptors.is_given();
    if let Some(name) = &options.message {
        return match of_message(&schemas, name) {
            Some(schemas) => Ok((schemas, true)),
            None if given => {
                Err(Failure::Usage(format!("--message is {name:?}, must be in the --descriptors")))
            }
            None => Err(Failure::Usage(NEEDS_DESCRIPTORS.to_owned())),
        };
    }
    if let Some(name) = options.method.as_ref().filter(|_| !has_method(&schemas, path)) {
        let why = format!("--method is {name:?}, must be in the --descriptors");
        return Err(Failure::Usage(if given { why } else { NEEDS_DESCRIPTORS.to_owned() }));
    }
    if given && options.method.is_none() && !has_method(&schemas, path) {
        return Err(Failure::Usage(
            "--descriptors says what messages look like, and --method or --message must say which one answered".to_owned(),
        ));
    }
    Ok((schemas, given))
}

#[cfg(feature = "grpc-messages")]
fn of_message(schemas: &Schemas, name: &str) -> Option<Schemas> {
    schemas.of_message(name)
}

#[cfg(feature = "grpc-messages")]
fn has_method(schemas: &Schemas, path: &str) -> bool {
    schemas.has_method(path)
}

#[cfg(not(feature = "grpc-messages"))]
fn of_message(_: &Schemas, _: &str) -> Option<Schemas> {
    None
}

#[cfg(not(feature = "grpc-messages"))]
fn has_method(_: &Schemas, _: &str) -> bool {
    false
}

/// What in the rules names an endpoint that is not here, as written.
fn of_endpoints(tree: &Tree, is_here: &dyn Fn(&str, &str) -> bool) -> Vec<String> {
    let compare = tree.get("compare").unwrap_or(tree);
    let rules = items(compare.get("rules")).filter_map(|rule| rule.get("at"));
    let only = compare.get("headers").and_then(|headers| headers.get("only"));
    let places = [compare.get("ignore"), compare.get("unordered"), only].into_iter().flatten().chain(rules);
    let places = places.flat_map(|place| items(Some(place))).filter_map(|place| {
        let Tree::Text(place) = place else { return None };
        let pattern = Pattern::parse(place).ok()?;
        let (method, route) = pattern.endpoint()?;
        (!is_here(method, route)).then(|| place.clone())
    });
    let plugins = items(compare.get("plugins")).filter_map(|plugin| {
        let (Some(Tree::Text(name)), Some(Tree::Text(at))) = (plugin.get("plugin"), plugin.get("at")) else {
            return None;
        };
        let here =
            at.split_once(char::is_whitespace).is_some_and(|(method, route)| is_here(method, route.trim()));
        (!here).then(|| format!("plugin {name} at {at}"))
    });
    places.chain(plugins).collect()
}

/// The items of a list, or the one that stands in its place.
fn items(tree: Option<&Tree>) -> impl Iterator<Item = &Tree> {
    match tree {
        Some(Tree::List(items)) => items.iter(),
        one => one.map_or(&[][..], std::slice::from_ref).iter(),
    }
}

const NEEDS_DESCRIPTORS: &str =
    "--method and --message need --descriptors FILE, which says what messages look like";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_an_endpoint_is_found_wherever_it_stands() {
        let text = "compare:\n  ignore: [/a b, 'GET /x /a', 'header:age']\n  unordered: [POST /y /b]\n  \
            rules: [{at: [/c, GET /x /c], time: 5s}, {at: PUT /z /d, ignore: true}]\n  headers: {only: [GET /x header:etag]}\n  \
            plugins: [{plugin: p}, {plugin: q, at: GET /x}]\n";
        let tree = tree_from_yaml(text.as_bytes()).unwrap();
        let expected =
            ["GET /x /a", "POST /y /b", "GET /x header:etag", "GET /x /c", "PUT /z /d", "plugin q at GET /x"];
        assert_eq!(of_endpoints(&tree, &|_, _| false), expected);
        assert_eq!(of_endpoints(tree.get("compare").unwrap(), &|_, _| false), expected);
        let here = |method: &str, route: &str| (method, route) == ("GET", "/x");
        assert_eq!(of_endpoints(&tree, &here), ["POST /y /b", "PUT /z /d"]);
    }
}
