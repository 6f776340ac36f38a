//! Which location a request meets, in nginx's own order: an exact path, the longest prefix if it says `^~`, patterns as written,
//! the longest prefix. Locations within a location are looked at once it is the longest prefix or its pattern matches.

use std::collections::BTreeSet;
use std::rc::Rc;

use regex_lite::RegexBuilder;

use super::reading::Reading;
use super::request;
use super::syntax::{Directive, is_pass, is_program};
use super::test::Test;
use super::when::When;
use crate::condition::{Predicate, Subject};

/// The directives of one block that have none of their own: what a block inherits is found in a few of them.
pub(super) type Level<'d> = Rc<[&'d Directive]>;

/// A location, and what it inherits.
#[derive(Debug, Clone)]
pub(super) struct Place<'d> {
    /// `None` for the server itself, where no location fits.
    pub(super) location: Option<&'d Directive>,
    /// Its own directives.
    block: &'d [Directive],
    /// Those of its server.
    server: &'d [Directive],
    /// Those of the blocks around it from the outermost to its own.
    pub(super) chain: Vec<Level<'d>>,
}

fn level(block: &[Directive]) -> Level<'_> {
    block.iter().filter(|directive| directive.block.is_empty() && directive.name != "location").collect()
}

/// A place, and when a request meets it unless it meets an earlier one.
pub(super) struct Spot<'d> {
    pub(super) when: When,
    /// `None` where nginx answers itself: with the same path and a slash behind it.
    pub(super) place: Option<Place<'d>>,
    /// The location that is the reason.
    pub(super) at: String,
}

impl<'d> Place<'d> {
    /// The server itself, in the block around it.
    pub(super) fn server(around: &'d [Directive], block: &'d [Directive]) -> Self {
        Self { location: None, block, server: block, chain: vec![level(around), level(block)] }
    }

    /// A location within it.
    pub(super) fn within(&self, location: &'d Directive) -> Self {
        let mut chain = self.chain.clone();
        chain.push(level(&location.block));
        Self { location: Some(location), block: &location.block, server: self.server, chain }
    }

    /// Its own block.
    pub(super) fn block(&self) -> &'d [Directive] {
        self.block
    }

    /// The directives of its own and those around it, up to its server.
    pub(super) fn below_server(&self) -> impl Iterator<Item = &'d Directive> + '_ {
        self.chain.iter().skip(2).flat_map(|level| level.iter().copied())
    }

    /// Whether it or a location around it has a directive.
    pub(super) fn has(&self, name: &str) -> bool {
        self.chain.iter().any(|level| level.iter().any(|inner| inner.name == name))
    }

    /// All directives of a name that hold here: those of the innermost block that has any.
    pub(super) fn inherited(&self, name: &str) -> Vec<&'d Directive> {
        let own =
            |level: &Level<'d>| level.iter().copied().filter(|inner| inner.name == name).collect::<Vec<_>>();
        self.chain.iter().rev().map(own).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The location of this server that has a name, as `@old`.
    pub(super) fn named(&self, name: &str) -> Option<Self> {
        let mut locations = self.server.iter().filter(|directive| directive.name == "location");
        let found = locations.find(|location| parts(location).1 == name)?;
        Some(self.of_server().within(found))
    }

    /// The server of this place.
    pub(super) fn of_server(&self) -> Self {
        let chain = self.chain.get(..2).unwrap_or(&self.chain).to_vec();
        Self { location: None, block: self.server, server: self.server, chain }
    }
}

/// Every place of a server, in the order in which they are tried.
pub(super) fn spots<'d>(reading: &mut Reading<'_>, server: &Place<'d>) -> Vec<Spot<'d>> {
    let Found { mut first, last } = found(reading, server);
    first.extend(last);
    first.push(Spot { when: When::always(), place: Some(server.clone()), at: String::new() });
    first
}

/// The places below one.
#[derive(Default)]
struct Found<'d> {
    /// Those that end the search.
    first: Vec<Spot<'d>>,
    /// Those that count if no pattern matches.
    last: Vec<Spot<'d>>,
}

fn found<'d>(reading: &mut Reading<'_>, place: &Place<'d>) -> Found<'d> {
    let Locations { exact, mut prefixes, patterns } = Locations::of(place.block());
    prefixes.sort_by_key(|location| std::cmp::Reverse(parts(location).1.len()));
    let known: BTreeSet<&str> = exact.iter().chain(&prefixes).map(|location| parts(location).1).collect();
    let mut found = Found::default();
    for location in exact.iter().chain(&prefixes) {
        let path = parts(location).1;
        let sent = location.block.iter().any(|inner| is_pass(inner) || is_program(inner));
        let bare = path.strip_suffix('/').filter(|bare| !bare.is_empty() && sent);
        if let Some(bare) = bare.filter(|bare| !known.contains(bare)) {
            let when = path_test(reading, location, Predicate::exact(bare));
            // Before nginx redirects, it asks whether the location is internal, which then refuses.
            let refuses = Some(place.within(location)).filter(|inner| inner.has("internal"));
            found.first.push(Spot { when, place: refuses, at: location.at() });
        }
    }
    for location in &exact {
        let when = path_test(reading, location, Predicate::exact(parts(location).1));
        found.first.push(spot(when, place.within(location), location));
    }
    let mut stops = Vec::new();
    for location in &prefixes {
        let (modifier, path) = parts(location);
        let here = starts(reading, location);
        let inner = found_below(reading, place, location);
        let stops_here = modifier == "^~" && !patterns.is_empty();
        if stops_here || !inner.first.is_empty() {
            let best = here.and(&unless_longer(reading, &prefixes, path));
            found.first.extend(within(&best, inner.first));
            if stops_here {
                stops.push(best.negated());
            }
        }
        found.last.extend(within(&here, inner.last));
        found.last.push(spot(here, place.within(location), location));
    }
    let searched = When::all(stops);
    for location in &patterns {
        let (modifier, pattern) = parts(location);
        let test = Test::matching(pattern, modifier == "~*");
        let when = request::plain(reading, &location.at(), &Subject::Path, &test).and(&searched);
        let inner = found_below(reading, place, location);
        found.first.extend(within(&when, inner.first));
        found.first.extend(within(&when, inner.last));
        found.first.push(spot(when, place.within(location), location));
    }
    found
}

