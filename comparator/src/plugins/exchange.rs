//! One plugin and one exchange: what it is asked about which answers, and that all of them are treated alike.
//!
//! Rewriting one answer and not the others would make differences, and judging one shadow and not the other would make one of
//! them look worse: so a failure at any answer means that the plugin is used for none.

use antumbra_engine::Finding;
use antumbra_observation::{Body, Leg, Observation, Request, Response};
use antumbra_plugin::{Answer, Component, Failure, countable};

use super::Prepared;

/// Has the plugin do what it can; if it fails, `prepared` stays as it is.
pub(super) fn run(
    component: &dyn Component,
    endpoint: &str,
    observation: &Observation,
    prepared: &mut Prepared,
) -> Result<(), Failure> {
    let compared = prepared.rewritten.as_ref().unwrap_or(observation);
    let plain = if prepared.outside.decoded { None } else { plain(compared)? };
    let compared = plain.as_ref().unwrap_or(compared);
    let rewritten = if component.normalises() { normalised(component, endpoint, compared)? } else { None };
    // The first one that judges has the word.
    let asked =
        component.judges() && prepared.outside.candidate.is_none() && prepared.outside.control.is_none();
    if asked {
        let judged = judged(component, endpoint, rewritten.as_ref().unwrap_or(compared))?;
        (prepared.outside.candidate, prepared.outside.control) = judged;
    }
    if rewritten.is_some() {
        prepared.rewritten = rewritten;
        prepared.outside.decoded = true;
    }
    Ok(())
}

/// Bytes of an exchange's answers.
pub(super) fn size(observation: &Observation) -> usize {
    let Observation { primary, candidate, control, .. } = observation;
    let legs = [Some(primary), Some(candidate), control.as_ref()].into_iter().flatten();
    let answer = |response: &Response| {
        let fields = response.headers.iter().chain(&response.trailers);
        let body = if let Body::Whole(body) = &response.body { body.len() } else { 0 };
        fields.map(|(name, value)| FIELD + name.len() + value.len()).sum::<usize>().saturating_add(body)
    };
    legs.filter_map(|leg| leg.response.as_ref()).map(answer).fold(0, usize::saturating_add)
}

/// Bytes of what a judge found at one place.
pub(super) fn finding_size(Finding { path, primary, other, .. }: &Finding) -> usize {
    FINDING + path.len() + primary.len() + other.len()
}

/// The exchange without the content encodings of the answers that plugins are asked about; none if they have none.
fn plain(observation: &Observation) -> Result<Option<Observation>, Failure> {
    let Some(primary) = &observation.primary.response else { return Ok(None) };
    let legs = [Some(&observation.primary), Some(&observation.candidate), observation.control.as_ref()];
    let asked = legs.into_iter().flatten().filter(|leg| is_alike(primary, leg));
    if !asked.filter_map(|leg| leg.response.as_ref()).any(is_encoded) {
        return Ok(None);
    }
    let decode = |leg: &Leg| -> Result<Leg, Failure> {
        let mut leg = leg.clone();
        if is_alike(primary, &leg)
            && let Some(response) = &mut leg.response
            && let Body::Whole(body) = &mut response.body
        {
            let decoded = antumbra_engine::decoded(&response.headers, body)
                .map_err(|refusal| Failure::Encoding(refusal.to_string()))?;
            *body = decoded.into_owned().into();
        }
        Ok(leg)
    };
    Ok(Some(Observation {
        primary: decode(&observation.primary)?,
        candidate: decode(&observation.candidate)?,
        control: observation.control.as_ref().map(decode).transpose()?,
        request: without_body(&observation.request),
        release: observation.release.clone(),
        rule: observation.rule.clone(),
        ..*observation
    }))
}

/// What comparing has to know of a request: its body and headers would be held twice.
fn without_body(request: &Request) -> Request {
    Request { method: request.method.clone(), path: request.path.clone(), ..Request::default() }
}

fn is_encoded(response: &Response) -> bool {
    response.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-encoding"))
}

