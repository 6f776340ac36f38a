//! The compiled policy: a type that cannot be wrong, and the one walk through its rules that decides a request.
//!
//! Rules are tried in order. The first with a target that matches decides; a rule that only mirrors adds its mirrors and
//! the search goes on. What a mirror draws is independent of every split: splits hash a key, mirrors take the dice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::decision::{Decision, NotMirrored, Request};
use crate::dice::Dice;
use crate::document::{Field, Invalid, Map, Problems, Tree};
use crate::facts::{Facts, HeaderSlot, Questions};
use crate::matching::{HEADER_NAMES, header_name};
use crate::mirror::Drawn;
use crate::rule::{Compiler, MOST_MIRRORS, Rule};
use crate::variant::{Variant, Variants};

/// A release's policy, ready to decide.
#[derive(Debug)]
pub struct Policy {
    name: String,
    generation: Option<u64>,
    variant_header: String,
    lease: Duration,
    variants: Vec<Arc<Variant>>,
    default: Option<Arc<Variant>>,
    /// Without those that are not enabled.
    rules: Vec<Rule>,
    questions: Questions,
    method: HeaderSlot,
}

impl Policy {
    /// Compiles a document, or says everything that is wrong with it.
    pub fn from_tree(tree: &Tree) -> Result<Self, Invalid> {
        let problems = Problems::default();
        let read = Self::read(&problems.root(tree));
        problems.finish(read)
    }

    /// Compiles a policy that is a field of another document. What is wrong is noted in the field's problems, also where
    /// enough could be read to answer `Some`: the policy counts only if there are none.
    pub fn read(field: &Field<'_>) -> Option<Self> {
        let map = field.map(&FIELDS)?;
        let version = map.required("version").and_then(read_version);
        let name = map.required("name").and_then(Field::name);
        let generation = match map.get("generation") {
            Some(field) => field.integer(0..=LARGEST_GENERATION).map(Some),
            None => Some(None),
        };
        let variant_header = read_apply(&map);
        let lease =
            map.get("lease").map_or(Some(LEASE), |field| field.duration(SHORTEST_LEASE..=LONGEST_LEASE));
        let variants = Variants::read(map.required("variants"));
        let default = map.required("default").and_then(|field| read_default(field, &variants));
        let mut questions = Questions::default();
        let method = questions.header(":method");
        let mut compiler = Compiler {
            policy: name,
            variants: &variants,
            default: default.as_ref().and_then(Option::as_ref),
            questions: &mut questions,
        };
        let rules = map.required("rules").and_then(|field| read_rules(field, &mut compiler));
        version?;
        Some(Self {
            name: name?.to_owned(),
            generation: generation?,
            variant_header: variant_header?,
            lease: lease?,
            variants: variants.into_list()?,
            default: default?,
            rules: rules?,
            questions,
            method,
        })
    }

    /// The release's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which change of the document this is, counted by the comparator; `None` in a document that was not served by it.
    pub fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// The request header that carries the variant's name, in lower case.
    pub fn variant_header(&self) -> &str {
        &self.variant_header
    }

    /// How long mirroring goes on without an answer of the comparator.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// All variants in the order of the document.
    pub fn variants(&self) -> impl Iterator<Item = &Arc<Variant>> {
        self.variants.iter()
    }

    /// Decides one request. Equal requests and equal dice make equal decisions, on every worker and after a restart.
    pub fn decide(&self, request: &(impl Request + ?Sized), mut dice: Dice) -> Decision<'_> {
        let mut facts = Facts::new(request, &self.questions);
        let mut decision = Decision {
            variant: self.default.as_ref(),
            rule: None,
            position: None,
            mirrors: Vec::new(),
            skipped_mirror: Some(NotMirrored::NoRule),
        };
        for rule in &self.rules {
            if !rule.matches.hold(&mut facts) {
                continue;
            }
            self.mirror(rule, &mut facts, &mut dice, &mut decision);
            if let Some(target) = &rule.target {
                (decision.variant, decision.position) = target.choose(&mut facts, &mut dice);
                decision.rule = Some(&rule.name);
                break;
            }
        }
        decision
    }

    /// Adds what the mirrors of a rule draw, as long as the request has room for more.
    fn mirror<'p, R: Request + ?Sized>(
        &'p self,
        rule: &'p Rule,
        facts: &mut Facts<'_, R>,
        dice: &mut Dice,
        decision: &mut Decision<'p>,
    ) {
        for mirror in &rule.mirrors {
            if decision.mirrors.len() >= MOST_MIRRORS {
                return;
            }
            let method = facts.header(self.method).unwrap_or_default();
            let skipped = match mirror.draw(method, dice) {
                Drawn::Mirrored(mirrored) => {
                    decision.mirrors.push(mirrored);
                    decision.skipped_mirror = None;
                    continue;
                }
                Drawn::NotSampled => NotMirrored::NotSampled,
                Drawn::UnsafeMethod => NotMirrored::UnsafeMethod,
                Drawn::NotListed => NotMirrored::NoRule,
            };
            decision.skipped_mirror = decision.skipped_mirror.map(|nearest| nearest.max(skipped));
        }
    }
}

fn read_version(field: &Field<'_>) -> Option<()> {
    if *field.tree() == Tree::Integer(VERSION) {
        return Some(());
    }
    field.problem(format!("must be {VERSION}"));
    None
}

fn read_apply(map: &Map<'_>) -> Option<String> {
    let Some(apply) = map.get("apply") else { return Some(VARIANT_HEADER.to_owned()) };
    let apply = apply.map(&["header"])?;
    let Some(field) = apply.get("header") else { return Some(VARIANT_HEADER.to_owned()) };
    let name = header_name(field.text()?);
    let wrong = match &name {
        Some(name) if RESERVED.contains(&name.as_str()) => "must not be a header with a meaning of its own",
        Some(_) => return name,
        None => HEADER_NAMES,
    };
    field.problem(wrong);
    None
}

fn read_default(field: &Field<'_>, variants: &Variants) -> Option<Option<Arc<Variant>>> {
    match field.tree() {
        Tree::Null => Some(None),
        _ => variants.named(field).map(Some),
    }
}

/// The enabled rules; those that are not are checked all the same, since one day they will be.
fn read_rules(field: &Field<'_>, compiler: &mut Compiler<'_>) -> Option<Vec<Rule>> {
    let fields = field.list(0..=MOST_RULES)?;
    let mut names = BTreeSet::new();
    let mut rules = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let name = crate::rule::rule_name(index, field.tree());
        if !names.insert(name.clone()) {
            field.note(format!("has the name {name:?} of an earlier rule, must have one of its own"));
        }
        rules.push(compiler.rule(index, field));
    }
    let rules: Option<Vec<Rule>> = rules.into_iter().collect();
    rules.map(|rules| rules.into_iter().filter(|rule| rule.enabled).collect())
}

/// `compare`, `gates` and `rollout` are the comparator's and are read there.
const FIELDS: [&str; 11] = [
    "version",
    "name",
    "generation",
    "variants",
    "default",
    "apply",
    "rules",
    "lease",
    "compare",
    "gates",
    "rollout",
];
const VERSION: i64 = 1;
const LARGEST_GENERATION: u64 = i64::MAX as u64;
const VARIANT_HEADER: &str = "x-antumbra-variant";
/// Setting one of these would break the request or the hop limit of mirroring.
const RESERVED: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "te",
    "transfer-encoding",
    "x-antumbra-shadow",
];
const MOST_RULES: usize = 256;
const LEASE: Duration = Duration::from_secs(15);
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
const LONGEST_LEASE: Duration = Duration::from_secs(3600);
