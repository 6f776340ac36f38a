//! Which way two bodies are compared: their encodings are taken off, then what they are decides.
//!
//! Byte-equal bodies never come here. What cannot be read within its limits is compared by length and hash of what was sent,
//! and the reason is kept: it differs, and the reader learns that nobody looked into it.

mod element;
mod encoding;
mod events;
mod form;
mod grpc;
mod lines;
mod media;
mod multipart;
mod records;

use std::borrow::Cow;
use std::cell::OnceCell;

use antumbra_observation::{Bytes, Response};
use xxhash_rust::xxh3::xxh3_64;

use crate::diff::{self, Differences, Scope};
use crate::excerpt;
use crate::farther::Cause;
use crate::json::Tree;
use crate::kind::Kind;
use crate::pattern::{Place, Segment};
use crate::refusal::Refusal;
use crate::work;
use encoding::{Bound, Encoding};
use grpc::Call;
use media::{Media, header};

pub(crate) use grpc::{is_grpc, is_status, trailers_of};
pub(crate) use media::media_type;

/// Where the primary's body lies once it is read. It outlives the comparisons with candidate and control.
pub(crate) type Kept<'a> = OnceCell<Plain<'a>>;

/// A body as it was sent, and without its encodings.
#[derive(Debug)]
pub(crate) struct Plain<'a> {
    sent: &'a [u8],
    media: Media,
    bytes: Result<Cow<'a, [u8]>, Refusal>,
    /// Of a body that consists of records: those, as JSON.
    records: Option<Result<Vec<u8>, Refusal>>,
}

/// What the parts of two bodies, and the parts of these, may still decode to.
struct Rooms {
    left: Bound,
    right: Bound,
}

/// A body that can be compared. It is parsed at most once.
#[derive(Debug)]
pub(crate) struct Content<'p> {
    plain: &'p Plain<'p>,
    tree: OnceCell<Result<Tree<'p>, Refusal>>,
}

impl<'a> Plain<'a> {
    /// Reads the body of an answer to the request for `path`.
    pub(crate) fn of(response: &'a Response, sent: &'a [u8], path: &[u8], scope: Scope<'_>) -> Self {
        Self::with_encodings(response, sent, path, scope, &encodings(&response.headers))
    }

    /// Reads the body of an answer whose encodings were taken off already.
    pub(crate) fn of_decoded(response: &'a Response, sent: &'a [u8], path: &[u8], scope: Scope<'_>) -> Self {
        Self::with_encodings(response, sent, path, scope, &Ok(Vec::new()))
    }

    fn with_encodings(
        response: &'a Response,
        sent: &'a [u8],
        path: &[u8],
        scope: Scope<'_>,
        encodings: &Result<Vec<Encoding>, Refusal>,
    ) -> Self {
        let call = Call { path, headers: &response.headers, schemas: scope.rules.schemas() };
        Self::read(sent, Media::declared(&response.headers), encodings, call)
    }

    fn read(
        sent: &'a [u8],
        media: Media,
        encodings: &Result<Vec<Encoding>, Refusal>,
        call: Call<'_>,
    ) -> Self {
        let bytes = match encodings {
            Ok(encodings) => encoding::decode(sent, encodings),
            Err(refusal) => Err(*refusal),
        };
        // What does not decode took as much as what it may decode to, at worst.
        let length = bytes.as_deref().map_or_else(|_| Bound::of(sent.len()).bytes(), <[u8]>::len);
        work::read(length, media.effort());
        let mut room = Bound::of(bytes.as_deref().map_or(0, <[u8]>::len));
        let records = bytes.as_deref().ok().and_then(|bytes| written(bytes, &media, call, &mut room));
        Self { sent, media, bytes, records }
    }

    /// Reads a part of a body; `room` is what all its parts together may decode to.
    fn of_part(part: &'a multipart::Part<'a>, scope: Scope<'_>, room: &mut Bound) -> Self {
        let call = Call { path: b"", headers: &part.headers, schemas: scope.rules.schemas() };
        // RFC 7578, 4.4: a part without a type is text.
        let media = match Media::declared(&part.headers) {
            Media::Undeclared => Media::Text,
            declared => declared,
        };
        let bytes = encodings(&part.headers).and_then(|encodings| room.decode(part.bytes, &encodings));
        work::read(bytes.as_deref().map_or(0, <[u8]>::len), media.effort());
        let records = bytes.as_deref().ok().and_then(|bytes| written(bytes, &media, call, room));
        Self { sent: part.bytes, media, bytes, records }
    }

