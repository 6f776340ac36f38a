//! The defects that a new version of the shop may carry, each of another kind, and where each of them shows.

use serde_json::{Value, json};

use super::dice::Dice;

/// Something that a new version gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// The price of a third of the products is a cent too low.
    PriceRounding,
    /// Items of a cart lack their `stock`.
    CartStock,
    /// The total of an order is a string.
    OrderTotal,
    /// A quarter of the recommendations answer 500.
    Recommendations,
    /// The offer on the front page is free, beside a nonce that is another one in every answer.
    FreeOffer,
    /// Three requests in a hundred take two hundred times as long, whatever the endpoint: about 0.4 s, which no machine that runs the demo
    /// takes for an answer without the defect.
    SlowTail,
}

/// Where a defect shows, in the words of the comparator's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// As `price-rounding`.
    pub name: &'static str,
    /// Method and route template; `*` if it shows at all of them.
    pub endpoint: &'static str,
    /// Path of the field, `*` for array indices; empty if it is no field.
    pub path: &'static str,
    /// Kind of difference: `value`, `missing`, `type`, `status`, `latency`.
    pub kind: &'static str,
}

impl Defect {
    /// One of each.
    pub const ALL: [Self; 6] = [
        Self::PriceRounding,
        Self::CartStock,
        Self::OrderTotal,
        Self::Recommendations,
        Self::FreeOffer,
        Self::SlowTail,
    ];

    /// Where it shows.
    pub fn describe(self) -> Description {
        let (name, endpoint, path, kind) = match self {
            Self::PriceRounding => ("price-rounding", "GET /products/{id}", "/price", "value"),
            Self::CartStock => ("cart-stock", "GET /cart/{id}", "/items/*/stock", "missing"),
            Self::OrderTotal => ("order-total", "GET /orders/{id}", "/total", "type"),
            Self::Recommendations => ("recommendations-500", "GET /recommendations", "", "status"),
            Self::FreeOffer => ("free-offer", "GET /", "", "value"),
            Self::SlowTail => ("slow-tail", "*", "", "latency"),
        };
        Description { name, endpoint, path, kind }
    }

    /// Changes a good answer of `endpoint` (its first path segment); false: the answer is to be a 500.
    pub(super) fn spoil(self, endpoint: &str, page: &mut Value, dice: &mut Dice) -> bool {
        match (self, endpoint) {
            (Self::PriceRounding, "products") => lower_price(page),
            (Self::CartStock, "cart") => drop_stock(page),
            (Self::OrderTotal, "orders") => page["total"] = json!(page["total"].to_string()),
            (Self::Recommendations, "recommendations") => return !dice.percent(25),
            _ => {}
        }
        true
    }

    /// By how much it slows this request down.
    pub(super) fn slower(self, dice: &mut Dice) -> f64 {
        if self == Self::SlowTail && dice.percent(3) { 200.0 } else { 1.0 }
    }
}

impl Description {
    /// Is a difference that was found this defect? What shows at all endpoints may be found at any of them.
    pub fn explains(&self, endpoint: &str, path: &str, kind: &str) -> bool {
        let here = self.endpoint == "*" || self.endpoint == endpoint;
        here && self.kind == kind && (self.path == path || self.path.is_empty())
    }
}

/// A third of the products, always the same: those whose price in cents is divisible by three.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "prices are positive and small")]
fn lower_price(page: &mut Value) {
    let cents = page["price"].as_f64().map_or(0, |price| (price * 100.0).round() as u64);
    if cents > 0 && cents.is_multiple_of(3) {
        page["price"] = json!(super::catalogue::price(cents - 1));
    }
}

fn drop_stock(page: &mut Value) {
    let items = page["items"].as_array_mut().into_iter().flatten();
    for item in items.filter_map(Value::as_object_mut) {
        item.remove("stock");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_matched_to_its_defect() {
        let slow = Defect::SlowTail.describe();
        assert!(slow.explains("*", "", "latency") && slow.explains("GET /search", "≥ 5×", "latency"));
        assert!(!slow.explains("GET /search", "", "status"));
        let stock = Defect::CartStock.describe();
        assert!(stock.explains("GET /cart/{id}", "/items/*/stock", "missing"));
        for (endpoint, path, kind) in [
            ("GET /orders/{id}", "/items/*/stock", "missing"),
            ("GET /cart/{id}", "/items/*/price", "missing"),
            ("GET /cart/{id}", "/items/*/stock", "value"),
        ] {
            assert!(!stock.explains(endpoint, path, kind), "{endpoint} {path} {kind}");
        }
    }
}
