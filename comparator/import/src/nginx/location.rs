//! Which location a request meets, in nginx's own order: an exact path, the longest prefix if it says `^~`, patterns as written,
//! the longest prefix. Locations within a location are looked at once it is the longest prefix or its pattern matches.

use regex_lite::RegexBuilder;

use super::pass::{is_pass, is_program};
use super::reading::Reading;
use super::request;
use super::syntax::Directive;
use super::test::Test;
use super::when::When;
use crate::condition::{Predicate, Subject};

/// A location, and the blocks around it from the outermost to its own.
#[derive(Debug, Clone)]
pub(super) struct Place<'d> {
    /// `None` for the server itself, where no location fits.
    pub(super) location: Option<&'d Directive>,
    /// What it inherits from, its own block last.
    pub(super) chain: Vec<&'d [Directive]>,
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
    /// The server itself.
    pub(super) fn server(around: &[&'d [Directive]], block: &'d [Directive]) -> Self {
        Self { location: None, chain: [around, &[block]].concat() }
    }

    /// A location within it.
    pub(super) fn within(&self, location: &'d Directive) -> Self {
        let chain = [self.chain.as_slice(), &[location.block.as_slice()]].concat();
        Self { location: Some(location), chain }
    }

    /// Its own block.
    pub(super) fn block(&self) -> &'d [Directive] {
        self.chain.last().copied().unwrap_or_default()
    }

    /// Its own block and those around it, up to its server.
    pub(super) fn below_server(&self) -> impl Iterator<Item = &'d [Directive]> + '_ {
        self.chain.iter().skip(2).copied()
    }

    /// Whether it or a location around it has a directive.
    pub(super) fn has(&self, name: &str) -> bool {
        self.chain.iter().any(|block| block.iter().any(|inner| inner.name == name))
    }

    /// All directives of a name that hold here: those of the innermost block that has any.
    pub(super) fn inherited(&self, name: &str) -> Vec<&'d Directive> {
        let own =
            |block: &&'d [Directive]| block.iter().filter(|inner| inner.name == name).collect::<Vec<_>>();
        self.chain.iter().rev().map(own).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The location of this server that has a name, as `@old`.
    pub(super) fn named(&self, name: &str) -> Option<Self> {
        let server = Self { location: None, chain: self.chain.get(..2).unwrap_or(&self.chain).to_vec() };
        let mut locations = server.block().iter().filter(|directive| directive.name == "location");
        let found = locations.find(|location| parts(location).1 == name)?;
        Some(server.within(found))
    }

    /// The server of this place.
    pub(super) fn of_server(&self) -> Self {
        Self { location: None, chain: self.chain.get(..2).unwrap_or(&self.chain).to_vec() }
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
    let Locations { exact, prefixes, patterns } = Locations::of(place.block());
    let mut found = Found::default();
    for location in exact.iter().chain(&prefixes) {
        let path = parts(location).1;
        let sent = location.block.iter().any(|inner| is_pass(inner) || is_program(inner));
        let bare = path.strip_suffix('/').filter(|bare| !bare.is_empty() && sent);
        let known = |bare: &str| exact.iter().chain(&prefixes).any(|other| parts(other).1 == bare);
        if let Some(bare) = bare.filter(|bare| !known(bare)) {
            let when = path_test(reading, location, Predicate::exact(bare));
            found.first.push(Spot { when, place: None, at: location.at() });
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
        let longer =
            prefixes.iter().filter(|other| parts(other).1 != path && parts(other).1.starts_with(path));
        let longer: Vec<When> = longer.map(|other| starts(reading, other).negated()).collect();
        let best = here.and(&When::all(longer));
        found.first.extend(within(&best, inner.first));
        if modifier == "^~" {
            stops.push(best.negated());
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

/// The locations of a block by their kind, in the order in which they are tried.
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
        all.prefixes.sort_by_key(|location| std::cmp::Reverse(parts(location).1.len()));
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

/// The place that a path without variables leads to; `None` if that cannot be told here.
pub(super) fn place_of<'d>(server: &Place<'d>, path: &str) -> Option<Place<'d>> {
    let Locations { exact, prefixes, patterns } = Locations::of(server.block());
    if let Some(found) = exact.iter().find(|location| parts(location).1 == path) {
        return Some(server.within(found));
    }
    let best = prefixes.iter().find(|location| path.starts_with(parts(location).1));
    let nested = |location: &Directive| location.block.iter().any(|inner| inner.name == "location");
    if let Some(best) = best {
        let inner = nested(best);
        if parts(best).0 == "^~" && !inner {
            return Some(server.within(best));
        }
        if inner {
            return None;
        }
    }
    for location in &patterns {
        let (modifier, pattern) = parts(location);
        let regex = RegexBuilder::new(pattern).case_insensitive(modifier == "~*").build().ok()?;
        if regex.is_match(path) {
            return (!nested(location)).then(|| server.within(location));
        }
    }
    Some(best.map_or_else(|| server.clone(), |best| server.within(best)))
}
