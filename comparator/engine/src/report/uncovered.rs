//! What the verdict does not speak of, root cause first: a reader has to know that before any number.

mod methods;

use std::collections::BTreeSet;

use antumbra_observation::{Meaning, NotMirrored};
use serde::{Deserialize, Serialize};

use super::{Regression, Report};
use crate::evidence::{Endpoint, Evidence, NOT_FOUND};
use crate::unsent::worded;
use crate::verdict::{self, Code, Delivery, Gates};
use crate::wording::{self, by_reason, count, exchanges, joined, many, percent, percent_beside};

/// Traffic, or a part of answers, of which nothing is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Uncovered {
    /// Why.
    pub cause: Gap,
    /// Method and route template, if it concerns one endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The place in the answers, if it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The share, 0 to 1, of what [`Gap`] says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// The same as a sentence, with what mends it.
    pub text: String,
}

/// Why nothing is known. A later version may know more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gap {
    /// A source brought more than its filters' heartbeats explain, and is set aside: its share of all observations.
    SetAside,
    /// A source came after as many others as a session may have, so that nothing of it is compared: its share of all that sources mirrored.
    NoPlace,
    /// Shadows were not sent, in a share of the exchanges.
    NotSent,
    /// Filters that spoke have fallen silent: a share of them.
    Silent,
    /// Requests are not mirrored because their method may write: a share of all requests.
    Methods,
    /// Requests are not mirrored for another reason that lies in them or in the policy: a share of all requests.
    NotMirrored,
    /// Requests of a recording could not be asked again: a share of its requests.
    Unread,
    /// No request that a recording has of an endpoint was compared: their share of its requests.
    NotAsked,
    /// A bound of the policy leaves out sampled requests: a share of those.
    Excluded,
    /// Both answers differ from the primary's and nobody can look into it: a share of the endpoint's exchanges.
    Unseen,
    /// The control does not answer as the primary does, so that nothing can be told apart at the endpoint: the share in which it does.
    NotComparable,
    /// The endpoint is not shown to be within its margin: its share of the exchanges.
    Endpoint,
    /// Another variant than the primary of the comparison answered the client: a share of the exchanges.
    Elsewhere,
}

impl Uncovered {
    pub(crate) fn new(cause: Gap, share: f64, text: String) -> Self {
        Self { cause, endpoint: None, path: None, share: Some(share), text }
    }
}

impl Report {
    /// What is not covered, without what the reasons say.
    pub(crate) fn not_covered_besides(&self) -> impl Iterator<Item = &Uncovered> {
        let says = |code: Code, endpoint: &Option<String>| {
            self.reason_details.iter().any(|reason| reason.code == code && reason.endpoint == *endpoint)
        };
        self.not_covered.iter().filter(move |uncovered| match uncovered.cause {
            Gap::Unread => !says(Code::Unread, &None),
            Gap::Unseen => !says(Code::Unseen, &uncovered.endpoint),
            // Where only a part was not sent, the reason does not say which leg's shadows these are.
            Gap::NotSent => uncovered.share < Some(1.0) || !says(Code::NotSent, &None),
            _ => true,
        })
    }
}

/// All that is not covered, root cause first, and of each cause the largest share.
pub(super) fn uncovered(
    evidence: &Evidence,
    gates: &Gates,
    delivery: &Delivery,
    regressions: &[Regression],
) -> Vec<Uncovered> {
    let mut found: Vec<Uncovered> = Vec::new();
    found.extend(not_sent(evidence));
    found.extend(silent(delivery));
    found.extend(not_mirrored(delivery));
    found.extend(excluded(delivery));
    found.extend(elsewhere(evidence));
    found.extend(unseen(evidence, gates));
    found.extend(not_comparable(evidence));
    // Where nothing was compared, no endpoint is covered because of what is said already.
    if evidence.release.all.controlled > 0 {
        found.extend(endpoints(evidence, gates, regressions));
    }
    found
}

fn not_sent(evidence: &Evidence) -> Option<Uncovered> {
    let all = &evidence.release.all;
    let share = verdict::ratio(all.not_sent, all.exchanges);
    let why = worded(&evidence.release.unsent, all.not_sent);
    let text = format!("{} of the exchanges are not compared: {why}.", percent(share));
    (all.not_sent > 0).then(|| Uncovered::new(Gap::NotSent, share, text))
}

