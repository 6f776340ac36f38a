//! The compiled policy: a type that cannot be wrong, and the one walk through its rules that decides a request.
//!
//! The order is override, ids of yellow variants, rules, default. Rules are tried in order: the first that matches and
//! chooses a variant decides; a rule that only mirrors adds its mirrors and the search goes on. What a mirror draws is
//! independent of every split: each draws a word of its own, and where a mirror samples by key it has a salt of its own.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::client::ClientAddress;
use crate::decision::{Decision, Reason, SkippedMirror};
use crate::dice::Dice;
use crate::document::{Cost, Field, Invalid, Map, Problem, Problems, Tree, all, optional};
use crate::edits::{self, Edit};
use crate::facts::{Facts, MAX_ASKED, MAX_NAMES, Questions};
use crate::headers::own_name;
use crate::key::{self, Keys, Salt};
use crate::mirror::{Drawn, Mirror};
use crate::observe::{self, Observe};
use crate::order;
use crate::overriding::Override;
use crate::place::HeaderSlot;
use crate::propagate::Propagation;
use crate::request::Request;
use crate::rule::{Compiler, MAX_MIRRORS, Rule, Target, rule_name};
use crate::search::TooLarge;
use crate::signature::Secrets;
use crate::split::{Choice, Split};
use crate::variant::{State, Variant, Variants};

/// The policy of a release, compiled and ready to decide requests.
#[derive(Debug)]
pub struct Policy {
    name: String,
    generation: Option<u64>,
    variant_header: String,
    lease: Duration,
    largest_body: usize,
    variants: Vec<Arc<Variant>>,
    default: Option<Arc<Variant>>,
    overriding: Option<Override>,
    ids: Keys,
    /// Without those that are not enabled.
    rules: Vec<Rule>,
    sampling: Salt,
    propagation: Propagation,
    observe: Observe,
    questions: Questions,
    method: HeaderSlot,
    variant_slot: HeaderSlot,
    cost: Cost,
}

