//! What a policy asks of requests, and what one request answered.
//!
//! The names are known when the policy is compiled, so a rule holds a slot number, and a request is asked for each name
//! at most once and only when a rule gets that far. The usual number of names needs no allocation.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;

use crate::client::ClientAddress;
use crate::cookies::cookies;
use crate::document::Cost;
use crate::json::Fields;
use crate::lines::separator;
use crate::place::{CookieSlot, FormSlot, HeaderSlot, JsonSlot, Place, PropertySlot, QuerySlot};
use crate::property::PropertyPath;
use crate::query;
use crate::rates::Rates;
use crate::request::{Body, BodyKind, Request};
use crate::search::{Compiling, Found, Search, Sought, TooLarge};
use crate::timestamp::Timestamp;

/// All names that a policy asks for.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    headers: Vec<String>,
    cookies: Names,
    cookie_header: HeaderSlot,
    query: Names,
    path_header: HeaderSlot,
    properties: Vec<PropertyPath>,
    form: Names,
    json: Fields,
    client: ClientAddress,
    sought: BTreeMap<Place, Sought>,
    /// What is sought, compiled.
    searches: BTreeMap<Place, Search>,
    rates: Rates,
    keys: BTreeSet<Place>,
    /// There are too many: no more are taken, and the policy is refused. A name is looked for among those before, so the time would grow with
    /// their square.
    too_many: bool,
}

impl Questions {
    /// The slot of a header; `name` in lower case.
    pub(crate) fn header(&mut self, name: &str) -> HeaderSlot {
        // Hosts keep it under this name, whatever the version of HTTP; not all of them know it by the other.
        let name = if name == "host" { ":authority" } else { name };
        HeaderSlot(self.slot(|own| place(&mut own.headers, |known| known == name, || name.to_owned())))
    }

    pub(crate) fn cookie(&mut self, name: &str) -> CookieSlot {
        self.cookie_header = self.header("cookie");
        CookieSlot(self.slot(|own| own.cookies.slot(name)))
    }

    pub(crate) fn query(&mut self, name: &str) -> QuerySlot {
        self.path_header = self.header(":path");
        QuerySlot(self.slot(|own| own.query.slot(name)))
    }

    pub(crate) fn property(&mut self, path: &PropertyPath) -> PropertySlot {
        PropertySlot(self.slot(|own| place(&mut own.properties, |known| known == path, || path.clone())))
    }

    pub(crate) fn form(&mut self, name: &str) -> FormSlot {
        FormSlot(self.slot(|own| own.form.slot(name)))
    }

    pub(crate) fn json(&mut self, name: &str) -> JsonSlot {
        JsonSlot(self.slot(|own| own.json.place(name)))
    }

    /// Whether requests are asked for more than [`MAX_NAMES`], or for more than [`MAX_ASKED`] headers and properties.
    pub(crate) fn are_too_many(&self) -> bool {
        self.too_many
    }

    /// The slot of a name, which may be a new one. Once there are too many it is any.
    fn slot(&mut self, of: impl FnOnce(&mut Self) -> usize) -> usize {
        if self.too_many {
            return 0;
        }
        let slot = of(self);
        let asked = self.headers.len() + self.properties.len();
        let found = self.cookies.sorted.len() + self.query.sorted.len() + self.form.sorted.len();
        self.too_many = asked > MAX_ASKED || asked + found + self.json.len() > MAX_NAMES;
        slot
    }

    /// What is looked for in the values of a place.
    pub(crate) fn sought(&mut self, place: Place) -> &mut Sought {
        self.sought.entry(place).or_insert_with(|| Sought::new(place.has_lines()))
    }

    /// Counts that something at `path` reads every byte of the values of a place.
    pub(crate) fn reads(&mut self, place: Place, path: String, steps_per_byte: usize) {
        self.rates.add(place, path, steps_per_byte);
    }

    /// Counts that requests are known by the values of a place: hashed at most once for a split, and once for mirrors.
    pub(crate) fn is_key(&mut self, place: Place, path: String) {
        if self.keys.insert(place) {
            self.rates.add(place, path, 2 * OF_A_HASHED_BYTE);
        }
    }

