//! The variables of one place in the configuration, and what `set` and `if` do to them one after the other.

use super::config::Config;
use super::definitions;
use super::request::{self, Test};
use super::syntax::Directive;
use super::value::{Case, MOST_CASES, Outcome, holds, product};
use crate::import::condition::Condition;
use crate::import::draft::Draft;

/// Variables that are known so far; the destination of the location is one without a name.
#[derive(Clone)]
pub(super) struct Scope<'d> {
    /// Definitions of the whole configuration.
    pub(super) config: &'d Config<'d>,
    sets: Vec<(String, Vec<Case>)>,
}

/// What an `if` asks.
enum Guard {
    Condition(Condition),
    /// A draw, with whether each of its parts passes.
    Drawn(String, Vec<(u64, bool)>),
}

impl<'d> Scope<'d> {
    /// Nothing is set.
    pub(super) fn new(config: &'d Config<'d>) -> Self {
        Self { config, sets: Vec::new() }
    }

    /// What was set to `name`.
    pub(super) fn set(&self, name: &str) -> Option<&[Case]> {
        self.sets.iter().find(|(known, _)| known == name).map(|(_, cases)| cases.as_slice())
    }

    /// The variables that were set, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sets.iter().map(|(name, _)| name.as_str())
    }

    /// Runs `set` and `if` in their order. With `passes` the destination is followed too: an `if` may change it, or
    /// answer itself, which leaves it empty.
    pub(super) fn run(&mut self, draft: &mut Draft, directives: &[Directive], passes: bool) {
        if passes {
            for pass in directives.iter().filter(|directive| is_pass(directive)) {
                let host = host(draft, pass);
                self.assign(draft, pass, None, DESTINATION, &host);
            }
        }
        for directive in directives {
            match (directive.name.as_str(), directive.args.as_slice()) {
                ("set", [variable, value]) => {
                    self.assign(draft, directive, None, variable.trim_start_matches('$'), value);
                }
                ("if", _) => self.run_if(draft, directive, passes),
                _ => {}
            }
        }
    }

    fn run_if(&mut self, draft: &mut Draft, directive: &Directive, passes: bool) {
        let changes: Vec<(&Directive, &str, String)> = directive
            .block
            .iter()
            .filter_map(|inner| match (inner.name.as_str(), inner.args.as_slice()) {
                ("set", [variable, value]) => Some((inner, variable.trim_start_matches('$'), value.clone())),
                ("return", _) if passes => Some((inner, DESTINATION, String::new())),
                _ if passes && is_pass(inner) => Some((inner, DESTINATION, host(draft, inner))),
                _ => None,
            })
            .collect();
        if changes.is_empty() {
            return;
        }
        let guard = self.guard(draft, directive);
        for (inner, variable, value) in changes {
            self.assign(draft, inner, Some(&guard), variable, &value);
        }
    }

    fn assign(
        &mut self,
        draft: &mut Draft,
        directive: &Directive,
        guard: Option<&Guard>,
        variable: &str,
        value: &str,
    ) {
        let Some(new) = definitions::cases_of(draft, self, &directive.at(), value, 0) else { return };
        let old = self.set(variable).map_or_else(|| Case::fixed(""), <[Case]>::to_vec);
        let cases = match guard {
            None => Some(new),
            Some(Guard::Condition(condition)) => guarded(condition, new, old),
            Some(Guard::Drawn(draw, parts)) => drawn(draw, parts, &new, &old),
        };
        let Some(cases) = cases else {
            draft.note(directive.at(), "hangs on too much at once to be written as rules: it is left out");
            return;
        };
        match self.sets.iter_mut().find(|(known, _)| known == variable) {
            Some((_, known)) => *known = cases,
            None => self.sets.push((variable.to_owned(), cases)),
        }
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

fn guarded(condition: &Condition, new: Vec<Case>, old: Vec<Case>) -> Option<Vec<Case>> {
    let guard = [Case { condition: condition.clone(), outcome: Outcome::Value(String::new()) }];
    let cases: Vec<Case> = product(&guard, &new)?.into_iter().chain(old).collect();
    (cases.len() <= MOST_CASES).then_some(cases)
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

/// The variable that stands for where the location sends its requests; no variable of nginx has an empty name.
pub(super) const DESTINATION: &str = "";
