//! Observations and heartbeats to bytes and back.
//!
//! A batch is decoded as a whole or refused as a whole, so that the sender knows what became of each observation.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize as _};

use crate::contract::VERSION;
use crate::handover::Handover;
use crate::heartbeat::{Accounts, Heartbeat};
use crate::observation::{Body, Leg, Observation, Outcome};

/// Why a batch or a heartbeat cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes are not what the contract says.
    #[error("observation {index} does not decode: {message}")]
    Undecodable {
        /// The place of the observation in the batch, from 0.
        index: usize,
        /// What the decoder says.
        message: String,
    },
    /// The sender is newer than the reader.
    #[error("observation {index} has version {version}, must be within 1..={VERSION}")]
    FutureVersion {
        /// The place of the observation in the batch, from 0.
        index: usize,
        /// The version that the sender names.
        version: u64,
    },
}

/// Encodes one observation as a CBOR item, to be appended to a sequence.
pub fn encode(observation: &Observation) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(observation.likely_size());
    // Writing into a vector cannot fail, and the contract has no type that CBOR lacks.
    match observation.serialize(&mut minicbor_serde::Serializer::new(&mut bytes)) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

/// Reads a CBOR sequence (RFC 8742) of observations.
///
/// # Errors
/// The first observation that does not decode, has a version of another contract, or breaks this one's rules; more than
/// [`MAX_FIELDS`] header fields in all.
pub fn decode_sequence(bytes: &[u8]) -> Result<Vec<Observation>, Malformed> {
    let mut observations = Vec::new();
    let mut fields = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (observation, after): (Observation, _) = decode_item(rest, observations.len())?;
        fields = observation.check(observations.len(), fields)?;
        observations.push(observation);
        rest = after;
    }
    Ok(observations)
}

/// Encodes one handover as a CBOR item, to be appended to a sequence.
pub fn encode_handover(handover: &Handover) -> Vec<u8> {
    minicbor_serde::to_vec(handover).unwrap_or_default()
}

/// Reads a CBOR sequence of handovers.
///
/// # Errors
/// The first handover whose observation [`decode_sequence`] would refuse, or whose timeout is out of bounds; more than
/// [`MAX_FIELDS`] header fields in all.
pub fn decode_handovers(bytes: &[u8]) -> Result<Vec<Handover>, Malformed> {
    let mut handovers = Vec::new();
    let mut fields = 0_usize;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (handover, after): (Handover, _) = decode_item(rest, handovers.len())?;
        fields = handover.observation.check(handovers.len(), fields.saturating_add(handover.fields()))?;
        if !(1..=LONGEST_TIMEOUT_MS).contains(&handover.timeout_ms) {
            let message =
                format!("timeoutMs is {}, must be within 1..={LONGEST_TIMEOUT_MS}", handover.timeout_ms);
            return Err(Malformed::Undecodable { index: handovers.len(), message });
        }
        handovers.push(handover);
        rest = after;
    }
    Ok(handovers)
}

/// Encodes a heartbeat as one CBOR item.
pub fn encode_heartbeat(heartbeat: &Heartbeat) -> Vec<u8> {
    minicbor_serde::to_vec(heartbeat).unwrap_or_default()
}

/// Reads one heartbeat from a CBOR item.
///
/// # Errors
/// The bytes do not decode, have a version of another contract, or break it as [`Heartbeat::check`] says.
pub fn decode_heartbeat(bytes: &[u8]) -> Result<Heartbeat, Malformed> {
    let (heartbeat, _): (Heartbeat, _) = decode_item(bytes, 0)?;
    heartbeat.check()?;
    Ok(heartbeat)
}

/// Encodes a heartbeat as the value of [`HEARTBEAT_HEADER`](crate::HEARTBEAT_HEADER): base64 (RFC 4648, section 5, no padding)
/// of one CBOR item.
pub fn encode_heartbeat_header(heartbeat: &Heartbeat) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(encode_heartbeat(heartbeat))
}

