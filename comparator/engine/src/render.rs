//! The report as text of at most 110 columns: the verdict and why first, then what proves it, then the rest.

use std::fmt::Write as _;

use crate::kind::Kind;
use crate::report::{EndpointReport, Interval, LegLatencies, Noise, Quantiles, Regression, Report};
use crate::stats;
use crate::statuses;
use crate::verdict::Verdict;
use crate::wording::{self, count, joined, percent, place};

impl Report {
    /// Writes the report as plain text, or with the colours of a terminal.
    pub fn to_text(&self, colour: bool) -> String {
        let mut page = Page { out: String::new(), colour };
        page.top(self);
        let title = if self.gates.calibration { "False alarms" } else { "Regressions" };
        page.regressions(title, &self.regressions);
        page.regressions("Suspected: maybe a burst", &self.suspected);
        page.endpoints(self);
        let (suspects, noise): (Vec<&Noise>, Vec<&Noise>) =
            self.noise.iter().partition(|noise| suspect(noise));
        page.suspects(&suspects);
        page.noise(&noise);
        page.suggestions(self);
        page.uncontrolled(self);
        page.refused(self);
        page.out
    }
}

struct Page {
    out: String,
    colour: bool,
}

impl Page {
    fn top(&mut self, report: &Report) {
        let style = match report.verdict {
            Verdict::Promote => GREEN,
            Verdict::Wait => YELLOW,
            Verdict::RollBack => RED,
        };
        let verdict = self.styled(style, &report.verdict.to_string().to_uppercase());
        self.line(&format!("{}  {verdict}", cut(&report.release, 60)));
        for uncovered in report.not_covered_besides() {
            self.wrapped("! ", &uncovered.text);
        }
        for note in &report.notes {
            self.wrapped("! ", note);
        }
        for reason in &report.reasons {
            self.wrapped("- ", reason);
        }
        if let Some(forecast) = report.forecast.filter(|forecast| forecast.exchanges.upper > 0) {
            self.wrapped("", &format!("promotion: {forecast}"));
        }
        if report.exchanges > 0 {
            self.counts(report);
        }
    }

    fn counts(&mut self, report: &Report) {
        let counts = format!(
            "{} exchanges, {} with control, {} effective",
            report.exchanges, report.controlled, report.effective
        );
        self.line(&format!("  {counts}; at most {} worse", percent(report.excess_at_most)));
        if report.statuses.len() > 1 {
            self.wrapped("", &statuses::worded(&report.statuses));
        }
        let delivery = report.delivery;
        if delivery.undelivered + delivery.not_sent > 0 {
            let (lost, unsent) = (count(delivery.undelivered), count(delivery.not_sent));
            let (why_lost, why_unsent) = (delivery.why_undelivered(), delivery.why_not_sent());
            let counts = format!(
                "{} mirrored, {lost} not delivered{why_lost}, {unsent} shadows not sent{why_unsent}",
                count(delivery.mirrored)
            );
            self.wrapped("", &counts);
        }
    }

    fn regressions(&mut self, title: &str, all: &[Regression]) {
        if all.is_empty() {
            return;
        }
        let findings: Vec<&[Regression]> = findings(all).collect();
        self.title(&format!("{title} ({})", counted(findings.len(), all.len())));
        for finding in findings.iter().take(MAX_SHOWN) {
            if let [lead, others @ ..] = finding {
                self.regression(lead);
                self.others(lead, others);
            }
        }
        self.more(findings.len());
    }

