//! What goes by is captured as it is: bodies in pieces, trailers, and bytes that are no text.

use antumbra_observation::{Body, UnsafeMethod, decode_heartbeat};
use antumbra_oracle::{Exchange, Message};
use serde_json::json;

use crate::mirroring::{batch, get, mirrored, running};

#[test]
fn chunks_trailers_and_strange_bytes_reach_the_observation() {
    let rule =
        json!({"name": "m", "mirror": [{"to": "candidate", "percent": 100, "unsafeMethods": "allow"}]});
    let mut proxy = running("generic", &rule);
    let request = [(":method", &b"PUT"[..]), (":path", b"/\xfe"), (":authority", b"a"), ("x-odd", b"\xff")];
    let request = Message::new(request).body(&[b"as", b"", b"ked"]).trailers(&[("x-sum", b"1")]);
    let response = [(":status", &b"201"[..]), ("x-odd", b"\x80\x81"), ("x-twice", b"a"), ("x-twice", b"b")];
    let response = Message::new(response).body(&[b"\x00\xff", b"end"]).trailers(&[("x-grpc", b"\xfd")]);
    proxy.serve(Exchange::new(request, response));

    let shadow = proxy.tick().remove(0);
    assert_eq!((shadow.header(":method"), shadow.header(":path")), (Some(&b"PUT"[..]), Some(&b"/\xfe"[..])));
    assert_eq!((shadow.header("x-odd"), shadow.body.as_slice()), (Some(&b"\xff"[..]), &b"asked"[..]));
    proxy.answer(&shadow, 201, b"\x00\xffend");
    let (_, observation) = batch(&mut proxy);
    assert_eq!(observation.request.path, b"/\xfe".to_vec().into());
    assert_eq!(observation.request.body, Body::Whole("asked".into()));
    assert!(observation.request.headers.contains(&("x-odd".into(), vec![0xff].into())));
    let primary = observation.primary.response.unwrap();
    assert_eq!((primary.status, &primary.body), (201, &Body::Whole(b"\x00\xffend".to_vec().into())));
    let odd = [("x-odd", &b"\x80\x81"[..]), ("x-twice", b"a"), ("x-twice", b"b")];
    assert_eq!(primary.headers, odd.map(|(name, value)| (name.into(), value.to_vec().into())));
    assert_eq!(primary.trailers, [("x-grpc".into(), vec![0xfd].into())]);
    assert_eq!(observation.candidate.response.unwrap().body, Body::Same);
}

#[test]
fn what_is_not_mirrored_is_counted_by_its_reason() {
    let mut rule = mirrored();
    rule["mirror"][0]["maxBodyBytes"] = json!(8);
    let mut proxy = running("generic", &rule);
    let mut long = get();
    long.request = long.request.body(&[b"123456", b"789"]);
    let mut shadow = get();
    shadow.request = Message::new([(":method", "GET"), (":path", "/"), ("x-antumbra-shadow", "1")]);
    let mut post = get();
    post.request = Message::new([(":method", "POST"), (":path", "/")]);
    let mut unanswered = get();
    unanswered.response = Message::default();
    unanswered.properties.push(("response.code_details".to_owned(), b"no_route_found".to_vec()));
    for exchange in [long, shadow, post, unanswered] {
        proxy.serve(exchange);
    }
    let heartbeat = (0..200).flat_map(|_| proxy.tick()).next().unwrap();
    let accounts = decode_heartbeat(&heartbeat.body).unwrap().accounts;
    assert_eq!((accounts.requests, accounts.mirrored), (4, 0));
    let reasons: Vec<&str> = accounts.not_mirrored.iter().map(|(reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["unsafe_method", "shadow", "request_body_too_large", "local_reply"]);
    assert_eq!(accounts.unsafe_methods, [(UnsafeMethod::Post, 1)].into());
}
