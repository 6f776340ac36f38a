//! Where the requests of a place go: through its script, its `limit_except`, its files and its `error_page`s to what answers them.
//!
//! Whether a file is there, or an upstream fails, no policy knows: what hangs on files keeps the old version.

use super::goal::Goal;
use super::location::{Place, parts, place_of};
use super::pass::{content, is_pass};
use super::reading::Reading;
use super::scope::Scope;
use super::script::{End, Guard, Script};
use super::syntax::Directive;
use super::test::Test;
use super::value::{Case, Cases, Outcome, Text, Unclear as _, one};

/// How a request came to a place.
#[derive(Clone, Copy, Default)]
pub(super) struct Way {
    /// By nginx itself, so that `internal` lets it in.
    internal: bool,
    /// By an `error_page`, of which the next one then takes no notice.
    handled: bool,
    /// Places before this one.
    steps: usize,
}

impl Way {
    /// Into the location of a mirror.
    pub(super) fn mirrored() -> Self {
        Self { internal: true, ..Self::default() }
    }

    fn further(self, handled: bool) -> Self {
        Self { internal: true, handled: self.handled || handled, steps: self.steps + 1 }
    }
}

/// Where the requests of a place go.
pub(super) fn goals<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    way: Way,
) -> Cases<Goal> {
    if way.steps > MAX_STEPS {
        return one(Goal::unclear());
    }
    if place.location.is_some() && !way.internal && place.has("internal") {
        return answered(reading, scope, place, 404, way);
    }
    let script = match place.location {
        Some(_) => Script::run(reading, scope, place.block()),
        None => Script::of(scope),
    };
    let mut result = held(reading, &script.scope, place, &script.blocks, way);
    for (guard, end) in script.ends.iter().rev() {
        let then = ended(reading, place, &script, end, way);
        result = guard.choose(reading, &then, &result);
    }
    limited(reading, scope, place, result, way)
}

/// Where the requests go that a directive ends early.
pub(super) fn returned<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    directive: &Directive,
    way: Way,
) -> Cases<Goal> {
    let code: u16 = directive.text(0).parse().unwrap_or(302);
    let has_text = directive.args.len() > 1;
    let redirects = matches!(code, 301..=303 | 307 | 308);
    if redirects || (code >= 400 && !has_text) {
        return answered(reading, scope, place, code, way);
    }
    one(Goal::Answer)
}

fn ended<'d>(
    reading: &mut Reading<'d>,
    place: &Place<'d>,
    script: &Script<'d>,
    end: &End<'d>,
    way: Way,
) -> Cases<Goal> {
    match end {
        End::Return(directive, scope) => returned(reading, scope, place, directive, way),
        End::Redirect => one(Goal::Answer),
        End::Elsewhere => one(Goal::unclear()),
        End::Break(scope, blocks) | End::Rewritten(scope, blocks) => {
            held(reading, scope, place, script.blocks.get(..*blocks).unwrap_or_default(), way)
        }
    }
}

/// What answers if nothing ended early: the block of the last `if` that holds, else the place itself.
fn held<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    blocks: &[(Guard, &'d Directive)],
    way: Way,
) -> Cases<Goal> {
    let mut result = own(reading, scope, place, way);
    for (guard, directive) in blocks {
        let inner = place.within(directive);
        let answers = directive.block.iter().any(|inner| is_pass(inner) || inner.name.ends_with("_pass"));
        let passes = place.block().iter().any(is_pass);
        let then = match (answers, passes) {
            (true, _) => content(reading, scope, &inner),
            (false, true) => content(reading, scope, place),
            (false, false) => files(reading, scope, place, way),
        };
        result = guard.choose(reading, &then, &result);
    }
    result
}

fn own<'d>(reading: &mut Reading<'d>, scope: &Scope, place: &Place<'d>, way: Way) -> Cases<Goal> {
    if let Some(directive) = place.block().iter().find(|directive| directive.name == "try_files") {
        return tried(reading, scope, place, directive, way);
    }
    if let Some(include) = place.block().iter().find(|directive| may_decide(directive)) {
        reading.note(
            include.at(),
            format!("{:?} is not in this text and may decide where its location sends requests: they keep the old \
                version; give the file as nginx -T prints it", include.text(0)),
        );
        return one(Goal::Old(last_resort(&content(reading, scope, place))));
    }
    if place
        .block()
        .iter()
        .any(|inner| is_pass(inner) || inner.name.ends_with("_pass") || inner.name.contains("_by_"))
    {
        note_failures(reading, scope, place, way);
        return content(reading, scope, place);
    }
    files(reading, scope, place, way)
}

/// Whether what is included may choose a destination; files of settings that all packages have do not.
pub(super) fn may_decide(directive: &Directive) -> bool {
    let name = directive.text(0).rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    directive.name == "include" && !SETTINGS.iter().any(|part| name.contains(part))
}

/// `try_files`: the last of its words answers if no file is there.
fn tried<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    directive: &'d Directive,
    way: Way,
) -> Cases<Goal> {
    let last = directive.args.last().map_or("", String::as_str);
    let fallback = if last.starts_with('=') {
        Some(files(reading, scope, place, way))
    } else {
        led(reading, scope, place, last, way.further(false))
    };
    let fallback = fallback.unwrap_or_else(|| one(Goal::unclear()));
    if only_answers(&fallback) && !place.block().iter().any(is_pass) {
        return one(Goal::Answer);
    }
    reading.note(
        directive.at(),
        "try_files: whether a file is there no policy knows, so its requests keep the old version; take it out before \
            the import if the files are served elsewhere",
    );
    one(Goal::Old(last_resort(&fallback)))
}

