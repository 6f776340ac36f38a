//! `error_page`: which one a status has, and what a request is worth behind it.

use super::goal::{Goal, Old};
use super::location::Place;
use super::scope::Scope;
use super::syntax::Directive;
use super::value::{Case, Outcome, Text, one};

/// How a request came to a place.
#[derive(Clone, Copy, Default)]
pub(super) struct Way {
    /// By nginx itself, so that `internal` lets it in.
    pub(super) internal: bool,
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

    /// To another place; `handled` if no further `error_page` is looked at.
    pub(super) fn further(self, handled: bool) -> Self {
        Self { internal: true, handled: self.handled || handled, steps: self.steps + 1 }
    }

    /// Whether it has more internal redirects than nginx follows.
    pub(super) fn is_long(self) -> bool {
        self.steps > MAX_STEPS
    }

    /// Whether it has passed a place other than this one.
    pub(super) fn is_on_its_way(self) -> bool {
        self.steps > 1
    }
}

/// The `error_page` of a status; `None` if there is none.
pub(super) fn of<'d>(place: &Place<'d>, code: u16, way: Way) -> Option<&'d Directive> {
    let wanted = code.to_string();
    pages(place).into_iter().filter(|_| !way.handled).find(|page| page.args.contains(&wanted))
}

/// All that hold in a place.
pub(super) fn pages<'d>(place: &Place<'d>) -> Vec<&'d Directive> {
    place.inherited("error_page")
}

/// Whether no other `error_page` is looked at behind one.
pub(super) fn ends_the_search(place: &Place<'_>) -> bool {
    !is_on(place, "recursive_error_pages")
}

/// Why there is a status that has a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// nginx reaches no upstream.
    Unreached,
    /// The upstream has answered with it.
    Answered,
    /// nginx refuses a request for its form or its size before it sends it on.
    Refused,
}

impl Failure {
    /// What a note says of the server that answers instead.
    pub(super) fn lost(self, code: u16) -> String {
        match self {
            Self::Unreached => format!(
                "error_page {code}: that another server answers when the first fails is not carried over: set retries in \
                the proxy"
            ),
            Self::Answered => format!(
                "error_page {code}: that another server answers when the first has answered {code} is not carried over: \
                the client gets the first answer"
            ),
            Self::Refused => format!(
                "error_page {code}: that another server answers the requests that nginx refuses with {code} is not carried \
                over: a policy sends them where it sends the others, so refuse them in the proxy"
            ),
        }
    }
}

/// Statuses with a page that a request has once it is to be sent on.
pub(super) fn of_failures(place: &Place<'_>) -> Vec<(u16, Failure)> {
    let intercepts = is_on(place, "proxy_intercept_errors") || is_on(place, "grpc_intercept_errors");
    let failure = |code: u16| match code {
        _ if REFUSED.contains(&code) => Some(Failure::Refused),
        _ if UNREACHED.contains(&code) => Some(Failure::Unreached),
        _ => intercepts.then_some(Failure::Answered),
    };
    let written =
        pages(place).into_iter().flat_map(|page| page.args.iter().filter_map(|word| word.parse().ok()));
    written.filter_map(|code| failure(code).map(|failure| (code, failure))).collect()
}

fn is_on(place: &Place<'_>, name: &str) -> bool {
    place.inherited(name).last().is_some_and(|directive| directive.text(0) == "on")
}

/// The variables behind an internal redirect: it has another path, no parameters, and another method, while maps that were
/// looked at before keep what they were worth. So what hangs on these cannot be told.
pub(super) fn redirected(scope: &Scope, target: &str) -> Scope {
    let mut scope = scope.clone();
    if target.starts_with('/') {
        for name in ["request_method", "uri", "document_uri", "args"] {
            scope.set(name, one(Text::Unknown));
        }
    }
    scope
}

/// The variables once somebody else was asked who may enter: the answer sets some of them.
pub(super) fn assigned_late(scope: &Scope, place: &Place<'_>) -> Scope {
    let mut scope = scope.clone();
    for directive in place.chain.iter().flat_map(|level| level.iter()) {
        if directive.name == "auth_request_set" || directive.name == "auth_jwt_claim_set" {
            scope.set(directive.text(0).trim_start_matches('$'), one(Text::Unknown));
        }
    }
    scope
}

/// Whether nginx answers in all cases.
pub(super) fn only_answers(cases: &[Case<Goal>]) -> bool {
    cases.iter().all(|case| case.outcome == Outcome::One(Goal::Answer))
}

/// Where requests go at last that no condition takes. Of a draw that is its last part, if it has the largest share, too.
pub(super) fn resort(cases: &[Case<Goal>]) -> Old {
    let of = |goal: &Goal| match goal {
        Goal::To(host) => Old::At(host.clone()),
        Goal::Answer => Old::Nowhere,
        Goal::Old(old) => old.clone(),
    };
    match cases.last().map(|case| &case.outcome) {
        Some(Outcome::One(goal)) => of(goal),
        Some(Outcome::Drawn(_, parts)) => {
            let share = |wanted: &Goal| {
                let same = parts.iter().filter(|(_, goal)| goal == wanted);
                same.map(|(weight, _)| *weight).fold(0, u64::saturating_add)
            };
            let last = parts.last().map(|(_, goal)| goal);
            let most = parts.iter().map(|(_, goal)| share(goal)).max();
            last.filter(|last| Some(share(last)) == most).map_or(Old::Nowhere, of)
        }
        None => Old::Nowhere,
    }
}

/// Internal redirects of one request, as in nginx.
const MAX_STEPS: usize = 10;
/// Statuses that nginx itself answers with when an upstream fails.
const UNREACHED: [u16; 4] = [502, 504, 503, 500];
/// Statuses that it answers with before: what it cannot read, what comes too slowly or is too large, and what lacks TLS or a
/// certificate.
const REFUSED: [u16; 9] = [400, 408, 411, 413, 414, 494, 495, 496, 497];
