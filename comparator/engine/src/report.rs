//! The report as data: everything that text, JSON and a page show is computed here, once.

mod differences;
mod endpoints;
mod notes;
mod refused;
mod sources;
mod uncovered;
mod unlooked;
mod unmet;

use std::collections::BTreeMap;
use std::fmt;

use antumbra_observation::Unsent;
use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::forecast::Further;
use crate::hypothesis::Example;
use crate::kind::Kind;
use crate::latency::Slowdown;
use crate::outside::PluginReport;
use crate::statuses::StatusCount;
use crate::suggestion::{self, Suggestion};
use crate::verdict::{self, Delivery, Gates, Judgement, Reason, Told, Verdict};
use crate::wording::{self, Tally, count, wait};

pub use refused::Refused;
pub use sources::{SourceReport, SourceStanding};
pub use uncovered::{Gap, Uncovered};
pub use unlooked::Unlooked;

/// What is known of a release at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The policy's name.
    pub release: String,
    /// What to do.
    pub verdict: Verdict,
    /// What the verdict does not speak of, root cause first.
    #[serde(default)]
    pub not_covered: Vec<Uncovered>,
    /// Why, most important first: findings for `roll back`, what is missing for `wait`.
    pub reasons: Vec<String>,
    /// The same reasons for programs, in the same order.
    #[serde(default)]
    pub reason_details: Vec<Reason>,
    /// For `wait`: about how many further exchanges `promote` takes if the rates stay; 0 if only reports of the
    /// filters are missing; `None` if waiting does not help.
    pub needed: Option<u64>,
    /// The same as an interval, in exchanges and in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// Exchanges observed, those of a warm-up included.
    pub exchanges: u64,
    /// Those with a control leg, all shadows sent, that are judged.
    pub controlled: u64,
    /// Those whose control answered with the primary's outcome and status.
    pub effective: u64,
    /// The share of exchanges, 0 to 1, that the candidate is shown to make worse at most, at any time, net of noise.
    pub excess_at_most: f64,
    /// What the verdict needed.
    pub gates: Gates,
    /// What the filters delivered.
    pub delivery: Delivery,
    /// Proven regressions: outcome and status first, then structure, values, latency, headers and cookies, the largest effect first of each.
    /// What likely has one cause stands together, and has the same [`Regression::cause`].
    pub regressions: Vec<Regression>,
    /// What looks like a regression and may be a burst: it has to show in more separate blocks of time, or for more clients. In the order
    /// of [`Self::regressions`].
    #[serde(default)]
    pub suspected: Vec<Regression>,
    /// Latency over all endpoints.
    pub latency: LegLatencies,
    /// By exchanges, most first.
    pub endpoints: Vec<EndpointReport>,
    /// Differences that are no proven regression, because the control shows them too or too little is known; most
    /// frequent first, at most 50.
    pub noise: Vec<Noise>,
    /// Differences in exchanges without control; most frequent first, at most 50. Advisory.
    pub uncontrolled: Vec<Uncontrolled>,
    /// Bodies that could not be read, and were compared as bytes instead, or that differ in too much to be read to the end; most frequent first, at most 50.
    #[serde(default)]
    pub refused: Vec<Refused>,
    /// Rules that would explain what two answers of the stable version differ in; those that save most first, at most 50.
    #[serde(default)]
    pub suggestions: Vec<Suggestion>,
    /// What else the reader must know, first on every rendering.
    pub notes: Vec<String>,
    /// What the caps left out.
    pub dropped: Dropped,
    /// How the policy's plugins fared, by name.
    #[serde(default)]
    pub plugins: Vec<PluginReport>,
    /// Exchanges of which a shadow was not sent, by reason, as far as the sender said one.
    #[serde(default)]
    pub not_sent: BTreeMap<Unsent, u64>,
    /// What the legs answered with, by status; of exchanges that were compared.
    #[serde(default)]
    pub statuses: Vec<StatusCount>,
    /// Who sent the observations, in the order in which they first did; empty where no token tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceReport>,
}

/// How long a promotion takes from now on. In four of five releases whose versions are alike the true number lies within.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Further exchanges, those included that will not be judged, such as what a client asks again.
    pub exchanges: Further,
    /// Seconds at the rate of the session so far, at least and at most; `None` before two exchanges.
    pub seconds: Option<(f64, f64)>,
}

