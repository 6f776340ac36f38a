//! What was found, for people: one difference of each kind at each place.

use std::fmt::Write as _;

use antumbra_engine::{Difference, Differing, Kind, Refusal};

use super::{Found, Named};

pub(super) fn of(found: &Found, colour: bool) -> String {
    let styled = |style: &str, text: &str| {
        if colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut page = String::new();
    if !found.diff.equal {
        let _ = writeln!(page, "{}", styled(RED, &format!("--- {}", named(&found.left))));
        let _ = writeln!(page, "{}", styled(GREEN, &format!("+++ {}", named(&found.right))));
    }
    for place in found.diff.places.iter().take(MAX_PLACES) {
        let Some(example) = found.diff.differences.get(place.first) else { continue };
        let Difference { kind, left, right, .. } = example;
        let (shown, more) = heading(place, example);
        let _ = writeln!(page, "{}  {kind}{more}", styled(BOLD, shown));
        if *kind != Kind::Extra {
            let _ = writeln!(page, "{}", styled(RED, &format!("  - {left}")));
        }
        if *kind != Kind::Missing {
            let _ = writeln!(page, "{}", styled(GREEN, &format!("  + {right}")));
        }
    }
    for note in notes(found) {
        let _ = writeln!(page, "{}", styled(YELLOW, &note));
    }
    let _ = writeln!(page, "{}", total(found));
    page
}

fn named(Named { file, media }: &Named) -> String {
    media.as_ref().map_or_else(|| file.clone(), |media| format!("{file} ({media})"))
}

/// The place, and how often it differs so if that is more than once.
fn heading<'f>(place: &'f Differing, example: &'f Difference) -> (&'f str, String) {
    let whole = |path: &'f str| if path.is_empty() { "(whole)" } else { path };
    match place.count {
        1 => (whole(&example.path), String::new()),
        count => (whole(&place.path), format!(" ×{count}, first at {}", whole(&example.path))),
    }
}

fn notes(found: &Found) -> Vec<String> {
    let mut notes = Vec::new();
    let more = found.diff.places.len().saturating_sub(MAX_PLACES);
    if more > 0 {
        let places = if more == 1 { "place" } else { "places" };
        notes.push(format!("… {more} more {places} with --output json"));
    }
    if let Some(refused) = found.diff.refused {
        notes.push(match refused {
            Refusal::Malformed => "not what its type says, so compared as text or bytes".to_owned(),
            Refusal::Tokens | Refusal::Differences => {
                format!("not all was looked at, there are too many {refused}")
            }
            other => format!("not read, so compared by length and hash: {other}"),
        });
    }
    for (plugin, failed) in &found.plugins {
        if let Some(reason) = failed {
            notes.push(format!("compared without plugin {plugin}, which failed: {reason}"));
        }
    }
    if !found.not_applied.is_empty() {
        let named = found.not_applied.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
        let rest = found.not_applied.len().saturating_sub(MAX_NAMED);
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        notes.push(match found.endpoint.as_str() {
            "" => format!("not applied without --endpoint 'METHOD /path': {named}{rest}"),
            endpoint => format!("not applied, being of other endpoints than {endpoint}: {named}{rest}"),
        });
    }
    notes
}

fn total(found: &Found) -> String {
    let (places, unlisted) = (found.diff.places.len(), found.diff.unlisted);
    match (found.diff.differences.len(), places) {
        (0, _) => "equal".to_owned(),
        (1, _) if unlisted > 0 => format!("1 difference, and at least {unlisted} more"),
        (listed, _) if unlisted > 0 => format!("{listed} differences, and at least {unlisted} more"),
        (1, _) => "1 difference".to_owned(),
        (total, places) if places == total => format!("{total} differences"),
        (total, 1) => format!("{total} differences at 1 place"),
        (total, places) => format!("{total} differences at {places} places"),
    }
}

/// Places that are shown, and rules that are named.
const MAX_PLACES: usize = 512;
const MAX_NAMED: usize = 5;
const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

#[cfg(test)]
mod tests {
    use antumbra_engine::Diff;

    use super::*;

    fn found(differences: &[(&str, &str, Kind, &str, &str)]) -> Found {
        let mut diff = Diff { equal: differences.is_empty(), ..Diff::default() };
        for (first, (place, path, kind, left, right)) in differences.iter().enumerate() {
            if let Some(known) = diff.places.iter_mut().find(|known| known.path == *place) {
                known.count += 1;
            } else {
                diff.places.push(Differing { path: (*place).to_owned(), kind: *kind, count: 1, first });
            }
            let [path, left, right] = [path, left, right].map(|text| (*text).to_owned());
            diff.differences.push(Difference { path, kind: *kind, left, right });
        }
        let named = |file: &str, media: Option<&str>| Named {
            file: file.to_owned(),
            media: media.map(str::to_owned),
        };
        Found {
            diff,
            left: named("v1.json", Some("application/json")),
            right: named("stdin", None),
            endpoint: String::new(),
            not_applied: Vec::new(),
            plugins: [].into(),
        }
    }

    #[test]
    fn differences_for_people() {
        let mut all = found(&[
            ("/a/*", "/a/0", Kind::Value, "1", "2"),
            ("/b", "/b", Kind::Missing, "null", "(absent)"),
            ("/a/*", "/a/1", Kind::Value, "3", "4"),
            ("/c", "/c", Kind::Extra, "(absent)", "[2 elements]"),
        ]);
        all.not_applied = (1..=7).map(|rule| format!("GET /x /{rule}")).collect();
        all.plugins = [("good".to_owned(), None), ("bad".to_owned(), Some("trap"))].into();
        all.diff.refused = Some(Refusal::Malformed);
        insta::assert_snapshot!(of(&all, false), @r"
        --- v1.json (application/json)
        +++ stdin
        /a/*  value ×2, first at /a/0
          - 1
          + 2
        /b  missing
          - null
        /c  extra
          + [2 elements]
        not what its type says, so compared as text or bytes
        compared without plugin bad, which failed: trap
        not applied without --endpoint 'METHOD /path': GET /x /1, GET /x /2, GET /x /3, GET /x /4, GET /x /5 and 2 more
        4 differences at 3 places
        ");
        all.endpoint = "GET /y".to_owned();
        assert!(of(&all, false).contains("\nnot applied, being of other endpoints than GET /y: GET /x /1, "));
        let one = found(&[("", "", Kind::Value, "1", "2")]);
        assert_eq!(
            of(&one, true).lines().skip(2).collect::<Vec<_>>(),
            ["\x1b[1m(whole)\x1b[0m  value", "\x1b[31m  - 1\x1b[0m", "\x1b[32m  + 2\x1b[0m", "1 difference"]
        );
        let mut many = one;
        many.diff.unlisted = 9;
        assert!(of(&many, false).ends_with("\n1 difference, and at least 9 more\n"));
        assert_eq!(of(&found(&[]), false), "equal\n");
    }
}
