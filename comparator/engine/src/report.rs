//! The report as data: everything that text, JSON and a page show is computed here, once.

use serde::{Deserialize, Serialize};

use crate::diff::{Kind, Subject};
use crate::evidence::{Evidence, Group};
use crate::hypothesis::{Example, Hypothesis};
use crate::latency::{Latencies, Legs};
use crate::outside::PluginReport;
use crate::stats;
use crate::verdict::{self, Delivery, Gates, Judgement, Tested, Verdict, What};
use crate::wording::percent_beside;

/// What is known of a release at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The policy's name.
    pub release: String,
    /// What to do.
    pub verdict: Verdict,
    /// Why, most important first: findings for `roll back`, what is missing for `wait`.
    pub reasons: Vec<String>,
    /// For `wait`: about how many further exchanges `promote` takes if the rates stay; 0 if only reports of the
    /// filters are missing; `None` if waiting does not help.
    pub needed: Option<u64>,
    /// Exchanges observed.
    pub exchanges: u64,
    /// Those with a control leg, all shadows sent.
    pub controlled: u64,
    /// Those whose control answered with the primary's outcome and status.
    pub effective: u64,
    /// The share of exchanges, 0 to 1, that the candidate is shown to make worse at most, at any time, net of noise.
    pub excess_at_most: f64,
    /// What the verdict needed.
    pub gates: Gates,
    /// What the filters delivered.
    pub delivery: Delivery,
    /// Proven regressions, strongest evidence first.
    pub regressions: Vec<Regression>,
    /// Latency over all endpoints.
    pub latency: LegLatencies,
    /// By exchanges, most first.
    pub endpoints: Vec<EndpointReport>,
    /// Differences that are no proven regression, because the control shows them too or too little is known; most
    /// frequent first, at most 50.
    pub noise: Vec<Noise>,
    /// Differences in exchanges without control; most frequent first, at most 50. Advisory.
    pub uncontrolled: Vec<Uncontrolled>,
    /// What else the reader must know, first on every rendering.
    pub notes: Vec<String>,
    /// What the caps left out.
    pub dropped: Dropped,
    /// How the policy's plugins fared, by name.
    #[serde(default)]
    pub plugins: Vec<PluginReport>,
}

/// A hypothesis that was rejected: the candidate differs where the control does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Regression {
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
    /// First seen, microseconds since 1970.
    pub first_us: u64,
    /// Last seen, microseconds since 1970.
    pub last_us: u64,
    /// An exchange that shows it.
    pub example: Option<Example>,
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
    /// Exchanges that were not compared, because the proxy did not send a shadow.
    #[serde(default)]
    pub not_sent: u64,
    /// Noise and uncontrolled differences that are not listed.
    pub lines: u64,
}

/// Reads the evidence. May be called at any moment, as often as wanted.
pub fn report(release: &str, evidence: &Evidence, gates: &Gates, delivery: &Delivery) -> Report {
    let Judgement { verdict, reasons, needed, tested } = verdict::judge(evidence, gates, delivery);
    let all = &evidence.release.all;
    let regressions = regressions(evidence, &tested);
    let (noise, more_noise) = noise(evidence, &tested, gates);
    let (uncontrolled, more_uncontrolled) = uncontrolled(evidence);
    let dropped = Dropped {
        endpoints: evidence.release.crowded,
        paths: evidence.endpoints.values().map(|endpoint| endpoint.crowded).sum(),
        elsewhere: evidence.release.elsewhere,
        not_sent: all.not_sent,
        lines: more_noise + more_uncontrolled,
    };
    Report {
        release: release.to_owned(),
        verdict,
        reasons,
        needed,
        exchanges: all.exchanges,
        controlled: all.controlled,
        effective: all.effective,
        excess_at_most: all.paired().upper_bound(gates.promote_alpha),
        gates: *gates,
        delivery: *delivery,
        latency: latencies(&all.legs, gates.promote_alpha),
        endpoints: endpoints(evidence, &regressions, gates),
        notes: notes(evidence, &dropped),
        regressions,
        noise,
        uncontrolled,
        dropped,
        plugins: evidence.release.plugins.report(),
    }
}

