//! Made-up bodies as services answer them: a page of orders, and the same page as a new version might answer it.

use std::fmt::Write as _;

/// Two answers to one request.
pub(crate) struct Pair {
    pub(crate) left: Vec<u8>,
    pub(crate) right: Vec<u8>,
    pub(crate) change: Change,
}

/// What the second answer does differently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// Three values: in the first order, in one in the middle, in the last.
    ThreeFields,
    /// A value in each order.
    EveryOrder,
    /// Spaces and line ends between all tokens.
    Spacing,
    /// The orders are shuffled, and may be.
    Unordered,
    /// The orders are shuffled and each has another total: they are found by their ids.
    Keyed,
}

impl Change {
    pub(crate) const ALL: [Self; 5] =
        [Self::ThreeFields, Self::EveryOrder, Self::Spacing, Self::Unordered, Self::Keyed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "equal",
            Self::ThreeFields => "3 fields differ",
            Self::EveryOrder => "a field of each differs",
            Self::Spacing => "spaced otherwise",
            Self::Unordered => "unordered, shuffled",
            Self::Keyed => "by id, shuffled, differ",
        }
    }
}

impl Pair {
    /// About `size` bytes each.
    pub(crate) fn new(size: usize, change: Change) -> Self {
        let count = (size / ORDER_BYTES).max(3);
        let mut dice = Dice(7);
        let orders: Vec<Order> = (0..count).map(|number| Order::new(number, &mut dice)).collect();
        let left = page(&orders);
        Self { left: left.clone().into_bytes(), right: changed(&left, orders, change).into_bytes(), change }
    }

    pub(crate) fn equal(&self) -> bool {
        matches!(self.change, Change::Nothing | Change::Spacing | Change::Unordered)
    }
}

fn changed(left: &str, mut orders: Vec<Order>, change: Change) -> String {
    let last = orders.len() - 1;
    match change {
        Change::Nothing => {}
        Change::ThreeFields => {
            orders[0].total += 1;
            orders[last / 2].customer.push_str("-Smythe");
            orders[last].paid ^= true;
        }
        Change::EveryOrder => orders.iter_mut().for_each(|order| order.total += 1),
        Change::Spacing => {
            let value: serde_json::Value = serde_json::from_str(left).expect("JSON");
            return serde_json::to_string_pretty(&value).expect("a value is JSON");
        }
        Change::Unordered => shuffle(&mut orders),
        Change::Keyed => {
            orders.iter_mut().for_each(|order| order.total += 1);
            shuffle(&mut orders);
        }
    }
    page(&orders)
}

struct Order {
    id: usize,
    customer: String,
    total: u64,
    paid: bool,
    rest: String,
}

impl Order {
    fn new(number: usize, dice: &mut Dice) -> Self {
        let names =
            ["Ada Byron", "Grace Hopper", "José Müller", "李小龙", "Katherine Johnson", "Emmy Noether"];
        let goods = [
            "Espresso cup, white",
            "Notebook A5 \\\"dotted\\\"",
            "Desk lamp",
            "USB-C cable 2 m",
            "Tea, 250 g",
        ];
        let items: Vec<String> = (0..1 + dice.below(3))
            .map(|_| {
                let (sku, name) = (dice.below(1 << 20), goods[dice.below(goods.len())]);
                let (quantity, price) = (1 + dice.below(4), dice.below(10_000));
                format!(
                    r#"{{"sku":"SKU-{sku:06x}","name":"{name}","quantity":{quantity},"price":{}.{:02}}}"#,
                    price / 100,
                    price % 100
                )
            })
            .collect();
        let rest = format!(
            r#""status":"shipped","createdAt":"2026-03-{:02}T{:02}:{:02}:07.{:03}Z","coupon":null,"trace":"{:016x}{:016x}","items":[{}]"#,
            1 + dice.below(28),
            dice.below(24),
            dice.below(60),
            dice.below(1000),
            dice.next(),
            dice.next(),
            items.join(",")
        );
        let customer = names[dice.below(names.len())].to_owned();
        Self {
            id: 4_700_000 + number,
            customer,
            total: 1 + dice.next() % 90_000,
            paid: dice.below(4) > 0,
            rest,
        }
    }
}

fn page(orders: &[Order]) -> String {
    let mut text = format!(r#"{{"page":1,"pages":{},"orders":["#, orders.len());
    for (at, Order { id, customer, total, paid, rest }) in orders.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}{{"id":{id},"customer":{{"name":"{customer}","email":"customer-{id}@example.org"}},"total":{total},"paid":{paid},{rest}}}"#
        );
    }
    text + r#"],"next":"/orders?page=2"}"#
}

/// Arrays of so many elements: names, and both sides.
pub(crate) fn arrays(count: usize) -> [(&'static str, Vec<u8>, Vec<u8>); 5] {
    let element =
        |id: usize, note: &str| format!(r#"{{"id":{id},"name":"element number {id}","note":"{note}"}}"#);
    let array = |ids: &[usize], note: &str| {
        let texts: Vec<String> = ids.iter().map(|&id| element(id, note)).collect();
        format!("[{}]", texts.join(",")).into_bytes()
    };
    let ids: Vec<usize> = (0..count).collect();
    let mut shuffled = ids.clone();
    shuffle(&mut shuffled);
    let halves: Vec<usize> = shuffled.iter().map(|id| id / 2).collect();
    let left = array(&ids, "same");
    [
        ("shuffled", left.clone(), array(&shuffled, "same")),
        ("all different", left.clone(), array(&shuffled, "other")),
        ("half of them twice", left, array(&halves, "same")),
        ("all alike, one more", array(&vec![1; count], "same"), array(&vec![1; count + 1], "same")),
        ("two values, other numbers of them", parity(&ids, 2, &array), parity(&shuffled, 3, &array)),
    ]
}

/// Two pages of text, of about `size` bytes each.
pub(crate) fn pages(size: usize) -> [String; 2] {
    let mut dice = Dice(13);
    let lines = size / LINE_BYTES;
    let rows: Vec<[usize; 3]> = (0..lines).map(|at| [at, dice.below(10_000), dice.below(5_000)]).collect();
    [false, true].map(|changed| {
        let mut text = format!("<script nonce=\"{:016x}\"></script>\n", dice.next());
        for [at, sku, price] in &rows {
            let price = if changed && at % 40 == 0 { price + 1 } else { *price };
            let _ = writeln!(
                text,
                "<tr><td>Article {at}</td><td class=\"sku\">SKU-{sku:05}</td><td>{price}</td></tr>"
            );
        }
        text
    })
}

fn parity(ids: &[usize], by: usize, array: &impl Fn(&[usize], &str) -> Vec<u8>) -> Vec<u8> {
    let ids: Vec<usize> = ids.iter().map(|id| usize::from(id % by == 0)).collect();
    array(&ids, "same")
}

fn shuffle<T>(items: &mut [T]) {
    let mut dice = Dice(11);
    for at in (1..items.len()).rev() {
        items.swap(at, dice.below(at + 1));
    }
}

/// splitmix64: the same bodies in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }
}

/// What an order takes on the average.
const ORDER_BYTES: usize = 420;
/// What a line of a page takes on the average.
const LINE_BYTES: usize = 75;
