//! A root context as the host calls it back: it is configured, its clock ticks, and it ends.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use antumbra_exchange::{Answer, CallId, Host, Incident, Settings};

use crate::host::{self, Buffer, Level};
use crate::instance::FilterInstance;

/// A root context.
pub(crate) struct Root {
    id: u32,
    instance: RefCell<Option<Rc<FilterInstance>>>,
    /// The host was asked for ticks. Some hosts trap if they are asked again.
    ticking: Cell<bool>,
    /// Since when the host wants it to end.
    draining: Cell<Option<Duration>>,
}

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self { id, instance: RefCell::default(), ticking: Cell::default(), draining: Cell::default() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// What its streams share with it; none before the root is configured.
    pub(crate) fn instance(&self) -> Option<Rc<FilterInstance>> {
        self.instance.try_borrow().ok()?.clone()
    }

    /// Whether the plugin configuration of `size` bytes could be read; if not, all stays as it is.
    pub(crate) fn configure(&self, size: usize) -> bool {
        let text = host::buffer(Buffer::PluginConfiguration, size).unwrap_or_default();
        match Settings::from_json(&text) {
            Ok(settings) => {
                let tick = if settings.host == Host::Envoy { TICK_MS } else { SHORT_TICK_MS };
                self.replace(Some(Rc::new(FilterInstance::new(settings))));
                if !self.ticking.replace(true) {
                    host::set_tick(tick);
                }
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

    pub(crate) fn tick(&self) {
        if let Some(instance) = self.instance() {
            instance.confer();
            instance.drive(Incident::Tick);
            instance.publish();
        }
    }

    /// It ends: no more ticks, which elsewhere than in Envoy the host has to know by itself.
    pub(crate) fn stop_ticking(&self) {
        if self.instance().is_some_and(|instance| instance.host() == Host::Envoy) {
            host::set_tick(0);
        }
    }

    /// Whose token this is, if it is one of this root's.
    pub(crate) fn take_call(&self, token: u32) -> Option<CallId> {
        self.instance()?.take_call(token)
    }

    pub(crate) fn answered(&self, call: CallId, answer: Answer) {
        if let Some(instance) = self.instance() {
            instance.drive(Incident::Answered(call, answer));
        }
    }

    /// The host wants it to end. True if nothing is left to do; if not, [`Self::is_drained`] says when.
    pub(crate) fn done(&self) -> bool {
        let Some(instance) = self.instance() else { return true };
        instance.drive(Incident::Drain);
        instance.confer();
        instance.publish();
        if !instance.is_idle() {
            self.draining.set(Some(host::monotonic()));
        }
        self.draining.get().is_none()
    }

    /// Whether the host waits for its end and nothing is left, or the slowest call must be over.
    pub(crate) fn is_drained(&self) -> bool {
        let (Some(since), Some(instance)) = (self.draining.get(), self.instance()) else { return false };
        let late = host::monotonic().saturating_sub(since) >= LONGEST_DRAIN;
        if !late && !instance.is_idle() {
            return false;
        }
        instance.drive(Incident::Abandon);
        instance.publish();
        true
    }

    /// Parts with the instance; what is still out is counted as lost.
    fn replace(&self, by: Option<Rc<FilterInstance>>) {
        let parted = self
            .instance
            .try_borrow_mut()
            .ok()
            .and_then(|mut instance| std::mem::replace(&mut *instance, by));
        if let Some(instance) = parted {
            instance.lose_root();
        }
    }
}

/// Streams may outlive their root on some hosts; they then find nobody who could make a call.
impl Drop for Root {
    fn drop(&mut self) {
        self.replace(None);
    }
}

/// Milliseconds between ticks: batches are at most a tick later than they should.
const TICK_MS: u32 = 50;
/// The same where shadows wait for the tick too.
const SHORT_TICK_MS: u32 = 10;
/// No call of ours takes longer: a mirror's timeout is 60 s at most, and so is that of calls to the comparator, which may have to wait for
/// the former.
const LONGEST_DRAIN: Duration = Duration::from_secs(121);
