//! Everything that the report has: the verdict and why first, then what proves it, then the rest.

use super::page::{MAX_SHOWN, Page, RED, TextStyle, counted, cut, duration, findings, suspect};
use crate::kind::Kind;
use crate::report::{EndpointReport, LegLatencies, Noise, Quantiles, Regression, Report};
use crate::statuses;
use crate::wording::{self, count, evidence, exchanges, joined, many, percent, place};

pub(super) fn written(report: &Report, style: TextStyle) -> String {
    let mut page = Page::new(style);
    page.top(report);
    let title = if report.gates.calibration { "False alarms" } else { "Regressions" };
    page.regressions(title, &report.regressions);
    page.regressions(report.suspected_title(), &report.suspected);
    page.endpoints(report);
    let (suspects, noise): (Vec<&Noise>, Vec<&Noise>) = report.noise.iter().partition(|noise| suspect(noise));
    page.differences(
        "Not yet told apart: the candidate differs more often, maybe by chance",
        &suspects,
        false,
    );
    page.differences("Noise: the stable version differs as well", &noise, true);
    page.suggestions(report);
    page.uncontrolled(report);
    page.refused(report);
    page.out
}

impl Page {
    fn top(&mut self, report: &Report) {
        self.verdict(report);
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
            self.wrapped("", &format!("needed: {forecast}"));
        }
        if report.exchanges > 0 {
            self.counts(report);
        }
    }

    fn counts(&mut self, report: &Report) {
        let counts = format!(
            "{}, {} compared with a control, {} of which answered like the primary; up to {} of answers may be worse",
            exchanges(report.exchanges),
            count(report.controlled),
            count(report.effective),
            percent(report.excess_at_most)
        );
        self.wrapped("", &counts);
        if report.statuses.len() > 1 {
            self.wrapped("", &statuses::worded(&report.statuses));
        }
        let delivery = report.delivery;
        if delivery.undelivered + delivery.not_sent > 0 {
            let (why_lost, why_unsent) = (delivery.why_undelivered(), delivery.why_not_sent());
            let counts = format!(
                "{} mirrored, {} not delivered{why_lost}, {} not sent{why_unsent}",
                count(delivery.mirrored),
                count(delivery.undelivered),
                many(delivery.not_sent, "shadow")
            );
            self.wrapped("", &counts);
        }
        let not_mirrored = delivery.not_mirrored();
        if !not_mirrored.is_empty() {
            self.wrapped("", &format!("not mirrored: {not_mirrored}"));
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
        let place = cut(place(&regression.path, regression.kind), 48);
        let head = joined(&[
            &cut(wording::endpoint(&regression.endpoint), 42),
            &place,
            &regression.kind.to_string(),
        ]);
        let head = cut(&head, self.style.columns.saturating_sub(2));
        let head = self.styled(RED, &head);
        self.line(&format!("  {head}"));
        self.wrapped("    ", &format!("{} ({})", regression.effect(), evidence(regression.evidence_log10)));
        if let (Some(step), true) = (regression.step, regression.slowdown.is_some()) {
            let Regression { candidate_only, control_only, exchanges, .. } = *regression;
            self.wrapped("    ", &wording::slower(step, candidate_only, control_only, exchanges));
        }
        let Some(example) = &regression.example else { return };
        let place =
            if example.path.is_empty() { String::new() } else { format!(" at {}", cut(&example.path, 60)) };
        let without = match example.without.join(", ") {
            none if none.is_empty() => none,
            names => format!(", without plugin {}", cut(&names, 40)),
        };
        self.short(&format!("      example {}{place}{without}", example.exchange));
        if !example.request.is_empty() {
            self.short(&format!("        request   {}", example.request));
        }
        self.short(&format!("        primary   {}", example.primary));
        self.short(&format!("        candidate {}", example.candidate));
        if let Some(control) = &example.control {
            self.short(&format!("        control   {control}"));
        }
    }

    fn endpoints(&mut self, report: &Report) {
        if report.endpoints.is_empty() {
            return;
        }
        self.title("Endpoints");
        if self.is_wide() {
            self.line(&format!(
                "  {:<40}{:>9}{:>11}{:>9}  {:<10}{:>8}{:>8}{:>8}",
                "", "exchanges", "like prim.", "worse ≤", "", "p50", "p90", "p99"
            ));
        }
        for endpoint in report.endpoints.iter().take(MAX_SHOWN) {
            self.endpoint(&Figures::of(endpoint), &endpoint.latency);
        }
        self.more(report.endpoints.len());
        self.endpoint(&Figures::all(report), &report.latency);
    }

    /// A line for each leg. Where there is room, the first of them has the figures.
    fn endpoint(&mut self, figures: &Figures<'_>, latency: &LegLatencies) {
        let legs =
            [("primary", &latency.primary), ("candidate", &latency.candidate), ("control", &latency.control)];
        let asked = legs.iter().any(|(_, quantiles)| quantiles.is_some());
        let shown = legs.into_iter().filter(|_| asked);
        if self.is_wide() {
            let head = figures.columns();
            let mut heads = std::iter::once(&*head).chain(std::iter::repeat(""));
            for (name, quantiles) in shown {
                let head = heads.next().unwrap_or_default();
                self.line(&format!("  {head:<69}  {name:<10}{}", columns(quantiles.as_ref())));
            }
            if !asked {
                self.line(&format!("  {head}"));
            }
        } else {
            self.short(&format!("  {}", figures.name));
            self.short(&format!("    {}", figures.sentence()));
            for (name, quantiles) in shown {
                self.short(&format!("    {name:<10}{}", columns(quantiles.as_ref())));
            }
        }
    }

    fn differences(&mut self, title: &str, all: &[&Noise], costs: bool) {
        if all.is_empty() {
            return;
        }
        self.title(title);
        if self.is_wide() {
            let head = if costs { "costs" } else { "" };
            self.line(&format!("  {:<74}{:>9}{:>8}{:>7}{head:>8}", "", "candidate", "control", "both"));
        }
        for noise in all.iter().take(MAX_SHOWN) {
            self.difference(noise, costs);
        }
        self.more(all.len());
        if costs {
            self.wrapped(
                "",
                "costs: exchanges that a promotion needs less if the path is declared under `compare`",
            );
        }
    }

    fn difference(&mut self, noise: &Noise, costs: bool) {
        let Noise { candidate_only: a, control_only: b, both, .. } = *noise;
        let cost = noise.costs.map_or_else(|| "–".to_owned(), count);
        if self.is_wide() {
            let subject = subject(&noise.endpoint, 32, &noise.path, 31, noise.kind);
            let cost = if costs { &*cost } else { "" };
            self.line(&format!("  {subject:<74}{a:>9}{b:>8}{both:>7}{cost:>8}"));
        } else {
            let costs = if costs { format!("; costs {cost}") } else { String::new() };
            self.short(&format!("  {}", subject(&noise.endpoint, 32, &noise.path, 31, noise.kind)));
            self.short(&format!(
                "    candidate {}, control {}, both {}{costs}",
                count(a),
                count(b),
                count(both)
            ));
        }
    }

    fn uncontrolled(&mut self, report: &Report) {
        if report.uncontrolled.is_empty() {
            return;
        }
        self.title("Differences without a control (advisory: noise is not told apart)");
        for found in report.uncontrolled.iter().take(MAX_SHOWN) {
            let place = subject(&found.endpoint, 40, &found.path, 40, found.kind);
            self.beside(&place, &found.exchanges.to_string());
        }
        self.more(report.uncontrolled.len());
    }

    fn refused(&mut self, report: &Report) {
        if report.refused.is_empty() {
            return;
        }
        self.title("Not read: bodies that were compared as bytes");
        for refused in report.refused.iter().take(MAX_SHOWN) {
            let subject = format!("{}: {}", cut(&refused.endpoint, 49), refused.reason.explained());
            let counts =
                format!("candidate {}, control {}", count(refused.candidate), count(refused.control));
            self.beside(&subject, &counts);
        }
        self.more(report.refused.len());
    }

    /// In one line if there is room, else in two.
    fn beside(&mut self, subject: &str, figures: &str) {
        let room = self.style.columns.saturating_sub(2 + figures.chars().count());
        if subject.chars().count() < room {
            self.line(&format!("  {subject:<room$}{figures}"));
        } else {
            self.short(&format!("  {subject}"));
            self.short(&format!("    {figures}"));
        }
    }

    fn suggestions(&mut self, report: &Report) {
        if report.suggestions.is_empty() {
            return;
        }
        self.title("Suggested for `compare: {rules: […]}`, if it is meant to differ");
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
}

/// The counts of an endpoint, or of all of them.
struct Figures<'r> {
    name: &'r str,
    exchanges: u64,
    effective: u64,
    /// Whether its answers can be compared.
    comparable: bool,
    worse: f64,
}

