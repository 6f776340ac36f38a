//! The entries of an archive as they stand in its text, wherever the members stand and whatever others there are.
//!
//! An entry is only delimited here, so that one of another shape than expected spoils none but itself.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What an archive holds.
#[derive(Debug, Default)]
pub(super) struct Archive<'t> {
    pub(super) entries: Vec<&'t RawValue>,
    /// Whether there is a `log.entries`, empty or not.
    pub(super) has_entries: bool,
    /// Why the text could not be read to its end.
    pub(super) broken: Option<serde_json::Error>,
}

/// Reads as far as the text is JSON.
pub(super) fn read(text: &str) -> Archive<'_> {
    let mut archive = Archive::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(Document(&mut archive)).and_then(|()| json.end());
    archive.broken = read.err();
    archive
}

/// `{"log": …}`
struct Document<'a, 't>(&'a mut Archive<'t>);

/// `{"entries": …}`
struct Log<'a, 't>(&'a mut Archive<'t>);

/// `[entry, …]`
struct Entries<'a, 't>(&'a mut Archive<'t>);

impl<'t> Visitor<'t> for Document<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the member log")
    }

    fn visit_map<M: MapAccess<'t>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "log" {
                map.next_value_seed(Log(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'t> DeserializeSeed<'t> for Log<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'t> Visitor<'t> for Log<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("log to be an object with the member entries")
    }

    fn visit_map<M: MapAccess<'t>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "entries" {
                map.next_value_seed(Entries(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'t> DeserializeSeed<'t> for Entries<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'t> Visitor<'t> for Entries<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("log.entries to be an array")
    }

    fn visit_seq<S: SeqAccess<'t>>(self, mut entries: S) -> Result<(), S::Error> {
        self.0.has_entries = true;
        while let Some(entry) = entries.next_element()? {
            self.0.entries.push(entry);
        }
        Ok(())
    }
}
