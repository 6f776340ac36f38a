//! `antumbra serve`: files and signals around the server.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antumbra_control::Document;
use antumbra_engine::secrets::discreet;
use antumbra_plugin::Runtime;
use rustix::process::Signal;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets as Logged};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use super::output::print;
use super::secret_files::too_open;
use super::values::{Lasting, NamedTarget};
use super::{Failure, ServeOptions, audit_keys, local, terms};
use crate::http::config::{Config, Error};
use crate::http::serve::Server;
use crate::live::door::Connections;
use crate::shadows::targets::Targets;

/// Serves until SIGINT or SIGTERM.
pub(super) fn serve(options: ServeOptions, sandbox: &dyn Runtime) -> Result<ExitCode, Failure> {
    log();
    let policies = policies(&options.policy)?;
    let plugins = terms::plugins(&options.plugin, sandbox)?;
    let token = options.token_file.as_deref().map(token).transpose()?;
    let audit_keys = audit_keys::read(&options.audit_key_file)?;
    let descriptors = options.descriptors.read()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| failed(&error))?;
    let served = runtime.block_on(async {
        let targets = targets(&options).await?;
        let connections =
            Connections { most: options.max_connections, per_address: options.max_connections_per_address };
        let Lasting(keep_examples) = options.keep_examples;
        let data = options.data;
        let config = Config {
            data,
            audit_keys,
            policies,
            token,
            connections,
            targets,
            descriptors,
            plugins,
            keep_examples,
        };
        // All that may be refused is, before the address is taken and the database is opened.
        let accepted = config.accept(options.listen).map_err(|error| failure(&error))?;
        let listener = listen(options.listen)
            .map_err(|error| Failure::Runtime(format!("--listen {}: {error}", options.listen)))?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| failed(&error))?;
        let mut terminated = signal(SignalKind::terminate()).map_err(|error| failed(&error))?;
        let mut hung_up = hang_up().map_err(|error| failed(&error))?;
        take_no_end(Signal::XFSZ).map_err(|error| failed(&error))?;
        let server = Server::open(accepted).map_err(|error| failure(&error))?;
        print(&format!("listening on http://{}\n", listener.local_addr().map_err(|error| failed(&error))?));
        let shutdown = async move {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
                () = hung_up.recv() => {}
            }
        };
        server.run(listener, shutdown).await.map_err(|error| failure(&error))
    });
    // All that was acknowledged is stored. Dropped, the runtime would wait for whatever its threads still do.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

/// A listener at which as many may wait for their turn as may be connected: one that finds the system's queue full is not told, and tries
/// again after a second.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Or an address could not be taken again for a while after the last server.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_WAITING)
}

/// The end of the terminal that the server was started from; where there is none, a hang-up is a request of some supervisor to open log
/// files anew, and here are none.
struct HangUp(Option<tokio::signal::unix::Signal>);

fn hang_up() -> std::io::Result<HangUp> {
    let hung_up = signal(SignalKind::hangup())?;
    Ok(HangUp(std::io::stderr().is_terminal().then_some(hung_up)))
}

impl HangUp {
    async fn recv(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}

/// Has a signal end nothing, so that what it tells of is an error of the call that met it: a file that may not grow any more is a store
/// that cannot be written.
fn take_no_end(of: Signal) -> std::io::Result<()> {
    // What is told to nobody is still not left to the system.
    signal(SignalKind::from_raw(of.as_raw())).map(drop)
}

async fn targets(options: &ServeOptions) -> Result<Targets, Failure> {
    let mut targets = Targets::default();
    for NamedTarget { cluster, url } in &options.target {
        let with = targets.with_url(cluster, url, &options.allow_address).await;
        targets = with.map_err(|why| Failure::Usage(format!("--target {cluster}: {why}")))?;
    }
    Ok(targets)
}

/// All policy files, or the problems of all of them.
fn policies(files: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut documents: Vec<Document> = Vec::new();
    let mut problems = String::new();
    for file in files {
        let written = local::read(file)?;
        if let Err(lines) = written.valid() {
            let _ = write!(problems, "\n{lines}");
        }
        let Ok(document) = written.document else { continue };
        if documents.iter().any(|earlier| earlier.name() == document.name()) {
            let _ = write!(problems, "\n{}: name {:?} is given twice", file.display(), document.name());
        } else {
            documents.push(document);
        }
    }
    if problems.is_empty() {
        Ok(documents)
    } else {
        Err(Failure::Usage(format!("the policies are not valid:{problems}")))
    }
}

fn token(file: &Path) -> Result<String, Failure> {
    let refused = |why: String| Failure::Usage(format!("--token-file {}: {why}", file.display()));
    let metadata = std::fs::metadata(file).map_err(|error| refused(error.to_string()))?;
    if let Some(why) = too_open(metadata.mode(), metadata.uid() == rustix::process::geteuid().as_raw()) {
        return Err(refused(why));
    }
    let text = std::fs::read_to_string(file).map_err(|error| refused(error.to_string()))?;
    let token = text.trim();
    let sendable = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < SHORTEST_TOKEN || !sendable {
        return Err(refused(format!(
            "must hold one token of at least {SHORTEST_TOKEN} visible ASCII characters"
        )));
    }
    Ok(token.to_owned())
}

fn log() {
    let logged = std::env::var("ANTUMBRA_LOG").ok().and_then(|asked| asked.parse().ok());
    let logged = logged.unwrap_or_else(|| Logged::new().with_default(LevelFilter::INFO));
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let lines = fmt::layer()
        .with_writer(|| Discreet(std::io::stderr()))
        .with_ansi(std::io::stderr().is_terminal() && !plain);
    // A second call in one process keeps the first one's settings.
    let _ = tracing_subscriber::registry().with(lines).with(logged).try_init();
}

/// Writes lines without what is a secret by its form: an error may quote what it met.
struct Discreet<W>(W);

impl<W: std::io::Write> std::io::Write for Discreet<W> {
    /// Takes whole lines, as they are logged.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.write_all(discreet(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Policy { .. } => Failure::Usage(error.to_string()),
        Error::Open(listen) => Failure::Usage(format!(
            "--listen {listen}: beyond loopback a --token-file is required, or a token that was created before"
        )),
        Error::Store(_) | Error::Io(_) | Error::Writer => Failure::Runtime(error.to_string()),
    }
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::Runtime(error.to_string())
}

/// Guessing a token must not be worth a try.
const SHORTEST_TOKEN: usize = 16;
/// Connections that the system keeps until they are accepted; it may keep fewer.
const MAX_WAITING: u32 = 1_024;
