//! Where the requests of a place go: through its script, its `limit_except`, what refuses them, its files and its `error_page`s
//! to what answers them.
//!
//! Whether a file is there, whether somebody may enter, or an upstream fails, no policy knows: what hangs on these keeps the old
//! version.

use super::access::refusals;
use super::goal::{Goal, Old};
use super::includes::{may_decide, note_include};
use super::location::{Place, location_of, parts};
use super::page::{self, Failure, Way, only_answers, resort};
use super::pass::{answering, answers, content, note_program, program};
use super::reached::{Reached, settle};
use super::reading::Reading;
use super::scope::Scope;
use super::script::{End, Guard, Script};
use super::syntax::{Directive, is_pass};
use super::test::Test;
use super::value::{Cases, Text, Unclear as _, guarded, one, tidy};

/// Where the requests of a place go.
pub(super) fn goals<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    way: Way,
) -> Cases<Goal> {
    reached(reading, scope, place, way).goals
}

/// The same with the old version.
pub(super) fn reached<'d>(reading: &mut Reading<'d>, scope: &Scope, place: &Place<'d>, way: Way) -> Reached {
    if way.is_long() {
        return Reached::shared();
    }
    if let Some(include) = place.below_server().find(|directive| may_decide(directive)) {
        note_include(reading, include);
        let old = resort(&content(reading, scope, place));
        return Reached { goals: one(Goal::Old(Old::Common)), old };
    }
    if place.location.is_some() && !way.internal && place.has("internal") {
        return Reached { goals: refused(reading, scope, place, 404, way), old: Old::Nowhere };
    }
    let script = match place.location {
        Some(_) => Script::run(reading, scope, place.block()),
        None => Script::of(scope),
    };
    let Reached { mut goals, old } = held(reading, &script.scope, place, &script.blocks, way);
    for (guard, end) in script.ends.iter().rev() {
        let then = ended(reading, place, &script, end, way);
        goals = guard.choose(reading, &then, &goals);
    }
    let mut goals = limited(reading, scope, place, goals, way);
    goals.iter_mut().for_each(|case| settle(&mut case.outcome, &old));
    Reached { goals, old }
}

/// Where the requests go that a `return` ends. The `if`s that held before it may have an `error_page` of their own.
pub(super) fn returned<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    blocks: &[(Guard, &'d Directive)],
    directive: &Directive,
    way: Way,
) -> Cases<Goal> {
    let code: u16 = directive.text(0).parse().unwrap_or(302);
    let has_text = directive.args.len() > 1;
    let redirects = matches!(code, 301..=303 | 307 | 308);
    if !redirects && (code < 400 || has_text) {
        return one(Goal::Answer);
    }
    let mut result = refused(reading, scope, place, code, way);
    let has_page = |block: &Directive| block.block.iter().any(|inner| inner.name == "error_page");
    for (guard, block) in blocks.iter().filter(|(_, block)| has_page(block)) {
        let then = refused(reading, scope, &place.within(block), code, way);
        result = guard.choose(reading, &then, &result);
    }
    result
}

fn ended<'d>(
    reading: &mut Reading<'d>,
    place: &Place<'d>,
    script: &Script<'d>,
    end: &End<'d>,
    way: Way,
) -> Cases<Goal> {
    let until = |blocks: &usize| script.blocks.get(..*blocks).unwrap_or_default();
    match end {
        End::Return(directive, scope, blocks) => {
            returned(reading, scope, place, until(blocks), directive, way)
        }
        End::Redirect => one(Goal::Answer),
        End::Elsewhere => one(Goal::Old(Old::Shared)),
        End::Included(include) => {
            note_include(reading, include);
            one(Goal::Old(Old::Common))
        }
        End::Break(scope, blocks) | End::Rewritten(scope, blocks) => {
            held(reading, scope, place, until(blocks), way).goals
        }
    }
}

