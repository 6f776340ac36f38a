//! Two texts by tokens, as bodies and as the members of bodies, and what of them is hidden: tokens are those of a naive reader, what is
//! changed is what a naive count says, and nothing that the list of secrets knows is left where secrets are replaced.

use std::collections::BTreeMap;

use antumbra_engine::secrets::{by_form, discreet, in_text, without};
use antumbra_engine::{Diff, Rules, diff_answers, measured, taken_apart};
use antumbra_observation::{Body, Leg};

/// Bit 0 of the first byte: whether the others are [`PIECES`] by their numbers, or the texts themselves. Bit 1: whether blanks only part
/// tokens. The second byte is how many hundredths of the rest are the left text.
pub fn check(bytes: &[u8]) {
    let [mode, share, rest @ ..] = bytes else { return };
    let (left, right) = rest.split_at(rest.len() * usize::from(*share % 101) / 100);
    let text = |bytes: &[u8]| if mode & 1 == 1 { made_of_pieces(bytes) } else { bytes.to_vec() };
    let (left, right) = (text(left), text(right));
    taken_apart_as_by_the_naive(&left, &right, mode & 2 != 0);
    compared_as_bodies(&left, &right);
    for text in [left, right] {
        hidden(&text);
    }
}

fn made_of_pieces(numbers: &[u8]) -> Vec<u8> {
    numbers.iter().flat_map(|number| PIECES[usize::from(*number) % PIECES.len()].bytes()).collect()
}

/// A token with the two beside it; nothing at the ends.
type Surrounded<'t> = (&'t [u8], &'t [u8], &'t [u8]);

fn taken_apart_as_by_the_naive(left: &[u8], right: &[u8], folded: bool) {
    let (lefts, rights) = (naive_tokens(left, folded), naive_tokens(right, folded));
    for (text, other, own, others) in [(left, right, &lefts, &rights), (right, left, &rights, &lefts)] {
        let (starts, changed) = taken_apart(text, other, folded);
        let naive: Vec<usize> = own.iter().map(|(start, _)| *start).collect();
        assert_eq!(starts, naive, "{}", String::from_utf8_lossy(text));
        assert_eq!(
            changed,
            naively_changed(own, others),
            "{:?} {:?}",
            String::from_utf8_lossy(text),
            String::from_utf8_lossy(other)
        );
        assert_eq!(taken_apart(text, text, folded).1, 0, "a text changes nothing of itself");
    }
    let kept = |own: &[_], text, other| own.len() as u64 - taken_apart(text, other, folded).1;
    assert_eq!(kept(&lefts, left, right), kept(&rights, right, left), "what is kept is the same both ways");
}

/// Each with where it begins. Put together they are the text, but for blanks where these only part tokens.
fn naive_tokens(text: &[u8], folded: bool) -> Vec<(usize, &[u8])> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80;
    let mut tokens = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let mut end = start + 1;
        while is_word(text[start]) && end < text.len() && is_word(text[end]) {
            end += 1;
        }
        tokens.push((start, &text[start..end]));
        start = end;
    }
    tokens.retain(|(_, token)| !(folded && token[0].is_ascii_whitespace()));
    tokens
}

