//! A `set-cookie` without the value of its cookie. Name and attributes stay, for a lost `Secure` or another `Path` is a defect.
//!
//! What is no attribute that browsers know may be a part of a value, such as one in quotes with a semicolon in it: it goes, too.

use antumbra_engine::secrets::Secrets;

use super::REDACTED;

/// The header's value with what may be secret replaced. A cookie without a value stays one, and so does one that the policy takes off the list.
pub(super) fn redacted(set_cookie: &[u8], secrets: &Secrets) -> Vec<u8> {
    let mut parts = set_cookie.split(|byte| *byte == b';');
    let mut out = cookie(parts.next().unwrap_or_default(), secrets);
    for part in parts.filter(|part| !part.trim_ascii().is_empty()) {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(if is_attribute(part) { part.trim_ascii() } else { REDACTED.as_bytes() });
    }
    out
}

/// What has no name is a value (RFC 6265bis, 5.7).
fn cookie(pair: &[u8], secrets: &Secrets) -> Vec<u8> {
    let pair = pair.trim_ascii();
    match pair.iter().position(|byte| *byte == b'=') {
        _ if pair.is_empty() => Vec::new(),
        Some(at) if pair.len() == at + 1 => pair.to_vec(),
        Some(at) if secrets.of_cookie(pair.get(..at).unwrap_or_default().trim_ascii()).is_none() => {
            antumbra_engine::secrets::without(pair, REDACTED.as_bytes())
                .map_or_else(|| pair.to_vec(), |(text, _)| text)
        }
        Some(at) => [pair.get(..=at).unwrap_or_default(), REDACTED.as_bytes()].concat(),
        None => REDACTED.into(),
    }
}

/// A second `=` is none of an attribute's: it may belong to another cookie that somebody joined to this one.
fn is_attribute(part: &[u8]) -> bool {
    let mut parts = part.splitn(3, |byte| *byte == b'=');
    let (name, _, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    more.is_none() && ATTRIBUTES.iter().any(|known| name.trim_ascii().eq_ignore_ascii_case(known.as_bytes()))
}

/// Of RFC 6265bis, and two that browsers know besides.
const ATTRIBUTES: [&str; 9] =
    ["expires", "max-age", "domain", "path", "secure", "httponly", "samesite", "partitioned", "priority"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_attributes_stay() {
        for (cookie, expected) in [
            ("sid=hush", "sid=[redacted]"),
            (
                "sid=hush; Path=/a;Domain=x.test; Expires=Wed, 21 Oct 2026 07:28:00 GMT ; Max-Age=3; secure; HttpOnly; SameSite=Lax",
                "sid=[redacted]; Path=/a; Domain=x.test; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=3; secure; HttpOnly; SameSite=Lax",
            ),
            ("sid=; Max-Age=0", "sid=; Max-Age=0"),
            ("=hush; Secure", "=[redacted]; Secure"),
            ("hush", "[redacted]"),
            ("", ""),
            ("sid=a=hush==; Partitioned;; Priority=High", "sid=[redacted]; Partitioned; Priority=High"),
            ("sid=\"hu;sh\"; Path=/", "sid=[redacted]; [redacted]; Path=/"),
            ("sid=a; Path=/, uid=hush; Secure", "sid=[redacted]; [redacted]; Secure"),
            ("sid=a; Secure, uid=hush", "sid=[redacted]; [redacted]"),
            ("sid=a; comment=hush", "sid=[redacted]; [redacted]"),
        ] {
            assert_eq!(
                String::from_utf8(redacted(cookie.as_bytes(), &Secrets::default())).unwrap(),
                expected,
                "{cookie}"
            );
        }
    }
}