    /// A body that declares nothing, with the records that the other's declaration gives it.
    fn as_said(&self, media: &Media, scope: Scope<'_>) -> Option<Plain<'_>> {
        let bytes = self.bytes.as_deref().ok()?;
        if self.media != Media::Undeclared || *media == Media::Json {
            return None;
        }
        let call = Call { path: b"", headers: &[], schemas: scope.rules.schemas() };
        let records = written(bytes, media, call, &mut Bound::of(bytes.len()));
        Some(Plain { sent: self.sent, media: media.clone(), bytes: Ok(Cow::Borrowed(bytes)), records })
    }

    fn read_as(&self) -> (&Media, &[u8]) {
        (&self.media, self.bytes.as_deref().unwrap_or_default())
    }
}

/// Returns the body of an answer without its content encodings, within the bounds that a comparison has: 16 MiB, and beyond the first MiB a
/// hundred times what was sent.
///
/// # Errors
/// Returns [`Refusal::Encoding`] if one is not known, [`Refusal::Corrupt`] if it does not decode to its end, [`Refusal::Ratio`] and
/// [`Refusal::Size`] beyond the bounds.
pub fn decoded<'a>(headers: &[(Bytes, Bytes)], body: &'a [u8]) -> Result<Cow<'a, [u8]>, Refusal> {
    encodings(headers).and_then(|encodings| encoding::decode(body, &encodings))
}

fn encodings(headers: &[(Bytes, Bytes)]) -> Result<Vec<Encoding>, Refusal> {
    header(headers, "content-encoding").map_or(Ok(Vec::new()), |value| Encoding::listed(&value))
}

/// The records of a body as JSON, if it has some.
fn written(
    bytes: &[u8],
    media: &Media,
    call: Call<'_>,
    room: &mut Bound,
) -> Option<Result<Vec<u8>, Refusal>> {
    match media {
        Media::JsonRecords => Some(records::write(bytes)),
        Media::JsonSequence => Some(records::write_sequence(bytes)),
        Media::Events => Some(events::write(bytes)),
        Media::Form => Some(form::write(bytes)),
        Media::Grpc => Some(grpc::write(bytes, call, room)),
        _ => None,
    }
}

impl<'p> Content<'p> {
    pub(crate) fn of(plain: &'p Plain<'p>) -> Self {
        Self { plain, tree: OnceCell::new() }
    }

    /// Compares the bodies of two answers.
    pub(crate) fn compare(&self, other: &Content<'_>, scope: Scope<'_>, into: &mut Differences<'_>) {
        let room = |content: &Content<'_>| Bound::of(content.plain.read_as().1.len());
        self.compare_at(other, &[], &mut Rooms { left: room(self), right: room(other) }, scope, into);
    }

