//! The report as Markdown, to be pasted into a pull request: the verdict and why, then tables, the long ones folded.
//!
//! Whatever came from the network stands in code spans, or has its marks escaped: an answer must neither break a table nor
//! mention somebody.

use std::fmt::Write as _;

use crate::render::{MAX_SHOWN, counted, cut, duration, findings, suspect};
use crate::report::{EndpointReport, LegLatencies, Noise, Quantiles, Regression, Report};
use crate::statuses;
use crate::verdict::Verdict;
use crate::wording::{count, exchanges, many, percent, place};

impl Report {
    /// Writes the report as GitHub-flavoured Markdown.
    pub fn to_markdown(&self) -> String {
        let mut page = Page::default();
        page.top(self);
        page.regressions("Regressions", &self.regressions);
        page.regressions(self.suspected_title(), &self.suspected);
        page.endpoints(self);
        let (suspects, noise): (Vec<&Noise>, Vec<&Noise>) =
            self.noise.iter().partition(|noise| suspect(noise));
        page.differences("Not yet told apart: maybe by chance", &suspects);
        page.differences("Noise: the stable version differs as well", &noise);
        page.suggestions(self);
        page.uncontrolled(self);
        page.refused(self);
        page.out
    }
}

#[derive(Default)]
struct Page {
    out: String,
}

impl Page {
    fn top(&mut self, report: &Report) {
        let sign = match report.verdict {
            Verdict::Promote => "✅",
            Verdict::Wait => "⏳",
            Verdict::RollBack => "❌",
        };
        let verdict = report.verdict.to_string().to_uppercase();
        self.line(&format!("### {sign} {}: {verdict}", text(&cut(&report.release, 60))));
        let uncovered = report.not_covered_besides().map(|uncovered| &uncovered.text);
        let warnings: Vec<&String> = uncovered.chain(&report.notes).collect();
        for (bullet, lines) in [("- ⚠️ ", warnings), ("- ", report.reasons.iter().collect())] {
            if !lines.is_empty() {
                self.line("");
            }
            lines.into_iter().for_each(|line| self.line(&format!("{bullet}{}", text(line))));
        }
        if let Some(forecast) = report.forecast.filter(|forecast| forecast.exchanges.upper > 0) {
            self.line(&format!("\nNeeded: {forecast}."));
        }
        let delivery = report.delivery;
        self.line(&format!(
            "\n{}, {} compared with a control, {} of which answered like the primary; up to {} of answers may be worse. {} mirrored, {} not delivered{}, {} not sent{}.",
            exchanges(report.exchanges),
            count(report.controlled),
            count(report.effective),
            percent(report.excess_at_most),
            count(delivery.mirrored),
            count(delivery.undelivered),
            text(&delivery.why_undelivered()),
            many(delivery.not_sent, "shadow"),
            text(&delivery.why_not_sent()),
        ));
        if report.statuses.len() > 1 {
            self.line(&format!("\n{}.", text(&statuses::worded(&report.statuses))));
        }
    }

    fn regressions(&mut self, title: &str, all: &[Regression]) {
        if all.is_empty() {
            return;
        }
        self.line(&format!("\n#### {title} ({})", counted(findings(all).count(), all.len())));
        self.head("| endpoint | place | kind | effect | evidence |", "|---|---|---|---|--:|");
        for found in all.iter().take(MAX_SHOWN) {
            self.line(&format!(
                "| {} | {} | {} | {} | 10^{:.1} |",
                code(&found.endpoint),
                code(place(&found.path, found.kind)),
                found.kind,
                text(&found.effect()),
                found.evidence_log10
            ));
        }
        self.more(all.len());
        self.examples(all);
    }

    fn refused(&mut self, report: &Report) {
        if report.refused.is_empty() {
            return;
        }
        self.fold(&format!("Not read: bodies that were compared as bytes ({})", report.refused.len()));
        self.head("| endpoint | why | candidate | control |", "|---|---|--:|--:|");
        for refused in report.refused.iter().take(MAX_SHOWN) {
            self.line(&format!(
                "| {} | {} | {} | {} |",
                code(&refused.endpoint),
                text(refused.reason.explained()),
                refused.candidate,
                refused.control
            ));
        }
        self.more(report.refused.len());
        self.unfold();
    }

    fn examples(&mut self, all: &[Regression]) {
        let shown = all.iter().take(MAX_SHOWN).filter_map(|found| Some((found, found.example.as_ref()?)));
        let mut shown = shown.peekable();
        if shown.peek().is_none() {
            return;
        }
        self.fold("Examples");
        self.head("| request | place | primary | candidate | control |", "|---|---|---|---|---|");
        for (found, example) in shown {
            self.line(&format!(
                "| {} | {} | {} | {} | {} |",
                code(if example.request.is_empty() { &found.endpoint } else { &example.request }),
                code(if example.path.is_empty() { place("", found.kind) } else { &example.path }),
                code(&example.primary),
                code(&example.candidate),
                code(example.control.as_deref().unwrap_or_default()),
            ));
        }
        self.unfold();
    }

    fn endpoints(&mut self, report: &Report) {
        if report.endpoints.is_empty() {
            return;
        }
        self.fold(&format!("Endpoints ({})", report.endpoints.len()));
        self.head(
            "| endpoint | exchanges | effective | worse ≤ | leg | p50 | p90 | p99 |",
            "|---|--:|--:|--:|---|--:|--:|--:|",
        );
        for endpoint in report.endpoints.iter().take(MAX_SHOWN) {
            self.legs(&figures(endpoint), &endpoint.latency);
        }
        let (exchanges, effective) = (report.exchanges, report.effective);
        let all = format!("| all | {exchanges} | {effective} | {} |", percent(report.excess_at_most));
        self.legs(&all, &report.latency);
        self.more(report.endpoints.len());
        self.unfold();
    }

