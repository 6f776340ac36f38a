//! One of the two files as the answer of a service.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use antumbra_observation::Leg;

use super::media::{self, Ending, GRPC, ReadAs};
use crate::cli::Failure;

/// A file, and what it is.
pub(super) struct Side {
    pub(super) name: String,
    /// None if nobody says.
    pub(super) media: Option<String>,
    /// What is not taken off yet.
    encoding: Option<&'static str>,
    bytes: Vec<u8>,
}

impl Side {
    /// Reads a file, without its compression if the name tells that.
    pub(super) fn read(file: &Path, read_as: &ReadAs) -> Result<Self, Failure> {
        let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
        let bytes = read(file).map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
        if bytes.len() as u64 > MAX_BYTES {
            let why = format!("{name} has more than {MAX_BYTES} bytes, which is too much to compare");
            return Err(Failure::Usage(why));
        }
        let Ending { media, encoding } = Ending::of(&name);
        let media = match read_as {
            ReadAs::Auto => media.map(str::to_owned),
            ReadAs::Media(media) => Some(media.clone()),
        };
        Ok(Self { name, media, encoding, bytes }.decoded())
    }

    /// As a server decodes it. What it would not decode, the engine says.
    fn decoded(mut self) -> Self {
        let Some(encoding) = self.encoding else { return self };
        let headers = [("content-encoding".into(), encoding.into())];
        if let Ok(plain) = antumbra_engine::decoded(&headers, &self.bytes) {
            self.bytes = plain.into_owned();
            self.encoding = None;
        }
        self
    }

    /// Makes its type whole, by that of the other file and its own bytes. Messages that are to be read get the frame of gRPC.
    pub(super) fn finish(&mut self, other: Option<String>, reads_messages: bool) -> Result<(), Failure> {
        self.media =
            self.media.take().or(other).or_else(|| reads_messages.then(|| media::MESSAGE.to_owned()));
        let Some(media) = &self.media else { return Ok(()) };
        let name = &self.name;
        if reads_messages && !media::is_grpc(media) && !media::is_message(media) {
            let why =
                format!("{name} is read as {media}, which has no gRPC messages: --type grpc or protobuf");
            return Err(Failure::Usage(why));
        }
        if reads_messages && media::is_message(media) {
            let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
            self.bytes.splice(..0, [0].into_iter().chain(length.to_be_bytes()));
            self.media = Some(GRPC.to_owned());
            return Ok(());
        }
        let whole = media::with_boundary(media, &self.bytes).ok_or_else(|| {
            Failure::Usage(format!(
                "{name} is read as {media} and has no line --boundary that --boundary-- ends: --type names one, as \
                 'multipart/form-data; boundary=x'"
            ))
        })?;
        self.media = Some(whole);
        Ok(())
    }

    /// As a service would have answered it.
    pub(super) fn answer(&self) -> Leg {
        let leg = match &self.media {
            Some(media) => Leg::answer("", 200).with_body(media, &self.bytes[..]),
            None => Leg::answer("", 200).with_kept(antumbra_observation::Body::Whole(self.bytes[..].into())),
        };
        match self.encoding {
            Some(encoding) => leg.with_header("content-encoding", encoding),
            None => leg,
        }
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let source: Box<dyn Read> =
        if file == Path::new("-") { Box::new(stdin()) } else { Box::new(File::open(file)?) };
    let mut bytes = Vec::new();
    source.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Of one file.
const MAX_BYTES: u64 = 256 << 20;
