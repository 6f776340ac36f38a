//! Tokens: what the first one changes, what each may do, and whose name the audit has.

use antumbra_observation::{Accounts, Heartbeat, Instance, encode, encode_heartbeat};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::command_line::{Line, antumbra_with};
use crate::server::{Answer, SHOP, World, healthy, observation};

/// A running server with the policies `shop` and `till`, and the secret of its first token, which is called `root`.
async fn guarded() -> (World, String) {
    let world = World::with_shop().await;
    assert_eq!(world.put("till", &SHOP.replace("name: shop", "name: till")).await.status, 201);
    let root = secret(&create(&world, "", &json!({"name": "root", "role": "admin"})).await);
    (world, root)
}

async fn create(world: &World, bearer: &str, wanted: &Value) -> Answer {
    let headers = [("authorization", bearer), ("content-type", "application/json")];
    let headers = if bearer.is_empty() { &headers[1..] } else { &headers[..] };
    world.send(Method::POST, "/v1/tokens", headers, wanted.to_string()).await
}

fn secret(created: &Answer) -> String {
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.header("cache-control"), "no-store");
    format!("Bearer {}", created.json()["secret"].as_str().unwrap())
}

async fn made(world: &World, root: &str, wanted: Value) -> String {
    secret(&create(world, root, &wanted).await)
}

async fn asked(world: &World, bearer: &str, method: Method, path: &str) -> Answer {
    world.send(method, path, &[("authorization", bearer)], "").await
}

/// What a filter reports, with this token.
async fn reported(world: &World, bearer: &str, path: &str, body: Vec<u8>) -> Answer {
    let headers = [
        ("authorization", bearer),
        (
            "content-type",
            if path.ends_with("heartbeats") { "application/cbor" } else { "application/cbor-seq" },
        ),
        ("x-antumbra-count", "2"),
    ];
    world.send(Method::POST, path, &headers, body).await
}

#[tokio::test]
async fn the_first_token_shuts_the_door_and_a_restart_does_not_open_it() {
    let mut world = World::with_shop().await;
    assert_eq!(world.get("/v1/status").await.status, 200);
    let refused = create(&world, "", &json!({"name": "ci", "role": "observe"})).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["type"]),
        (409, &"urn:antumbra:problem:last-way-in".into())
    );
    assert_eq!(world.get("/v1/status").await.status, 200, "what is refused shuts nothing");
    let root = secret(&create(&world, "", &json!({"name": "root", "role": "admin"})).await);
    let last = asked(&world, &root, Method::DELETE, "/v1/tokens/root").await;
    assert_eq!(last.status, 409);
    assert!(last.text.contains("last admin token without an end"), "{last:?}");
    for _ in 0..2 {
        assert_eq!(world.get("/v1/status").await.status, 401);
        assert_eq!(world.batch(1, &healthy(1)).await.status, 401);
        assert_eq!(asked(&world, &root, Method::GET, "/v1/status").await.status, 200);
        world.restart(Vec::new()).await;
    }
}

#[tokio::test]
async fn the_token_of_the_file_is_an_admins_that_nobody_takes_back() {
    let world = World::new(Some("correct-horse-battery")).await;
    let file = "Bearer correct-horse-battery";
    let headers =
        [("authorization", file), ("content-type", "application/yaml"), ("x-antumbra-author", "ana")];
    assert_eq!(world.send(Method::PUT, "/v1/policies/shop?create=true", &headers, SHOP).await.status, 201);
    let created = create(&world, file, &json!({"name": "ci", "role": "gate"})).await;
    assert_eq!((created.status.as_u16(), &created.json()["isFirst"]), (201, &false.into()));
    let kept = asked(&world, file, Method::DELETE, "/v1/tokens/token-file").await;
    assert!(kept.status == 409 && kept.text.contains("change the file and restart"), "{kept:?}");
    let listed = asked(&world, file, Method::GET, "/v1/tokens").await.json();
    assert_eq!(
        (&listed["tokens"][0]["name"], &listed["tokens"][1]["name"]),
        (&"token-file".into(), &"ci".into())
    );
    let audit = asked(&world, file, Method::GET, "/v1/policies/shop/audit").await.json();
    assert_eq!(audit["entries"][0]["who"], "token-file (says ana)");
}