    /// A row for each leg, the first with `head`.
    fn legs(&mut self, head: &str, latency: &LegLatencies) {
        let legs =
            [("primary", &latency.primary), ("candidate", &latency.candidate), ("control", &latency.control)];
        let rows: Vec<String> = legs
            .into_iter()
            .filter_map(|(name, quantiles)| Some(format!(" {name} |{}", columns(quantiles.as_ref()?))))
            .collect();
        let heads = std::iter::once(head).chain(std::iter::repeat("| | | | |"));
        heads.zip(&rows).for_each(|(head, row)| self.line(&format!("{head}{row}")));
        if rows.is_empty() {
            self.line(&format!("{head} | | | |"));
        }
    }

    fn differences(&mut self, title: &str, all: &[&Noise]) {
        if all.is_empty() {
            return;
        }
        self.fold(&format!("{title} ({})", all.len()));
        self.head(
            "| endpoint | place | kind | only candidate | only control | both |",
            "|---|---|---|--:|--:|--:|",
        );
        for noise in all.iter().take(MAX_SHOWN) {
            self.line(&format!(
                "| {} | {} | {} | {} | {} | {} |",
                code(&noise.endpoint),
                code(place(&noise.path, noise.kind)),
                noise.kind,
                noise.candidate_only,
                noise.control_only,
                noise.both
            ));
        }
        self.more(all.len());
        self.unfold();
    }

    /// As they are pasted. Every line begins with a blank, so none ends the block.
    fn suggestions(&mut self, report: &Report) {
        let all = &report.suggestions;
        if all.is_empty() {
            return;
        }
        self.fold(&format!("Suggested rules, if that is meant to differ ({})", all.len()));
        self.line("\n```yaml\ncompare:\n  rules:");
        for suggestion in all.iter().take(MAX_SHOWN) {
            self.line(&format!("  # {}\n  - {}", suggestion.worth(), suggestion.rule));
        }
        self.line("```");
        self.more(all.len());
        self.unfold();
    }

    fn uncontrolled(&mut self, report: &Report) {
        let all = &report.uncontrolled;
        if all.is_empty() {
            return;
        }
        self.fold(&format!("Differences without control, advisory ({})", all.len()));
        self.head("| endpoint | place | kind | exchanges |", "|---|---|---|--:|");
        for found in all.iter().take(MAX_SHOWN) {
            let (endpoint, place) = (code(&found.endpoint), code(place(&found.path, found.kind)));
            self.line(&format!("| {endpoint} | {place} | {} | {} |", found.kind, found.exchanges));
        }
        self.more(all.len());
        self.unfold();
    }

    fn head(&mut self, names: &str, rule: &str) {
        self.line(&format!("\n{names}\n{rule}"));
    }

    fn fold(&mut self, title: &str) {
        self.line(&format!("\n<details><summary>{title}</summary>"));
    }

    fn unfold(&mut self) {
        self.line("\n</details>");
    }

    fn more(&mut self, listed: usize) {
        if listed > MAX_SHOWN {
            self.line(&format!("\n… {} more in the JSON report", listed - MAX_SHOWN));
        }
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
    }
}

fn figures(endpoint: &EndpointReport) -> String {
    let mark = if endpoint.comparable { "" } else { "!" };
    let worse = percent(endpoint.excess_at_most);
    format!(
        "| {} | {} | {}{mark} | {worse} |",
        code(&endpoint.endpoint),
        endpoint.exchanges,
        endpoint.effective
    )
}

fn columns(quantiles: &Quantiles) -> String {
    let Quantiles { count, p50, p90, p99, .. } = quantiles;
    let each = [(p50, 0.5), (p90, 0.9), (p99, 0.99)];
    each.map(|(quantile, of)| format!(" {} |", duration(*quantile, of, *count))).concat()
}

/// A code span that stands in a table: fenced by more backticks than it holds, without bars and line ends of its own.
fn code(value: &str) -> String {
    let value: String = cut(value, MAX_CELL).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(1 + value.split(|c| c != '`').map(str::len).max().unwrap_or(0));
    let blank = if value.starts_with('`') || value.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{}{blank}{fence}", value.replace('|', "\\|"))
}

/// Text in which nothing is a mark: neither emphasis nor HTML, neither a link nor a mention.
fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' => {
                out.extend(['\\', c]);
            }
            // No mark can be escaped here; a blank without width keeps a name from being one.
            '@' => out.push_str("@\u{200b}"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.replace("://", ":\u{200b}//")
}

/// Most characters of a cell.
const MAX_CELL: usize = 90;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_the_network_is_a_mark() {
        for (value, expected) in [
            ("/items/*/price", "`/items/*/price`"),
            ("", ""),
            ("a|b\nc", "`a\\|b c`"),
            ("`", "`` ` ``"),
            ("x ``` y", "````x ``` y````"),
        ] {
            assert_eq!(code(value), expected, "{value:?}");
        }
        assert_eq!(text("GET /<b>*_x_* @all #1 | a"), "GET /\\<b\\>\\*\\_x\\_\\* @\u{200b}all \\#1 \\| a");
        assert_eq!(text("see https://evil"), "see https:\u{200b}//evil");
    }
}
