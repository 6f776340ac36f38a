//! One instance of the filter on one worker: what a root context shares with its streams, and the calls that it makes.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use antumbra_exchange::{
    Call, CallId, Capture, Decisions, Host, Incident, Mirroring, Now, Settings, refused,
};
use antumbra_observation::{ExchangeId, Instance, NotMirrored, Unsent, node_name};
use antumbra_policy::{Decision, Policy, Secrets, Variant};

use crate::host::{self, Level};
use crate::metrics::Metrics;
use crate::shared;

/// What a root context shares with its streams. Borrows are short and never span a host call that could come back here.
pub(crate) struct FilterInstance {
    mirroring: RefCell<Mirroring>,
    /// What is out, by the host's tokens.
    calls: RefCell<Vec<(u32, CallId)>>,
    decisions: RefCell<Decisions>,
    metrics: RefCell<Metrics>,
    generation: Cell<Option<u64>>,
    host: Host,
    /// For [`Last`].
    secrets: Secrets,
    bodies: Cell<Bodies>,
    /// The root context is there; calls need one.
    rooted: Cell<bool>,
}

/// The last policy of a release that this VM ran, and the keys that it was bound to.
struct Last {
    release: String,
    policy: Arc<Policy>,
    secrets: Secrets,
}

/// Whether the host shows the bodies of held requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bodies {
    /// So many were waited for in vain.
    Unknown(u8),
    Shown,
    /// It seems not, so none is waited for until then.
    NotShown(Duration),
}

thread_local! {
    /// For the next root context of the same release.
    static LAST: RefCell<Vec<Last>> = const { RefCell::new(Vec::new()) };
}

impl FilterInstance {
    /// An instance that begins, with the last policy of its release if this VM ran one.
    pub(crate) fn new(settings: Settings) -> Self {
        let previous = LAST.with(|last| {
            let last = last.try_borrow().ok()?;
            let same = |last: &&Last| last.release == settings.release && last.secrets == settings.secrets;
            last.iter().find(same).map(|last| Arc::clone(&last.policy))
        });
        let secrets = settings.secrets.clone();
        let instance = Instance(u128::from(host::dice().0) << 64 | u128::from(host::dice().0));
        let metrics = Metrics::new(&settings.release, settings.host == Host::Envoy);
        // Asked once: other hosts than Envoy name no node, and some fall over properties that they do not know.
        let named = settings.host == Host::Envoy && settings.comparator.is_some();
        let asked = || host::property(&["xds", "node", "id"]).or_else(|| host::property(&["node", "id"]));
        let node = named.then(asked).flatten();
        let mut mirroring = Mirroring::new(settings, instance, previous);
        mirroring.runs_in(node.and_then(|node| node_name(&node)));
        Self {
            generation: Cell::new(mirroring.policy().and_then(|policy| policy.generation())),
            host: mirroring.host(),
            secrets,
            bodies: Cell::new(Bodies::Unknown(0)),
            rooted: Cell::new(true),
            mirroring: RefCell::new(mirroring),
            calls: RefCell::default(),
            decisions: RefCell::default(),
            metrics: RefCell::new(metrics),
        }
    }

    /// What the proxy is.
    pub(crate) fn host(&self) -> Host {
        self.host
    }

    /// The policy in force.
    pub(crate) fn policy(&self) -> Option<Arc<Policy>> {
        self.mirroring.try_borrow().ok()?.policy().cloned()
    }

    /// Whether a request may be held until its body is there.
    pub(crate) fn awaits_bodies(&self) -> bool {
        let shown = match self.bodies.get() {
            Bodies::NotShown(again) => host::monotonic() >= again,
            Bodies::Unknown(_) | Bodies::Shown => true,
        };
        shown && self.mirroring.try_borrow().is_ok_and(|mirroring| mirroring.awaits_bodies())
    }

    /// A held request's body came, or nothing of it came in time. A host that seems to show none is not waited for in a while.
    pub(crate) fn body_came(&self, came: bool) {
        let bodies = match (self.bodies.get(), came) {
            (_, true) => Bodies::Shown,
            (Bodies::NotShown(_), false) => Bodies::NotShown(host::monotonic().saturating_add(NEXT_TRY)),
            (Bodies::Unknown(missed), false) if missed >= MAX_MISSED => {
                host::log(
                    Level::Warn,
                    "antumbra: the host shows no body of a held request, so rules see none: does the proxy set \
                     allow_on_headers_stop_iteration?",
                );
                Bodies::NotShown(host::monotonic().saturating_add(NEXT_TRY))
            }
            (Bodies::Unknown(missed), false) => Bodies::Unknown(missed.saturating_add(1)),
            (Bodies::Shown, false) => Bodies::Shown,
        };
        self.bodies.set(bodies);
    }

    /// Takes a place and bytes for an exchange that is to be recorded; or why not.
    pub(crate) fn admit(&self, bytes: usize, now: Now) -> Result<(), NotMirrored> {
        self.mirroring.try_borrow_mut().map_err(|_| NotMirrored::Busy)?.admit(bytes, now)
    }

    /// A name for an exchange.
    pub(crate) fn exchange_id() -> ExchangeId {
        ExchangeId(u128::from(host::dice().0) << 64 | u128::from(host::dice().0))
    }

    /// Whether the filter does anything at all.
    pub(crate) fn is_enabled(&self) -> bool {
        self.mirroring.try_borrow().is_ok_and(|mirroring| mirroring.is_enabled())
    }