/// Reads one heartbeat from the value of [`HEARTBEAT_HEADER`](crate::HEARTBEAT_HEADER).
///
/// # Errors
/// The value is no base64, does not decode, or has a version of another contract.
pub fn decode_heartbeat_header(value: &[u8]) -> Result<Heartbeat, Malformed> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(value)
        .map_err(|error| Malformed::Undecodable { index: 0, message: error.to_string() })?;
    decode_heartbeat(&bytes)
}

/// Checks that this reader knows `version`; `index` is the place of the observation that the error names.
///
/// # Errors
/// [`Malformed::FutureVersion`].
pub fn check_version(version: u32, index: usize) -> Result<(), Malformed> {
    match version {
        1..=VERSION => Ok(()),
        other => Err(Malformed::FutureVersion { index, version: other.into() }),
    }
}

impl Observation {
    /// Checks what the types cannot say: the version, that a leg has an answer exactly if its outcome says so, and that the
    /// primary is an answer with a body of its own. `index` is the observation's place in the batch and `fields` the number of
    /// header fields of those before it; answers the number including its own.
    ///
    /// # Errors
    /// [`Malformed`], naming the field that breaks the contract.
    pub fn check(&self, index: usize, fields: usize) -> Result<usize, Malformed> {
        check_version(self.version, index)?;
        let fields = fields.saturating_add(self.fields());
        match self.broken() {
            Some(message) => Err(Malformed::Undecodable { index, message }),
            None if fields > MAX_FIELDS => {
                let message = format!("the batch has more than {MAX_FIELDS} header fields up to here");
                Err(Malformed::Undecodable { index, message })
            }
            None => Ok(fields),
        }
    }

    fn broken(&self) -> Option<String> {
        let unanswered =
            self.legs().find(|(_, leg)| (leg.outcome == Outcome::Response) != leg.response.is_some());
        if let Some((name, leg)) = unanswered {
            let presence = if leg.response.is_some() { "present" } else { "missing" };
            return Some(format!(
                "{name}.response is {presence}, must be present exactly if {name}.outcome is response"
            ));
        }
        let mut statuses = self.legs().filter_map(|(name, leg)| Some((name, leg.response.as_ref()?.status)));
        if let Some((name, status)) = statuses.find(|(_, status)| !STATUSES.contains(status)) {
            return Some(format!("{name}.response.status is {status}, must be within 100..=999"));
        }
        let Some(primary) = &self.primary.response else {
            return Some("primary.outcome must be response".to_owned());
        };
        (primary.body == Body::Same).then(|| {
            "primary.response.body is same, must be whole or cut: it is what the others are compared to"
                .to_owned()
        })
    }

    fn fields(&self) -> usize {
        let answers = self.legs().filter_map(|(_, leg)| leg.response.as_ref());
        let lists = answers.flat_map(|answer| [answer.headers.len(), answer.trailers.len()]);
        lists.fold(self.request.headers.len(), usize::saturating_add)
    }

    /// Bytes that it hardly exceeds when encoded: growing to them step by step would copy it as often.
    fn likely_size(&self) -> usize {
        let answers = || self.legs().filter_map(|(_, leg)| leg.response.as_ref());
        let bodies = answers().map(|answer| &answer.body).chain([&self.request.body]).map(Body::held);
        let lists =
            answers().flat_map(|answer| [&answer.headers, &answer.trailers]).chain([&self.request.headers]);
        let fields =
            lists.flatten().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(6));
        bodies.chain(fields).fold(self.request.path.len().saturating_add(NAMES), usize::saturating_add)
    }

    fn legs(&self) -> impl Iterator<Item = (&'static str, &Leg)> {
        let control = self.control.iter().map(|control| ("control", control));
        [("primary", &self.primary), ("candidate", &self.candidate)].into_iter().chain(control)
    }
}

