//! Values that their form shows: keys and tokens that begin with the mark of who gives them, private keys, passwords in URLs, and what stands
//! behind the name of a scheme of HTTP.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::kind::SecretKind;
use super::looks::{begins_alone, looks_drawn};

/// The secrets in a text, in their order and without overlaps. Each is looked through once: a mark that begins none costs no more than
/// [`MOST_NEEDED`] bytes.
pub(super) fn found(text: &[u8]) -> Vec<(Range<usize>, SecretKind)> {
    let mut found: Vec<(Range<usize>, SecretKind)> = Vec::new();
    for mark in MARKS.find_iter(text) {
        let passed = found.last().is_some_and(|(at, _)| mark.start() < at.end);
        if passed {
            continue;
        }
        let secret = match mark.pattern().as_usize() {
            0 => private_key(text, mark.start()),
            1 => of_url(text, mark.start(), mark.end()),
            number => number.checked_sub(OTHERS).and_then(|number| PREFIXES.get(number)).and_then(|prefix| {
                let end = prefix.end(text, mark.end())?;
                begins_alone(text, mark.start()).then_some((mark.start()..end, prefix.kind))
            }),
        };
        found.extend(secret);
    }
    found.extend(schemes(text));
    found
}

/// Whether a value begins as credentials do, behind blanks of any kind: `Basic …`, a JSON Web Token, a key in PEM.
pub(crate) fn begins_as_credentials(value: &[u8]) -> bool {
    let value = value.trim_ascii_start();
    let start = String::from_utf8_lossy(value.get(..MAX_LEAD).unwrap_or(value));
    let text = start.trim_start();
    // Behind so many blanks that are not of ASCII nobody looks.
    if text.len() < MAX_MARK && value.len() > MAX_LEAD {
        return true;
    }
    let scheme = text.get(..BASIC.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(BASIC));
    // A JSON Web Token begins with `{"` in base64.
    scheme || text.starts_with("eyJ") || text.starts_with("-----BEGIN")
}

/// What a service's keys begin with, and how many bytes follow at least.
struct Prefix {
    text: &'static str,
    needs: usize,
    chars: Chars,
    kind: SecretKind,
}

/// What follows a prefix.
#[derive(Clone, Copy)]
enum Chars {
    /// Capital letters and digits.
    Capitals,
    /// Hexadecimal digits.
    Hex,
    /// Letters and digits.
    Letters,
    /// Letters, digits, `-` and `_`.
    Word,
    /// The same and `.`, which parts pieces.
    Pieces,
    /// The same and `/`, as in a path.
    Path,
}

impl Chars {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Capitals => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Letters => byte.is_ascii_alphanumeric(),
            Self::Word => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Pieces => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'='),
            Self::Path => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/'),
        }
    }
}

impl Prefix {
    /// Where the key ends whose mark ends at `from`.
    fn end(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = text.get(from..)?;
        let needed = rest.get(..self.needs)?;
        if !needed.iter().all(|byte| self.chars.has(*byte)) {
            return None;
        }
        let more = rest.iter().take_while(|byte| Chars::Word.has(**byte) || self.chars.has(**byte)).count();
        Some(from + more)
    }
}

/// From its first line to its last one, or to the end if there is none. Certificates and public keys are no secrets.
fn private_key(text: &[u8], start: usize) -> Option<(Range<usize>, SecretKind)> {
    let rest = text.get(start..)?;
    let label = rest.get(BEGIN.len()..)?;
    let label = label.get(..MAX_LABEL).unwrap_or(label);
    let label = label.get(..memchr::memmem::find(label, b"-----").unwrap_or(label.len()))?;
    if !label.windows(PRIVATE.len()).any(|part| part == PRIVATE) {
        return None;
    }
    let end = memchr::memmem::find(rest, END).map(|at| at + END.len()).and_then(|at| {
        let tail = rest.get(at..)?;
        Some(at + memchr::memmem::find(tail.get(..MAX_LABEL).unwrap_or(tail), b"-----")? + 5)
    });
    Some((start..start + end.unwrap_or(rest.len()), SecretKind::PrivateKey))
}

