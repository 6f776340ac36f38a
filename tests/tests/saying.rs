//! What the filter says to operators, and what it asks of bodies: counters by rule and variant, the access log, requests that wait.

use std::time::Duration;

use antumbra_e2e::client::{Answer, Client};
use antumbra_e2e::envoy::Envoy;
use antumbra_e2e::envoy_config::{CONNECTION_MANAGER, EnvoyConfig};
use antumbra_e2e::patience::until;
use antumbra_e2e::toolchain;
use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The shipped Envoy with a policy in the filter's configuration; the services answer with their names.
struct Proxy {
    envoy: Envoy,
    client: Client,
    directory: tempfile::TempDir,
    services: [Upstream; 2],
}

impl Proxy {
    async fn start(plugin: Value, change: impl FnOnce(&mut EnvoyConfig, &std::path::Path)) -> Self {
        let named = |name: &str| Behaviour::Answer(Reply::json(&json!(name).to_string()));
        let (stable, canary) =
            (Upstream::start(named("stable")).await, Upstream::start(named("canary")).await);
        let services = [stable.unwrap(), canary.unwrap()];
        let module = tokio::task::spawn_blocking(toolchain::filter_module).await.unwrap().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut config = EnvoyConfig::shipped().unwrap().module(&module).unwrap().plugin(&plugin).unwrap();
        for (cluster, service) in
            [("stable", 0), ("canary", 1), ("canary-shadow", 1), ("control", 0), ("antumbra", 0)]
        {
            config = config.upstream(cluster, services[service].address()).unwrap();
        }
        change(&mut config, directory.path());
        let envoy = Envoy::start(config, directory.path(), 1).await.unwrap();
        Self { envoy, client: Client::default(), directory, services }
    }

    async fn send(
        &self,
        request: http::request::Builder,
        body: impl Into<Full<hyper::body::Bytes>>,
    ) -> Answer {
        self.client.send(request.body(body.into()).unwrap()).await.unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.envoy.address)
    }

    async fn post_json(&self, body: &Value) -> String {
        let request = Request::post(self.url("/")).header("content-type", "application/json");
        let answer = self.send(request, body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }
}

fn policy(rules: &Value) -> Value {
    json!({"version": 1, "name": "shop", "variants": {"stable": {}, "canary": {}}, "default": "stable", "rules": rules})
}

/// Lets Envoy show the bodies of held requests.
fn show_bodies(config: &mut EnvoyConfig) {
    config.filter("antumbra").unwrap()["typed_config"]["config"]["allow_on_headers_stop_iteration"] =
        json!(true);
}

fn gold() -> Value {
    json!([{"name": "gold", "matches": [{"json": {"/user/plan": "gold"}}, {"form": {"plan": "gold"}}], "to": "canary"}])
}

