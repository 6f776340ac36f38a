//! The proxy: one worker with one instance of the filter.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proxy_wasm_host::abi::v0_2_1::types::{Action, MetricType};
use proxy_wasm_host::abi::v0_2_1::{
    CallScope, ContextId, Guest, GuestError, Host, HttpCallResponse, PluginConfig, Started, StreamKind,
    VmServices,
};
use proxy_wasm_host::{Engine, HeaderMap as _, Limits, Module};
use serde_json::Value;

use crate::exchange::{Exchange, Message};
use crate::services::{BEGAN_US, Call, Counted, Lines, TestClock, Wire};

/// A proxy of one worker.
pub struct Proxy {
    guest: Guest,
    root: ContextId,
    clock: Arc<TestClock>,
    wire: Arc<Wire>,
    lines: Arc<Lines>,
    counted: Arc<Counted>,
}

impl Proxy {
    /// Starts the filter with a plugin configuration, at 2026-01-01 by its clock.
    ///
    /// # Panics
    /// The host does not instantiate the module, or the filter refuses the configuration.
    pub fn start(configuration: &Value) -> Self {
        Self::with_module(&LOADED.filter, configuration, Arc::default())
    }

    /// Starts another worker of this proxy: the same filter in a VM of its own, with a clock of its own.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn another_worker(&self, configuration: &Value) -> Self {
        Self::with_module(&LOADED.filter, configuration, Arc::clone(&self.counted))
    }

    /// Starts another module in the filter's stead.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_module(module: &[u8], configuration: &Value) -> Self {
        Self::with_module(&Module::new(&LOADED.engine, module).unwrap(), configuration, Arc::default())
    }

    fn with_module(module: &Module, configuration: &Value, counted: Arc<Counted>) -> Self {
        let (clock, wire, lines) =
            (Arc::<TestClock>::default(), Arc::<Wire>::default(), Arc::<Lines>::default());
        let services = VmServices::new(lines.clone())
            .with_clock(clock.clone())
            .with_callouts(wire.clone())
            .with_shared(counted.clone());
        let limits = Limits::default().with_cpu_time(PATIENCE);
        let mut guest = Guest::new(&LOADED.host, module, services, &limits).unwrap();
        let plugin = PluginConfig::new().with_configuration(configuration.to_string());
        let Started::Serving(root) = guest.start(plugin).unwrap() else {
            panic!("the filter refuses {configuration}: {:?}", lines.all());
        };
        guest.take_changes();
        Self { guest, root, clock, wire, lines, counted }
    }

    /// Time passes until the next tick, as the filter asked for it; answers the calls that left with it.
    pub fn tick(&mut self) -> Vec<Call> {
        self.pass(self.guest.tick_period(self.root).unwrap());
        self.guest.enter_root().on_tick(self.root).unwrap();
        self.wire.take()
    }

    /// Time passes without a tick.
    pub fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }

    /// The calls that left since the last time.
    pub fn sent(&self) -> Vec<Call> {
        self.wire.take()
    }

    /// A service answers.
    pub fn answer(&mut self, call: &Call, status: u16, body: &[u8]) {
        let headers = [(":status", status.to_string()), ("content-type", "text/plain".to_owned())];
        let headers = headers.map(|(name, value)| (name.as_bytes().into(), value.into_bytes().into()));
        self.deliver(call, HttpCallResponse::received(headers.to_vec()).with_body(body.to_vec())).unwrap();
    }

    /// An answer comes, or its failure; the host knows whether the call is still open.
    pub fn deliver(&mut self, call: &Call, response: HttpCallResponse<'_>) -> Result<(), GuestError> {
        self.guest.enter_root().on_http_call_response(call.context, call.callout, response)
    }

    /// A whole exchange, a millisecond for each callback; answers what client and service saw of it.
    ///
    /// # Panics
    /// The filter traps.
    pub fn serve(&mut self, exchange: Exchange) -> Exchange {
        let (root, clock) = (self.root, Arc::clone(&self.clock));
        let (served, exchange) = self.guest.with(exchange, |scope| {
            let stream = scope.on_context_create(Some(root))?;
            scope.expect_stream_kind(stream, StreamKind::Http)?;
            request(scope, stream, &clock)?;
            response(scope, stream, &clock)?;
            scope.on_done(stream)?;
            scope.on_log(stream)?;
            scope.on_delete(stream)
        });
        served.unwrap();
        exchange
    }

    /// Single callbacks, in whatever order.
    pub fn with<T>(
        &mut self,
        exchange: Exchange,
        run: impl FnOnce(&mut CallScope<'_, Exchange>) -> T,
    ) -> (T, Exchange) {
        self.guest.with(exchange, run)
    }

    /// The root context with the filter's configuration.
    pub fn root(&self) -> ContextId {
        self.root
    }

    /// The host's view of the module.
    pub fn guest(&mut self) -> &mut Guest {
        &mut self.guest
    }

    /// What the filter logged.
    pub fn log(&self) -> Vec<String> {
        self.lines.all()
    }

    /// The names of the filter's metrics of one kind.
    pub fn metrics(&self, kind: MetricType) -> Vec<String> {
        self.counted.names(kind)
    }

    /// When the proxy began, in microseconds since 1970.
    pub fn began_us() -> u64 {
        BEGAN_US
    }
}