impl Policy {
    /// Compiles a document.
    ///
    /// # Errors
    /// Everything that is wrong with the document.
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
        let generation = optional(map.get("generation").map(|field| field.integer(0..=LARGEST_GENERATION)));
        let variant_header = read_apply(&map);
        let lease =
            map.get("lease").map_or(Some(LEASE), |field| field.duration(SHORTEST_LEASE..=LONGEST_LEASE));
        let largest_body = map.get("body").map_or(Some(BODY_BYTES), read_body);
        let mut questions = Questions::default();
        let method = questions.header(":method");
        let client = map.get("clientIp").map_or(Some(ClientAddress::Peer), ClientAddress::read);
        questions.set_client(client.unwrap_or_default());
        let variants = Variants::read(map.required("variants"));
        let default = map.required("default").and_then(|field| read_default(field, &variants));
        let ids = map
            .get("idFrom")
            .map_or_else(|| Some(Keys::default()), |field| Keys::read(field, &mut questions));
        let listed = read_listed(&map, &variants);
        let overriding = optional(map.get("override").map(|field| Override::read(field, &mut questions)));
        let mut compiler = Compiler {
            policy: name,
            variants: &variants,
            default: default.as_ref().and_then(Option::as_ref),
            questions: &mut questions,
        };
        let rules = map.required("rules").and_then(|field| read_rules(field, &mut compiler));
        let observe = map.get("observe").map_or_else(|| Some(Observe::default()), Observe::read);
        let observe = observe.map(|mut observe| {
            observe.vary_by(&questions);
            observe
        });
        let propagation = map
            .get("propagate")
            .map_or_else(|| Some(Propagation::default()), |field| Propagation::read(field, &mut questions));
        version.and(client).and(listed)?;
        let variant_header = variant_header?;
        check_headers(&map, &variant_header, overriding.as_ref(), propagation.as_ref())?;
        let variant_slot = questions.header(&variant_header);
        let largest_body = largest_body?;
        let cost = read_cost(&map, &mut questions, largest_body)?;
        Some(Self {
            name: name?.to_owned(),
            generation: generation?,
            variant_header,
            lease: lease?,
            largest_body,
            variants: variants.into_list()?,
            default: default?,
            overriding: overriding?,
            ids: ids?,
            rules: rules?,
            sampling: Salt::new(&format!("{}#mirror", name?)),
            propagation: propagation?,
            observe: observe?,
            questions,
            method,
            variant_slot,
            cost,
        })
    }

    /// Gives the policy the keys that it names. Until then nothing that is signed verifies, and nothing is signed.
    ///
    /// # Errors
    /// A problem for each key that it names and `secrets` does not have.
    pub fn bind(mut self, secrets: &Secrets) -> Result<Self, Invalid> {
        let overriding =
            self.overriding.as_mut().map(|overriding| ("override".to_owned(), overriding.bind(secrets)));
        let splits = self.rules.iter_mut().filter_map(|rule| match &mut rule.target {
            Some(Target::Split(split)) => Some((format!("rule {:?}", rule.name), split.bind(secrets))),
            _ => None,
        });
        let problems: Vec<Problem> = overriding
            .into_iter()
            .chain(splits)
            .filter_map(|(path, bound)| {
                let name = bound.err()?;
                Some(Problem {
                    path,
                    message: format!("is signed with {name:?}, which is not among the secrets"),
                })
            })
            .collect();
        if problems.is_empty() { Ok(self) } else { Err(Invalid { problems }) }
    }

    /// The name of the policy, which is that of the release.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which change of the document this is, counted by the comparator; `None` in a document that the comparator did not serve.
    pub fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// The request header that carries the variant's name, in lower case.
    pub fn variant_header(&self) -> &str {
        &self.variant_header
    }

    /// The request header by which holders of a signature choose their variant, in lower case; `None` if the policy has no such
    /// override.
    pub fn signed_override_header(&self) -> Option<&str> {
        let signed = self.overriding.as_ref().filter(|overriding| overriding.is_signed());
        signed.map(|overriding| overriding.header.as_str())
    }

    /// Where the variant's name is handed on besides the variant header: headers, and members of baggage.
    pub fn variant_targets(&self) -> (Vec<&str>, Vec<&str>) {
        self.propagation.variant_targets()
    }

    /// How long mirroring goes on without an answer of the comparator.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// How long a request's body may be for a rule to look into it, in bytes.
    pub fn largest_body(&self) -> usize {
        self.largest_body
    }

    /// Whether any rule looks into bodies.
    pub fn reads_bodies(&self) -> bool {
        self.questions.read_bodies()
    }

    /// What it costs in a filter: within [`Cost::MAX`].
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// How many request headers a decision asks for at most.
    pub fn header_count(&self) -> usize {
        self.questions.header_count()
    }

    /// Whether a decision asks for a header of which all lines count, not the first alone: `cookie` or `baggage`.
    pub fn needs_all_lines(&self) -> bool {
        self.questions.need_all_lines()
    }

    /// Whether decisions are counted by rule and variant.
    pub fn counts_decisions(&self) -> bool {
        self.observe.metrics
    }

    /// Whether decisions are shown to the host's access log.
    pub fn logs_decisions(&self) -> bool {
        self.observe.access_log
    }

    /// Whether caches are told which request headers an answer depends on.
    pub fn varies(&self) -> bool {
        self.observe.vary().is_some()
    }

    /// Whether decisions depend on request headers, cookies among them.
    pub(crate) fn depends_on_headers(&self) -> bool {
        self.questions.header_names().any(|name| name != self.variant_header)
    }

    /// All variants in the order of the document.
    pub fn variants(&self) -> impl Iterator<Item = &Arc<Variant>> {
        self.variants.iter()
    }

    /// The mirrors of the enabled rules, in the order of the document.
    pub fn mirrors(&self) -> impl Iterator<Item = &Arc<Mirror>> {
        self.rules.iter().flat_map(|rule| &rule.mirrors)
    }

    /// The enabled rules in order.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Where a request goes that no rule decides about.
    pub fn default_variant(&self) -> Option<&Arc<Variant>> {
        self.default.as_ref()
    }

    /// Decides one request. Equal requests and equal dice make equal decisions, on every worker and after a restart.
    pub fn decide(&self, request: &(impl Request + ?Sized), mut dice: Dice) -> Decision<'_> {
        let mut facts = Facts::new(request, &self.questions);
        let mut decision = Decision {
            variant: self.default.as_ref(),
            rule: None,
            rule_index: None,
            reason: Reason::Default,
            position: None,
            mirrors: Vec::new(),
            skipped_mirror: Some(SkippedMirror::NoRule),
            unsafe_method: None,
            client: None,
            trusted: false,
            request_edits: Vec::new(),
            response_edits: Vec::new(),
            awaits_body: false,
            steps: 0,
        };
        let choice = self.choose(&mut facts, &mut dice, &mut decision);
        let mut cookies = Vec::new();
        if let Some(choice) = choice {
            (decision.variant, decision.reason, decision.position) =
                (choice.variant, choice.reason, choice.position);
            cookies = choice.cookies;
        }
        if !decision.mirrors.is_empty() {
            decision.client = self.client(&mut facts);
        }
        self.say(cookies, &mut facts, &mut decision);
        decision.awaits_body = facts.awaits_body();
        decision.steps = facts.steps();
        decision
    }

    /// Who decides, if anybody does; mirrors that are met on the way are added to `decision`.
    fn choose<'p, R: Request + ?Sized>(
        &'p self,
        facts: &mut Facts<'_, R>,
        dice: &mut Dice,
        decision: &mut Decision<'p>,
    ) -> Option<Choice<'p>> {
        let chosen =
            |variant, reason| Choice { variant: Some(variant), reason, position: None, cookies: Vec::new() };
        let overriding = self.overriding.as_ref();
        if let Some(variant) = overriding.and_then(|it| it.chosen(&self.name, &self.variants, facts)) {
            return Some(chosen(variant, Reason::Override));
        }
        let mut yellow = self.variants.iter().filter(|variant| variant.state == State::Yellow);
        if let Some(variant) = yellow.find(|variant| variant.lists(&self.ids, facts)) {
            return Some(chosen(variant, Reason::Ids));
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if !rule.holds(facts) {
                continue;
            }
            self.mirror(rule, facts, dice, decision);
            if let Some(choice) = rule.target.as_ref().and_then(|target| target.choose(facts, dice)) {
                decision.rule = Some(&rule.name);
                decision.rule_index = Some(index);
                return Some(choice);
            }
        }
        None
    }

    /// Adds what the mirrors of a rule draw, as long as the request has room for more.
    fn mirror<'p, R: Request + ?Sized>(
        &'p self,
        rule: &'p Rule,
        facts: &mut Facts<'_, R>,
        dice: &mut Dice,
        decision: &mut Decision<'p>,
    ) {
        if rule.mirrors.is_empty() {
            return;
        }
        let method = facts.header(self.method).map(<[u8]>::to_vec).unwrap_or_default();
        for mirror in &rule.mirrors {
            if decision.mirrors.len() >= MAX_MIRRORS {
                return;
            }
            let key = || self.sampling_hash(facts);
            let skipped = match mirror.draw(&method, key, dice) {
                Drawn::Mirrored(mirrored) => {
                    decision.mirrors.push(mirrored);
                    (decision.skipped_mirror, decision.unsafe_method) = (None, None);
                    continue;
                }
                Drawn::NotSampled => SkippedMirror::NotSampled,
                Drawn::UnsafeMethod => SkippedMirror::UnsafeMethod,
                Drawn::Red => SkippedMirror::Red,
                Drawn::NotListed => SkippedMirror::NoRule,
            };
            decision.skipped_mirror = decision.skipped_mirror.map(|nearest| nearest.max(skipped));
            let unsafe_method = decision.skipped_mirror == Some(SkippedMirror::UnsafeMethod);
            decision.unsafe_method = unsafe_method.then(|| method.clone());
        }
    }

    /// Who asks. Half of the hash suffices to tell the clients of a moment apart, and gives less away.
    fn client<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> Option<u32> {
        u32::try_from(self.sampling_hash(facts)? >> 32).ok()
    }

    /// The hash by which mirrors sample, made once for a request.
    fn sampling_hash<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> Option<u64> {
        if let Some(known) = facts.sampled {
            return known;
        }
        let hash = self.sampling_keys().with(facts, |key| key::hash(Some(&self.sampling), key));
        facts.sampled = Some(hash);
        hash
    }

    /// By what a mirror samples that samples by key: `idFrom`, else the keys of the first split that has any. A request
    /// without any of them takes its chance.
    fn sampling_keys(&self) -> &Keys {
        let of_splits = self.rules.iter().filter_map(|rule| rule.split().map(Split::keys));
        std::iter::once(&self.ids).chain(of_splits).find(|keys| !keys.is_empty()).unwrap_or(&self.ids)
    }

    /// Adds what the decision says to the services and to the client.
    fn say<'p, R: Request + ?Sized>(
        &'p self,
        cookies: Vec<String>,
        facts: &mut Facts<'_, R>,
        decision: &mut Decision<'p>,
    ) {
        let mut known = None;
        let mut trusted = |facts: &mut Facts<'_, R>| {
            let overriding = self.overriding.as_ref();
            *known.get_or_insert_with(|| {
                decision.reason == Reason::Override || overriding.is_some_and(|it| it.trusts(facts))
            })
        };
        let name = decision.variant.map(|variant| variant.name.as_str());
        let edits = &mut decision.request_edits;
        match name {
            Some(name) => edits.push(Edit::Set(&self.variant_header, Cow::Borrowed(name.as_bytes()))),
            None if facts.header(self.variant_slot).is_some() && !trusted(facts) => {
                edits.push(Edit::Remove(&self.variant_header));
            }
            None => {}
        }
        if let Some(overriding) = &self.overriding
            && facts.header(overriding.slot()).is_some()
            && !trusted(facts)
        {
            edits.push(Edit::Remove(&overriding.header));
        }
        self.propagation.edits(name, facts, &mut trusted, edits);
        if let Some(variant) = decision.variant {
            edits::written(&variant.headers, edits);
            edits.extend(
                variant.host.iter().map(|host| Edit::Set(":authority", Cow::Borrowed(host.as_bytes()))),
            );
        }
        let explain = self.observe.explain_header.as_deref().filter(|_| trusted(facts));
        decision.trusted = known.unwrap_or(false);
        let cookies = cookies.into_iter().map(|cookie| Edit::Add("set-cookie", cookie.into_bytes().into()));
        let said = self.observe.response_header.as_deref().zip(name);
        let response: Vec<Edit<'p>> = cookies
            .chain(said.map(|(header, name)| Edit::Set(header, Cow::Borrowed(name.as_bytes()))))
            .chain(self.observe.vary().map(|names| Edit::Add("vary", Cow::Borrowed(names.as_bytes()))))
            .collect();
        decision.response_edits = response;
        if let Some(header) = explain {
            let text = observe::explanation(decision, self.generation);
            decision.response_edits.push(Edit::Set(header, text.into_bytes().into()));
        }
    }
}

