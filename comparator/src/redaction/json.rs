//! JSON text without its secrets, and every other byte as it was.
//!
//! Reading it into values and writing those would change numbers of many digits, the order of keys and duplicates, which are what
//! the comparison is about. What a path names goes as a whole. Below a name of the list, texts and numbers go, so that the shape of what
//! stands there stays. In other texts, what is a secret by its form goes.

use std::ops::Range;

use antumbra_engine::secrets::{Secrets, Step, by_form, without};
use serde::de::IgnoredAny;

use super::REDACTED;

/// The text without its secrets, and how many these are; `None` if it is not JSON.
pub(super) fn redacted(text: &[u8], secrets: &Secrets) -> Option<(Vec<u8>, u64)> {
    serde_json::from_slice::<IgnoredAny>(text).ok()?;
    let mut walk = Walk { text, at: 0, secrets, open: Vec::new(), found: Vec::new() };
    walk.all()?;
    walk.found.sort_by_key(|(at, _)| at.start);
    let mut out = Vec::with_capacity(text.len());
    let (mut copied, mut blanked) = (0, 0);
    for (Range { start, end }, instead) in walk.found {
        if start < copied {
            continue;
        }
        out.extend_from_slice(text.get(copied..start)?);
        out.extend_from_slice(&instead);
        copied = end;
        blanked += 1;
    }
    out.extend_from_slice(text.get(copied..)?);
    Some((out, blanked))
}

/// Goes through text that is known to be JSON, however deep.
struct Walk<'t> {
    text: &'t [u8],
    at: usize,
    secrets: &'t Secrets,
    /// The objects and arrays that are open here, from the outside in.
    open: Vec<Open<'t>>,
    /// What is replaced, and by what.
    found: Vec<(Range<usize>, Vec<u8>)>,
}

/// An object or an array that is open.
struct Open<'t> {
    is_object: bool,
    /// The number of its next element.
    next: u64,
    place: Place<'t>,
    /// Its member `name` names a secret, so that its member `value` is one.
    names_value: bool,
    /// Its member `value`, if a text or a number.
    value: Option<Range<usize>>,
}

/// What is known of the place at which a value stands.
#[derive(Clone, Default)]
struct Place<'t> {
    /// The paths that lead on from there.
    paths: Vec<&'t [Step]>,
    /// It is below a name of the list.
    is_listed: bool,
    member: Member,
}

/// What the name of a member says of its neighbours.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Member {
    /// It names something.
    Name,
    /// It is the value of what is named.
    Value,
    #[default]
    Other,
}

impl<'t> Walk<'t> {
    fn all(&mut self) -> Option<()> {
        let paths = self.secrets.paths().iter().map(Vec::as_slice).collect();
        self.value(Place { paths, ..Place::default() })?;
        while let Some(open) = self.open.last() {
            let (is_object, end) = (open.is_object, if open.is_object { b'}' } else { b']' });
            if !self.more(end)? {
                self.close();
            } else if is_object {
                self.member()?;
            } else {
                self.element()?;
            }
        }
        Some(())
    }

    /// One value that begins here. What is inside of an object or an array follows.
    fn value(&mut self, place: Place<'t>) -> Option<()> {
        self.blanks();
        let start = self.at;
        let is_named = place.paths.iter().any(|path| path.iter().all(|step| *step == Step::Deep));
        if is_named {
            self.pass()?;
            self.replace(start..self.at);
            return Some(());
        }
        match self.peek()? {
            bracket @ (b'{' | b'[') => {
                self.at += 1;
                let is_object = bracket == b'{';
                self.open.push(Open { is_object, next: 0, place, names_value: false, value: None });
            }
            b'"' => {
                self.string()?;
                self.text(start..self.at, &place);
            }
            _ => {
                self.plain();
                self.number(start..self.at, &place);
            }
        }
        Some(())
    }

    fn member(&mut self) -> Option<()> {
        let start = self.at;
        self.string()?;
        let end = self.at;
        let key: String = serde_json::from_slice(self.text.get(start..end)?).ok()?;
        if key.len() >= SHORTEST_FORM && !by_form(key.as_bytes()).is_empty() {
            self.replace(start..end);
        }
        self.blanks();
        self.at += 1;
        let above = &self.open.last()?.place;
        let place = Place {
            paths: below(&above.paths, &key),
            is_listed: above.is_listed || self.secrets.of_member(key.as_bytes()).is_some(),
            member: Member::of(&key),
        };
        self.value(place)
    }

    fn element(&mut self) -> Option<()> {
        let open = self.open.last_mut()?;
        let number = open.next;
        open.next += 1;
        let above = &open.place;
        let paths =
            if above.paths.is_empty() { Vec::new() } else { below(&above.paths, &number.to_string()) };
        let place = Place { paths, is_listed: above.is_listed, member: Member::Other };
        self.value(place)
    }

    fn close(&mut self) {
        let value = self.open.pop().filter(|open| open.names_value).and_then(|open| open.value);
        if let Some(value) = value {
            self.replace(value);
        }
    }

    /// A text, with its quotes.
    fn text(&mut self, at: Range<usize>, place: &Place<'t>) {
        self.note(&at, place);
        let Some(inner) =
            self.text.get(at.start + 1..at.end.saturating_sub(1)).filter(|text| !text.is_empty())
        else {
            return;
        };
        if place.is_listed {
            return self.replace(at);
        }
        if !inner.contains(&b'\\') {
            if let Some((text, _)) = without(inner, REDACTED.as_bytes()) {
                self.found.push((at, [b"\"", &text[..], b"\""].concat()));
            }
            return;
        }
        let plain: Option<String> =
            self.text.get(at.clone()).and_then(|text| serde_json::from_slice(text).ok());
        let without = plain.and_then(|plain| without(plain.as_bytes(), REDACTED.as_bytes()));
        if let Some((text, _)) = without {
            let text = serde_json::to_vec(&String::from_utf8_lossy(&text)).unwrap_or_default();
            self.found.push((at, text));
        }
    }