impl Heartbeat {
    /// Checks what the types cannot say: the version, and that no account is beyond [`MAX_COUNTED`], because one that is would outweigh
    /// whatever all other filters count.
    ///
    /// # Errors
    /// [`Malformed`], naming the account that breaks the bound.
    pub fn check(&self) -> Result<(), Malformed> {
        check_version(self.version, 0)?;
        let Accounts { requests, mirrored, not_mirrored, unsafe_methods, delivered, undelivered, unknown } =
            &self.accounts;
        let counts = [
            ("requests", *requests),
            ("mirrored", *mirrored),
            ("notMirrored", not_mirrored.total()),
            ("unsafeMethods", unsafe_methods.total()),
            ("delivered", *delivered),
            ("undelivered", undelivered.total()),
            ("unknown", *unknown),
        ];
        match counts.into_iter().find(|(_, count)| *count > MAX_COUNTED) {
            None => Ok(()),
            Some((name, count)) => {
                let message = format!("accounts.{name} counts {count}, must be at most {MAX_COUNTED}");
                Err(Malformed::Undecodable { index: 0, message })
            }
        }
    }
}

impl Handover {
    /// Of the requests that are written out.
    fn fields(&self) -> usize {
        let requests = [Some(&self.candidate), self.control.as_ref()].into_iter().flatten();
        let lists = requests.flat_map(|request| [request.headers.len(), request.trailers.len()]);
        lists.fold(0, usize::saturating_add)
    }
}

/// Decodes one item and answers what follows it.
fn decode_item<T: DeserializeOwned>(bytes: &[u8], index: usize) -> Result<(T, &[u8]), Malformed> {
    let mut deserializer = minicbor_serde::Deserializer::new(bytes);
    let item = T::deserialize(&mut deserializer)
        .map_err(|error| newer_or_broken(bytes, index, error.to_string()))?;
    let end = deserializer.decoder().position();
    Ok((item, bytes.get(end..).unwrap_or_default()))
}

/// A contract of the future may well not decode: its version says so, if it can be read at all.
fn newer_or_broken(bytes: &[u8], index: usize, message: String) -> Malformed {
    match minicbor_serde::from_slice::<VersionOnly>(bytes) {
        Ok(VersionOnly { version }) if version > u64::from(VERSION) => {
            Malformed::FutureVersion { index, version }
        }
        _ => Malformed::Undecodable { index, message },
    }
}

/// Of three digits (RFC 9110, section 15). What is beyond 599 means nothing, but versions answer with it, and that shall be seen.
const STATUSES: std::ops::RangeInclusive<u16> = 100..=999;

/// Bytes of what an observation has besides bodies and headers.
const NAMES: usize = 1_024;

/// The bound of a mirror's timeout.
const LONGEST_TIMEOUT_MS: u64 = 60_000;

#[derive(Deserialize)]
struct VersionOnly {
    version: u64,
}

/// The most that an account of a filter instance may be: 30,000 requests a second for a year.
pub const MAX_COUNTED: u64 = 1_000_000_000_000;

