//! The variables of one place in the configuration, and what `set` and `if` do to them one after the other.

use super::config::Config;
use super::definitions;
use super::request::{self, Test};
use super::syntax::Directive;
use super::value::{Case, MAX_CASES, Outcome, holds, product};
use crate::condition::Condition;
use crate::draft::Draft;

/// Variables that are known so far, and what is to become of the destination once all of them are.
#[derive(Clone)]
pub(super) struct Scope<'d> {
    /// Definitions of the whole configuration.
    pub(super) config: &'d Config<'d>,
    sets: Vec<(String, Vec<Case>)>,
    detours: Vec<Detour>,
    /// How many detours are those of the server.
    inherited: usize,
}

/// An `if` with its own `proxy_pass`, or with a `return`, which leaves the host empty.
#[derive(Clone)]
struct Detour {
    guard: Guard,
    at: String,
    host: String,
}

/// What an `if` asks.
#[derive(Clone)]
enum Guard {
    Condition(Condition),
    /// A draw, with whether each of its parts passes.
    Drawn(String, Vec<(u64, bool)>),
}

impl<'d> Scope<'d> {
    /// Nothing is set.
    pub(super) fn new(config: &'d Config<'d>) -> Self {
        Self { config, sets: Vec::new(), detours: Vec::new(), inherited: 0 }
    }

    /// What was set to `name`.
    pub(super) fn set(&self, name: &str) -> Option<&[Case]> {
        self.sets.iter().find(|(known, _)| known == name).map(|(_, cases)| cases.as_slice())
    }

    /// The variables that were set, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sets.iter().map(|(name, _)| name.as_str())
    }

    /// The scope of a location of this server.
    pub(super) fn within(&self) -> Self {
        Self { inherited: self.detours.len(), ..self.clone() }
    }

    /// Runs `set` and `if` in their order, as nginx does before it sends anything on.
    pub(super) fn run(&mut self, draft: &mut Draft, directives: &[Directive]) {
        for directive in directives {
            match (directive.name.as_str(), directive.args.as_slice()) {
                ("set", [variable, value]) => self.assign(draft, &directive.at(), None, variable, value),
                ("if", _) => self.run_if(draft, directive),
                _ => {}
            }
        }
    }

    /// Where requests go that the directives send on, empty for nowhere; `None` if that cannot be told. A later `if` goes
    /// before an earlier one, and those of the server before all.
    pub(super) fn destination(&self, draft: &mut Draft, directives: &[Directive]) -> Option<Vec<Case>> {
        let pass = directives.iter().find(|directive| is_pass(directive));
        let mut cases = match pass {
            None => Case::fixed(""),
            Some(pass) => {
                let host = host(draft, pass);
                definitions::cases_of(draft, self, &pass.at(), &host, 0)?
            }
        };
        let (server, own) = self.detours.split_at_checked(self.inherited)?;
        for Detour { guard, at, host } in own.iter().chain(server) {
            let changed = self.changed(draft, at, Some(guard), &cases, host);
            cases = changed.unwrap_or(cases);
        }
        Some(cases)
    }

    fn run_if(&mut self, draft: &mut Draft, directive: &Directive) {
        let changes = |inner: &&Directive| matches!(inner.name.as_str(), "set" | "return") || is_pass(inner);
        let changes: Vec<&Directive> = directive.block.iter().filter(changes).collect();
        if changes.is_empty() {
            return;
        }
        let guard = self.guard(draft, directive);
        for inner in changes {
            let at = inner.at();
            if let ("set", [variable, value]) = (inner.name.as_str(), inner.args.as_slice()) {
                self.assign(draft, &at, Some(&guard), variable, value);
                continue;
            }
            let host = if is_pass(inner) { host(draft, inner) } else { String::new() };
            self.detours.push(Detour { guard: guard.clone(), at, host });
        }
    }

    fn assign(&mut self, draft: &mut Draft, at: &str, guard: Option<&Guard>, variable: &str, value: &str) {
        let variable = variable.trim_start_matches('$');
        let old = self.set(variable).map_or_else(|| Case::fixed(""), <[Case]>::to_vec);
        let Some(cases) = self.changed(draft, at, guard, &old, value) else { return };
        match self.sets.iter_mut().find(|(known, _)| known == variable) {
            Some((_, known)) => *known = cases,
            None => self.sets.push((variable.to_owned(), cases)),
        }
    }

    /// What becomes of a text that is set to `value` where the guard holds.
    fn changed(
        &self,
        draft: &mut Draft,
        at: &str,
        guard: Option<&Guard>,
        old: &[Case],
        value: &str,
    ) -> Option<Vec<Case>> {
        let new = definitions::cases_of(draft, self, at, value, 0)?;
        let cases = match guard {
            None => Some(new),
            Some(Guard::Condition(condition)) => guarded(condition, &new, old),
            Some(Guard::Drawn(draw, parts)) => drawn(draw, parts, &new, old),
        };
        if cases.is_none() {
            draft.note(at, "hangs on too much at once to be written as rules: it is left out");
        }
        cases
    }

    /// `if ($a = b)`, `if ($a ~* b)`, `if ($a)`.
    fn guard(&self, draft: &mut Draft, directive: &Directive) -> Guard {
        let words = unparenthesised(&directive.args);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let at = directive.at();
        let (variable, negated, test) = match words.as_slice() {
            [variable] => (*variable, false, Test::Truthy),
            [variable, operator @ ("=" | "!="), text] => {
                (*variable, operator.starts_with('!'), Test::Equals(vec![(*text).to_owned()], false))
            }
            [variable, operator @ ("~" | "~*" | "!~" | "!~*"), pattern] => (
                *variable,
                operator.starts_with('!'),
                Test::Matches((*pattern).to_owned(), operator.ends_with('*')),
            ),
            _ => {
                let what = format!("the condition {:?} is nothing that a policy can test", words.join(" "));
                return Guard::Condition(draft.unclear(&at, what));
            }
        };
        let Some(name) = definitions::only_variable(variable) else {
            let what = format!("{variable:?} is not one variable");
            return Guard::Condition(draft.unclear(&at, what));
        };
        match self.tested(draft, &at, &name, &test) {
            Guard::Condition(condition) => Guard::Condition(condition.negated_if(negated)),
            Guard::Drawn(draw, parts) => Guard::Drawn(
                draw,
                parts.into_iter().map(|(weight, passes)| (weight, passes != negated)).collect(),
            ),
        }
    }

    fn tested(&self, draft: &mut Draft, at: &str, name: &str, test: &Test) -> Guard {
        let known = self.set(name).is_some() || self.config.variable(name).is_some();
        if !known {
            return Guard::Condition(request::tested(draft, at, name, test));
        }
        let text = format!("${{{name}}}");
        let cases = definitions::cases_of(draft, self, at, &text, 0);
        if let Some([Case { condition: Condition::Always, outcome: Outcome::Drawn(draw) }]) = cases.as_deref()
        {
            let parts = draw.parts.iter().map(|(weight, text)| Some((*weight, test.passes(text)?)));
            if let Some(parts) = parts.collect() {
                return Guard::Drawn(draw.variable.clone(), parts);
            }
        }
        let pattern = matches!(test, Test::Matches(..));
        let condition = cases
            .filter(|_| !pattern)
            .and_then(|cases| holds(&cases, |text| test.passes(text) == Some(true)));
        Guard::Condition(condition.unwrap_or_else(|| {
            draft.unclear(at, format!("what ${name} can be is too involved to be written as a condition"))
        }))
    }
}

