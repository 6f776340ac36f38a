//! Plugins: components that rewrite answers before they are compared, or judge them in the engine's place.
//!
//! They run where batches are decoded, not on the writer's thread, so a slow one stalls no commit; the engine gets what they made as
//! data. One that fails is never passed over in silence: the exchange is compared without it, all its answers alike, and counted.

mod exchange;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use antumbra_control::{Assigned, fingerprint};
use antumbra_engine::{Compared, Evidence, Outside, Rules, compare};
use antumbra_observation::Observation;
use antumbra_plugin::{BadPlugin, Component, Failure, Limits, Runtime};
use tokio::sync::Semaphore;

use crate::live::policies::Policies;
use crate::live::room::Reserved;

/// The plugins that this process was started with, by name.
#[derive(Clone, Default)]
pub struct Plugins {
    each: Arc<BTreeMap<String, Plugin>>,
    /// Bounds how many run at a time: each has memory of its own.
    places: Option<Arc<Semaphore>>,
}

struct Plugin {
    component: Box<dyn Component>,
    sha256: String,
}

/// An exchange as plugins left it.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    /// The generation of the policy that named the plugins.
    pub(crate) generation: u64,
    /// What is compared in place of the observation.
    pub(crate) rewritten: Option<Observation>,
    /// What else the engine is to know.
    pub(crate) outside: Outside,
}

impl Prepared {
    /// Compares an exchange as plugins left it, or as it came where none has to do with it.
    pub(crate) fn compare(
        prepared: Option<&Self>,
        observation: &Observation,
        rules: &Rules,
        known: &Evidence,
    ) -> Compared {
        match prepared {
            None => compare(observation, rules, &Outside::default(), known),
            Some(Self { rewritten, outside, .. }) => {
                compare(rewritten.as_ref().unwrap_or(observation), rules, outside, known)
            }
        }
    }
}

/// What became of a batch's observations, by their places in it. Those of releases without plugins are not there.
pub(crate) type Preparations = BTreeMap<usize, Prepared>;

impl Plugins {
    /// These, and one more out of a file, which `runtime` will run.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 16 MiB, or is not a component with one of the exports of `wit/plugin.wit`; or the
    /// runtime is [`antumbra_plugin::NoRuntime`].
    pub fn with_file(self, name: &str, file: &Path, runtime: &dyn Runtime) -> Result<Self, BadPlugin> {
        let bytes = std::fs::read(file).map_err(|error| BadPlugin(error.to_string()))?;
        self.with(name, &bytes, runtime)
    }

