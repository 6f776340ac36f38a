//! What a transaction writes.

use std::cell::{Cell, RefCell};

use antumbra_control::audit::{Draft, Entry, Field, Finding, Head, Place};
use antumbra_control::records::{Session, StoredPolicy};
use antumbra_control::token::Token;
use antumbra_engine::Row;
use rusqlite::{OptionalExtension, Transaction, params};

use super::audits;
use super::documents::document;
use super::seal::Seal;
use super::sources::{self, Gathering, JournalEntry};
use super::sums::{policy_values, sum};
use super::tokens;
use crate::accounts::Accounts;
use crate::error::StoreError;

/// An open transaction.
pub struct Writing<'c> {
    pub(super) transaction: Transaction<'c>,
    pub(super) appending: Appending<'c>,
    /// Something was deleted of which nothing may be left.
    pub(super) deleted: Cell<bool>,
    /// When the database was salvaged, in milliseconds since 1970, if that was when it was opened.
    pub(super) salvaged_ms: Option<u64>,
}

/// What a transaction appends to the audits.
pub(super) struct Appending<'s> {
    pub(super) seal: Option<&'s RefCell<Seal>>,
    pub(super) done: RefCell<Appended>,
}

#[derive(Default)]
pub(super) struct Appended {
    pub(super) entries: Vec<Entry>,
    /// An audit that does not end where the last commit left it.
    pub(super) contradiction: Option<Finding>,
}