/// Files of the place's own, or its `error_page` for what is not there.
fn files<'d>(reading: &mut Reading<'d>, scope: &Scope, place: &Place<'d>, way: Way) -> Cases<Goal> {
    for code in [404, 403, 405] {
        let Some((directive, goals)) = error_page(reading, scope, place, code, way) else { continue };
        if !only_answers(&goals) {
            reading.note(
                directive.at(),
                format!("error_page {code}: whether a file is there no policy knows, so the requests of its location \
                    keep the old version"),
            );
            return one(Goal::Old(last_resort(&goals)));
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
    let denied = limit.block.iter().any(|inner| inner.name == "deny" && inner.text(0) == "all");
    let allowed = limit.block.iter().any(|inner| inner.name == "allow");
    let then = if limit.block.iter().any(is_pass) {
        content(reading, scope, &inner)
    } else if denied && !allowed {
        answered(reading, scope, place, 403, way)
    } else {
        own(reading, scope, place, way)
    };
    let mut methods = limit.args.clone();
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    let source = one(Text::asked("request_method"));
    let guard = Guard::If { source, test: Test::Equals(methods, false), negated: true, at: limit.at() };
    guard.choose(reading, &then, &result)
}

/// An answer of nginx's own, which an `error_page` may replace.
fn answered<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    code: u16,
    way: Way,
) -> Cases<Goal> {
    error_page(reading, scope, place, code, way).map_or_else(|| one(Goal::Answer), |(_, goals)| goals)
}

/// The `error_page` of a status, and where it leads; `None` if there is none.
fn error_page<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    code: u16,
    way: Way,
) -> Option<(&'d Directive, Cases<Goal>)> {
    if way.handled {
        return None;
    }
    let pages = place.inherited("error_page");
    let wanted = code.to_string();
    let directive = pages.into_iter().find(|page| page.args.contains(&wanted))?;
    let target = directive.args.last()?;
    let recursive = place.inherited("recursive_error_pages");
    let handled = recursive.last().is_none_or(|directive| directive.text(0) != "on");
    let scope = redirected(scope, target);
    let goals = match led(reading, &scope, place, target, way.further(handled)) {
        Some(goals) => goals,
        None if target.starts_with("http") => one(Goal::Answer),
        None => one(Goal::unclear()),
    };
    Some((directive, goals))
}

/// The variables behind an internal redirect: it has another path, no parameters, and another method, while maps that were
/// looked at before keep what they were worth. So what hangs on these cannot be told.
fn redirected(scope: &Scope, target: &str) -> Scope {
    let mut scope = scope.clone();
    if target.starts_with('/') {
        for name in ["request_method", "uri", "document_uri", "args"] {
            scope.set(name, one(Text::Unknown));
        }
    }
    scope
}

/// Where a named location or a path without variables leads; `None` if that cannot be told, or is another server.
fn led<'d>(
    reading: &mut Reading<'d>,
    scope: &Scope,
    place: &Place<'d>,
    target: &str,
    way: Way,
) -> Option<Cases<Goal>> {
    let path = path_of(target);
    if target.starts_with('@') {
        return Some(
            place.named(target).map_or_else(|| one(Goal::Answer), |named| goals(reading, scope, &named, way)),
        );
    }
    if !path.starts_with('/') || path.contains('$') {
        return None;
    }
    let next = place_of(&place.of_server(), path)?;
    let same = next.location.map(parts) == place.location.map(parts);
    if same && way.steps > 1 { None } else { Some(goals(reading, scope, &next, way)) }
}

/// What answers when an upstream fails is the proxy's own affair.
fn note_failures<'d>(reading: &mut Reading<'d>, scope: &Scope, place: &Place<'d>, way: Way) {
    for code in [502, 504, 503, 500] {
        let Some((directive, goals)) = error_page(reading, scope, place, code, way) else { continue };
        if !only_answers(&goals) {
            reading.note(
                directive.at(),
                format!("error_page {code}: that another server answers when the first fails is not carried over: set \
                    retries in the proxy"),
            );
        }
    }
}

fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or(target)
}

fn only_answers(cases: &[Case<Goal>]) -> bool {
    cases.iter().all(|case| case.outcome == Outcome::One(Goal::Answer))
}

/// Where requests go that nothing took.
pub(super) fn last_resort(cases: &[Case<Goal>]) -> Option<String> {
    let of = |goal: &Goal| match goal {
        Goal::To(host) => Some(host.clone()),
        Goal::Old(guess) => guess.clone(),
        Goal::Answer => None,
    };
    cases.iter().rev().find_map(|case| match &case.outcome {
        Outcome::One(goal) => of(goal),
        Outcome::Drawn(_, parts) => parts.iter().rev().find_map(|(_, goal)| of(goal)),
    })
}

/// Internal redirects of one request, as in nginx.
const MAX_STEPS: usize = 10;
/// Parts of the names of files that are known to choose no destination.
const SETTINGS: [&str; 12] = [
    "params",
    "mime",
    "ssl",
    "tls",
    "letsencrypt",
    "header",
    "proxy.conf",
    "gzip",
    "log",
    "security",
    "cache",
    "cors",
];
