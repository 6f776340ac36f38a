//! Callbacks in orders that no host should make, with maps that are missing or garbage: the filter does not trap.
//!
//! The host refuses some of them before they reach the filter, and says so; those are counted apart.

use std::time::Duration;

use antumbra_oracle::{Call, Exchange, Message, Proxy};
use proxy_wasm_host::Error;
use proxy_wasm_host::abi::v0_2_1::{CallScope, ContextId, GuestError, HttpCallResponse, PluginConfig};
use serde_json::{Value, json};

use crate::mirroring::{mirrored, policy};

const WORLDS: u64 = 30;
const CALLBACKS: u64 = 2_000;
const SEED: u64 = 77;

#[test]
fn no_order_of_callbacks_makes_the_filter_trap() {
    let (mut reached, mut refused, mut shadows) = (0, 0, 0);
    for world in 0..WORLDS {
        let mut disorder = Disorder::new(SEED + world);
        for step in 0..CALLBACKS {
            match disorder.step() {
                Ok(()) => reached += 1,
                Err(GuestError::Runtime(error)) => {
                    panic!("world {world}, step {step}: {error}\n{:?}", disorder.proxy.log())
                }
                Err(_) => refused += 1,
            }
        }
        assert!(!disorder.proxy.guest().is_poisoned());
        shadows += disorder.calls.iter().filter(|call| call.cluster == "canary-shadow").count();
    }
    println!("{reached} callbacks reached the filter, {refused} did not; {shadows} exchanges were mirrored");
    assert!(reached > WORLDS * CALLBACKS / 2 && shadows > 0, "{reached} callbacks, {shadows} exchanges");
}

/// The other test rests on a trap being seen.
#[test]
fn a_module_that_traps_is_seen() {
    let mut proxy = Proxy::start_module(&wat::parse_str(TRAPPING).unwrap(), &json!({}));
    let root = proxy.root();
    let (trapped, _) = proxy.with(Exchange::default(), |scope| {
        let stream = scope.on_context_create(Some(root))?;
        scope.on_request_headers(stream, 0, true)
    });
    assert!(matches!(trapped, Err(GuestError::Runtime(Error::Trap { .. }))), "{trapped:?}");
    assert!(proxy.guest().is_poisoned());
}

/// The least that this host takes for a filter; it traps on a request's headers.
const TRAPPING: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable))"#;

struct Disorder {
    proxy: Proxy,
    dice: Dice,
    roots: Vec<ContextId>,
    /// Each with what would be its next callback in good order.
    streams: Vec<(ContextId, usize)>,
    calls: Vec<Call>,
}

