//! Speaking to a comparator, and what its refusals mean for the exit code.

use std::time::{Duration, UNIX_EPOCH};

use http::header::{DATE, HeaderMap};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

use super::Failure;
use crate::api::headers::{AUTHOR_HEADER, REASON_HEADER, REDACT_HEADER};
use crate::api::problem::{self as api, Problem};

/// A client of one server.
pub(super) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    runtime: tokio::runtime::Runtime,
    base: String,
    /// What to look at if it does not answer.
    hint: &'static str,
    token: Option<String>,
    author: Option<String>,
}

/// What a server answered, and when by its own clock.
pub(super) struct Dated<T> {
    pub(super) value: T,
    /// Seconds since 1970, of the header `date`.
    pub(super) date: Option<u64>,
}

/// A request beyond method and path.
#[derive(Default)]
pub(super) struct Message {
    /// Media type and bytes.
    pub(super) body: Option<(&'static str, Vec<u8>)>,
    /// `If-Match`.
    pub(super) if_match: Option<String>,
    /// Why.
    pub(super) reason: Option<String>,
    /// What the server is to blank.
    pub(super) redact: Vec<String>,
}

impl Client {
    /// A client of the server at `server`, with the token and the author of the environment.
    pub(super) fn new(server: &str) -> Result<Self, Failure> {
        Self::at(server, "--server")
    }

    fn at(server: &str, flag: &str) -> Result<Self, Failure> {
        let base = server.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|error| Failure::Usage(format!("{flag} {server:?}: {error}")))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            let port = if flag == "--server" { 7400 } else { 9901 };
            let why =
                format!("{flag} is {server:?}, must be an http:// address, such as http://127.0.0.1:{port}");
            return Err(Failure::Usage(why));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIME));
        Ok(Self {
            pool: Pool::builder(TokioExecutor::new()).build(connector),
            runtime: runtime.map_err(|error| Failure::Runtime(error.to_string()))?,
            base,
            hint: "is `antumbra serve` running there? --server or ANTUMBRA_SERVER names another",
            token: variable("ANTUMBRA_TOKEN"),
            author: variable("USER").or_else(|| variable("LOGNAME")),
        })
    }

    /// A client of a server that is no comparator, such as a proxy: it is told neither token nor author. `flag` is where its address
    /// comes from.
    pub(super) fn anonymous(server: &str, flag: &str) -> Result<Self, Failure> {
        let hint = "is Envoy running, with its admin interface at that address?";
        Ok(Self { token: None, author: None, hint, ..Self::at(server, flag)? })
    }

    /// Reads a resource as the type that it holds, with the time at which the server answered.
    pub(super) fn get_dated<T: DeserializeOwned>(&self, path: &str) -> Result<Dated<T>, Failure> {
        let (bytes, date) = self.runtime.block_on(self.exchange(&Method::GET, path, Message::default()))?;
        Ok(Dated { value: self.read(path, &bytes)?, date })
    }

    /// Reads a resource as the type that it holds.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.send(&Method::GET, path, Message::default())
    }

    /// Sends a request and reads the answer as the type that it holds.
    pub(super) fn send<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        message: Message,
    ) -> Result<T, Failure> {
        let (bytes, _) = self.runtime.block_on(self.exchange(method, path, message))?;
        self.read(path, &bytes)
    }

    fn read<T: DeserializeOwned>(&self, path: &str, bytes: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(bytes).map_err(|error| {
            Failure::Runtime(format!("{}{path} answered what this version cannot read: {error}", self.base))
        })
    }

    /// Reads an answer of no certain length line by line, each with its end, until `take` has enough, `ended` is ready or the
    /// server ends it.
    pub(super) fn follow(
        &self,
        path: &str,
        message: Message,
        ended: impl Future<Output = ()>,
        take: impl FnMut(&[u8]) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let following = self.lines(path, message, take);
            tokio::select! {
                followed = following => followed,
                () = ended => Ok(()),
            }
        })
    }

    async fn lines(
        &self,
        path: &str,
        message: Message,
        mut take: impl FnMut(&[u8]) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let failed = |why: String| self.failed(&Method::GET, path, &why);
        let answer = self.open(&Method::GET, path, message);
        let answer = tokio::time::timeout(TIME, answer).await;
        let answer = answer.map_err(|_| failed(format!("no answer within {} s", TIME.as_secs())))??;
        let (head, mut body) = answer.into_parts();
        if !head.status.is_success() {
            let bytes = Limited::new(body, MAX_BYTES).collect().await;
            let bytes = bytes.map_err(|error| failed(error.to_string()))?.to_bytes();
            return Err(self.refused(&Method::GET, path, head.status, &bytes));
        }
        let mut pending = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(part) = frame.map_err(|error| failed(error.to_string()))?.into_data() else { continue };
            pending.extend_from_slice(&part);
            let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let rest = pending.split_off(whole);
            for line in pending.split_inclusive(|byte| *byte == b'\n') {
                if !take(line)? {
                    return Ok(());
                }
            }
            pending = rest;
        }
        Ok(())
    }

    async fn open(
        &self,
        method: &Method,
        path: &str,
        message: Message,
    ) -> Result<http::Response<Incoming>, Failure> {
        let request = self.request(method, path, message)?;
        self.pool.request(request).await.map_err(|error| {
            Failure::Runtime(format!("cannot reach {} ({}); {}", self.base, cause(&error), self.hint))
        })
    }

    /// The body of a success, and the seconds since 1970 at which the server answered, if it says so.
    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        message: Message,
    ) -> Result<(Bytes, Option<u64>), Failure> {
        let failed = |why: String| self.failed(method, path, &why);
        let answer = async {
            let answer = self.open(method, path, message).await?;
            let (status, date) = (answer.status(), date(answer.headers()));
            let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
            Ok((status, date, body.map_err(|error| failed(error.to_string()))?.to_bytes()))
        };
        let answered = tokio::time::timeout(TIME, answer).await;
        let (status, date, bytes) =
            answered.map_err(|_| failed(format!("no answer within {} s", TIME.as_secs())))??;
        if status.is_success() { Ok((bytes, date)) } else { Err(self.refused(method, path, status, &bytes)) }
    }

    fn failed(&self, method: &Method, path: &str, why: &str) -> Failure {
        Failure::Runtime(format!("{method} {}{path}: {why}", self.base))
    }

    fn refused(&self, method: &Method, path: &str, status: StatusCode, bytes: &[u8]) -> Failure {
        let mut refusal = refusal(bytes).unwrap_or_else(|| format!("answered {status}"));
        if status == StatusCode::UNAUTHORIZED {
            refusal.push_str("; the command line takes the token from ANTUMBRA_TOKEN");
        }
        let problem = serde_json::from_slice(bytes).ok().filter(serde_json::Value::is_object);
        let mendable = status.is_client_error();
        let failure = if mendable { Failure::Usage(refusal) } else { self.failed(method, path, &refusal) };
        match problem.map(Box::new) {
            Some(problem) => Failure::Answered { message: failure.message().to_owned(), problem, mendable },
            None => failure,
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        message: Message,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let author = if method.is_safe() { None } else { self.author.clone() };
        let token = self.token.as_ref().map(|token| format!("Bearer {token}"));
        for (name, value) in [
            ("authorization", token),
            ("if-match", message.if_match),
            (AUTHOR_HEADER, author),
            (REASON_HEADER, message.reason),
        ] {
            if let Some(value) = value {
                request = request.header(name, value.as_bytes());
            }
        }
        for secret in &message.redact {
            request = request.header(REDACT_HEADER, secret.as_bytes());
        }
        let (media_type, body) = message.body.unzip();
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        request.body(body).map_err(|error| Failure::Usage(format!("the request cannot be written: {error}")))
    }
}