/// Whether a directive sends the request on.
pub(super) fn is_pass(directive: &Directive) -> bool {
    matches!(directive.name.as_str(), "proxy_pass" | "grpc_pass")
}

/// The host of a `proxy_pass`, perhaps with variables.
fn host(draft: &mut Draft, pass: &Directive) -> String {
    let url = pass.text(0);
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = ["/", "$request_uri", "$uri", "$document_uri", "$is_args"]
        .iter()
        .filter_map(|end| rest.find(end))
        .min();
    let (host, path) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, ""));
    let fixed = path.trim_start_matches('/');
    if !fixed.is_empty() && !fixed.starts_with('$') {
        draft.note(
            pass.at(),
            format!("the path {path:?} of {url:?} is not carried over: rewrite it in the host"),
        );
    }
    host.to_owned()
}

fn guarded(condition: &Condition, new: &[Case], old: &[Case]) -> Option<Vec<Case>> {
    let guard = [Case { condition: condition.clone(), outcome: Outcome::Value(String::new()) }];
    let cases: Vec<Case> = product(&guard, new)?.into_iter().chain(old.iter().cloned()).collect();
    (cases.len() <= MAX_CASES).then_some(cases)
}

/// Each old case becomes a draw between what it was and the new text.
fn drawn(draw: &str, parts: &[(u64, bool)], new: &[Case], old: &[Case]) -> Option<Vec<Case>> {
    let [Case { condition: Condition::Always, outcome: Outcome::Value(new) }] = new else { return None };
    let parts = parts.iter().map(|(weight, passes)| (*weight, if *passes { "new" } else { "" }.to_owned()));
    let mark = Outcome::Drawn(super::value::Drawn { variable: draw.to_owned(), parts: parts.collect() });
    let chosen = |case: &Case| {
        let outcome =
            case.outcome.zip(&mark, |text, mark| if mark.is_empty() { text } else { new }.to_owned())?;
        Some(Case { condition: case.condition.clone(), outcome })
    };
    old.iter().map(chosen).collect()
}

/// The words of `if (…)` without its parentheses, which may stand alone or at a word.
fn unparenthesised(args: &[String]) -> Vec<String> {
    let mut words = args.to_vec();
    if let Some(rest) = words.first().and_then(|word| word.strip_prefix('(')).map(str::to_owned) {
        if rest.is_empty() {
            words.remove(0);
        } else if let Some(first) = words.first_mut() {
            *first = rest;
        }
    }
    if let Some(rest) = words.last().and_then(|word| word.strip_suffix(')')).map(str::to_owned) {
        words.pop();
        if !rest.is_empty() {
            words.push(rest);
        }
    }
    words
}
