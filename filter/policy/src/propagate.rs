//! Choices that are handed on to the services behind: a cookie, a header or the variant as a header, or as a member of W3C
//! `baggage` (W3C Recommendation "Propagation format for distributed context: Baggage", 2024), so that each hop of a chain
//! can route by what the first one knew.
//!
//! Only listed values are handed on, and what a client sent under the same name is dropped unless the client is trusted.

use std::borrow::Cow;

use crate::document::Field;
use crate::edits::Edit;
use crate::facts::{Facts, Questions};
use crate::headers::own_name;
use crate::names::{COOKIE_NAMES, HEADER_NAMES, header_name, is_cookie_name, is_token};
use crate::place::{CookieSlot, HeaderSlot};
use crate::query::decoded;
use crate::request::Request;

/// A policy's `propagate`.
#[derive(Debug, Default)]
pub(crate) struct Propagation {
    /// With the slot of the client's own copy.
    headers: Vec<(String, HeaderSlot, Source)>,
    members: Vec<(String, Source)>,
    baggage: Option<HeaderSlot>,
}

#[derive(Debug)]
enum Source {
    Variant,
    Cookie(CookieSlot, Vec<String>),
    Header(HeaderSlot, Vec<String>),
}

impl Propagation {
    pub(crate) fn read(field: &Field<'_>, questions: &mut Questions) -> Option<Self> {
        let mut all = Self::default();
        let mut targets: Vec<String> = Vec::new();
        let mut complete = true;
        for field in field.list(1..=MOST)? {
            match read_one(&field, questions) {
                Some((target, _)) if targets.contains(&target) => {
                    field.note(format!("hands on as {target:?}, must be another than the one before"));
                    complete = false;
                }
                Some((target, source)) => {
                    all.push(&target, source, questions);
                    targets.push(target);
                }
                None => complete = false,
            }
        }
        complete.then_some(all)
    }

    /// Adds what is to be changed in a request that goes to `variant`. Whether the client is trusted is asked only where that
    /// matters.
    pub(crate) fn edits<'p, R: Request + ?Sized>(
        &'p self,
        variant: Option<&'p str>,
        facts: &mut Facts<'_, R>,
        trusted: &mut dyn FnMut(&mut Facts<'_, R>) -> bool,
        edits: &mut Vec<Edit<'p>>,
    ) {
        for (name, slot, source) in &self.headers {
            if let Some(value) = source.value(variant, facts) {
                edits.push(Edit::Set(name, Cow::Borrowed(value.as_bytes())));
            } else if facts.header(*slot).is_some() && !trusted(facts) {
                edits.push(Edit::Remove(name));
            }
        }
        let Some(slot) = self.baggage else { return };
        let ours: Vec<(&str, &str)> = self
            .members
            .iter()
            .filter_map(|(name, source)| Some((name.as_str(), source.value(variant, facts)?)))
            .collect();
        let sent = facts.header(slot).map(<[u8]>::to_vec);
        if sent.is_none() && ours.is_empty() {
            return;
        }
        if ours.is_empty() && trusted(facts) {
            return;
        }
        // Written anew even if nothing is forged here: several lines become one.
        let sent = sent.unwrap_or_default();
        let forged = |name: &[u8]| self.members.iter().any(|(known, _)| known.as_bytes() == name);
        let mut list: Vec<Cow<'_, [u8]>> = members(&sent)
            .filter(|member| !key(member).iter().any(|key| forged(key)))
            .map(Cow::Borrowed)
            .collect();
        list.extend(ours.iter().map(|(name, value)| Cow::Owned(format!("{name}={value}").into_bytes())));
        edits.push(if list.is_empty() {
            Edit::Remove(BAGGAGE)
        } else {
            Edit::Set(BAGGAGE, list.join(&b","[..]).into())
        });
    }

    /// The headers that carry something else than the variant's name.
    pub(crate) fn other_headers(&self) -> impl Iterator<Item = &str> {
        let others = self.headers.iter().filter(|(.., source)| !matches!(source, Source::Variant));
        others.map(|(name, ..)| name.as_str())
    }