impl fmt::Display for Forecast {
    /// `873 to 2,400 more exchanges, 87 s to 4 min at the present rate`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Further { lower, upper } = self.exchanges;
        let interval = |low: String, high: String| if low == high { low } else { format!("{low} to {high}") };
        let exchanges = if upper == 1 { "exchange" } else { "exchanges" };
        write!(f, "{} more {exchanges}", interval(count(lower), count(upper)))?;
        let Some((soonest, latest)) = self.seconds else { return Ok(()) };
        write!(f, ", {} at the present rate", interval(wait(soonest), wait(latest)))
    }
}

impl Forecast {
    fn of(exchanges: Further, evidence: &Evidence) -> Self {
        let all = &evidence.release.all;
        let span = all.last_us.saturating_sub(all.first_us) as f64 / 1e6;
        let each = span / evidence.release.coming().saturating_sub(1).max(1) as f64;
        let seconds = |exchanges: u64| exchanges as f64 * each;
        let seconds = (span > 0.0).then(|| (seconds(exchanges.lower), seconds(exchanges.upper)));
        Self { exchanges, seconds }
    }
}

/// A hypothesis that was rejected: the candidate differs where the control does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Regression {
    /// The number of its finding, from 1: the same place at several endpoints is one finding, and so are all headers that differ in one way.
    /// 0 in reports of earlier versions.
    #[serde(default)]
    pub cause: u64,
    /// Method and route template; `*` is all endpoints together.
    pub endpoint: String,
    /// Where: `/items/*/price`, `header:etag`, `cookie:sid`; empty for the whole body, status, outcome and latency.
    pub path: String,
    /// How.
    pub kind: Kind,
    /// Exchanges in which only the candidate differs; for latency: in which it is slower by `step`.
    pub candidate_only: u64,
    /// Exchanges in which only the control differs; for latency: in which it is slower by `step`.
    pub control_only: u64,
    /// Exchanges in which both differ.
    pub both: u64,
    /// Exchanges of the endpoint with a control leg; for latency: in which both could be compared.
    pub exchanges: u64,
    /// log10 of the evidence: an e-value, before the correction for many hypotheses.
    pub evidence_log10: f64,
    /// For latency: the ratio at which the evidence is strongest.
    pub step: Option<f64>,
    /// For latency: the quantile that grew by the largest factor, if enough answers tell one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowdown: Option<Slowdown>,
    /// First seen, microseconds since 1970.
    pub first_us: u64,
    /// Last seen, microseconds since 1970.
    pub last_us: u64,
    /// An exchange that shows it.
    pub example: Option<Example>,
    /// Further ones, at most two. All are a uniform sample of those that show it.
    #[serde(default)]
    pub more_examples: Vec<Example>,
    /// The one of several sources on which it rests; absent where it rests on more of them, or there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Regression {
    /// How much worse the candidate is, as a sentence.
    pub(crate) fn effect(&self) -> String {
        let Self { candidate_only, control_only, both, exchanges, .. } = *self;
        match (self.slowdown, self.step) {
            (Some(slowdown), _) => slowdown.to_string(),
            (None, Some(step)) => wording::slower(step, candidate_only, control_only, exchanges),
            (None, None) => {
                wording::effect(self.kind, Tally { candidate_only, control_only, both, exchanges })
            }
        }
    }
}

/// Latencies of the three legs. Candidate and control are comparable, the primary takes another way.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LegLatencies {
    /// What clients waited for.
    pub primary: Option<Quantiles>,
    /// The new version.
    pub candidate: Option<Quantiles>,
    /// The stable version, asked a second time.
    pub control: Option<Quantiles>,
}

/// Quantiles of one leg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quantiles {
    /// Answers measured.
    pub count: u64,
    /// Median.
    pub p50: Interval,
    /// 90 %.
    pub p90: Interval,
    /// 99 %.
    pub p99: Interval,
    /// 99.9 %.
    pub p999: Interval,
}

/// A quantile in microseconds with its time-uniform interval at the level of `gates.promoteAlpha`, widened by the
/// histogram's bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// The quantile of the sample.
    pub value: u64,
    /// Lower end; 0 if the sample sets none.
    pub lower: u64,
    /// Upper end; `None` if the sample sets none.
    pub upper: Option<u64>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointReport {
    /// Method and route template.
    pub endpoint: String,
    /// Exchanges observed.
    pub exchanges: u64,
    /// Those with a control leg.
    pub controlled: u64,
    /// Those whose control answered with the primary's outcome and status.
    pub effective: u64,
    /// At least 95 % of the controlled ones are effective.
    pub comparable: bool,
    /// Shown to be within the endpoint's margin.
    pub covered: bool,
    /// As in the report, for this endpoint.
    pub excess_at_most: f64,
    /// Regressions proven here.
    pub regressions: u64,
    /// Latency of the legs.
    pub latency: LegLatencies,
}