#[tokio::test]
async fn a_token_that_ended_says_so_and_opens_nothing() {
    let (world, root) = guarded().await;
    let second = made(&world, &root, json!({"name": "second", "role": "admin"})).await;
    assert_eq!(asked(&world, &root, Method::DELETE, "/v1/tokens/second").await.status, 200);
    let ended = asked(&world, &second, Method::GET, "/v1/status").await;
    assert_eq!(ended.status, 401);
    assert!(ended.text.contains("the token \\\"second\\\" was revoked at "), "{ended:?}");
    let listed = asked(&world, &root, Method::GET, "/v1/tokens").await.json();
    let listed: Vec<(&str, &str)> = listed["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (token["name"].as_str().unwrap(), token["state"].as_str().unwrap()))
        .collect();
    assert_eq!(listed, [("root", "valid"), ("second", "revoked")]);
    let again = create(&world, &root, &json!({"name": "second", "role": "gate"})).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["type"]),
        (409, &"urn:antumbra:problem:taken-name".into())
    );
    let metrics = asked(&world, &root, Method::GET, "/metrics").await.text;
    assert!(metrics.contains("antumbra_comparator_unauthorised_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn what_was_altered_in_the_database_lets_nobody_in() {
    let (mut world, root) = guarded().await;
    let ci = made(&world, &root, json!({"name": "ci", "role": "observe"})).await;
    world.end().await;
    let database = rusqlite::Connection::open(world.data()).unwrap();
    assert_eq!(database.execute("UPDATE tokens SET role = 'admin' WHERE name = 'ci'", []).unwrap(), 1);
    assert_eq!(database.execute("UPDATE tokens SET created = 7 WHERE name = 'root'", []).unwrap(), 1);
    drop(database);
    world.start_again().await;
    for bearer in ["", &ci, &root] {
        assert_eq!(asked(&world, bearer, Method::GET, "/v1/status").await.status, 401, "{bearer}");
    }
}

/// Audits and evidence name tokens: what a damaged row did and brought must not become another token's.
#[tokio::test]
async fn the_name_of_a_row_that_cannot_be_read_is_not_given_again() {
    let (mut world, root) = guarded().await;
    made(&world, &root, json!({"name": "ci", "role": "observe"})).await;
    world.end().await;
    let database = rusqlite::Connection::open(world.data()).unwrap();
    database.execute("UPDATE tokens SET role = 'admin' WHERE name = 'ci'", []).unwrap();
    drop(database);
    world.start_again().await;
    let told = |refused: &Answer, status: u16| {
        assert_eq!(refused.status, status, "{refused:?}");
        for part in
            ["urn:antumbra:problem:taken-name", "\\\"ci\\\"", "Choose another name", "antumbra db check"]
        {
            assert!(refused.text.contains(part), "{part}: {refused:?}");
        }
    };
    told(&create(&world, &root, &json!({"name": "ci", "role": "gate"})).await, 409);
    told(&asked(&world, &root, Method::DELETE, "/v1/tokens/ci").await, 409);
    made(&world, &root, json!({"name": "ci2", "role": "gate"})).await;
    world.end().await;
    let database = rusqlite::Connection::open(world.data()).unwrap();
    let role = |name| {
        database.query_row("SELECT role FROM tokens WHERE name = ?1", [name], |row| row.get::<_, String>(0))
    };
    assert_eq!(
        [role("ci").unwrap(), role("ci2").unwrap()],
        ["admin", "gate"],
        "the row stays to be looked into"
    );
}

#[tokio::test]
async fn a_refusal_names_the_role_the_releases_and_what_is_needed() {
    let (world, root) = guarded().await;
    let ana = made(&world, &root, json!({"name": "ana", "role": "observe", "releases": ["shop"]})).await;
    for (method, path, expected) in [
        (
            Method::DELETE,
            "/v1/releases/shop/evidence",
            "the token \\\"ana\\\" has the role observe; this needs operate",
        ),
        (Method::GET, "/v1/releases/till/report", "the token \\\"ana\\\" is for shop, not for \\\"till\\\""),
    ] {
        let refused = asked(&world, &ana, method, path).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.text.contains(expected), "{refused:?}");
    }
    let metrics = asked(&world, &ana, Method::GET, "/metrics").await.text;
    assert!(metrics.contains("antumbra_comparator_forbidden_total 2\n"), "{metrics}");
    let generation =
        |release: &str| metrics.contains(&format!("antumbra_comparator_generation{{release=\"{release}\"}}"));
    assert!(generation("shop") && !generation("till"), "{metrics}");
    let names = |list: &Value| -> Vec<String> {
        let names =
            list.as_array().unwrap().iter().map(|entry| entry["release"].as_str().unwrap().to_owned());
        names.collect()
    };
    let status = asked(&world, &ana, Method::GET, "/v1/status").await.json();
    assert_eq!(names(&status["releases"]), ["shop"]);
    assert_eq!(names(&asked(&world, &ana, Method::GET, "/v1/policies").await.json()), ["shop"]);
    assert_eq!(names(&asked(&world, &root, Method::GET, "/v1/policies").await.json()), ["shop", "till"]);
}

