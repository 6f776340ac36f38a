//! JSON text with the values at some paths replaced, and every other byte as it was.
//!
//! Reading it into values and writing those would change numbers of many digits, the order of keys and duplicates, which are what
//! the comparison is about.

use std::ops::Range;

use serde::de::IgnoredAny;

use super::REDACTED;

/// The text with every value at one of the paths replaced, and how many these are; `None` if it is not JSON.
pub(super) fn redacted(text: &[u8], paths: &[Vec<String>]) -> Option<(Vec<u8>, u64)> {
    serde_json::from_slice::<IgnoredAny>(text).ok()?;
    let mut walk = Walk { text, at: 0, found: Vec::new() };
    let paths: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
    walk.value(&paths)?;
    let blanked = walk.found.len() as u64;
    let mut out = Vec::with_capacity(text.len());
    let mut copied = 0;
    for Range { start, end } in walk.found {
        out.extend_from_slice(text.get(copied..start)?);
        out.extend_from_slice(format!("\"{REDACTED}\"").as_bytes());
        copied = end;
    }
    out.extend_from_slice(text.get(copied..)?);
    Some((out, blanked))
}

/// Goes through text that is known to be JSON. It goes into what a path leads into, and passes over the rest, so that its
/// depth is that of the paths.
struct Walk<'t> {
    text: &'t [u8],
    at: usize,
    found: Vec<Range<usize>>,
}