/// What stands before the `@` of a URL, if a password is in it.
fn of_url(text: &[u8], scheme_end: usize, start: usize) -> Option<(Range<usize>, SecretKind)> {
    text.get(..scheme_end)?.last().filter(|byte| byte.is_ascii_alphanumeric())?;
    let rest = text.get(start..)?;
    // Another URL ends it, so each byte is read once.
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/?#\"'<>\\".contains(byte);
    let authority = rest.get(..rest.iter().position(ends).unwrap_or(rest.len()))?;
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    let user = authority.get(..at)?;
    // A user may be a token, without a password.
    (user.contains(&b':') || looks_drawn(user)).then_some((start..start + at, SecretKind::Password))
}

/// Credentials behind the name of a scheme: any behind `Bearer`, and what is base64 of a name and a password behind `Basic`.
fn schemes(text: &[u8]) -> Vec<(Range<usize>, SecretKind)> {
    let mut found: Vec<(Range<usize>, SecretKind)> = Vec::new();
    if !text.iter().any(|byte| BLANKS.contains(byte)) {
        return found;
    }
    for scheme in SCHEMES.find_iter(text).filter(|scheme| begins_alone(text, scheme.start())) {
        // Each byte is read once: what stands in a token is no scheme.
        if found.last().is_some_and(|(at, _)| scheme.start() < at.end) {
            continue;
        }
        let Some(start) = behind_blanks(text, scheme.end()) else { continue };
        let rest = text.get(start..).unwrap_or_default();
        let of_token = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-._~+/=%".contains(byte);
        let token = rest.get(..rest.iter().take(MAX_JUDGED).take_while(of_token).count()).unwrap_or_default();
        let basic = scheme.pattern().as_usize() == 1;
        if token.len() >= MIN_TOKEN && (!basic || is_basic(token)) {
            let length = rest.iter().take_while(of_token).count();
            found.push((start..start + length, SecretKind::Authorization));
        }
    }
    found
}

/// Where something stands behind at least one blank, as itself or as an escape.
fn behind_blanks(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match text.get(at..)? {
            [b' ' | b'+' | b'\t' | b':', ..] => at += 1,
            [b'%', b'2', b'0', ..] => at += 3,
            _ => return (at > from).then_some(at),
        }
    }
}

/// Whether it is longer than words are, and of the letters that base64 has.
fn is_basic(token: &[u8]) -> bool {
    let core = token.strip_suffix(b"==").or(token.strip_suffix(b"=")).unwrap_or(token);
    let mixed = core.iter().any(u8::is_ascii_digit) || core.iter().skip(1).any(u8::is_ascii_uppercase);
    core.len() >= 6 && core.len() < token.len() || core.len() >= 8 && mixed
}

static MARKS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let marks = ["-----BEGIN ", "://"].into_iter().chain(PREFIXES.iter().map(|prefix| prefix.text));
    let found = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(marks);
    found.expect("a few short marks")
});
/// In [`MARKS`], what stands before the prefixes.
const OTHERS: usize = 2;
static SCHEMES: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let schemes = ["bearer", "basic", "negotiate", "digest", "apikey"];
    AhoCorasick::builder().ascii_case_insensitive(true).build(schemes).expect("a few words")
});

/// What [`behind_blanks`] passes begins with one of these.
const BLANKS: &[u8] = b" +\t:%";
const BASIC: &str = "basic ";
/// How far a mark is looked for behind blanks, and the longest mark, in bytes.
const MAX_LEAD: usize = 1_024;
const MAX_MARK: usize = 16;
const BEGIN: &str = "-----BEGIN ";
const END: &[u8] = b"-----END ";
const PRIVATE: &[u8] = b"PRIVATE KEY";
const MAX_LABEL: usize = 64;
/// Bytes of what follows a scheme by which it is told whether that is a token; a token may be longer.
const MAX_JUDGED: usize = 1_024;
const MIN_TOKEN: usize = 3;

const fn key(text: &'static str, needs: usize, chars: Chars) -> Prefix {
    Prefix { text, needs, chars, kind: SecretKind::Key }
}

const fn token(text: &'static str, needs: usize, chars: Chars) -> Prefix {
    Prefix { text, needs, chars, kind: SecretKind::Token }
}

