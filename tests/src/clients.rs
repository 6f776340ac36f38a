//! Clients who know what they are to get: the stable version makes its answer of the request alone, so any other status, header or
//! byte of a body is an error, whoever it came from.
//!
//! No two requests get the same answer, so that one client's answer cannot pass for another's.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::task::{JoinHandle, JoinSet};

use crate::client::{Answer, Client};
use crate::patience::until;
use crate::upstream::{Received, Reply};
use crate::world::World;

/// What the stable version answers: all of the request comes back, and a status, after the number at the path's end.
pub fn stable(request: &Received) -> Reply {
    reply(&request.method, &request.path, &request.body)
}

/// A group of clients of one proxy.
#[derive(Debug, Clone)]
pub struct Clients {
    client: Client,
    base: String,
}

impl Clients {
    /// Those of this world.
    pub fn of(world: &World) -> Self {
        Self { client: world.client.clone(), base: world.url("") }
    }

    /// Sends the requests of these numbers, at most [`ABREAST`] at a time. An answer that is not the stable version's is an error.
    pub async fn drive(&self, numbers: Range<u64>) -> Result<()> {
        let next = Arc::new(AtomicU64::new(numbers.start));
        let mut workers = JoinSet::new();
        for _ in 0..ABREAST {
            let (clients, next) = (self.clone(), Arc::clone(&next));
            workers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return anyhow::Ok(());
                    }
                    clients.send(number).await?;
                }
            });
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        Ok(())
    }

    /// Sends requests from now on, until [`Load::end`].
    pub fn go_on(self) -> Load {
        let (enough, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (told, count) = (Arc::clone(&enough), Arc::clone(&sent));
        let task = tokio::spawn(async move {
            while !told.load(Ordering::Relaxed) {
                let begin = count.load(Ordering::Relaxed);
                self.drive(begin..begin + AT_A_TIME).await?;
                count.store(begin + AT_A_TIME, Ordering::Relaxed);
            }
            Ok(())
        });
        Load { enough, sent, task }
    }

    async fn send(&self, number: u64) -> Result<()> {
        let (method, path, body) = asked(number);
        let expected = reply(method.as_str(), &path, &body);
        let request = Request::builder().method(&method).uri(format!("{}{path}", self.base));
        let answer = self.client.send(request.body(Full::new(body))?).await?;
        hold_against(&answer, &expected, &method).with_context(|| format!("{method} {path}"))
    }
}

/// Clients that send without a pause. Dropped before its end it goes on, and nobody hears of errors.
#[derive(Debug)]
pub struct Load {
    enough: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    task: JoinHandle<Result<()>>,
}

impl Load {
    /// Waits until so many more requests were answered; an error if one was not answered as it should be.
    pub async fn goes_on(&mut self, more: u64) -> Result<()> {
        let before = self.sent.load(Ordering::Relaxed);
        let (task, sent) = (&self.task, &self.sent);
        until("more requests are answered", || async {
            Ok((task.is_finished() || sent.load(Ordering::Relaxed) >= before + more).then_some(()))
        })
        .await?;
        if self.task.is_finished() {
            (&mut self.task).await??;
        }
        Ok(())
    }

    /// Ends it; answers how many requests were sent, all of which were answered as they should be.
    pub async fn end(self) -> Result<u64> {
        self.enough.store(true, Ordering::Relaxed);
        self.task.await??;
        Ok(self.sent.load(Ordering::Relaxed))
    }
}

fn hold_against(answer: &Answer, expected: &Reply, method: &Method) -> Result<()> {
    ensure!(answer.status == expected.status, "{} instead of {}", answer.status, expected.status);
    ensure!(answer.trailers.is_empty(), "trailers: {:?}", answer.trailers);
    let length = expected.body.len().to_string().into_bytes();
    for (name, value) in expected.headers.iter().chain(&[("content-length", length)]) {
        let found = answer.headers.get(*name).map(HeaderValue::as_bytes);
        ensure!(found == Some(value), "{name}: {found:?} instead of {value:?}");
    }
    let body: &[u8] = if *method == Method::HEAD { b"" } else { &expected.body };
    ensure!(
        answer.body == body,
        "another body: {} bytes instead of {}: {:.200}",
        answer.body.len(),
        body.len(),
        answer.text()
    );
    Ok(())
}

/// Reads, writes and `HEAD`, mostly small; one in 30 carries a large body, and one in 30 gets one.
fn asked(number: u64) -> (Method, String, Bytes) {
    let small = || Bytes::from(format!("payload {number}"));
    match number % 30 {
        7 => (Method::POST, format!("/large/{number}"), large(&format!("payload {number} "))),
        17 => (Method::GET, format!("/large/{number}"), Bytes::new()),
        n if n % 5 == 2 => (Method::HEAD, format!("/small/{number}"), Bytes::new()),
        n if n % 5 == 4 => (Method::POST, format!("/small/{number}"), small()),
        _ => (Method::GET, format!("/small/{number}"), Bytes::new()),
    }
}

fn reply(method: &str, path: &str, body: &[u8]) -> Reply {
    let line = format!("{method} {path} ");
    let body = match path.starts_with("/large/") && body.is_empty() {
        true => large(&line).to_vec(),
        false => [line.as_bytes(), body].concat(),
    };
    let number: usize = path.rsplit('/').next().and_then(|digits| digits.parse().ok()).unwrap_or_default();
    let status = STATUSES[number % STATUSES.len()];
    let headers =
        vec![("x-path", [path.as_bytes(), b"\xff"].concat()), ("content-type", b"text/plain".to_vec())];
    Reply { status, headers, body }
}

fn large(line: &str) -> Bytes {
    line.bytes().cycle().take(LARGE).collect()
}

const STATUSES: [u16; 7] = [200, 200, 404, 200, 500, 201, 410];
const LARGE: usize = 300_000;
/// Requests that are under way at the same time.
pub const ABREAST: usize = 8;
const AT_A_TIME: u64 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_answer_is_an_error() {
        let expected = reply("GET", "/small/3", b"");
        let answer = |change: fn(&mut Answer)| {
            let headers = expected.headers.iter().cloned().chain([("content-length", b"13".to_vec())]);
            let mut answer = Answer {
                status: http::StatusCode::OK,
                headers: headers
                    .map(|(name, value)| {
                        (http::HeaderName::from_static(name), HeaderValue::from_bytes(&value).unwrap())
                    })
                    .collect(),
                body: Bytes::from_static(b"GET /small/3 "),
                trailers: http::HeaderMap::new(),
            };
            change(&mut answer);
            hold_against(&answer, &expected, &Method::GET)
        };
        assert!(answer(|_| {}).is_ok());
        assert!(answer(|answer| answer.status = http::StatusCode::SERVICE_UNAVAILABLE).is_err());
        assert!(answer(|answer| answer.body = Bytes::from_static(b"GET /small/4 ")).is_err());
        assert!(answer(|answer| drop(answer.headers.remove("x-path"))).is_err());
    }

    #[test]
    fn no_two_answers_are_alike() {
        let mut bodies: Vec<Vec<u8>> = (0..60)
            .map(|number| {
                let (method, path, body) = asked(number);
                reply(method.as_str(), &path, &body).body
            })
            .collect();
        assert_eq!(bodies.iter().filter(|body| body.len() >= LARGE).count(), 4);
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 60);
    }
}
