//! Who reads exchanges is in the audit before the first one leaves.

use std::sync::Arc;
use std::time::Instant;

use antumbra_control::{Command, Read};

use super::app::App;
use crate::api::problem::Problem;
use crate::live::reads::{BETWEEN_ENTRIES, Meter};
use crate::writer::{Asker, ChangeError, Job};

/// Counts a capture that begins, and has it audited unless the same reader's last entry is a moment old.
pub(super) async fn begin(app: &App, release: &str, who: String) -> Result<Meter, Problem> {
    let (meter, reader) = app.reads.begin(release, who, Instant::now());
    // Who begins meanwhile waits for the entry that speaks of them, too.
    let _turn = app.reads.turn().await;
    if let Some(read) = app.reads.due_of(&reader, Instant::now()) {
        write(app, &read).await?;
    }
    Ok(meter)
}

/// Audits what goes on being read, until it is stopped.
pub(super) async fn audit(app: Arc<App>) {
    loop {
        tokio::time::sleep(BETWEEN_ENTRIES).await;
        let _turn = app.reads.turn().await;
        note(&app, app.reads.due(Instant::now())).await;
    }
}

/// Audits what was read since the last entry of each reader.
pub(super) async fn audit_rest(app: &App) {
    let _turn = app.reads.turn().await;
    note(app, app.reads.rest()).await;
}

async fn note(app: &App, reads: Vec<Read>) {
    for read in reads {
        if write(app, &read).await.is_err() {
            let Read { release, reader, exchanges, .. } = read;
            tracing::warn!(release, reader, exchanges, "who read exchanges is not in the audit");
        }
    }
}

/// Writes an entry; what it speaks of is audited once it is durable.
async fn write(app: &App, read: &Read) -> Result<(), Problem> {
    let command = Box::new(Command::NoteRead(read.clone()));
    let written = app.intake.writer.ask(|reply| Job::Command(command, Asker::Ourselves, reply)).await??;
    match &written {
        Ok(_) => app.reads.audited(read, Instant::now()),
        Err(ChangeError::Refused(_)) => app.reads.forget(read),
        // It stays due.
        Err(ChangeError::Store(_)) => {}
    }
    written?;
    Ok(())
}
