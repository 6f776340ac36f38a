//! A permission as an argument: a handler that has one is only reached by those whose token includes it, and reaches the release.

use std::marker::PhantomData;

use antumbra_control::Role;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::api::principal::Principal;
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

/// Who makes the request, and is allowed to: its role includes `P`, and if the route is that of a release, its token reaches it.
pub(crate) struct Allowed<P> {
    /// Who it is.
    pub(crate) by: Principal,
    permission: PhantomData<P>,
}

impl<S: Send + Sync, P: Permission> FromRequestParts<S> for Allowed<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let by = parts.extensions.get::<Principal>().cloned();
        let by = by.ok_or_else(|| Problem::unjudged("the request did not pass the guard"))?;
        by.refuse_without(P::NEEDS)?;
        let named = RawPathParams::from_request_parts(parts, state).await;
        let named =
            named.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "path", error.body_text()))?;
        named.iter().filter(|(key, _)| *key == RELEASE).try_for_each(|(_, name)| by.refuse_beyond(name))?;
        Ok(Self { by, permission: PhantomData })
    }
}

/// What every route calls the release in its path.
const RELEASE: &str = "name";