    /// Every header that it sets.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, ..)| name.as_str())
    }

    /// Where the variant's name is handed on: headers, and members of baggage.
    pub(crate) fn variant_targets(&self) -> (Vec<&str>, Vec<&str>) {
        let headers = self.headers.iter().filter(|(.., source)| matches!(source, Source::Variant));
        let members = self.members.iter().filter(|(_, source)| matches!(source, Source::Variant));
        (headers.map(|(name, ..)| name.as_str()).collect(), members.map(|(name, _)| name.as_str()).collect())
    }

    fn push(&mut self, target: &str, source: Source, questions: &mut Questions) {
        match target.split_once(':') {
            Some(("baggage", name)) => {
                self.baggage = Some(questions.header(BAGGAGE));
                self.members.push((name.to_owned(), source));
            }
            Some((_, name)) => self.headers.push((name.to_owned(), questions.header(name), source)),
            None => {}
        }
    }
}

impl Source {
    /// The listed value that the request has.
    fn value<'p, R: Request + ?Sized>(
        &'p self,
        variant: Option<&'p str>,
        facts: &mut Facts<'_, R>,
    ) -> Option<&'p str> {
        let listed = |values: &'p [String], found: Option<&[u8]>| {
            let found = found?;
            values.iter().map(String::as_str).find(|value| value.as_bytes() == found)
        };
        match self {
            Self::Variant => variant,
            Self::Cookie(slot, values) => listed(values, facts.cookie(*slot)),
            Self::Header(slot, values) => listed(values, facts.header(*slot)),
        }
    }
}

/// The target as `header:<name>` or `baggage:<key>`, and where its value comes from.
fn read_one(field: &Field<'_>, questions: &mut Questions) -> Option<(String, Source)> {
    let map = field.map(&["variant", "cookie", "header", "as", "allow"])?;
    let target = map.required("as").and_then(read_target);
    let allow = map.get("allow").map(read_values);
    let allow = crate::document::optional(allow)?;
    let source = match (map.get("variant"), map.get("cookie"), map.get("header")) {
        (Some(variant), None, None) => {
            let on = variant.boolean()?;
            if !on || allow.is_some() {
                field.note("hands on the variant: that is variant: true, without allow".to_owned());
                return None;
            }
            Source::Variant
        }
        (None, Some(cookie), None) => {
            let name = cookie.text()?;
            if !is_cookie_name(name) {
                cookie.problem(COOKIE_NAMES);
                return None;
            }
            Source::Cookie(questions.cookie(name), required(field, allow)?)
        }
        (None, None, Some(header)) => {
            let Some(name) = header_name(header.text()?) else {
                header.problem(HEADER_NAMES);
                return None;
            };
            Source::Header(questions.header(&name), required(field, allow)?)
        }
        _ => {
            field.note("must have exactly one of variant, cookie, header".to_owned());
            return None;
        }
    };
    Some((target?, source))
}

fn read_target(field: &Field<'_>) -> Option<String> {
    match field.text()?.split_once(':') {
        Some(("baggage", key)) if is_token(key) => Some(format!("baggage:{key}")),
        Some(("header", name)) => own_name(field, name).map(|name| format!("header:{name}")),
        _ => {
            field.problem("must be header:<name> or baggage:<key>");
            None
        }
    }
}

fn required(field: &Field<'_>, allow: Option<Vec<String>>) -> Option<Vec<String>> {
    if allow.is_none() {
        field.note("hands on what clients send, must have the list of values that it may: allow".to_owned());
    }
    allow
}

/// Values that can stand in a header and in baggage as they are.
fn read_values(field: &Field<'_>) -> Option<Vec<String>> {
    let read = |field: &Field<'_>| {
        let text = field.text()?;
        let plain =
            text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\' | b'%'));
        if plain && (1..=LONGEST_VALUE).contains(&text.len()) {
            return Some(text.to_owned());
        }
        field.problem(format!("must be 1 to {LONGEST_VALUE} visible ASCII characters but \" , ; \\ %"));
        None
    };
    field.each(1..=MAX_VALUES, read)
}

/// The members of a list. One with control characters is dropped: no host should let it pass, and it would be ours to send.
fn members(baggage: &[u8]) -> impl Iterator<Item = &[u8]> {
    let plain = |member: &&[u8]| !member.iter().any(|b| b.is_ascii_control() && *b != b'\t');
    baggage.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()).filter(plain)
}

/// The key of a member, what stands before `=` or a property: as it is, and decoded, since some libraries for baggage decode keys
/// too and would read `%72elease` as `release`.
fn key(member: &[u8]) -> [Vec<u8>; 2] {
    let key = member.split(|b| matches!(b, b'=' | b';')).next().unwrap_or_default();
    [key.trim_ascii().to_vec(), decoded(key).trim_ascii().to_vec()]
}

const BAGGAGE: &str = "baggage";
const MOST: usize = 32;
const MAX_VALUES: usize = 1_000;
const LONGEST_VALUE: usize = 256;
