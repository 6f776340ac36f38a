//! What `/v1/tokens` answers. A secret is in one answer only: that to the request that created it.

use antumbra_control::Scope;
use antumbra_control::timestamp::rfc3339;
use antumbra_control::token::{Ended, Token};
use serde::{Deserialize, Serialize};

/// All tokens that ever were.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct List {
    /// That of the token file first, then by when they were created.
    pub(crate) tokens: Vec<Listed>,
}

/// A token without its secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    /// What audits and logs call it.
    pub(crate) name: String,
    /// `gate`, `observe`, `operate`, `admin` or `filter`.
    pub(crate) role: String,
    /// The releases that it is for; absent if it is for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) releases: Option<Vec<String>>,
    /// Whether it lets its bearer in.
    pub(crate) state: State,
    /// When it was created, RFC 3339; absent for that of the token file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<String>,
    /// Who created it.
    pub(crate) created_by: String,
    /// From when on it lets nobody in, RFC 3339; absent if it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
    /// When it was taken back, RFC 3339; absent if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_at: Option<String>,
    /// Who took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_by: Option<String>,
}

/// Whether a token lets its bearer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    /// It does.
    Valid,
    /// Its time is over.
    Expired,
    /// Somebody took it back.
    Revoked,
}

/// A token that was just created.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Created {
    /// What `authorization: Bearer` has to bear. Nobody can read it again.
    pub(crate) secret: String,
    /// Whether it is the first one, so that from now on every request needs a token.
    pub(crate) is_first: bool,
    /// What else there is to know of it.
    #[serde(flatten)]
    pub(crate) token: Listed,
}

impl Listed {
    /// A token as it is at `now_ms` since 1970.
    pub(crate) fn of(token: &Token, now_ms: u64) -> Self {
        let releases = match &token.scope {
            Scope::All => None,
            Scope::Named(releases) => Some(releases.iter().cloned().collect()),
        };
        Self {
            name: token.name.clone(),
            role: token.role.as_str().to_owned(),
            releases,
            state: match token.ended(now_ms) {
                None => State::Valid,
                Some(Ended::Expired(_)) => State::Expired,
                Some(Ended::Revoked(_)) => State::Revoked,
            },
            created_at: Some(token.created.at_ms).filter(|at| *at > 0).map(rfc3339),
            created_by: token.created.by.clone(),
            expires_at: token.expires_ms.map(rfc3339),
            revoked_at: token.revoked.as_ref().map(|revoked| rfc3339(revoked.at_ms)),
            revoked_by: token.revoked.as_ref().map(|revoked| revoked.by.clone()),
        }
    }
}