#[tokio::test]
async fn decisions_are_counted_by_rule_and_variant() {
    let rules = json!([{"name": "testers.1", "matches": [{"cookies": {"canary": "1"}}], "to": "canary"}]);
    let proxy = Proxy::start(json!({"policy": policy(&rules)}), |_, _| {}).await;
    for cookie in ["canary=1", "canary=1", "canary=0"] {
        proxy.send(Request::get(proxy.url("/")).header("cookie", cookie), "").await;
    }
    let series = |rule: &str, variant: &str, count: u64| {
        let (rule, variant) = (format!("rule=\"{rule}\""), format!("variant=\"{variant}\""));
        move |line: &&str| {
            line.starts_with("antumbra_decisions{")
                && line.contains("release=\"shop\"")
                && line.contains(&rule)
                && line.contains(&variant)
                && line.ends_with(&format!("}} {count}"))
        }
    };
    until("both series are there", || async {
        let text = proxy.envoy.prometheus().await?;
        let there = text.lines().any(|line| series("testers_1", "canary", 2)(&line))
            && text.lines().any(|line| series("_default", "stable", 1)(&line));
        Ok(there.then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_access_log_shows_variant_and_rule() {
    let mut document = policy(&json!([{"name": "all", "to": "canary"}]));
    document["observe"] = json!({"accessLog": true});
    let proxy = Proxy::start(json!({"policy": document}), |config, directory| {
        let format = "%FILTER_STATE(wasm.antumbra_variant:PLAIN)% %FILTER_STATE(wasm.antumbra_rule:PLAIN)%\n";
        let log = json!({"name": "file", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": directory.join("access.log"),
            "log_format": {"text_format_source": {"inline_string": format}}}});
        config.at(CONNECTION_MANAGER).unwrap()["access_log"] = json!([log]);
    })
    .await;
    proxy.send(Request::get(proxy.url("/")), "").await;
    let file = proxy.directory.path().join("access.log");
    let line = until("the line is there", || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        async move { Ok(text.ends_with('\n').then_some(text)) }
    });
    assert_eq!(line.await.unwrap(), "canary all\n");
}

#[tokio::test]
async fn rules_look_into_bodies_of_known_length_under_a_small_buffer() {
    let proxy = Proxy::start(json!({"policy": policy(&gold()), "bodies": true}), |config, _| {
        show_bodies(config);
        config.at("/static_resources/listeners/0").unwrap()["per_connection_buffer_limit_bytes"] =
            json!(32_768);
    })
    .await;
    let padded = |bytes: usize| json!({"user": {"plan": "gold"}, "padding": "x".repeat(bytes)});
    for (body, expected) in [
        (json!({"user": {"plan": "gold"}}), "\"canary\""),
        (json!({"user": {"plan": "free"}}), "\"stable\""),
        (padded(15_000), "\"canary\""),
        (padded(17_000), "\"stable\""),
        (padded(2_000_000), "\"stable\""),
    ] {
        assert_eq!(proxy.post_json(&body).await, expected);
    }
    let form = Request::post(proxy.url("/")).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(proxy.send(form, "a=b&plan=g%6Fld").await.text(), "\"canary\"");
    let text = Request::post(proxy.url("/")).header("content-type", "text/plain");
    assert_eq!(proxy.send(text, "plan=gold").await.text(), "\"stable\"");
    assert_eq!(chunked(&proxy).await, "\"stable\"", "a body of unknown length is not waited for");
    assert_eq!(proxy.envoy.traps().await.unwrap(), 0);
}

/// Whoever forgets to tell Envoy loses time on three requests, and no request at all.
#[tokio::test]
async fn a_host_that_shows_no_bodies_fails_nobody() {
    let proxy = Proxy::start(json!({"policy": policy(&gold()), "bodies": true}), |_, _| {}).await;
    for _ in 0..5 {
        assert_eq!(proxy.post_json(&json!({"user": {"plan": "gold"}})).await, "\"stable\"");
    }
    let log = proxy.envoy.process().log();
    assert!(log.contains("the host shows no body of a held request"), "{log}");
    assert_eq!(proxy.envoy.traps().await.unwrap(), 0);
}

/// A client that sends its headers and then leaves, or sends nothing more, while its request is held.
#[tokio::test]
async fn clients_that_leave_while_they_are_waited_for_harm_nobody() {
    let proxy =
        Proxy::start(json!({"policy": policy(&gold()), "bodies": true}), |config, _| show_bodies(config))
            .await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 26\r\n\r\n{\"user\": ";
    for _ in 0..20 {
        let mut stream = tokio::net::TcpStream::connect(proxy.envoy.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        drop(stream);
    }
    // Longer than a request is held for the first byte: one client has sent some of its body, the other nothing.
    let (head, body) = head.split_at(head.find("\r\n\r\n").unwrap() + 4);
    for (begins, ends, service) in
        [(body, r#"{"plan": "gold"}}"#, 1), ("", r#"{"user": {"plan": "gold"}}"#, 0)]
    {
        let mut slow = tokio::net::TcpStream::connect(proxy.envoy.address).await.unwrap();
        slow.write_all(format!("{head}{begins}").as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        slow.write_all(ends.as_bytes()).await.unwrap();
        assert!(answer(&mut slow).await.contains("200 OK"), "{begins}");
        let received = proxy.services[service].received();
        let whole = br#"{"user": {"plan": "gold"}}"#;
        assert!(received.iter().any(|request| *request.body == *whole), "{begins}: {received:?}");
    }
    assert_eq!(proxy.post_json(&json!({"user": {"plan": "gold"}})).await, "\"canary\"");
    assert_eq!(proxy.envoy.traps().await.unwrap(), 0);
}

async fn chunked(proxy: &Proxy) -> String {
    let mut stream = tokio::net::TcpStream::connect(proxy.envoy.address).await.unwrap();
    let body = r#"{"user": {"plan": "gold"}}"#;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = answer(&mut stream).await;
    answer.rsplit("\r\n\r\n").next().unwrap().to_owned()
}

/// A whole answer with a JSON string for a body.
async fn answer(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\"") {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "{}", String::from_utf8_lossy(&bytes));
    }
    String::from_utf8(bytes).unwrap()
}