/// By who gives them. The most that one needs is 40 bytes.
static PREFIXES: [Prefix; 90] = [
    // Amazon
    key("AKIA", 16, Chars::Capitals),
    key("ASIA", 16, Chars::Capitals),
    key("ABIA", 16, Chars::Capitals),
    key("ACCA", 16, Chars::Capitals),
    // Google
    key("AIza", 30, Chars::Word),
    key("GOCSPX-", 20, Chars::Word),
    token("ya29.", 16, Chars::Pieces),
    token("1//0", 30, Chars::Word),
    // GitHub
    token("ghp_", 30, Chars::Letters),
    token("gho_", 30, Chars::Letters),
    token("ghu_", 30, Chars::Letters),
    token("ghs_", 30, Chars::Letters),
    token("ghr_", 30, Chars::Letters),
    token("github_pat_", 20, Chars::Word),
    // GitLab
    token("glpat-", 16, Chars::Word),
    token("gldt-", 16, Chars::Word),
    token("glrt-", 16, Chars::Word),
    token("glcbt-", 16, Chars::Word),
    token("glptt-", 16, Chars::Word),
    token("glft-", 16, Chars::Word),
    token("glsoat-", 16, Chars::Word),
    token("gloas-", 16, Chars::Word),
    token("glagent-", 16, Chars::Word),
    // Slack, Discord, Telegram
    token("xoxa-", 10, Chars::Word),
    token("xoxb-", 10, Chars::Word),
    token("xoxe-", 10, Chars::Word),
    token("xoxe.xox", 10, Chars::Word),
    token("xoxp-", 10, Chars::Word),
    token("xoxr-", 10, Chars::Word),
    token("xoxs-", 10, Chars::Word),
    token("xapp-", 10, Chars::Word),
    token("hooks.slack.com/", 20, Chars::Path),
    token("discord.com/api/webhooks/", 20, Chars::Path),
    token("discordapp.com/api/webhooks/", 20, Chars::Path),
    // Payments and shops
    key("sk_live_", 10, Chars::Letters),
    key("sk_test_", 10, Chars::Letters),
    key("rk_live_", 10, Chars::Letters),
    key("rk_test_", 10, Chars::Letters),
    key("pk_live_", 10, Chars::Letters),
    key("whsec_", 16, Chars::Letters),
    key("sq0atp-", 16, Chars::Word),
    key("sq0csp-", 16, Chars::Word),
    key("shpat_", 16, Chars::Letters),
    key("shpca_", 16, Chars::Letters),
    key("shppa_", 16, Chars::Letters),
    key("shpss_", 16, Chars::Letters),
    // Language models
    key("sk-", 20, Chars::Letters),
    key("sk-ant-", 16, Chars::Word),
    key("sk-proj-", 16, Chars::Word),
    key("sk-svcacct-", 16, Chars::Word),
    key("sk-or-", 16, Chars::Word),
    key("gsk_", 20, Chars::Letters),
    key("xai-", 20, Chars::Letters),
    token("hf_", 30, Chars::Letters),
    token("r8_", 30, Chars::Letters),
    // Registries and tools
    token("npm_", 30, Chars::Letters),
    token("pypi-", 16, Chars::Word),
    token("rubygems_", 30, Chars::Letters),
    token("dckr_pat_", 16, Chars::Word),
    token("glsa_", 16, Chars::Word),
    token("ATATT3", 20, Chars::Word),
    token("lin_api_", 20, Chars::Letters),
    token("figd_", 20, Chars::Word),
    token("PMAK-", 20, Chars::Word),
    token("hvs.", 20, Chars::Word),
    token("dop_v1_", 40, Chars::Hex),
    token("doo_v1_", 40, Chars::Hex),
    token("dor_v1_", 40, Chars::Hex),
    token("dapi", 32, Chars::Hex),
    token("secret_", 32, Chars::Letters),
    // Mail
    key("SG.", 16, Chars::Pieces),
    key("key-", 32, Chars::Hex),
    key("SK", 32, Chars::Hex),
    key("xkeysib-", 32, Chars::Word),
    // Others
    key("LTAI", 16, Chars::Letters),
    key("AKID", 32, Chars::Letters),
    key("GOOG", 20, Chars::Capitals),
    key("NRAK-", 24, Chars::Capitals),
    token("sntrys_", 20, Chars::Word),
    token("dt0c01.", 24, Chars::Pieces),
    token("ATBB", 24, Chars::Letters),
    token("pscale_tkn_", 20, Chars::Pieces),
    key("pscale_pw_", 20, Chars::Pieces),
    token("nfp_", 30, Chars::Letters),
    key("ops_eyJ", 20, Chars::Word),
    token("EAACEdEose0cBA", 4, Chars::Letters),
    // Anybody
    key("AGE-SECRET-KEY-1", 20, Chars::Capitals),
    key("$2a$", 0, Chars::Path),
    key("$2b$", 0, Chars::Path),
    token("eyJ", 8, Chars::Pieces),
];
