//! Where a comparator is that is attacked, and what opens it.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::Value;

use crate::client::{Answer, Client};

/// A comparator, and the secret that it asks for, if any.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub(super) address: SocketAddr,
    pub(super) secret: Option<&'static str>,
}

impl Site {
    /// The beginning of a request of which the rest is to be written by hand: the line, who is asked, and what opens it.
    pub(super) fn head(&self, line: &str) -> String {
        let opens = self.secret.map(|secret| format!("authorization: Bearer {secret}\r\n"));
        format!("{line} HTTP/1.1\r\nhost: {}\r\n{}", self.address, opens.unwrap_or_default())
    }

    /// Sends a request for this path with these headers.
    pub(super) async fn send(
        &self,
        client: &Client,
        line: (&str, &str),
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        let (method, path) = line;
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if let Some(secret) = self.secret {
            request = request.header(AUTHORIZATION, format!("Bearer {secret}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        client.send(request.body(Full::new(body.into()))?).await
    }

    /// How many exchanges the report of a release counts.
    pub(super) async fn counted(&self, release: &str) -> Result<u64> {
        let path = format!("/v1/releases/{release}/report?format=json");
        let answer = self.send(&Client::default(), ("GET", &path), &[], "").await?;
        let counted = answer.json().ok().and_then(|report: Value| report["exchanges"].as_u64());
        ensure!(counted.is_some(), "the report of {release} says {} {}", answer.status, answer.text());
        Ok(counted.unwrap_or_default())
    }
}
