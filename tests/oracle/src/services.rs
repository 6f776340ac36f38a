//! What the proxy does for the filter besides requests: it tells the time, makes calls, keeps a log, and counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proxy_wasm_host::abi::v0_2_1::types::{LogLevel, MetricType, Status};
use proxy_wasm_host::abi::v0_2_1::{
    Callback, CalloutId, Callouts, Clock, ContextId, HttpCall, HttpCallRefusal, InMemoryStore, Invocation,
    LogContext, LogSink, MetricId, SharedServices, SharedValue,
};

/// A call that the filter made.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// In which callback.
    pub from: Option<Callback>,
    /// To which cluster.
    pub cluster: String,
    /// Pseudo headers among them.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// May be empty.
    pub body: Vec<u8>,
    /// After which the host is to answer in the service's stead.
    pub timeout: Duration,
    pub(crate) context: ContextId,
    pub(crate) callout: CalloutId,
}

impl Call {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| value.as_slice())
    }
}

/// The calls that were not looked at yet.
#[derive(Debug, Default)]
pub(crate) struct Wire(Mutex<Vec<Call>>);

impl Wire {
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl Callouts for Wire {
    fn http_call(
        &self,
        call: Invocation,
        callout: CalloutId,
        request: HttpCall<'_>,
    ) -> Result<(), HttpCallRefusal> {
        let cluster = String::from_utf8_lossy(&request.upstream).into_owned();
        if cluster == UNKNOWN {
            return Err(HttpCallRefusal::UnknownUpstream);
        }
        let headers = request.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        lock(&self.0).push(Call {
            from: call.callback,
            cluster,
            headers,
            body: request.body.to_vec(),
            timeout: request.timeout,
            context: call.context,
            callout,
        });
        Ok(())
    }
}

/// The time since the proxy began, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn pass(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn realtime_nanos(&self) -> u64 {
        BEGAN_US * 1_000 + self.monotonic_nanos()
    }

    fn monotonic_nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The lines that the filter logged.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub(crate) fn all(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

impl LogSink for Lines {
    fn log(&self, _: LogContext<'_>, _: LogLevel, message: &[u8]) {
        lock(&self.0).push(String::from_utf8_lossy(message).into_owned());
    }
}

/// Counters, gauges, and what VMs share; which there are is remembered, since not every host has gauges.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    store: InMemoryStore,
    defined: Mutex<Vec<(MetricType, String, MetricId)>>,
}

impl Counted {
    /// The names of one kind.
    pub(crate) fn names(&self, kind: MetricType) -> Vec<String> {
        let defined = lock(&self.defined);
        defined.iter().filter(|(known, ..)| *known == kind).map(|(_, name, _)| name.clone()).collect()
    }
}

impl SharedServices for Counted {
    fn get_shared_data(&self, call: Invocation, vm_id: &[u8], key: &[u8]) -> Result<SharedValue, Status> {
        self.store.get_shared_data(call, vm_id, key)
    }

    fn set_shared_data(
        &self,
        call: Invocation,
        vm_id: &[u8],
        key: &[u8],
        value: &[u8],
        cas: Option<u32>,
    ) -> Result<(), Status> {
        self.store.set_shared_data(call, vm_id, key, value, cas)
    }

    fn define_metric(
        &self,
        call: Invocation,
        vm_id: &[u8],
        kind: MetricType,
        name: &[u8],
    ) -> Result<MetricId, Status> {
        let id = self.store.define_metric(call, vm_id, kind, name)?;
        lock(&self.defined).push((kind, String::from_utf8_lossy(name).into_owned(), id));
        Ok(id)
    }

    fn record_metric(&self, call: Invocation, metric: MetricId, value: u64) -> Result<(), Status> {
        self.store.record_metric(call, metric, value)
    }

    fn increment_metric(&self, call: Invocation, metric: MetricId, delta: i64) -> Result<(), Status> {
        self.store.increment_metric(call, metric, delta)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cluster that the proxy does not have.
const UNKNOWN: &str = "nowhere";
/// When the proxy began: 2026-01-01, in microseconds since 1970.
pub(crate) const BEGAN_US: u64 = 1_767_225_600_000_000;
