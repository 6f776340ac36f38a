//! Which rules reach a place, found by the way to it: a tree of the patterns, one for all endpoints and one for each that is named.
//!
//! So a look-up costs the depth of the place and the patterns that begin like it, however many rules there are.

use std::collections::BTreeMap;

use crate::pattern::{Name, Pattern, Place, Segment, Target, Way};

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
    /// Where `**` begins.
    deep: Option<usize>,
    /// It is a `**`: every segment leads back to it.
    stays: bool,
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
        // One with a `**` may come here in several ways.
        found.sort_unstable_by_key(|reach| (reach.pattern, !reach.exact));
        found.dedup_by_key(|reach| reach.pattern);
        found
    }

    /// Whether a pattern names a place below this one of a body, or reaches it.
    pub(crate) fn reaches_into(&self, endpoint: &str, path: &[Segment<'_>]) -> bool {
        self.of(endpoint).any(|places| {
            let mut steps = places.root();
            for segment in path {
                if places.ends(&steps).next().is_some() {
                    return true;
                }
                steps = places.next(&steps, segment);
            }
            !steps.is_empty()
        })
    }

    /// Whether a pattern names a place below this one of a body.
    pub(crate) fn leads_below(&self, endpoint: &str, path: &[Segment<'_>]) -> bool {
        self.of(endpoint).any(|places| {
            let steps = path.iter().fold(places.root(), |steps, segment| places.next(&steps, segment));
            let goes_on = |step: &Step| step.stays || step.any.is_some() || !step.below.is_empty();
            steps.iter().filter_map(|at| places.body.get(*at)).any(goes_on)
        })
    }

    fn of(&self, endpoint: &str) -> impl Iterator<Item = &Places> {
        std::iter::once(&self.everywhere).chain(self.endpoints.get(endpoint))
    }
}

impl Places {
    fn add(&mut self, ways: &[Way], pattern: usize) {
        if self.body.is_empty() {
            self.body.push(Step::default());
        }
        let mut at = 0;
        for way in ways {
            let fresh = self.body.len();
            let Some(step) = self.body.get_mut(at) else { return };
            at = match way {
                Way::Any => *step.any.get_or_insert(fresh),
                // Twice in a row is as good as once.
                Way::Deep if step.stays => at,
                Way::Deep => *step.deep.get_or_insert(fresh),
                Way::Named(name) => *step.below.entry(name.as_bytes().into()).or_insert(fresh),
            };
            if at == fresh {
                self.body.push(Step { stays: *way == Way::Deep, ..Step::default() });
            }
        }
        if let Some(step) = self.body.get_mut(at) {
            step.ends.push(pattern);
        }
    }

    /// Where patterns begin.
    fn root(&self) -> Vec<usize> {
        if self.body.is_empty() { Vec::new() } else { self.closed(vec![0]) }
    }

    /// Where patterns that came so far go on with this segment.
    fn next(&self, steps: &[usize], segment: &Segment<'_>) -> Vec<usize> {
        let digits;
        let name = match segment {
            Segment::Member(key) => key.as_ref(),
            Segment::Element(at) => {
                digits = at.to_string();
                digits.as_bytes()
            }
        };
        let next = steps.iter().filter_map(|at| Some((at, self.body.get(*at)?)));
        let next = next.flat_map(|(at, step)| {
            [Some(*at).filter(|_| step.stays), step.any, step.below.get(name).copied()]
        });
        self.closed(next.flatten().collect())
    }

    /// With the steps at which `**` begins here, each once: it may stand for nothing.
    fn closed(&self, mut steps: Vec<usize>) -> Vec<usize> {
        let deep = steps.iter().filter_map(|at| self.body.get(*at)?.deep);
        let deep: Vec<usize> = deep.collect();
        if !deep.is_empty() {
            steps.extend(deep);
        }
        if steps.len() > 1 {
            steps.sort_unstable();
            steps.dedup();
        }
        steps
    }

    fn ends(&self, steps: &[usize]) -> impl Iterator<Item = usize> {
        steps.iter().filter_map(|at| self.body.get(*at)).flat_map(|step| &step.ends).copied()
    }

    fn reaching(&self, path: &[Segment<'_>], found: &mut Vec<Reach>) {
        let mut steps = self.root();
        let mut rest = path.iter();
        while !steps.is_empty() {
            let segment = rest.next();
            found.extend(self.ends(&steps).map(|pattern| Reach { pattern, exact: segment.is_none() }));
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
        let below = |way: &[&str]| index.leads_below("GET /", &path(way));
        assert!(below(&[]) && below(&["a"]) && below(&["a", "7"]));
        assert!(!below(&["a", "7", "b"]) && !below(&["c"]) && !below(&["b"]));
    }

    #[test]
    fn any_depth_is_reached_once_however_many_ways_lead_there() {
        let index = index(&["/**/a/**", "/a", "/**/**/a"]);
        let reaching = |way: &[&str]| -> Vec<(usize, bool)> {
            let found = index.reaching("GET /", Place::Body(&path(way)));
            found.iter().map(|reach| (reach.pattern, reach.exact)).collect()
        };
        assert_eq!(reaching(&["a"]), [(0, true), (1, true), (2, true)]);
        assert_eq!(reaching(&["a", "b"]), [(0, true), (1, false), (2, false)]);
        assert_eq!(reaching(&["b", "a"]), [(0, true), (2, true)]);
        assert_eq!(reaching(&["b"]), []);
        assert!(index.reaches_into("GET /", &path(&["b"])) && index.leads_below("GET /", &path(&["b", "c"])));
        let nested = self::index(&[&"/**/a".repeat(60)]);
        assert_eq!(nested.reaching("GET /", Place::Body(&path(&vec!["a"; 64]))).len(), 1);
    }
}
