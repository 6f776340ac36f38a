//! How a value from the network is shown: short, on one line, and without secrets.
//!
//! Examples are stored and printed, so what looks like a credential never enters the evidence. Containers are shown by
//! their size only: a secret may lie anywhere inside.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::json::Node;
use crate::json::{Shape, Tree, unescape};
use crate::secrets::{self, SecretKind};
use crate::wording::many;

/// The most characters of a shown value.
pub(crate) const MAX_CHARS: usize = 120;
/// What stands for a secret of which no more is known.
pub(crate) const REDACTED: &str = "(redacted)";
/// How everything begins that stands for a secret.
const HIDDEN: &str = "(redacted";
/// Behind the length of a body of which nothing is shown.
const NOT_SHOWN: &str = ", not shown";

/// Whether a text stands for a secret.
pub(crate) fn is_hidden(shown: &str) -> bool {
    shown.starts_with(HIDDEN) || shown.ends_with(NOT_SHOWN)
}

/// What stands for a secret: its kind and how long it is, so that a report still says what changed.
pub(crate) fn hidden(kind: SecretKind, characters: usize) -> String {
    format!("{HIDDEN}: {kind}, {})", many(characters as u64, "character"))
}

/// A text, or what stands for it if it is a secret, of which `kind` is known or not.
pub(crate) fn text(value: &[u8], kind: Option<SecretKind>) -> String {
    match kind.or_else(|| credential(value)) {
        Some(kind) => hidden(kind, String::from_utf8_lossy(value).chars().count()),
        None => line(value, MAX_CHARS),
    }
}

/// What a value is if it is a secret by its look, holds one, or speaks of one. Only its first 64 KiB are looked at: more than is shown.
pub(crate) fn credential(value: &[u8]) -> Option<SecretKind> {
    let head = value.get(..SEARCHED_BEFORE).unwrap_or(value);
    if let Some(found) = secrets::in_text(head).first() {
        return Some(found.kind);
    }
    let speaks = secrets::begins_as_credentials(head) || speaks_of_credentials(head);
    speaks.then_some(SecretKind::Authorization)
}

/// Whether a text speaks of credentials.
fn speaks_of_credentials(text: &[u8]) -> bool {
    WORDS.is_match(text)
}

