//! Where a block of Lua ends: braces in texts and comments are none of its own.

/// Bytes of a block up to and with the brace that ends it; `None` if none does. The one that opens it is before `text`.
pub(super) fn length(text: &str) -> Option<usize> {
    let mut rest = text.as_bytes();
    let mut open = 1_usize;
    while let Some((first, behind)) = rest.split_first() {
        rest = match first {
            b'{' => {
                open += 1;
                behind
            }
            b'}' => {
                open -= 1;
                if open == 0 {
                    return text.len().checked_sub(behind.len());
                }
                behind
            }
            b'"' | b'\'' => behind_quoted(*first, behind),
            b'-' if behind.first() == Some(&b'-') => behind_comment(behind.get(1..)?),
            b'[' => match level(rest) {
                Some(level) => behind_long(rest, level)?,
                None => behind,
            },
            _ => behind,
        };
    }
    None
}

/// Behind the quote that ends a text; a line ends it, too.
fn behind_quoted(quote: u8, mut rest: &[u8]) -> &[u8] {
    while let Some((first, behind)) = rest.split_first() {
        rest = match first {
            b'\\' => behind.get(1..).unwrap_or_default(),
            b'\n' => return behind,
            first if *first == quote => return behind,
            _ => behind,
        };
    }
    rest
}

fn behind_comment(rest: &[u8]) -> &[u8] {
    if let Some(long) = level(rest).and_then(|level| behind_long(rest, level)) {
        return long;
    }
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    rest.get(end..).unwrap_or_default()
}

/// How many `=` a long bracket has that opens here; `None` if none does.
fn level(text: &[u8]) -> Option<usize> {
    let behind = text.strip_prefix(b"[")?;
    let level = behind.iter().take_while(|byte| **byte == b'=').count();
    (behind.get(level) == Some(&b'[')).then_some(level)
}

/// Behind the long bracket that closes the one that opens here.
fn behind_long(text: &[u8], level: usize) -> Option<&[u8]> {
    let closing = [&b"]"[..], &vec![b'='; level], b"]"].concat();
    let inner = text.get(level + 2..)?;
    let end = inner.windows(closing.len()).position(|part| part == closing)?;
    inner.get(end + closing.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_braces_of_the_program_count() {
        for block in [
            " }",
            " local t = {a = {1}} }",
            " say('}') }",
            r#" say("\"}{", '\'{', '{\\') }"#,
            " -- } {\n }",
            " --[[ }\n } ]] }",
            " --[==[ ]] } ]=] ]==] }",
            " local s = [[ } ]] }",
            " local s = [=[ ]] } ]=] }",
            " local n = t[t[1]] - 1 }",
            " re.match(x, [[^\\d{3}}]]) }",
            " say(\"}\\\n}\") }",
        ] {
            assert_eq!(length(&format!("{block} }} rest")), Some(block.len()), "{block}");
        }
        for open in ["", "{ }", "'}", "[[ } ]", "--[[ }", "-- }"] {
            assert_eq!(length(open), None, "{open}");
        }
    }
}
