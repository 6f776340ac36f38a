//! Who makes a request, as the guard found out: whoever is at this machine, or the bearer of a token.

use std::fmt;
use std::sync::Arc;

use antumbra_control::token::Ended;
use antumbra_control::{Role, Token, token};
use axum::http::StatusCode;

use crate::api::problem::Problem;

/// Who makes a request. Handlers get it from [`Allowed`](crate::api::allowed::Allowed).
#[derive(Debug, Clone)]
pub(crate) enum Principal {
    /// Anybody: the server has no tokens, and listens on loopback alone.
    Anybody,
    /// The bearer of this token.
    Bearer(Arc<Token>),
}

/// Why somebody is not let in, or not any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Dismissed {
    /// It bears no token that there is.
    #[error(
        "this server asks for `authorization: Bearer <token>`, with a token that `antumbra token create` printed or that of its token file"
    )]
    Unknown,
    /// Its token has ended.
    #[error("the token {token:?} {ended}")]
    Ended {
        /// The token's name.
        token: String,
        /// How.
        ended: Ended,
    },
}

impl From<Dismissed> for Problem {
    fn from(dismissed: Dismissed) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorised", dismissed.to_string())
    }
}

/// Knows who may make requests now.
pub(crate) trait Admits: Send + Sync {
    /// Whether somebody who was let in before would be now.
    ///
    /// # Errors
    /// Why not.
    fn admit_again(&self, by: &Principal) -> Result<(), Dismissed>;
}

/// Where evidence comes from: the name of the token that its reporters bear.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source(Arc<str>);

impl Source {
    /// The source that is written down under this name; none is that of what came without a token.
    pub(crate) fn written(name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self(name.into()))
    }

    /// The name under which a source is written down, or what came without a token.
    pub(crate) fn name_of(source: Option<&Self>) -> &str {
        source.map_or("", |source| &source.0)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Principal {
    /// The name of its token; none without tokens.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Anybody => None,
            Self::Bearer(token) => Some(&token.name),
        }
    }

    /// Where what it reports comes from; none without a token of its own: without any, and with that of the token file, which whoever runs the
    /// server gave to all.
    pub(crate) fn source(&self) -> Option<Source> {
        self.name().filter(|name| *name != token::FILE).map(|name| Source(name.into()))
    }

    /// Whether it may see and do what concerns this release, within its role.
    pub(crate) fn reaches(&self, release: &str) -> bool {
        match self {
            Self::Anybody => true,
            Self::Bearer(token) => token.scope.reaches(release),
        }
    }

    /// Whether its role includes another.
    ///
    /// # Errors
    /// A problem that names its role, and the one that is needed.
    pub(crate) fn refuse_without(&self, needed: Role) -> Result<(), Problem> {
        match self {
            Self::Bearer(token) if !token.role.includes(needed) => {
                let detail =
                    format!("the token {:?} has the role {}; this needs {needed}", token.name, token.role);
                Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
            }
            Self::Anybody | Self::Bearer(_) => Ok(()),
        }
    }

    /// Whether the release is one of its own.
    ///
    /// # Errors
    /// A problem that names its releases, and the one that is not among them.
    pub(crate) fn refuse_beyond(&self, release: &str) -> Result<(), Problem> {
        match self {
            Self::Bearer(token) if !token.scope.reaches(release) => {
                let detail =
                    format!("the token {:?} is for {}, not for {release:?}", token.name, token.scope);
                Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
            }
            Self::Anybody | Self::Bearer(_) => Ok(()),
        }
    }
}