    /// Compiles what is sought, once all of it is known, and says what that costs, by path.
    ///
    /// # Errors
    /// What is too large.
    pub(crate) fn compile(&mut self) -> Result<Vec<(String, Cost)>, TooLarge> {
        let mut left = Compiling::default();
        let mut costs = Vec::new();
        let sought = std::mem::take(&mut self.sought);
        for (place, sought) in sought.into_iter().filter(|(_, sought)| !sought.is_empty()) {
            let (search, spent) = sought.compile(&mut left)?;
            for (path, cost) in spent {
                self.rates.add(place, path.clone(), cost.steps_per_byte);
                costs.push((path, Cost { bytes: cost.bytes, steps: cost.steps }));
            }
            self.searches.insert(place, search);
        }
        Ok(costs)
    }

    /// The steps that the longest request takes because of its length, by path.
    pub(crate) fn steps_of_length(&mut self, largest_body: usize) -> Vec<(String, usize)> {
        if !self.cookies.sorted.is_empty() {
            let steps = OF_A_COOKIE_BYTE + self.cookies.steps_of_finding();
            self.rates.add(Place::Header(self.cookie_header), "cookies".to_owned(), steps);
        }
        for query in 0..self.query.sorted.len() {
            let steps = self.query.steps_per_byte();
            self.rates.add(Place::Query(QuerySlot(query)), "query".to_owned(), steps);
        }
        let dearest = self.rates.dearest_header(self.cookie_header, self.path_header);
        let mut spent = self.rates.spent(&dearest, LONGEST_HEADERS);
        let form = self.rates.dearest(|place| matches!(place, Place::Form(_)));
        let form = self.rates.spent(form.as_slice(), largest_body);
        let json = self.json.dearest(|field| self.rates.of(Place::Json(JsonSlot(field))));
        let json: Vec<Place> = json.into_iter().map(|field| Place::Json(JsonSlot(field))).collect();
        let json = self.rates.spent(&json, largest_body);
        // A body is of one kind.
        let total = |spent: &[(String, usize)]| spent.iter().map(|(_, steps)| steps).sum::<usize>();
        spent.extend(if total(&form) > total(&json) { form } else { json });
        let asked = self.headers.len() + self.properties.len();
        spent.push(("headers".to_owned(), asked.saturating_mul(OF_A_HOST_CALL)));
        spent.push(("body".to_owned(), self.steps_of_a_body_byte().saturating_mul(largest_body)));
        spent
    }

    /// Steps of finding the fields of a body, for each of its bytes.
    fn steps_of_a_body_byte(&self) -> usize {
        let form = if self.form.sorted.is_empty() { 0 } else { self.form.steps_per_byte() };
        let json = if self.json.is_empty() { 0 } else { OF_A_JSON_BYTE * self.json.readings() };
        form.max(json)
    }

    /// Where the client's address is found.
    pub(crate) fn set_client(&mut self, client: ClientAddress) {
        self.client = client;
    }

    /// Whether any rule looks into bodies.
    pub(crate) fn read_bodies(&self) -> bool {
        !self.form.sorted.is_empty() || !self.json.is_empty()
    }

    pub(crate) fn header_count(&self) -> usize {
        self.headers.len()
    }

    /// Whether a header is asked for of which all lines count.
    pub(crate) fn need_all_lines(&self) -> bool {
        self.headers.iter().any(|name| separator(name).is_some())
    }

    /// The request headers that decisions may depend on, pseudo headers aside.
    pub(crate) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(String::as_str).filter(|name| !name.starts_with(':'))
    }
}

/// Names of which a text holds some: cookies, parameters.
#[derive(Debug, Default)]
struct Names {
    /// By name, each with its slot.
    sorted: Vec<(Box<[u8]>, usize)>,
    /// Bit `n % 64` is set if a name of `n` bytes is asked for: most are dismissed by their length.
    lengths: u64,
}

