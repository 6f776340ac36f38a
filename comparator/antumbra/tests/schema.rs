//! The schema of a policy says what the reader says: no field more, none less, nothing stricter, and nothing laxer but what
//! no schema can see.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use antumbra_comparator::Document;
use antumbra_policy::document::{Problem, Tree};
use antumbra_policy::{Policy, SCHEMA};
use boon::{Compiler, ErrorKind, SchemaIndex, Schemas, ValidationError};
use serde_json::Value;

/// The schema, ready to validate. That it compiles says that it is valid under its meta-schema.
struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("policy.schema.json", written()).unwrap();
        let index = compiler.compile("policy.schema.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    /// Where it finds something wrong, in the paths of the reader; the second is what it says.
    fn refusals(&self, tree: &Tree) -> Vec<(String, String)> {
        let document = serde_json::to_value(tree).unwrap();
        let mut found = Vec::new();
        if let Err(error) = self.schemas.validate(&document, self.index) {
            collect(&error, &mut found);
        }
        found
    }
}

fn written() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The leaves of a tree of errors.
fn collect(error: &ValidationError<'_, '_>, found: &mut Vec<(String, String)>) {
    let at = error.instance_location.to_string();
    let at = at.split('/').skip(1).fold(String::new(), |path, step| child(&path, step));
    match &error.kind {
        ErrorKind::AdditionalProperties { got } => {
            found.extend(got.iter().map(|name| (child(&at, name), "unknown".to_owned())));
        }
        // The validator does not say where the name stands.
        ErrorKind::PropertyName { prop } => found.push((format!("*.{}", shown(prop)), error.to_string())),
        _ if error.causes.is_empty() || matches!(error.kind, ErrorKind::AnyOf) => {
            found.push((if at.is_empty() { "document".to_owned() } else { at }, error.to_string()));
        }
        _ => error.causes.iter().for_each(|cause| collect(cause, found)),
    }
}

fn child(path: &str, step: &str) -> String {
    let step = step.replace("~1", "/").replace("~0", "~");
    match (path, step.parse::<usize>()) {
        (_, Ok(index)) => format!("{path}[{index}]"),
        ("", _) => shown(&step),
        _ => format!("{path}.{}", shown(&step)),
    }
}

/// As the reader shows a name: one that could not be seen stands in quotes.
fn shown(name: &str) -> String {
    if name.is_empty() { "\"\"".to_owned() } else { name.to_owned() }
}

/// What the comparator says, which reads all but `generation`, else what the filter says.
fn problems(tree: &Tree) -> Vec<Problem> {
    let read = Document::from_tree(tree.clone()).and_then(|_| Policy::from_tree(tree));
    read.err().map(|invalid| invalid.problems).unwrap_or_default()
}