/// The exchange with its answers rewritten; none if no shadow answered with the primary's status, so that nothing of it is compared.
fn normalised(
    component: &dyn Component,
    endpoint: &str,
    observation: &Observation,
) -> Result<Option<Observation>, Failure> {
    let Some(primary) = &observation.primary.response else { return Ok(None) };
    let shadows = [Some(&observation.candidate), observation.control.as_ref()];
    if !shadows.into_iter().flatten().any(|leg| is_alike(primary, leg)) {
        return Ok(None);
    }
    let own = rewrite(component, endpoint, answer(primary, primary)?)?;
    let shadow = |leg: &Leg| match &leg.response {
        Some(response) if is_alike(primary, leg) => {
            let same = response.headers == primary.headers && is_same(primary, response);
            let new =
                if same { own.clone() } else { rewrite(component, endpoint, answer(primary, response)?)? };
            Ok(Leg { response: Some(new.into_response(response)), ..leg.clone() })
        }
        _ => Ok(leg.clone()),
    };
    Ok(Some(Observation {
        candidate: shadow(&observation.candidate)?,
        control: observation.control.as_ref().map(shadow).transpose()?,
        primary: Leg { response: Some(own.into_response(primary)), ..observation.primary.clone() },
        request: without_body(&observation.request),
        release: observation.release.clone(),
        rule: observation.rule.clone(),
        ..*observation
    }))
}

/// An answer as it is to be compared.
#[derive(Clone)]
struct Compared {
    headers: Vec<(antumbra_observation::Bytes, antumbra_observation::Bytes)>,
    body: Vec<u8>,
}

impl Compared {
    fn into_response(self, before: &Response) -> Response {
        let trailers = before.trailers.clone();
        Response {
            status: before.status,
            headers: self.headers,
            body: Body::Whole(self.body.into()),
            trailers,
        }
    }
}

fn rewrite(component: &dyn Component, endpoint: &str, answer: Answer<'_>) -> Result<Compared, Failure> {
    match component.normalise(endpoint, answer)? {
        None => Ok(Compared { headers: answer.headers.to_vec(), body: answer.body.to_vec() }),
        Some(rewritten) => {
            let bounded = rewritten.bounded(answer.size())?;
            Ok(Compared { headers: bounded.headers, body: bounded.body })
        }
    }
}

type Judged = (Option<Vec<Finding>>, Option<Vec<Finding>>);

/// What the plugin says of both shadows; of one that answered otherwise than the primary it is not asked.
fn judged(component: &dyn Component, endpoint: &str, observation: &Observation) -> Result<Judged, Failure> {
    let Some(primary) = &observation.primary.response else { return Ok((None, None)) };
    let judge = |leg: &Leg| match &leg.response {
        Some(response) if is_alike(primary, leg) => {
            if response.headers == primary.headers && is_same(primary, response) {
                return Ok(Some(Vec::new()));
            }
            let found = component.judge(endpoint, answer(primary, primary)?, answer(primary, response)?)?;
            found.map(countable).transpose()
        }
        _ => Ok(None),
    };
    let control = observation.control.as_ref().map_or(Ok(None), judge)?;
    Ok((judge(&observation.candidate)?, control))
}

/// Fields of an answer with another status are not compared.
fn is_alike(primary: &Response, leg: &Leg) -> bool {
    leg.response.as_ref().is_some_and(|response| response.status == primary.status)
}

fn is_same(primary: &Response, response: &Response) -> bool {
    response.body == Body::Same || response.body == primary.body
}

/// An answer as a plugin is given it.
fn answer<'a>(primary: &'a Response, response: &'a Response) -> Result<Answer<'a>, Failure> {
    let ((Body::Whole(body), _) | (Body::Same, Body::Whole(body))) = (&response.body, &primary.body) else {
        return Err(Failure::Cut);
    };
    Ok(Answer { status: response.status, headers: &response.headers, body })
}

/// Of the vectors that hold a header's name and value.
const FIELD: usize = size_of::<(antumbra_observation::Bytes, antumbra_observation::Bytes)>();
const FINDING: usize = size_of::<Finding>();