/// The request's callbacks. What is held comes again, whole, as the ABI has it.
fn request(
    scope: &mut CallScope<'_, Exchange>,
    stream: ContextId,
    clock: &TestClock,
) -> Result<(), GuestError> {
    let Message { headers, chunks, trailers } = scope.stream().request.clone();
    let end = scope.stream().request.ends_at_once();
    let mut action = scope.on_request_headers(stream, count(headers.len()), end)?;
    let last = chunks.len();
    for (number, chunk) in (1..).zip(chunks) {
        clock.pass(CALLBACK);
        let held = action == Action::Pause;
        let state = scope.stream_mut();
        state.held = held;
        state.chunk = if held { [state.chunk.as_slice(), &chunk].concat() } else { chunk };
        let (size, end) = (count(state.chunk.len()), number == last && trailers.is_empty());
        action = scope.on_request_body(stream, size, end)?;
    }
    if !trailers.is_empty() {
        scope.stream_mut().held = action == Action::Pause;
        action = scope.on_request_trailers(stream, count(trailers.len()))?;
    }
    scope.stream_mut().held = false;
    assert_eq!(action, Action::Continue, "held after its end");
    Ok(())
}

fn response(
    scope: &mut CallScope<'_, Exchange>,
    stream: ContextId,
    clock: &TestClock,
) -> Result<(), GuestError> {
    let Message { headers, chunks, trailers } = scope.stream().response.clone();
    let end = scope.stream().response.ends_at_once();
    clock.pass(CALLBACK);
    scope.on_response_headers(stream, count(headers.len()), end)?;
    let last = chunks.len();
    for (number, chunk) in (1..).zip(chunks) {
        clock.pass(CALLBACK);
        let (size, end) = (count(chunk.len()), number == last && trailers.is_empty());
        scope.stream_mut().chunk = chunk;
        scope.on_response_body(stream, size, end)?;
    }
    if !trailers.is_empty() {
        scope.on_response_trailers(stream, count(trailers.len()))?;
    }
    Ok(())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

struct Loaded {
    engine: Engine,
    host: Host,
    filter: Module,
}

/// Compiled once for all tests.
static LOADED: LazyLock<Loaded> = LazyLock::new(|| {
    let engine = Engine::new().unwrap();
    let filter = Module::new(&engine, &std::fs::read(module()).unwrap()).unwrap();
    Loaded { host: Host::new(&engine).unwrap(), engine, filter }
});

/// The same file that runs in Envoy, built if it is not up to date.
fn module() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["demo", "toolchain", "module"]).current_dir(root).stderr(Stdio::inherit());
    let built = build.output().unwrap();
    assert!(built.status.success(), "`cargo demo toolchain module` failed");
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
}

/// How long a callback takes.
const CALLBACK: Duration = Duration::from_millis(1);
/// For one call into the module: a loaded machine is no endless loop.
const PATIENCE: Duration = Duration::from_secs(120);