fn silent(delivery: &Delivery) -> Option<Uncovered> {
    let Delivery { silent, alive, .. } = *delivery;
    let all = silent.saturating_add(alive);
    let have = if silent == 1 { "has" } else { "have" };
    let text = format!(
        "{} of {} {have} missed three heartbeats: what their proxies do now is not known.",
        count(silent),
        many(all, "filter")
    );
    (silent > 0).then(|| Uncovered::new(Gap::Silent, verdict::ratio(silent, all), text))
}

fn not_mirrored(delivery: &Delivery) -> Vec<Uncovered> {
    let by = &delivery.not_mirrored_by;
    let requests = delivery.mirrored.saturating_add(by.total()).saturating_sub(by.get(NotMirrored::Shadow));
    let mut found: Vec<Uncovered> = by
        .iter()
        .filter_map(|(why, number)| {
            let share = verdict::ratio(number, requests);
            let (cause, what) = explained(why)?;
            let methods = (why == NotMirrored::UnsafeMethod).then_some(&delivery.unsafe_methods);
            let named = methods.and_then(|methods| methods::named(methods, number, requests));
            let text = named
                .unwrap_or_else(|| format!("{} of the requests are not mirrored: {what}.", percent(share)));
            (cause == Gap::Methods || share >= WORTH_SAYING).then(|| Uncovered::new(cause, share, text))
        })
        .collect();
    found.sort_by(|x, y| {
        x.cause.cmp(&y.cause).then(y.share.unwrap_or(0.0).total_cmp(&x.share.unwrap_or(0.0)))
    });
    found
}

/// What a request is, that is not mirrored because of it. Those that a limit or trouble keeps back are counted against a promotion, and
/// those of a sample are represented by the sample.
fn explained(why: NotMirrored) -> Option<(Gap, &'static str)> {
    let other = |what| Some((Gap::NotMirrored, what));
    match why {
        NotMirrored::UnsafeMethod => Some((
            Gap::Methods,
            "their method, such as POST, PUT or DELETE, may write, which the mirror does not allow",
        )),
        NotMirrored::NoRule => other("no rule with a mirror matches them"),
        NotMirrored::Red => other("the candidate's variant is red"),
        NotMirrored::Upgrade => other("they ask for another protocol, such as WebSocket"),
        NotMirrored::LocalReply => other("the proxy answered them itself"),
        NotMirrored::ResponseIncomplete => other("their answer was cut short"),
        NotMirrored::RequestIncomplete => other("they were answered before their body was complete"),
        NotMirrored::NoPolicy => other("the filter had no policy yet"),
        NotMirrored::Disabled => other("the filter is switched off"),
        NotMirrored::NoComparator => other("the filter knows no comparator"),
        _ => None,
    }
}

fn excluded(delivery: &Delivery) -> Option<Uncovered> {
    let excluded = delivery.not_mirrored_by.that_mean(Meaning::Excluded);
    let sampled = delivery.mirrored.saturating_add(delivery.not_sent).saturating_add(excluded);
    let share = verdict::ratio(excluded, sampled);
    let text = format!(
        "{} of {} exceed a bound of the policy{}: they are not mirrored, so the verdict does not cover them.",
        count(excluded),
        many(sampled, "sampled exchange"),
        by_reason(&delivery.by_meaning(Meaning::Excluded))
    );
    (share >= WORTH_SAYING).then(|| Uncovered::new(Gap::Excluded, share, text))
}

fn elsewhere(evidence: &Evidence) -> Option<Uncovered> {
    let elsewhere = evidence.release.elsewhere;
    let share = verdict::ratio(elsewhere, evidence.release.all.exchanges.saturating_add(elsewhere));
    let text = format!("{} answered by another variant, so not compared.", exchanges(elsewhere));
    (elsewhere > 0).then(|| Uncovered::new(Gap::Elsewhere, share, text))
}

