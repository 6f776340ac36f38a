//! The report in at most twenty lines: what to do, what that does not cover, why, and what is needed.
//!
//! Where it does not fit, the last lines of each kind go, and one says how many.

use super::page::{Page, TextStyle, cut, findings, wrap};
use crate::hypothesis::Example;
use crate::report::{Gap, Regression, Report};
use crate::verdict::{Code, Verdict};
use crate::wording::{count, exchanges, percent};

pub(super) fn written(report: &Report, style: TextStyle, more: &str) -> String {
    let mut page = Page::new(style);
    page.verdict(report);
    if report.exchanges > 0 {
        page.wrapped("", &counts(report));
    }
    let columns = page.style.columns;
    let ends = ends(report, more, columns);
    let taken = page.out.lines().count() + ends.len();
    let room = MAX_LINES.saturating_sub(taken);
    let lines = fitting(&warnings(report, columns), &reasons(report, columns), room);
    lines.into_iter().chain(ends).for_each(|line| page.line(&line));
    page.out
}

/// `2,000 exchanges compared; up to 65 % of answers may be worse`.
fn counts(report: &Report) -> String {
    let compared = match report.controlled {
        controlled if controlled == report.exchanges => format!("{} compared", exchanges(controlled)),
        controlled => {
            format!("{}, {} compared with a control", exchanges(report.exchanges), count(controlled))
        }
    };
    let bound = match report.verdict {
        Verdict::Wait if report.excess_at_most < 1.0 => {
            format!("; up to {} of answers may be worse", percent(report.excess_at_most))
        }
        _ => String::new(),
    };
    let elsewhere = match report.dropped.elsewhere {
        0 => String::new(),
        elsewhere => format!("; {} answered by another variant, so not compared", count(elsewhere)),
    };
    format!("{compared}{bound}{elsewhere}")
}

/// Lines that come or go together.
type Block = Vec<String>;

/// Lines of one kind, and how many more there are elsewhere.
struct Group {
    blocks: Vec<Block>,
    beyond: usize,
}

/// What the verdict does not cover, and what else the reader must know.
fn warnings(report: &Report, columns: usize) -> Group {
    let uncovered = report.not_covered_besides().filter(|uncovered| match uncovered.cause {
        // The counts say so, or the reason does where nothing was counted.
        Gap::Elsewhere => false,
        Gap::Endpoint => !says(report, Code::Coverage),
        _ => true,
    });
    let texts = uncovered.map(|uncovered| &uncovered.text).chain(&report.notes);
    Group { blocks: texts.map(|text| wrap("  ! ", "    ", text, columns)).collect(), beyond: 0 }
}

fn says(report: &Report, code: Code) -> bool {
    report.reason_details.iter().any(|reason| reason.code == code)
}

/// Each with an example, if it is a finding.
fn reasons(report: &Report, columns: usize) -> Group {
    let mut found = findings(&report.regressions).filter_map(<[Regression]>::first);
    let mut suspected = findings(&report.suspected).filter_map(<[Regression]>::first);
    let mut beyond = 0;
    let mut blocks = Vec::new();
    for (text, reason) in report.reasons.iter().zip(&report.reason_details) {
        let finding = match reason.code {
            Code::Regression | Code::Slower | Code::FalseAlarm => found.next(),
            Code::Suspected => suspected.next(),
            Code::More => {
                beyond = reason.value.unwrap_or_default() as usize;
                continue;
            }
            _ => None,
        };
        let mut lines = wrap("  - ", "    ", text, columns);
        let example = finding.and_then(|finding| finding.example.as_ref());
        lines.extend(example.map(|example| cut(&shown(example), columns)));
        blocks.push(lines);
    }
    Group { blocks, beyond }
}

/// `GET /items/7 at /stock: 12 → "12"`.
fn shown(example: &Example) -> String {
    let Example { request, path, primary, candidate, .. } = example;
    let place = [cut(request, MAX_REQUEST), cut(path, MAX_PATH)];
    let place: Vec<String> = place.into_iter().filter(|part| !part.is_empty()).collect();
    format!("      {}: {} → {}", place.join(" at "), cut(primary, MAX_VALUE), cut(candidate, MAX_VALUE))
}

/// What is needed, and where the rest is.
fn ends(report: &Report, more: &str, columns: usize) -> Block {
    let forecast = report.forecast.filter(|forecast| forecast.exchanges.upper > 0);
    let mut lines: Block = forecast
        .map_or_else(Vec::new, |forecast| wrap("  ", "    ", &format!("needed: {forecast}"), columns));
    if !more.is_empty() {
        lines.push(cut(&format!("  {more}"), columns));
    }
    lines
}

/// As many lines as there is room for, in order: the first of each group, then the second, and so on, reasons before warnings.
fn fitting(warnings: &Group, reasons: &Group, room: usize) -> Vec<String> {
    let lines =
        |group: &Group| group.blocks.iter().map(Vec::len).sum::<usize>() + usize::from(group.beyond > 0);
    let whole = lines(warnings) + lines(reasons);
    // Each group that is cut short says so in a line of its own.
    let mut left = if whole <= room { room } else { room.saturating_sub(2) };
    let mut kept = [0, 0];
    for turn in 0..warnings.blocks.len().max(reasons.blocks.len()) {
        for (group, kept) in [reasons, warnings].into_iter().zip(&mut kept) {
            let fits = |block: &&Block| *kept == turn && block.len() <= left;
            let Some(block) = group.blocks.get(turn).filter(fits) else { continue };
            left -= block.len();
            *kept += 1;
        }
    }
    let [of_reasons, of_warnings] = kept;
    [warnings.first(of_warnings), reasons.first(of_reasons)].concat()
}

impl Group {
    fn first(&self, kept: usize) -> Vec<String> {
        let mut lines: Vec<String> = self.blocks.iter().take(kept).flatten().cloned().collect();
        let hidden = self.blocks.len() - kept + self.beyond;
        if hidden > 0 {
            lines.push(format!("    and {} more", count(hidden as u64)));
        }
        lines
    }
}

/// Lines of a summary: what one sees at once.
const MAX_LINES: usize = 20;
const MAX_REQUEST: usize = 44;
const MAX_PATH: usize = 28;
const MAX_VALUE: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_group_stays_and_the_rest_is_counted() {
        let group = |name: &str, blocks: usize, beyond| Group {
            blocks: (0..blocks).map(|at| vec![format!("{name}{at}"), format!("{name}{at}'")]).collect(),
            beyond,
        };
        let lines = |room, beyond| fitting(&group("w", 2, 0), &group("r", 3, beyond), room).join(" ");
        assert_eq!(lines(10, 0), "w0 w0' w1 w1' r0 r0' r1 r1' r2 r2'");
        assert_eq!(lines(11, 4), "w0 w0' w1 w1' r0 r0' r1 r1' r2 r2'     and 4 more");
        assert_eq!(lines(9, 0), "w0 w0'     and 1 more r0 r0' r1 r1'     and 1 more");
        assert_eq!(lines(4, 4), "    and 2 more r0 r0'     and 6 more");
    }
}