    /// Where else the cause shows.
    fn others(&mut self, lead: &Regression, others: &[Regression]) {
        if others.is_empty() {
            return;
        }
        let names = others.iter().take(MAX_NAMED).map(|other| {
            // What is the same at all of them need not be said again.
            let path = if other.path == lead.path { "" } else { &other.path };
            let endpoint = if other.endpoint == lead.endpoint { "" } else { &other.endpoint };
            joined(&[&cut(endpoint, 42), &cut(path, 48)])
        });
        let names: Vec<String> = names.collect();
        let more = others.len().saturating_sub(MAX_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        self.wrapped("    ", &format!("the same {}: {}{more}", also(lead, others), names.join(", ")));
    }

    fn regression(&mut self, regression: &Regression) {
        let what = self.styled(RED, &what(regression.kind, regression.step));
        let place = cut(place(&regression.path, regression.kind), 48);
        self.line(&format!("  {}", joined(&[&cut(&regression.endpoint, 42), &place, &what])));
        let (a, b, n) = (regression.candidate_only, regression.control_only, regression.exchanges);
        let evidence = regression.evidence_log10;
        self.line(&format!(
            "      only the candidate {a}, only the control {b} of {n}; evidence 10^{evidence:.1}"
        ));
        let Some(example) = &regression.example else { return };
        let place =
            if example.path.is_empty() { String::new() } else { format!(" at {}", cut(&example.path, 60)) };
        let without = match example.without.join(", ") {
            none if none.is_empty() => none,
            names => format!(", without plugin {}", cut(&names, 40)),
        };
        self.line(&format!("      example {}{place}{without}", example.exchange));
        if !example.request.is_empty() {
            self.line(&format!("        request   {}", cut(&example.request, 90)));
        }
        self.line(&format!("        primary   {}", cut(&example.primary, 90)));
        self.line(&format!("        candidate {}", cut(&example.candidate, 90)));
        if let Some(control) = &example.control {
            self.line(&format!("        control   {}", cut(control, 90)));
        }
    }

    fn endpoints(&mut self, report: &Report) {
        if report.endpoints.is_empty() {
            return;
        }
        self.title("Endpoints");
        self.line(&format!(
            "  {:<40}{:>9}{:>11}{:>9}  {:<10}{:>8}{:>8}{:>8}",
            "", "exchanges", "effective", "worse ≤", "", "p50", "p90", "p99"
        ));
        for endpoint in report.endpoints.iter().take(MAX_SHOWN) {
            let head = format!("{:<40}{}", cut(&endpoint.endpoint, 39), figures(endpoint));
            self.legs(&head, &endpoint.latency);
        }
        self.more(report.endpoints.len());
        let head = format!(
            "{:<40}{:>9}{:>11}{:>9}",
            "all",
            report.exchanges,
            report.effective,
            percent(report.excess_at_most)
        );
        self.legs(&head, &report.latency);
    }

    /// Three lines, the first with `head`.
    fn legs(&mut self, head: &str, latency: &LegLatencies) {
        let legs =
            [("primary", &latency.primary), ("candidate", &latency.candidate), ("control", &latency.control)];
        let shown = legs.into_iter().filter_map(|(name, quantiles)| Some((name, quantiles.as_ref()?)));
        let mut heads = std::iter::once(head).chain(std::iter::repeat(""));
        let mut none = true;
        for (name, quantiles) in shown {
            none = false;
            self.line(&format!(
                "  {:<69}  {name:<10}{}",
                heads.next().unwrap_or_default(),
                columns(quantiles)
            ));
        }
        if none {
            self.line(&format!("  {head}"));
        }
    }

    fn noise(&mut self, noises: &[&Noise]) {
        if noises.is_empty() {
            return;
        }
        self.title("Noise: the control differs as well");
        self.line(&format!("  {:<74}{:>9}{:>8}{:>7}{:>8}", "", "candidate", "control", "both", "costs"));
        for noise in noises.iter().take(MAX_SHOWN) {
            let costs = noise.costs.map_or_else(|| "?".to_owned(), |costs| costs.to_string());
            self.line(&format!("{}{costs:>8}", discordant(noise)));
        }
        self.more(noises.len());
        self.line("  costs: exchanges that declaring the path under `compare` saves until promotion,");
        self.line("         ? if promotion is out of reach at the present rates");
    }

    fn suspects(&mut self, suspects: &[&Noise]) {
        if suspects.is_empty() {
            return;
        }
        self.title("Not yet told apart: the candidate differs more often than the control, maybe by chance");
        self.line(&format!("  {:<74}{:>9}{:>8}{:>7}", "", "candidate", "control", "both"));
        for suspect in suspects.iter().take(MAX_SHOWN) {
            self.line(&discordant(suspect));
        }
        self.more(suspects.len());
    }

    fn uncontrolled(&mut self, report: &Report) {
        if report.uncontrolled.is_empty() {
            return;
        }
        self.title("Differences without control (advisory: noise is not told apart)");
        for found in report.uncontrolled.iter().take(MAX_SHOWN) {
            let place = subject(&found.endpoint, 40, &found.path, 40, found.kind);
            self.line(&format!("  {place:<95}{:>9}", found.exchanges));
        }
        self.more(report.uncontrolled.len());
    }

    fn refused(&mut self, report: &Report) {
        if report.refused.is_empty() {
            return;
        }
        self.title("Not read: bodies that were compared as bytes");
        self.line(&format!("  {:<50}{:<36}{:>9}{:>8}", "", "", "candidate", "control"));
        for refused in report.refused.iter().take(MAX_SHOWN) {
            let (endpoint, reason) = (cut(&refused.endpoint, 49), refused.reason.explained());
            self.line(&format!("  {endpoint:<50}{reason:<36}{:>9}{:>8}", refused.candidate, refused.control));
        }
        self.more(report.refused.len());
    }

    fn suggestions(&mut self, report: &Report) {
        if report.suggestions.is_empty() {
            return;
        }
        self.title("Suggested for `compare: {rules: […]}`, if that is meant to differ");
        for suggestion in report.suggestions.iter().take(MAX_SHOWN) {
            // Whole, however long: it is to be pasted.
            self.line(&format!("  - {}", suggestion.rule));
            self.wrapped("  ", &suggestion.worth());
        }
        self.more(report.suggestions.len());
    }

    fn more(&mut self, listed: usize) {
        if listed > MAX_SHOWN {
            self.line(&format!("  … {} more in the JSON report", listed - MAX_SHOWN));
        }
    }

    fn title(&mut self, text: &str) {
        let title = self.styled(BOLD, text);
        let _ = writeln!(self.out, "\n{title}");
    }

    /// Breaks at blanks; what is longer than a line is cut.
    fn wrapped(&mut self, bullet: &str, text: &str) {
        let mut line = format!("  {bullet}");
        let mut width = line.chars().count();
        for word in text.split(' ') {
            let word = cut(word, COLUMNS - 10);
            let length = word.chars().count();
            if width + length > COLUMNS {
                self.line(line.trim_end());
                line = " ".repeat(4);
                width = 4;
            }
            line.push_str(&word);
            line.push(' ');
            width += length + 1;
        }
        self.line(line.trim_end());
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}", text.trim_end());
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Places of one cause, one after the other.
pub(crate) fn findings(all: &[Regression]) -> impl Iterator<Item = &[Regression]> {
    all.chunk_by(|one, next| one.cause == next.cause && one.cause > 0)
}

/// `3`, or `3 at 12 places`.
pub(crate) fn counted(findings: usize, places: usize) -> String {
    if findings == places { findings.to_string() } else { format!("{findings} at {places} places") }
}

/// At what else a cause shows.
fn also(lead: &Regression, others: &[Regression]) -> &'static str {
    if others.iter().all(|other| other.path == lead.path) { "at" } else { "with" }
}

/// Whether what is known speaks for a regression rather than for noise, without proving it.
pub(crate) fn suspect(noise: &Noise) -> bool {
    stats::ln_evidence(noise.candidate_only, noise.control_only) > 0.0
}

fn discordant(noise: &Noise) -> String {
    let subject = subject(&noise.endpoint, 32, &noise.path, 31, noise.kind);
    let (a, b, both) = (noise.candidate_only, noise.control_only, noise.both);
    format!("  {subject:<74}{a:>9}{b:>8}{both:>7}")
}

fn subject(endpoint: &str, width: usize, path: &str, path_width: usize, kind: Kind) -> String {
    joined(&[&cut(endpoint, width), &cut(place(path, kind), path_width), &kind.to_string()])
}

pub(crate) fn what(kind: Kind, step: Option<f64>) -> String {
    match step {
        Some(step) => format!("latency: slower than {step} × control + 1 ms"),
        None => kind.to_string(),
    }
}

fn figures(endpoint: &EndpointReport) -> String {
    let mark = if endpoint.comparable { "" } else { "!" };
    let effective = format!("{}{mark}", endpoint.effective);
    format!("{:>9}{effective:>11}{:>9}", endpoint.exchanges, percent(endpoint.excess_at_most))
}

fn columns(quantiles: &Quantiles) -> String {
    [quantiles.p50, quantiles.p90, quantiles.p99]
        .map(|quantile| format!("{:>8}", duration(quantile)))
        .concat()
}

/// The quantile of the sample; where that sets no upper end, `≥` and the lower one.
pub(crate) fn duration(quantile: Interval) -> String {
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

const COLUMNS: usize = 110;
/// Most further places of a finding that are named.
const MAX_NAMED: usize = 4;
/// Most lines of one part of the page.
pub(crate) const MAX_SHOWN: usize = 20;
const BOLD: &str = "1";
const RED: &str = "1;31";
const GREEN: &str = "1;32";
const YELLOW: &str = "1;33";
