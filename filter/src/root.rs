//! One instance of the filter on one worker: its configuration, its clock, and the calls that it makes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use antumbra_exchange::{Call, CallId, Gate, Incident, Mirroring, Now, Settings};
use antumbra_observation::{ExchangeId, Instance};
use antumbra_policy::Policy;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::host::{self, Buffer, Level};
use crate::metrics::Metrics;
use crate::stream::Stream;

/// A root context.
pub(crate) struct Root {
    id: u32,
    instance: Option<Rc<FilterInstance>>,
    /// Since when the host wants it to end.
    draining: Option<Duration>,
}

/// What a root context shares with its streams. Borrows are short and never span a host call that could come back here.
pub(crate) struct FilterInstance {
    mirroring: RefCell<Mirroring>,
    /// What streams hand to the root, which alone makes calls.
    queue: RefCell<Vec<Incident>>,
    calls: RefCell<BTreeMap<u32, CallId>>,
    metrics: RefCell<Metrics>,
    generation: Cell<Option<u64>>,
    /// The root context is there: to wake one that is not would trap.
    rooted: Cell<bool>,
}

thread_local! {
    /// The last policy of each release that this VM ran, for the next root context of the same release.
    static LAST: RefCell<BTreeMap<String, Arc<Policy>>> = const { RefCell::new(BTreeMap::new()) };
}

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self { id, instance: None, draining: None }
    }

    fn drive(&self, incident: Incident) {
        if let Some(instance) = &self.instance {
            instance.drive(incident);
        }
    }

    /// Parts with the instance; what is still out is counted as lost.
    fn part(&mut self) {
        if let Some(instance) = self.instance.take() {
            instance.note(Incident::Abandon);
            instance.rooted.set(false);
        }
    }

    /// Ends a draining root when nothing is left, or when the slowest call must be over.
    fn end_if_drained(&mut self) {
        let (Some(since), Some(instance)) = (self.draining, &self.instance) else { return };
        let late = host::now().monotonic.saturating_sub(since) >= LONGEST_DRAIN;
        if !late && !instance.is_idle() {
            return;
        }
        instance.drive(Incident::Abandon);
        instance.publish();
        self.draining = None;
        host::set_tick(0);
        host::done();
    }
}

/// Streams may outlive their root on some hosts; they then find nobody to hand anything to.
impl Drop for Root {
    fn drop(&mut self) {
        self.part();
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, trailers: usize) {
        let Some(instance) = &self.instance else { return };
        if let Some(call) = instance.take_call(token) {
            instance.drive(Incident::Answered(call, host::answer(headers, body, trailers)));
        }
        self.end_if_drained();
    }

