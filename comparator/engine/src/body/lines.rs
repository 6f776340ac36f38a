//! Text and HTML: one difference, which shows where the texts part, by line, and which of the primary's tokens an answer changes.
//!
//! Whether two texts are equal is decided over all of them. Which lines were added and removed only serves the reader, so it
//! is worked out for up to 2,000 lines on either side of what is left between an equal beginning and end: there is no
//! clock here that could stop a longer search.

use std::cell::Cell;

use memchr::{memchr, memrchr};
use similar::{Algorithm, DiffOp};

use super::element;
use crate::diff::{self, ABSENT, Differences, Scope};
use crate::excerpt;
use crate::farther::Measure;
use crate::kind::Kind;
use crate::pattern::Segment;
use crate::refusal::Refusal;
use crate::tokens::{Changed, Text};

/// Compares two texts line by line. Of HTML, indentation and empty lines do not count, unless a `<pre>` or `<textarea>`
/// gives them a meaning.
pub(crate) fn compare(
    left: &[u8],
    right: &[u8],
    html: bool,
    at: &[Segment<'_>],
    scope: Scope<'_>,
    into: &mut Differences<'_>,
) {
    let folded = html && !keeps_blanks(left) && !keeps_blanks(right);
    let (own, other) = (Text { bytes: left, folded }, Text { bytes: right, folded });
    if lines(own).eq(lines(other)) {
        return;
    }
    let bounded = Cell::new(false);
    let measure = || {
        let changed = own.changed_in(other);
        bounded.set(changed.bounded);
        Measure::Text(changed)
    };
    let shown = |measure: &Measure, beside: Option<&Changed>| match (measure, beside) {
        (Measure::Text(changed), Some(beside)) => {
            let (at_left, at_right) = own.first(changed, beside, other);
            let place = if html { element::path(left, at_left) } else { diff::exact(at) };
            (place, (excerpt::body(left, at_left), excerpt::body(right, at_right)))
        }
        _ => (diff::exact(at), Between::of(own, other).shown()),
    };
    diff::at_measured(at, Kind::Value, scope, into, shown, measure);
    if bounded.get() {
        into.refuse(Refusal::Tokens);
    }
}

/// The lines of a text, without their ends. Of one whose blanks do not count: those that are not blank, without the blanks around.
fn lines<'a>(text: Text<'a>) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    Lines(Some(text.bytes))
        .map(move |line| if text.folded { line.trim_ascii() } else { line })
        .filter(move |line| !text.folded || !line.is_empty())
}

/// What is left to be split at line feeds.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0?;
        let Some((line, rest)) = memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at)) else {
            return self.0.take();
        };
        self.0 = rest.get(1..);
        Some(line)
    }
}

impl DoubleEndedIterator for Lines<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let rest = self.0?;
        let Some((rest, line)) = memrchr(b'\n', rest).and_then(|at| rest.split_at_checked(at)) else {
            return self.0.take();
        };
        self.0 = Some(rest);
        line.get(1..)
    }
}

/// What is left of two texts without their equal lines at the beginning and the end.
struct Between<'a> {
    head: usize,
    left: Side<'a>,
    right: Side<'a>,
}

struct Side<'a> {
    text: Text<'a>,
    /// Lines that are left.
    count: usize,
    total: usize,
}

impl<'a> Between<'a> {
    fn of(left: Text<'a>, right: Text<'a>) -> Self {
        let head = lines(left).zip(lines(right)).take_while(|(l, r)| l == r).count();
        let (lefts, rights) = (lines(left).count(), lines(right).count());
        let most = lefts.min(rights) - head;
        let ends = lines(left).rev().zip(lines(right).rev()).take(most);
        let tail = ends.take_while(|(l, r)| l == r).count();
        let side = |text, total: usize| Side { text, count: total - head - tail, total };
        Self { head, left: side(left, lefts), right: side(right, rights) }
    }

    fn shown(&self) -> (String, String) {
        let first = |side: &Side<'a>| -> Vec<&'a [u8]> {
            lines(side.text).skip(self.head).take(side.count.min(MAX_LINES)).collect()
        };
        let (lefts, rights) = (first(&self.left), first(&self.right));
        let aligned = self.left.count.max(self.right.count) <= MAX_LINES;
        let hunks = if aligned {
            similar::capture_diff_slices(Algorithm::Myers, &lefts, &rights)
        } else {
            vec![DiffOp::Replace { old_index: 0, old_len: 1, new_index: 0, new_len: 1 }]
        };
        let changes = || hunks.iter().filter(|hunk| !matches!(hunk, DiffOp::Equal { .. }));
        let hunk = changes().next().map_or((0..0, 0..0), |hunk| (hunk.old_range(), hunk.new_range()));
        let total = |range: fn(&DiffOp) -> usize| aligned.then(|| changes().map(range).sum());
        let removed = total(|hunk| hunk.old_range().len());
        let added = total(|hunk| hunk.new_range().len());
        let left = self.left.shown(self.head, &lefts, hunk.0, '-', removed);
        (left, self.right.shown(self.head, &rights, hunk.1, '+', added))
    }
}