impl Writing<'_> {
    /// Gives a source its place among those of a session; the first has place 0.
    pub fn put_source(&self, of: Gathering<'_>, place: u64) -> Result<(), StoreError> {
        sources::put(&self.transaction, of, place)
    }

    /// Writes one row of evidence.
    pub fn put_evidence(&self, of: Gathering<'_>, row: &Row) -> Result<(), StoreError> {
        sources::put_evidence(&self.transaction, of, row)
    }

    /// Appends what was counted to a journal.
    pub fn append_journal(&self, of: Gathering<'_>, entry: &JournalEntry) -> Result<(), StoreError> {
        sources::append_journal(&self.transaction, of, entry)
    }

    /// Forgets a journal, whose evidence is written in the same transaction.
    pub fn clear_journal(&self, of: Gathering<'_>) -> Result<(), StoreError> {
        sources::clear_journal(&self.transaction, of)
    }

    /// Writes the accounts.
    pub fn put_accounts(&self, accounts: &Accounts) -> Result<(), StoreError> {
        let text = serde_json::to_string(accounts).unwrap_or_default();
        self.transaction
            .prepare_cached(
                "INSERT INTO accounts (id, text, sum) VALUES (1, ?1, ?2)
                 ON CONFLICT (id) DO UPDATE SET text = excluded.text, sum = excluded.sum",
            )?
            .execute(params![text, sum(&[text.as_bytes()])])?;
        Ok(())
    }

    /// Writes a generation.
    pub fn put_policy(&self, name: &str, policy: &StoredPolicy) -> Result<(), StoreError> {
        let numbers = [policy.generation, policy.at_ms].map(u64::to_le_bytes);
        let sum = sum(&policy_values(name, &numbers, &policy.text));
        self.transaction
            .prepare_cached(
                "INSERT INTO policies (name, generation, at, document, sum) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![name, policy.generation, policy.at_ms, policy.text, sum])?;
        Ok(())
    }

    /// Notes what the file of a policy said, whether or not it changed anything.
    pub fn put_file(&self, name: &str, document: &str) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO files (name, document) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET document = excluded.document",
            )?
            .execute(params![name, document])?;
        Ok(())
    }

    /// Begins a session of a release. Of the evidence before it nothing is kept: it may hold what must not be shown any more.
    /// `files` says by which files answers are read, rewritten and judged in it.
    pub fn begin_session(
        &self,
        release: &str,
        session: Session,
        files: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let Session { number, since } = session;
        self.transaction
            .prepare_cached("INSERT INTO sessions (release, session, since, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![release, number, since, now_ms])?;
        for (ended, kept) in [
            ("DELETE FROM evidence WHERE release = ?1 AND session < ?2", 0),
            ("DELETE FROM journal WHERE release = ?1 AND session < ?2", 0),
            ("DELETE FROM sources WHERE release = ?1 AND session < ?2", 0),
            ("DELETE FROM sessions WHERE release = ?1 AND session < ?2", SESSIONS_KEPT),
        ] {
            self.transaction.prepare_cached(ended)?.execute(params![release, number.saturating_sub(kept)])?;
        }
        self.transaction
            .prepare_cached("DELETE FROM set_aside WHERE release = ?1 AND at < ?2")?
            .execute(params![release, now_ms])?;
        self.deleted.set(true);
        self.transaction
            .prepare_cached(
                "INSERT INTO plugins (release, files) VALUES (?1, ?2)
                 ON CONFLICT (release) DO UPDATE SET files = excluded.files",
            )?
            .execute(params![release, files])?;
        Ok(())
    }

    /// Takes the evidence of a session that cannot be read out of the way, and keeps it for whoever wants to look into it. What was set
    /// aside of earlier sessions is forgotten, but not what salvaging set aside when the store was opened, of whatever session: it is as
    /// of now.
    pub fn set_aside(&self, release: &str, session: u64, now_ms: u64) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("DELETE FROM set_aside WHERE release = ?1 AND session < ?2 AND at IS NOT ?3")?
            .execute(params![release, session, self.salvaged_ms])?;
        self.transaction
            .prepare_cached("UPDATE set_aside SET at = ?2 WHERE release = ?1")?
            .execute(params![release, now_ms])?;
        self.deleted.set(true);
        self.transaction
            .prepare_cached(
                "INSERT INTO set_aside (release, session, key, bytes, at)
                 SELECT release, session, trim(source || ' ' || key), bytes, ?3 FROM evidence
                 WHERE release = ?1 AND session = ?2
                 UNION ALL
                 SELECT release, session, trim(source || ' journal ' || seq), bytes, ?3 FROM journal
                 WHERE release = ?1 AND session = ?2",
            )?
            .execute(params![release, session, now_ms])?;
        for table in [
            "DELETE FROM evidence WHERE release = ?1 AND session = ?2",
            "DELETE FROM journal WHERE release = ?1 AND session = ?2",
            "DELETE FROM sources WHERE release = ?1 AND session = ?2",
        ] {
            self.transaction.prepare_cached(table)?.execute(params![release, session])?;
        }
        Ok(())
    }

    /// Forgets a policy and all that is known of its release. Its audit stays, and so does the number of its last session: neither
    /// generations nor sessions are numbered twice under one name.
    pub fn forget(&self, name: &str) -> Result<(), StoreError> {
        for of_release in [
            "DELETE FROM policies WHERE name = ?1",
            "DELETE FROM files WHERE name = ?1",
            "DELETE FROM evidence WHERE release = ?1",
            "DELETE FROM journal WHERE release = ?1",
            "DELETE FROM sources WHERE release = ?1",
            "DELETE FROM plugins WHERE release = ?1",
            "DELETE FROM deliveries WHERE release = ?1",
            "DELETE FROM set_aside WHERE release = ?1",
            "DELETE FROM sessions WHERE release = ?1 AND session <
             (SELECT max(session) FROM sessions WHERE release = ?1)",
        ] {
            self.transaction.prepare_cached(of_release)?.execute([name])?;
        }
        self.deleted.set(true);
        Ok(())
    }

    /// Notes that rows are written anew because something in them must go: what stood there is overwritten with the commit.
    pub fn forgets(&self) {
        self.deleted.set(true);
    }

    pub(super) fn forget_set_aside(&self, before_ms: u64) -> Result<u64, StoreError> {
        let rows =
            self.transaction.prepare_cached("DELETE FROM set_aside WHERE at < ?1")?.execute([before_ms])?;
        if rows > 0 {
            self.deleted.set(true);
        }
        Ok(rows as u64)
    }

    /// Writes a token, new or changed.
    pub fn put_token(&self, token: &Token) -> Result<(), StoreError> {
        tokens::put(&self.transaction, token)
    }

    /// Keeps what the filters of a release said they delivered.
    pub fn put_delivery(&self, release: &str, session: u64, text: &str) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO deliveries (release, session, text) VALUES (?1, ?2, ?3)
                 ON CONFLICT (release) DO UPDATE SET session = excluded.session, text = excluded.text",
            )?
            .execute(params![release, session, text])?;
        Ok(())
    }

    /// Appends to the audit of a release.
    pub fn append_audit(&self, draft: Draft) -> Result<(), StoreError> {
        let last: Option<(u64, String)> = self
            .transaction
            .prepare_cached("SELECT seq, hash FROM audit WHERE release = ?1 ORDER BY seq DESC LIMIT 1")?
            // As the check reads it: a damaged hash is found wrong, and keeps nobody from going on.
            .query_row([&draft.release], |row| Ok((row.get(0)?, document(row.get_ref(1)?))))
            .optional()?;
        let (seq, prev_hash) = last.unwrap_or_default();
        self.appending.compare(&draft.release, &Head { seq, hash: prev_hash.clone() });
        let place = Place { seq: seq + 1, number: audits::last_number(&self.transaction)? + 1, prev_hash };
        let seal = self.appending.seal.map(RefCell::borrow);
        let e = draft.chained(place, seal.as_ref().and_then(|seal| seal.keys.current()));
        self.transaction
            .prepare_cached(
                "INSERT INTO audit (seq, release, generation, at, who, action, reason, diff, prev_hash, hash, number, document, key)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                e.seq,
                e.release,
                e.generation,
                e.at_ms,
                e.who,
                e.action,
                e.reason,
                serde_json::to_string(&e.diff).unwrap_or_default(),
                e.prev_hash,
                e.hash,
                e.number,
                e.document,
                e.key,
            ])?;
        self.appending.done.borrow_mut().entries.push(e);
        Ok(())
    }
}

impl Appending<'_> {
    /// Whether an audit ends where the last commit left it, or this transaction.
    fn compare(&self, release: &str, found: &Head) {
        let mut done = self.done.borrow_mut();
        let own = done.entries.iter().rev().find(|entry| entry.release == release);
        let own = own.map(|entry| Head { seq: entry.seq, hash: entry.hash.clone() });
        let Some(expected) = own.or_else(|| self.seal.map(|seal| seal.borrow().head(release))) else {
            return;
        };
        if expected != *found {
            done.contradiction = Some(Finding {
                release: Some(release.to_owned()),
                entry: None,
                field: Field::Head,
                expected: expected.to_string(),
                found: found.to_string(),
            });
        }
    }
}

/// Sessions of a release whose numbers are remembered, though nothing but the last one is in use.
const SESSIONS_KEPT: u64 = 100;