fn yaml(text: &str) -> Tree {
    serde_saphyr::from_str(text).unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn below(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The documents of the reader's own tests, by file name.
fn documents() -> BTreeMap<String, Tree> {
    let files = below("../../filter/policy/tests/documents").into_iter();
    files.map(|file| (file.file_stem().unwrap().to_str().unwrap().to_owned(), yaml(&read(&file)))).collect()
}

fn valid_documents() -> BTreeMap<String, Tree> {
    documents().into_iter().filter(|(name, _)| !name.starts_with("mis")).collect()
}

/// Every portable case of the reader's conformance tests as a complete document; whether it is to be refused.
fn conformance() -> Vec<(String, Tree, bool)> {
    let mut found = Vec::new();
    for file in below("../../filter/policy/tests/conformance") {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let file = Tree::from_json(read(&file).as_bytes()).unwrap();
        let Some(Tree::List(cases)) = file.get("cases") else { panic!("no cases") };
        for case in cases.iter().filter(|case| case.get("portable") == Some(&Tree::Bool(true))) {
            let (Some(Tree::Text(id)), Some(written)) = (case.get("id"), case.get("as")) else { continue };
            let refused = case.get("kind") == Some(&Tree::Text("validation".to_owned()));
            found.push((id.clone(), complete(written.clone()), refused));
        }
    }
    found
}

fn complete(mut document: Tree) -> Tree {
    document.set("version", Tree::Integer(1));
    document.set("name", Tree::Text("case".to_owned()));
    if let Some(Tree::List(rules)) = document.get_mut("rules") {
        for (index, rule) in rules.iter_mut().enumerate().filter(|(_, rule)| rule.get("name").is_none()) {
            rule.set("name", Tree::Text(format!("r{index}")));
        }
    }
    document
}

/// The policies that users copy, in this folder and those within.
fn examples(folder: &str) -> Vec<(String, Tree)> {
    let mut found = Vec::new();
    for path in below(folder) {
        if path.is_dir() {
            found.extend(examples(path.to_str().unwrap()));
        } else if path.to_str().is_some_and(|path| path.ends_with("policy.yaml")) {
            found.push((path.display().to_string(), yaml(&read(&path))));
        }
    }
    found
}

/// What imports made of other systems' configuration: what stands below the head of a snapshot.
fn imported() -> Vec<(String, Tree)> {
    let folders = ["apisix", "envoy", "gateway_api", "istio", "nginx"].iter();
    let files = folders.flat_map(|format| below(&format!("../import/src/{format}/snapshots")));
    let parse = |file: PathBuf| {
        let text = read(&file);
        let (_, document) = text.split_once("\n---\n").unwrap();
        (file.display().to_string(), yaml(document))
    };
    files.map(parse).collect()
}

#[test]
fn what_is_valid_is_valid_under_the_schema() {
    let schema = Schema::new();
    let conforming = conformance().into_iter().filter(|(.., refused)| !refused);
    let all: Vec<(String, Tree)> = valid_documents()
        .into_iter()
        .chain(examples("../../envoy"))
        .chain(conforming.map(|(id, tree, _)| (id, tree)))
        .chain(imported())
        .collect();
    for (name, tree) in &all {
        assert_eq!(Policy::from_tree(tree).err(), None, "{name}");
        assert_eq!(schema.refusals(tree), [], "{name}");
    }
    assert!(all.len() > 200, "only {} documents", all.len());
}

#[test]
fn cases_of_other_systems_that_are_to_be_refused() {
    let schema = Schema::new();
    let refused = conformance().into_iter().filter(|(.., refused)| *refused);
    let (seen, unseen): (Vec<_>, Vec<_>) =
        refused.partition(|(_, tree, _)| !schema.refusals(tree).is_empty());
    for (id, tree, _) in &unseen {
        for problem in problems(tree) {
            assert!(only_the_reader_sees(&problem), "{id}: {problem}");
        }
    }
    assert!(seen.len() >= 8, "only {} cases", seen.len());
}

/// Mistakes in documents that have many: each is seen at its place, but those that no schema can see.
#[test]
fn what_only_the_reader_sees() {
    let schema = Schema::new();
    let mut unseen = Vec::new();
    for (name, tree) in documents().iter().filter(|(name, _)| name.starts_with("mis")) {
        let refusals = schema.refusals(tree);
        for problem in problems(tree) {
            let at = |path: &str| match (path.strip_prefix('*'), path.strip_prefix(&problem.path)) {
                (Some(name), _) => problem.path.ends_with(name),
                (_, rest) => rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])),
            };
            if !refusals.iter().any(|(path, _)| at(path)) {
                assert!(only_the_reader_sees(&problem), "{name}: {problem}\n{refusals:#?}");
                unseen.push(problem.to_string());
            }
        }
    }
    insta::assert_snapshot!(unseen.join("\n"), @r#"
    variants.canary.ids.ranges[0][1] is 1, must not be below the first, 2
    default is "dead", must not be a red variant: nothing could be sent there
    override.trustedCidrs[0] is "10.0.0.0/33", must have a prefix within 0..=32
    rules[0].until is "2026-02-04T00:00:00Z", must not lie before the window's beginning
    rules[1].until is "2026-02-30T00:00:00Z", must be a time with its offset, such as 2026-02-04T20:00:00+08:00 or 2026-02-04T12:00:00Z
    rules[5].split.buckets.canary[1][1] is 8, must not be below the first, 9
    rules[5].split.buckets.canry is "canry", not a known variant; did you mean "canary"?
    rules[6].split.buckets.canary[0] begins with 10, must lie behind the bucket that ends with 10
    rules[8].select.map.a is "stabel", not a known variant; did you mean "stable"?
    rules[14].split.sticky.maxAge is "401d", must be within 1s..=34560000s
    propagate[6] hands on as "header:x-d", must be another than the one before
    rules[0].matches[0].ip[0] is "1.1.1.1-1.1.1.0", must be a range whose first address is not above its last
    rules[0].matches[0].ip[1] is "1.1.1.1-2001:db8::1", must be a range of one address family, not from IPv4 to IPv6
    rules[0].matches[0].ip[2] is "10.0.0.0/33", must have a prefix within 0..=32
    rules[0].matches[5].headers.a.range[1] is 1, must not be below the first, 9
    rules[0].matches[5].headers.f.mod.in[0] is 10, must be within 0..=9
    rules[0].matches[6].headers.g.hash.buckets[0][1] is 100, must be within 0..=99
    rules[0].matches[8].time.to is "2026-02-04T00:00:00Z", must not lie before the window's beginning
    rules[0].matches[10].path.search is "(", must be a regular expression of at most 16384 bytes when compiled: found open group without closing ')'
    rules[3].matches[2].path.regex is "(", must be a regular expression of at most 16384 bytes when compiled: found open group without closing ')'
    apply.header is the header "cookie", must not be one with a meaning of its own
    default is "stabel", not a known variant; did you mean "stable"?
    rules[0].split.weights.canry is "canry", not a known variant; did you mean "canary"?
    rules[1].to is "Stable", not a known variant; did you mean "stable"?
    rules[3].mirror[2].percent is 0.0000001, must have at most 6 decimals
    rules[3].mirror[2].timeout is "61s", must be within 1ms..=60s
    rules[3].mirror[3].fraction.numerator is 3, must be within 0..=2
    rules[3].mirror[3].control.to is "canary", must be another variant than the candidate: a control answers for the stable version
    rules[6].split.weights has the sum 4789934590, must be within 1..=4294967295
    "#);
}

