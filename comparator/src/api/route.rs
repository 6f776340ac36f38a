//! Routes as a list, of which the router is made: each with what it needs. A handler that does not begin with a permission is no route.

use antumbra_control::Role;
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::api::allowed::{Allowed, Permission};

/// A method of a path, and what answers it.
pub(crate) struct Route<S = ()> {
    /// The method; HEAD goes where GET does.
    pub(crate) method: Method,
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

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// What a handler answers whose first argument says who may ask.
    pub(crate) fn new<H, T>(method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: Guarded + 'static,
    {
        let needs = Some(<T::Permission as Permission>::NEEDS);
        Self { needs, ..Self::open(method, path, handler) }
    }

    /// What everybody may ask, whoever it is.
    pub(crate) fn open<H, T>(method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        // Only of a method that axum has no filter for, which is none that a route has.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::TRACE);
        Self { method, path, needs: None, handler: on(filter, handler) }
    }

    /// The same route, whose handler has what it uses.
    pub(crate) fn with_state<T>(self, state: S) -> Route<T> {
        let Self { method, path, needs, handler } = self;
        Route { method, path, needs, handler: handler.with_state(state) }
    }

    /// A router that has it, too.
    pub(crate) fn add_to(self, router: Router<S>) -> Router<S> {
        router.route(self.path, self.handler)
    }
}