impl Disorder {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut proxy = Proxy::start(&configuration(&mut dice));
        let unconfigured = proxy.guest().enter_root().on_context_create(None).unwrap();
        let roots = vec![proxy.root(), unconfigured];
        Self { proxy, dice, roots, streams: Vec::new(), calls: Vec::new() }
    }

    /// One callback.
    fn step(&mut self) -> Result<(), GuestError> {
        self.proxy.pass(Duration::from_millis(self.dice.below(40)));
        let done = match self.dice.below(20) {
            0 => self.create(),
            1..4 => self.tick(),
            4..7 => self.deliver(),
            7 if self.dice.below(20) == 0 => self.configure(),
            _ => self.stream(),
        };
        self.calls.extend(self.proxy.sent());
        done
    }

    fn create(&mut self) -> Result<(), GuestError> {
        let root = self.root();
        let stream = self.proxy.guest().enter_root().on_context_create(Some(root))?;
        self.streams.push((stream, 0));
        Ok(())
    }

    fn tick(&mut self) -> Result<(), GuestError> {
        let root = self.root();
        self.proxy.guest().enter_root().on_tick(root)
    }

    /// Ends a call that is open, or one that was answered before.
    fn deliver(&mut self) -> Result<(), GuestError> {
        if self.calls.is_empty() {
            return self.tick();
        }
        let latest = self.calls.len().saturating_sub(8);
        let call = self.dice.pick(&self.calls[latest..]).clone();
        if call.header(":path") == Some(b"/v1/heartbeats") && self.dice.below(2) == 0 {
            let rule = self.dice.pick(&[mirrored(), json!({"name": "n", "to": "candidate"})]).clone();
            let document = policy(self.dice.below(3) + 1, &rule).to_string().into_bytes();
            let headers = vec![(b":status"[..].into(), b"200"[..].into())];
            return self.proxy.deliver(&call, HttpCallResponse::received(headers).with_body(document));
        }
        let response = match self.dice.below(4) {
            0 => HttpCallResponse::failed(),
            _ => {
                HttpCallResponse::received(self.pairs(1)).with_body(self.bytes()).with_trailers(self.pairs(0))
            }
        };
        self.proxy.deliver(&call, response)
    }

    /// The same root once more, with another configuration; its calls are then nobody's.
    fn configure(&mut self) -> Result<(), GuestError> {
        let root = self.proxy.root();
        let plugin = PluginConfig::new().with_configuration(configuration(&mut self.dice).to_string());
        self.proxy.guest().enter_root().on_configure(root, plugin).map(drop)
    }

    /// A callback of one of the latest streams, whether it is over or not.
    fn stream(&mut self) -> Result<(), GuestError> {
        let latest = self.streams.len().saturating_sub(6);
        if self.streams.is_empty() {
            return self.create();
        }
        let place = latest + usize::try_from(self.dice.below(6)).unwrap() % (self.streams.len() - latest);
        let (stream, next) = self.streams[place];
        self.streams[place].1 += 1;
        let what = match self.dice.below(8) {
            0 => self.dice.below(9),
            _ => u64::try_from(next % 9).unwrap(),
        };
        let exchange = self.exchange();
        let (size, end) = (u32::try_from(self.dice.below(40)).unwrap(), self.dice.below(2) == 0);
        let done = |scope: &mut CallScope<'_, Exchange>| match what {
            0 => scope.on_request_headers(stream, size, end).map(drop),
            1 => scope.on_request_body(stream, size, end).map(drop),
            2 => scope.on_request_trailers(stream, size).map(drop),
            3 => scope.on_response_headers(stream, size, end).map(drop),
            4 => scope.on_response_body(stream, size, end).map(drop),
            5 => scope.on_response_trailers(stream, size).map(drop),
            6 => scope.on_done(stream).map(drop),
            7 => scope.on_log(stream),
            _ => scope.on_delete(stream).map(drop),
        };
        self.proxy.with(exchange, done).0
    }

    /// Maps that are there in every callback or in none, and are garbage more often than not.
    fn exchange(&mut self) -> Exchange {
        let request = self.message(&[(":method", b"GET"), (":path", b"/a"), (":authority", b"h")]);
        let mut exchange = Exchange::new(request, self.message(&[(":status", b"200")]));
        exchange.shown = *self.dice.pick(&[Some(true), Some(false), None, None, None, None]);
        exchange.request.headers.keeps_removed = self.dice.below(4) == 0;
        for path in ["source.address", "response.code_details"] {
            if self.dice.below(3) == 0 {
                exchange.properties.push((path.to_owned(), self.bytes()));
            }
        }
        exchange
    }

    fn message(&mut self, proper: &[(&str, &[u8])]) -> Message {
        let garbage: Vec<_> =
            self.pairs(0).into_iter().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
        let proper: Vec<_> = proper.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.to_vec())).collect();
        let kept = self.dice.below(8) > 0;
        Message::new(proper.into_iter().filter(|_| kept).chain(garbage))
    }

    fn pairs(&mut self, least: u64) -> proxy_wasm_host::abi::v0_2_1::HeaderPairs<'static> {
        let count = least + self.dice.below(5);
        (0..count).map(|_| (self.name().into(), self.bytes().into())).collect()
    }

    fn name(&mut self) -> Vec<u8> {
        let names =
            [":status", "cookie", "content-type", "content-length", "x-antumbra-shadow", "upgrade", ""];
        if self.dice.below(3) == 0 { self.bytes() } else { self.dice.pick(&names).as_bytes().to_vec() }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.dice.below(24);
        (0..length).map(|_| u8::try_from(self.dice.below(256)).unwrap()).collect()
    }

    fn root(&mut self) -> ContextId {
        let unconfigured = usize::from(self.dice.below(10) == 0);
        self.roots[unconfigured]
    }
}

/// With and without what changes how callbacks are answered.
fn configuration(dice: &mut Dice) -> Value {
    let body = json!({"name": "body", "matches": [{"json": {"a": "1"}}], "to": "candidate"});
    let rule = dice.pick(&[mirrored(), body]).clone();
    let mut inline = policy(1, &rule);
    inline.as_object_mut().unwrap().remove("generation");
    json!({
        "host": dice.pick(&["generic", "envoy"]),
        "comparator": {"cluster": "antumbra", "poll": "100ms"},
        "bodies": dice.below(2) == 0,
        "policy": inline,
        "limits": {"exchangesInFlight": dice.below(20)},
    })
}

/// splitmix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % bound
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}
