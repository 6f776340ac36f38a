//! `antumbra try`: what other rules would explain and hide, on what a running comparator keeps and on a capture, and that nothing
//! changes by it.

use antumbra_observation::{Leg, Observation};
use http::Method;
use serde_json::Value;

use crate::command_line::antumbra;
use crate::server::{SHOP, World, observation};

/// An exchange whose answers all have another `/took`; the candidate says `price`, and everything has a secret.
fn noisy(id: u64, price: u32) -> Observation {
    let leg = |variant: &str, leg: u64, price: u32| {
        let body = format!(r#"{{"id":7,"price":{price},"took":{}}}"#, (id * 7 + leg * 5) % 97);
        let leg = Leg::answer(variant, 200).with_json(&body).with_latency_us(2_000);
        leg.with_header("set-cookie", format!("sid=hush-{id}-{variant}").into_bytes())
    };
    let mut one = observation(id.into(), price);
    one.request.headers = vec![("authorization".into(), "hush-request".into())];
    one.with_primary(leg("stable", 0, 10))
        .with_candidate(leg("canary", 1, price))
        .with_control(leg("control", 2, 10))
}

/// 60 exchanges, of which every third has a wrong price.
async fn with_noise_and_a_defect() -> World {
    let world = World::with_shop().await;
    for (file, rules) in [
        ("took.yaml", "- {\"at\": \"GET /products/{id} /took\", \"ignore\": true}\n"),
        ("price.yaml", "rules: [{at: /price, ignore: true}]"),
        ("whole.yaml", &SHOP.replace("[header:x-request-trace]", "[/took, /price]")),
    ] {
        std::fs::write(world.data().with_file_name(file), rules).unwrap();
    }
    let all: Vec<_> = (1..=60).map(|id| noisy(id, if id % 3 == 0 { 11 } else { 10 })).collect();
    assert_eq!(world.batch(1, &all).await.status, 200);
    world
}

async fn tried(world: &World, line: &str) -> Value {
    let line = antumbra(world, &format!("try {line} --output json")).await;
    assert_eq!((line.code, line.err.as_str()), (0, ""), "{}", line.out);
    assert!(!line.out.contains("hush"), "{}", line.out);
    serde_json::from_str(&line.out).unwrap()
}

fn place<'a>(outcome: &'a Value, path: &str, kind: &str) -> &'a Value {
    let places = outcome["places"].as_array().unwrap();
    places.iter().find(|place| place["path"] == path && place["kind"] == kind).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn a_rule_for_noise_explains_it_and_nothing_changes() {
    let world = with_noise_and_a_defect().await;
    let before = antumbra(&world, "report --output json").await.out;
    let outcome = tried(&world, "took.yaml").await;
    assert_eq!((&outcome["rules"], &outcome["kept"]["exchanges"]), (&"extends".into(), &60.into()));
    assert_eq!((&outcome["kept"]["of"], &outcome["kept"]["session"]), (&60.into(), &1.into()));
    let took = place(&outcome, "/took", "value");
    let of_control = took["now"]["controlOnly"].as_u64().unwrap() + took["now"]["both"].as_u64().unwrap();
    assert!(of_control > 30 && took["explains"] == of_control, "{took}");
    assert_eq!((&took["hides"], &took["tried"]["both"]), (&0.into(), &0.into()), "{took}");
    let price = place(&outcome, "/price", "value");
    assert_eq!((&price["hides"], &price["tried"]["candidateOnly"]), (&0.into(), &20.into()), "{price}");
    let noise = |report: &Value| report["noise"].to_string().contains("/took");
    assert_eq!((noise(&outcome["now"]), noise(&outcome["tried"])), (true, false));
    assert_eq!(outcome["now"]["exchanges"], 60);

    let text = antumbra(&world, "try took.yaml").await.out;
    assert!(text.starts_with("shop  the tried rules extend those of the policy\n"), "{text}");
    for shown in [
        "60 of 60 exchanges of session 1 are kept, since 20",
        "GET /products/{id} /took value\n      explains ",
        "The session of evidence goes on",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(!text.contains("Hidden"), "{text}");
    assert_eq!(antumbra(&world, "report --output json").await.out, before);
    let policy = antumbra(&world, "policy list").await.out;
    assert!(policy.starts_with("shop  generation 1 "), "{policy}");
}

#[tokio::test]
async fn a_rule_that_hides_the_defect_says_so_first() {
    let world = with_noise_and_a_defect().await;
    let outcome = tried(&world, "price.yaml").await;
    let first = &outcome["places"][0];
    assert_eq!(
        (&first["path"], &first["hides"], &first["explains"]),
        (&"/price".into(), &20.into(), &0.into())
    );
    assert_eq!(
        (&outcome["now"]["verdict"], &outcome["tried"]["verdict"]),
        (&"roll back".into(), &"wait".into())
    );
    assert!(outcome["candidateOnly"]["now"].as_u64().unwrap() >= 20, "{}", outcome["candidateOnly"]);
    let whole = tried(&world, "whole.yaml").await;
    assert_eq!((&whole["rules"], &whole["candidateOnly"]["tried"]), (&"replaces".into(), &0.into()));
    let text = antumbra(&world, "try price.yaml").await.out;
    let hidden = "\nHidden: the candidate differs alone, the control less often; maybe a defect\n  \
                  GET /products/{id} /price value\n      hides 20 of 20 of the candidate alone";
    let (hides, others) = (text.find(hidden), text.find("Left as they are"));
    assert!(hides.is_some() && hides < others, "{text}");
}

#[tokio::test]
async fn what_is_kept_is_of_one_session_and_one_run() {
    let mut world = with_noise_and_a_defect().await;
    assert_eq!(antumbra(&world, "evidence reset").await.code, 0);
    let kept = tried(&world, "took.yaml").await["kept"].clone();
    assert_eq!((&kept["session"], &kept["exchanges"], &kept["of"]), (&2.into(), &0.into(), &0.into()));
    let next: Vec<_> = (101..=105).map(|id| noisy(id, 10).with_generation(2)).collect();
    world.batch(2, &next).await;
    assert_eq!(tried(&world, "took.yaml").await["kept"]["exchanges"], 5);
    world.restart(Vec::new()).await;
    let kept = tried(&world, "took.yaml").await["kept"].clone();
    assert_eq!((&kept["exchanges"], &kept["since"]), (&0.into(), &Value::Null), "{kept}");
    let text = antumbra(&world, "try took.yaml").await.out;
    assert!(text.contains("no exchange has been compared since the server started"), "{text}");
}

#[tokio::test]
async fn bad_rules_are_refused_with_their_place() {
    let world = World::with_shop().await;
    for (rules, said) in [
        ("[{at: /a, relative: 5}]", "rules[0].relative is 5, must be within"),
        ("compare: {ignore: [a]}", "compare.ignore[0] is \"a\""),
        ("compare: {plugins: [{plugin: prices}]}", "compare.plugins[0].plugin is \"prices\""),
        ("{ignored: [/a]}", "did you mean \"ignore\"?"),
        ("[", "is not YAML"),
    ] {
        std::fs::write(world.data().with_file_name("bad.yaml"), rules).unwrap();
        std::fs::write(world.data().with_file_name("shop.yaml"), SHOP).unwrap();
        std::fs::write(world.data().with_file_name("c.ndjson"), "").unwrap();
        for line in ["try bad.yaml", "try bad.yaml --from c.ndjson --policy shop.yaml"] {
            let line = antumbra(&world, line).await;
            assert_eq!((line.code, line.out.as_str()), (2, ""), "{rules}: {}", line.err);
            assert!(line.err.contains(said), "{rules}: {}", line.err);
        }
    }
    for (line, said) in [
        ("try bad.yaml --from c.ndjson", "--from needs --policy FILE"),
        ("try - --from - --policy shop.yaml", "only one can be stdin"),
        ("try none.yaml", "none.yaml: No such file"),
        ("try shop.yaml --policy till", "there is no policy \"till\""),
    ] {
        let line = antumbra(&world, line).await;
        assert_eq!(line.code, 2, "{}{}", line.out, line.err);
        assert!(line.err.contains(said), "{}", line.err);
    }
}

#[tokio::test]
async fn over_http_there_are_bounds_and_a_token() {
    let world = World::with_shop().await;
    let path = "/v1/releases/shop/try";
    for (media_type, body, status) in [
        ("application/json", r#"[{"at": "/a", "ignore": true}]"#.to_owned(), 200),
        ("text/yaml", "- {at: /a, ignore: true}".to_owned(), 200),
        ("text/plain", "- {at: /a, ignore: true}".to_owned(), 415),
        ("application/yaml", " ".repeat((1 << 20) + 1), 413),
        ("application/yaml", "- {at: a}".to_owned(), 422),
    ] {
        let answer = world.send(Method::POST, path, &[("content-type", media_type)], body).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        let is_problem = answer.header("content-type") == "application/problem+json";
        assert_eq!(is_problem, status != 200, "{answer:?}");
    }
    let yaml = [("content-type", "application/yaml")];
    let unknown = world.send(Method::POST, "/v1/releases/till/try", &yaml, "[]").await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    let guarded = World::new(Some("a-token-of-the-test")).await;
    assert_eq!(guarded.send(Method::POST, path, &yaml, "[]").await.status, 401);
}

#[tokio::test]
async fn a_capture_is_judged_whole_by_both_rules() {
    let world = World::new(None).await;
    let file = |name: &str| world.data().with_file_name(name);
    std::fs::write(file("shop.yaml"), SHOP).unwrap();
    std::fs::write(file("price.yaml"), "- {at: /price, ignore: true}").unwrap();
    let line = |id| serde_json::to_string(&noisy(id, if id % 3 == 0 { 11 } else { 10 })).unwrap() + "\n";
    let lines: String = (1..=300).map(line).collect();
    std::fs::write(file("c.ndjson"), &lines).unwrap();
    let found = antumbra(&world, "try price.yaml --from c.ndjson --policy shop.yaml --output json").await;
    assert_eq!((found.code, found.err.as_str()), (0, ""));
    let outcome: Value = serde_json::from_str(&found.out).unwrap();
    let exchanges = [&outcome["now"]["exchanges"], &outcome["tried"]["exchanges"]];
    assert_eq!((exchanges, &outcome["capture"]["observations"]), ([&300.into(), &300.into()], &300.into()));
    assert_eq!(
        (&outcome["places"][0]["path"], &outcome["places"][0]["hides"]),
        (&"/price".into(), &100.into())
    );
    assert_eq!(outcome["kept"], Value::Null);
    let report = antumbra(&world, "report --from c.ndjson --policy shop.yaml --output json").await.out;
    let report: Value = serde_json::from_str(&report).unwrap();
    for part in ["verdict", "regressions", "noise", "effective"] {
        assert_eq!(outcome["now"][part], report[part], "{part}");
    }
    std::fs::write(file("cut.ndjson"), format!("{lines}nonsense\n")).unwrap();
    let cut = antumbra(&world, "try price.yaml --from cut.ndjson --policy shop.yaml").await;
    assert_eq!(cut.code, 2, "{}", cut.out);
    assert!(cut.err.contains("cut.ndjson: line 301:") && cut.out.contains("hides 100 of 100"), "{}", cut.err);
}