impl Side<'_> {
    /// `line 3: "<p>a</p>" (-2 of 40 lines)`.
    fn shown(
        &self,
        head: usize,
        lines: &[&[u8]],
        hunk: std::ops::Range<usize>,
        sign: char,
        changed: Option<usize>,
    ) -> String {
        let number = head + hunk.start + 1;
        let changed = changed.map_or_else(String::new, |changed| format!("{sign}{changed} of "));
        let end = format!(" ({changed}{} {})", self.total, if self.total == 1 { "line" } else { "lines" });
        let Some(first) = lines.get(hunk.clone()).unwrap_or_default().first() else {
            return format!("line {number}: {ABSENT}{end}");
        };
        let offset = first.as_ptr().addr().saturating_sub(self.text.bytes.as_ptr().addr());
        if excerpt::is_near_credentials(self.text.bytes, offset) {
            return format!("line {number}: {}{end}", excerpt::REDACTED);
        }
        let start = format!("line {number}: \"");
        let width = excerpt::MAX_CHARS.saturating_sub(start.len() + end.len() + 1);
        let hunk = lines.get(hunk).unwrap_or_default().iter().take(MAX_SHOWN);
        let shown: Vec<String> = hunk.map(|line| excerpt::line(line, width)).collect();
        format!("{start}{}\"{end}", excerpt::line(shown.join(" | ").as_bytes(), width))
    }
}

/// Whether blanks mean something in a document.
fn keeps_blanks(html: &[u8]) -> bool {
    let named = |tag: &[u8]| {
        KEEPING.iter().any(|name| tag.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
    };
    may_keep_blanks(html) && html.split(|&byte| byte == b'<').skip(1).any(named)
}

/// Whether any tag begins with the first two letters of one of these. Nearly no page has one, so this reads all bytes without a branch,
/// which compilers turn into vector instructions.
fn may_keep_blanks(html: &[u8]) -> bool {
    let (second, third) = (html.iter().skip(1), html.iter().skip(2));
    html.iter().zip(second).zip(third).fold(false, |found, ((&mark, &one), &two)| {
        let begins = |name: [u8; 2]| (one | 0x20 == name[0]) & (two | 0x20 == name[1]);
        found | ((mark == b'<') & (begins(*b"pr") | begins(*b"te")))
    })
}

/// The tags that give blanks a meaning.
const KEEPING: [&[u8]; 2] = [b"pre", b"textarea"];
/// Lines on either side that are aligned.
const MAX_LINES: usize = 2_000;
/// Lines of a change that are shown.
const MAX_SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;

    fn check(left: &str, right: &str, html: bool, expected: &[&str]) {
        let (rules, mut found) = (Rules::default(), Differences::detailed());
        let scope = Scope { endpoint: "GET /", rules: &rules };
        compare(left.as_bytes(), right.as_bytes(), html, &[], scope, &mut found);
        let lines: Vec<String> =
            found.into_details().map(|(s, d)| format!("{}: {} -> {}", s.1, d.primary, d.other)).collect();
        assert_eq!(lines, expected, "{left} {right}");
    }

    #[test]
    fn a_text_shows_where_it_parts() {
        check("a\nb\nc", "a\nb\nc", false, &[]);
        check(
            "a\nb\nc",
            "a\nx\nc",
            false,
            &["value: line 2: \"b\" (-1 of 3 lines) -> line 2: \"x\" (+1 of 3 lines)"],
        );
        check(
            "a\nc",
            "a\nb1\nb2\nc",
            false,
            &["value: line 2: (absent) (-0 of 2 lines) -> line 2: \"b1 | b2\" (+2 of 4 lines)"],
        );
        check(
            "a\r\n",
            "a\n",
            false,
            &["value: line 1: \"a␍\" (-1 of 2 lines) -> line 1: \"a\" (+1 of 2 lines)"],
        );
        check(
            "a\na",
            "a",
            false,
            &["value: line 2: \"a\" (-1 of 2 lines) -> line 2: (absent) (+0 of 1 line)"],
        );
        check(
            "user\ntoken=1",
            "user\ntoken=2",
            false,
            &["value: line 2: (redacted) (-1 of 2 lines) -> line 2: (redacted) (+1 of 2 lines)"],
        );
    }

    #[test]
    fn indentation_of_html_does_not_count_where_it_means_nothing() {
        check("<p>\n  a\n</p>\n\n", "<p>\n\ta\r\n</p>", true, &[]);
        check(
            "<p>\n  a\n</p>",
            "<p>\n a\n</p>",
            false,
            &["value: line 2: \"  a\" (-1 of 3 lines) -> line 2: \" a\" (+1 of 3 lines)"],
        );
        check(
            "<PRE>\n  a</PRE>",
            "<PRE>\n a</PRE>",
            true,
            &["value: line 2: \"  a</PRE>\" (-1 of 2 lines) -> line 2: \" a</PRE>\" (+1 of 2 lines)"],
        );
        assert!(
            keeps_blanks(b"<tEXTArea") && keeps_blanks(b"<p><pre>") && !keeps_blanks(b"<progress><p pre><")
        );
        check(
            "<p>a</p>",
            "<p>b</p>",
            true,
            &["value: line 1: \"<p>a</p>\" (-1 of 1 line) -> line 1: \"<p>b</p>\" (+1 of 1 line)"],
        );
    }

    #[test]
    fn texts_of_any_length_are_decided_and_shown_shortly() {
        let long = |word: &str| format!("{word}\n").repeat(100_000);
        check(
            &long("a"),
            &long("b"),
            false,
            &["value: line 1: \"a\" (100001 lines) -> line 1: \"b\" (100001 lines)"],
        );
        let wide = "x".repeat(1_000);
        let (rules, mut found) = (Rules::default(), Differences::detailed());
        compare(wide.as_bytes(), b"", false, &[], Scope { endpoint: "", rules: &rules }, &mut found);
        assert!(found.into_details().all(|(_, detail)| detail.primary.chars().count() <= excerpt::MAX_CHARS));
    }
}
