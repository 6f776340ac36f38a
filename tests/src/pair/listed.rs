//! The differences that the example's page lists: its table is what a reader sees, and what the tests hold against the versions.
//!
//! | Request | Where | stable | candidate |, the cells in backticks. A cell has what stands there, `…` for what is left out; `–` is
//! nothing. Where is `status`, `header:name`, `/a/pointer`, `/a/pointer/**` for whatever is below, or `page` for a body that is no
//! JSON; `page?` if noise beside it may hide it, or if only blanks differ.

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::folder::file;
use crate::showing::Finding;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Path and query.
    pub request: String,
    /// Where the answers differ.
    pub place: String,
    /// What the stable version has there.
    pub stable: Option<String>,
    /// What the candidate has there.
    pub candidate: Option<String>,
    /// The comparator need not find it.
    pub hidden: bool,
}

impl Listed {
    /// All rows of the page.
    pub fn all() -> Result<Vec<Self>> {
        let page = file("README.md");
        let text =
            std::fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
        let rows: Vec<Self> =
            text.lines().filter(|line| line.starts_with("| `/")).map(Self::read).collect::<Result<_>>()?;
        ensure!(!rows.is_empty(), "{} lists no difference", page.display());
        Ok(rows)
    }

    fn read(line: &str) -> Result<Self> {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [request, place, stable, candidate] = cells[..] else {
            anyhow::bail!("not | request | where | stable | candidate |: {line}");
        };
        let code = |cell: &str| cell.trim_matches('`').to_owned();
        let value = |cell: &str| (cell != "–").then(|| code(cell));
        let place = code(place);
        Ok(Self {
            request: code(request),
            hidden: place.ends_with('?'),
            place: place.trim_end_matches('?').to_owned(),
            stable: value(stable),
            candidate: value(candidate),
        })
    }

    /// As the report calls it: without the query, numbers folded.
    pub fn endpoint(&self) -> String {
        let path = self.request.split('?').next().unwrap_or_default();
        let segments = path.split('/').map(|segment| {
            let (name, format) =
                segment.split_once('.').map_or((segment, ""), |(name, _)| (name, &segment[name.len()..]));
            let number = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
            if number { format!("{{id}}{format}") } else { segment.to_owned() }
        });
        format!("GET {}", segments.collect::<Vec<_>>().join("/"))
    }

    /// Does the row say what was found?
    pub(super) fn explains(&self, finding: &Finding) -> bool {
        self.endpoint() == finding.endpoint && self.is_at(&finding.path, &finding.kind)
    }

    fn is_at(&self, path: &str, kind: &str) -> bool {
        let whole = ["status", "outcome", "latency"].contains(&kind);
        let header = path.starts_with("header:") || path.starts_with("cookie:");
        match (&*self.place, self.place.strip_suffix("/**")) {
            ("status", _) => kind == "status",
            ("page", _) => !whole && !header,
            (_, Some(above)) => {
                path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            (place, None) => place == path && kind == self.kind(),
        }
    }

    fn kind(&self) -> &'static str {
        match (&self.stable, &self.candidate) {
            (None, _) => "extra",
            (_, None) => "missing",
            _ => "value",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(row: &str, finding: [&str; 3], expected: bool) {
        let row = Listed::read(row).unwrap();
        let [endpoint, path, kind] = finding.map(str::to_owned);
        let finding = Finding { endpoint, path, kind };
        assert_eq!(row.explains(&finding), expected, "{row:?} {finding:?}");
    }

    #[test]
    fn a_row_says_what_was_found() {
        let status = "| `/a/7.json?b=1` | `status` | `200` | `404` |";
        check(status, ["GET /a/{id}.json", "", "status"], true);
        check(status, ["GET /a/{id}", "", "status"], false);
        check(status, ["GET /a/{id}.json", "", "value"], false);
        let extra = "| `/a` | `/*/b` | – | `1` |";
        check(extra, ["GET /a", "/*/b", "extra"], true);
        check(extra, ["GET /a", "/*/b", "missing"], false);
        check("| `/a` | `/b` | `1` | – |", ["GET /a", "/b", "missing"], true);
        check("| `/a` | `header:x` | `1` | `2` |", ["GET /a", "header:x", "value"], true);
        let below = "| `/a` | `/b/**` | `1` | `2` |";
        for (path, expected) in [("/b", true), ("/b/*/c", true), ("/bc", false), ("", false)] {
            check(below, ["GET /a", path, "length"], expected);
        }
        let page = "| `/a` | `page?` | `1` | `2` |";
        for (path, kind, expected) in [
            ("", "value", true),
            ("/html/3", "missing", true),
            ("", "latency", false),
            ("header:x", "value", false),
        ] {
            check(page, ["GET /a", path, kind], expected);
        }
    }

    #[test]
    fn the_page_has_rows_and_a_broken_one_is_an_error() {
        assert!(Listed::all().unwrap().iter().any(|row| row.place == "status"));
        assert!(Listed::read("| `/a` | `status` | `200` |").is_err());
    }
}
