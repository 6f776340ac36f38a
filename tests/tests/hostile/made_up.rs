//! Requests out of a seed as bytes on the wire: from strange but valid to nothing that HTTP knows.
//!
//! Names and values come mostly from what the policy reads, because bytes that no rule looks at prove little.

use antumbra_policy::Dice;

/// What to send, and what to expect.
pub(crate) struct Attack {
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Expected,
    /// Its answer has no body.
    pub(crate) head: bool,
}

/// What is due to whoever sends these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// An answer, or the end of the connection: the proxy has all that it can wait for.
    Answer,
    /// Perhaps nothing: more may have to come.
    Anything,
}

/// The request of this number.
pub(crate) fn attack(seed: u64, number: u64) -> Attack {
    let mut dice = Dice(seed ^ number.wrapping_mul(0x2545_F491_4F6C_DD1D));
    let wild = dice.next().is_multiple_of(4);
    let mut made = Maker { dice, wild };
    let method = made.method();
    let head = method == b"HEAD";
    let mut bytes = [&method[..], b" ", &made.target(), b" HTTP/1.1\r\n"].concat();
    if made.wild && made.one_in(12) {
        bytes.truncate(bytes.len() - 3);
        bytes.extend_from_slice(made.pick(&["0\r\n", "9\r\n", "\r\n", "1.1\r\n"]).as_bytes());
    }
    if !(made.wild && made.one_in(12)) {
        bytes.extend_from_slice(b"host: shop.test\r\n");
    }
    let headers = if made.one_in(100) { 200 } else { made.below(12) };
    for _ in 0..headers {
        let (name, value) = made.header();
        bytes.extend_from_slice(
            &[&name[..], b":", made.pick(&[" ", "", "\t", "  "]).as_bytes(), &value, b"\r\n"].concat(),
        );
    }
    let mut expected = made.body(&mut bytes);
    if made.wild && made.one_in(2) {
        made.mutate(&mut bytes);
        expected = Expected::Anything;
    }
    Attack { bytes, expected, head }
}

struct Maker {
    dice: Dice,
    /// What HTTP does not allow may occur; else most of it would end at the proxy's parser and no rule would see the rest.
    wild: bool,
}

impl Maker {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.dice.next() % bound.max(1) as u64).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    fn method(&mut self) -> Vec<u8> {
        if !(self.wild && self.one_in(4)) {
            return self.pick(&METHODS).into();
        }
        match self.below(2) {
            0 => self.pick(&["BREW", "get", "CONNECT", "M-SEARCH", "PRI", "GE\u{0}T", "G ET"]).into(),
            _ => (0..self.below(300) + 1).map(|_| b'A' + u8::try_from(self.below(26)).unwrap()).collect(),
        }
    }

    fn target(&mut self) -> Vec<u8> {
        let path = if self.wild { self.pick(&WILD_PATHS) } else { self.pick(&PATHS) };
        let mut target = path.as_bytes().to_vec();
        if self.one_in(20) {
            let wild = self.wild;
            target.extend(
                self.noise(8_000, |byte| byte > b' ' && byte != b'#' && (wild || byte.is_ascii_graphic())),
            );
        }
        if self.one_in(2) {
            target.extend_from_slice(self.pick(&QUERIES).as_bytes());
        }
        target
    }

    fn header(&mut self) -> (Vec<u8>, Vec<u8>) {
        let name = match self.below(8) {
            0 => self.token(),
            _ => self.pick(&NAMES).into(),
        };
        let valid = |byte: u8| byte >= b' ' && byte != 0x7f;
        let value = match self.below(8) {
            0 => Vec::new(),
            1 if self.wild => self.noise(40, |byte| !matches!(byte, b'\r' | b'\n')),
            1 | 2 => self.noise(40, valid),
            3 if self.one_in(10) => self.noise(9_000, valid),
            4 => {
                let (left, right) = (self.pick(&VALUES), self.pick(&VALUES));
                [left.as_bytes(), &self.noise(6, valid), right.as_bytes()].concat()
            }
            _ => self.pick(&VALUES).into(),
        };
        (name, value)
    }

    /// Bytes that a header's name may have, and now and then one that it may not.
    fn token(&mut self) -> Vec<u8> {
        let strange = self.wild && self.one_in(10);
        self.noise(20, |byte| {
            strange && byte != b'\r' && byte != b'\n'
                || byte.is_ascii_alphanumeric()
                || b"!#$%&'*+-.^_`|~".contains(&byte)
        })
    }

    fn noise(&mut self, most: usize, allowed: impl Fn(u8) -> bool) -> Vec<u8> {
        let length = self.below(most) + 1;
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            bytes.extend(self.dice.next().to_le_bytes().into_iter().filter(|byte| allowed(*byte)));
        }
        bytes.truncate(length);
        bytes
    }

    /// The end of the headers, and what follows.
    fn body(&mut self, bytes: &mut Vec<u8>) -> Expected {
        let kind = self.pick(&[
            "application/json",
            "application/x-www-form-urlencoded",
            "application/json;charset=\u{ff}",
            "text/plain",
        ]);
        let body = match self.below(6) {
            0 => self.noise(300, |_| true),
            1 => "[".repeat(self.below(3_000)).into(),
            2 if self.one_in(5) => self.noise(100_000, |_| true),
            _ => self.pick(&BODIES).into(),
        };
        let typed = format!("content-type: {kind}\r\n");
        let length = |length: usize| format!("{typed}content-length: {length}\r\n\r\n");
        let chunked = || format!("{typed}transfer-encoding: chunked\r\n\r\n");
        let (head, body, expected) = match self.below(16) {
            0..6 => ("\r\n".to_owned(), Vec::new(), Expected::Answer),
            6..9 => (length(body.len()), body, Expected::Answer),
            9 => (length(body.len() + 1 + self.below(100)), body, Expected::Anything),
            10 => (length(body.len() / 2), body, Expected::Answer),
            11 => (self.pick(&STRANGE_LENGTHS).to_owned(), body, Expected::Anything),
            12 | 13 => (chunked(), self.chunks(&body, b"\r\n"), Expected::Answer),
            14 => (chunked(), self.chunks(&body, b"x-trailer: \xff\r\n\r\n"), Expected::Answer),
            _ => (chunked(), [self.pick(&STRANGE_CHUNKS).as_bytes(), &body].concat(), Expected::Anything),
        };
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&body);
        expected
    }

    fn chunks(&mut self, body: &[u8], end: &[u8]) -> Vec<u8> {
        let size = self.below(body.len()) + 1;
        let mut chunks = Vec::new();
        for chunk in body.chunks(size) {
            chunks.extend_from_slice(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        [&chunks[..], b"0\r\n", end].concat()
    }

    /// A few bytes lost, doubled, or replaced anywhere.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[place] = self.dice.next().to_le_bytes()[0],
                1 => drop(bytes.remove(place)),
                2 => bytes.insert(place, b"\r\n\0\x80: ;=\xff"[self.below(9)]),
                _ => bytes.truncate(place + 1),
            }
            if bytes.is_empty() {
                return;
            }
        }
    }
}

