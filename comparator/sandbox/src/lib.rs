//! The one door to wasmtime: a component that may compute, and nothing else, within bounds.
//!
//! Each call has a store of its own, so that no call finds what an earlier one left, and a broken one breaks nothing after it. Fuel
//! is the bound that is met first and always at the same place; time only guards against what fuel does not count.

use std::sync::OnceLock;
use std::time::Duration;

use antumbra_engine::{Finding, Kind as Difference};
use antumbra_observation::Bytes;
use antumbra_plugin::{Answer, BadPlugin, Failure, Limits, Rewritten, Runtime};
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, ComponentType, InstancePre, Lift, Linker, Lower,
    TypedFunc,
};
use wasmtime::{Config, Engine, ResourceLimiter, Store, Trap};

/// The runtime of plugins. It starts with the first plugin that is loaded, and with it a thread that is its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wasmtime;

impl Runtime for Wasmtime {
    fn load(&self, bytes: &[u8], limits: Limits) -> Result<Box<dyn antumbra_plugin::Component>, BadPlugin> {
        match Sandbox::load(bytes, limits) {
            Ok(sandbox) => Ok(Box::new(sandbox)),
            Err(why) => Err(BadPlugin(why)),
        }
    }
}

/// A component, compiled and known to have the exports that it says.
struct Sandbox {
    component: InstancePre<Guest>,
    normalise: Option<ComponentExportIndex>,
    judge: Option<ComponentExportIndex>,
    limits: Limits,
}

impl Sandbox {
    /// Why these bytes are no plugin is the error.
    fn load(bytes: &[u8], limits: Limits) -> Result<Self, String> {
        let engine = engine()?;
        let component =
            Component::from_binary(engine, bytes).map_err(|error| format!("is no component: {error:#}"))?;
        let mut linker = Linker::new(engine);
        let linked = linker
            .define_unknown_imports_as_traps(&component)
            .and_then(|()| linker.instantiate_pre(&component));
        let linked = linked.map_err(|error| format!("cannot be linked: {error:#}"))?;
        let export = |interface: &str, function: &str| {
            let interface = component.get_export_index(None, interface)?;
            component.get_export_index(Some(&interface), function)
        };
        let (normalise, judge) = (export(NORMALISER, "normalise"), export(JUDGE, "judge"));
        if normalise.is_none() && judge.is_none() {
            return Err(format!("exports neither {NORMALISER} nor {JUDGE}{}", exported(&component, engine)));
        }
        let sandbox = Self { component: linked, normalise, judge, limits };
        sandbox.try_exports()?;
        Ok(sandbox)
    }

    fn call<P, R>(&self, export: &ComponentExportIndex, parameters: P, given: usize) -> Result<R, Failure>
    where
        P: ComponentNamedList + Lower,
        R: 'static,
        (R,): ComponentNamedList + Lift,
    {
        let mut store = self.store(given).map_err(|error| Failure::Trap(format!("{error:#}")))?;
        let called = self
            .function::<P, (R,)>(&mut store, export)
            .and_then(|function| function.call(&mut store, parameters));
        called.map(|(result,)| result).map_err(|error| failure(&error, store.data()))
    }

    fn function<P, R>(
        &self,
        store: &mut Store<Guest>,
        export: &ComponentExportIndex,
    ) -> wasmtime::Result<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let instance = self.component.instantiate(&mut *store)?;
        instance.get_typed_func(store, export)
    }

    fn store(&self, given: usize) -> wasmtime::Result<Store<Guest>> {
        let Limits { fuel, memory, time, .. } = self.limits;
        let mut store =
            Store::new(engine().map_err(wasmtime::Error::msg)?, Guest { left: memory, over: false });
        store.limiter(|guest| guest);
        store.set_fuel(fuel.saturating_add(self.limits.fuel_per_byte.saturating_mul(given as u64)))?;
        store.set_epoch_deadline(
            u64::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).max(1),
        );
        store.set_hostcall_fuel(Limits::output(given).saturating_mul(LIFTED));
        Ok(store)
    }

    /// That the exports have the types of the interface is seen only on an instance.
    fn try_exports(&self) -> Result<(), String> {
        let mut store = self.store(0).map_err(|error| format!("{error:#}"))?;
        let wrong = |interface: &str, error: &wasmtime::Error| {
            format!("{interface} is not as antumbra has it: {error:#}")
        };
        let instance = self.component.instantiate(&mut store);
        let instance = instance
            .map_err(|error| format!("does not start: {}", failure(&error, store.data()).detail()))?;
        if let Some(export) = &self.normalise {
            let function = instance.get_typed_func::<(&str, Given<'_>), (Normalised,)>(&mut store, export);
            function.map_err(|error| wrong(NORMALISER, &error))?;
        }
        if let Some(export) = &self.judge {
            let function =
                instance.get_typed_func::<(&str, Given<'_>, Given<'_>), (Judged,)>(&mut store, export);
            function.map_err(|error| wrong(JUDGE, &error))?;
        }
        Ok(())
    }
}

impl antumbra_plugin::Component for Sandbox {
    fn normalises(&self) -> bool {
        self.normalise.is_some()
    }

    fn judges(&self) -> bool {
        self.judge.is_some()
    }

    fn normalise(&self, endpoint: &str, answer: Answer<'_>) -> Result<Option<Rewritten>, Failure> {
        let Some(export) = &self.normalise else { return Ok(None) };
        let given = answer.size();
        let normalised: Normalised = self.call(export, (endpoint, Given::from(answer)), given)?;
        normalised.map(|rewritten| rewritten.map(Into::into)).map_err(Failure::Refused)
    }