impl Names {
    fn slot(&mut self, name: &str) -> usize {
        self.lengths |= length_bit(name.as_bytes());
        match self.sorted.binary_search_by(|(known, _)| (**known).cmp(name.as_bytes())) {
            Ok(found) => self.sorted.get(found).map_or(0, |(_, slot)| *slot),
            Err(place) => {
                let slot = self.sorted.len();
                self.sorted.insert(place, (name.as_bytes().into(), slot));
                slot
            }
        }
    }

    /// Steps of looking for a name of a text that has names of two bytes only, for each of its bytes.
    fn steps_of_finding(&self) -> usize {
        self.sorted.len().checked_ilog2().map_or(0, |rounds| rounds as usize + 1)
    }

    /// Steps of finding them among the pairs of a query or a form, for each of its bytes.
    fn steps_per_byte(&self) -> usize {
        OF_A_PAIR_BYTE + self.steps_of_finding()
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        if self.lengths & length_bit(name) == 0 {
            return None;
        }
        let found = self.sorted.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.sorted.get(found).map(|(_, slot)| *slot)
    }
}

/// One request under one policy.
pub(crate) struct Facts<'r, R: ?Sized> {
    request: &'r R,
    questions: &'r Questions,
    headers: Slots<Answer<'r>, 16>,
    cookies: Slots<Option<Range<usize>>, 8>,
    cookies_read: bool,
    /// Where the path ends and the query begins, once it was looked for.
    path_end: Option<usize>,
    /// `None` until it is asked for.
    query: Option<Values>,
    form: Option<Values>,
    json: Option<Values>,
    properties: Slots<Answer<'r>, 0>,
    address: Option<Option<IpAddr>>,
    now: Option<Timestamp>,
    awaits_body: bool,
    found: BTreeMap<Place, Rc<Found>>,
    /// By what mirrors sample, once it was looked for.
    pub(crate) sampled: Option<Option<u64>>,
    steps: usize,
}

/// The value of each name that is asked for.
type Values = Vec<Option<Vec<u8>>>;

impl<'r, R: Request + ?Sized> Facts<'r, R> {
    pub(crate) fn new(request: &'r R, questions: &'r Questions) -> Self {
        Self {
            request,
            questions,
            headers: Slots::default(),
            cookies: Slots::default(),
            cookies_read: false,
            path_end: None,
            query: None,
            form: None,
            json: None,
            properties: Slots::default(),
            address: None,
            now: None,
            awaits_body: false,
            found: BTreeMap::new(),
            sampled: None,
            steps: 0,
        }
    }

    /// Counts steps.
    pub(crate) fn took(&mut self, steps: usize) {
        self.steps = self.steps.saturating_add(steps);
    }

    /// The steps that were taken so far.
    pub(crate) fn steps(&self) -> usize {
        let answers = self.headers.all().chain(self.properties.all());
        let asked = answers.filter(|answer| !matches!(answer, Answer::Unasked)).count();
        self.steps.saturating_add(asked * OF_A_HOST_CALL)
    }

    /// The value of a place.
    pub(crate) fn value(&mut self, place: Place) -> Option<&[u8]> {
        match place {
            Place::Header(slot) => self.header(slot),
            Place::Path(slot) => self.path(slot),
            Place::Host(slot) => self.host(slot),
            Place::Cookie(slot) => self.cookie(slot),
            Place::Query(slot) => self.query(slot),
            Place::Property(slot) => self.property(slot),
            Place::Form(slot) => self.form(slot),
            Place::Json(slot) => self.json(slot),
        }
    }

    /// What was found in the value of a place, of all that is sought there.
    pub(crate) fn found(&mut self, place: Place) -> Rc<Found> {
        if let Some(known) = self.found.get(&place) {
            return Rc::clone(known);
        }
        let search = self.questions.searches.get(&place);
        let found = search.zip(self.value(place)).map(|(search, value)| search.of(value));
        let found = Rc::new(found.unwrap_or_default());
        self.took(found.steps());
        self.found.insert(place, Rc::clone(&found));
        found
    }

    /// The value of a header.
    pub(crate) fn header(&mut self, slot: HeaderSlot) -> Option<&[u8]> {
        ask(&mut self.headers, self.request, self.questions, slot)
    }