const METHODS: [&str; 10] =
    ["GET", "GET", "GET", "POST", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "PATCH"];
const PATHS: [&str; 8] =
    ["/", "/x/y", "/x%fe%ffy", "//..;/x", "/a%2f..%2fb", "/beta/1", "/x;p=1/%25y", "http://other.test/x"];
const WILD_PATHS: [&str; 8] = ["/", "/../../etc", "/%00", "/x\u{7f}y", "*", "/\u{e9}\u{0}", "x", "/#"];
const QUERIES: [&str; 8] = [
    "?",
    "?page=1",
    "?page=%31&page",
    "?a=%zz&&=",
    "?=&page=%",
    "?user=%ff%fe",
    "?user=u1&user=u2",
    "?page=+%2B",
];
const NAMES: [&str; 30] = [
    "cookie",
    "cookie",
    "Cookie",
    "x-team",
    "x-user",
    "x-number",
    "x-force",
    "x-force",
    "baggage",
    "baggage",
    "traceparent",
    "tracestate",
    "x-antumbra-variant",
    "x_antumbra_variant",
    "x-antumbra-shadow",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-envoy-original-path",
    "x-envoy-upstream-rq-timeout-ms",
    "x-request-id",
    "authorization",
    "user-agent",
    "accept-encoding",
    "range",
    "if-none-match",
    "expect",
    "te",
    "connection",
    "upgrade",
    "content-encoding",
];
const VALUES: [&str; 30] = [
    "1",
    "canary=1",
    "canary=1; canary=2",
    "canary=\"1",
    ";;;=;",
    "  canary = 1 ",
    "uid=; uid=2",
    "uid=u1; split=canary; split=stable",
    "split=\u{ff}",
    "qa",
    "q\u{20ac}a",
    "-9223372036854775809",
    "1e999",
    "canary;expires=99999999999;signature=00",
    "canary;expires=-1;signature=",
    "canary;expires=;expires=1;signature=zz",
    ";;;",
    "version=v1,version=v2;p=1,a=%zz",
    ",,,=,;",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "10.0.0.1, ::1, unknown, 999.1.1.1",
    "fe80::1%eth0",
    "keep-alive, x-team",
    "websocket",
    "100-continue",
    "trailers",
    "gzip",
    "bytes=0-,5-1",
    "\u{80}\u{ff}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
];
const BODIES: [&str; 10] = [
    "",
    r#"{"user": {"plan": "gold"}}"#,
    r#"{"user": {"plan": "gold", "plan": 1}, "user": null}"#,
    r#"{"user": {"plan": "\ud800"}}"#,
    r#"{"a": 1e400, "user": [{}]}"#,
    "{\"user\": {\"plan\": \"\u{0}\"",
    "plan=gold",
    "plan=%67old&plan&=%&plan=%zz",
    "&&&==",
    "GET /x HTTP/1.1\r\nhost: a\r\n\r\n",
];
const STRANGE_LENGTHS: [&str; 6] = [
    "content-length: -1\r\n\r\n",
    "content-length: 99999999999999999999\r\n\r\n",
    "content-length: 5\r\ncontent-length: 6\r\n\r\n",
    "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    "content-length: 0x5\r\n\r\n",
    "transfer-encoding: gzip, chunked, identity\r\n\r\n",
];
const STRANGE_CHUNKS: [&str; 5] =
    ["ffffffffffffffffff\r\n", "-1\r\n", "5;ext=\u{0}\r\n", "zz\r\n", "3\r\nabcdef\r\n"];
