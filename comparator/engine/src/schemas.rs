//! What the messages of gRPC calls look like, from a descriptor set (`protoc --descriptor_set_out --include_imports`).
//!
//! Behind the feature `grpc-messages`: without it there are no schemas, and messages are compared by length and hash.

use crate::refusal::Refusal;
use crate::written::Written;

/// Descriptors of services and their messages. There are none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schemas {
    #[cfg(feature = "grpc-messages")]
    pool: Option<prost_reflect::DescriptorPool>,
    /// What every answer is, whatever was called.
    #[cfg(feature = "grpc-messages")]
    only: Option<prost_reflect::MessageDescriptor>,
}

/// Why bytes are no descriptor set.
#[cfg(feature = "grpc-messages")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("does not decode as a FileDescriptorSet with all its imports: {0}")]
pub struct BadSchemas(String);

/// What a method answers.
#[derive(Debug)]
pub(crate) struct Message {
    #[cfg(feature = "grpc-messages")]
    descriptor: prost_reflect::MessageDescriptor,
}

#[cfg(feature = "grpc-messages")]
impl Schemas {
    /// Reads a `google.protobuf.FileDescriptorSet`.
    ///
    /// # Errors
    /// Returns the decoder's words: what does not decode, or a type that is not in the set.
    pub fn decode(set: &[u8]) -> Result<Self, BadSchemas> {
        let pool =
            prost_reflect::DescriptorPool::decode(set).map_err(|error| BadSchemas(error.to_string()))?;
        Ok(Self { pool: Some(pool), only: None })
    }

    /// Reads every answer as the message of this full name, as `shop.Price`. Without a descriptor of it there are none.
    #[must_use]
    pub fn of_message(&self, name: &str) -> Option<Self> {
        let only = self.pool.as_ref()?.get_message_by_name(name)?;
        Some(Self { pool: self.pool.clone(), only: Some(only) })
    }

    /// Whether there is a descriptor of the method of a path `/package.Service/Method`.
    pub fn has_method(&self, path: &str) -> bool {
        self.answer(path.as_bytes()).is_some()
    }

    /// What the method of a path `/package.Service/Method` answers.
    pub(crate) fn answer(&self, path: &[u8]) -> Option<Message> {
        if let Some(descriptor) = self.only.clone() {
            return Some(Message { descriptor });
        }
        let path = std::str::from_utf8(path).ok()?.split(['?', '#']).next()?;
        let (service, method) = path.strip_prefix('/')?.rsplit_once('/')?;
        let service = self.pool.as_ref()?.get_service_by_name(service)?;
        let method = service.methods().find(|found| found.name() == method)?;
        Some(Message { descriptor: method.output() })
    }
}

#[cfg(not(feature = "grpc-messages"))]
impl Schemas {
    pub(crate) fn answer(&self, _: &[u8]) -> Option<Message> {
        None
    }
}

#[cfg(not(feature = "grpc-messages"))]
impl Message {
    pub(crate) fn write(&self, message: &[u8], written: &mut Written) -> Result<(), Refusal> {
        written.print(message);
        Ok(())
    }
}

#[cfg(feature = "grpc-messages")]
impl Message {
    /// Writes the fields of a message as an object.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if it is no message of this type.
    pub(crate) fn write(&self, message: &[u8], written: &mut Written) -> Result<(), Refusal> {
        let read = prost_reflect::DynamicMessage::decode(self.descriptor.clone(), message);
        fields::message(&read.map_err(|_| Refusal::Malformed)?, written);
        Ok(())
    }
}

/// Fields by their names in the `.proto` file; numbers with all digits, enums by name. What the descriptors do not know
/// stands under its number, by length and hash.
#[cfg(feature = "grpc-messages")]
mod fields {
    use prost_reflect::{DynamicMessage, Kind, MapKey, Value};

    use super::Written;

    pub(super) fn message(message: &DynamicMessage, written: &mut Written) {
        written.open(b'{');
        for (field, found) in message.fields() {
            written.name(field.name().as_bytes());
            value(found, &field.kind(), written);
        }
        for (extension, found) in message.extensions() {
            written.name(format!("[{}]", extension.full_name()).as_bytes());
            value(found, &extension.kind(), written);
        }
        for unknown in message.unknown_fields() {
            written.name(unknown.number().to_string().as_bytes());
            let mut bytes = Vec::new();
            unknown.encode(&mut bytes);
            written.print(&bytes);
        }
        written.close(b'}');
    }

    fn value(found: &Value, kind: &Kind, written: &mut Written) {
        match found {
            Value::Bool(bool) => written.json(bool.to_string().as_bytes()),
            Value::I32(number) => written.json(number.to_string().as_bytes()),
            Value::I64(number) => written.json(number.to_string().as_bytes()),
            Value::U32(number) => written.json(number.to_string().as_bytes()),
            Value::U64(number) => written.json(number.to_string().as_bytes()),
            Value::F32(number) => float(number.is_finite(), number, written),
            Value::F64(number) => float(number.is_finite(), number, written),
            Value::String(text) => written.string(text),
            Value::Bytes(bytes) => written.bytes(bytes),
            Value::EnumNumber(number) => enumerated(*number, kind, written),
            Value::Message(nested) => message(nested, written),
            Value::List(values) => {
                written.open(b'[');
                values.iter().for_each(|item| value(item, kind, written));
                written.close(b']');
            }
            Value::Map(entries) => {
                let values = kind.as_message().map(|entry| entry.map_entry_value_field().kind());
                written.open(b'{');
                for (key, item) in entries {
                    written.name(name(key).as_bytes());
                    value(item, values.as_ref().unwrap_or(kind), written);
                }
                written.close(b'}');
            }
        }
    }

    /// JSON has no infinity and no NaN.
    fn float(finite: bool, number: &impl ToString, written: &mut Written) {
        let number = number.to_string();
        if finite { written.json(number.as_bytes()) } else { written.string(&number) }
    }

    fn enumerated(number: i32, kind: &Kind, written: &mut Written) {
        match kind.as_enum().and_then(|names| names.get_value(number)) {
            Some(named) => written.string(named.name()),
            None => written.json(number.to_string().as_bytes()),
        }
    }

    fn name(key: &MapKey) -> String {
        match key {
            MapKey::Bool(key) => key.to_string(),
            MapKey::I32(key) => key.to_string(),
            MapKey::I64(key) => key.to_string(),
            MapKey::U32(key) => key.to_string(),
            MapKey::U64(key) => key.to_string(),
            MapKey::String(key) => key.clone(),
        }
    }
}