fn naively_changed(own: &[(usize, &[u8])], others: &[(usize, &[u8])]) -> u64 {
    let mut stock: BTreeMap<Surrounded<'_>, u64> = BTreeMap::new();
    surrounded(others).for_each(|token| *stock.entry(token).or_default() += 1);
    let changed = surrounded(own).filter(|token| match stock.get_mut(token) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    changed.count() as u64
}

fn surrounded<'t>(tokens: &'t [(usize, &'t [u8])]) -> impl Iterator<Item = Surrounded<'t>> {
    let at = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or(&[][..], |(_, token)| *token);
    (0..tokens.len()).map(move |own| (at(own.checked_sub(1)), at(Some(own)), at(Some(own + 1))))
}

/// As a whole body, and as a member of one: a text equals itself, the order of the two does not decide whether they are equal, and the
/// work grows with their length alone.
fn compared_as_bodies(left: &[u8], right: &[u8]) {
    for (media, wrapped) in WRAPPED {
        let [left, right] = [left, right].map(|text| answer(media, wrapped(text)));
        assert!(compared(&left, &left).equal, "{media}: {left:?}");
        let (there, back) = (compared(&left, &right), compared(&right, &left));
        assert_eq!(there.equal, back.equal, "{media}: {left:?} {right:?}");
    }
}

fn compared(left: &Leg, right: &Leg) -> Diff {
    let rules = Rules::default();
    let (diff, work) = measured(|| diff_answers(left, right, b"/", &rules));
    let bytes = [left, right].map(size).iter().sum::<u64>();
    assert!(work <= MAX_WORK * (bytes + 16), "{work} for {bytes} bytes: {left:?} {right:?}");
    diff
}

fn size(leg: &Leg) -> u64 {
    match leg.response.as_ref().map(|response| &response.body) {
        Some(Body::Whole(bytes)) => bytes.len() as u64,
        _ => 0,
    }
}

fn answer(media: &str, body: Vec<u8>) -> Leg {
    Leg::answer("", 200).with_kept(Body::Whole(body.into())).with_header("content-type", media)
}

/// Secrets stand apart and in order, and what is put in their place leaves none, however often it is done.
fn hidden(text: &[u8]) {
    for found in [in_text(text), by_form(text)] {
        let ends = found.iter().map(|one| one.at.end);
        let apart = ends.zip(found.iter().skip(1)).all(|(end, next)| end <= next.at.start);
        let within = found.iter().all(|one| one.at.start < one.at.end && one.at.end <= text.len());
        assert!(apart && within, "{:?}: {found:?}", String::from_utf8_lossy(text));
    }
    let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    if let Some((cleaned, count)) = without(text, MARK) {
        assert!(count > 0, "{:?}", shown(text));
        assert!(cleaned.len() <= text.len() + MARK.len() * text.len(), "{:?}", shown(text));
        let left = in_text(&cleaned);
        assert!(left.is_empty(), "{:?} became {:?}: {left:?}", shown(text), shown(&cleaned));
    }
    let message = shown(text);
    let once = discreet(&message);
    assert!(once.len() <= message.len() + MARK.len() * message.len(), "{message:?}");
    assert_eq!(discreet(&once), once, "{message:?}");
}

/// Makes a body of a text.
type Wrap = fn(&[u8]) -> Vec<u8>;

/// A text by itself, and as a member of a body.
const WRAPPED: [(&str, Wrap); 5] = [
    ("text/plain", <[u8]>::to_vec),
    ("text/html", <[u8]>::to_vec),
    ("application/json", |text| {
        serde_json::json!({"a": [String::from_utf8_lossy(text)]}).to_string().into_bytes()
    }),
    ("application/x-www-form-urlencoded", |text| [b"a=", text].concat()),
    ("multipart/form-data; boundary=b", |text| {
        [b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n", text, b"\r\n--b--\r\n"].concat()
    }),
];
/// What is put in place of a secret. Each secret has a byte at least, so a text becomes at most so many times as long, and once.
const MARK: &[u8] = b"[redacted]";
/// Of comparing's work for each byte of two bodies: a value of JSON is 64, and may be of one byte.
const MAX_WORK: u64 = 160;
/// What secrets are made of.
const PIECES: [&str; 64] = [
    "password",
    "token",
    "session_id",
    "api-key",
    "Authorization",
    "Set-Cookie",
    "pin",
    "name",
    "key",
    "value",
    "=",
    ":",
    "=>",
    "%3D",
    "\"",
    "'",
    "\\\"",
    "`",
    "&quot;",
    "%22",
    " ",
    "\n",
    "\r\n",
    "\t",
    "&",
    "?",
    ";",
    ",",
    ".",
    "<",
    ">",
    "</",
    "/>",
    "<![CDATA[",
    "]]>",
    "<input name=\"",
    "\" value=\"",
    "is ",
    "[redacted]",
    "[",
    "]",
    "{",
    "}",
    "(",
    "\\n",
    "%20",
    "-",
    "+",
    "Bearer ",
    "Basic ",
    "YTpiY2Q=",
    "://",
    "user:pass@",
    "host/",
    "4111 1111 1111 1111",
    "078-05-1120",
    "DE89370400440532013000",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789012345678901234567890123",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "4f9c",
    "xY9",
    "ü",
];