    fn judge(
        &self,
        endpoint: &str,
        primary: Answer<'_>,
        other: Answer<'_>,
    ) -> Result<Option<Vec<Finding>>, Failure> {
        let Some(export) = &self.judge else { return Ok(None) };
        let given = primary.size().saturating_add(other.size());
        let judged: Judged =
            self.call(export, (endpoint, Given::from(primary), Given::from(other)), given)?;
        judged.map(|found| Some(found.into_iter().map(Into::into).collect())).map_err(Failure::Refused)
    }
}

/// What a component has taken of what it may.
struct Guest {
    /// Bytes that its memories and tables may still grow by.
    left: usize,
    /// It wanted more.
    over: bool,
}

impl Guest {
    /// An error rather than a refusal: what a component does after a refusal is not worth its fuel.
    fn grow(&mut self, current: usize, desired: usize, each: usize) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current).saturating_mul(each);
        match self.left.checked_sub(more) {
            Some(left) => self.left = left,
            None => {
                self.over = true;
                return Err(wasmtime::Error::msg("wants more memory than it may have"));
            }
        }
        Ok(true)
    }
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(current, desired, 1)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(current, desired, size_of::<usize>())
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}

fn failure(error: &wasmtime::Error, guest: &Guest) -> Failure {
    let detail = format!("{error:#}");
    match error.downcast_ref::<Trap>() {
        _ if guest.over => Failure::Memory,
        Some(Trap::OutOfFuel) => Failure::Fuel,
        Some(Trap::Interrupt) => Failure::Time,
        Some(_) => Failure::Trap(detail),
        None if detail.contains("unknown import") => Failure::Trap(detail),
        // What is left happens while the result is read: no text, no such case, too much.
        None => Failure::Output(detail),
    }
}

/// What a component exports instead, for somebody who took the wrong file.
fn exported(component: &Component, engine: &Engine) -> String {
    let named = component.component_type();
    let names: Vec<String> = named.exports(engine).take(8).map(|(name, _)| name.to_owned()).collect();
    if names.is_empty() { String::new() } else { format!(", but {}", names.join(", ")) }
}

/// One for all components: its code and its clock are shared.
fn engine() -> Result<&'static Engine, String> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    ENGINE.get_or_init(started).as_ref().map_err(Clone::clone)
}

fn started() -> Result<Engine, String> {
    let mut config = Config::new();
    config.consume_fuel(true).epoch_interruption(true).wasm_component_model(true);
    let engine = Engine::new(&config).map_err(|error| format!("wasmtime does not start: {error:#}"))?;
    let clock = engine.clone();
    let tick = move || loop {
        std::thread::sleep(TICK);
        clock.increment_epoch();
    };
    let thread = std::thread::Builder::new().name("plugin-clock".to_owned()).spawn(tick);
    thread.map_err(|error| format!("the clock of the plugins does not start: {error}"))?;
    Ok(engine)
}

type Normalised = Result<Option<New>, String>;
type Judged = Result<Vec<Found>, String>;

#[derive(ComponentType, Lower)]
#[component(record)]
struct Given<'a> {
    status: u16,
    headers: Vec<GivenField<'a>>,
    body: &'a [u8],
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct GivenField<'a> {
    name: String,
    value: &'a [u8],
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct New {
    headers: Vec<Field>,
    body: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Field {
    name: String,
    value: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Found {
    path: String,
    kind: Kind,
    primary: String,
    other: String,
}

#[derive(Clone, Copy, ComponentType, Lift)]
#[expect(dead_code, reason = "wasmtime makes them from their numbers")]
#[component(enum)]
#[repr(u8)]
enum Kind {
    #[component(name = "value")]
    Value,
    #[component(name = "type")]
    Type,
    #[component(name = "missing")]
    Missing,
    #[component(name = "extra")]
    Extra,
    #[component(name = "order")]
    Order,
    #[component(name = "length")]
    Length,
}

impl<'a> From<Answer<'a>> for Given<'a> {
    fn from(answer: Answer<'a>) -> Self {
        let field =
            |(name, value): &'a (Bytes, Bytes)| GivenField { name: name.to_text().into_owned(), value };
        Self { status: answer.status, headers: answer.headers.iter().map(field).collect(), body: answer.body }
    }
}

impl From<New> for Rewritten {
    fn from(New { headers, body }: New) -> Self {
        let headers =
            headers.into_iter().map(|field| (field.name.into_bytes().into(), field.value.into())).collect();
        Self { headers, body }
    }
}

impl From<Found> for Finding {
    fn from(Found { path, kind, primary, other }: Found) -> Self {
        let kind = match kind {
            Kind::Value => Difference::Value,
            Kind::Type => Difference::Type,
            Kind::Missing => Difference::Missing,
            Kind::Extra => Difference::Extra,
            Kind::Order => Difference::Order,
            Kind::Length => Difference::Length,
        };
        Self { path, kind, primary, other }
    }
}

const NORMALISER: &str = "antumbra:plugin/normaliser@0.1.0";
const JUDGE: &str = "antumbra:plugin/judge@0.1.0";
/// The grain of the bound on time.
const TICK: Duration = Duration::from_millis(10);
/// Instances, tables and memories of one component.
const MAX_PARTS: usize = 64;
/// A list's elements take more in our memory than in what they say.
const LIFTED: usize = 4;
