//! Routes as a list, of which the router is made: each with what it needs. A handler that does not begin with a permission is no route.

use antumbra_control::Role;
use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::api::allowed::{Allowed, Permission};

/// The methods that routes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Read; HEAD goes where this does.
    Get,
    /// Put in place.
    Put,
    /// Change a part.
    Patch,
    /// Take in.
    Post,
    /// Take away.
    Delete,
}

/// A method of a path, and what answers it.
pub(crate) struct Route<S = ()> {
    /// The method.
    pub(crate) verb: Verb,
    /// The path, in which `{name}` is a release.
    pub(crate) path: &'static str,
    /// The least role that may use it; none if everybody may.
    pub(crate) needs: Option<Role>,
    handler: MethodRouter<S>,
}

/// The arguments of a handler, of which the first is a permission.
pub(crate) trait Guarded {
    /// That permission.
    type Permission: Permission;
}

impl<M, P: Permission> Guarded for (M, Allowed<P>) {
    type Permission = P;
}

impl<M, P: Permission, A> Guarded for (M, Allowed<P>, A) {
    type Permission = P;
}

impl<M, P: Permission, A, B> Guarded for (M, Allowed<P>, A, B) {
    type Permission = P;
}

impl<M, P: Permission, A, B, C> Guarded for (M, Allowed<P>, A, B, C) {
    type Permission = P;
}

impl<M, P: Permission, A, B, C, D> Guarded for (M, Allowed<P>, A, B, C, D) {
    type Permission = P;
}

impl Verb {
    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Post => MethodFilter::POST,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// What a handler answers whose first argument says who may ask.
    pub(crate) fn new<H, T>(verb: Verb, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: Guarded + 'static,
    {
        let needs = Some(<T::Permission as Permission>::NEEDS);
        Self { needs, ..Self::open(verb, path, handler) }
    }

    /// What everybody may ask, whoever it is.
    pub(crate) fn open<H, T>(verb: Verb, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        Self { verb, path, needs: None, handler: on(verb.filter(), handler) }
    }

    /// The same route, whose handler has what it uses.
    pub(crate) fn with_state<T>(self, state: S) -> Route<T> {
        let Self { verb, path, needs, handler } = self;
        Route { verb, path, needs, handler: handler.with_state(state) }
    }

    /// A router that has it, too.
    pub(crate) fn add_to(self, router: Router<S>) -> Router<S> {
        router.route(self.path, self.handler)
    }
}
