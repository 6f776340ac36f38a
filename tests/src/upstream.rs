//! A server that behaves as a test says: answers, waits, hangs, resets, refuses; and that remembers what it was asked.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;

use crate::client::Client;
use crate::pieces::{PieceStream, Pieces};

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Gives this answer.
    Answer(Reply),
    /// Gives this answer with these pieces for a body.
    Stream(Reply, Pieces),
    /// Gives the answer that this makes of the request.
    Made(fn(&Received) -> Reply),
    /// Behaves like each of these in turn, request by request.
    InTurn(Vec<Behaviour>),
    /// Gives this answer after a while.
    Slow(Duration, Reply),
    /// Answers with this name and what it received, as JSON: `service`, `method`, `path`, and under `headers` each name with its
    /// values, a comma between them.
    Echo(String),
    /// Asks another service for the same path with some of the headers that it received, as a service does that hands on what
    /// its request came with; answers as [`Behaviour::Echo`], with the other's answer under `behind`.
    Relay {
        /// Its own name.
        name: String,
        /// The other service.
        to: SocketAddr,
        /// Headers to hand on.
        headers: &'static [&'static str],
    },
    /// Reads the request and never answers.
    Hang,
    /// Reads the request, then resets the connection (RST).
    Reset,
}

/// A fixed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200 and so on.
    pub status: u16,
    /// Besides those that HTTP needs.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// As it is.
    pub body: Vec<u8>,
}

impl Reply {
    /// 200 with this JSON text.
    pub fn json(text: &str) -> Self {
        let headers = vec![("content-type", b"application/json".to_vec())];
        Self { status: 200, headers, body: text.as_bytes().to_vec() }
    }
}

/// A request that the server got, whatever it did with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `GET`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// All of them, in order per name; values are raw bytes.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// What came after it.
    pub trailers: HeaderMap,
}

impl Received {
    /// A header's values as text, with a comma between them.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> =
            self.headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    fn echo(&self, service: &str) -> Value {
        let names = self.headers.keys().map(HeaderName::as_str);
        let headers: serde_json::Map<_, _> =
            names.map(|name| (name.to_owned(), json!(self.header(name)))).collect();
        json!({"service": service, "method": self.method, "path": self.path, "headers": headers})
    }

    async fn relayed(&self, to: SocketAddr, headers: &[&str]) -> Result<Value> {
        let mut request = http::Request::get(format!("http://{to}{}", self.path));
        for name in headers {
            for value in self.headers.get_all(*name) {
                request = request.header(*name, value);
            }
        }
        Client::default().send(request.body(Full::default())?).await?.json()
    }
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

impl Upstream {
    /// On a free port of the loopback interface.
    pub async fn start(behaviour: Behaviour) -> Result<Self> {
        Self::speaking(Protocol::Http1, behaviour).await
    }

    /// One that speaks HTTP/2 alone, without TLS.
    pub async fn start_http2(behaviour: Behaviour) -> Result<Self> {
        Self::speaking(Protocol::Http2, behaviour).await
    }

    async fn speaking(protocol: Protocol, behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared =
            Arc::new(Shared { behaviour: Mutex::new(behaviour), received: Mutex::default(), protocol });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the next request on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// What came since the start, or since [`forget`](Self::forget), in the order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Drops what was received so far.
    pub fn forget(&self) {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A port that nobody listens on and, as long as this lives, nobody can take: connections to it are refused.
#[derive(Debug)]
pub struct Refusing {
    address: SocketAddr,
    _bound: TcpSocket,
}

impl Refusing {
    /// On the loopback interface.
    pub fn new() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { address: socket.local_addr()?, _bound: socket })
    }

    /// Where it does not listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[derive(Debug, Clone, Copy)]
enum Protocol {
    Http1,
    Http2,
}

#[derive(Debug)]
struct Shared {
    protocol: Protocol,
    behaviour: Mutex<Behaviour>,
    received: Mutex<Vec<Received>>,
}

impl Shared {
    async fn handle(&self, request: http::Request<Incoming>) -> io::Result<Response<PieceStream>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?;
        let received = Received {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string),
            headers: head.headers,
            trailers: body.trailers().cloned().unwrap_or_default(),
            body: body.to_bytes(),
        };
        self.received.lock().unwrap_or_else(PoisonError::into_inner).push(received.clone());
        match self.turn() {
            Behaviour::Answer(reply) => response(reply),
            Behaviour::Stream(reply, pieces) => streamed(reply, &pieces),
            Behaviour::Made(make) => response(make(&received)),
            Behaviour::InTurn(_) => Err(io::Error::other("a turn within a turn")),
            Behaviour::Slow(delay, reply) => {
                tokio::time::sleep(delay).await;
                response(reply)
            }
            Behaviour::Echo(name) => response(Reply::json(&received.echo(&name).to_string())),
            Behaviour::Relay { name, to, headers } => {
                let mut echo = received.echo(&name);
                echo["behind"] = received.relayed(to, headers).await.map_err(io::Error::other)?;
                response(Reply::json(&echo.to_string()))
            }
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    /// What to do with this request.
    fn turn(&self) -> Behaviour {
        let mut behaviour = self.behaviour.lock().unwrap_or_else(PoisonError::into_inner);
        if let Behaviour::InTurn(each) = &mut *behaviour
            && let Some(now) = each.first().cloned()
        {
            each.rotate_left(1);
            return now;
        }
        behaviour.clone()
    }
}

/// Connections belong to the set of tasks of this one, so they end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// No lingering: whenever the server drops a connection before its end, the peer gets a reset.
async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    drop(stream.set_nodelay(true));
    drop(stream.set_zero_linger());
    let protocol = shared.protocol;
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { shared.handle(request).await }
    });
    // An error here is a client that left, or a reset that was asked for.
    match protocol {
        Protocol::Http1 => {
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.max_headers(MAX_HEADERS).timer(TokioTimer::new());
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        }
        Protocol::Http2 => {
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        }
    }
}

