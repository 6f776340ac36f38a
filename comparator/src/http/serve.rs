//! The server: connections in, a bound on them, and an end that loses nothing.
//!
//! Served through hyper-util rather than `axum::serve`, which sets no timer: a few hundred connections that never finish
//! their headers would then stay open for ever.

use std::future::Future;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use antumbra_control::Document;
use antumbra_store::{Accounts, Audits, Store, StoreError};
use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use crate::aside::{Aside, Work};
use crate::http::app::{App, Run};
use crate::http::config::{Accepted, Config, Error, refuse_open, refused};
use crate::http::connection::connect;
use crate::http::guard::Guard;
use crate::http::places::Places;
use crate::http::readiness::Readiness;
use crate::http::reading;
use crate::http::router::router;
use crate::ingest::{Comparing, Decoding, Intake};
use crate::judge::Judge;
use crate::live::Live;
use crate::live::door::Connections;
use crate::live::metrics::Metrics;
use crate::live::room::Room;
use crate::plugins::Plugins;
use crate::shadows::targets::Targets;
use crate::writer::{self, ChangeError};

/// A server whose store is open and whose policies are in force.
pub struct Server {
    connections: Connections,
    writer: writer::Handle,
    thread: JoinHandle<()>,
    /// Ready when the thread ended, however it did.
    ended: oneshot::Receiver<()>,
    live: Live,
    targets: Targets,
    plugins: Plugins,
    audits: Audits,
    keep_examples: Duration,
}

/// Opens the store and serves until `shutdown` is ready and the last commit is done.
///
/// # Errors
/// See [`Error`].
pub async fn serve(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let accepted = config.accept(listener.local_addr()?)?;
    Server::open(accepted)?.run(listener, shutdown).await
}

impl Server {
    /// Opens the store and puts the policies in force.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(Accepted(config): Accepted) -> Result<Self, Error> {
        let store = Store::open_with(&config.data, config.audit_keys.clone())?;
        let unchecked = store.audits().unchecked;
        if unchecked > 0 {
            tracing::warn!(
                entries = unchecked,
                "the audits are keyed and no key was given: those entries are not checked, and what comes now is not keyed"
            );
        }
        let accounts = match store.accounts() {
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::error!(%error, "the accounts start at nothing");
                Accounts::default()
            }
            other => other?,
        };
        let live = Live::new(config.descriptors, accounts);
        live.tokens.restore(store.tokens()?, config.token.as_deref());
        let (writer, inbox) = writer::Handle::new(Arc::clone(&live.ledger));
        let mut thread =
            writer::Thread::new(store, live.clone(), &config.plugins, inbox, config.keep_examples)?;
        for document in config.policies {
            put(&mut thread, document)?;
        }
        thread.note_files()?;
        let (alive, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
            let _alive: oneshot::Sender<()> = alive;
            thread.run();
        })?;
        Ok(Self {
            connections: config.connections,
            writer,
            thread,
            ended,
            live,
            targets: config.targets,
            plugins: config.plugins,
            audits: Audits::beside(&config.data, config.audit_keys),
            keep_examples: config.keep_examples,
        })
    }

    /// Serves until `shutdown` is ready and the last commit is done.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let address = listener.local_addr()?;
        refuse_open(address, self.live.tokens.are_required())?;
        let Live { policies, registry, ledger, captures, kept, known, tokens, audited } = self.live;
        let batches = Arc::new(Aside::new(Work::Batches)?);
        let comparing = Comparing::new(Arc::clone(&batches), Arc::clone(&policies), known, Arc::clone(&kept));
        let intake = Arc::new(Intake {
            writer: self.writer,
            room: Room::new(),
            policies,
            registry,
            metrics: Metrics::new(),
            targets: self.targets,
            plugins: self.plugins,
            comparing,
            decoding: Decoding::new(batches),
        });
        let expiring = tokio::spawn(expire(Arc::clone(&intake), self.keep_examples));
        let aside = Arc::new(Aside::new(Work::Reports)?);
        let app = Arc::new(App {
            intake: Arc::clone(&intake),
            ledger,
            captures,
            kept,
            turn: Arc::default(),
            judge: Judge::new(Arc::clone(&aside), Arc::clone(&intake.policies)),
            audits: Arc::new(self.audits),
            audited,
            reads: Arc::default(),
            aside,
            guard: Guard::new(Arc::clone(&tokens), address.ip()),
            readiness: Readiness::default(),
            tokens,
            run: Run::new(),
        });
        let graceful = GracefulShutdown::new();
        let ended = self.ended;
        let shutdown = async {
            tokio::select! {
                () = shutdown => {}
                _ = ended => tracing::error!("the writer's thread ended; nothing can be stored"),
            }
        };
        let places = Places::new(self.connections, Arc::clone(&intake.metrics.door));
        let auditing = tokio::spawn(reading::audit(Arc::clone(&app)));
        accept(listener, &router(Arc::clone(&app)), &graceful, &places, shutdown).await;
        expiring.abort();
        app.captures.close();
        let mut graceful = std::pin::pin!(graceful.shutdown());
        if tokio::time::timeout(GRACE, graceful.as_mut()).await.is_err() {
            // What is still not compared is refused, so that its sender knows.
            intake.comparing.stop();
            let _ = tokio::time::timeout(LAST_ANSWERS, graceful).await;
        }
        intake.comparing.stop();
        auditing.abort();
        reading::audit_rest(&app).await;
        intake.registry.releases().into_iter().for_each(|release| intake.writer.keep(release));
        intake.writer.stop();
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if matches!(ended, Ok(Ok(()))) { Ok(()) } else { Err(Error::Writer) }
    }
}