impl Walk<'_> {
    /// One value, of which `paths` lead on.
    fn value(&mut self, paths: &[&[String]]) -> Option<()> {
        self.blanks();
        let start = self.at;
        if paths.iter().any(|path| path.is_empty()) {
            self.pass()?;
            self.found.push(start..self.at);
            return Some(());
        }
        match self.peek()? {
            b'{' if !paths.is_empty() => self.object(paths),
            b'[' if !paths.is_empty() => self.array(paths),
            _ => self.pass(),
        }
    }

    fn object(&mut self, paths: &[&[String]]) -> Option<()> {
        self.at += 1;
        while self.more(b'}')? {
            let start = self.at;
            self.string()?;
            let key: String = serde_json::from_slice(self.text.get(start..self.at)?).ok()?;
            self.blanks();
            self.at += 1;
            self.value(&below(paths, &key))?;
        }
        Some(())
    }

    fn array(&mut self, paths: &[&[String]]) -> Option<()> {
        self.at += 1;
        let mut index: u64 = 0;
        while self.more(b']')? {
            self.value(&below(paths, &index.to_string()))?;
            index += 1;
        }
        Some(())
    }

    /// Whether another member follows; the comma before it, or the end, is passed.
    fn more(&mut self, end: u8) -> Option<bool> {
        self.blanks();
        if self.peek()? == b',' {
            self.at += 1;
            self.blanks();
        }
        let ended = self.peek()? == end;
        self.at += usize::from(ended);
        Some(!ended)
    }

    /// Passes over one value, however deep.
    fn pass(&mut self) -> Option<()> {
        let mut depth = 0_u64;
        loop {
            self.blanks();
            match self.peek()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' => self.at += 1,
                _ => self.plain(),
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn plain(&mut self) {
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => break self.at += 1,
                _ => self.at += 1,
            }
        }
        Some(())
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

/// The paths that lead into the member, without their first segment.
fn below<'p>(paths: &[&'p [String]], key: &str) -> Vec<&'p [String]> {
    let leads = |path: &&'p [String]| {
        let (first, rest) = path.split_first()?;
        (first == "*" || first == key).then_some(rest)
    };
    paths.iter().filter_map(leads).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use antumbra_policy::Dice;
    use serde_json::{Value, json};

    fn check(text: &str, paths: &[&str], expected: Option<&str>) {
        let paths: Vec<Vec<String>> =
            paths.iter().map(|path| path.split('/').skip(1).map(str::to_owned).collect()).collect();
        let found = redacted(text.as_bytes(), &paths);
        let found = found.map(|(text, blanked)| (String::from_utf8(text).unwrap(), blanked));
        let count = |text: &str| text.matches(REDACTED).count() as u64;
        assert_eq!(found, expected.map(|text| (text.to_owned(), count(text))), "{text}");
    }

    #[test]
    fn values_at_paths_and_nothing_else() {
        check(
            r#"{ "a" : 1.0 , "b":{"c":[1,{"d":"x\"]}"}]} , "n": 123456789012345678901234567890 }"#,
            &["/a", "/b/c/1/d"],
            Some(
                r#"{ "a" : "[redacted]" , "b":{"c":[1,{"d":"[redacted]"}]} , "n": 123456789012345678901234567890 }"#,
            ),
        );
        check(
            r#"[{"k":1},{"k":{"l":[]}},{}]"#,
            &["/*/k"],
            Some(r#"[{"k":"[redacted]"},{"k":"[redacted]"},{}]"#),
        );
        check(
            r#"{"p\u0061ss":1,"pass":2}"#,
            &["/pass"],
            Some(r#"{"p\u0061ss":"[redacted]","pass":"[redacted]"}"#),
        );
        check(
            r#"{"a":{"a":{}},"b":[[],[ ]]}"#,
            &["/a/a", "/b/1/0", "/c"],
            Some(r#"{"a":{"a":"[redacted]"},"b":[[],[ ]]}"#),
        );
        check(r#"{"a":-1e+5}"#, &["/a", "/*"], Some(r#"{"a":"[redacted]"}"#));
        check(" true ", &["/a"], Some(" true "));
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let deep = format!(r#"{{"a":{deep},"b":1}}"#);
        check(&deep, &["/a/0/0", "/b"], Some(r#"{"a":[["[redacted]"]],"b":"[redacted]"}"#));
    }

    /// The same as blanking values that were read, on documents and paths made up at random.
    #[test]
    fn any_document_is_blanked_as_its_values_are() {
        let mut dice = Dice(7);
        let mut blanked = 0;
        for round in 0..5_000 {
            let document = made_up(&mut dice, 4);
            let pretty = serde_json::to_string_pretty(&document).unwrap();
            let text = if round % 2 == 0 { document.to_string() } else { pretty };
            let paths: Vec<Vec<String>> = (0..1 + dice.next() % 3)
                .map(|_| (0..1 + dice.next() % 3).map(|_| KEYS[pick(&mut dice, 6)].to_owned()).collect())
                .collect();
            let mut expected = document.clone();
            paths.iter().for_each(|path| blank(&mut expected, path));
            let (found, _) = redacted(text.as_bytes(), &paths).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&found).unwrap(), expected, "{text} {paths:?}");
            blanked += u64::from(expected != document);
        }
        assert!(blanked > 500, "{blanked}");
    }

    const KEYS: [&str; 6] = ["a", "\u{e9}\"]", "0", "1", "*", "\\"];

    fn pick(dice: &mut Dice, of: u64) -> usize {
        usize::try_from(dice.next() % of).unwrap()
    }

    fn made_up(dice: &mut Dice, depth: u32) -> Value {
        match dice.next() % if depth == 0 { 4 } else { 8 } {
            0 => Value::Null,
            1 => json!(dice.next() % 100),
            2 => json!(KEYS[pick(dice, 6)]),
            3 => json!(-1.5e-7),
            4 | 5 => (0..dice.next() % 4).map(|_| made_up(dice, depth - 1)).collect(),
            _ => (0..dice.next() % 4)
                .map(|_| (KEYS[pick(dice, 6)].to_owned(), made_up(dice, depth - 1)))
                .collect(),
        }
    }

    fn blank(value: &mut Value, path: &[String]) {
        let Some((first, rest)) = path.split_first() else { return *value = json!(REDACTED) };
        let leads = |key: &str| first == "*" || first == key;
        match value {
            Value::Object(members) => {
                members.iter_mut().filter(|(key, _)| leads(key)).for_each(|(_, member)| blank(member, rest));
            }
            Value::Array(items) => {
                let items = items.iter_mut().enumerate();
                items.filter(|(index, _)| leads(&index.to_string())).for_each(|(_, item)| blank(item, rest));
            }
            _ => {}
        }
    }

    #[test]
    fn what_is_no_json_is_said_to_be_none() {
        for text in ["", "{", "{\"a\":1} {\"a\":2}", "<p>", "{'a':1}", "\u{1f}"] {
            check(text, &["/a"], None);
        }
    }
}
