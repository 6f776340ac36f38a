//! The tokens of a database. A row that is not as it was written lets nobody in, but it counts: with it, every request needs a token, and no
//! other token gets its name.

use antumbra_control::role::{Role, Scope};
use antumbra_control::token::{Deed, Digest, Token};
use rusqlite::{Connection, Row, params};

use super::documents::document;
use super::sums;
use crate::error::{StoreError, UnreadableToken};

/// All tokens that ever were, each as it was written or as what is wrong with it.
///
/// # Errors
/// SQLite fails.
pub(super) fn all(connection: &Connection) -> Result<Vec<Result<Token, UnreadableToken>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT name, digest, role, releases, created, created_by, expires, revoked, revoked_by, sum
         FROM tokens ORDER BY created, name",
    )?;
    let mut rows = statement.query([])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        tokens.push(token(row));
    }
    Ok(tokens)
}

/// The same of a file that an earlier version may have written, which had none.
pub(super) fn those_of_any_version(
    connection: &Connection,
) -> Result<Vec<Result<Token, UnreadableToken>>, StoreError> {
    if connection.table_exists(None, "tokens")? { all(connection) } else { Ok(Vec::new()) }
}

/// Writes a token, new or changed.
pub(super) fn put(connection: &Connection, token: &Token) -> Result<(), StoreError> {
    let written = Written::of(token);
    connection
        .prepare_cached(
            "INSERT INTO tokens
             (name, digest, role, releases, created, created_by, expires, revoked, revoked_by, sum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, role = excluded.role,
             releases = excluded.releases, created = excluded.created, created_by = excluded.created_by,
             expires = excluded.expires, revoked = excluded.revoked, revoked_by = excluded.revoked_by,
             sum = excluded.sum",
        )?
        .execute(params![
            written.name,
            written.digest,
            written.role,
            written.releases,
            written.created,
            written.created_by,
            written.expires,
            written.revoked,
            written.revoked_by,
            written.sum(),
        ])?;
    Ok(())
}

/// A row as SQLite has it.
struct Written {
    name: String,
    digest: Vec<u8>,
    role: String,
    /// A list in JSON; none for all releases.
    releases: Option<String>,
    created: u64,
    created_by: String,
    expires: Option<u64>,
    revoked: Option<u64>,
    revoked_by: Option<String>,
}

impl Written {
    fn of(token: &Token) -> Self {
        let releases = match &token.scope {
            Scope::All => None,
            Scope::Named(releases) => Some(serde_json::to_string(releases).unwrap_or_default()),
        };
        Self {
            name: token.name.clone(),
            digest: token.digest.0.to_vec(),
            role: token.role.as_str().to_owned(),
            releases,
            created: token.created.at_ms,
            created_by: token.created.by.clone(),
            expires: token.expires_ms,
            revoked: token.revoked.as_ref().map(|revoked| revoked.at_ms),
            revoked_by: token.revoked.as_ref().map(|revoked| revoked.by.clone()),
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name: row.get(0)?,
            digest: row.get(1)?,
            role: row.get(2)?,
            releases: row.get(3)?,
            created: row.get(4)?,
            created_by: row.get(5)?,
            expires: row.get(6)?,
            revoked: row.get(7)?,
            revoked_by: row.get(8)?,
        })
    }

    /// Of all values. What is absent counts otherwise than what is empty.
    fn sum(&self) -> i64 {
        let created = self.created.to_le_bytes();
        let [expires, revoked] =
            [self.expires, self.revoked].map(|at| at.map(|at| at.to_le_bytes().to_vec()).unwrap_or_default());
        let presence = [self.releases.is_some(), self.revoked_by.is_some()].map(u8::from);
        sums::sum(&[
            self.name.as_bytes(),
            &self.digest,
            self.role.as_bytes(),
            self.releases.as_deref().unwrap_or_default().as_bytes(),
            &created,
            self.created_by.as_bytes(),
            &expires,
            &revoked,
            self.revoked_by.as_deref().unwrap_or_default().as_bytes(),
            &presence,
        ])
    }

    fn token(self) -> Option<Token> {
        let scope = match &self.releases {
            None => Scope::All,
            Some(releases) => Scope::Named(serde_json::from_str(releases).ok()?),
        };
        let revoked = match (self.revoked, self.revoked_by) {
            (Some(at_ms), Some(by)) => Some(Deed { at_ms, by }),
            (None, None) => None,
            _ => return None,
        };
        Some(Token {
            name: self.name,
            digest: Digest(self.digest.try_into().ok()?),
            role: Role::named(&self.role)?,
            scope,
            created: Deed { at_ms: self.created, by: self.created_by },
            expires_ms: self.expires,
            revoked,
        })
    }
}

fn token(row: &Row<'_>) -> Result<Token, UnreadableToken> {
    let name = row.get_ref(0).map(document).unwrap_or_default();
    let damaged = |message: String| UnreadableToken {
        error: StoreError::Damaged { what: format!("token {name:?}"), message },
        name: name.clone(),
    };
    let written = Written::read(row).map_err(|error| damaged(error.to_string()))?;
    let stored: Option<i64> = row.get(9).map_err(|error| damaged(error.to_string()))?;
    if stored != Some(written.sum()) {
        return Err(damaged("its checksum does not match".to_owned()));
    }
    written.token().ok_or_else(|| damaged("it is none that this version writes".to_owned()))
}