#[tokio::test]
async fn a_filter_reports_about_its_own_releases_alone() {
    let (world, root) = guarded().await;
    let edge = made(&world, &root, json!({"name": "edge", "role": "filter", "releases": ["shop"]})).await;
    let till = |id| antumbra_observation::Observation { release: "till".to_owned(), ..observation(id, 10) };
    let mixed: Vec<u8> = [observation(1, 10), till(2)].iter().flat_map(encode).collect();
    let refused = reported(&world, &edge, "/v1/observations", mixed).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("the token \\\"edge\\\" is for shop, not for \\\"till\\\""), "{refused:?}");
    let heartbeat =
        |release| encode_heartbeat(&Heartbeat::new(release, Instance(7), None, Accounts::default()));
    assert_eq!(reported(&world, &edge, "/v1/heartbeats", heartbeat("till")).await.status, 403);
    assert_eq!(reported(&world, &edge, "/v1/heartbeats", heartbeat("shop")).await.status, 200);
    let own: Vec<u8> = [observation(3, 10)].iter().flat_map(encode).collect();
    assert_eq!(reported(&world, &edge, "/v1/observations", own).await.json()["compared"], 1);
    let status = asked(&world, &root, Method::GET, "/v1/status").await.json();
    assert_eq!(status["accounts"]["refused"], json!({"foreign_release": 2}), "all of a batch or nothing");
    let alive = |number: usize| status["releases"][number]["alive"].clone();
    assert_eq!((alive(0), alive(1)), (1.into(), 0.into()), "{status}");
}

/// Whoever has the secret reads on, however long ago they were let in.
#[tokio::test]
async fn a_capture_ends_with_the_token_that_began_it() {
    let (world, root) = guarded().await;
    let ana = made(&world, &root, json!({"name": "ana", "role": "operate"})).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = "GET /v1/releases/shop/exchanges HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    stream.write_all(format!("{head}authorization: {ana}\r\n\r\n").as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let report = |id| {
        reported(
            &world,
            &root,
            "/v1/observations",
            encode(&observation(id, 4_000 + u32::try_from(id).unwrap())),
        )
    };
    let heartbeat = encode_heartbeat(&Heartbeat::new("shop", Instance(7), None, Accounts::default()));
    assert_eq!(reported(&world, &root, "/v1/heartbeats", heartbeat).await.status, 200);
    assert_eq!(report(1).await.status, 200);
    assert_eq!(asked(&world, &root, Method::DELETE, "/v1/tokens/ana").await.status, 200);
    assert_eq!(report(2).await.status, 200);
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    let heard = |price: &str| rest.contains(price);
    assert_eq!((heard("4001"), heard("4002")), (true, false), "{rest}");
}

