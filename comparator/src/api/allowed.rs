//! A permission as an argument: a handler that has one is only reached by those whose token includes it, and reaches the release.
//!
//! That is decided by the request's head. Its body may come much later, when the token has ended or the first one was created: so a body is
//! read by way of the permission, which is looked at again once all of it is there. What a request changes, the writer decides on.

use std::marker::PhantomData;
use std::sync::Arc;

use antumbra_control::Role;
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::api::body;
use crate::api::principal::{Admits, Dismissed, Principal};
use crate::api::problem::Problem;

/// A role as a type, so that a signature says what a handler needs.
pub(crate) trait Permission: Send + Sync + 'static {
    /// The least role that has it.
    const NEEDS: Role;
}

/// To ask for verdicts.
pub(crate) struct Gate;
/// To look at policies, status and metrics.
pub(crate) struct Observe;
/// To change policies, and to read what services answered.
pub(crate) struct Operate;
/// To manage tokens.
pub(crate) struct Admin;
/// To report what a filter saw.
pub(crate) struct Filter;

impl Permission for Gate {
    const NEEDS: Role = Role::Gate;
}

impl Permission for Observe {
    const NEEDS: Role = Role::Observe;
}

impl Permission for Operate {
    const NEEDS: Role = Role::Operate;
}

impl Permission for Admin {
    const NEEDS: Role = Role::Admin;
}

impl Permission for Filter {
    const NEEDS: Role = Role::Filter;
}

/// Who makes a request, and who knows for how long. The guard puts it into the request's extensions.
#[derive(Clone)]
pub(crate) struct LetIn {
    /// Who it is.
    pub(crate) by: Principal,
    /// Who knows whether it still may.
    pub(crate) tokens: Arc<dyn Admits>,
}

/// Who makes the request, and is allowed to: its role includes `P`, and if the route is that of a release, its token reaches it.
pub(crate) struct Allowed<P> {
    /// Who it is.
    pub(crate) by: Principal,
    tokens: Arc<dyn Admits>,
    permission: PhantomData<P>,
}

impl<P> Allowed<P> {
    /// Whether it still is, after a wait.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn again(&self) -> Result<(), Dismissed> {
        self.tokens.admit_again(&self.by)
    }

    /// The whole body of the request, at most `limit` bytes of it, from somebody who still is allowed to make it.
    ///
    /// # Errors
    /// It cannot be read, or its sender is not let in any more.
    pub(crate) async fn read(&self, body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
        let bytes = body::read(body, limit).await?;
        self.again()?;
        Ok(bytes)
    }
}

impl<S: Send + Sync, P: Permission> FromRequestParts<S> for Allowed<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let let_in = parts.extensions.get::<LetIn>().cloned();
        let LetIn { by, tokens } =
            let_in.ok_or_else(|| Problem::unjudged("the request did not pass the guard"))?;
        by.refuse_without(P::NEEDS)?;
        let named = RawPathParams::from_request_parts(parts, state).await;
        let named =
            named.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "path", error.body_text()))?;
        named.iter().filter(|(key, _)| *key == RELEASE).try_for_each(|(_, name)| by.refuse_beyond(name))?;
        Ok(Self { by, tokens, permission: PhantomData })
    }
}

/// What every route calls the release in its path.
const RELEASE: &str = "name";
