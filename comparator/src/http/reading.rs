//! Who reads exchanges is in the audit before the first one leaves.

use std::sync::Arc;
use std::time::Instant;

use antumbra_control::{Command, Read};

use super::app::App;
use crate::api::problem::Problem;
use crate::live::reads::{BETWEEN_ENTRIES, Meter};
use crate::writer::Job;

/// Counts a capture that begins, and has it audited unless the same reader's last entry is a moment old.
pub(super) async fn begin(app: &App, release: &str, who: String) -> Result<Meter, Problem> {
    let (meter, read) = app.reads.begin(release, who, Instant::now());
    if let Some(read) = read {
        let command = Box::new(Command::NoteRead(read));
        app.intake.writer.ask(|reply| Job::Command(command, reply)).await??;
    }
    Ok(meter)
}

/// Audits what goes on being read, until it is stopped.
pub(super) async fn audit(app: Arc<App>) {
    loop {
        tokio::time::sleep(BETWEEN_ENTRIES).await;
        note(&app, app.reads.due(Instant::now())).await;
    }
}

/// Audits what was read since the last entry of each reader.
pub(super) async fn audit_rest(app: &App) {
    note(app, app.reads.rest()).await;
}

async fn note(app: &App, reads: Vec<Read>) {
    for read in reads {
        let (release, reader, exchanges) = (read.release.clone(), read.reader.clone(), read.exchanges);
        let command = Box::new(Command::NoteRead(read));
        let noted = app.intake.writer.ask(|reply| Job::Command(command, reply)).await;
        if !matches!(noted, Ok(Ok(_))) {
            tracing::warn!(release, reader, exchanges, "who read exchanges is not in the audit");
        }
    }
}
