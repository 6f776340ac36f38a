//! Every route as whoever may come, over real HTTP with a real store.

use std::net::SocketAddr;
use std::path::Path;

use antumbra_control::audit::Keys;
use antumbra_control::token::{Deed, Token};
use antumbra_control::{Document, Role, Scope};
use antumbra_observation::{self as observed, Heartbeat, Instance, Observation, encode, encode_heartbeat};
use antumbra_store::Store;
use axum::http::Method;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;
use crate::http::config::{Config, KEEP_EXAMPLES};
use crate::http::serve::Server;
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
async fn serving(dir: &Path, tokens: &[Token]) -> (SocketAddr, oneshot::Sender<()>) {
    let data = dir.join("a.db");
    let mut store = Store::open(&data).unwrap();
    store.transaction(|writing| tokens.iter().try_for_each(|token| writing.put_token(token))).unwrap();
    drop(store);
    let config = Config {
        data,
        audit_keys: Keys::default(),
        policies: vec![Document::from_yaml(SHOP.as_bytes()).unwrap()],
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
    tokio::spawn(Server::open(config.accept(address).unwrap()).unwrap().run(listener, async {
        let _ = stopped.await;
    }));
    (address, stop)
}

const SHOP: &str = "{version: 1, name: shop, variants: {stable: {cluster: stable}, canary: {cluster: canary}, control: {cluster: control}},
    default: stable, rules: [{name: shadow, mirror: [{to: canary, percent: 5, control: {to: control, percent: 100}}]},
    {name: share, split: {by: [\"cookie:uid\"], weights: {canary: 5, stable: 95}}}]}";

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
    let (address, _stop) = serving(dir.path(), &tokens()).await;
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

/// A body that a route acts on, and its media type; none of a route that reads no body.
fn acted_on(method: &Method, path: &str) -> Option<(&'static str, Vec<u8>)> {
    let json = |text: &str| ("application/json", text.as_bytes().to_vec());
    let observation = Observation::new("shop", "GET", "/items/7").with_id(7);
    Some(match (method, path) {
        (&Method::GET | &Method::DELETE, _) => return None,
        (_, "/v1/observations") => ("application/cbor-seq", encode(&observation)),
        (_, "/v1/handovers") => ("application/cbor-seq", Vec::new()),
        (_, "/v1/heartbeats") => (
            "application/cbor",
            encode_heartbeat(&Heartbeat::new("shop", Instance(7), None, observed::Accounts::default())),
        ),
        (_, "/v1/policies/{name}") => {
            ("application/yaml", SHOP.replace("percent: 5", "percent: 6").into_bytes())
        }
        (_, "/v1/policies/{name}/mirror") => json(r#"{"percent": 7}"#),
        (_, "/v1/policies/{name}/weights") => json(r#"{"weights": {"canary": 1, "stable": 99}}"#),
        (_, "/v1/releases/{name}/try") => json("[]"),
        (_, "/v1/tokens") => json(r#"{"name": "mallory", "role": "admin"}"#),
        _ => panic!("{method} {path} has a body of which nobody thought"),
    })
}

/// Sends the head of a request, and its body once the server has let the head in and `meanwhile` is done. Answers what the server does.
async fn slowly(
    address: SocketAddr,
    (method, path): (&Method, &str),
    secret: Option<&str>,
    (media_type, body): (&str, Vec<u8>),
    meanwhile: impl Future<Output = ()>,
) -> String {
    let path = path.replace("{name}", "shop");
    let authorization =
        secret.map(|secret| format!("authorization: Bearer {secret}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{authorization}content-type: {media_type}\r\ncontent-length: {}\r\n\
         expect: 100-continue\r\nconnection: close\r\n\r\n",
        body.len().max(1)
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told[..], b"HTTP/1.1 100 Continue\r\n\r\n", "{method} {path}");
    meanwhile.await;
    stream.write_all(if body.is_empty() { b" " } else { &body }).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A request of an administrator.
async fn commanded(address: SocketAddr, method: &Method, path: &str, body: &str, secret: &str) -> String {
    let request = hyper::Request::builder().method(method).uri(format!("http://{address}{path}"));
    let request = request.header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {secret}"));
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let answer = client.request(request.body(Full::new(body.to_owned().into())).unwrap()).await.unwrap();
    assert!(answer.status().is_success(), "{method} {path}: {}", answer.status());
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Nothing that a request could have done is done: no policy, no token, no observation and no filter is another.
async fn assert_untouched(address: SocketAddr, secret: &str, what: &str) {
    let get = async |path: &str| commanded(address, &Method::GET, path, "", secret).await;
    let status: serde_json::Value = serde_json::from_str(&get("/v1/status").await).unwrap();
    let release = &status["releases"][0];
    let found = (&release["generation"], &release["alive"], &status["accounts"]["received"]);
    assert_eq!(found, (&1.into(), &0.into(), &0.into()), "{what}");
    assert!(!get("/v1/tokens").await.contains("mallory"), "{what}");
}

/// Whoever sends the head of a request may take a while for its body. What holds is what holds when all of it is there.
#[tokio::test]
async fn a_token_that_ends_before_the_body_does_lets_nothing_happen() {
    let dir = tempfile::tempdir().unwrap();
    let slow = all().into_iter().filter_map(|(method, path, needs)| {
        let body = acted_on(&method, path)?;
        Some((method, path, needs.unwrap(), body))
    });
    let slow: Vec<_> = slow.collect();
    let named = |at: usize| format!("slow-{at}");
    let mut tokens = vec![token("root", Role::Admin, Scope::All)];
    tokens
        .extend(slow.iter().enumerate().map(|(at, (_, _, needs, _))| token(&named(at), *needs, Scope::All)));
    let (address, _stop) = serving(dir.path(), &tokens).await;
    for (at, (method, path, _, body)) in slow.into_iter().enumerate() {
        let revoked = async {
            commanded(address, &Method::DELETE, &format!("/v1/tokens/{}", named(at)), "", "root").await;
        };
        let answer = slowly(address, (&method, path), Some(&named(at)), body, revoked).await;
        let told = answer.starts_with("HTTP/1.1 401 ") && answer.contains("was revoked at ");
        assert!(told, "{method} {path}: {answer}");
    }
    assert_untouched(address, "root", "revoked").await;
}

/// While a server has no tokens it is open, and the first one shuts it for those, too, who were let in a moment before.
#[tokio::test]
async fn the_first_token_shuts_the_door_before_those_whose_bodies_are_still_to_come() {
    for (method, path, _) in all() {
        let Some(body) = acted_on(&method, path) else { continue };
        let dir = tempfile::tempdir().unwrap();
        let (address, _stop) = serving(dir.path(), &[]).await;
        let secret = std::cell::RefCell::new(String::new());
        let created = async {
            let root = r#"{"name": "root", "role": "admin"}"#;
            let created = commanded(address, &Method::POST, "/v1/tokens", root, "none").await;
            let created: serde_json::Value = serde_json::from_str(&created).unwrap();
            created["secret"].as_str().unwrap().clone_into(&mut secret.borrow_mut());
        };
        let answer = slowly(address, (&method, path), None, body, created).await;
        let told = answer.starts_with("HTTP/1.1 401 ") && answer.contains("this server asks for");
        assert!(told, "{method} {path}: {answer}");
        let secret = secret.into_inner();
        assert_untouched(address, &secret, path).await;
    }
}