fn unseen(evidence: &Evidence, gates: &Gates) -> Vec<Uncovered> {
    let each = evidence.endpoints.iter().filter_map(|(name, endpoint)| {
        let (path, cause) = endpoint.unseen.worst().filter(|_| endpoint.unseen.exchanges >= MIN_UNSEEN)?;
        let share = verdict::ratio(endpoint.unseen.exchanges, endpoint.all.controlled);
        let place = joined(&[name, wording::place(path, cause.kind())]);
        let text = format!(
            "{place}: both answers differ from the client's in {} of the exchanges, in a way that cannot be compared: {}.",
            percent(share),
            cause.explained()
        );
        let (endpoint, path) = (Some(name.to_string()), Some(path.to_owned()));
        Some(Uncovered { endpoint, path, ..Uncovered::new(Gap::Unseen, share, text) })
    });
    largest(each.filter(|found| found.share >= Some(gates.margin)).collect())
}

fn not_comparable(evidence: &Evidence) -> Vec<Uncovered> {
    let each = evidence.endpoints.iter().filter(|(_, endpoint)| !verdict::comparable(&endpoint.all));
    let each = each.map(|(name, endpoint)| {
        let share = verdict::ratio(endpoint.all.effective, endpoint.all.controlled);
        let text = format!(
            "{name} is not comparable: the control answers like the primary in only {}.",
            percent_beside(share, verdict::MIN_EFFECTIVE)
        );
        Uncovered { endpoint: Some(name.to_string()), ..Uncovered::new(Gap::NotComparable, share, text) }
    });
    let mut found: Vec<Uncovered> = each.collect();
    found.sort_by(|x, y| x.share.unwrap_or(0.0).total_cmp(&y.share.unwrap_or(0.0)));
    bounded(found)
}

/// Endpoints that are comparable and not shown to be within their margin, for whatever reason but a regression, in one line.
fn endpoints(evidence: &Evidence, gates: &Gates, regressions: &[Regression]) -> Option<Uncovered> {
    let worse: BTreeSet<&str> = regressions.iter().map(|regression| &*regression.endpoint).collect();
    let open = |name: &str, endpoint: &Endpoint| {
        !worse.contains(name)
            && name != NOT_FOUND
            && verdict::comparable(&endpoint.all)
            && !verdict::covered(evidence, endpoint, gates)
    };
    let mut found: Vec<(&str, u64)> = evidence
        .endpoints
        .iter()
        .filter(|(name, endpoint)| open(name, endpoint))
        .map(|(name, endpoint)| (&**name, endpoint.all.exchanges))
        .collect();
    found.sort_by_key(|(_, exchanges)| std::cmp::Reverse(*exchanges));
    let share =
        verdict::ratio(found.iter().map(|(_, exchanges)| exchanges).sum(), evidence.release.all.exchanges);
    let more = found.len().saturating_sub(MAX_LISTED);
    let named: Vec<&str> = found.iter().take(MAX_LISTED).map(|(name, _)| *name).collect();
    let others = if more > 0 { format!(" and {} more", count(more as u64)) } else { String::new() };
    let verb = if found.len() == 1 { "needs" } else { "need" };
    let text = format!(
        "{} with {} of the exchanges {verb} more traffic to show that at most {} are worse: {}{others}.",
        many(found.len() as u64, "endpoint"),
        percent(share),
        percent(gates.endpoint_margin),
        named.join(", ")
    );
    let endpoint = named.first().filter(|_| found.len() == 1).map(|name| (*name).to_owned());
    (!found.is_empty()).then(|| Uncovered { endpoint, ..Uncovered::new(Gap::Endpoint, share, text) })
}

/// The largest shares first.
fn largest(mut found: Vec<Uncovered>) -> Vec<Uncovered> {
    found.sort_by(|x, y| y.share.unwrap_or(0.0).total_cmp(&x.share.unwrap_or(0.0)));
    bounded(found)
}

/// At most so many lines of one cause; the last says how many are left out.
fn bounded(mut found: Vec<Uncovered>) -> Vec<Uncovered> {
    let more = found.len().saturating_sub(MAX_LISTED);
    found.truncate(MAX_LISTED);
    if let Some(last) = found.last_mut().filter(|_| more > 0) {
        last.text = format!("{} The same holds for {}.", last.text, many(more as u64, "more endpoint"));
    }
    found
}

/// The share of requests from which on it is said that they are not mirrored.
const WORTH_SAYING: f64 = 0.001;
/// Exchanges of an endpoint from which on something unseen is more than a chance of its first answers.
const MIN_UNSEEN: u64 = 3;
/// Most lines, or names in a line, of one cause.
const MAX_LISTED: usize = 5;
