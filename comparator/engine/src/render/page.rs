//! What both forms of the report are written on: lines of a width, and figures as they are shown.

use std::fmt::Write as _;

use crate::report::{Interval, Noise, Regression, Report};
use crate::stats;
use crate::verdict::Verdict;
use crate::wording;

/// How text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Characters of a line, at most. Fewer than 60 count as 60.
    pub columns: usize,
    /// With the colours of a terminal (ECMA-48).
    pub colour: bool,
}

impl Default for TextStyle {
    /// For a file, a pipe, or a terminal of unknown width.
    fn default() -> Self {
        Self { columns: 110, colour: false }
    }
}

/// Text that grows line by line.
pub(super) struct Page {
    pub(super) out: String,
    pub(super) style: TextStyle,
}

impl Page {
    pub(super) fn new(style: TextStyle) -> Self {
        Self { out: String::new(), style: TextStyle { columns: style.columns.max(NARROWEST), ..style } }
    }

    /// Whether tables have their columns side by side.
    pub(super) fn is_wide(&self) -> bool {
        self.style.columns >= TABLE
    }

    /// The release's name and its verdict.
    pub(super) fn verdict(&mut self, report: &Report) {
        let style = match report.verdict {
            Verdict::Promote => GREEN,
            Verdict::Wait => YELLOW,
            Verdict::RollBack => RED,
        };
        let verdict = self.styled(style, &report.verdict.to_string().to_uppercase());
        let room = self.style.columns.saturating_sub(12);
        self.line(&format!("{}  {verdict}", cut(&report.release, room)));
    }

    pub(super) fn title(&mut self, text: &str) {
        self.line("");
        for line in wrap("", "", text, self.style.columns) {
            let line = self.styled(BOLD, &line);
            self.line(&line);
        }
    }

    /// Breaks at blanks; what is longer than a line is cut.
    pub(super) fn wrapped(&mut self, bullet: &str, text: &str) {
        let next = " ".repeat((2 + bullet.chars().count()).max(4));
        for line in wrap(&format!("  {bullet}"), &next, text, self.style.columns) {
            self.line(&line);
        }
    }

    /// One line, cut where it is too long.
    pub(super) fn short(&mut self, text: &str) {
        let text = cut(text, self.style.columns);
        self.line(&text);
    }

    pub(super) fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}", text.trim_end());
    }

    pub(super) fn styled(&self, style: &str, text: &str) -> String {
        if self.style.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Lines of at most `columns` characters, broken at blanks; the first begins with `first`, the others with `next`.
pub(super) fn wrap(first: &str, next: &str, text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut width = line.chars().count();
    for word in text.split(' ') {
        let word = cut(word, columns.saturating_sub(10));
        let length = word.chars().count();
        if width + length > columns {
            lines.push(std::mem::replace(&mut line, next.to_owned()).trim_end().to_owned());
            width = next.chars().count();
        }
        line.push_str(&word);
        line.push(' ');
        width += length + 1;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// Places of one cause, one after the other.
pub(crate) fn findings(all: &[Regression]) -> impl Iterator<Item = &[Regression]> {
    all.chunk_by(|one, next| one.cause == next.cause && one.cause > 0)
}

/// `3`, or `3 at 12 places`.
pub(crate) fn counted(findings: usize, places: usize) -> String {
    if findings == places { findings.to_string() } else { format!("{findings} at {places} places") }
}

/// Whether what is known speaks for a regression rather than for noise, without proving it.
pub(crate) fn suspect(noise: &Noise) -> bool {
    stats::ln_evidence(noise.candidate_only, noise.control_only) > 0.0
}

/// The quantile of a sample of `count`; where that sets no upper end, `≥` and the lower one. `–` where so few answers have no such
/// quantile: of fifty, none is slower than 99 %.
pub(crate) fn duration(quantile: Interval, of: f64, count: u64) -> String {
    if (count as f64) * (1.0 - of) < 1.0 - ROUNDING {
        return "–".to_owned();
    }
    let (open, shown) = if quantile.upper.is_none() { ("≥", quantile.lower) } else { ("", quantile.value) };
    format!("{open}{}", wording::duration(shown))
}

/// At most `width` characters.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().nth(width).is_none() {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The least width that is kept to.
const NARROWEST: usize = 60;
/// The width from which on tables have their columns side by side.
const TABLE: usize = 110;
/// A hundred answers have a 99th percentile, whatever 1 - 0.99 is in binary.
const ROUNDING: f64 = 1e-9;
/// Most lines of one part of the page.
pub(crate) const MAX_SHOWN: usize = 20;
const BOLD: &str = "1";
pub(super) const RED: &str = "1;31";
const GREEN: &str = "1;32";
const YELLOW: &str = "1;33";