/// Compiles what is sought, and sums up what all of it costs. Rules that are not enabled count: one day they will be.
fn read_cost(map: &Map<'_>, questions: &mut Questions, largest_body: usize) -> Option<Cost> {
    let field = map.field();
    if questions.are_too_many() {
        field.note(format!(
            "asks a request for more than {MAX_NAMES} names, or for more than {MAX_ASKED} of headers and metadata"
        ));
        return None;
    }
    match questions.compile() {
        Ok(costs) => costs.iter().for_each(|(path, cost)| field.spend_at(path, *cost)),
        Err(TooLarge { path, reason }) => {
            field.note_at(path, format!("{reason}, must be simpler to be matched in bounded time"));
            return None;
        }
    }
    for (path, steps) in questions.steps_of_length(largest_body) {
        field.spend_at(&path, Cost { steps, ..Cost::default() });
    }
    for part in ["variants", "override", "propagate"].iter().filter_map(|name| map.get(name)) {
        part.spend(Cost { bytes: part.tree().weight(), steps: OF_A_PART });
    }
    field.total_cost()
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
    own_name(field, field.text()?)
}

fn read_body(field: &Field<'_>) -> Option<usize> {
    let map = field.map(&["maxBytes"])?;
    let bytes = map.required("maxBytes")?.integer(1..=MAX_BODY_BYTES)?;
    usize::try_from(bytes).ok()
}

