//! One request and its response, as the host shows them to the filter: the maps and the buffer that a callback may see.

use std::borrow::Cow;
use std::ops::ControlFlow;

use proxy_wasm_host::abi::v0_2_1::types::{BufferType, MapType, Status, StreamType};
use proxy_wasm_host::abi::v0_2_1::{Access, Callback, Invocation, StreamState};
use proxy_wasm_host::{Buffer, HeaderMap, HeaderMapExt as _, NotAllowed, PairVisitor, VecHeaderMap};

/// A request, its response, and what the host knows besides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exchange {
    /// From the client.
    pub request: Message,
    /// From the service.
    pub response: Message,
    /// By their paths, as `source.address`.
    pub properties: Vec<(String, Vec<u8>)>,
    /// Maps and buffers are there in every callback, or in none; `None`: as the ABI says.
    pub shown: Option<bool>,
    /// What the current callback may read of a body.
    pub(crate) chunk: Vec<u8>,
    /// The filter holds the request.
    pub(crate) held: bool,
}

/// A request or a response.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// Pseudo headers among them.
    pub headers: Headers,
    /// The body as it comes.
    pub chunks: Vec<Vec<u8>>,
    /// None: it ends without.
    pub trailers: Headers,
}

impl Message {
    /// A message of these headers.
    pub fn new<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { headers: Headers::new(headers), ..Self::default() }
    }

    /// With a body in these chunks.
    #[must_use]
    pub fn body(mut self, chunks: &[&[u8]]) -> Self {
        self.chunks = chunks.iter().map(|chunk| chunk.to_vec()).collect();
        self
    }

    /// With trailers.
    #[must_use]
    pub fn trailers(mut self, trailers: &[(&str, &[u8])]) -> Self {
        self.trailers = Headers::new(trailers.iter().copied());
        self
    }

    /// Whether nothing follows its headers.
    pub(crate) fn ends_at_once(&self) -> bool {
        self.chunks.is_empty() && self.trailers.is_empty()
    }
}

/// Headers of a host that may only say that it removes them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Headers {
    map: VecHeaderMap,
    /// A removal is answered with "ok", and the header stays.
    pub keeps_removed: bool,
}

impl Headers {
    /// In this order.
    pub fn new<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: impl IntoIterator<Item = (N, V)>) -> Self {
        let owned = |(name, value): (N, V)| (name.as_ref().to_vec(), value.as_ref().to_vec());
        Self { map: headers.into_iter().map(owned).collect(), keeps_removed: false }
    }

    /// Every value of a header, in order.
    pub fn all(&self, name: &str) -> Vec<Vec<u8>> {
        self.map.get_all(name.as_bytes())
    }
}

impl HeaderMap for Headers {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.map.get(key)
    }

    fn for_each_pair(&self, f: &mut PairVisitor<'_>) -> ControlFlow<()> {
        self.map.for_each_pair(f)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), NotAllowed> {
        self.map.set(key, value)
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), NotAllowed> {
        self.map.add(key, value)
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), NotAllowed> {
        if self.keeps_removed { Ok(()) } else { self.map.remove(key) }
    }

    fn replace_all(&mut self, pairs: &[(&[u8], &[u8])]) -> Result<(), NotAllowed> {
        self.map.replace_all(pairs)
    }
}

impl Exchange {
    /// A request that gets this response.
    pub fn new(request: Message, response: Message) -> Self {
        Self { request, response, ..Self::default() }
    }

    /// Whether the ABI lists this map for this callback.
    fn lists(&self, callback: Option<Callback>, access: Access, map: MapType) -> bool {
        match (map, callback) {
            (MapType::HttpRequestHeaders, Some(Callback::RequestHeaders)) => true,
            (MapType::HttpRequestHeaders, Some(Callback::RequestBody | Callback::RequestTrailers)) => {
                self.held
            }
            (
                MapType::HttpRequestHeaders | MapType::HttpResponseHeaders | MapType::HttpResponseTrailers,
                Some(Callback::Log),
            ) => access == Access::Read,
            (MapType::HttpRequestTrailers, Some(Callback::RequestTrailers))
            | (MapType::HttpResponseHeaders, Some(Callback::ResponseHeaders))
            | (MapType::HttpResponseTrailers, Some(Callback::ResponseTrailers)) => true,
            _ => false,
        }
    }
}

impl StreamState for Exchange {
    fn header_map(
        &mut self,
        call: Invocation,
        access: Access,
        map: MapType,
    ) -> Result<&mut dyn HeaderMap, Status> {
        if !self.shown.unwrap_or_else(|| self.lists(call.callback, access, map)) {
            return Err(Status::BadArgument);
        }
        match map {
            MapType::HttpRequestHeaders => Ok(&mut self.request.headers),
            MapType::HttpRequestTrailers => Ok(&mut self.request.trailers),
            MapType::HttpResponseHeaders => Ok(&mut self.response.headers),
            MapType::HttpResponseTrailers => Ok(&mut self.response.trailers),
            _ => Err(Status::BadArgument),
        }
    }

    fn buffer(&mut self, call: Invocation, _: Access, buffer: BufferType) -> Result<&mut dyn Buffer, Status> {
        let listed = match buffer {
            BufferType::HttpRequestBody => call.callback == Some(Callback::RequestBody) || self.held,
            BufferType::HttpResponseBody => call.callback == Some(Callback::ResponseBody),
            _ => false,
        };
        if self.shown.unwrap_or(listed) { Ok(&mut self.chunk) } else { Err(Status::NotFound) }
    }

    fn continue_stream(&mut self, _: Invocation, _: StreamType) -> Result<(), Status> {
        self.held = false;
        Ok(())
    }

    fn property(&mut self, _: Invocation, path: &[&[u8]], out: &mut Vec<u8>) -> Result<(), Status> {
        let path = path.join(&b"."[..]);
        let found = self.properties.iter().find(|(known, _)| known.as_bytes() == path);
        out.extend_from_slice(&found.ok_or(Status::NotFound)?.1);
        Ok(())
    }

    fn set_property(&mut self, _: Invocation, path: &[&[u8]], value: &[u8]) -> Result<(), Status> {
        let path = String::from_utf8_lossy(&path.join(&b"."[..])).into_owned();
        self.properties.push((path, value.to_vec()));
        Ok(())
    }
}