/// A difference that the control shows as well, or that is not told apart from that yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Noise {
    /// Method and route template.
    pub endpoint: String,
    /// Where.
    pub path: String,
    /// How.
    pub kind: Kind,
    /// Exchanges in which only the candidate differs.
    pub candidate_only: u64,
    /// Exchanges in which only the control differs.
    pub control_only: u64,
    /// Exchanges in which both differ.
    pub both: u64,
    /// About how many exchanges a promotion could be had earlier by declaring it; `None` if not to be told.
    pub costs: Option<u64>,
}

/// A difference of the candidate where no control was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Uncontrolled {
    /// Method and route template.
    pub endpoint: String,
    /// Where.
    pub path: String,
    /// How.
    pub kind: Kind,
    /// Exchanges.
    pub exchanges: u64,
    /// One of them.
    pub example: Option<Example>,
}

/// What the caps of the evidence left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dropped {
    /// Exchanges counted under `(other endpoints)`.
    pub endpoints: u64,
    /// Differences counted under `(other paths)`.
    pub paths: u64,
    /// Exchanges that were not compared, because another variant than the stable one answered the client.
    #[serde(default)]
    pub elsewhere: u64,
    /// Exchanges that were not compared, because their client had asked the same endpoint within two seconds.
    #[serde(default)]
    pub repeated: u64,
    /// Exchanges that were only counted, because a leg had just begun to answer.
    #[serde(default)]
    pub warm_up: u64,
    /// Exchanges that were not compared, because a shadow was not sent; [`Report::not_sent`] has the reasons.
    #[serde(default)]
    pub not_sent: u64,
    /// Noise, uncontrolled differences and refused bodies that are not listed.
    pub lines: u64,
}

/// Reads the evidence. May be called at any moment, as often as wanted.
pub fn report(release: &str, evidence: &Evidence, gates: &Gates, delivery: &Delivery) -> Report {
    let told = Told { name: "", evidence, delivery: *delivery, has_place: true };
    of(release, evidence, gates, delivery, verdict::judge(evidence, gates, &[told]))
}

/// What was judged, as a report.
pub(crate) fn of(
    release: &str,
    evidence: &Evidence,
    gates: &Gates,
    delivery: &Delivery,
    judgement: Judgement<'_>,
) -> Report {
    let Judgement { verdict, reasons, details, needed, tested } = judgement;
    let all = &evidence.release.all;
    let regressions = differences::regressions(evidence, &tested, verdict::is_found);
    let suspected = differences::regressions(evidence, &tested, verdict::is_suspected);
    let costs = differences::Costs::of(evidence, gates);
    let (noise, more_noise) = differences::noise(evidence, &tested, &costs);
    let (uncontrolled, more_uncontrolled) = differences::uncontrolled(evidence);
    let (refused, more_refused) = refused::refused(evidence);
    let dropped = Dropped {
        endpoints: evidence.release.crowded,
        paths: evidence.endpoints.values().map(|endpoint| endpoint.crowded).sum(),
        elsewhere: evidence.release.elsewhere,
        repeated: evidence.release.repeated,
        warm_up: evidence.release.warm_up,
        not_sent: all.not_sent,
        lines: more_noise + more_uncontrolled + more_refused,
    };
    Report {
        release: release.to_owned(),
        verdict,
        reasons,
        reason_details: details,
        needed: needed.map(Further::middle),
        forecast: needed.map(|needed| Forecast::of(needed, evidence)),
        exchanges: all.exchanges + evidence.release.warm_up,
        controlled: all.controlled,
        effective: all.effective,
        excess_at_most: verdict::excess_at_most(evidence, all, gates),
        gates: *gates,
        delivery: *delivery,
        latency: endpoints::latencies(&all.legs, gates.promote_alpha),
        endpoints: endpoints::endpoints(evidence, &regressions, gates),
        notes: notes::notes(evidence, gates, &dropped),
        not_covered: uncovered::uncovered(evidence, gates, delivery, &regressions),
        suggestions: suggestion::suggestions(evidence, |subject, counts| costs.at(subject, counts)),
        regressions,
        suspected,
        noise,
        uncontrolled,
        refused,
        dropped,
        plugins: evidence.release.plugins.report(),
        not_sent: evidence.not_sent(),
        statuses: evidence.release.statuses.report(),
        sources: Vec::new(),
    }
}