impl<'r> Figures<'r> {
    fn of(endpoint: &'r EndpointReport) -> Self {
        let EndpointReport { exchanges, effective, comparable, excess_at_most: worse, .. } = *endpoint;
        Self { name: &endpoint.endpoint, exchanges, effective, comparable, worse }
    }

    fn all(report: &Report) -> Self {
        let Report { exchanges, effective, excess_at_most: worse, .. } = *report;
        Self { name: "all", exchanges, effective, comparable: true, worse }
    }

    fn columns(&self) -> String {
        let mark = if self.comparable { "" } else { "!" };
        let effective = format!("{}{mark}", self.effective);
        format!("{:<40}{:>9}{effective:>11}{:>9}", cut(self.name, 39), self.exchanges, percent(self.worse))
    }

    fn sentence(&self) -> String {
        let mark = if self.comparable { "" } else { ", not comparable" };
        format!("{}, up to {} worse{mark}", exchanges(self.exchanges), percent(self.worse))
    }
}

/// At what else a cause shows.
fn also(lead: &Regression, others: &[Regression]) -> &'static str {
    if others.iter().all(|other| other.path == lead.path) { "at" } else { "with" }
}

fn subject(endpoint: &str, width: usize, path: &str, path_width: usize, kind: Kind) -> String {
    joined(&[&cut(endpoint, width), &cut(place(path, kind), path_width), &kind.to_string()])
}

fn columns(quantiles: Option<&Quantiles>) -> String {
    let Some(Quantiles { count, p50, p90, p99, .. }) = quantiles else {
        return format!("{0:>8}{0:>8}{0:>8}", "–");
    };
    let each = [(p50, 0.5), (p90, 0.9), (p99, 0.99)];
    each.map(|(quantile, of)| format!("{:>8}", duration(*quantile, of, *count))).concat()
}

/// Most further places of a finding that are named.
const MAX_NAMED: usize = 4;
