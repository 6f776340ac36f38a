//! Every route as whoever may come, over real HTTP with a real store.

use std::net::SocketAddr;
use std::path::Path;

use antumbra_control::audit::Keys;
use antumbra_control::token::{Deed, Token};
use antumbra_control::{Document, Role, Scope};
use antumbra_store::Store;
use axum::http::Method;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::http::serve::{Config, KEEP_EXAMPLES, Server};
use crate::{Connections, Descriptors, Plugins, Targets, bearer};

/// What every route needs. One that is not here is one of which nobody thought who may use it.
const NEEDS: &str = "\
POST /v1/observations filter
POST /v1/handovers filter
POST /v1/heartbeats filter
GET /v1/policies gate
GET /v1/policies/{name} observe
PUT /v1/policies/{name} operate
DELETE /v1/policies/{name} operate
PATCH /v1/policies/{name}/mirror operate
PATCH /v1/policies/{name}/weights operate
GET /v1/policies/{name}/audit observe
GET /v1/policies/{name}/generations observe
GET /v1/policies/{name}/generations/{number} observe
GET /v1/releases/{name}/report gate
DELETE /v1/releases/{name}/evidence operate
GET /v1/releases/{name}/exchanges operate
POST /v1/releases/{name}/try operate
GET /v1/audit observe
GET /v1/tokens admin
POST /v1/tokens admin
DELETE /v1/tokens/{token} admin
GET /v1/status observe
GET /metrics observe
GET /healthz nobody
GET /readyz nobody
";

/// The routes of which the router is made, and what each says that it needs.
fn all() -> Vec<(Method, &'static str, Option<Role>)> {
    fn told<S>(route: &Route<S>) -> (Method, &'static str, Option<Role>) {
        let method = match route.verb {
            Verb::Get => Method::GET,
            Verb::Put => Method::PUT,
            Verb::Patch => Method::PATCH,
            Verb::Post => Method::POST,
            Verb::Delete => Method::DELETE,
        };
        (method, route.path, route.needs)
    }
    ingest::routes().iter().map(told).chain(of_people().iter().map(told)).collect()
}

#[test]
fn every_route_needs_what_somebody_decided() {
    let told = all()
        .into_iter()
        .map(|(method, path, needs)| format!("{method} {path} {}\n", needs.map_or("nobody", Role::as_str)));
    assert_eq!(told.collect::<String>(), NEEDS);
}

/// Somebody who asks: what the request bears, and what is let through.
struct Visitor {
    called: String,
    authorization: Option<String>,
    /// None for who is not known at all.
    may: Option<(Role, Scope)>,
}

impl Visitor {
    fn stranger(called: &str, authorization: Option<&str>) -> Self {
        Self { called: called.to_owned(), authorization: authorization.map(str::to_owned), may: None }
    }

    fn expected(&self, path: &str, needs: Option<Role>) -> Outcome {
        let Some(needs) = needs else { return Outcome::Through };
        match &self.may {
            None => Outcome::Unknown,
            Some((role, scope)) => {
                let through = role.includes(needs) && (!path.contains("{name}") || scope.reaches("shop"));
                if through { Outcome::Through } else { Outcome::Forbidden }
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Unknown,
    Forbidden,
    Through,
}

/// A token of every role and scope, one that expired and one that was revoked, each with its own name as its secret.
fn tokens() -> Vec<Token> {
    let scopes = [("all", Scope::All), ("own", named("shop")), ("other", named("till"))];
    let valid = Role::ALL.into_iter().flat_map(|role| {
        scopes.iter().map(move |(called, scope)| token(&format!("{role}-{called}"), role, scope.clone()))
    });
    let expired = Token { expires_ms: Some(1), ..token("expired", Role::Admin, Scope::All) };
    let revoked = Some(Deed { at_ms: 1, by: "ana".to_owned() });
    let revoked = Token { revoked, ..token("revoked", Role::Admin, Scope::All) };
    valid.chain([expired, revoked]).collect()
}

fn named(release: &str) -> Scope {
    Scope::Named([release.to_owned()].into())
}

fn token(name: &str, role: Role, scope: Scope) -> Token {
    let (name, digest) = (name.to_owned(), bearer::digest(name));
    let created = Deed { at_ms: 1, by: "ana".to_owned() };
    Token { name, digest, role, scope, created, expires_ms: None, revoked: None }
}

fn visitors() -> Vec<Visitor> {
    let strangers = [
        Visitor::stranger("nobody", None),
        Visitor::stranger("a guess", Some("Bearer admin-al")),
        Visitor::stranger("another scheme", Some("Basic admin-all")),
        Visitor::stranger("an expired token", Some("Bearer expired")),
        Visitor::stranger("a revoked token", Some("Bearer revoked")),
    ];
    let valid = tokens().into_iter().filter(|token| token.ended(2).is_none());
    let bearers = valid.map(|token| Visitor {
        authorization: Some(format!("Bearer {}", token.name)),
        called: token.name,
        may: Some((token.role, token.scope)),
    });
    strangers.into_iter().chain(bearers).collect()
}

/// A server with the policy `shop` and these tokens; it ends with the sender.
async fn serving(dir: &Path) -> (SocketAddr, oneshot::Sender<()>) {
    let data = dir.join("a.db");
    let mut store = Store::open(&data).unwrap();
    store.transaction(|writing| tokens().iter().try_for_each(|token| writing.put_token(token))).unwrap();
    drop(store);
    let shop = "{version: 1, name: shop, variants: {stable: {cluster: stable}}, default: stable, rules: []}";
    let config = Config {
        data,
        audit_keys: Keys::default(),
        policies: vec![Document::from_yaml(shop.as_bytes()).unwrap()],
        token: None,
        connections: Connections::default(),
        targets: Targets::default(),
        descriptors: Descriptors::default(),
        plugins: Plugins::default(),
        keep_examples: KEEP_EXAMPLES,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(Server::open(config).unwrap().run(listener, async {
        let _ = stopped.await;
    }));
    (address, stop)
}

/// What becomes of a request that says nothing a handler could act on.
async fn asked(address: SocketAddr, method: &Method, path: &str, visitor: &Visitor) -> Outcome {
    let path = path.replace("{name}", "shop").replace("{number}", "1").replace("{token}", "nobody");
    // A policy of no such generation is not deleted.
    let request = hyper::Request::builder().method(method).uri(format!("http://{address}{path}"));
    let mut request = request.header("if-match", "\"999\"");
    if let Some(authorization) = &visitor.authorization {
        request = request.header("authorization", authorization);
    }
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    match client.request(request.body(Empty::new()).unwrap()).await.unwrap().status().as_u16() {
        401 => Outcome::Unknown,
        403 => Outcome::Forbidden,
        404 if path != "/v1/tokens/nobody" => panic!("{method} {path} is no route"),
        _ => Outcome::Through,
    }
}

#[tokio::test]
async fn each_route_lets_those_through_who_may_use_it_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (address, _stop) = serving(dir.path()).await;
    let mut walks = tokio::task::JoinSet::new();
    for visitor in visitors() {
        walks.spawn(async move {
            let mut wrong = Vec::new();
            for (method, path, needs) in all() {
                let (found, expected) =
                    (asked(address, &method, path, &visitor).await, visitor.expected(path, needs));
                if found != expected {
                    wrong.push(format!("{} {method} {path}: {found:?}, not {expected:?}", visitor.called));
                }
            }
            wrong
        });
    }
    assert_eq!(walks.join_all().await.concat(), [""; 0]);
}
