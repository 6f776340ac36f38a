//! Tests: what the shop answers, and that it serves and ends.

use http_body_util::BodyExt;

use super::*;

fn instance(seed: u64, defects: &[Defect]) -> Instance {
    let shop = Shop { version: "v".to_owned(), defects: defects.to_vec(), seed, unrest: None };
    Instance { dice: AtomicU64::new(seed), began: Instant::now(), shop }
}

async fn page(instance: &Instance, path: &str, call: u64) -> (u16, Value) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let answer = instance.page(path, query, None, &mut Dice::new(instance.shop.seed + call));
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// The answer without what is noise: the fields below, and the order of arrays.
fn essence(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|name, _| !["generatedAt", "requestId", "tookMs"].contains(&name.as_str()));
            fields.values_mut().for_each(|field| *field = essence(field.take()));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| *item = essence(item.take()));
            items.sort_by_key(Value::to_string);
        }
        _ => {}
    }
    value
}

const PATHS: [&str; 6] = [
    "/products/17",
    "/search?q=lamp",
    "/cart/0b6f7c8e-6a2b-4f5e-9b1d-3c2a1f0e9d8c",
    "/orders/99",
    "/recommendations?user=7",
    "/nowhere",
];

#[tokio::test]
async fn instances_agree_but_for_noise() {
    let (one, two) = (instance(1, &[]), instance(2, &[]));
    for path in PATHS {
        let (left, right) = (page(&one, path, 0).await, page(&two, path, 0).await);
        assert_eq!((left.0, essence(left.1.clone())), (right.0, essence(right.1.clone())), "{path}");
        assert!(left.0 == 404 || left.1 != right.1, "{path} has no noise");
    }
    assert_ne!(
        essence(page(&one, "/products/17", 0).await.1),
        essence(page(&one, "/products/18", 0).await.1)
    );
}

#[tokio::test]
async fn a_cold_cache_is_slower_and_says_so_and_changes_nothing_else() {
    let instance = instance(1, &[]);
    let whole = async |mood| {
        let answer = instance.page("/products/17", "", mood, &mut Dice::new(1));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        essence(serde_json::from_slice(&body).unwrap())
    };
    let (mut cold, warm) = (whole(Some(Mood::Cold)).await, whole(Some(Mood::Warm)).await);
    assert_eq!((&cold["cached"], &warm["cached"]), (&Value::Bool(false), &Value::Bool(true)));
    cold["cached"] = Value::Bool(true);
    assert_eq!(cold, warm);
    assert_eq!(whole(None).await["cached"], Value::Null);
    let latency = |mood| instance.latency(Some(mood), &mut Dice::new(1));
    assert!(latency(Mood::Cold) > 4 * latency(Mood::Warm));
}

#[tokio::test]
async fn each_defect_shows_at_its_endpoint_and_nowhere_else() {
    let stable = instance(1, &[]);
    let of_fields = |defect: &Defect| !matches!(defect, Defect::SlowTail | Defect::FreeOffer);
    for defect in Defect::ALL.into_iter().filter(of_fields) {
        let broken = instance(1, &[defect]);
        let mut spoilt = std::collections::BTreeMap::<&str, u32>::new();
        for number in 0..200 {
            for path in ["/products/{}", "/search?q={}", "/cart/{}", "/orders/{}", "/recommendations?user={}"]
            {
                let call = path.replace("{}", &number.to_string());
                let (good, bad) = (page(&stable, &call, number).await, page(&broken, &call, number).await);
                let differs = (good.0, essence(good.1)) != (bad.0, essence(bad.1));
                *spoilt.entry(path.split(['?', '{']).next().unwrap().trim_end_matches('/')).or_default() +=
                    u32::from(differs);
            }
        }
        let description = defect.describe();
        for (endpoint, count) in spoilt {
            let here = description.endpoint.trim_start_matches("GET ").trim_end_matches("/{id}") == endpoint;
            assert_eq!(here, count > 0, "{} at {endpoint}: {count}", description.name);
            assert!(!here || count >= 30, "{} is too rare: {count} of 200", description.name);
        }
    }
}

#[tokio::test]
async fn the_offer_is_free_on_the_front_page_alone() {
    let page = async |defects: &[Defect], seed| {
        let answer = instance(seed, defects).page("/", "", None, &mut Dice::new(seed));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    };
    let (good, other, bad) = (page(&[], 1).await, page(&[], 2).await, page(&[Defect::FreeOffer], 1).await);
    assert!(good.contains("<b>12.5</b>") && bad.contains("<b>0.0</b>"), "{good}{bad}");
    assert_ne!(good, other, "the nonce is another one");
}

#[test]
fn three_in_a_hundred_are_far_slower_than_any_other() {
    let (stable, slow) = (instance(1, &[]), instance(1, &[Defect::SlowTail]));
    let late = |instance: &Instance| {
        (0..10_000)
            .filter(|call| instance.latency(None, &mut Dice::new(*call)) > Duration::from_millis(100))
            .count()
    };
    assert_eq!(late(&stable), 0);
    assert!((250..350).contains(&late(&slow)), "{}", late(&slow));
}

#[tokio::test]
async fn it_serves_and_ends() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let shop = Shop { version: "one".to_owned(), defects: Vec::new(), seed: 1, unrest: None };
    let served = tokio::spawn(serve(listener, shop, async { drop(ended.await) }));
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (path, expected) in [("/version", "one\n"), ("/health", "ok\n")] {
        let request = Request::get(path).header("host", "shop").body(Full::<Bytes>::default()).unwrap();
        let answer = send.send_request(request).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), expected);
    }
    end.send(()).unwrap();
    served.await.unwrap().unwrap();
}
