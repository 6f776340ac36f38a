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

use antumbra_policy::document::Invalid;
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use crate::accounts::Ledger;
use crate::change::ChangeError;
use crate::guard::Guard;
use crate::metrics::Metrics;
use crate::policies::{Document, Policies};
use crate::registry::Registry;
use crate::routes::{self, App, Peer};
use crate::store::{Store, StoreError};
use crate::writer;

/// What a server needs to know.
pub struct Config {
    /// The database file; made if it is not there.
    pub data: PathBuf,
    /// Policies to put in force where they differ from what is stored.
    pub policies: Vec<Document>,
    /// What `authorization: Bearer` must bear; without it only a loopback address is served.
    pub token: Option<String>,
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
    token: Option<String>,
    writer: writer::Handle,
    thread: JoinHandle<()>,
    policies: Arc<Policies>,
    ledger: Arc<Ledger>,
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
        let policies = Arc::new(Policies::default());
        let ledger = Arc::new(Ledger::new(store.accounts()?));
        let (writer, jobs, flushing) = writer::Handle::new(Arc::clone(&ledger));
        let mut thread =
            writer::Thread::new(store, Arc::clone(&policies), Arc::clone(&ledger), jobs, flushing)?;
        for document in config.policies {
            put(&mut thread, &document)?;
        }
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || thread.run())?;
        Ok(Self { token: config.token, writer, thread, policies, ledger })
    }

    /// Serves until `shutdown` is ready and the last commit is done.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let address = listener.local_addr()?;
        refuse_open(address, self.token.as_deref())?;
        let app = Arc::new(App {
            writer: self.writer,
            policies: self.policies,
            ledger: self.ledger,
            registry: Registry::default(),
            metrics: Metrics::new(),
            guard: Guard::new(self.token.as_deref(), address.ip()),
        });
        let graceful = GracefulShutdown::new();
        accept(listener, &routes::router(Arc::clone(&app)), &graceful, shutdown).await;
        let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
        app.writer.stop();
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await;
        if matches!(ended, Ok(Ok(()))) { Ok(()) } else { Err(Error::Writer) }
    }
}

/// Nothing is open by default: an address that others can reach needs a token.
pub(crate) fn refuse_open(address: SocketAddr, token: Option<&str>) -> Result<(), Error> {
    if address.ip().is_loopback() || token.is_some() { Ok(()) } else { Err(Error::Open(address)) }
}

fn put(thread: &mut writer::Thread, document: &Document) -> Result<(), Error> {
    match thread.adopt(document) {
        Ok(()) => Ok(()),
        Err(ChangeError::Store(error)) => Err(error.into()),
        Err(ChangeError::Invalid(invalid)) => {
            Err(Error::Policy { name: document.name().to_owned(), invalid })
        }
        Err(error @ (ChangeError::Unknown(_) | ChangeError::Precondition(_))) => Err(Error::Policy {
            name: document.name().to_owned(),
            invalid: Invalid::single("document", error.to_string()),
        }),
    }
}

async fn accept(
    listener: TcpListener,
    router: &Router,
    graceful: &GracefulShutdown,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            () = &mut shutdown => return,
        };
        match (accepted, place) {
            (Ok((stream, peer)), Ok(place)) => connect(stream, peer, place, router.clone(), graceful),
            (Err(error), _) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(AFTER_FAILED_ACCEPT).await;
            }
            (Ok(_), Err(_)) => return,
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
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, %peer, "a connection ended early");
        }
        drop(place);
    });
}

const MOST_CONNECTIONS: usize = 1_024;
const MOST_HEADER_BYTES: usize = 64 * 1024;
/// From one request to the end of the next one's headers; a proxy's pool sends a heartbeat far more often.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// For requests that are under way when the end comes.
const GRACE: Duration = Duration::from_secs(10);
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);