/// More than any test sends; hyper's own bound is 100.
const MAX_HEADERS: usize = 20_000;

fn response(mut reply: Reply) -> io::Result<Response<PieceStream>> {
    let body = Pieces::announced(std::mem::take(&mut reply.body));
    streamed(reply, &body)
}

fn streamed(reply: Reply, pieces: &Pieces) -> io::Result<Response<PieceStream>> {
    let mut response = Response::new(pieces.stream());
    *response.status_mut() = StatusCode::from_u16(reply.status).map_err(io::Error::other)?;
    for (name, value) in reply.headers {
        let value = HeaderValue::from_bytes(&value).map_err(io::Error::other)?;
        response.headers_mut().append(HeaderName::from_static(name), value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(address: SocketAddr) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(b"GET /a?b HTTP/1.1\r\nhost: h\r\nx-a: 1\r\nx-a: \xff\r\nconnection: close\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[tokio::test]
    async fn it_behaves_as_told_and_remembers() {
        let upstream = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await.unwrap();
        let answer = ask(upstream.address()).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n{}"), "{answer}");

        upstream.behave(Behaviour::Reset);
        assert_eq!(ask(upstream.address()).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);

        upstream.behave(Behaviour::Hang);
        let hanging = tokio::time::timeout(Duration::from_millis(100), ask(upstream.address())).await;
        assert!(hanging.is_err());

        let slow = Reply { status: 404, headers: Vec::new(), body: Vec::new() };
        upstream.behave(Behaviour::Slow(Duration::from_millis(1), slow));
        assert!(ask(upstream.address()).await.unwrap().starts_with("HTTP/1.1 404"));

        let received = upstream.received();
        upstream.forget();
        assert_eq!((received.len(), upstream.received().len()), (4, 0));
        assert!(received.iter().all(|request| (&*request.method, &*request.path) == ("GET", "/a?b")));
        let values: Vec<&[u8]> =
            received[0].headers.get_all("x-a").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(values, [b"1".as_slice(), b"\xff"]);
    }

    #[tokio::test]
    async fn an_echo_names_itself_and_a_relay_hands_on_what_it_should() {
        let behind = Upstream::start(Behaviour::Echo("behind".to_owned())).await.unwrap();
        let relay = Behaviour::Relay { name: "front".to_owned(), to: behind.address(), headers: &["x-a"] };
        let front = Upstream::start(relay).await.unwrap();
        let answer = ask(front.address()).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["service"], &body["behind"]["service"]), (&json!("front"), &json!("behind")));
        assert_eq!(body["behind"]["path"], "/a?b");
        assert_eq!(behind.received()[0].headers.get_all("x-a").iter().count(), 2);
        assert!(
            body["headers"]["connection"].is_string() && body["behind"]["headers"]["connection"].is_null()
        );
    }

    #[tokio::test]
    async fn a_refusing_port_refuses_and_an_ended_server_is_gone() {
        let refusing = Refusing::new().unwrap();
        assert_eq!(ask(refusing.address()).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let upstream = Upstream::start(Behaviour::Hang).await.unwrap();
        let address = upstream.address();
        drop(upstream);
        while ask(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