/// Bytes as at most `limit` characters. A control character of ASCII becomes its sign, as ⏎ for a line feed; other control characters, marks that
/// reorder a line, and what is not UTF-8 become U+FFFD.
pub(crate) fn line(bytes: &[u8], limit: usize) -> String {
    if bytes.len() <= limit && bytes.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    // Four bytes a character at most: a longer text is not decoded to its end.
    let head = bytes.get(..limit.saturating_mul(4).saturating_add(4)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let mut out: String = text.chars().take(limit).map(printable).collect();
    if head.len() < bytes.len() || text.chars().nth(limit).is_some() {
        out.pop();
        out.push('…');
    }
    out
}

/// A value of a JSON body, of which `kind` says if its place is one of secrets.
pub(crate) fn node(tree: &Tree<'_>, node: &Node, kind: Option<SecretKind>) -> String {
    match (node.shape, kind) {
        // What is inside is not known to be harmless.
        (Shape::Array | Shape::Object, Some(_)) => REDACTED.to_owned(),
        (Shape::Array, None) => format!("[{}]", many(u64::from(node.count), "element")),
        (Shape::Object, None) => format!("{{{}}}", many(u64::from(node.count), "member")),
        (Shape::Text, _) => {
            let value = unescape(tree.lexeme(node));
            let shown = text(&value, kind);
            if is_hidden(&shown) { shown } else { format!("\"{}\"", line(&value, MAX_CHARS - 2)) }
        }
        (Shape::Number, _) => number(tree.lexeme(node), kind),
        // That there is none, or whether there is one, is no secret.
        (Shape::Null | Shape::Bool, _) => line(tree.lexeme(node), MAX_CHARS),
    }
}

fn number(digits: &[u8], kind: Option<SecretKind>) -> String {
    let kind = kind.or_else(|| secrets::by_form(digits).first().map(|found| found.kind));
    kind.map_or_else(|| line(digits, MAX_CHARS), |kind| hidden(kind, digits.len()))
}

/// A body that is compared as bytes: what stands around `at`, and its length. What speaks of credentials anywhere near is
/// not shown: their name may stand far before them.
pub(crate) fn body(bytes: &[u8], at: usize) -> String {
    if is_near_credentials(bytes, at.saturating_sub(20)) {
        return format!("{}{NOT_SHOWN}", many(bytes.len() as u64, "byte"));
    }
    let length = format!(" ({})", many(bytes.len() as u64, "byte"));
    let from = at.saturating_sub(20);
    let window = bytes.get(from..).unwrap_or_default();
    let lead = if from > 0 { "…" } else { "" };
    let text = line(window, MAX_CHARS.saturating_sub(length.len() + 3));
    format!("{lead}\"{text}\"{length}")
}

/// Whether what stands around `at` in a body speaks of credentials.
pub(crate) fn is_near_credentials(bytes: &[u8], at: usize) -> bool {
    let before = at.saturating_sub(SEARCHED_BEFORE);
    let after = at.saturating_add(SEARCHED_AFTER).min(bytes.len());
    let searched = bytes.get(before..after).unwrap_or_default();
    secrets::begins_as_credentials(searched)
        || speaks_of_credentials(searched)
        || !secrets::in_text(searched).is_empty()
}

/// Whether a character may stand for another one that [`line`] does not show.
pub(crate) fn is_stand_in(char: char) -> bool {
    matches!(char, LINE_FEED | TAB | '\u{2400}'..='\u{2421}' | char::REPLACEMENT_CHARACTER)
}

fn printable(char: char) -> char {
    // Also the marks that reorder a line on a terminal.
    let reorders = matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    match char {
        '\n' => LINE_FEED,
        '\t' => TAB,
        '\0'..' ' => picture(u32::from(char)),
        '\u{7f}' => picture(0x21),
        _ if char.is_control() || reorders => char::REPLACEMENT_CHARACTER,
        _ => char,
    }
}

/// A sign of Unicode's block "Control Pictures", which begins with those of the control characters of ASCII in their order.
fn picture(place: u32) -> char {
    char::from_u32(0x2400 + place).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// What a line feed and a tab are shown as: the signs of keyboards and editors are known better than the pictures of Unicode.
const LINE_FEED: char = '⏎';
const TAB: char = '⇥';

/// Words of credentials: a text with one of them is not shown, whatever it says.
static WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder().ascii_case_insensitive(true).build(SENSITIVE).expect("a few short words")
});

/// How far before and behind the shown part of a body names of credentials are looked for, in bytes.
const SEARCHED_BEFORE: usize = 64 * 1024;
const SEARCHED_AFTER: usize = 16 * 1024;

/// What speaks of credentials wherever it stands. The list of names is longer: those are words of any text, too.
const SENSITIVE: [&str; 15] = [
    "authorization",
    "bearer ",
    "cookie",
    "password",
    "passwd",
    "token",
    "secret",
    "apikey",
    "api-key",
    "api_key",
    "csrf",
    "xsrf",
    "private_key",
    "private-key",
    "privatekey",
];
#[cfg(test)]
mod tests {
    use super::*;

    fn is_credential(value: &[u8]) -> bool {
        credential(value).is_some()
    }

    #[test]
    fn credentials_behind_blanks() {
        let blanks = "\u{a0}".repeat(1_024);
        assert!(is_credential(format!("{blanks}basic dXNlcjpwdw==").as_bytes()), "behind many blanks");
        assert!(
            is_credential("\u{a0} basic dXNlcjpwdw==".as_bytes()) && !is_credential("\u{a0} b".as_bytes())
        );
    }

