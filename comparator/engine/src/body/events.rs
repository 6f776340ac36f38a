//! Server-sent events, as the HTML standard has browsers read them: fields of a line each, an empty line ends an event.
//!
//! More strictly than a browser, nothing is thrown away but comments: an event without data and an unknown field are compared
//! too. So is an event that the end of the stream cut off, but as what it is: no browser would dispatch it. Data that is JSON
//! is compared as such.

use crate::json::Tree;
use crate::refusal::Refusal;
use crate::written::Written;

/// The events as an array of objects with a member for each field, the lines of `data` joined.
///
/// # Errors
/// [`Refusal::Malformed`] if the stream is not UTF-8, [`Refusal::Size`].
pub(crate) fn write(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::Malformed)?;
    let mut written = Written::default();
    written.open(b'[');
    let mut event = Event::default();
    for line in lines(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        if line.is_empty() {
            std::mem::take(&mut event).write(&mut written, true);
        } else {
            event.take(line);
        }
        if written.is_full() {
            break;
        }
    }
    event.write(&mut written, false);
    written.close(b']');
    written.finish()
}

#[derive(Default)]
struct Event<'t> {
    data: Option<String>,
    others: Vec<(&'t str, &'t str)>,
}

impl<'t> Event<'t> {
    fn take(&mut self, line: &'t str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (name, &mut self.data) {
            ("", _) => {}
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none) => *none = Some(value.to_owned()),
            _ => self.others.push((name, value)),
        }
    }

    fn write(self, written: &mut Written, dispatched: bool) {
        if self.data.is_none() && self.others.is_empty() {
            return;
        }
        written.open(b'{');
        for (name, value) in self.others {
            written.name(name.as_bytes());
            written.string(value);
        }
        if let Some(data) = self.data {
            written.name(b"data");
            // A text in quotes is a text with quotes: else it would be the same as one without.
            let quoted = data.trim_start().starts_with('"');
            if !quoted && Tree::parse(data.as_bytes()).is_ok() {
                written.json(data.as_bytes());
            } else {
                written.string(&data);
            }
        }
        if !dispatched {
            // No field can look like it: the value of a field is a text. Without a blank, so that a rule can name the place.
            written.name(CUT_OFF);
            written.json(b"true");
        }
        written.close(b'}');
    }
}

/// Lines that end with CR LF, LF or CR.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').flat_map(|line| {
        let line = line.strip_suffix('\n').unwrap_or(line);
        line.strip_suffix('\r').unwrap_or(line).split('\r')
    })
}

const CUT_OFF: &[u8] = b"(undispatched)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    fn check(stream: &str, expected: &str) {
        let written = write(stream.as_bytes()).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(written.as_deref(), Ok(expected), "{stream:?}");
    }

    #[test]
    fn an_event_without_its_empty_line_is_not_dispatched() {
        for cut in ["data: x", "data: x\n", "data: x\r", "data: x\r\n", "data: x\n: ping"] {
            check(cut, r#"[{"data":"x","(undispatched)":true}]"#);
        }
        for whole in ["data: x\n\n", "data: x\r\r", "data: x\r\n\r", "data: x\n\r", "data: x\n\n: ping"] {
            check(whole, r#"[{"data":"x"}]"#);
        }
        check("data:1\n\nid: 2", r#"[{"data":1},{"id":"2","(undispatched)":true}]"#);
        assert!(Pattern::parse(&format!("/*/{}", String::from_utf8_lossy(CUT_OFF))).is_ok());
        check("(undispatched): true\n\n", r#"[{"(undispatched)":"true"}]"#);
    }

    #[test]
    fn events_are_objects() {
        check("data: {\"a\":1}\n\n", r#"[{"data":{"a":1}}]"#);
        check("event: tick\nid:7\ndata: a\ndata:b\n\n", r#"[{"event":"tick","id":"7","data":"a\nb"}]"#);
        check(": keep-alive\n\n\n\ndata\n\n", r#"[{"data":""}]"#);
        check("\u{feff}data:1\r\rdata:2\r\n\r\n", r#"[{"data":1},{"data":2}]"#);
        check("retry: 1\r\r\n:\r", r#"[{"retry":"1"}]"#);
        check("data: \"tick\"\n\n", r#"[{"data":"\"tick\""}]"#);
        check("retry: 10\n\nodd: x\n\n", r#"[{"retry":"10"},{"odd":"x"}]"#);
        check("", "[]");
        assert_eq!(write(b"data: \xff\n\n"), Err(Refusal::Malformed));
    }
}
