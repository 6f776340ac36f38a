//! What patterns say of values, beside the engine that says what they mean.

use super::*;
use crate::document::{Problems, Tree};
use crate::search::{Compiling, Search};

/// A pattern with what is sought for it.
#[derive(Debug)]
struct Read(Pattern, Search);

impl Read {
    fn is_match(&self, value: &[u8]) -> bool {
        self.0.is_match(value, &self.1.of(value))
    }
}

fn read(text: &str, ignore_case: bool) -> Result<Read, String> {
    read_as(text, Extent::Whole, ignore_case)
}

fn read_as(text: &str, extent: Extent, ignore_case: bool) -> Result<Read, String> {
    let tree = Tree::Text(text.to_owned());
    let problems = Problems::default();
    let mut sought = Sought::new(true);
    let read = Pattern::read(&problems.root(&tree), extent, ignore_case, &mut sought);
    let read = problems.finish(read).map_err(|invalid| invalid.to_string())?;
    let (search, _) =
        sought.compile(&mut Compiling::default()).map_err(|too_large| too_large.reason.to_owned())?;
    Ok(Read(read, search))
}

#[test]
fn the_whole_value_must_match() {
    let check = |pattern, value: &[u8], expected| {
        assert_eq!(read(pattern, false).unwrap().is_match(value), expected, "{pattern} on {value:?}");
    };
    check("2\\..*", b"2.1", true);
    check("2\\..*", b"12.1", false);
    check("a|b", b"ab", false);
    check("(?m)a", b"a\nb", false);
    check("", b"", true);
    check(".*", b"\xff\xfe", true);
    check(".*", b"a\nb", false);
    check("a.c", b"a\xffc", true);
    check("a\u{fffd}c", b"a\xe2\x82c", true);
    check("a..c", b"a\xe2\x82c", false);
    check("[à-ü]+", "éü".as_bytes(), true);
    check("[à-ü]+", "éþ".as_bytes(), false);
    assert!(read("chrome", true).unwrap().is_match(b"Chrome"));
}

#[test]
fn longer_values_do_not_match() {
    for (length, expected) in [(LONGEST_MATCHED, true), (LONGEST_MATCHED + 1, false)] {
        for pattern in ["a*", "a.*|b.*", ".*a", ".*"] {
            assert_eq!(read(pattern, false).unwrap().is_match(&vec![b'a'; length]), expected, "{pattern}");
        }
    }
}

#[test]
fn a_search_matches_any_part() {
    let search = |pattern, value: &[u8]| read_as(pattern, Extent::Part, true).unwrap().is_match(value);
    assert!(search("true$", b"notTRUE") && !search("true$", b"true1") && search("", b""));
    assert!(search("bot|crawler", b"a Crawler/1") && !search("^bot|^crawler", b"a Crawler/1"));
}

/// Words give the answers of the expression that they stand for.
#[test]
fn words_are_the_expressions_that_they_stand_for() {
    let values: [&[u8]; 19] = [
        b"",
        b"a",
        b"A",
        b"abc",
        b"ABC",
        b"xabcx",
        b"xabc",
        b"abcx",
        b"x\nabc",
        b"abc\nx",
        b"\n",
        b"a.c",
        b"xa.c",
        b"a|b",
        b"bot",
        b"a Crawler/1",
        b"a\xffc",
        "é".as_bytes(),
        b"\xc3\xc3\xa9",
    ];
    let words = [
        "",
        "a",
        "abc",
        "^a",
        "c$",
        "^abc$",
        "bot|crawler",
        "a\\.c",
        "a||b",
        "^$",
        "a/b\\-",
        ".*",
        ".*abc",
        "abc.*",
        ".*abc.*",
        "^.*abc$",
        "^abc.*$",
        "é",
        ".*é",
        "^.*.*$",
    ];
    for text in words {
        for extent in [Extent::Whole, Extent::Part] {
            for ignore_case in [false, true] {
                let pattern = read_as(text, extent, ignore_case).unwrap();
                let anchored = format!("^(?:{text})$");
                let engine =
                    compile(if extent == Extent::Whole { &anchored } else { text }, ignore_case).unwrap();
                for value in values {
                    let expected = engine.is_match(&String::from_utf8_lossy(value));
                    assert_eq!(pattern.is_match(value), expected, "{text} {extent:?} on {value:?}");
                }
            }
        }
    }
    for text in
        ["a.c", "^a|b", "a|b$", "a+", "[a]", "\\d", "\\<a", "(a)", ".*a|b", "^.*a", "a.*$", "\u{fffd}"]
    {
        assert_eq!(Words::of(text, Extent::Part, false), None, "{text}");
    }
    for text in ["a\\$", ".*a", "a.*", ".*a.*", "a"] {
        assert!(Words::of(text, Extent::Part, false).is_some_and(|words| !words.one_line), "{text}");
    }
}