/// Where no longer prefix than `path` fits.
fn unless_longer(reading: &mut Reading<'_>, prefixes: &[&Directive], path: &str) -> When {
    let longer = prefixes.iter().filter(|other| parts(other).1 != path && parts(other).1.starts_with(path));
    let longer: Vec<&&Directive> = longer.take(MAX_LONGER + 1).collect();
    if longer.len() > MAX_LONGER {
        return When::unclear();
    }
    When::all(longer.into_iter().map(|other| starts(reading, other).negated()).collect::<Vec<_>>())
}

fn found_below<'d>(reading: &mut Reading<'_>, place: &Place<'d>, location: &'d Directive) -> Found<'d> {
    let nested = location.block.iter().any(|inner| inner.name == "location");
    if nested { found(reading, &place.within(location)) } else { Found::default() }
}

fn spot<'d>(when: When, place: Place<'d>, location: &Directive) -> Spot<'d> {
    Spot { when, place: Some(place), at: location.at() }
}

fn within<'d>(when: &When, spots: Vec<Spot<'d>>) -> Vec<Spot<'d>> {
    spots.into_iter().map(|spot| Spot { when: when.and(&spot.when), ..spot }).collect()
}

fn starts(reading: &mut Reading<'_>, location: &Directive) -> When {
    match parts(location).1 {
        "/" | "" => When::always(),
        path => path_test(reading, location, Predicate::text("startsWith", path)),
    }
}

fn path_test(reading: &mut Reading<'_>, location: &Directive, predicate: Predicate) -> When {
    let path = parts(location).1;
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !b"%?#".contains(&byte)) {
        reading.note(
            location.at(),
            format!("the path {path:?} arrives in percent notation, which a policy does not decode: what the location \
                may take keeps the old version"),
        );
        return When::unclear();
    }
    reading.compares_paths(&location.at(), false);
    When::exactly(reading.draft.test(&location.at(), Subject::Path, predicate))
}

/// The locations of a block by their kind, in the order of the file.
struct Locations<'d> {
    exact: Vec<&'d Directive>,
    prefixes: Vec<&'d Directive>,
    patterns: Vec<&'d Directive>,
}

impl<'d> Locations<'d> {
    fn of(block: &'d [Directive]) -> Self {
        let mut all = Self { exact: Vec::new(), prefixes: Vec::new(), patterns: Vec::new() };
        for location in block.iter().filter(|directive| directive.name == "location") {
            match parts(location) {
                ("=", _) => all.exact.push(location),
                ("~" | "~*", _) => all.patterns.push(location),
                (_, path) if path.starts_with('@') => {}
                _ => all.prefixes.push(location),
            }
        }
        all
    }
}

/// Modifier and path of a location; they may be written as one word.
pub(super) fn parts(location: &Directive) -> (&str, &str) {
    match location.args.as_slice() {
        [modifier, uri] => (modifier, uri),
        [uri] => {
            let modifier = ["^~", "~*", "~", "="].into_iter().find(|modifier| uri.starts_with(modifier));
            modifier.map_or(("", uri), |modifier| (modifier, uri.get(modifier.len()..).unwrap_or_default()))
        }
        _ => ("", "/"),
    }
}

/// The location that a path without variables leads to; `None` if that cannot be told here, `Some(None)` for the server itself.
pub(super) fn location_of<'d>(server: &Place<'d>, path: &str) -> Option<Option<&'d Directive>> {
    let Locations { exact, prefixes, patterns } = Locations::of(server.block());
    if let Some(found) = exact.iter().find(|location| parts(location).1 == path) {
        return Some(Some(found));
    }
    let fitting = prefixes.iter().filter(|location| path.starts_with(parts(location).1));
    let best = fitting.max_by_key(|location| parts(location).1.len()).copied();
    let nested = |location: &Directive| location.block.iter().any(|inner| inner.name == "location");
    if let Some(best) = best {
        let inner = nested(best);
        if parts(best).0 == "^~" && !inner {
            return Some(Some(best));
        }
        if inner {
            return None;
        }
    }
    for location in patterns {
        let (modifier, pattern) = parts(location);
        let regex = RegexBuilder::new(pattern).case_insensitive(modifier == "~*").build().ok()?;
        if regex.is_match(path) {
            return (!nested(location)).then_some(Some(location));
        }
    }
    Some(best)
}

/// Prefixes that begin with another one and are told from it: a policy takes no more conditions than that in one rule.
const MAX_LONGER: usize = 64;