    /// The path without its query; `slot` is that of `:path`.
    pub(crate) fn path(&mut self, slot: HeaderSlot) -> Option<&[u8]> {
        let known = self.path_end;
        let target = ask(&mut self.headers, self.request, self.questions, slot)?;
        let end = known.unwrap_or_else(|| path_end(target));
        self.path_end = Some(end);
        target.get(..end)
    }

    /// The host that is asked, without port and without the dot that ends a full name; `slot` is that of `:authority`.
    pub(crate) fn host(&mut self, slot: HeaderSlot) -> Option<&[u8]> {
        self.header(slot).map(without_port).map(without_last_dot)
    }

    /// The value of the first cookie of that name.
    pub(crate) fn cookie(&mut self, slot: CookieSlot) -> Option<&[u8]> {
        if !self.cookies_read {
            self.cookies_read = true;
            self.read_cookies();
        }
        let value = self.cookies.at(slot.0)?.clone()?;
        self.header(self.questions.cookie_header)?.get(value)
    }

    /// The first value of a query parameter, decoded.
    pub(crate) fn query(&mut self, slot: QuerySlot) -> Option<&[u8]> {
        if self.query.is_none() {
            let names = &self.questions.query;
            let target = ask(&mut self.headers, self.request, self.questions, self.questions.path_header);
            let text = target.map_or(&[][..], query_of);
            let (values, length) = (read_pairs(text, names), text.len());
            self.query = Some(values);
            self.took(names.steps_per_byte() * length);
        }
        self.query.as_ref()?.get(slot.0)?.as_deref()
    }

    /// The first value of a form field, decoded.
    pub(crate) fn form(&mut self, slot: FormSlot) -> Option<&[u8]> {
        if self.form.is_none() {
            let body = self.body(BodyKind::Form).unwrap_or_default();
            self.form = Some(read_pairs(&body, &self.questions.form));
            self.took(self.questions.form.steps_per_byte() * body.len());
        }
        self.form.as_ref()?.get(slot.0)?.as_deref()
    }

    /// A field of a JSON body.
    pub(crate) fn json(&mut self, slot: JsonSlot) -> Option<&[u8]> {
        if self.json.is_none() {
            let body = self.body(BodyKind::Json).unwrap_or_default();
            self.json = Some(self.questions.json.find(&body));
            self.took(OF_A_JSON_BYTE * self.questions.json.readings() * body.len());
        }
        self.json.as_ref()?.get(slot.0)?.as_deref()
    }

    /// A property of the host.
    pub(crate) fn property(&mut self, slot: PropertySlot) -> Option<&[u8]> {
        let answer = self.properties.at(slot.0)?;
        if matches!(answer, Answer::Unasked) {
            let path = self.questions.properties.get(slot.0)?;
            *answer = self.request.property(path).map_or(Answer::Missing, Answer::Found);
        }
        answer.value()
    }

    /// The client's address.
    pub(crate) fn address(&mut self) -> Option<IpAddr> {
        if self.address.is_none() {
            let forwarded = self.questions.client.header();
            let forwarded = forwarded.and_then(|name| self.request.header(name));
            self.address =
                Some(self.questions.client.resolve(forwarded.as_deref(), || self.request.peer_address()));
        }
        self.address.flatten()
    }

    /// The time of this decision.
    pub(crate) fn now(&mut self) -> Timestamp {
        *self.now.get_or_insert_with(|| self.request.now())
    }

    /// Whether a body was asked for that is still to come.
    pub(crate) fn awaits_body(&self) -> bool {
        self.awaits_body
    }

    fn body(&mut self, kind: BodyKind) -> Option<Cow<'r, [u8]>> {
        match self.request.body(kind) {
            Body::None => None,
            Body::ToCome => {
                self.awaits_body = true;
                None
            }
            Body::Whole(bytes) => Some(bytes),
        }
    }

    fn read_cookies(&mut self) {
        let slot = self.questions.cookie_header;
        let Some(header) = ask(&mut self.headers, self.request, self.questions, slot) else { return };
        self.steps += (OF_A_COOKIE_BYTE + self.questions.cookies.steps_of_finding()) * header.len();
        for (name, value) in cookies(header) {
            let Some(slot) = self.questions.cookies.find(name) else { continue };
            if let Some(first @ None) = self.cookies.at(slot) {
                *first = Some(value);
            }
        }
    }
}

