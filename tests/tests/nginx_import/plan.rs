//! Which place of a configuration a line of its text belongs to, and what is known of the place.

use std::collections::{BTreeMap, BTreeSet};

/// A server or a location.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The server that it is in, itself for a server.
    pub(crate) server: usize,
    /// The old version of its service.
    pub(crate) old: String,
    /// Where its requests go at last; nothing if it sends none on by itself.
    pub(crate) last: Option<String>,
    /// Its name, if only nginx itself leads there.
    pub(crate) name: Option<String>,
    /// Where its `try_files` and `error_page` lead: names, or `/` for a path.
    pub(crate) leads: BTreeSet<String>,
    /// Whether requests may come through it, or in a server past it, without a trace: by `limit_except` or `internal`, by what is
    /// hidden, or to the location of another path once the server has rewritten it.
    pub(crate) untraced: bool,
    /// Whether it stands in what is not imported.
    pub(crate) hidden: bool,
    /// Whether not everybody is let in, here or in a location around.
    pub(crate) guarded: bool,
    /// Whether a program answers that is no HTTP server.
    pub(crate) program: bool,
}

impl Place {
    /// A place of a server of which nothing more is known.
    pub(crate) fn of(server: usize) -> Self {
        Self { server, ..Self::default() }
    }
}

/// A text with its places.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    places: Vec<Place>,
    /// The innermost place of a line, by the name of its file without directories, and by its number.
    lines: BTreeMap<(String, usize), usize>,
}

impl Plan {
    /// The plan of files of which the first includes the others; a line `# place 3` says what block it stands in.
    pub(crate) fn of(files: &[(String, String)], places: Vec<Place>) -> Self {
        let mut plan = Self { places, lines: BTreeMap::new() };
        let alone = files.len() == 1;
        if let Some((name, text)) = files.first() {
            plan.walk(files, if alone { "" } else { name }, text, &mut vec![None]);
        }
        plan
    }

    fn walk(&mut self, files: &[(String, String)], name: &str, text: &str, blocks: &mut Vec<Option<usize>>) {
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(place) = line.strip_prefix("# place ") {
                let place = place.parse().unwrap();
                *blocks.last_mut().unwrap() = Some(place);
                self.lines.insert((short(name), number - 1), place);
            }
            if let Some(place) = blocks.iter().rev().find_map(|place| *place) {
                self.lines.entry((short(name), number)).or_insert(place);
            }
            let included = line.strip_prefix("include ").and_then(|rest| rest.strip_suffix(';'));
            if let Some((name, text)) = files.iter().find(|(name, _)| Some(name.as_str()) == included) {
                self.walk(files, name, text, blocks);
            }
            let (opened, closed) = (line.matches('{').count(), line.matches('}').count());
            blocks.extend(std::iter::repeat_n(None, opened.saturating_sub(closed)));
            blocks.truncate(blocks.len() - closed.saturating_sub(opened));
        }
    }

    /// A place by its number.
    pub(crate) fn place(&self, number: usize) -> &Place {
        &self.places[number]
    }

    /// Whether a note at `at` may be the reason for what became of a request that came through `trace`: it stands in one of
    /// these places, or around all of them as a `map` does.
    pub(crate) fn fits(&self, at: &str, trace: &[usize]) -> bool {
        let (file, line) = at.rsplit_once("line ").map_or((at, ""), |(file, line)| (file.trim(), line));
        let Ok(line) = line.parse() else { return false };
        let Some(place) = self.lines.get(&(short(file), line)) else { return true };
        // Whoever comes to a server that is not known was meant for another one.
        trace.iter().any(|at| self.places[self.places[*at].server].hidden)
            || self.passed(trace).contains(place)
    }

    /// The places that a request came through, as far as that is known: all of the server if none of them left a trace.
    pub(crate) fn passed(&self, trace: &[usize]) -> BTreeSet<usize> {
        let server = |place: &usize| self.places[*place].server == *place;
        let all = trace.iter().all(server) || trace.iter().any(|at| server(at) && self.places[*at].untraced);
        let seen = trace.iter().copied();
        let servers: BTreeSet<usize> = trace.iter().map(|at| self.places[*at].server).collect();
        let others = (0..self.places.len()).filter(|at| {
            let Place { server, untraced, hidden, .. } = &self.places[*at];
            servers.contains(server) && !hidden && (all || *untraced)
        });
        seen.chain(others).collect()
    }

    /// The clusters that a request may be kept with that came through `trace`: the old versions of the services of these places
    /// and of those that they lead to, or of all of the server if none of them sends anything on that the import sees.
    pub(crate) fn kept_with(&self, trace: &[usize]) -> BTreeSet<&str> {
        let mut places = self.passed(trace);
        for _ in 0..STEPS {
            let next: Vec<usize> = places.iter().flat_map(|place| self.led_from(*place)).collect();
            places.extend(next);
        }
        let sends = |place: &usize| self.places[*place].last.is_some() && !self.places[*place].hidden;
        if !places.iter().any(sends) {
            return trace.first().map(|place| self.all_of(*place)).unwrap_or_default();
        }
        places.iter().filter(|place| sends(place)).flat_map(|place| self.places[*place].olds()).collect()
    }

    /// The old versions of all places of a server that the import sees.
    fn all_of(&self, place: usize) -> BTreeSet<&str> {
        let server = self.places[place].server;
        let seen = self.places.iter().filter(|place| place.server == server && !place.hidden);
        seen.flat_map(Place::olds).collect()
    }

    /// Places that a place leads to; a path may lead to any of the server.
    fn led_from(&self, place: usize) -> impl Iterator<Item = usize> {
        let Place { server, leads, .. } = &self.places[place];
        let led = |other: &Place| {
            leads.contains("/") || other.name.as_ref().is_some_and(|name| leads.contains(name))
        };
        (0..self.places.len())
            .filter(move |other| self.places[*other].server == *server && led(&self.places[*other]))
    }
}

impl Place {
    fn olds(&self) -> impl Iterator<Item = &str> {
        [Some(self.old.as_str()), self.last.as_deref()].into_iter().flatten().filter(|name| !name.is_empty())
    }
}

/// Places that one leads to, and those that these lead to.
const STEPS: usize = 2;

fn short(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two locations of which each has a service of its own, and a map in front of them.
    fn plan() -> Plan {
        let text = "map $a $b { }\nserver {\n# place 0\nlocation /a {\n# place 1\nif ($b) { break; }\n}\nlocation /b {\n\
                    # place 2\nproxy_pass http://b;\n}\n}\n";
        let place = |old: &str| Place { old: old.to_owned(), last: Some(old.to_owned()), ..Place::of(0) };
        Plan::of(&[("x/main.conf".to_owned(), text.to_owned())], vec![Place::of(0), place("a"), place("b")])
    }

    #[test]
    fn a_note_fits_its_own_place_alone() {
        for (at, trace, expected) in [
            ("line 6", &[0, 1][..], true),
            ("line 4", &[0, 1], true),
            ("line 10", &[0, 1], false),
            ("line 10", &[0, 2], true),
            ("line 2", &[0, 2], true),
            ("line 1", &[0, 2], true),
            ("line 10", &[0], true),
            ("servers", &[0, 1], false),
        ] {
            assert_eq!(plan().fits(at, trace), expected, "{at} {trace:?}");
        }
    }

    #[test]
    fn each_place_has_its_own_old_version() {
        assert_eq!(plan().kept_with(&[0, 1]).into_iter().collect::<Vec<_>>(), ["a"]);
        assert_eq!(plan().kept_with(&[0]).into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }
}