    fn with(self, name: &str, bytes: &[u8], runtime: &dyn Runtime) -> Result<Self, BadPlugin> {
        check(bytes).map_err(BadPlugin)?;
        let component = runtime.load(bytes, Limits::default())?;
        let sha256 = fingerprint::sha256(bytes);
        tracing::info!(
            plugin = name,
            %sha256,
            normalises = component.normalises(),
            judges = component.judges(),
            "a plugin is loaded"
        );
        let mut each = Arc::try_unwrap(self.each).unwrap_or_default();
        each.insert(name.to_owned(), Plugin { component, sha256 });
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self { each: Arc::new(each), places: Some(Arc::new(Semaphore::new(processors))) })
    }

    /// The places and names of those that a policy wants and that are not here.
    pub(crate) fn absent<'a>(&self, assigned: &'a Assigned) -> Vec<(usize, &'a str)> {
        assigned.absent(|name| self.each.contains_key(name))
    }

    /// The SHA-256 of each, by name.
    pub(crate) fn digests(&self) -> BTreeMap<String, String> {
        self.each.iter().map(|(name, plugin)| (name.clone(), plugin.sha256.clone())).collect()
    }

    /// Has a batch's plugins run, on a thread on which they may take their time. What they make has a part in the batch's share of the
    /// bytes in flight.
    pub(crate) async fn prepare_all(
        &self,
        policies: &Arc<Policies>,
        observations: Vec<Observation>,
        reserved: &mut Reserved,
    ) -> (Vec<Observation>, Preparations) {
        let concerned = |one: &Observation| {
            policies.get(&one.release).is_some_and(|version| !version.document.plugins().is_empty())
        };
        if !observations.iter().any(concerned) {
            return (observations, Preparations::new());
        }
        // The wait for a place is a part of it: a batch that waited for too long is compared without.
        let late = Instant::now() + BATCH_TIME;
        let place = match &self.places {
            Some(places) => Arc::clone(places).acquire_owned().await.ok(),
            None => None,
        };
        let (plugins, policies, unharmed) = (self.clone(), Arc::clone(policies), Arc::clone(policies));
        let observations = Arc::new(observations);
        let shared = Arc::clone(&observations);
        let mut made = reserved.beside();
        let running = tokio::task::spawn_blocking(move || {
            let _place = place;
            (plugins.prepare_each(&policies, &shared, Some(late), &mut made), made)
        });
        let prepared = match running.await {
            Ok((prepared, made)) => {
                reserved.join(made);
                prepared
            }
            Err(error) => {
                tracing::error!(%error, "the plugins of a batch ended unexpectedly");
                Self::default().prepare_each(&unharmed, &observations, None, &mut reserved.beside())
            }
        };
        (Arc::unwrap_or_clone(observations), prepared)
    }

    fn prepare_each(
        &self,
        policies: &Policies,
        observations: &[Observation],
        late: Option<Instant>,
        made: &mut Reserved,
    ) -> Preparations {
        let mut bytes = 0_usize;
        let prepare = |(index, observation): (usize, &Observation)| {
            let version = policies.get(&observation.release)?;
            let assigned = version.document.plugins();
            let prepared = self.prepare(version.document.rules(), assigned, observation, late);
            let size = prepared.size();
            let prepared = if size == 0 || made.grow(bytes.saturating_add(size)) {
                bytes = bytes.saturating_add(size);
                prepared
            } else {
                prepared.without_room()
            };
            let prepared = Prepared { generation: version.generation, ..prepared };
            (!assigned.is_empty()).then_some((index, prepared))
        };
        observations.iter().enumerate().filter_map(prepare).collect()
    }

    /// Has the plugins of the observation's endpoint run, in the policy's order. After `late` none runs any more.
    pub(crate) fn prepare(
        &self,
        rules: &Rules,
        assigned: &Assigned,
        observation: &Observation,
        late: Option<Instant>,
    ) -> Prepared {
        let mut prepared = Prepared::default();
        if assigned.is_empty() {
            return prepared;
        }
        let endpoint = rules.endpoint(&observation.request.method, &observation.request.path);
        for name in assigned.at(&endpoint) {
            let run = match self.each.get(name) {
                None => Err(Failure::Absent),
                Some(_) if late.is_some_and(|late| Instant::now() >= late) => Err(Failure::Late),
                Some(Plugin { component, .. }) => {
                    exchange::run(&**component, &endpoint, observation, &mut prepared)
                }
            };
            let failed = run.err().inspect(|failure| {
                tracing::debug!(
                    plugin = name,
                    endpoint,
                    reason = failure.reason(),
                    detail = failure.detail(),
                    "a plugin failed"
                );
            });
            prepared.outside.plugins.insert(name.to_owned(), failed.map(|failure| failure.reason()));
        }
        prepared
    }
}

impl Prepared {
    /// Bytes of what plugins made, apart from a few for each exchange.
    fn size(&self) -> usize {
        let findings = [&self.outside.candidate, &self.outside.control].into_iter().flatten().flatten();
        let found: usize = findings.map(exchange::finding_size).sum();
        found.saturating_add(self.rewritten.as_ref().map_or(0, exchange::size))
    }

    /// The exchange as it came: all its plugins count as failed.
    fn without_room(mut self) -> Self {
        let plugins = std::mem::take(&mut self.outside.plugins).into_iter();
        let room = Failure::Room.reason();
        let plugins = plugins.map(|(name, failed)| (name, Some(failed.unwrap_or(room)))).collect();
        Self { outside: Outside { plugins, ..Outside::default() }, ..Self::default() }
    }
}

fn check(bytes: &[u8]) -> Result<(), String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("has {} bytes, must have at most {MAX_BYTES}", bytes.len()));
    }
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', ..]) => Err(
            "is a core module, must be a component: `wasm-tools component new` makes one of it, see wit/README.md".to_owned(),
        ),
        _ => Err("is not WebAssembly, must be a component in binary form".to_owned()),
    }
}

/// Of a component's file.
const MAX_BYTES: usize = 16 << 20;
/// What all plugins together may take of one batch: its sender waits for the acknowledgement.
const BATCH_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod made_up;

#[cfg(test)]
mod tests {
    use super::*;
    use antumbra_plugin::NoRuntime;

    #[test]
    fn files_that_are_no_component() {
        let module = b"\0asm\x01\0\0\0";
        for (bytes, said) in [
            (&b""[..], "is not WebAssembly"),
            (b"(component)", "is not WebAssembly"),
            (module, "is a core module, must be a component"),
            (&vec![0; MAX_BYTES + 1], "must have at most 16777216"),
            (b"\0asm\x0d\0\x01\0", "cannot be run: this antumbra was built without plugins"),
        ] {
            let error = Plugins::default().with("p", bytes, &NoRuntime).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
