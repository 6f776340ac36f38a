//! Where in a document of HTML or XML something stands: the elements that are open there.

use crate::excerpt;

/// The way to `at`, as `html > body > p`: at most eight elements, the innermost ones.
pub(super) fn path(document: &[u8], at: usize) -> String {
    let mut open: Vec<&[u8]> = Vec::new();
    let mut rest = document.get(..at).unwrap_or(document);
    while let Some(begin) = rest.iter().position(|byte| *byte == b'<') {
        rest = rest.get(begin + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix(b"!--") {
            rest = behind(comment, b"-->");
            continue;
        }
        let (closes, tag) = rest.strip_prefix(b"/").map_or((false, rest), |tag| (true, tag));
        let name = tag.get(..tag.iter().take_while(|byte| is_of_name(**byte)).count()).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'>');
        let empty = end.and_then(|end| rest.get(end.checked_sub(1)?)) == Some(&b'/');
        if closes {
            if let Some(opened) = open.iter().rposition(|open| open.eq_ignore_ascii_case(name)) {
                open.truncate(opened);
            }
        } else if open.len() < MAX_DEPTH
            && !name.is_empty()
            && !empty
            && !VOID.iter().any(|void| void.eq_ignore_ascii_case(name))
        {
            open.push(name);
        }
        rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
    }
    let inner = open.get(open.len().saturating_sub(MAX_SHOWN)..).unwrap_or_default();
    let names: Vec<String> = inner.iter().map(|name| excerpt::line(name, MAX_NAME)).collect();
    names.join(" > ")
}

fn behind<'d>(text: &'d [u8], mark: &[u8]) -> &'d [u8] {
    let at = text.windows(mark.len()).position(|found| found == mark);
    at.and_then(|at| text.get(at + mark.len()..)).unwrap_or_default()
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.')
}

/// Elements that are never closed (HTML, section 13.1.2).
const VOID: [&[u8]; 13] = [
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"source",
    b"track", b"wbr",
];
/// Elements that are opened deeper are not looked at: each that is closed is looked for among those that are open.
const MAX_DEPTH: usize = 64;
const MAX_SHOWN: usize = 8;
const MAX_NAME: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_that_are_open_are_the_way() {
        let check = |document: &str, expected: &str| {
            let at = document.find('@').unwrap();
            assert_eq!(path(document.as_bytes(), at), expected, "{document}");
        };
        check("<html><body><p>a</p><p class='x'>@</p>", "html > body > p");
        check("<!DOCTYPE html><html><br><img src=x><b/><p>@", "html > p");
        check("<a><!-- <b> --><c>@", "a > c");
        check("<a href=\"@\">", "a");
        check("@", "");
        check("<UL><li>1</LI><li>@", "UL > li");
        check(&("<d>".repeat(100) + "@"), &["d"; MAX_SHOWN].join(" > "));
        check("<<<>>></p></><@", "");
        // Far too many to look each up among all.
        check(&("<a>".repeat(100_000) + &"</b>".repeat(100_000) + "@"), &["a"; MAX_SHOWN].join(" > "));
    }
}