#[test]
fn what_cannot_be_bounded_is_refused() {
    let check = |pattern: &str, expected: &str| {
        let problem = read(pattern, false).unwrap_err();
        assert!(
            problem.contains("at most 16384 bytes when compiled") && problem.ends_with(expected),
            "{problem}"
        );
    };
    check("(?:a{0,50}){0,50}b", "compiled regex exceeded size limit");
    check("(?:){4000000000}", "compiled regex exceeded size limit");
    check("a)(b", "found closing ')' without matching '('");
    check("(+x)", "must be applied to a sub-expression");
    check(&"(".repeat(100_000), "");
    assert_eq!(read(".*a.{20}b", false).unwrap_err(), "needs too many states");
}

/// Random patterns beside regex-lite.
#[cfg(not(target_family = "wasm"))]
mod beside_the_engine {
    use proptest::prelude::*;

    use super::*;

    fn pattern() -> impl Strategy<Value = String> {
        let atom = proptest::sample::select(vec![
            "a",
            "b",
            "B",
            "-",
            "_",
            "1",
            "é",
            "€",
            "\u{fffd}",
            "💩",
            ".",
            ".*",
            "^",
            "$",
            "\\b",
            "\\B",
            "\\<",
            "\\>",
            "\\b{start}",
            "\\b{end-half}",
            "\\b{start-half}",
            "\\A",
            "\\z",
            "\\d",
            "\\W",
            "\\s",
            "\\S",
            "\\n",
            "\\x61",
            "\\xe9",
            "\\u{e9}",
            "\\x{20ac}",
            "[ab]",
            "[^a]",
            "[^\\n]",
            "[a-cé-ü]",
            "[a-é]",
            "[\\w-]",
            "[[:upper:]]",
            "[[:^alpha:]x]",
            "[]a]",
            "[-a]",
            "[^é-💩]",
            "[\\d\\Dé]",
            "(?i)",
            "(?m)",
            "(?s)",
            "(?R)",
            "(?mR)",
            "(?x)",
            "(?-i)",
            "(?u)",
            "(?-u)",
            "(?U)",
            " ",
            "\\.",
            "#",
            "\n",
            "\r",
            "&",
            "~",
            "[a&&b]",
            "[a--b]",
            "[a~~b]",
            "[[a]b]",
            "\\pL",
            "\\1",
            "\\-",
            "\\é",
        ]);
        let leaf = atom.prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 4, |inner| {
            let repeat =
                proptest::sample::select(vec!["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "{ 1 , 3 }", "{,2}"]);
            prop_oneof![
                3 => proptest::collection::vec(inner.clone(), 1..5).prop_map(|parts| parts.concat()),
                2 => proptest::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                1 => inner.clone().prop_map(|inner| format!("(?i:{inner})")),
                1 => inner.clone().prop_map(|inner| format!("(?-u:{inner})")),
                1 => inner.clone().prop_map(|inner| format!("(?P<n>{inner})")),
                2 => (inner, repeat).prop_map(|(inner, repeat)| format!("({inner}){repeat}")),
            ]
        })
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        let piece = proptest::sample::select(vec![
            &b"a"[..],
            b"b",
            b"A",
            b"B",
            b"1",
            b"_",
            b"-",
            b" ",
            b"#",
            b".",
            b"&",
            b"\n",
            b"\r",
            b"\r\n",
            b"\xc3\xa9",
            b"\xe2\x82\xac",
            b"\xf0\x9f\x92\xa9",
            b"\xff",
            b"\xe2\x82",
            b"\xc3",
            b"\x80",
            b"\xf0\x9f\x92",
            b"\xed\xa0\x80",
            b"\xef\xbf\xbd",
            b"x",
        ]);
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn both_say_the_same(
            texts in proptest::collection::vec(pattern(), 1..4),
            values in proptest::collection::vec(value(), 12),
            ignore_case: bool,
            whole: bool,
        ) {
            let extent = if whole { Extent::Whole } else { Extent::Part };
            let problems = Problems::default();
            let mut sought = Sought::new(true);
            let mut patterns = Vec::new();
            for text in &texts {
                let anchored = format!("^(?:{text})$");
                let engine = compile(text, ignore_case)
                    .and_then(|part| if whole { compile(&anchored, ignore_case) } else { Ok(part) });
                let tree = Tree::Text(text.clone());
                let read = Pattern::read(&problems.root(&tree), extent, ignore_case, &mut sought);
                prop_assert_eq!(engine.is_ok(), read.is_some(), "{:?} as {:?}: {:?}", text, extent, problems);
                patterns.extend(engine.ok().zip(read).map(|(engine, read)| (text, engine, read)));
            }
            let (search, _) = sought.compile(&mut Compiling::default()).unwrap();
            for value in &values {
                let found = search.of(value);
                for (text, engine, pattern) in &patterns {
                    let expected = engine.is_match(&String::from_utf8_lossy(value));
                    prop_assert_eq!(pattern.is_match(value, &found), expected, "{:?} ({:?}) on {:?}", text, extent, value);
                }
            }
        }
    }
}