/// Has the writer look now and then for what was kept too long.
async fn expire(intake: Arc<Intake>, keep: Duration) {
    let mut moments = tokio::time::interval((keep / 10).clamp(OFTEN, SELDOM));
    moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first is at once: nobody waits for it.
    moments.tick().await;
    loop {
        moments.tick().await;
        intake.writer.expire();
    }
}

/// How often it is looked for what was kept too long, at most and at least.
const OFTEN: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_secs(60);

fn put(thread: &mut writer::Thread, document: Document) -> Result<(), Error> {
    let name = document.name().to_owned();
    match thread.adopt(document) {
        Ok(()) => Ok(()),
        Err(ChangeError::Store(error)) => Err(error.into()),
        Err(ChangeError::Refused(refusal)) => Err(refused(name, refusal)),
    }
}

async fn accept(
    listener: TcpListener,
    router: &Router,
    graceful: &GracefulShutdown,
    places: &Arc<Places>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => return,
        };
        match accepted {
            // One that finds no place is closed at once: in the queue of the system it would wait without knowing.
            Ok((stream, peer)) => {
                if let Some(place) = places.enter(peer.ip()) {
                    connect(stream, peer, place, router.clone(), graceful);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(AFTER_FAILED_ACCEPT).await;
            }
        }
    }
}

/// For requests that are under way when the end comes: Kubernetes waits for 30 s, Docker for 10 s.
const GRACE: Duration = Duration::from_secs(6);
/// For the answers to those that are refused then.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;

    use antumbra_control::audit::Keys;
    use antumbra_control::token::{Deed, Digest};
    use antumbra_control::{Role, Scope, Token};

    use super::*;
    use crate::Descriptors;
    use crate::http::config::KEEP_EXAMPLES;

    fn config(dir: &Path, token: Option<&str>) -> Config {
        Config {
            data: dir.join("a.db"),
            audit_keys: Keys::default(),
            policies: Vec::new(),
            token: token.map(str::to_owned),
            connections: Connections::default(),
            targets: Targets::default(),
            descriptors: Descriptors::default(),
            plugins: Plugins::default(),
            keep_examples: KEEP_EXAMPLES,
        }
    }

    #[test]
    fn others_are_served_only_if_there_is_a_token() {
        let anywhere = SocketAddr::from(([0, 0, 0, 0], 7_400));
        let here = SocketAddr::from(([127, 0, 0, 1], 7_400));
        let refused = |dir: &Path, token, address| match config(dir, token).accept(address) {
            // Whoever opens it leaves a database.
            Ok(accepted) => Server::open(accepted).is_err(),
            Err(_) => true,
        };
        let dir = tempfile::tempdir().unwrap();
        assert!(refused(dir.path(), None, anywhere) && !refused(dir.path(), None, here));
        assert!(!refused(dir.path(), Some("correct-horse-battery"), anywhere));
        assert!(refused(dir.path(), None, anywhere), "the token of a file is not stored");
        let mut store = Store::open(&dir.path().join("a.db")).unwrap();
        let ended = Token {
            name: "root".to_owned(),
            digest: Digest([0; 32]),
            role: Role::Admin,
            scope: Scope::All,
            created: Deed { at_ms: 1, by: "ana".to_owned() },
            expires_ms: Some(2),
            revoked: None,
        };
        store.transaction(|writing| writing.put_token(&ended)).unwrap();
        drop(store);
        assert!(!refused(dir.path(), None, anywhere), "whoever comes is asked for a token");
    }

    #[tokio::test]
    async fn a_server_without_its_writer_ends() {
        let dir = tempfile::tempdir().unwrap();
        let here = SocketAddr::from(([127, 0, 0, 1], 7_400));
        let mut server = Server::open(config(dir.path(), None).accept(here).unwrap()).unwrap();
        let (alive, ended) = oneshot::channel::<()>();
        server.ended = ended;
        server.thread = std::thread::spawn(move || {
            let _alive = alive;
            panic!("on purpose");
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let run = server.run(listener, std::future::pending());
        let outcome = tokio::time::timeout(Duration::from_secs(20), run).await;
        assert!(matches!(outcome, Ok(Err(Error::Writer))), "{outcome:?}");
    }
}