/// Whether a problem is one that a schema cannot express, or only by being unreadable: what depends on another place of the
/// document, on the size of a number within a text, on order between numbers, or on what a text means beyond its characters.
fn only_the_reader_sees(problem: &Problem) -> bool {
    let Problem { path, message } = problem;
    let said = |part: &str| message.contains(part);
    let at = |parts: &[&str]| parts.iter().any(|part| path.contains(part));
    said("not a known variant")
        || said("must not be a red variant")
        || said("of an earlier rule")
        || said("must be another variant than the candidate")
        || said("one release has one")
        || said("hands on as") && said("must be another than the one before")
        || said("must lie behind the bucket")
        || said("must not lie before the window's beginning")
        || said("must not be below the first")
        || said("has the sum")
        || said("must be within") && at(&[".mod.in", ".hash.buckets", ".fraction.numerator"])
        || said("must be within")
            && at(&["lease", ".time", ".maxAge", ".atLeast", ".giveUpAfter"])
            && message.starts_with("is \"")
        || said("must have at most 6 decimals")
        || path == "document" && said(", must take at most ")
        // How many there are besides, of which each says more.
        || path == "document" && message.ends_with(" more problems")
        || said("must be a percentage") && !message.starts_with("is \"")
        || said("leaves the default no traffic")
        || said("which next: time needs")
        || said("must be a regular expression of at most")
        || said("must be for places in bodies alone")
        || said("must have a prefix within")
        || said("must be a range")
        || said("must be an address") && at(&[".ip", "trustedCidrs"]) && message.starts_with("is \"")
        || said("must be a time with its offset") && said("-30T")
        || said("must not be one with a meaning of its own")
            && said("is the header")
            && path == "apply.header"
}

/// Documents with one thing changed: the schema refuses none that the reader takes, and takes none that the reader refuses, but
/// for what only the reader sees.
#[test]
fn schema_and_reader_agree_on_whatever_is_changed() {
    let schema = Schema::new();
    let (mut tried, mut bounds) = (0, Bounds::default());
    bounds.collect(&written());
    for (name, tree) in valid_documents() {
        each_change(&tree, &bounds, &mut |changed| {
            let (refusals, problems) = (schema.refusals(&changed), problems(&changed));
            let text = || serde_json::to_string(&changed).unwrap();
            if problems.is_empty() {
                assert_eq!(refusals, [], "{name}: {}", text());
            } else if refusals.is_empty() {
                let unseen = problems.iter().find(|problem| !only_the_reader_sees(problem));
                assert_eq!(unseen, None, "{name}: {}", text());
            }
            tried += 1;
        });
    }
    assert!(tried > 10_000, "only {tried} changes");
}