#[derive(Default)]
enum Answer<'r> {
    #[default]
    Unasked,
    Missing,
    Found(Cow<'r, [u8]>),
}

impl Answer<'_> {
    fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Found(value) => Some(value),
            Self::Unasked | Self::Missing => None,
        }
    }
}

fn ask<'s, 'r, R: Request + ?Sized, const N: usize>(
    answers: &'s mut Slots<Answer<'r>, N>,
    request: &'r R,
    questions: &Questions,
    slot: HeaderSlot,
) -> Option<&'s [u8]> {
    let answer = answers.at(slot.0)?;
    if matches!(answer, Answer::Unasked) {
        let name = questions.headers.get(slot.0)?;
        *answer = request.header(name).map_or(Answer::Missing, Answer::Found);
    }
    answer.value()
}

/// A list that needs no allocation for its first `N` places.
struct Slots<T, const N: usize> {
    near: [T; N],
    far: Vec<T>,
}

impl<T: Default, const N: usize> Default for Slots<T, N> {
    fn default() -> Self {
        Self { near: std::array::from_fn(|_| T::default()), far: Vec::new() }
    }
}

impl<T: Default, const N: usize> Slots<T, N> {
    fn all(&self) -> impl Iterator<Item = &T> {
        self.near.iter().chain(&self.far)
    }

    /// The place `index`, which is below the number of questions.
    fn at(&mut self, index: usize) -> Option<&mut T> {
        let Some(far) = index.checked_sub(N) else { return self.near.get_mut(index) };
        if self.far.len() <= far {
            self.far.resize_with(far + 1, T::default);
        }
        self.far.get_mut(far)
    }
}

/// The index of the one that `is` it, made if there is none.
fn place<T>(list: &mut Vec<T>, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
    list.iter().position(is).unwrap_or_else(|| {
        list.push(make());
        list.len() - 1
    })
}

fn read_pairs(text: &[u8], names: &Names) -> Values {
    let mut values: Values = vec![None; names.sorted.len()];
    // Of all names: there may be thousands.
    let mut bytes = Vec::new();
    for (name, value) in query::pairs(text) {
        let sent = text.get(name).unwrap_or_default();
        let name = query::decoded_in(sent, &mut bytes).map_or(sent, |()| &bytes);
        let Some(first @ None) = names.find(name).and_then(|slot| values.get_mut(slot)) else { continue };
        *first = Some(query::decoded(text.get(value).unwrap_or_default()).into_owned());
    }
    values
}

fn path_end(target: &[u8]) -> usize {
    target.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(target.len())
}

fn query_of(target: &[u8]) -> &[u8] {
    let target = target.split(|b| *b == b'#').next().unwrap_or_default();
    let start = target.iter().position(|b| *b == b'?').map_or(target.len(), |mark| mark + 1);
    target.get(start..).unwrap_or_default()
}

/// `a.test:80` and `[::1]:80` without what follows the name.
fn without_port(authority: &[u8]) -> &[u8] {
    let port = authority.iter().rposition(|b| !b.is_ascii_digit());
    match port {
        Some(colon) if authority.get(colon) == Some(&b':') => authority.get(..colon).unwrap_or(authority),
        _ => authority,
    }
}

/// `shop.example.` is the full name of `shop.example`.
pub(crate) fn without_last_dot(host: &[u8]) -> &[u8] {
    host.strip_suffix(b".").filter(|name| !name.is_empty()).unwrap_or(host)
}

