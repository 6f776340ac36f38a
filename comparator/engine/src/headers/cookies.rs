//! The cookies that an answer sets, by their names and attributes, as browsers understand them (RFC 6265).
//!
//! When a cookie ends is counted from the moment of its answer, which is another for each leg: so only whether it is kept or
//! deleted is compared.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Headers, MAX_NAME, Values, cookie_date};
use crate::excerpt;
use crate::rules::Instant;

/// `name` → value, and `name;attribute` → value of the attribute. The last of a name wins, as in a browser.
pub(super) fn by_cookie(headers: &Headers, moment: f64) -> Values {
    let mut cookies: BTreeMap<String, Values> = BTreeMap::new();
    for (_, cookie) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(SET_COOKIE.as_bytes())) {
        let mut parts = cookie.split(|&b| b == b';').map(pair);
        let Some((name, value)) = parts.next() else { continue };
        let name = excerpt::line(name, MAX_NAME).replace(';', "_");
        if cookies.len() >= MAX_COOKIES && !cookies.contains_key(&name) {
            continue;
        }
        let mut values = Values::from([(name.clone(), value.to_vec())]);
        for (attribute, value) in parts.filter(|part| *part != (b"", b"")).take(MAX_ATTRIBUTES) {
            let attribute = excerpt::line(attribute, MAX_NAME).to_ascii_lowercase();
            let value = meant(&attribute, value, moment);
            values.insert(format!("{name};{attribute}"), value);
        }
        cookies.insert(name, values);
    }
    cookies.into_values().flatten().collect()
}

/// When an answer was given, in seconds since 1970: as it says itself, else as whoever took it down says. Of an answer of
/// which nobody says it, only what ended with 1970 is known to be past; no clock that is set says an earlier time.
pub(super) fn moment(headers: &Headers, at_us: Option<u64>) -> f64 {
    let date = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"date"));
    let date = date.and_then(|(_, value)| Instant::parse(value)).map(|date| date.rank());
    let taken = at_us.map(|at_us| Duration::from_micros(at_us).as_secs_f64());
    date.or(taken).unwrap_or(END_OF_1970).max(END_OF_1970)
}

/// What an attribute of a cookie means (RFC 6265, 5.2). `Expires` is counted from the moment of the answer, so it only says
/// whether the cookie is kept, or deleted by a time that was past then; so does a `Max-Age` that is not positive.
fn meant(attribute: &str, value: &[u8], moment: f64) -> Vec<u8> {
    match attribute {
        "expires" if is_past(value, moment) => PAST.to_vec(),
        "expires" => b"(set)".to_vec(),
        "max-age" if is_no_age(value) => PAST.to_vec(),
        "domain" => value.strip_prefix(b".").unwrap_or(value).to_ascii_lowercase(),
        "samesite" => value.to_ascii_lowercase(),
        _ => value.to_vec(),
    }
}

/// A date that cannot be read may still be that of all deletions.
fn is_past(expires: &[u8], moment: f64) -> bool {
    match cookie_date::seconds(expires) {
        Some(expires) => expires <= moment,
        None => String::from_utf8_lossy(expires).contains("1970"),
    }
}

/// Zero or less (RFC 6265, 5.2.2).
fn is_no_age(max_age: &[u8]) -> bool {
    let (negative, digits) = max_age.strip_prefix(b"-").map_or((false, max_age), |digits| (true, digits));
    let number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    number && (negative || digits.iter().all(|&digit| digit == b'0'))
}

fn pair(part: &[u8]) -> (&[u8], &[u8]) {
    let at = part.iter().position(|&b| b == b'=').unwrap_or(part.len());
    let (name, value) = part.split_at(at);
    (name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii())
}

pub(super) const SET_COOKIE: &str = "set-cookie";
/// What is shown of a time that deletes a cookie.
const PAST: &[u8] = b"(past)";
/// Seconds since its beginning.
const END_OF_1970: f64 = 31_536_000.0;
const MAX_COOKIES: usize = 64;
const MAX_ATTRIBUTES: usize = 16;

#[cfg(test)]
mod tests {
    use antumbra_observation::Bytes;

    use super::*;

    #[test]
    fn a_cookie_is_deleted_by_what_was_past_at_the_moment_of_its_answer() {
        let end = |headers: &[(&str, &str)], attribute: &str, at_us: Option<u64>| {
            let cookie = format!("a=1; {attribute}");
            let all = [headers, &[("set-cookie", cookie.as_str())]].concat();
            let headers: Vec<(Bytes, Bytes)> = all.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            let meant = by_cookie(&headers, moment(&headers, at_us)).into_values().nth(1);
            String::from_utf8(meant.unwrap()).unwrap()
        };
        let dated = [("Date", "Wed, 21 Oct 2026 07:28:00 GMT")];
        let check = |attribute: &str, expected: &str| assert_eq!(end(&dated, attribute, Some(0)), expected);
        check("Expires=Wed, 21 Oct 2026 07:27:59 GMT", "(past)");
        check("Expires=Wed, 21-Oct-2026 07:28:00 GMT", "(past)");
        check("Expires=Wed, 21 Oct 2026 07:28:01 GMT", "(set)");
        check("Expires=Sat, 01 Jan 2000 00:00:00 GMT", "(past)");
        check("Expires=Thursday, 01-Jan-1970 00:00:00 GMT", "(past)");
        for form in
            ["Saturday, 01-Jan-00 00:00:00 GMT", "Sat, 1 Jan 2000 00:00:00 GMT", "Sat Jan  1 00:00:00 2000"]
        {
            check(&format!("Expires={form}"), "(past)");
        }
        check("Expires=tomorrow", "(set)");
        for deleted in ["0", "-1", "-0", "000"] {
            check(&format!("Max-Age={deleted}"), "(past)");
        }
        for kept in ["1", "010", "-", "", "0s"] {
            check(&format!("Max-Age={kept}"), kept);
        }
        let new_year = "Expires=Sat, 01 Jan 2000 00:00:00 GMT";
        let second = 946_684_800_000_000;
        let ends = [Some(second), Some(second - 1), None].map(|at_us| end(&[], new_year, at_us));
        assert_eq!(ends, ["(past)", "(set)", "(set)"]);
        assert_eq!(end(&[("date", "today")], new_year, Some(second)), "(past)");
        let epoch = "Expires=Thu, 01 Jan 1970 00:00:01 GMT";
        assert_eq!(end(&[], epoch, Some(0)), "(past)", "of a clock that was never set");
        assert_eq!(end(&[("date", "Thu, 01 Jan 1970 00:00:00 GMT")], epoch, None), "(past)");
    }
}