/// Every document that is this one but for one value, one absent entry or item, or how many there are.
fn each_change(tree: &Tree, bounds: &Bounds, each: &mut dyn FnMut(Tree)) {
    others().into_iter().for_each(&mut *each);
    match tree {
        Tree::Map(entries) => {
            bounds.sizes().filter_map(|size| resized_map(entries, size)).for_each(&mut *each);
            for (index, (_, value)) in entries.iter().enumerate() {
                each(Tree::Map(without(entries, index)));
                each_change(value, bounds, &mut |value| {
                    let mut entries = entries.clone();
                    entries[index].1 = value;
                    each(Tree::Map(entries));
                });
            }
        }
        Tree::List(items) => {
            bounds.sizes().filter_map(|size| resized_list(items, size)).for_each(&mut *each);
            for (index, item) in items.iter().enumerate() {
                each(Tree::List(without(items, index)));
                each_change(item, bounds, &mut |item| {
                    let mut items = items.clone();
                    items[index] = item;
                    each(Tree::List(items));
                });
            }
        }
        Tree::Integer(_) | Tree::Float(_) => bounds.numbers.iter().cloned().for_each(each),
        _ => {}
    }
}

fn without<T: Clone>(all: &[T], index: usize) -> Vec<T> {
    let mut fewer = all.to_vec();
    fewer.remove(index);
    fewer
}

/// The first item as often as that. A list of rules and the like would only be long.
fn resized_list(items: &[Tree], size: usize) -> Option<Tree> {
    let first = items.first().filter(|first| size < 2_000 || !matches!(first, Tree::Map(_)))?;
    Some(Tree::List(vec![first.clone(); size]))
}

/// The first value under as many names.
fn resized_map(entries: &[(String, Tree)], size: usize) -> Option<Tree> {
    let (_, first) = entries.first().filter(|_| size < 2_000)?;
    Some(Tree::Map((0..size).map(|index| (format!("n{index}"), first.clone())).collect()))
}

/// What the schema bounds numbers, lists and mappings by: values at each bound and beside it.
#[derive(Default)]
struct Bounds {
    numbers: Vec<Tree>,
    items: BTreeSet<u64>,
}

impl Bounds {
    fn collect(&mut self, schema: &Value) {
        match schema {
            Value::Object(keywords) => {
                for (keyword, value) in keywords {
                    match (keyword.as_str(), value) {
                        ("minimum" | "maximum", Value::Number(bound)) => self.add(bound),
                        (
                            "minItems" | "maxItems" | "minProperties" | "maxProperties",
                            Value::Number(bound),
                        ) => {
                            self.items.extend(bound.as_u64());
                        }
                        _ => self.collect(value),
                    }
                }
            }
            Value::Array(all) => all.iter().for_each(|schema| self.collect(schema)),
            _ => {}
        }
    }

    fn add(&mut self, bound: &serde_json::Number) {
        let near = match (bound.as_i64(), bound.as_f64()) {
            (Some(i64::MAX), _) => vec![Tree::Integer(i64::MAX)],
            (Some(whole), _) => (whole - 1..=whole + 1).map(Tree::Integer).collect(),
            (_, Some(part)) => [part * 0.999, part, part * 1.001].map(Tree::Float).to_vec(),
            _ => vec![],
        };
        self.numbers
            .extend(near.into_iter().filter(|number| !self.numbers.contains(number)).collect::<Vec<_>>());
    }

    fn sizes(&self) -> impl Iterator<Item = usize> {
        self.items.iter().flat_map(|bound| [*bound, *bound + 1]).map(|size| usize::try_from(size).unwrap())
    }
}

fn others() -> Vec<Tree> {
    let texts = [
        "",
        "a",
        "a b",
        "/",
        "/a",
        "/a/",
        "ü",
        "-a",
        "GET",
        "get",
        "*.a.test",
        "5s",
        "5",
        "ip",
        "cookie:a",
        "header:te",
        "header:a",
        "true",
        "10.0.0.1",
        "2026-02-04T20:00:00Z",
        "__Host-a",
        "__Secure-a",
        "stable",
        "a,b",
        "a;b",
        "mint",
        "None",
        "deny",
        "peer",
        "host",
    ];
    let texts = texts.map(|text| Tree::Text(text.to_owned()));
    let long = [63, 64, 255, 256, 257, 1024, 1025, 4096, 4097].map(|length| Tree::Text("a".repeat(length)));
    let further = [
        Tree::Null,
        Tree::Bool(true),
        Tree::Bool(false),
        Tree::Integer(-1),
        Tree::Integer(0),
        Tree::Integer(1),
        Tree::Float(0.5),
        Tree::List(vec![]),
        Tree::List(vec![Tree::Text("a".to_owned())]),
        Tree::List(vec![Tree::Integer(1), Tree::Integer(1)]),
        Tree::Map(vec![]),
        Tree::Map(vec![("a".to_owned(), Tree::Text("a".to_owned()))]),
    ];
    texts.into_iter().chain(long).chain(further).collect()
}

/// One object of the schema on one way that leads to it.
struct Object {
    way: Vec<Step>,
    fields: BTreeSet<String>,
}

