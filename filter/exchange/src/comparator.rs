//! Calls to the comparator, and what its answer to a batch says.

use std::time::Duration;

use antumbra_observation::{
    CBOR_SEQUENCE, COUNT_HEADER, HEARTBEAT_HEADER, Heartbeat, INSTANCE_HEADER, Instance, POLICY_JSON,
    RUN_HEADER, SEQUENCE_HEADER, encode_heartbeat, encode_heartbeat_header,
};

use crate::call::{Call, CallId};
use crate::headers::{Headers, first};
use crate::outbox::{Batch, Receipt};
use crate::settings::Comparator;
use crate::shadow::{self, Answer};

impl Comparator {
    /// Observations. The instance and the batch's number let the comparator tell a repeat. With a heartbeat the answer may be a
    /// newer policy, so that a busy filter need not poll.
    pub(crate) fn batch(&self, instance: Instance, batch: Batch, heartbeat: Option<&Heartbeat>) -> Call {
        let mut headers = vec![
            ("content-type", CBOR_SEQUENCE.to_owned()),
            (INSTANCE_HEADER, instance.to_string()),
            (SEQUENCE_HEADER, batch.sequence.to_string()),
            (COUNT_HEADER, batch.count.to_string()),
        ];
        headers.extend(heartbeat.map(|heartbeat| (HEARTBEAT_HEADER, encode_heartbeat_header(heartbeat))));
        self.call(CallId::Batch(batch.sequence), "/v1/observations", &headers, batch.bytes)
    }

    /// Exchanges whose shadow calls the comparator makes before it answers.
    pub(crate) fn handovers(&self, batch: Batch, longest: Duration) -> Call {
        let headers = [("content-type", CBOR_SEQUENCE.to_owned()), (COUNT_HEADER, batch.count.to_string())];
        let call = self.call(CallId::Handovers(batch.sequence), "/v1/handovers", &headers, batch.bytes);
        Call { timeout: self.timeout.saturating_add(longest), ..call }
    }

    /// What the instance runs and what it counted; the answer is a newer policy, if there is one.
    pub(crate) fn heartbeat(&self, heartbeat: &Heartbeat) -> Call {
        let headers = [("content-type", "application/cbor".to_owned())];
        self.call(CallId::Poll, "/v1/heartbeats", &headers, encode_heartbeat(heartbeat))
    }

    fn call(&self, id: CallId, path: &str, extra: &[(&str, String)], body: Vec<u8>) -> Call {
        let mut headers: Headers = vec![
            (":method".into(), "POST".into()),
            (":path".into(), path.into()),
            (":authority".into(), self.authority.as_str().into()),
        ];
        headers.extend(extra.iter().map(|(name, value)| ((*name).into(), value.as_str().into())));
        if let Some(token) = &self.token {
            headers.push(("authorization".into(), format!("Bearer {token}").as_str().into()));
        }
        let cluster = self.cluster.clone();
        Call { id, cluster, headers, body, trailers: Headers::new(), timeout: self.timeout }
    }
}

/// What an answer to a batch says about its fate. Where the connection was never made the host says so in its text; any
/// other answer of the host in the comparator's stead leaves the fate open.
pub(crate) fn receipt(answer: &Answer) -> Receipt {
    let Answer::Complete { headers, body, .. } = answer else { return Receipt::Silence };
    let says = |text: &[u8]| body.windows(text.len()).any(|window| window == text);
    match shadow::status(headers) {
        Some(200..=299) => Receipt::Stored,
        Some(429) => Receipt::Later,
        Some(400..=499) => Receipt::Refused,
        Some(503) if says(b"connection failure") || says(b"overflow") || says(b"no healthy upstream") => {
            Receipt::NotSent
        }
        Some(503) if headers.iter().any(|(name, _)| &name.0[..] == b"retry-after") => Receipt::Later,
        _ => Receipt::Silence,
    }
}

/// The policy that the answer to a batch brings, if it brings one.
pub(crate) fn brought_policy(answer: &Answer) -> Option<&[u8]> {
    let Answer::Complete { headers, body, .. } = answer else { return None };
    (first(headers, "content-type")? == POLICY_JSON.as_bytes()).then_some(body)
}

/// Whether the comparator gave an answer, be it a refusal, and not the host in its stead.
pub(crate) fn is_the_comparators(answer: &Answer) -> bool {
    let Answer::Complete { headers, .. } = answer else { return false };
    first(headers, RUN_HEADER).is_some() || shadow::status(headers).is_some_and(|status| status < 500)
}

/// What stands in the way of a policy, in the operator's words; `None` if nothing does.
pub(crate) fn trouble(answer: &Answer, release: &str) -> Option<String> {
    let Answer::Complete { headers, body, .. } = answer else {
        return Some("the comparator's answer broke off".to_owned());
    };
    Some(match shadow::status(headers) {
        Some(200 | 204) => return None,
        Some(401 | 403) => "the comparator refuses the token of the plugin configuration".to_owned(),
        Some(404) => format!("the comparator has no policy {release:?}"),
        Some(status) => {
            let said: String = String::from_utf8_lossy(body).chars().take(SAID).collect();
            format!("cannot reach the comparator ({status}): {said}")
        }
        None => "the comparator's answer has no status".to_owned(),
    })
}

/// Characters of an answer that a log line shows.
const SAID: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn answer(status: &str) -> Answer {
        let headers = vec![(":status".into(), status.into()), ("date".into(), "now".into())];
        Answer::Complete { headers, body: vec![], trailers: vec![] }
    }

    #[test]
    fn receipts() {
        let own = |body: &str| Answer::Complete {
            headers: vec![(":status".into(), "503".into())],
            body: body.as_bytes().to_vec(),
            trailers: vec![],
        };
        let unavailable = Answer::Complete {
            headers: vec![(":status".into(), "503".into()), ("retry-after".into(), "1".into())],
            body: vec![],
            trailers: vec![],
        };
        let cases = [
            (answer("200"), Receipt::Stored),
            (answer("400"), Receipt::Refused),
            (answer("429"), Receipt::Later),
            (unavailable, Receipt::Later),
            (own("… reset reason: remote connection failure, …"), Receipt::NotSent),
            (own("… reset before headers. reset reason: connection termination"), Receipt::Silence),
            (answer("504"), Receipt::Silence),
            (Answer::Broken, Receipt::Silence),
        ];
        for (answer, expected) in cases {
            assert_eq!(receipt(&answer), expected, "{answer:?}");
        }
    }
}