    /// Compares two bodies that stand at `at`; nowhere, if they are whole answers.
    fn compare_at(
        &self,
        other: &Content<'_>,
        at: &[Segment<'_>],
        rooms: &mut Rooms,
        scope: Scope<'_>,
        into: &mut Differences<'_>,
    ) {
        let (left, right) = match (&self.plain.bytes, &other.plain.bytes) {
            (Ok(left), Ok(right)) if left == right => return,
            (Ok(left), Ok(right)) => (left.as_ref(), right.as_ref()),
            (Err(refusal), _) | (_, Err(refusal)) => return self.refused(other, *refusal, at, scope, into),
        };
        let excused = || scope.rules.excuse(scope.endpoint, Place::Body(at), left, right);
        match Media::common(self.plain.read_as(), other.plain.read_as()) {
            Some(Media::Binary | Media::Text | Media::Html) if excused() => {}
            None => differ(Kind::Type, left, right, at, scope, into),
            Some(Media::Binary) => {
                diff::at(at, Kind::Value, scope, into, Cause::Binary, || (print(left), print(right)));
            }
            Some(media @ (Media::Text | Media::Html)) => {
                lines::compare(left, right, media == Media::Html, at, scope, into);
            }
            Some(Media::Multipart(_)) => self.parts(other, at, rooms, scope, into),
            Some(media) => match (self.plain.as_said(&media, scope), other.plain.as_said(&media, scope)) {
                (Some(left), _) => Content::of(&left).trees(other, &media, at, scope, into),
                (None, Some(right)) => self.trees(&Content::of(&right), &media, at, scope, into),
                (None, None) => self.trees(other, &media, at, scope, into),
            },
        }
    }

    fn trees(
        &self,
        other: &Content<'_>,
        media: &Media,
        at: &[Segment<'_>],
        scope: Scope<'_>,
        into: &mut Differences<'_>,
    ) {
        let left = self.tree(media, None);
        match (left, other.tree(media, left.as_ref().ok())) {
            (Ok(left), Ok(right)) => diff::compare(left, right, at.to_vec(), scope, into),
            (Err(Refusal::Malformed), Err(Refusal::Malformed)) => {
                self.malformed(other, Kind::Value, at, scope, into);
            }
            (Err(Refusal::Malformed), Ok(_)) | (Ok(_), Err(Refusal::Malformed)) => {
                self.malformed(other, Kind::Type, at, scope, into);
            }
            (Err(refusal), _) | (_, Err(refusal)) => self.refused(other, *refusal, at, scope, into),
        }
    }

    /// Parsed, if it is JSON or was written as such. What declares nothing is read as what the other declares.
    fn tree(&self, media: &Media, beside: Option<&Tree<'_>>) -> &Result<Tree<'p>, Refusal> {
        self.tree.get_or_init(|| match (&self.plain.records, media) {
            (Some(Ok(text)), _) => Tree::parse_beside(text, beside),
            (Some(Err(refusal)), _) => Err(*refusal),
            (None, Media::Json) => Tree::parse_beside(self.plain.read_as().1, beside),
            // Nobody said that it consists of records.
            (None, _) => Err(Refusal::Malformed),
        })
    }

    fn taken_apart(&self) -> Result<multipart::Parts<'p>, Refusal> {
        match self.plain.read_as() {
            (Media::Multipart(boundary), bytes) => multipart::parts(bytes, boundary),
            _ => Err(Refusal::Malformed),
        }
    }

    /// What is not what it says is compared as a text, or as bytes if it is none.
    fn malformed(
        &self,
        other: &Content<'_>,
        kind: Kind,
        at: &[Segment<'_>],
        scope: Scope<'_>,
        into: &mut Differences<'_>,
    ) {
        into.refuse(Refusal::Malformed);
        let (left, right) = (self.plain.read_as().1, other.plain.read_as().1);
        if kind == Kind::Value && media::reads_as_text(left) && media::reads_as_text(right) {
            // What is not quite JSON, or a document of several, can still be told apart by its tokens.
            if !scope.rules.excuse(scope.endpoint, Place::Body(at), left, right) {
                lines::compare(left, right, false, at, scope, into);
            }
        } else if kind == Kind::Type || !scope.rules.excuse(scope.endpoint, Place::Body(at), left, right) {
            differ(kind, left, right, at, scope, into);
        }
    }

    /// Length and hash of what was sent.
    fn refused(
        &self,
        other: &Content<'_>,
        refusal: Refusal,
        at: &[Segment<'_>],
        scope: Scope<'_>,
        into: &mut Differences<'_>,
    ) {
        let (left, right) = (self.plain.sent, other.plain.sent);
        if left != right {
            into.refuse(refusal);
            let shown = |sent: &[u8]| format!("{} (not read: {refusal})", print(sent));
            diff::at(at, Kind::Value, scope, into, Cause::Unread, || (shown(left), shown(right)));
        }
    }

    fn parts(
        &self,
        other: &Content<'_>,
        at: &[Segment<'_>],
        rooms: &mut Rooms,
        scope: Scope<'_>,
        into: &mut Differences<'_>,
    ) {
        if at.len() >= MAX_NESTED {
            return self.refused(other, Refusal::Depth, at, scope, into);
        }
        let (left, right) = match (self.taken_apart(), other.taken_apart()) {
            (Ok(left), Ok(right)) => (left, right),
            (Err(Refusal::Malformed), _) | (_, Err(Refusal::Malformed)) => {
                return self.malformed(other, Kind::Value, at, scope, into);
            }
            (Err(refusal), _) | (_, Err(refusal)) => return self.refused(other, refusal, at, scope, into),
        };
        multipart::compare(&left, &right, at, scope, into, |left, right, at, into| {
            if left.bytes == right.bytes && left.headers == right.headers {
                return;
            }
            let left = Plain::of_part(left, scope, &mut rooms.left);
            let right = Plain::of_part(right, scope, &mut rooms.right);
            Content::of(&left).compare_at(&Content::of(&right), at, rooms, scope, into);
        });
    }
}

/// Bodies of two kinds, or of none: where their bytes part.
fn differ(
    kind: Kind,
    left: &[u8],
    right: &[u8],
    at: &[Segment<'_>],
    scope: Scope<'_>,
    into: &mut Differences<'_>,
) {
    let from = left.iter().zip(right).take_while(|(l, r)| l == r).count();
    diff::at(at, kind, scope, into, Cause::Unread, || {
        (excerpt::body(left, from), excerpt::body(right, from))
    });
}

/// The rules allow two texts that are compared as a whole to differ.
fn print(bytes: &[u8]) -> String {
    summary(bytes.len() as u64, xxh3_64(bytes))
}

/// A body of which only length and hash are shown.
pub(crate) fn summary(length: u64, xxh3: u64) -> String {
    let bytes = if length == 1 { "byte" } else { "bytes" };
    format!("{length} {bytes}, xxh3 {xxh3:016x}")
}

/// Multipart bodies within each other.
const MAX_NESTED: usize = 4;