#[derive(Clone)]
enum Step {
    Field(String),
    Item,
}

/// Every object with fields of its own, on every way from the root that meets no definition twice.
fn objects() -> Vec<Object> {
    let (written, mut found) = (written(), Vec::new());
    walk(&written, &written, &[], &[], &mut found);
    found
}

fn walk(all: &Value, schema: &Value, way: &[Step], met: &[&str], found: &mut Vec<Object>) {
    if let Some(reference) = schema["$ref"].as_str().filter(|reference| !met.contains(reference)) {
        let name = reference.strip_prefix("#/$defs/").unwrap();
        walk(all, &all["$defs"][name], way, &[met, &[reference]].concat(), found);
    }
    let further = |step: Step| [way, &[step]].concat();
    if let Some(fields) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], false, "{schema}");
        found.push(Object { way: way.to_vec(), fields: fields.keys().cloned().collect() });
        for (name, field) in fields {
            assert!(field["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}: {field}");
            walk(all, field, &further(Step::Field(name.clone())), met, found);
        }
    } else if schema["additionalProperties"].is_object() {
        walk(all, &schema["additionalProperties"], &further(Step::Field("x".to_owned())), met, found);
    }
    if schema["items"].is_object() {
        walk(all, &schema["items"], &further(Step::Item), met, found);
    }
}

impl Object {
    /// The smallest document that reaches it, with a field there that nobody knows.
    fn document(&self) -> Tree {
        let strange = Tree::Map(vec![(STRANGE.to_owned(), Tree::Null)]);
        self.way.iter().rev().fold(strange, |inner, step| match step {
            Step::Field(name) => Tree::Map(vec![(name.clone(), inner)]),
            Step::Item => Tree::List(vec![inner]),
        })
    }

    fn path(&self) -> String {
        self.way.iter().fold(String::new(), |path, step| match step {
            Step::Field(name) => child(&path, name),
            Step::Item => child(&path, "0"),
        })
    }
}

/// Too unlike every known name for one to be suggested: so all are listed.
const STRANGE: &str = "zzzzzzzzzzzzzzzzzzzzzzzz";

#[test]
fn every_object_has_the_fields_that_the_reader_knows() {
    let objects = objects();
    for object in &objects {
        let strange = child(&object.path(), STRANGE);
        let said: BTreeSet<String> = problems(&object.document())
            .into_iter()
            .filter(|problem| problem.path == strange)
            .map(|problem| problem.message)
            .collect();
        let [said] = Vec::from_iter(said).try_into().unwrap_or_else(|said| panic!("{strange}: {said:?}"));
        let known =
            said.strip_prefix("is not a known field; known: ").unwrap_or_else(|| panic!("{strange}: {said}"));
        let known: BTreeSet<String> = known.split(", ").map(str::to_owned).collect();
        assert_eq!(object.fields, known, "{strange}");
    }
    assert!(objects.len() > 40, "only {} objects", objects.len());
}

/// So the changes above reach every field.
#[test]
fn one_document_has_every_field() {
    let everything = &documents()["everything"];
    let mut written = BTreeSet::new();
    collect_fields(everything, &mut written);
    let unwritten: Vec<String> = objects()
        .into_iter()
        .flat_map(|object| object.fields)
        .filter(|field| !written.contains(field.as_str()))
        .collect();
    assert_eq!(unwritten, Vec::<String>::new());
}

fn collect_fields<'t>(tree: &'t Tree, found: &mut BTreeSet<&'t str>) {
    match tree {
        Tree::Map(entries) => entries.iter().for_each(|(name, value)| {
            found.insert(name);
            collect_fields(value, found);
        }),
        Tree::List(items) => items.iter().for_each(|item| collect_fields(item, found)),
        _ => {}
    }
}

#[test]
fn every_definition_is_described_and_used() {
    for (name, definition) in written()["$defs"].as_object().unwrap() {
        assert!(definition["description"].is_string(), "{name}");
        assert!(SCHEMA.contains(&format!("\"#/$defs/{name}\"")), "{name} is not used");
    }
}

#[test]
fn the_command_prints_it() {
    let run =
        |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_antumbra")).args(arguments).output().unwrap();
    let printed = run(&["schema", "policy"]);
    assert_eq!((printed.status.code(), &*String::from_utf8_lossy(&printed.stdout)), (Some(0), SCHEMA));
    let help = run(&["schema", "--help"]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("# yaml-language-server: $schema="));
    assert_eq!(run(&["schema"]).status.code(), Some(2));
}
