//! What the shop's answers say: content that follows from the path, and noise that the dice add.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::dice::Dice;

pub(super) fn product(id: &str, dice: &mut Dice) -> Value {
    let mut content = content("product", id);
    let cents = 500 + content.below(20_000);
    noisy(
        json!({
            "id": id,
            "name": name(&mut content),
            "price": price(cents),
            "currency": "EUR",
            "stock": content.below(200),
            "tags": dice.shuffled(TAGS.to_vec()),
        }),
        dice,
    )
}

pub(super) fn search(query: &str, dice: &mut Dice) -> Value {
    let term = parameter(query, "q");
    let mut content = content("search", term);
    let results = (0..8).map(|_| hit(&mut content)).collect();
    noisy(
        json!({"query": term, "total": content.below(500), "tookMs": 1 + dice.below(30), "results": dice.shuffled(results)}),
        dice,
    )
}

pub(super) fn cart(id: &str, dice: &mut Dice) -> Value {
    let mut content = content("cart", id);
    let items: Vec<Value> = (0..1 + content.below(4))
        .map(|line| {
            json!({
                "line": line,
                "name": name(&mut content),
                "quantity": 1 + content.below(3),
                "price": price(500 + content.below(20_000)),
                "stock": content.below(200),
            })
        })
        .collect();
    noisy(json!({"id": id, "items": items, "currency": "EUR"}), dice)
}

pub(super) fn order(id: &str, dice: &mut Dice) -> Value {
    let mut content = content("order", id);
    let state = ["placed", "paid", "sent", "delivered"][usize::try_from(content.below(4)).unwrap_or(0)];
    noisy(
        json!({
            "id": id,
            "state": state,
            "total": price(1000 + content.below(100_000)),
            "currency": "EUR",
            "address": {"city": "Utrecht", "zip": format!("{:04} AB", content.below(10_000))},
        }),
        dice,
    )
}

pub(super) fn recommendations(query: &str, dice: &mut Dice) -> Value {
    let user = parameter(query, "user");
    let mut content = content("recommendations", user);
    let items: Vec<Value> = (0..5).map(|_| hit(&mut content)).collect();
    noisy(json!({"user": user, "items": items}), dice)
}

pub(super) fn front_page(offer_cents: u64, dice: &mut Dice) -> String {
    let rendered = format!("<!-- rendered {} by {} -->", now(), dice.hex());
    let script = format!("<script nonce=\"{}\">open()</script>", dice.hex());
    let offer = format!("<p>Lamp <b>{:?}</b></p>", price(offer_cents));
    format!("<!doctype html>\n<title>Shop</title>\n{script}\n<h1>Shop</h1>\n{offer}\n{rendered}\n")
}

pub(super) fn not_found() -> Value {
    json!({"error": "not found"})
}

pub(super) fn unavailable() -> Value {
    json!({"error": "starting"})
}

pub(super) fn failure() -> Value {
    json!({"error": "internal"})
}

/// In cents, as a number with at most two decimals.
#[expect(clippy::cast_precision_loss, reason = "cents of a small shop fit")]
pub(super) fn price(cents: u64) -> f64 {
    cents as f64 / 100.0
}

fn hit(content: &mut Dice) -> Value {
    json!({"id": content.below(10_000), "name": name(content), "score": price(content.below(100))})
}

fn name(content: &mut Dice) -> String {
    let mut one_of = |words: [&'static str; 6]| words[usize::try_from(content.below(6)).unwrap_or(0)];
    let colour = one_of(["amber", "black", "blue", "green", "grey", "white"]);
    format!("{colour} {}", one_of(["bench", "chair", "desk", "lamp", "rug", "shelf"]))
}

/// What real services add to each answer.
fn noisy(mut page: Value, dice: &mut Dice) -> Value {
    page["generatedAt"] = json!(now());
    page["requestId"] = json!(dice.hex());
    page
}

/// Microseconds since 1970.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros())
}

/// Dice that fall alike in every instance: seeded with FNV-1a of what is asked for.
fn content(kind: &str, id: &str) -> Dice {
    let bytes = kind.bytes().chain([b'/']).chain(id.bytes());
    Dice::new(
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }),
    )
}

fn parameter<'q>(query: &'q str, name: &str) -> &'q str {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next().unwrap_or_default()
}

const TAGS: [&str; 5] = ["new", "sale", "wood", "indoor", "eco"];