/// What answers if nothing ended early: the block of the last `if` that holds, else the place itself, unless a program or a
/// refusal stands before both.
fn held<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    blocks: &[(Guard, &'d Directive)],
    way: Way,
) -> Reached {
    let scope = &page::assigned_late(scope, place);
    let mut goals = own(reading, scope, place, way);
    let old = resort(&goals);
    if program(place).is_some() {
        let reached = Reached { goals, old: old.clone() };
        return Reached { goals: entered(reading, scope, place, reached, way), old };
    }
    note_failures_of_blocks(reading, scope, place, blocks, way);
    for (guard, directive) in blocks {
        let inner = place.within(directive);
        if let Some(program) = program(&inner).or_else(|| answering(&inner)) {
            note_program(reading, program);
            goals = guard.choose(reading, &one(Goal::unclear()), &goals);
            continue;
        }
        let answers = directive.block.iter().any(answers);
        let passes = place.block().iter().any(is_pass) || answering(place).is_some();
        let then = match (answers, passes) {
            (true, _) => content(reading, scope, &inner),
            (false, true) => content(reading, scope, place),
            (false, false) => files(reading, scope, place, way),
        };
        goals = guard.choose(reading, &then, &goals);
    }
    let reached = Reached { goals, old: old.clone() };
    Reached { goals: entered(reading, scope, place, reached, way), old }
}

fn own<'d>(reading: &mut Reading<'d>, scope: &Scope, place: &Place<'d>, way: Way) -> Cases<Goal> {
    if let Some(directive) = place.block().iter().find(|directive| directive.name == "try_files") {
        return tried(reading, scope, place, directive, way);
    }
    if place.block().iter().any(answers) || answering(place).is_some() {
        note_failures(reading, scope, place, way);
        return content(reading, scope, place);
    }
    files(reading, scope, place, way)
}

/// Without those that are refused: they get an answer of nginx's own, or what an `error_page` has instead. Where a program runs
/// before, all keep the old version that these have in common.
fn entered<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    Reached { goals, old }: Reached,
    way: Way,
) -> Cases<Goal> {
    let program = program(place);
    if let Some(program) = program {
        note_program(reading, program);
    } else if only_answers(&goals) && page::pages(place).is_empty() {
        return goals;
    }
    let mut goals = goals;
    let mut olds = Vec::new();
    for refusal in refusals(reading, place).into_iter().rev() {
        for code in refusal.codes {
            let instead = instead(reading, scope, place, code, way);
            olds.extend(Some(instead.old.clone()).filter(|_| !only_answers(&instead.goals)));
            if refusal.when.perhaps().is_none() {
                goals = tidy(guarded(&refusal.when, &instead.goals).into_iter().chain(goals));
            } else if instead.goals != goals && !only_answers(&instead.goals) {
                let name = &refusal.directive.name;
                reading.note(
                    refusal.directive.at(),
                    format!(
                        "whom {name} refuses no policy knows, and the error_page of {code} sends them on: all requests of \
                        its location keep the old version"
                    ),
                );
                goals = one(Goal::Old(Old::agreed([instead.old, old.clone()])));
            }
        }
    }
    let rest = resort(&goals);
    match program {
        None => goals,
        Some(_) if olds.is_empty() => one(Goal::Old(rest)),
        Some(_) => one(Goal::Old(Old::agreed(olds.into_iter().chain([rest])))),
    }
}

/// `try_files`: the last of its words answers if no file is there.
fn tried<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    directive: &'d Directive,
    way: Way,
) -> Cases<Goal> {
    if place.block().iter().any(is_pass) {
        note_failures(reading, scope, place, way);
    }
    let last = directive.args.last().map_or("", String::as_str);
    let fallback = if last.starts_with('=') {
        let goals = files(reading, scope, place, way);
        let old = resort(&goals);
        Reached { goals, old }
    } else {
        led(reading, scope, place, last, way.further(false)).unwrap_or_else(Reached::shared)
    };
    if only_answers(&fallback.goals) && !place.block().iter().any(is_pass) {
        return one(Goal::Answer);
    }
    reading.note(
        directive.at(),
        "try_files: whether a file is there no policy knows, so its requests keep the old version; take it out before \
            the import if the files are served elsewhere",
    );
    one(Goal::Old(fallback.old))
}

/// Files of the place's own, or its `error_page` for what is not there.
fn files<'d>(reading: &mut Reading<'d>, scope: &Scope, place: &Place<'d>, way: Way) -> Cases<Goal> {
    for code in [404, 403, 405] {
        let Some((directive, reached)) = error_page(reading, scope, place, code, way) else { continue };
        if !only_answers(&reached.goals) {
            reading.note(
                directive.at(),
                format!("error_page {code}: whether a file is there no policy knows, so the requests of its location \
                    keep the old version"),
            );
            return one(Goal::Old(reached.old));
        }
    }
    one(Goal::Answer)
}

/// `limit_except`: other methods are answered by its own block, without the script of the location.
fn limited<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    result: Cases<Goal>,
    way: Way,
) -> Cases<Goal> {
    let Some(limit) = place.block().iter().find(|inner| inner.name == "limit_except") else { return result };
    let inner = place.within(limit);
    let then = if let Some(include) = limit.block.iter().find(|inner| may_decide(inner)) {
        note_include(reading, include);
        one(Goal::Old(Old::Common))
    } else if limit.block.iter().any(answers) || answering(&inner).is_some() {
        note_failures(reading, scope, &inner, way);
        content(reading, scope, &inner)
    } else {
        own(reading, scope, place, way)
    };
    let old = resort(&then);
    let then = entered(reading, scope, &inner, Reached { goals: then, old }, way);
    let mut methods = limit.args.clone();
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    // Behind an error page, all methods but HEAD have become GET.
    let source = match scope.get("request_method") {
        None => one(Text::asked("request_method")),
        Some(changed) => match ["GET", "HEAD"].map(|method| methods.iter().any(|listed| listed == method)) {
            [true, true] => return result,
            [false, false] => return then,
            _ => changed.clone(),
        },
    };
    let guard = Guard::If { source, test: Test::Equals(methods, false), negated: true, at: limit.at() };
    guard.choose(reading, &then, &result)
}