    /// A number, or `true`, `false` or `null`, which are no secrets.
    fn number(&mut self, at: Range<usize>, place: &Place<'t>) {
        let digits = self.text.get(at.clone()).unwrap_or_default();
        let is_number = digits.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-');
        if is_number {
            self.note(&at, place);
            if place.is_listed || digits.len() >= SHORTEST_FORM && !by_form(digits).is_empty() {
                self.replace(at);
            }
        }
    }

    /// Notes a name of the list that stands as a value, and a value that stands beside one.
    fn note(&mut self, at: &Range<usize>, place: &Place<'t>) {
        let Some(open) = self.open.last_mut() else { return };
        match place.member {
            Member::Name => {
                let name = self.text.get(at.start + 1..at.end.saturating_sub(1)).unwrap_or_default();
                open.names_value |= self.secrets.of_header(name).is_some();
            }
            Member::Value => open.value = Some(at.clone()),
            Member::Other => {}
        }
    }

    fn replace(&mut self, at: Range<usize>) {
        self.found.push((at, format!("\"{REDACTED}\"").into_bytes()));
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

impl Member {
    fn of(name: &str) -> Self {
        match name {
            "name" | "key" | "field" | "header" => Self::Name,
            "value" => Self::Value,
            _ => Self::Other,
        }
    }
}

/// The paths that lead into the member, as what is left of each.
fn below<'p>(paths: &[&'p [Step]], key: &str) -> Vec<&'p [Step]> {
    let (mut left, mut open) = (Vec::new(), paths.to_vec());
    while let Some(path) = open.pop() {
        let Some((first, rest)) = path.split_first() else { continue };
        if *first == Step::Deep {
            left.push(path);
            open.push(rest);
        } else if first.leads_to(key.as_bytes()) {
            left.push(rest);
        }
    }
    left
}

/// No form has fewer bytes.
const SHORTEST_FORM: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use antumbra_engine::secrets::Secret;
    use antumbra_policy::Dice;
    use serde_json::{Value, json};

    fn check(text: &str, paths: &[&str], expected: Option<&str>) {
        let mut secrets = Secrets::default();
        secrets.extend(paths.iter().map(|path| path.parse().unwrap()));
        let found = redacted(text.as_bytes(), &secrets);
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
            r#"{"p\u0061s":1,"pas":2}"#,
            &["/pas"],
            Some(r#"{"p\u0061s":"[redacted]","pas":"[redacted]"}"#),
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
            let mut secrets = Secrets::default();
            let step = |key: &String| if key == "*" { Step::Any } else { Step::Named(key.clone()) };
            secrets.extend(paths.iter().map(|path| Secret::Path(path.iter().map(step).collect())));
            let (found, _) = redacted(text.as_bytes(), &secrets).unwrap();
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
    fn what_the_list_has_goes_wherever_it_stands() {
        let hidden = |text: &str| {
            let (found, _) = redacted(text.as_bytes(), &Secrets::default()).unwrap();
            String::from_utf8(found).unwrap()
        };
        for (text, expected) in [
            (
                r#"{"a":{"newPassword2":"hush","pin":4711,"hasPassword":true,"otp":null,"token":""}}"#,
                r#"{"a":{"newPassword2":"[redacted]","pin":"[redacted]","hasPassword":true,"otp":null,"token":""}}"#,
            ),
            (
                r#"{"session":{"id":"hush","at":[1]}}"#,
                r#"{"session":{"id":"[redacted]","at":["[redacted]"]}}"#,
            ),
            (r#"[["see 4111111111111111."], 4111111111111111]"#, r#"[["see [redacted]."], "[redacted]"]"#),
            (r#"{"note":"a\n\u0070in=hush"}"#, r#"{"note":"a\npin=[redacted]"}"#),
            (r#"{"4111111111111111":1}"#, r#"{"[redacted]":1}"#),
            (
                r#"{"value":"hush","name":"Authorization"}"#,
                r#"{"value":"[redacted]","name":"Authorization"}"#,
            ),
            (r#"{"name":"colour","value":"red"}"#, r#"{"name":"colour","value":"red"}"#),
            (r#"{"url":"https://a:hush@b/?sig=hush"}"#, r#"{"url":"https://[redacted]@b/?sig=[redacted]"}"#),
        ] {
            assert_eq!(hidden(text), expected);
        }
        let deep = format!(r#"{}{{"pin":"hush"}}{}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(!hidden(&deep).contains("hush"));
    }

    #[test]
    fn a_deep_path_reaches_any_depth() {
        check(r#"{"a":[{"b":1}],"b":2}"#, &["/**/b"], Some(r#"{"a":[{"b":"[redacted]"}],"b":"[redacted]"}"#));
        check(r#"{"a":{"b":1},"b":2}"#, &["/a/**"], Some(r#"{"a":"[redacted]","b":2}"#));
    }

    #[test]
    fn what_is_no_json_is_said_to_be_none() {
        for text in ["", "{", "{\"a\":1} {\"a\":2}", "<p>", "{'a':1}", "\u{1f}"] {
            check(text, &["/a"], None);
        }
    }
}
