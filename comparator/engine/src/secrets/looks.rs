//! What a text looks like: whether it begins by itself, and whether it looks drawn at random. What is drawn is a secret only where nothing but
//! names of things stands, as in paths and queries: bodies are full of hashes.

/// Whether a text looks drawn at random: long, and its letters mix cases as words do not, or are one run with fewer vowels than words
/// have. Such a one may be a secret. Errs towards words: an unusual name stays.
pub(crate) fn is_token(segment: &[u8]) -> bool {
    let marks = b"-_.~=+%:";
    if segment.len() < MIN_TOKEN || !segment.iter().all(|b| b.is_ascii_alphanumeric() || marks.contains(b)) {
        return false;
    }
    let count = |wanted: fn(&u8) -> bool| segment.iter().filter(|b| wanted(b)).count();
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let letters = upper + lower;
    let mixed = upper * 4 >= letters && lower * 4 >= letters;
    let vowels = count(|b| b"aeiouAEIOU".contains(b));
    letters >= MIN_TOKEN && (mixed || letters == segment.len() && vowels * 4 < letters)
}

/// Whether no letter or digit stands before what begins there. An escape of a URL or of a string is none.
pub(super) fn begins_alone(text: &[u8], start: usize) -> bool {
    match text.get(..start).unwrap_or_default() {
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., b'\\', b'n' | b't' | b'r'] => true,
        [.., byte] => !byte.is_ascii_alphanumeric(),
        [] => true,
    }
}

/// Whether a text in a path or a query looks drawn at random: as [`is_token`] says, a hash, or a long mixture of letters and digits.
pub(crate) fn looks_drawn(text: &[u8]) -> bool {
    is_hash(text) || is_token(text) || is_mixture(text)
}

/// 128 bits or more in hexadecimal digits. A UUID has dashes.
fn is_hash(text: &[u8]) -> bool {
    text.len() >= SHORTEST_HASH && text.iter().all(u8::is_ascii_hexdigit)
}

/// Letters of both cases and digits that take turns throughout, in one run without the dashes that join words.
fn is_mixture(text: &[u8]) -> bool {
    let core = text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text);
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_+/-".contains(b);
    if core.len() < MIN_TOKEN || !core.iter().all(plain) {
        return false;
    }
    let class = |b: &u8| (b.is_ascii_digit(), b.is_ascii_uppercase(), b.is_ascii_lowercase());
    let turns = core.iter().zip(core.iter().skip(1)).filter(|(a, b)| class(a) != class(b)).count();
    let has = |wanted: fn(&u8) -> bool| core.iter().any(wanted);
    let all = has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    all && turns * 3 >= core.len()
}

/// The fewest letters of a token: 20 drawn at random are more than anyone guesses.
const MIN_TOKEN: usize = 20;
const SHORTEST_HASH: usize = 32;