/// How many header fields all observations of a batch may have together: in memory they take many times what they take on the
/// wire.
pub const MAX_FIELDS: usize = 262_144;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Bytes, ExchangeId, Leg, Outcome, Request, Response};

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn observation() -> Observation {
        let leg = |latency| Leg {
            variant: "canary".to_owned(),
            outcome: Outcome::Response,
            sent_us: Some(latency as u32 / 2),
            latency_us: Some(latency),
            response: Some(Response {
                status: 200,
                headers: vec![
                    ("content-type".into(), "text/plain".into()),
                    ("x-raw".into(), vec![0xff, 0].into()),
                ],
                body: Body::Whole(vec![0xfe, 1, 2].into()),
                trailers: vec![],
            }),
            reason: None,
        };
        Observation {
            version: VERSION,
            id: ExchangeId(7),
            release: "checkout".to_owned(),
            generation: 3,
            rule: None,
            at_us: 1_700_000_000_000_000,
            client: Some(1),
            request: Request { method: "GET".into(), path: "/a?b".into(), ..Request::default() },
            primary: leg(10),
            candidate: Leg { outcome: Outcome::Timeout, response: None, ..leg(20) },
            control: Some(leg(30)),
        }
    }

    #[test]
    fn a_sequence_survives_the_wire_and_json() {
        let one = observation();
        let mut sequence = encode(&one);
        sequence.extend(encode(&one));
        assert_eq!(decode_sequence(&sequence), Ok(vec![one.clone(), one.clone()]));
        let json = serde_json::to_string(&one).unwrap();
        assert!(json.contains(r#"{"base64":"/gEC"}"#), "{json}");
        assert_eq!(serde_json::from_str::<Observation>(&json).unwrap(), one);
    }

    #[test]
    fn an_encoded_observation_fits_into_what_was_set_aside_for_it() {
        let one = observation();
        let long = Request {
            body: Body::Whole(vec![7; 5_000].into()),
            path: vec![b'/'; 900].into(),
            ..one.request.clone()
        };
        for observation in [Observation { request: long, ..one.clone() }, one] {
            let (size, likely) = (encode(&observation).len(), observation.likely_size());
            assert!((likely - NAMES..=likely).contains(&size), "{size} of {likely}");
        }
    }

    #[test]
    fn a_truncated_or_newer_batch_is_refused_by_name() {
        let whole = encode(&observation());
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            assert!(
                matches!(decode_sequence(&whole[..cut]), Err(Malformed::Undecodable { index: 0, .. })),
                "{cut}"
            );
        }
        let newer = Observation { version: 2, ..observation() };
        let error = decode_sequence(&encode(&newer)).unwrap_err();
        assert_eq!(error.to_string(), "observation 0 has version 2, must be within 1..=1");
        let stranger = minicbor_serde::to_vec(std::collections::BTreeMap::from([("version", 9)])).unwrap();
        assert!(matches!(decode_sequence(&stranger), Err(Malformed::FutureVersion { version: 9, .. })));
    }

    #[test]
    fn a_heartbeat_that_counts_more_than_anybody_can_is_refused_by_the_account() {
        use crate::{Instance, Undelivered};
        let heard = |accounts| {
            decode_heartbeat(&encode_heartbeat(&Heartbeat::new("shop", Instance(1), None, accounts)))
        };
        let most = Accounts { requests: MAX_COUNTED, mirrored: MAX_COUNTED, ..Accounts::default() };
        assert!(heard(most.clone()).is_ok());
        let mut undelivered = most.clone();
        undelivered.undelivered.add(Undelivered::OutboxFull, 1 << 48);
        for (accounts, named) in [
            (undelivered, "accounts.undelivered counts 281474976710656, must be at most 1000000000000"),
            (Accounts { requests: MAX_COUNTED + 1, ..most.clone() }, "accounts.requests counts"),
            (Accounts { unknown: u64::MAX, ..most }, "accounts.unknown counts"),
        ] {
            let error = heard(accounts).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn what_breaks_the_contract_is_refused_by_the_field() {
        let answered = observation().primary;
        let body_same = Response { body: Body::Same, ..answered.response.clone().unwrap() };
        let same = Leg { response: Some(body_same), ..answered.clone() };
        let silent = Leg { response: None, ..answered.clone() };
        let timeout = Leg { outcome: Outcome::Timeout, ..answered.clone() };
        let none = Leg { outcome: Outcome::Timeout, ..silent.clone() };
        let good = observation();
        for (broken, field) in [
            (Observation { primary: same.clone(), ..good.clone() }, "primary.response.body is same"),
            (Observation { primary: silent.clone(), ..good.clone() }, "primary.response is missing"),
            (Observation { primary: none, ..good.clone() }, "primary.outcome must be response"),
            (Observation { candidate: silent, ..good.clone() }, "candidate.response is missing"),
            (Observation { control: Some(timeout), ..good.clone() }, "control.response is present"),
        ] {
            let mut sequence = encode(&good);
            sequence.extend(encode(&broken));
            let error = decode_sequence(&sequence).unwrap_err();
            assert!(matches!(error, Malformed::Undecodable { index: 1, .. }), "{error}");
            assert!(error.to_string().contains(field), "{error}");
        }
        for (status, taken) in
            [(0, false), (99, false), (100, true), (999, true), (1_000, false), (65_535, false)]
        {
            let answer = Response { status, ..answered.response.clone().unwrap() };
            let leg = Leg { response: Some(answer), ..answered.clone() };
            let found = decode_sequence(&encode(&Observation { candidate: leg, ..good.clone() }));
            assert_eq!(found.is_ok(), taken, "{status}: {found:?}");
        }
        let shadow = Observation { candidate: same.clone(), control: Some(same), ..good };
        assert!(decode_sequence(&encode(&shadow)).is_ok());
    }

    #[test]
    fn header_fields_are_bounded_in_a_list_and_in_a_batch() {
        let with = |count| Observation {
            request: Request { headers: vec![("".into(), "".into()); count], ..Request::default() },
            ..observation()
        };
        assert!(decode_sequence(&encode(&with(crate::MAX_HEADERS))).is_ok());
        let error = decode_sequence(&encode(&with(crate::MAX_HEADERS + 1))).unwrap_err().to_string();
        assert!(error.contains("a list of headers is longer than 4096"), "{error}");
        let many = encode(&with(crate::MAX_HEADERS)).repeat(MAX_FIELDS / crate::MAX_HEADERS);
        let error = decode_sequence(&many).unwrap_err().to_string();
        assert!(error.contains("more than 262144 header fields"), "{error}");
    }

    #[test]
    fn an_observation_without_a_client_is_whole() {
        let mut json = serde_json::to_value(observation()).unwrap();
        json.as_object_mut().unwrap().remove("client");
        let none = Observation { client: None, ..observation() };
        assert_eq!(serde_json::from_value::<Observation>(json.clone()).unwrap(), none);
        assert_eq!(serde_json::to_value(&none).unwrap(), json);
    }

    /// A map of CBOR with one member more, before those that it has: how a field is added that earlier readers do not know.
    fn with_member(map: &[u8], name: &str, value: &[u8]) -> Vec<u8> {
        let (head, members) = map.split_first().unwrap();
        assert!((0xa0..0xb7).contains(head), "a map of less than 23 members");
        let name = minicbor_serde::to_vec(name).unwrap();
        [&[head + 1], &name[..], value, members].concat()
    }

    /// Readers that do not know [`Leg::sent_us`] take it as they take this.
    #[test]
    fn members_that_a_reader_does_not_know_are_passed_over() {
        let deep = minicbor_serde::to_vec(vec![Some((1, "x")), None]).unwrap();
        let whole = encode(&observation());
        let mut sequence = with_member(&whole, "later", &deep);
        sequence.extend(&whole);
        assert_eq!(decode_sequence(&sequence), Ok(vec![observation(), observation()]));
        let leg = observation().primary;
        let bytes = with_member(&minicbor_serde::to_vec(&leg).unwrap(), "later", &deep);
        assert_eq!(minicbor_serde::from_slice::<Leg>(&bytes).unwrap(), leg);
    }

    #[test]
    fn a_leg_says_when_it_left_or_that_nobody_knows() {
        let unknown = Leg { sent_us: None, ..observation().primary };
        let bytes = minicbor_serde::to_vec(&unknown).unwrap();
        assert!(!bytes.windows(6).any(|name| name == b"sentUs"), "as earlier senders write it");
        assert_eq!(minicbor_serde::from_slice::<Leg>(&bytes).unwrap(), unknown);
        for sent_us in [0, 23, 24, 65_536, u32::MAX] {
            let known = Leg { sent_us: Some(sent_us), ..unknown.clone() };
            let longer = minicbor_serde::to_vec(&known).unwrap();
            assert_eq!(minicbor_serde::from_slice::<Leg>(&longer).unwrap(), known);
            assert!(longer.len() - bytes.len() <= 12, "{sent_us}: {} bytes", longer.len() - bytes.len());
        }
        for beyond in [minicbor_serde::to_vec(1_u64 << 32), minicbor_serde::to_vec(-1)] {
            let bytes = with_member(&bytes, "sentUs", &beyond.unwrap());
            assert!(minicbor_serde::from_slice::<Leg>(&bytes).is_err());
        }
    }

    #[test]
    fn an_unknown_field_of_a_later_minor_version_is_skipped() {
        let mut json = serde_json::to_value(observation()).unwrap();
        json["later"] = serde_json::json!({"deep": [1, 2]});
        let cbor = minicbor_serde::to_vec(&json).unwrap();
        // From JSON the bytes come as text, which the binary form does not allow: the error names it, nothing panics.
        assert!(decode_sequence(&cbor).is_err());
        assert!(serde_json::from_value::<Observation>(json).is_ok());
        assert_eq!(Bytes::from("x").to_text(), "x");
    }

    #[test]
    fn accounts_of_earlier_and_of_later_filters_are_understood() {
        let accounts = crate::Accounts {
            requests: 5,
            unsafe_methods: [(crate::UnsafeMethod::Put, 3)].into(),
            ..Default::default()
        };
        let whole = minicbor_serde::to_vec(&accounts).unwrap();
        let counts = minicbor_serde::to_vec(std::collections::BTreeMap::from([("PUT", 3)])).unwrap();
        let later = with_member(&whole, "later", &counts);
        assert_eq!(minicbor_serde::from_slice::<crate::Accounts>(&later).unwrap(), accounts);
        let mut earlier = serde_json::to_value(&accounts).unwrap();
        assert!(earlier.as_object_mut().unwrap().remove("unsafeMethods").is_some());
        let earlier = minicbor_serde::to_vec(earlier).unwrap();
        let unnamed = crate::Accounts { unsafe_methods: crate::Counts::default(), ..accounts };
        assert_eq!(minicbor_serde::from_slice::<crate::Accounts>(&earlier).unwrap(), unnamed);
    }

    #[test]
    fn heartbeats() {
        let accounts = crate::Accounts { requests: 5, ..Default::default() };
        let heartbeat = Heartbeat::new("r", crate::Instance(1), Some(2), accounts);
        assert_eq!(decode_heartbeat(&encode_heartbeat(&heartbeat)), Ok(heartbeat.clone()));
        assert!(decode_heartbeat(b"\xff").is_err());
        let trouble = crate::Trouble::new(crate::TroubleKind::UnknownCluster, "canary", "candidate");
        let more = Heartbeat {
            troubles: vec![trouble],
            node: Some("edge-1".to_owned()),
            every_ms: Some(10_000),
            filter_version: Some("0.1.0".to_owned()),
            ends: true,
            ..heartbeat
        };
        assert_eq!(decode_heartbeat(&encode_heartbeat(&more)), Ok(more));
    }

    /// What a filter of before this version of the heartbeat sends and reads: five members.
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Earlier {
        version: u32,
        release: String,
        instance: crate::Instance,
        generation: Option<u64>,
        accounts: crate::Accounts,
    }

    #[test]
    fn heartbeats_of_earlier_filters_are_read_and_earlier_comparators_read_these() {
        let plain = Heartbeat::new("r", crate::Instance(1), Some(2), crate::Accounts::default());
        let earlier = || Earlier {
            version: VERSION,
            release: "r".to_owned(),
            instance: crate::Instance(1),
            generation: Some(2),
            accounts: crate::Accounts::default(),
        };
        assert_eq!(decode_heartbeat(&minicbor_serde::to_vec(earlier()).unwrap()), Ok(plain.clone()));
        let trouble =
            crate::Trouble::new(crate::TroubleKind::MissingSecret, "override", "is signed with \"k\"");
        let more = Heartbeat {
            troubles: vec![trouble; crate::MAX_TROUBLES],
            node: Some("edge-1".to_owned()),
            every_ms: Some(10_000),
            filter_version: Some("0.1.0".to_owned()),
            ends: true,
            ..plain
        };
        assert_eq!(minicbor_serde::from_slice::<Earlier>(&encode_heartbeat(&more)).unwrap(), earlier());
    }

    #[test]
    fn the_largest_heartbeat_fits_into_a_header() {
        let long = "\u{10ffff}".repeat(1_000);
        let trouble = crate::Trouble::new(crate::TroubleKind::UnknownCluster, &long, &long);
        let heartbeat = Heartbeat {
            troubles: vec![trouble.of_generation(Some(u64::MAX)); crate::MAX_TROUBLES],
            node: crate::node_name(long.as_bytes()),
            every_ms: Some(u64::MAX),
            filter_version: crate::node_name(long.as_bytes()),
            ..Heartbeat::new("r", crate::Instance(1), Some(2), crate::Accounts::default())
        };
        // An Envoy takes 60 KiB of headers.
        assert!(encode_heartbeat_header(&heartbeat).len() < 24 << 10);
    }
}