/// Each header says one thing: where two meet, the one would undo the other, or a client could choose its variant.
fn check_headers(
    map: &Map<'_>,
    variant: &str,
    overriding: Option<&Option<Override>>,
    propagation: Option<&Propagation>,
) -> Option<()> {
    let chosen = overriding.and_then(Option::as_ref).map(|overriding| overriding.header.as_str());
    if chosen == Some(variant) {
        let field = map.get("override")?;
        field.note(format!("reads {variant:?}, must be another header than that of the variant"));
        return None;
    }
    let (mut others, mut all) = (propagation?.other_headers(), propagation?.headers());
    let taken = others.find(|name| *name == variant).or_else(|| all.find(|name| Some(*name) == chosen));
    if let (Some(name), Some(field)) = (taken, map.get("propagate")) {
        field
            .note(format!("sets {name:?}, must be another header than those of the variant and of override"));
        return None;
    }
    Some(())
}

/// A list of ids can be read only where it is known what an id is.
fn read_listed(map: &Map<'_>, variants: &Variants) -> Option<()> {
    let listed: Vec<&str> = variants.with_listed_ids().map(|variant| variant.name.as_str()).collect();
    if map.get("idFrom").is_none() && !listed.is_empty() {
        let names = listed.join(", ");
        map.field().note(format!("has no field \"idFrom\", which the ids of {names} need"));
        return None;
    }
    Some(())
}