fn regressions(evidence: &Evidence, tested: &[Tested<'_>]) -> Vec<Regression> {
    let mut found: Vec<Regression> =
        tested.iter().filter(|tested| tested.rejected).map(|tested| regression(evidence, tested)).collect();
    found.sort_by(|x, y| y.evidence_log10.total_cmp(&x.evidence_log10));
    found
}

fn regression(evidence: &Evidence, tested: &Tested<'_>) -> Regression {
    let group =
        evidence.endpoints.get(tested.endpoint).map_or(&evidence.release.all, |endpoint| &endpoint.all);
    let blank = Regression {
        endpoint: tested.endpoint.to_owned(),
        path: String::new(),
        kind: Kind::Latency,
        candidate_only: 0,
        control_only: 0,
        both: 0,
        exchanges: group.controlled,
        evidence_log10: tested.ln_evidence / std::f64::consts::LN_10,
        step: None,
        first_us: group.first_us,
        last_us: group.last_us,
        example: None,
    };
    match tested.what {
        What::Latency(ladder) => {
            let (step, candidate_only, control_only) = ladder.loudest();
            Regression { candidate_only, control_only, exchanges: ladder.n, step: Some(step), ..blank }
        }
        What::Difference(Subject(path, kind), counts) => Regression {
            path: path.clone(),
            kind: *kind,
            candidate_only: counts.candidate_only,
            control_only: counts.control_only,
            both: counts.both,
            first_us: counts.first_us,
            last_us: counts.last_us,
            example: counts.examples.first().cloned(),
            ..blank
        },
    }
}

fn endpoints(evidence: &Evidence, regressions: &[Regression], gates: &Gates) -> Vec<EndpointReport> {
    let total = evidence.release.all.exchanges;
    let mut endpoints: Vec<EndpointReport> = evidence
        .endpoints
        .iter()
        .map(|(name, endpoint)| EndpointReport {
            endpoint: name.clone(),
            exchanges: endpoint.all.exchanges,
            controlled: endpoint.all.controlled,
            effective: endpoint.all.effective,
            comparable: verdict::comparable(&endpoint.all),
            covered: verdict::endpoint_needed(endpoint, total, gates) == Some(0),
            excess_at_most: endpoint.all.paired().upper_bound(gates.promote_alpha),
            regressions: regressions.iter().filter(|regression| regression.endpoint == *name).count() as u64,
            latency: latencies(&endpoint.all.legs, gates.promote_alpha),
        })
        .collect();
    endpoints.sort_by(|x, y| y.exchanges.cmp(&x.exchanges).then_with(|| x.endpoint.cmp(&y.endpoint)));
    endpoints
}

fn noise(evidence: &Evidence, tested: &[Tested<'_>], gates: &Gates) -> (Vec<Noise>, u64) {
    let rejected = |endpoint: &str, subject: &Subject| {
        let same = |t: &&Tested<'_>| {
            t.endpoint == endpoint && matches!(t.what, What::Difference(s, _) if s == subject)
        };
        tested.iter().find(same).is_some_and(|tested| tested.rejected)
    };
    let mut found: Vec<(&str, &Subject, &Hypothesis)> = differences(evidence)
        .filter(|(_, _, counts)| counts.candidate_only + counts.control_only + counts.both > 0)
        .collect();
    found.sort_by_key(|(_, _, counts)| {
        std::cmp::Reverse((counts.candidate_only + counts.control_only, counts.both))
    });
    let mut quiet = found.into_iter();
    let mut listed = Vec::new();
    for (endpoint, subject, counts) in quiet.by_ref() {
        if rejected(endpoint, subject) {
            continue;
        }
        listed.push(Noise {
            endpoint: endpoint.to_owned(),
            path: subject.0.clone(),
            kind: subject.1,
            candidate_only: counts.candidate_only,
            control_only: counts.control_only,
            both: counts.both,
            costs: costs(&evidence.release.all, counts, gates),
        });
        if listed.len() >= MAX_LISTED {
            break;
        }
    }
    (listed, quiet.count() as u64)
}

/// What promotion takes with this place's discordant exchanges, less what it would take without them.
fn costs(all: &Group, counts: &Hypothesis, gates: &Gates) -> Option<u64> {
    let with = all.paired();
    let without = stats::Paired::new(
        all.controlled,
        all.worse.saturating_sub(counts.candidate_only),
        all.better.saturating_sub(counts.control_only),
    );
    let needed = |paired: stats::Paired| paired.needed(gates.margin, gates.promote_alpha);
    Some(needed(with)?.saturating_sub(needed(without)?))
}

fn uncontrolled(evidence: &Evidence) -> (Vec<Uncontrolled>, u64) {
    let mut found: Vec<(&str, &Subject, &Hypothesis)> =
        differences(evidence).filter(|(_, _, counts)| counts.uncontrolled > 0).collect();
    found.sort_by_key(|(_, _, counts)| std::cmp::Reverse(counts.uncontrolled));
    let more = found.len().saturating_sub(MAX_LISTED) as u64;
    let listed = found.into_iter().take(MAX_LISTED).map(|(endpoint, subject, counts)| Uncontrolled {
        endpoint: endpoint.to_owned(),
        path: subject.0.clone(),
        kind: subject.1,
        exchanges: counts.uncontrolled,
        example: counts.examples.first().cloned(),
    });
    (listed.collect(), more)
}

fn differences(evidence: &Evidence) -> impl Iterator<Item = (&str, &Subject, &Hypothesis)> {
    evidence.endpoints.iter().flat_map(|(name, endpoint)| {
        endpoint.hypotheses.iter().map(move |(subject, counts)| (name.as_str(), subject, counts))
    })
}

fn notes(evidence: &Evidence, dropped: &Dropped) -> Vec<String> {
    let all = &evidence.release.all;
    let mut notes = evidence.release.plugins.notes();
    let uncontrolled = all.exchanges.saturating_sub(all.not_sent).saturating_sub(all.controlled);
    if uncontrolled > 0 && all.controlled == 0 {
        notes.push(
            "No control leg: declared rules are the only noise model, and latency is advisory.".to_owned(),
        );
    } else if uncontrolled > 0 {
        notes.push(format!("{uncontrolled} exchanges have no control leg and are not tested."));
    }
    for (name, endpoint) in
        evidence.endpoints.iter().filter(|(_, endpoint)| !verdict::comparable(&endpoint.all))
    {
        let share = verdict::ratio(endpoint.all.effective, endpoint.all.controlled);
        notes.push(format!(
            "{name} is not comparable: the control answers as the primary in {}.",
            percent_beside(share, verdict::MIN_EFFECTIVE)
        ));
    }
    if dropped.not_sent > 0 {
        notes.push(format!(
            "{} exchanges are not compared: the proxy did not send a shadow (no healthy host, or its breaker).",
            dropped.not_sent
        ));
    }
    if dropped.elsewhere > 0 {
        notes.push(format!(
            "{} exchanges are not compared: another variant than the primary of the comparison answered the client.",
            dropped.elsewhere
        ));
    }
    if dropped.endpoints > 0 {
        notes.push(format!(
            "{} exchanges are counted under (other endpoints): too many endpoints.",
            dropped.endpoints
        ));
    }
    if dropped.paths > 0 {
        notes.push(format!("{} differences are counted under (other paths): too many paths.", dropped.paths));
    }
    notes
}

fn latencies(legs: &Legs, alpha: f64) -> LegLatencies {
    LegLatencies {
        primary: quantiles(&legs.primary, alpha),
        candidate: quantiles(&legs.candidate, alpha),
        control: quantiles(&legs.control, alpha),
    }
}

fn quantiles(latencies: &Latencies, alpha: f64) -> Option<Quantiles> {
    let count = latencies.count();
    (count > 0).then(|| Quantiles {
        count,
        p50: interval(latencies, 500, alpha),
        p90: interval(latencies, 900, alpha),
        p99: interval(latencies, 990, alpha),
        p999: interval(latencies, 999, alpha),
    })
}

/// The quantile of `permille` with the order statistics that it may be: from the s-th smallest to the (s+1)-th of the
/// largest s.
fn interval(latencies: &Latencies, permille: u32, alpha: f64) -> Interval {
    let count = latencies.count();
    let rank = (u128::from(count) * u128::from(permille)).div_ceil(1000).max(1);
    let (low, high) = stats::quantile_ranks(count, f64::from(permille) / 1000.0, alpha);
    let (_, value) = latencies.at_rank(u64::try_from(rank).unwrap_or(count)).unwrap_or_default();
    Interval {
        value,
        lower: latencies.at_rank(low).map_or(0, |bucket| bucket.0),
        upper: latencies.at_rank(high.saturating_add(1)).map(|bucket| bucket.1),
    }
}

const MAX_LISTED: usize = 50;