    #[test]
    fn a_shown_value_is_short_safe_and_holds_no_secret() {
        assert_eq!(line(b"a\x1b[31m\nb\xff", 20), "a␛[31m⏎b\u{fffd}");
        assert_eq!(line(b"</h1>\r\n\t<p>\0\x1f\x7f", 20), "</h1>␍⏎⇥<p>␀␟␡");
        assert_eq!(line("a\u{85}\u{9b}31m\u{2028}b".as_bytes(), 20), "a\u{fffd}\u{fffd}31m\u{fffd}b");
        assert_eq!(line(b"1\n\n\n\n\n", 5), "1⏎⏎⏎…", "a sign is one character");
        for char in ('\0'..='\u{9f}').chain('\u{2000}'..='\u{206f}') {
            let shown = printable(char);
            assert!(!shown.is_control(), "{char:?} is shown as {shown:?}");
            assert_eq!(shown != char, is_stand_in(shown), "{char:?} is shown as {shown:?}");
        }
        assert_eq!(line("ä".repeat(500).as_bytes(), 5), "ääää…");
        assert_eq!(line(b"12345", 5), "12345");
        assert_eq!(line("\u{202e}x".as_bytes(), 5), "\u{fffd}x");
        assert_eq!(body(b"<p>hello</p>", 3), "\"<p>hello</p>\" (12 bytes)");
        assert_eq!(body(b"user=1&password=hunter2", 0), "23 bytes, not shown");
        assert!(body(&b"x".repeat(1000), 900).chars().count() <= MAX_CHARS);
        let tree = Tree::parse(br#"{"password":"hunter2"}"#).unwrap();
        assert_eq!(node(&tree, tree.root().unwrap(), None), "{1 member}");
        let far = ["password=", &"x".repeat(1_000)].concat();
        assert_eq!(body(far.as_bytes(), 900), "1,009 bytes, not shown");
        assert_eq!(body(b"<input value='hunter2' name='csrf_token'>", 15), "41 bytes, not shown");
        for secret in ["Bearer abc", "basic dXNlcjpwdw==", " eyJhbGciOiJub25lIn0.e30.", "see \\u0074oken=1"] {
            let text = format!("\"{secret}\"");
            let tree = Tree::parse(text.as_bytes()).unwrap();
            assert!(is_hidden(&node(&tree, tree.root().unwrap(), None)), "{secret}");
        }
        for secret in [
            "https://files.example/a?X-Amz-Signature=4f",
            "see {\"sessionId\": \"4f\"}",
            "PHP_SESSION = 4f",
            "pwd:hunter2",
            "<input name='csrf' value='4f'>",
            "<sessionId>4f9c</sessionId>",
            "<ds:SignatureValue>4f9c",
            "4f9c</session>",
            "<input type=\"hidden\" name=\"session_id\" value=\"4f9c\">",
            "<input value='4f9c' id='session_id'>",
            "<meta name=\\\"user-credential\\\" content=\\\"4f9c\\\">",
            "<input name=form[pwd] value=4f9c>",
            "session_id%3D4f9c",
            "%7B%22sessionId%22%3a%224f9c%22",
            "{&quot;sessionId&quot;:&quot;4f9c&quot;}",
        ] {
            assert!(
                is_credential(secret.as_bytes()) && is_near_credentials(secret.as_bytes(), 0),
                "{secret}"
            );
        }
        let plain = [
            "The session begins at 9.",
            "a signature dish",
            "cGFzcwdPwd",
            "credentials, see below: none",
            "<p>Our <b>session</b> begins</p><input name=\"q\" value=\"9\">",
            "<a class=\"session\" href=/session>Next session</a>",
            "<a href=/session>9</a>",
            "<meta name=\"description\" content=\"Our session begins at 9\">",
            "<h2 id=\"session\">Sessions</h2><input name=\"q\" value=\"9\">",
            "<option value=\"session\">The session</option>",
            "100%3 of the session%",
        ];
        for text in plain {
            assert!(!is_credential(text.as_bytes()), "{text}");
        }
        let long = "session".repeat(SEARCHED_BEFORE);
        assert!(!is_credential(long.as_bytes()));
    }

    #[test]
    fn what_is_hidden_says_its_kind_and_length() {
        assert_eq!(text("hüsh".as_bytes(), Some(SecretKind::Password)), "(redacted: password, 4 characters)");
        let tree = Tree::parse(br#"[4111111111111111, 4111111111111112, true]"#).unwrap();
        let shown =
            |kind| tree.children(tree.root().unwrap()).map(|n| node(&tree, n, kind)).collect::<Vec<_>>();
        assert_eq!(shown(None), ["(redacted: card number, 16 characters)", "4111111111111112", "true"]);
        let pins = ["(redacted: code, 16 characters)", "(redacted: code, 16 characters)", "true"];
        assert_eq!(shown(Some(SecretKind::Code)), pins);
    }
}