fn date(headers: &HeaderMap) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// A problem as lines: what is wrong, then each problem of a document. Where there is one alone, it is what is wrong.
fn refusal(bytes: &[u8]) -> Option<String> {
    let problem: Problem = serde_json::from_slice(bytes).ok()?;
    let line = |error: &api::Error| match error.message.strip_prefix("has no ") {
        // All rules together are no subject that a reader would name.
        Some(missing) if error.path == "rules" => format!("no {missing}"),
        _ => format!("{} {}", error.path, error.message),
    };
    if let ([only], "urn:antumbra:problem:invalid-document") =
        (problem.errors.as_slice(), problem.kind.as_str())
    {
        return Some(line(only));
    }
    let lines = problem.errors.iter().map(|error| format!("\n  {}", line(error)));
    Some(format!("{}{}", problem.detail, lines.collect::<String>()))
}

/// Why a call failed: what the system says, if it is the cause, else the error with its causes, of which the outermost one of a
/// client says only that it could not connect.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = || std::iter::successors(Some(error), |cause| cause.source());
    let system = chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    if let Some(kind) = system.map(std::io::Error::kind).find(|kind| *kind != std::io::ErrorKind::Other) {
        return kind.to_string();
    }
    let texts: Vec<String> = chain().map(ToString::to_string).collect();
    texts.join(": ")
}

/// What the environment says under a name, if that is anything.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

const CONNECT_TIME: Duration = Duration::from_secs(5);
const TIME: Duration = Duration::from_secs(30);
const MAX_BYTES: usize = 64 << 20;
