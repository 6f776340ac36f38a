//! What a policy asks of requests, and what one request answered.
//!
//! The names are known when the policy is compiled, so a rule holds a slot number, and a request is asked for each name
//! at most once and only when a rule gets that far. Up to [`NEAR`] names need no allocation.

use std::borrow::Cow;
use std::ops::Range;

use crate::cookies::cookies;
use crate::decision::Request;

/// All names that a policy asks for.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    headers: Vec<String>,
    /// Sorted by name.
    cookies: Vec<(Box<[u8]>, CookieSlot)>,
    /// Bit `n % 64` is set if a name of `n` bytes is asked for: most cookies are dismissed by their length.
    cookie_lengths: u64,
    cookie_header: HeaderSlot,
}

/// The place of a header, pseudo headers included.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HeaderSlot(usize);

/// The place of a cookie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CookieSlot(usize);

impl Questions {
    /// The slot of a header; `name` in lower case.
    pub(crate) fn header(&mut self, name: &str) -> HeaderSlot {
        if let Some(found) = self.headers.iter().position(|known| known == name) {
            return HeaderSlot(found);
        }
        self.headers.push(name.to_owned());
        HeaderSlot(self.headers.len() - 1)
    }

    /// The slot of a cookie.
    pub(crate) fn cookie(&mut self, name: &str) -> CookieSlot {
        self.cookie_header = self.header("cookie");
        self.cookie_lengths |= length_bit(name.as_bytes());
        match self.cookies.binary_search_by(|(known, _)| (**known).cmp(name.as_bytes())) {
            Ok(found) => self.cookies.get(found).map_or(CookieSlot(0), |(_, slot)| *slot),
            Err(place) => {
                let slot = CookieSlot(self.cookies.len());
                self.cookies.insert(place, (name.as_bytes().into(), slot));
                slot
            }
        }
    }

    fn cookie_slot(&self, name: &[u8]) -> Option<CookieSlot> {
        if self.cookie_lengths & length_bit(name) == 0 {
            return None;
        }
        let found = self.cookies.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.cookies.get(found).map(|(_, slot)| *slot)
    }
}

/// One request under one policy.
pub(crate) struct Facts<'r, R: ?Sized> {
    request: &'r R,
    questions: &'r Questions,
    headers: Slots<Answer<'r>>,
    cookies: Slots<Option<Range<usize>>>,
    cookies_read: bool,
    /// Where the path ends and the query begins, once it was looked for.
    path_end: Option<usize>,
}

impl<'r, R: Request + ?Sized> Facts<'r, R> {
    pub(crate) fn new(request: &'r R, questions: &'r Questions) -> Self {
        Self {
            request,
            questions,
            headers: Slots::default(),
            cookies: Slots::default(),
            cookies_read: false,
            path_end: None,
        }
    }

    /// The first value of a header.
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

    /// The value of the first cookie of that name.
    pub(crate) fn cookie(&mut self, slot: CookieSlot) -> Option<&[u8]> {
        if !self.cookies_read {
            self.cookies_read = true;
            self.read_cookies();
        }
        let value = self.cookies.at(slot.0)?.clone()?;
        self.header(self.questions.cookie_header)?.get(value)
    }

    /// The client's address as canonical text without port.
    pub(crate) fn peer_address(&self) -> Option<Cow<'r, [u8]>> {
        self.request.peer_address()
    }

    fn read_cookies(&mut self) {
        let slot = self.questions.cookie_header;
        let Some(header) = ask(&mut self.headers, self.request, self.questions, slot) else { return };
        for (name, value) in cookies(header) {
            let Some(slot) = self.questions.cookie_slot(name) else { continue };
            if let Some(first @ None) = self.cookies.at(slot.0) {
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

fn ask<'s, 'r, R: Request + ?Sized>(
    answers: &'s mut Slots<Answer<'r>>,
    request: &'r R,
    questions: &Questions,
    slot: HeaderSlot,
) -> Option<&'s [u8]> {
    let answer = answers.at(slot.0)?;
    if matches!(answer, Answer::Unasked) {
        let name = questions.headers.get(slot.0)?;
        *answer = request.header(name).map_or(Answer::Missing, Answer::Found);
    }
    match answer {
        Answer::Found(value) => Some(value),
        Answer::Unasked | Answer::Missing => None,
    }
}

/// A list that needs no allocation for its first [`NEAR`] places.
#[derive(Default)]
struct Slots<T> {
    near: [T; NEAR],
    far: Vec<T>,
}

impl<T: Default> Slots<T> {
    /// The place `index`, which is below the number of questions.
    fn at(&mut self, index: usize) -> Option<&mut T> {
        let Some(far) = index.checked_sub(NEAR) else { return self.near.get_mut(index) };
        if self.far.len() <= far {
            self.far.resize_with(far + 1, T::default);
        }
        self.far.get_mut(far)
    }
}

fn path_end(target: &[u8]) -> usize {
    target.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(target.len())
}

fn length_bit(name: &[u8]) -> u64 {
    1 << (name.len() % 64)
}

/// Different names that a policy may ask for before a decision allocates.
const NEAR: usize = 16;

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

        fn peer_address(&self) -> Option<Cow<'_, [u8]>> {
            None
        }
    }

    #[test]
    fn each_name_is_asked_once_however_many_there_are() {
        let mut questions = Questions::default();
        let headers: Vec<_> = (0..40).map(|n| questions.header(&format!("h{n}"))).collect();
        let slots: Vec<_> = (0..41).map(|n| questions.cookie(&format!("c{n}"))).collect();
        let absent = questions.header("absent");
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
        }
        assert_eq!(*request.0.borrow(), ["h39", "absent", "cookie"]);
    }
}