    /// Counts a decision.
    pub(crate) fn decided(&self, policy: &Arc<Policy>, decision: &Decision<'_>) {
        if let Ok(mut decisions) = self.decisions.try_borrow_mut() {
            decisions.count(policy, decision);
        }
    }

    /// Whether to look where a request that got this variant went.
    pub(crate) fn wants_route(&self, policy: &Policy, variant: &Variant) -> bool {
        self.host == Host::Envoy
            && self.mirroring.try_borrow().is_ok_and(|mirroring| mirroring.wants_route(policy, variant))
    }

    /// A request that got this variant went to `cluster`, if the host says so.
    pub(crate) fn routed(&self, policy: &Policy, variant: &Variant, cluster: Option<&[u8]>) {
        if let Ok(mut mirroring) = self.mirroring.try_borrow_mut() {
            mirroring.routed(policy, variant, cluster);
        }
    }

    /// Notes something that leads to no call and needs no time: every request comes by here, and each clock is a call to the host.
    pub(crate) fn note(&self, incident: Incident) {
        if let Ok(mut mirroring) = self.mirroring.try_borrow_mut() {
            mirroring.on(incident, Now::default(), &mut host::dice());
        }
    }

    /// An exchange is complete: its shadows leave now.
    pub(crate) fn captured(&self, capture: Box<Capture>) {
        if self.rooted.get() {
            self.drive(Incident::Captured(capture));
        } else {
            self.note(Incident::Passed(NotMirrored::Shutdown.into()));
        }
    }

    /// Its root context has gone: what is still out is lost, and no call can be made any more.
    pub(crate) fn lose_root(&self) {
        self.note(Incident::Abandon);
        self.publish();
        self.rooted.set(false);
    }

    /// What the host's token stands for, if this instance made that call.
    pub(crate) fn take_call(&self, token: u32) -> Option<CallId> {
        let mut calls = self.calls.try_borrow_mut().ok()?;
        let place = calls.iter().position(|(known, _)| *known == token)?;
        Some(calls.swap_remove(place).1)
    }

    /// Looks at what the instances of this proxy share.
    pub(crate) fn confer(&self) {
        if let Ok(mut mirroring) = self.mirroring.try_borrow_mut() {
            shared::confer(&mut mirroring);
        }
    }

    /// Whether nothing is out and nothing is left to send.
    pub(crate) fn is_idle(&self) -> bool {
        self.mirroring.try_borrow().is_ok_and(|mirroring| mirroring.is_idle())
    }

    /// Decides what follows and carries it out.
    pub(crate) fn drive(&self, incident: Incident) {
        let mut calls = self.decide(incident);
        while !calls.is_empty() {
            calls = calls
                .iter()
                .filter_map(|call| Some(Incident::NotSent(call.id, self.send(call).err()?)))
                .collect::<Vec<_>>()
                .into_iter()
                .flat_map(|unsent| self.decide(unsent))
                .collect();
        }
        self.report_policy();
    }

    fn decide(&self, incident: Incident) -> Vec<Call> {
        let Ok(mut mirroring) = self.mirroring.try_borrow_mut() else { return Vec::new() };
        mirroring.on(incident, host::now(), &mut host::dice())
    }

    fn send(&self, call: &Call) -> Result<(), Unsent> {
        let fields = call.headers.len().max(call.trailers.len());
        self.leaves(call.id);
        let token = host::dispatch(call).map_err(|status| refused(status, fields))?;
        if let Ok(mut calls) = self.calls.try_borrow_mut() {
            calls.push((token, call.id));
        }
        Ok(())
    }

    /// Reads the clock once more for each shadow: candidate and control leave one after the other, and what the first takes belongs to no
    /// latency of the second.
    fn leaves(&self, id: CallId) {
        if let (CallId::Shadow(..), Ok(mut mirroring)) = (id, self.mirroring.try_borrow_mut()) {
            mirroring.leaves(id, host::now());
        }
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
        if policy.reads_bodies() && !mirroring.awaits_bodies() {
            host::log(
                Level::Warn,
                "antumbra: the policy has rules about bodies, which see none: the plugin configuration lacks \"bodies\": true",
            );
        }
        let generation = policy.generation().unwrap_or(0);
        host::log(Level::Info, &format!("antumbra: {} runs generation {generation}", mirroring.release()));
        LAST.with(|last| {
            if let Ok(mut last) = last.try_borrow_mut() {
                last.retain(|last| last.release != mirroring.release());
                let (release, secrets) = (mirroring.release().to_owned(), self.secrets.clone());
                last.push(Last { release, policy: Arc::clone(policy), secrets });
            }
        });
    }

    /// Brings the host's metrics to what was counted.
    pub(crate) fn publish(&self) {
        if let (Ok(mirroring), Ok(mut metrics)) = (self.mirroring.try_borrow(), self.metrics.try_borrow_mut())
        {
            metrics.publish(mirroring.accounts(), self.generation.get());
            metrics.raise("policies_refused", mirroring.refusals());
            if let Ok(decisions) = self.decisions.try_borrow() {
                metrics.publish_decisions(decisions.counts());
            }
        }
    }
}

/// Held requests without a body before the one after which the host seems to show none.
const MAX_MISSED: u8 = 2;
/// Until a request is held again on a host that seemed to show no bodies: it may have been three clients that sent none.
const NEXT_TRY: Duration = Duration::from_secs(60);