fn read_default(field: &Field<'_>, variants: &Variants) -> Option<Option<Arc<Variant>>> {
    let default = variants.named_or_null(field)?;
    if default.as_ref().is_some_and(|variant| variant.is_red()) {
        field.problem("must not be a red variant: nothing could be sent there");
        return None;
    }
    Some(default)
}

/// The enabled rules; those that are not are checked all the same, since one day they will be.
fn read_rules(field: &Field<'_>, compiler: &mut Compiler<'_>) -> Option<Vec<Rule>> {
    let fields = field.list(0..=MAX_RULES)?;
    let names: Vec<String> =
        fields.iter().enumerate().map(|(index, field)| rule_name(index, field.tree())).collect();
    let repeated = order::repeated(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let places: Vec<(usize, &Field<'_>)> = fields.iter().enumerate().collect();
    let rules = all(&places, |(index, field)| {
        if let (Some(true), Some(name)) = (repeated.get(*index), names.get(*index)) {
            field.note(format!("has the name {name:?} of an earlier rule, must have one of its own"));
        }
        field.spend(Cost { bytes: field.tree().weight(), steps: OF_A_RULE });
        compiler.rule(*index, field)
    })?;
    Some(rules.into_iter().filter(|rule| rule.enabled).collect())
}

/// `compare`, `redact`, `gates` and `rollout` are the comparator's and are read there.
const FIELDS: [&str; 18] = [
    "version",
    "name",
    "generation",
    "variants",
    "default",
    "idFrom",
    "clientIp",
    "apply",
    "override",
    "rules",
    "propagate",
    "observe",
    "body",
    "lease",
    "compare",
    "redact",
    "gates",
    "rollout",
];
const VERSION: i64 = 1;
const LARGEST_GENERATION: u64 = i64::MAX as u64;
const VARIANT_HEADER: &str = "x-antumbra-variant";
const MAX_RULES: usize = 256;
/// Steps of a rule without its conditions: its mirrors are drawn.
const OF_A_RULE: usize = 100;
/// Steps of variants, an override or what is handed on: lists are looked through, and headers are set.
const OF_A_PART: usize = 2_000;
/// Below the smallest buffer that proxies are usually given, 32 KiB.
const BODY_BYTES: usize = 16 * 1024;
const MAX_BODY_BYTES: u64 = 1024 * 1024;
const LEASE: Duration = Duration::from_secs(15);
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
const LONGEST_LEASE: Duration = Duration::from_secs(3600);