/// Bytes of a request's headers together: what Envoy lets in unless `max_request_headers_kb` says otherwise.
const LONGEST_HEADERS: usize = 60 * 1024;
/// The most names that requests are asked for, …
pub(crate) const MAX_NAMES: usize = 8_192;
/// … and of those the headers and properties, which cost a call each: as many take all steps of a policy.
pub(crate) const MAX_ASKED: usize = 2_000;
/// Steps of asking the host for a header or a property.
const OF_A_HOST_CALL: usize = 500;
/// Steps of hashing a byte.
pub(crate) const OF_A_HASHED_BYTE: usize = 1;
/// Steps of telling cookies apart, for each byte.
const OF_A_COOKIE_BYTE: usize = 3;
/// Steps of telling pairs of a query or a form apart and decoding them, for each byte.
const OF_A_PAIR_BYTE: usize = 4;
/// Steps of reading JSON once, for each byte.
const OF_A_JSON_BYTE: usize = 4;

fn length_bit(name: &[u8]) -> u64 {
    1 << (name.len() % 64)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    struct Counted(RefCell<Vec<String>>);

    impl Request for Counted {
        fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
            self.0.borrow_mut().push(name.to_owned());
            (name != "absent").then(|| format!("c1={name}; c40=x; c1=second").into_bytes().into())
        }

        fn peer_address(&self) -> Option<IpAddr> {
            None
        }

        fn property(&self, _: &PropertyPath) -> Option<Cow<'_, [u8]>> {
            self.header("property")
        }

        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn body(&self, _: BodyKind) -> Body<'_> {
            self.0.borrow_mut().push("body".to_owned());
            Body::Whole(Cow::Borrowed(br#"{"a": 1, "b": {"c": 2}}"#))
        }
    }

    /// However many fields are asked for, and whether the body has them.
    #[test]
    fn a_body_is_asked_for_once() {
        let mut questions = Questions::default();
        let slots = ["a", "/b/c", "absent"].map(|name| questions.json(name));
        let request = Counted(RefCell::default());
        let mut facts = Facts::new(&request, &questions);
        for _ in 0..2 {
            let found = slots.map(|slot| facts.json(slot).map(<[u8]>::to_vec));
            assert_eq!(found, [Some(b"1".to_vec()), Some(b"2".to_vec()), None]);
        }
        assert_eq!(*request.0.borrow(), ["body"]);
    }

    #[test]
    fn each_name_is_asked_once_however_many_there_are() {
        let mut questions = Questions::default();
        let headers: Vec<_> = (0..40).map(|n| questions.header(&format!("h{n}"))).collect();
        let slots: Vec<_> = (0..41).map(|n| questions.cookie(&format!("c{n}"))).collect();
        let absent = questions.header("absent");
        let property = questions.property(&PropertyPath::new("k"));
        assert_eq!(questions.header("h7").0, headers[7].0);
        assert_eq!(questions.cookie("c7").0, slots[7].0);
        let request = Counted(RefCell::default());
        let mut facts = Facts::new(&request, &questions);
        for _ in 0..2 {
            assert_eq!(facts.header(headers[39]), Some(&b"c1=h39; c40=x; c1=second"[..]));
            assert_eq!(facts.header(absent), None);
            assert_eq!(facts.cookie(slots[1]), Some(&b"cookie"[..]));
            assert_eq!(facts.cookie(slots[40]), Some(&b"x"[..]));
            assert_eq!(facts.cookie(slots[2]), None);
            assert!(facts.property(property).is_some());
        }
        assert_eq!(*request.0.borrow(), ["h39", "absent", "cookie", "property"]);
    }

    #[test]
    fn parts_of_a_target() {
        for (target, query) in
            [("/", ""), ("/?", ""), ("/a?b=1", "b=1"), ("/a?b?c#d?e", "b?c"), ("/#a?b", "")]
        {
            assert_eq!(query_of(target.as_bytes()), query.as_bytes(), "{target}");
        }
        for (authority, host) in [
            ("a.test", "a.test"),
            ("a:80", "a"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("80", "80"),
            ("", ""),
        ] {
            assert_eq!(without_port(authority.as_bytes()), host.as_bytes(), "{authority}");
        }
        for (full, host) in [("a.test.", "a.test"), ("a.test", "a.test"), (".", "."), ("", "")] {
            assert_eq!(without_last_dot(full.as_bytes()), host.as_bytes(), "{full}");
        }
    }
}