    fn on_done(&mut self) -> bool {
        self.drive(Incident::Drain);
        if let Some(instance) = &self.instance {
            instance.publish();
        }
        if self.instance.as_ref().is_none_or(|instance| instance.is_idle()) {
            return true;
        }
        self.draining = Some(host::now().monotonic);
        false
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let text = host::buffer(Buffer::PluginConfiguration, size).unwrap_or_default();
        match Settings::from_json(&text) {
            Ok(settings) => {
                self.part();
                self.instance = Some(Rc::new(FilterInstance::new(settings)));
                host::set_tick(TICK_MS);
                true
            }
            Err(invalid) => {
                for problem in &invalid.problems {
                    host::log(Level::Error, &format!("antumbra: plugin configuration: {problem}"));
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.drive(Incident::Tick);
        if let Some(instance) = &self.instance {
            instance.publish();
        }
        self.end_if_drained();
    }

    fn on_queue_ready(&mut self, _queue: u32) {
        let Some(instance) = &self.instance else { return };
        for incident in instance.take_queue() {
            instance.drive(incident);
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(self.id, self.instance.clone())))
    }
}

impl FilterInstance {
    fn new(settings: Settings) -> Self {
        let previous = LAST.with(|last| last.try_borrow().ok()?.get(&settings.release).cloned());
        let instance = Instance(u128::from(host::dice().0) << 64 | u128::from(host::dice().0));
        let metrics = Metrics::new(&settings.release);
        let mirroring = Mirroring::new(settings, instance, previous);
        Self {
            generation: Cell::new(mirroring.policy().and_then(|policy| policy.generation())),
            rooted: Cell::new(true),
            mirroring: RefCell::new(mirroring),
            queue: RefCell::default(),
            calls: RefCell::default(),
            metrics: RefCell::new(metrics),
        }
    }

    /// The policy in force.
    pub(crate) fn policy(&self) -> Option<Arc<Policy>> {
        self.mirroring.try_borrow().ok()?.policy().cloned()
    }

    /// Whether an exchange may be mirrored now.
    pub(crate) fn gate(&self, now: Now) -> Gate {
        self.mirroring.try_borrow().map_or(Gate::Closed("busy"), |mirroring| mirroring.gate(now))
    }

    /// A name for an exchange.
    pub(crate) fn exchange_id() -> ExchangeId {
        ExchangeId(u128::from(host::dice().0) << 64 | u128::from(host::dice().0))
    }

    /// Notes something that leads to no call and needs no time: every request comes by here, and each clock is a call to the host.
    pub(crate) fn note(&self, incident: Incident) {
        if let Ok(mut mirroring) = self.mirroring.try_borrow_mut() {
            mirroring.on(incident, Now::default(), &mut host::dice());
        }
    }

    /// Hands something over that the root acts on at once, as the root. From a stream's callback only.
    pub(crate) fn hand_over(&self, root: u32, incident: Incident) {
        if !self.rooted.get() {
            self.note(Incident::Passed("shutdown"));
            return;
        }
        if let Ok(mut queue) = self.queue.try_borrow_mut() {
            queue.push(incident);
        }
        host::wake(root);
    }

    fn take_queue(&self) -> Vec<Incident> {
        self.queue.try_borrow_mut().map(|mut queue| std::mem::take(&mut *queue)).unwrap_or_default()
    }

    fn take_call(&self, token: u32) -> Option<CallId> {
        self.calls.try_borrow_mut().ok()?.remove(&token)
    }

    fn is_idle(&self) -> bool {
        self.mirroring.try_borrow().is_ok_and(|mirroring| mirroring.is_idle())
    }

    /// Decides what follows and carries it out. Inside a callback of the root only.
    fn drive(&self, incident: Incident) {
        let mut calls = self.decide(incident);
        while !calls.is_empty() {
            calls = calls
                .iter()
                .filter(|call| !self.sent(call))
                .map(|call| call.id)
                .collect::<Vec<_>>()
                .into_iter()
                .flat_map(|id| self.decide(Incident::NotSent(id)))
                .collect();
        }
        self.report_policy();
    }

    fn decide(&self, incident: Incident) -> Vec<Call> {
        let Ok(mut mirroring) = self.mirroring.try_borrow_mut() else { return Vec::new() };
        mirroring.on(incident, host::now(), &mut host::dice())
    }

    fn sent(&self, call: &Call) -> bool {
        let token = host::dispatch(call);
        if let (Some(token), Ok(mut calls)) = (token, self.calls.try_borrow_mut()) {
            calls.insert(token, call.id);
        }
        token.is_some()
    }

    /// Logs trouble with the comparator and a policy that was refused, and remembers and logs one that is new.
    fn report_policy(&self) {
        let Ok(mut mirroring) = self.mirroring.try_borrow_mut() else { return };
        if let Some(notice) = mirroring.take_notice() {
            host::log(Level::Warn, &format!("antumbra: {}: {notice}", mirroring.release()));
        }
        for problem in mirroring.take_rejected().iter().flat_map(|invalid| &invalid.problems) {
            host::log(Level::Warn, &format!("antumbra: policy refused, the last good one stays: {problem}"));
        }
        let Some(policy) = mirroring.policy().filter(|policy| policy.generation() != self.generation.get())
        else {
            return;
        };
        self.generation.set(policy.generation());
        let generation = policy.generation().unwrap_or(0);
        host::log(Level::Info, &format!("antumbra: {} runs generation {generation}", mirroring.release()));
        LAST.with(|last| {
            if let Ok(mut last) = last.try_borrow_mut() {
                last.insert(mirroring.release().to_owned(), Arc::clone(policy));
            }
        });
    }

    fn publish(&self) {
        if let (Ok(mirroring), Ok(mut metrics)) = (self.mirroring.try_borrow(), self.metrics.try_borrow_mut())
        {
            metrics.publish(mirroring.accounts(), self.generation.get());
        }
    }
}

/// Milliseconds between ticks: batches are at most a tick later than they should.
const TICK_MS: u32 = 50;
/// No call of ours takes longer: the bound of a mirror's timeout is 60 s.
const LONGEST_DRAIN: Duration = Duration::from_secs(61);
