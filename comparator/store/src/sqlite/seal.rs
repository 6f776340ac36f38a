//! Keeps the heads of the audits outside of the tables, in step with what is committed.
//!
//! Before a transaction that appends to an audit is committed, the file says which heads will follow; after it, that they are there. A
//! crash between leaves the table at one of the two, which is no alarm. Once anything is found wrong the file is not written any more:
//! it goes on to contradict the table until somebody seals the audits as they stand.

use std::path::{Path, PathBuf};

use antumbra_control::audit::{Checked, Entry, Head, Heads, Kept, Keys, Sealed};
use rusqlite::Connection;

use super::{audits, head_file, schema};
use crate::error::StoreError;

/// The heads of the audits of an open store.
pub(super) struct Seal {
    pub(super) keys: Keys,
    file: PathBuf,
    /// What the start found; the heads go on with what is committed.
    checked: Checked,
    /// What was announced and may have come to be, though the commit failed.
    announced: Option<Heads>,
    /// Whether the file still announces what was committed.
    is_behind: bool,
}

impl Seal {
    /// Keeps the heads of a table that has none yet: those of a new database, or of one that an earlier version wrote.
    ///
    /// # Errors
    /// The file cannot be written, or SQLite fails.
    pub(super) fn begin(connection: &Connection, path: &Path, keys: &Keys) -> Result<(), StoreError> {
        let file = head_file::beside(path);
        if schema::has_heads(connection) || head_file::read(&file, keys) != Kept::Missing {
            return Ok(());
        }
        let none = Keys::default();
        let heads = audits::checked(connection, &none, &Kept::Never, None, || Kept::Never)?.heads;
        head_file::write(&file, &Sealed { heads, announced: None }, keys)
    }

    /// Keeps the heads of the database at `from` beside a copy of what can be read of it, too: what is lost is missed there. Where an
    /// earlier version kept none, they are those of the copy, whose entries have no numbers yet.
    ///
    /// # Errors
    /// The file cannot be written, or SQLite fails.
    pub(super) fn carry(from: &Path, had: bool, copy: &Connection, to: &Path) -> Result<(), StoreError> {
        let (before, after) = (head_file::beside(from), head_file::beside(to));
        if !had {
            schema::number_entries(copy)?;
            let none = Keys::default();
            let heads = audits::checked(copy, &none, &Kept::Never, None, || Kept::Never)?.heads;
            return head_file::write(&after, &Sealed { heads, announced: None }, &none);
        }
        if before != after && before.exists() {
            std::fs::copy(&before, &after)
                .map_err(|source| StoreError::File { path: after.clone(), source })?;
        }
        Ok(())
    }

    /// Checks all audits, and the heads that were kept.
    ///
    /// # Errors
    /// SQLite fails.
    pub(super) fn open(connection: &Connection, path: &Path, keys: Keys) -> Result<Self, StoreError> {
        let file = head_file::beside(path);
        let kept = head_file::read(&file, &keys);
        let checked = audits::checked(connection, &keys, &kept, None, || kept.clone())?;
        let is_behind = matches!(&kept, Kept::Sealed(sealed) if sealed.announced.is_some());
        let mut seal = Self { keys, file, checked, announced: None, is_behind };
        seal.catch_up();
        Ok(seal)
    }

    /// What the start found, and the heads as of the last commit.
    pub(super) fn checked(&self) -> &Checked {
        &self.checked
    }

    /// What there is to know before a transaction: whether the one that failed last was committed all the same.
    pub(super) fn before(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if let Some(announced) = self.announced.take()
            && audits::last_number(connection)? == announced.all.seq
        {
            (self.checked.heads, self.is_behind) = (announced, true);
        }
        self.catch_up();
        Ok(())
    }

    /// The head of a release as it should be in the table.
    pub(super) fn head(&self, release: &str) -> Head {
        self.checked.heads.of(release)
    }

    /// Announces what is about to be committed.
    ///
    /// # Errors
    /// The file cannot be written, and nothing may be committed that it does not know.
    pub(super) fn announce(&mut self, appended: &[Entry]) -> Result<(), StoreError> {
        let mut next = self.checked.heads.clone();
        appended.iter().for_each(|entry| next.append(entry));
        if self.checked.is_intact() {
            let sealed = Sealed { heads: self.checked.heads.clone(), announced: Some(next.clone()) };
            head_file::write(&self.file, &sealed, &self.keys)?;
        }
        self.announced = Some(next);
        Ok(())
    }

    /// What was announced is committed.
    pub(super) fn settle(&mut self, appended: u64) {
        let Some(next) = self.announced.take() else { return };
        self.checked.heads = next;
        self.checked.entries += appended;
        self.is_behind = true;
        self.catch_up();
    }

    /// The table is not where the last commit left it: the file is left as it is, and contradicts it from now on.
    pub(super) fn contradicted(&mut self, finding: antumbra_control::audit::Finding) {
        if self.checked.has_room_for(&finding) {
            self.checked.findings.push(finding);
        }
    }

    /// Takes the audits as they stand. Links that are broken stay so.
    ///
    /// # Errors
    /// The file cannot be written, or SQLite fails.
    pub(super) fn renew(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let heads = audits::checked(connection, &self.keys, &Kept::Never, None, || Kept::Never)?.heads;
        head_file::write(&self.file, &Sealed { heads, announced: None }, &self.keys)?;
        let kept = head_file::read(&self.file, &self.keys);
        self.checked = audits::checked(connection, &self.keys, &kept, None, || kept.clone())?;
        (self.announced, self.is_behind) = (None, false);
        Ok(())
    }

    /// If that fails, the next commit tries again. Until then the file announces what is there already.
    fn catch_up(&mut self) {
        if self.is_behind && self.checked.is_intact() {
            let sealed = Sealed { heads: self.checked.heads.clone(), announced: None };
            self.is_behind = head_file::write(&self.file, &sealed, &self.keys).is_err();
        }
    }
}
