//! Where a shadow call goes: an address that was decided on before, and the name by which the service is asked.
//!
//! The URL that hyper is given has the address in it and never the name, so that nothing resolves the name a second time: what a
//! name server answers later cannot lead a call elsewhere.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use http::header::HeaderValue;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A service that answers shadow calls.
#[derive(Debug)]
pub(crate) struct Target {
    /// As the legs name it.
    pub(crate) variant: String,
    /// `Host` of the calls, unless they bring their own.
    pub(crate) host: HeaderValue,
    authority: Authority,
    prefix: String,
    places: Arc<Semaphore>,
}

impl Target {
    /// The service of `url` at `address`, with at most `most` calls at a time.
    ///
    /// # Errors
    /// [`BadTarget::Authority`], which no address and no URL that was parsed gives.
    pub(crate) fn new(variant: &str, url: &Url, address: SocketAddr, most: usize) -> Result<Self, BadTarget> {
        Ok(Self {
            variant: variant.to_owned(),
            host: HeaderValue::from_str(url.authority.as_str()).map_err(|_| BadTarget::Authority)?,
            authority: address.to_string().parse().map_err(|_| BadTarget::Authority)?,
            prefix: url.prefix.clone(),
            places: Arc::new(Semaphore::new(most)),
        })
    }

    /// A place among its calls, if there is one.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// The URL of a path: the address in place of the name, and the target's own prefix before it.
    pub(crate) fn uri(&self, path: &PathAndQuery) -> Option<Uri> {
        let path = match self.prefix.as_str() {
            "" => path.clone(),
            _ if path.as_str() == "*" => path.clone(),
            prefix => format!("{prefix}{path}").parse().ok()?,
        };
        let mut parts = Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).ok()
    }
}

/// A base URL as it is written: `http://host[:port][/prefix]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// Host, and port if it is written.
    pub(crate) authority: Authority,
    /// Begins with `/` and does not end with one, or is empty.
    pub(crate) prefix: String,
}

impl Url {
    /// Without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// 80 unless it is written.
    pub(crate) fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(80)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

impl FromStr for Url {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let uri: Uri = text.parse().map_err(|_| BadTarget::Url)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(BadTarget::Https),
            _ => return Err(BadTarget::Url),
        }
        let authority = uri.authority().ok_or(BadTarget::Url)?.clone();
        let port = authority.as_str().strip_prefix(authority.host()).ok_or(BadTarget::Authority)?;
        if !port.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(BadTarget::Authority);
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(BadTarget::Query);
        }
        Ok(Self { authority, prefix: uri.path().trim_end_matches('/').to_owned() })
    }
}

/// Why a URL names no target; whoever reads it names the argument and the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTarget {
    #[error("must be an http:// address, such as http://shop.internal:8080")]
    Url,
    #[error("must be http: shadow calls are not encrypted yet")]
    Https,
    #[error("must have a host, and a port within 1..=65535 or none, and no user")]
    Authority,
    #[error("must have no query and no fragment: each request brings its own")]
    Query,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, expected) in [
            ("http://a", Ok(("a", 80, ""))),
            ("http://a:8080/", Ok(("a", 8080, ""))),
            ("http://[::1]:1/v2/", Ok(("::1", 1, "/v2"))),
            ("https://a", Err(BadTarget::Https)),
            ("ftp://a", Err(BadTarget::Url)),
            ("a:80", Err(BadTarget::Url)),
            ("http://", Err(BadTarget::Url)),
            ("http://u@a", Err(BadTarget::Authority)),
            ("http://a:0", Err(BadTarget::Authority)),
            ("http://a:99999", Err(BadTarget::Authority)),
            ("http://a/?b", Err(BadTarget::Query)),
            ("http://a/#b", Err(BadTarget::Query)),
        ] {
            let read = text.parse::<Url>();
            let found = read.as_ref().map(|url| (url.host(), url.port(), url.prefix.as_str()));
            assert_eq!(found, expected.as_ref().copied(), "{text}");
        }
    }

    #[test]
    fn a_call_goes_to_the_address_and_names_the_host() {
        for (base, address, path, uri) in [
            ("http://shop.test:81", "192.0.2.1:81", "/a?b=1", "http://192.0.2.1:81/a?b=1"),
            ("http://shop.test/v2", "[2001:db8::1]:80", "/a", "http://[2001:db8::1]:80/v2/a"),
            ("http://shop.test/v2", "192.0.2.1:80", "*", "http://192.0.2.1:80*"),
        ] {
            let url: Url = base.parse().unwrap();
            let target = Target::new("canary", &url, address.parse().unwrap(), 1).unwrap();
            let found = target.uri(&path.parse().unwrap()).unwrap();
            assert_eq!(found.to_string(), uri);
            assert_eq!(target.host, *url.authority.as_str());
        }
    }

    #[test]
    fn places_are_few() {
        let url: Url = "http://a".parse().unwrap();
        let target = Target::new("canary", &url, "192.0.2.1:80".parse().unwrap(), 1).unwrap();
        let held = target.place();
        assert!(held.is_some() && target.place().is_none());
        drop(held);
        assert!(target.place().is_some());
    }
}
