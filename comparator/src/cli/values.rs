//! Arguments that are more than text: shares and weights, keys and durations.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use antumbra_observation::{overrides_method, stays_behind};
use antumbra_policy::document::{is_name, parse_duration};

use http::{HeaderName, HeaderValue};

use crate::shadows::Url;

/// A share of the requests, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Percent(pub(super) f64);

impl FromStr for Percent {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        match number.parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent)),
            _ => Err(BadValue::Percent),
        }
    }
}

/// A variant and its weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) variant: String,
    pub(super) weight: u64,
}

impl FromStr for Weight {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let (variant, weight) = text.split_once('=').ok_or(BadValue::Weight)?;
        let weight = weight.parse().map_err(|_| BadValue::Weight)?;
        if !is_name(variant) {
            return Err(BadValue::Weight);
        }
        Ok(Self { variant: variant.to_owned(), weight })
    }
}

/// Why a value is refused; the argument and the value are named by the parser of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadValue {
    #[error("must be a number within 0..=100, as 5% or 0.5")]
    Percent,
    #[error("must be a variant and a whole number, as canary=10")]
    Weight,
    #[error("must be the name of a key and its file, as testers=/etc/antumbra/testers.key")]
    Secret,
    #[error("must be the name of a header and its value, as authorization=TOKEN")]
    Header,
    #[error(
        "must be a header that is sent along: not of a connection, none that makes another method, and for Host there is --host"
    )]
    OwnHeader,
    #[error("must be a duration within 1s..=365d, as 30m, 8h or 14d")]
    Lasting,
    #[error("must be a duration within 1ms..=60s, as 500ms or 2s")]
    Timeout,
    #[error("must be a cluster and where it is, as canary-shadow=http://10.0.0.5:8080")]
    Target,
    #[error("must be a plugin's name and its component, as prices=prices.wasm")]
    Plugin,
    #[error("must be a number of requests a second within 0.01..=10000")]
    Rate,
}

/// A key's name and the file that has it.
#[derive(Debug, Clone)]
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) file: PathBuf,
}

impl FromStr for Secret {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text.split_once('=') {
            Some((name, file)) if !name.is_empty() && !file.is_empty() => {
                Ok(Self { name: name.to_owned(), file: file.into() })
            }
            _ => Err(BadValue::Secret),
        }
    }
}

/// A span of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasting(pub(super) Duration);

impl FromStr for Lasting {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let span = parse_duration(text).filter(|span| (SHORTEST..=LONGEST).contains(span));
        span.map(Self).ok_or(BadValue::Lasting)
    }
}

/// How long one call may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeout(pub(super) Duration);

impl FromStr for Timeout {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let span = parse_duration(text).filter(|span| (SHORTEST_CALL..=LONGEST_CALL).contains(span));
        span.map(Self).ok_or(BadValue::Timeout)
    }
}

/// Requests a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate(pub(super) f64);

impl FromStr for Rate {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let rate = text.parse().ok().filter(|rate| (0.01..=10_000.0).contains(rate));
        rate.map(Self).ok_or(BadValue::Rate)
    }
}

/// A cluster and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedTarget {
    pub(super) cluster: String,
    pub(super) url: Url,
}

impl FromStr for NamedTarget {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let (cluster, url) =
            text.split_once('=').filter(|(cluster, _)| !cluster.is_empty()).ok_or(BadValue::Target)?;
        let url = url.parse().map_err(|_| BadValue::Target)?;
        Ok(Self { cluster: cluster.to_owned(), url })
    }
}

/// A plugin's name and the component that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedPlugin {
    pub(super) name: String,
    pub(super) file: PathBuf,
}

impl FromStr for NamedPlugin {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text.split_once('=') {
            Some((name, file)) if is_name(name) && !file.is_empty() => {
                Ok(Self { name: name.to_owned(), file: file.into() })
            }
            _ => Err(BadValue::Plugin),
        }
    }
}

/// A header to send, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedHeader {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl FromStr for NamedHeader {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let (name, value) = text.split_once('=').ok_or(BadValue::Header)?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| BadValue::Header)?;
        let bytes = name.as_str().as_bytes();
        if stays_behind(bytes) || overrides_method(bytes) {
            return Err(BadValue::OwnHeader);
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| BadValue::Header)?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

const SHORTEST_CALL: Duration = Duration::from_millis(1);
const LONGEST_CALL: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        for (text, expected) in [
            ("Authorization=Bearer a=b", Ok(("authorization", "Bearer a=b"))),
            ("x-a=", Ok(("x-a", ""))),
            ("x-a", Err(BadValue::Header)),
            ("x a=1", Err(BadValue::Header)),
            ("x-a=1\n", Err(BadValue::Header)),
            ("host=shop.test", Err(BadValue::OwnHeader)),
            ("X-Antumbra-Shadow=1", Err(BadValue::OwnHeader)),
            ("X-HTTP-Method-Override=DELETE", Err(BadValue::OwnHeader)),
        ] {
            let found = text.parse::<NamedHeader>();
            let found = found.as_ref().map(|header| (header.name.as_str(), header.value.to_str().unwrap()));
            assert_eq!(found, expected.as_ref().map(|both| *both), "{text}");
        }
    }

    #[test]
    fn shares() {
        for (text, expected) in [
            ("5%", Some(5.0)),
            ("5", Some(5.0)),
            ("0.5%", Some(0.5)),
            ("100 %", Some(100.0)),
            ("-1", None),
            ("101%", None),
            ("NaN", None),
            ("%", None),
        ] {
            assert_eq!(text.parse::<Percent>().ok().map(|p| p.0), expected, "{text}");
        }
    }

    #[test]
    fn paces() {
        for (text, rate, timeout) in [
            ("50", true, false),
            ("0.5", true, false),
            ("0", false, false),
            ("NaN", false, false),
            ("1ms", false, true),
            ("61s", false, false),
        ] {
            assert_eq!(text.parse::<Rate>().is_ok(), rate, "{text}");
            assert_eq!(text.parse::<Timeout>().is_ok(), timeout, "{text}");
        }
    }

    #[test]
    fn targets() {
        let target: NamedTarget = "outbound|80||shop=http://10.0.0.5:8080/v2".parse().unwrap();
        assert_eq!((target.cluster.as_str(), target.url.port()), ("outbound|80||shop", 8080));
        for bad in ["canary", "=http://a", "canary=https://a", "canary=10.0.0.5"] {
            assert!(bad.parse::<NamedTarget>().is_err(), "{bad}");
        }
    }

    #[test]
    fn weights() {
        let canary = Weight { variant: "canary".to_owned(), weight: 10 };
        assert_eq!("canary=10".parse(), Ok(canary));
        for bad in ["canary", "canary=", "=3", "canary=-1", "canary=1.5", "a b=1"] {
            assert_eq!(bad.parse::<Weight>(), Err(BadValue::Weight), "{bad}");
        }
    }
}
