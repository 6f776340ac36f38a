//! The server: connections in, a bound on them, and an end that loses nothing.
//!
//! Served through hyper-util rather than `axum::serve`, which sets no timer: a few hundred connections that never finish
//! their headers would then stay open for ever.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use antumbra_control::Document;
use antumbra_control::audit::Keys;
use antumbra_control::refusal::Refusal;
use antumbra_policy::document::Invalid;
use antumbra_store::{Accounts, Audits, Store, StoreError};
use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use crate::aside::Aside;
use crate::descriptors::Descriptors;
use crate::http::app::{App, Run};
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

/// What a server needs to know.
pub struct Config {
    /// The database file; made if it is not there.
    pub data: PathBuf,
    /// By which the audits are keyed; the first one keys what is written.
    pub audit_keys: Keys,
    /// Policies to put in force where they differ from what is stored.
    pub policies: Vec<Document>,
    /// The secret of an administrator's token that is not stored. Without it and without stored tokens only a loopback address is
    /// served, and everybody there may do everything.
    pub token: Option<String>,
    /// Connections that may be open at a time.
    pub connections: Connections,
    /// The services to ask where a mirror leaves that to the comparator.
    pub targets: Targets,
    /// By which the messages of gRPC answers are compared field by field.
    pub descriptors: Descriptors,
    /// What policies may name under `compare.plugins`.
    pub plugins: Plugins,
    /// How long values of answers are kept: examples in reports, exchanges to try rules on, and what could not be read and was set aside.
    pub keep_examples: Duration,
}

/// How long values of answers are kept unless somebody says otherwise: a release seldom takes longer.
pub const KEEP_EXAMPLES: Duration = Duration::from_secs(7 * 86_400);

/// Why a server does not start, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A policy cannot be put in force.
    #[error("policy {name:?}: {invalid}")]
    Policy {
        /// Its name.
        name: String,
        /// What is wrong.
        invalid: Invalid,
    },
    /// Everybody could change the policy.
    #[error("{0} is not a loopback address: a token file is required there, or a stored token")]
    Open(SocketAddr),
    /// The listener or a thread failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The writer ended by a panic.
    #[error("the writer's thread ended unexpectedly")]
    Writer,
}

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
    Server::open(config)?.run(listener, shutdown).await
}

impl Server {
    /// Opens the store and puts the policies in force.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(config: Config) -> Result<Self, Error> {
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

    /// Nothing is open by default: an address that others can reach needs tokens.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub(crate) fn refuse_open(&self, address: SocketAddr) -> Result<(), Error> {
        let is_guarded = address.ip().is_loopback() || self.live.tokens.are_required();
        if is_guarded { Ok(()) } else { Err(Error::Open(address)) }
    }

    /// Serves until `shutdown` is ready and the last commit is done.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let address = listener.local_addr()?;
        self.refuse_open(address)?;
        let Live { policies, registry, ledger, captures, kept, known, tokens, audited } = self.live;
        let comparing = Comparing::new(Arc::clone(&policies), known);
        let intake = Arc::new(Intake {
            writer: self.writer,
            room: Room::new(),
            policies,
            registry,
            metrics: Metrics::new(),
            targets: self.targets,
            plugins: self.plugins,
            comparing,
            decoding: Decoding::new(),
        });
        let expiring = tokio::spawn(expire(Arc::clone(&intake), self.keep_examples));
        let aside = Arc::new(Aside::new()?);
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
        Err(ChangeError::Refused(Refusal::Invalid(invalid))) => Err(Error::Policy { name, invalid }),
        Err(error @ ChangeError::Refused(_)) => {
            Err(Error::Policy { name, invalid: Invalid::single("document", error.to_string()) })
        }
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
    use std::path::Path;

    use antumbra_control::token::{Deed, Digest};
    use antumbra_control::{Role, Scope, Token};

    use super::*;

    fn opened(dir: &Path, token: Option<&str>) -> Server {
        let config = Config {
            data: dir.join("a.db"),
            audit_keys: Keys::default(),
            policies: Vec::new(),
            token: token.map(str::to_owned),
            connections: Connections::default(),
            targets: Targets::default(),
            descriptors: Descriptors::default(),
            plugins: Plugins::default(),
            keep_examples: KEEP_EXAMPLES,
        };
        Server::open(config).unwrap()
    }

    #[test]
    fn others_are_served_only_if_there_is_a_token() {
        let anywhere = SocketAddr::from(([0, 0, 0, 0], 7_400));
        let here = SocketAddr::from(([127, 0, 0, 1], 7_400));
        let refused = |dir: &Path, token, address| opened(dir, token).refuse_open(address).is_err();
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
        let mut server = opened(dir.path(), None);
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