#[tokio::test]
async fn the_audit_names_the_token_and_what_the_client_calls_itself_only_beside_it() {
    let (world, root) = guarded().await;
    let ci = made(&world, &root, json!({"name": "ci", "role": "operate", "expiresInSeconds": 3_600})).await;
    let shut = [("authorization", ci.as_str()), ("content-type", "application/json")];
    let says = [shut[0], shut[1], ("x-antumbra-author", "root")];
    for (headers, percent) in [(&shut[..], 6), (&says[..], 7)] {
        let body = format!("{{\"percent\": {percent}}}");
        let answer = world.send(Method::PATCH, "/v1/policies/shop/mirror", headers, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(asked(&world, &ci, Method::DELETE, "/v1/releases/shop/evidence").await.status, 200);
    let audit = asked(&world, &root, Method::GET, "/v1/policies/shop/audit").await.json();
    let who: Vec<&str> =
        audit["entries"].as_array().unwrap().iter().map(|entry| entry["who"].as_str().unwrap()).collect();
    assert_eq!(who, ["ana", "ci", "ci (says root)", "ci"], "the first one was before there were tokens");
}

#[tokio::test]
async fn a_secret_is_shown_once_and_kept_nowhere() {
    let (mut world, root) = guarded().await;
    let ci = made(&world, &root, json!({"name": "ci", "role": "observe"})).await;
    let secret = ci.strip_prefix("Bearer antumbra_").unwrap();
    for path in ["/v1/tokens", "/v1/status", "/metrics", "/v1/policies/shop/audit"] {
        let answer = asked(&world, &root, Method::GET, path).await;
        assert!(answer.status == 200 && !answer.text.contains(secret), "{path}: {answer:?}");
    }
    world.end().await;
    for file in std::fs::read_dir(world.data().parent().unwrap()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{}", path.display());
    }
}

#[tokio::test]
async fn an_admin_manages_tokens_by_the_command_line() {
    let world = World::with_shop().await;
    let Line { code, out: root, err } = antumbra_with(&world, &[], "token create root --role admin").await;
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("root  admin  all releases") && err.contains("every request needs a token"),
        "{err}"
    );
    assert!(root.starts_with("antumbra_") && root.trim().len() == 52, "the secret alone: {root}");
    let root = [("ANTUMBRA_TOKEN", root.trim())];
    let create = "token create ci --role gate --release shop --expires 90d";
    let Line { code, out: ci, err } = antumbra_with(&world, &root, create).await;
    assert!(code == 0 && err.contains("ci  gate  shop") && !err.contains("every request"), "{err}");
    let ci = [("ANTUMBRA_TOKEN", ci.trim())];
    for (bearer, line, code, shown) in [
        (&root, "token list", 0, "ci  gate  shop  created "),
        (&root, "token list --output json", 0, "\"role\": \"gate\""),
        (&ci, "verdict", 3, "wait"),
        (&ci, "mirror set 7%", 2, "has the role gate; this needs operate"),
        (&ci, "token list", 2, "has the role gate; this needs admin"),
        (&root, "token revoke ci", 0, "ci  gate  shop"),
        (&ci, "verdict", 2, "was revoked at"),
        (&root, "token revoke nobody", 2, "there is no token \"nobody\""),
        (&root, "token revoke ../x", 2, "\"../x\" is not a name"),
        (&root, "token revoke root", 2, "the last admin token"),
        (&root, "token create a --role boss", 2, "invalid value 'boss'"),
        (&root, "token create a --role admin --release shop", 2, "must be left out for the role admin"),
        (&[("ANTUMBRA_TOKEN", "")], "status", 2, "ANTUMBRA_TOKEN"),
    ] {
        let Line { code: found, out, err } = antumbra_with(&world, bearer, line).await;
        assert_eq!(found, code, "{line}: {out}{err}");
        assert!(format!("{out}{err}").contains(shown), "{line}: {out}{err}");
    }
}
