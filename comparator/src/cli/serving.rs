//! `antumbra serve`: files and signals around the server.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antumbra_control::Document;
use antumbra_plugin::Runtime;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets as Logged};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use super::output::print;
use super::values::NamedTarget;
use super::{Failure, ServeOptions, local, terms};
use crate::http::serve::{Config, Error, MAX_CONNECTIONS, Server, refuse_open};
use crate::shadows::targets::Targets;

/// Serves until SIGINT or SIGTERM.
pub(super) fn serve(options: ServeOptions, sandbox: &dyn Runtime) -> Result<ExitCode, Failure> {
    log();
    let policies = policies(&options.policy)?;
    let plugins = terms::plugins(&options.plugin, sandbox)?;
    let token = options.token_file.as_deref().map(token).transpose()?;
    let descriptors = options.descriptors.read()?;
    refuse_open(options.listen, token.as_deref()).map_err(|_| {
        Failure::Usage(format!("--listen {}: beyond loopback a --token-file is required", options.listen))
    })?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| failed(&error))?;
    runtime.block_on(async {
        let targets = targets(&options).await?;
        let connections = MAX_CONNECTIONS;
        let config =
            Config { data: options.data, policies, token, connections, targets, descriptors, plugins };
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|error| Failure::Runtime(format!("--listen {}: {error}", options.listen)))?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| failed(&error))?;
        let mut terminated = signal(SignalKind::terminate()).map_err(|error| failed(&error))?;
        let server = Server::open(config).map_err(|error| failure(&error))?;
        print(&format!("listening on http://{}\n", listener.local_addr().map_err(|error| failed(&error))?));
        let shutdown = async move {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
        };
        server.run(listener, shutdown).await.map_err(|error| failure(&error))
    })?;
    Ok(ExitCode::SUCCESS)
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
    let lines =
        fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal() && !plain);
    // A second call in one process keeps the first one's settings.
    let _ = tracing_subscriber::registry().with(lines).with(logged).try_init();
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Policy { .. } | Error::Open(_) => Failure::Usage(error.to_string()),
        Error::Store(_) | Error::Io(_) | Error::Writer => Failure::Runtime(error.to_string()),
    }
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::Runtime(error.to_string())
}

/// Guessing a token must not be worth a try.
const SHORTEST_TOKEN: usize = 16;
