//! Which rules reach a place, found by the way to it: a tree of the patterns, one for all endpoints and one for each that is named.
//!
//! So a look-up costs the depth of the place and the patterns that begin like it, however many rules there are.

use std::collections::BTreeMap;

use crate::pattern::{Name, Pattern, Place, Segment, Target};

/// Where each of a list of patterns leads; patterns are known by their position in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    everywhere: Places,
    endpoints: BTreeMap<String, Places>,
}

/// A pattern that reaches a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Its position in the list.
    pub(crate) pattern: usize,
    /// It names the place itself, not one that the place lies in.
    pub(crate) exact: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Places {
    body: Vec<Step>,
    headers: Names,
    cookies: Names,
    trailers: Names,
}

/// A segment of body patterns; the first is the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Step {
    below: BTreeMap<Box<[u8]>, usize>,
    any: Option<usize>,
    ends: Vec<usize>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    whole: BTreeMap<String, Vec<usize>>,
    beginnings: BTreeMap<String, Vec<usize>>,
}

impl Index {
    pub(crate) fn new<'p>(patterns: impl Iterator<Item = &'p Pattern>) -> Self {
        let mut index = Self::default();
        for (at, pattern) in patterns.enumerate() {
            let places = match &pattern.endpoint {
                None => &mut index.everywhere,
                Some(endpoint) => index.endpoints.entry(endpoint.name.clone()).or_default(),
            };
            match &pattern.target {
                Target::Body(segments) => places.add(segments, at),
                Target::Header(name) => places.headers.add(name, at),
                Target::Cookie(name) => places.cookies.add(name, at),
                Target::Trailer(name) => places.trailers.add(name, at),
            }
        }
        index
    }

    /// The patterns that reach a place, by their position.
    pub(crate) fn reaching(&self, endpoint: &str, place: Place<'_>) -> Vec<Reach> {
        let mut found = Vec::new();
        for places in self.of(endpoint) {
            match place {
                Place::Body(path) => places.reaching(path, &mut found),
                Place::Header(name) => places.headers.reaching(name, &mut found),
                Place::Cookie(name) => places.cookies.reaching(name, &mut found),
                Place::Trailer(name) => places.trailers.reaching(name, &mut found),
            }
        }
        found.sort_unstable_by_key(|reach| reach.pattern);
        found
    }

    /// Whether a pattern names a place below this one of a body, or reaches it.
    pub(crate) fn reaches_into(&self, endpoint: &str, path: &[Segment<'_>]) -> bool {
        self.of(endpoint).any(|places| {
            let mut steps = places.root();
            for segment in path {
                if steps.iter().any(|step| !step.ends.is_empty()) {
                    return true;
                }
                steps = places.next(&steps, segment);
            }
            !steps.is_empty()
        })
    }

    fn of(&self, endpoint: &str) -> impl Iterator<Item = &Places> {
        std::iter::once(&self.everywhere).chain(self.endpoints.get(endpoint))
    }
}

impl Places {
    fn add(&mut self, segments: &[Option<String>], pattern: usize) {
        if self.body.is_empty() {
            self.body.push(Step::default());
        }
        let mut at = 0;
        for segment in segments {
            let fresh = self.body.len();
            let Some(step) = self.body.get_mut(at) else { return };
            at = match segment {
                None => *step.any.get_or_insert(fresh),
                Some(name) => *step.below.entry(name.as_bytes().into()).or_insert(fresh),
            };
            if at == fresh {
                self.body.push(Step::default());
            }
        }
        if let Some(step) = self.body.get_mut(at) {
            step.ends.push(pattern);
        }
    }

    fn root(&self) -> Vec<&Step> {
        self.body.first().into_iter().collect()
    }

    /// Where patterns that came so far go on with this segment.
    fn next<'s>(&'s self, steps: &[&'s Step], segment: &Segment<'_>) -> Vec<&'s Step> {
        let digits;
        let name = match segment {
            Segment::Member(key) => key.as_ref(),
            Segment::Element(at) => {
                digits = at.to_string();
                digits.as_bytes()
            }
        };
        let next = steps.iter().flat_map(|step| [step.any, step.below.get(name).copied()]);
        next.flatten().filter_map(|at| self.body.get(at)).collect()
    }

    fn reaching(&self, path: &[Segment<'_>], found: &mut Vec<Reach>) {
        let mut steps = self.root();
        let mut rest = path.iter();
        while !steps.is_empty() {
            let segment = rest.next();
            let ends = steps.iter().flat_map(|step| &step.ends);
            found.extend(ends.map(|&pattern| Reach { pattern, exact: segment.is_none() }));
            let Some(segment) = segment else { return };
            steps = self.next(&steps, segment);
        }
    }
}

impl Names {
    fn add(&mut self, name: &Name, pattern: usize) {
        let names = if name.open { &mut self.beginnings } else { &mut self.whole };
        names.entry(name.text.clone()).or_default().push(pattern);
    }

    fn reaching(&self, name: &str, found: &mut Vec<Reach>) {
        let reach = |&pattern: &usize| Reach { pattern, exact: true };
        found.extend(self.whole.get(name).into_iter().flatten().map(reach));
        if self.beginnings.is_empty() {
            return;
        }
        let beginnings = (0..=name.len()).filter_map(|end| name.get(..end));
        found.extend(beginnings.filter_map(|text| self.beginnings.get(text)).flatten().map(reach));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path<'a>(path: &'a [&'a str]) -> Vec<Segment<'a>> {
        let segment = |s: &&'a str| match s.parse() {
            Ok(index) => Segment::Element(index),
            Err(_) => Segment::Member(s.as_bytes().into()),
        };
        path.iter().map(segment).collect()
    }

    fn index(patterns: &[&str]) -> Index {
        let read: Vec<Pattern> = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        Index::new(read.iter())
    }

    #[test]
    fn what_reaches_a_place() {
        let index =
            index(&["/a/*/b", "/a", "GET / /a/0", "/", "POST / /a", "header:x-*", "header:x-a", "/a/*"]);
        let reaching = |place: Place<'_>| -> Vec<(usize, bool)> {
            index.reaching("GET /", place).iter().map(|reach| (reach.pattern, reach.exact)).collect()
        };
        assert_eq!(
            reaching(Place::Body(&path(&["a", "0", "b"]))),
            [(0, true), (1, false), (2, false), (3, false), (7, false)]
        );
        assert_eq!(reaching(Place::Body(&path(&["a"]))), [(1, true), (3, false)]);
        assert_eq!(reaching(Place::Body(&path(&["b"]))), [(3, false)]);
        assert_eq!(reaching(Place::Header("x-a")), [(5, true), (6, true)]);
        assert_eq!(reaching(Place::Header("x-b")), [(5, true)]);
        assert_eq!(reaching(Place::Cookie("x-a")), []);
    }

    #[test]
    fn what_reaches_into_a_place() {
        let index = index(&["/a/*/b", "GET / /c"]);
        let into = |way: &[&str]| index.reaches_into("GET /", &path(way));
        assert!(into(&[]) && into(&["a"]) && into(&["a", "7"]) && into(&["a", "7", "b"]));
        assert!(into(&["c"]) && into(&["c", "d"]) && !into(&["b"]) && !into(&["a", "7", "c"]));
        assert!(!index.reaches_into("POST /", &path(&["c"])));
    }
}
