//! `set`, `if`, `return`, `rewrite` and `break`, one after the other as nginx runs them before it sends anything on.
//!
//! The first `return` that is reached ends all. Of the `if`s that hold, the last says by which block the request is answered,
//! even if that block only sets a variable: a `proxy_pass` of an earlier `if` is forgotten then.

use super::includes::may_decide;
use super::reading::Reading;
use super::scope::Scope;
use super::syntax::Directive;
use super::test::Test;
use super::value::{Case, Cases, Outcome, Text, Unclear, chosen, guarded, one};
use super::when::When;
use super::words::only_variable;

/// What the directives of one block came to.
pub(super) struct Script<'d> {
    /// The variables at the end.
    pub(super) scope: Scope,
    /// Where the search ends early, the first that holds.
    pub(super) ends: Vec<(Guard, End<'d>)>,
    /// The `if`s that hold may answer, the last that does.
    pub(super) blocks: Vec<(Guard, &'d Directive)>,
    /// Where a `break` was met, so that nothing is set any more.
    broken: Vec<Guard>,
}

/// Why a block is left before its end.
#[derive(Clone)]
pub(super) enum End<'d> {
    /// `return`, with the variables and the number of `if`s until then.
    Return(&'d Directive, Box<Scope>, usize),
    /// A redirect, which the client follows.
    Redirect,
    /// The path becomes another one, for which a location is looked for again.
    Elsewhere,
    /// What follows stands in a file that is not at hand.
    Included(&'d Directive),
    /// `break`: the rest of the block does not run, with the variables and the number of `if`s until then.
    Break(Box<Scope>, usize),
    /// The same with another path.
    Rewritten(Box<Scope>, usize),
}

/// What an `if` asks.
#[derive(Clone)]
pub(super) enum Guard {
    /// Nothing.
    Always,
    /// A test of a text; `true` negates it.
    If { source: Cases<Text>, test: Test, negated: bool, at: String },
    /// What could not be understood.
    Unclear,
    /// Both.
    Both(Box<Guard>, Box<Guard>),
}

impl Guard {
    /// `then` where it holds, else `otherwise`.
    pub(super) fn choose<T: Unclear>(
        &self,
        reading: &mut Reading<'_>,
        then: &[Case<T>],
        otherwise: &[Case<T>],
    ) -> Cases<T> {
        match self {
            Self::Always => then.to_vec(),
            Self::Unclear => {
                if then == otherwise {
                    return then.to_vec();
                }
                let mut cases = guarded(&When::unclear(), &one(T::unclear()));
                cases.extend(otherwise.iter().cloned());
                cases
            }
            Self::If { source, test, negated, at } => {
                let (then, otherwise) = if *negated { (otherwise, then) } else { (then, otherwise) };
                chosen(source, |text| test.passes(reading, at, text), then, otherwise)
            }
            Self::Both(outer, inner) => {
                let then = inner.choose(reading, then, otherwise);
                outer.choose(reading, &then, otherwise)
            }
        }
    }

    /// Whether it hangs on what could not be told.
    pub(super) fn is_unclear(&self) -> bool {
        let unknown = |case: &Case<Text>| match &case.outcome {
            Outcome::One(text) => *text == Text::Unknown,
            Outcome::Drawn(_, parts) => parts.iter().any(|(_, text)| *text == Text::Unknown),
        };
        match self {
            Self::Always => false,
            Self::Unclear => true,
            Self::If { source, .. } => source.iter().any(unknown),
            Self::Both(outer, inner) => outer.is_unclear() || inner.is_unclear(),
        }
    }

    fn and(&self, other: Self) -> Self {
        match self {
            Self::Always => other,
            outer => Self::Both(Box::new(outer.clone()), Box::new(other)),
        }
    }
}

impl<'d> Script<'d> {
    /// Nothing ran yet.
    pub(super) fn of(scope: &Scope) -> Self {
        Self { scope: scope.clone(), ends: Vec::new(), blocks: Vec::new(), broken: Vec::new() }
    }

    /// Runs the directives of a block.
    pub(super) fn run(reading: &mut Reading<'_>, scope: &Scope, block: &'d [Directive]) -> Self {
        let mut script = Self::of(scope);
        for directive in block {
            if directive.name == "if" {
                script.run_if(reading, directive);
            } else if script.step(reading, &Guard::Always, directive) {
                break;
            }
        }
        script
    }

    /// Runs one directive; whether nothing behind it runs.
    fn step(&mut self, reading: &mut Reading<'_>, guard: &Guard, directive: &'d Directive) -> bool {
        match (directive.name.as_str(), directive.args.as_slice()) {
            ("set", [variable, value]) => {
                let new = self.scope.text(reading, value);
                self.assign(reading, guard, variable, &new);
            }
            (name, [variable, ..]) if name.starts_with("set_by_lua") => {
                self.assign(reading, guard, variable, &one(Text::Unknown));
            }
            ("return", _) => {
                let end = End::Return(directive, Box::new(self.scope.clone()), self.blocks.len());
                self.ends.push((guard.clone(), end));
                return true;
            }
            ("include", _) if may_decide(directive) => {
                self.ends.push((guard.clone(), End::Included(directive)));
                return true;
            }
            ("break", _) => {
                let end = End::Break(Box::new(self.scope.clone()), self.blocks.len());
                self.ends.push((guard.clone(), end));
                self.broken.push(guard.clone());
                return true;
            }
            ("rewrite", [pattern, replacement, flags @ ..]) => {
                let flag = flags.first().map_or("", String::as_str);
                self.rewrite(reading, guard, directive, (pattern, replacement, flag));
            }
            _ => {}
        }
        false
    }

    fn run_if(&mut self, reading: &mut Reading<'_>, directive: &'d Directive) {
        let guard = self.guard(reading, directive);
        self.blocks.push((guard.clone(), directive));
        for inner in &directive.block {
            if self.step(reading, &guard, inner) {
                break;
            }
        }
    }

    fn assign(&mut self, reading: &mut Reading<'_>, guard: &Guard, variable: &str, new: &Cases<Text>) {
        let name = variable.trim_start_matches('$');
        let old = self.scope.variable(reading, name);
        let mut cases = guard.choose(reading, new, &old);
        for broken in &self.broken {
            cases = broken.choose(reading, &old, &cases);
        }
        self.scope.set(name, cases);
    }

    fn rewrite(
        &mut self,
        reading: &mut Reading<'_>,
        guard: &Guard,
        directive: &Directive,
        (pattern, replacement, flag): (&str, &str, &str),
    ) {
        let at = directive.at();
        let source = self.scope.variable(reading, "uri");
        let test = Test::matching(pattern, false);
        let guard = guard.and(Guard::If { source, test, negated: false, at: at.clone() });
        let url = ["http://", "https://", "$scheme"].iter().any(|start| replacement.starts_with(start));
        if url || matches!(flag, "redirect" | "permanent") {
            self.ends.push((guard, End::Redirect));
            return;
        }
        if flag == "break" {
            reading.note(&at, "the path is not rewritten by a policy: rewrite it in the host");
            self.assign(reading, &guard, "uri", &one(Text::Unknown));
            let end = End::Rewritten(Box::new(self.scope.clone()), self.blocks.len());
            self.ends.push((guard.clone(), end));
            self.broken.push(guard);
            return;
        }
        reading.note(
            &at,
            "the new path may lead to another location, which a policy does not look for: the requests that are \
                rewritten keep the old version",
        );
        self.ends.push((guard, End::Elsewhere));
    }

    /// `if ($a = b)`, `if ($a ~* b)`, `if ($a)`.
    fn guard(&self, reading: &mut Reading<'_>, directive: &Directive) -> Guard {
        let words = unparenthesised(&directive.args);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let at = directive.at();
        let (variable, negated, test) = match words.as_slice() {
            [variable] => (*variable, false, Test::Truthy),
            [variable, operator @ ("=" | "!=" | "=="), text] if !text.contains('$') => {
                (*variable, operator.starts_with('!'), Test::Equals(vec![(*text).to_owned()], false))
            }
            [variable, operator @ ("~" | "~*" | "!~" | "!~*"), pattern] => {
                (*variable, operator.starts_with('!'), Test::matching(pattern, operator.ends_with('*')))
            }
            _ => {
                reading.note(
                    &at,
                    format!(
                        "the condition {:?} is nothing that a policy can test: the requests that it \
                    decides keep the old version",
                        words.join(" ")
                    ),
                );
                return Guard::Unclear;
            }
        };
        let Some(name) = only_variable(variable) else {
            reading.note(
                &at,
                format!(
                    "{variable:?} is not one variable: the requests that this `if` decides keep the \
                old version"
                ),
            );
            return Guard::Unclear;
        };
        Guard::If { source: self.scope.variable(reading, &name), test, negated, at }
    }
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
