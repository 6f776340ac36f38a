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
use antumbra_control::refusal::Refusal;
use antumbra_policy::document::Invalid;
use antumbra_store::{Accounts, Audits, Store, StoreError};
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tower::ServiceExt;

use crate::aside::Aside;
use crate::descriptors::Descriptors;
use crate::http::app::{App, Run};
use crate::http::asking::Peer;
use crate::http::guard::Guard;
use crate::http::router::router;
use crate::ingest::{Comparing, Intake};
use crate::judge::Judge;
use crate::live::Live;
use crate::live::metrics::Metrics;
use crate::live::room::Room;
use crate::plugins::Plugins;
use crate::shadows::targets::Targets;
use crate::writer::{self, ChangeError};

/// What a server needs to know.
pub struct Config {
    /// The database file; made if it is not there.
    pub data: PathBuf,
    /// Policies to put in force where they differ from what is stored.
    pub policies: Vec<Document>,
    /// What `authorization: Bearer` must bear; without it only a loopback address is served.
    pub token: Option<String>,
    /// Connections that may be open at a time; one more is closed at once. Usually [`MAX_CONNECTIONS`].
    pub connections: usize,
    /// The services to ask where a mirror leaves that to the comparator.
    pub targets: Targets,
    /// By which the messages of gRPC answers are compared field by field.
    pub descriptors: Descriptors,
    /// What policies may name under `compare.plugins`.
    pub plugins: Plugins,
}

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
    #[error("{0} is not a loopback address: a token is required there")]
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
    connections: usize,
    token: Option<String>,
    writer: writer::Handle,
    thread: JoinHandle<()>,
    /// Ready when the thread ended, however it did.
    ended: oneshot::Receiver<()>,
    live: Live,
    targets: Targets,
    plugins: Plugins,
    audits: Audits,
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
        let store = Store::open(&config.data)?;
        let accounts = match store.accounts() {
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::error!(%error, "the accounts start at nothing");
                Accounts::default()
            }
            other => other?,
        };
        let live = Live::new(config.descriptors, accounts);
        let (writer, inbox) = writer::Handle::new(Arc::clone(&live.ledger));
        let mut thread = writer::Thread::new(store, live.clone(), &config.plugins, inbox)?;
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
            token: config.token,
            connections: config.connections,
            writer,
            thread,
            ended,
            live,
            targets: config.targets,
            plugins: config.plugins,
            audits: Audits::beside(&config.data),
        })
    }

    /// Serves until `shutdown` is ready and the last commit is done.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let address = listener.local_addr()?;
        refuse_open(address, self.token.as_deref())?;
        let Live { policies, registry, ledger, captures, kept, known } = self.live;
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
        });
        let aside = Arc::new(Aside::new()?);
        let app = Arc::new(App {
            intake: Arc::clone(&intake),
            ledger,
            captures,
            kept,
            turn: Arc::default(),
            judge: Judge::new(Arc::clone(&aside), Arc::clone(&intake.policies)),
            audits: Arc::new(self.audits),
            aside,
            guard: Guard::new(self.token.as_deref(), address.ip()),
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
        accept(listener, &router(Arc::clone(&app)), &graceful, self.connections, shutdown).await;
        app.captures.close();
        let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
        intake.registry.releases().into_iter().for_each(|release| intake.writer.keep(release));
        intake.writer.stop();
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if matches!(ended, Ok(Ok(()))) { Ok(()) } else { Err(Error::Writer) }
    }
}

/// Nothing is open by default: an address that others can reach needs a token.
pub(crate) fn refuse_open(address: SocketAddr, token: Option<&str>) -> Result<(), Error> {
    if address.ip().is_loopback() || token.is_some() { Ok(()) } else { Err(Error::Open(address)) }
}

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
    connections: usize,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(connections));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => return,
        };
        match (accepted, Arc::clone(&places).try_acquire_owned()) {
            (Ok((stream, peer)), Ok(place)) => connect(stream, peer, place, router.clone(), graceful),
            // Closed at once: in the queue of the system it would wait for a place without knowing.
            (Ok((_, peer)), Err(_)) => tracing::debug!(%peer, "{connections} connections are open"),
            (Err(error), _) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(AFTER_FAILED_ACCEPT).await;
            }
        }
    }
}

fn connect(
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    router: Router,
    graceful: &GracefulShutdown,
) {
    let _ = stream.set_nodelay(true);
    let asked = Arc::new(Notify::new());
    let first = Arc::clone(&asked);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        asked.notify_one();
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = first.notified() => Some(connection.await),
            () = tokio::time::sleep(FIRST_HEADER_TIME) => None,
        };
        if let Some(Err(error)) = ended {
            tracing::debug!(%error, %peer, "a connection ended early");
        }
        drop(place);
    });
}

/// Half of the open files that a process usually may have.
pub const MAX_CONNECTIONS: usize = 512;
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// From the connection to the end of the first request's headers: a stranger who says nothing must not hold a place.
const FIRST_HEADER_TIME: Duration = Duration::from_secs(5);
/// From one request to the end of the next one's headers; a proxy's pool sends a heartbeat far more often.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// For requests that are under way when the end comes.
const GRACE: Duration = Duration::from_secs(10);
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_without_its_writer_ends() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            data: dir.path().join("a.db"),
            policies: Vec::new(),
            token: None,
            connections: MAX_CONNECTIONS,
            targets: Targets::default(),
            descriptors: Descriptors::default(),
            plugins: Plugins::default(),
        };
        let mut server = Server::open(config).unwrap();
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