/// An answer of nginx's own, which an `error_page` may replace.
fn refused<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    code: u16,
    way: Way,
) -> Cases<Goal> {
    instead(reading, scope, place, code, way).goals
}

/// The same with the old version of what replaces it.
fn instead<'d>(reading: &mut Reading<'d>, scope: &Scope, place: &Place<'d>, code: u16, way: Way) -> Reached {
    error_page(reading, scope, place, code, way).map_or_else(Reached::answer, |(_, reached)| reached)
}

/// The `error_page` of a status, and where it leads; `None` if there is none.
fn error_page<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    code: u16,
    way: Way,
) -> Option<(&'d Directive, Reached)> {
    let directive = page::of(place, code, way)?;
    let target = directive.args.last()?;
    let scope = page::redirected(scope, target);
    let reached = match led(reading, &scope, place, target, way.further(page::ends_the_search(place))) {
        Some(reached) => reached,
        None if target.starts_with("http") => Reached::answer(),
        None => Reached::shared(),
    };
    if target.starts_with('/') && !only_answers(&reached.goals) {
        reading.note(
            directive.at(),
            format!(
                "error_page {code}: the server that answers instead is asked for {target:?} with GET, and a policy leaves \
                path and method as they are: rewrite them in the host"
            ),
        );
    }
    Some((directive, reached))
}

/// Where a named location or a path without variables leads; `None` if that cannot be told, or is another server.
fn led<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    target: &str,
    way: Way,
) -> Option<Reached> {
    let path = target.split('?').next().unwrap_or(target);
    if target.starts_with('@') {
        let named = place.named(target);
        return Some(named.map_or_else(Reached::answer, |named| reached(reading, scope, &named, way)));
    }
    if !path.starts_with('/') || path.contains('$') {
        return None;
    }
    let server = place.of_server();
    if runs_again(reading, scope, &server, target) {
        return None;
    }
    let next = reading.found_once(server.block(), path, || location_of(&server, path))?;
    let next = next.map_or_else(|| server.clone(), |location| server.within(location));
    let same = next.location.map(parts) == place.location.map(parts);
    if same && way.is_on_its_way() { None } else { Some(reached(reading, scope, &next, way)) }
}

/// Whether the server's own directives may end a request that comes back with another path: nginx runs them again.
fn runs_again<'d>(reading: &mut Reading<'d>, scope: &Scope, server: &Place<'d>, target: &str) -> bool {
    let scope = page::redirected(scope, target);
    let script = Script::run(reading, &scope, server.block());
    script.ends.iter().any(|(guard, _)| guard.is_unclear())
}

/// What answers when an upstream fails or a request is refused for its form is the proxy's own affair.
fn note_failures<'d>(reading: &mut Reading<'d>, scope: &Scope, place: &Place<'d>, way: Way) {
    if !reading.may_fail(place.block()) {
        return;
    }
    let mut seen: Vec<(String, Failure)> = Vec::new();
    for (code, failure) in page::of_failures(place) {
        // One note for all statuses of a kind.
        let Some(page) = page::of(place, code, way).map(|page| (page.at(), failure)) else { continue };
        if seen.contains(&page) {
            continue;
        }
        seen.push(page);
        let Some((directive, reached)) = error_page(reading, scope, place, code, way) else { continue };
        if only_answers(&reached.goals) {
            continue;
        }
        reading.note(directive.at(), failure.lost(code));
    }
}

/// The same of `if`s that send requests on in a place that does not, and of those with an `error_page` of their own.
fn note_failures_of_blocks<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    blocks: &[(Guard, &'d Directive)],
    way: Way,
) {
    let sends = |block: &[Directive]| block.iter().any(is_pass);
    if !sends(place.block()) && blocks.iter().any(|(_, block)| sends(&block.block)) {
        note_failures(reading, scope, place, way);
    }
    for (_, block) in blocks {
        let has_page = block.block.iter().any(|inner| inner.name == "error_page");
        if has_page && (sends(place.block()) || sends(&block.block)) {
            note_failures(reading, scope, &place.within(block), way);
        }
    }
}
