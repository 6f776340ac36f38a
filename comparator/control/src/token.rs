//! Tokens: who may speak to the comparator, as what, for which releases and until when.
//!
//! A token is known by the hash of its secret alone. Its row outlives it, because the audit names tokens: a name is never given twice, also
//! if its row cannot be read any more.
//! There is always a way to manage them: an administrator's token without an end, or the file that the server was started with.

use antumbra_policy::document::is_name;

use crate::role::{Role, Scope};
use crate::timestamp::rfc3339;

/// A token that was created, whether or not it still lets anybody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What audits and logs call it.
    pub name: String,
    /// What its secret hashes to.
    pub digest: Digest,
    /// What its bearer may do.
    pub role: Role,
    /// With which releases.
    pub scope: Scope,
    /// When it was created, and by whom.
    pub created: Deed,
    /// From when on it lets nobody in, in milliseconds since 1970; none if it has no end.
    pub expires_ms: Option<u64>,
    /// When it was taken back, and by whom; none if it was not.
    pub revoked: Option<Deed>,
}

/// The SHA-256 of a secret, which is 256 random bits: it cannot be guessed from the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Whether both are the same; compared without an early end, so that time tells nothing about either.
    pub fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
    }
}

/// Something that somebody did with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// By whom, as the audit has it.
    pub by: String,
}

/// Why a token lets nobody in any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Somebody took it back.
    #[error("was revoked at {}", rfc3339(*.0))]
    Revoked(
        /// When, in milliseconds since 1970.
        u64,
    ),
    /// Its time is over.
    #[error("expired at {}", rfc3339(*.0))]
    Expired(
        /// When, in milliseconds since 1970.
        u64,
    ),
}

impl Token {
    /// Why it lets nobody in at `now_ms` since 1970; none if it does.
    pub fn ended(&self, now_ms: u64) -> Option<Ended> {
        let revoked = self.revoked.as_ref().map(|revoked| Ended::Revoked(revoked.at_ms));
        let expired = self.expires_ms.filter(|expires| *expires <= now_ms).map(Ended::Expired);
        revoked.or(expired)
    }

    /// Whether its bearer can manage tokens for as long as nobody takes it back.
    fn is_lasting_admin(&self) -> bool {
        self.role == Role::Admin && self.expires_ms.is_none() && self.revoked.is_none()
    }
}

/// What somebody wants done with the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Create one.
    Create(Wanted),
    /// Take one back.
    Revoke {
        /// Its name.
        name: String,
        /// Who asks.
        by: String,
    },
}

/// A token that somebody wants created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name, as those of policies are written.
    pub name: String,
    /// What its secret hashes to.
    pub digest: Digest,
    /// What its bearer may do.
    pub role: Role,
    /// With which releases; with all if none is named. They need not exist yet.
    pub releases: Vec<String>,
    /// For how many milliseconds it lets its bearer in; none for no end.
    pub lasts_ms: Option<u64>,
    /// Who asks.
    pub by: String,
}

/// What is known of the tokens that ever were.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Those whose rows are as they were written.
    pub tokens: &'a [&'a Token],
    /// The names of the other rows, which let nobody in.
    pub unreadable: &'a [String],
    /// Whether the server was started with a token file, whose bearer can always manage tokens.
    pub file: bool,
}

impl Held<'_> {
    fn ever(&self) -> usize {
        self.tokens.len().saturating_add(self.unreadable.len())
    }

    fn refuse_unreadable(&self, name: &str) -> Result<(), Refused> {
        let is_unreadable = self.unreadable.iter().any(|unreadable| unreadable == name);
        if is_unreadable { Err(Refused::Unreadable(name.to_owned())) } else { Ok(()) }
    }
}

/// Why a wish is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be a name.
    #[error(
        "{what} is {name:?}, must be 1 to 63 letters, digits, '.', '_' or '-' and begin with a letter or digit"
    )]
    Name {
        /// Which of the names.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// There is or was one of this name, and the audit may name it.
    #[error("name is {0:?}, must be one that no token ever had")]
    Taken(String),
    /// The row of this name is not as it was written. The audit may name it, too.
    #[error(
        "name is {0:?}, whose row is not as it was written: it lets nobody in and needs no revoking, and no other token gets its name. \
         Choose another name; `antumbra db check` says what is wrong"
    )]
    Unreadable(String),
    /// An administrator of some releases could give others away.
    #[error("releases are {0}, must be left out for the role admin: who manages tokens may do everything")]
    ScopedAdmin(Scope),
    /// It names too many releases.
    #[error("releases are {0}, must be at most {MAX_RELEASES}: a token without releases is for all of them")]
    Releases(usize),
    /// It would last too long to be counted, or no time.
    #[error("its time is {0} ms, must be within 1..={MAX_LASTS_MS}")]
    Lasts(u64),
    /// Too many let somebody in.
    #[error("{MAX_VALID} tokens are valid, which is the most: revoke one that nobody needs")]
    TooManyValid,
    /// Too many were ever created.
    #[error("{MAX_EVER} tokens were created, which is the most that are kept")]
    TooManyEver,
    /// Once there is a token, every request needs one, and nobody could create another.
    #[error(
        "the first token must have the role admin and no end: from then on every request needs a token, and only an admin's creates \
         others (or start with --token-file)"
    )]
    FirstNotAdmin,
    /// Nobody could manage tokens afterwards.
    #[error(
        "{0:?} is the last admin token without an end: create another one first, or start with --token-file, whose token always is \
         an admin's"
    )]
    LastAdmin(String),
    /// It is the token of the file, which is not stored.
    #[error("{FILE:?} is the token of --token-file: change the file and restart to replace it")]
    File,
    /// No token ever had the name.
    #[error("there is no token {0:?}")]
    Unknown(String),
}

/// The row that a wish makes, new or changed, beside those that are held, at `now_ms` since 1970. None if nothing changes: the token was
/// revoked before.
///
/// # Errors
/// The reason why nothing is done.
pub fn decide(wish: &Wish, held: Held<'_>, now_ms: u64) -> Result<Option<Token>, Refused> {
    match wish {
        Wish::Create(wanted) => create(wanted, held, now_ms).map(Some),
        Wish::Revoke { name, by } => revoke(name, by, held, now_ms),
    }
}

fn create(wanted: &Wanted, held: Held<'_>, now_ms: u64) -> Result<Token, Refused> {
    let Wanted { name, digest, role, releases, lasts_ms, by } = wanted;
    named("name", name)?;
    if name == FILE || held.tokens.iter().any(|token| token.name == *name) {
        return Err(Refused::Taken(name.clone()));
    }
    held.refuse_unreadable(name)?;
    let scope = scope(*role, releases)?;
    if let Some(lasts) = lasts_ms.filter(|lasts| !(1..=MAX_LASTS_MS).contains(lasts)) {
        return Err(Refused::Lasts(lasts));
    }
    if held.ever() >= MAX_EVER {
        return Err(Refused::TooManyEver);
    }
    if held.tokens.iter().filter(|token| token.ended(now_ms).is_none()).count() >= MAX_VALID {
        return Err(Refused::TooManyValid);
    }
    let token = Token {
        name: name.clone(),
        digest: *digest,
        role: *role,
        scope,
        created: Deed { at_ms: now_ms, by: by.clone() },
        expires_ms: lasts_ms.map(|lasts| now_ms.saturating_add(lasts)),
        revoked: None,
    };
    let manageable =
        held.file || token.is_lasting_admin() || held.tokens.iter().any(|token| token.is_lasting_admin());
    if manageable { Ok(token) } else { Err(Refused::FirstNotAdmin) }
}

fn scope(role: Role, releases: &[String]) -> Result<Scope, Refused> {
    if releases.is_empty() {
        return Ok(Scope::All);
    }
    for release in releases {
        named("release", release)?;
    }
    let scope = Scope::Named(releases.iter().cloned().collect());
    match role {
        Role::Admin => Err(Refused::ScopedAdmin(scope)),
        _ if releases.len() > MAX_RELEASES => Err(Refused::Releases(releases.len())),
        _ => Ok(scope),
    }
}

fn revoke(name: &str, by: &str, held: Held<'_>, now_ms: u64) -> Result<Option<Token>, Refused> {
    if name == FILE && held.file {
        return Err(Refused::File);
    }
    held.refuse_unreadable(name)?;
    let token = held.tokens.iter().find(|token| token.name == name);
    let token = token.ok_or_else(|| Refused::Unknown(name.to_owned()))?;
    if token.revoked.is_some() {
        return Ok(None);
    }
    let others = held.tokens.iter().filter(|other| other.name != name);
    if token.is_lasting_admin() && !held.file && !others.into_iter().any(|other| other.is_lasting_admin()) {
        return Err(Refused::LastAdmin(name.to_owned()));
    }
    let revoked = Some(Deed { at_ms: now_ms, by: by.to_owned() });
    Ok(Some(Token { revoked, ..(*token).clone() }))
}

fn named(what: &'static str, name: &str) -> Result<(), Refused> {
    if is_name(name) { Ok(()) } else { Err(Refused::Name { what, name: name.chars().take(100).collect() }) }
}

/// The name of the token of the server's token file. No other can have it.
pub const FILE: &str = "token-file";
/// Tokens that let somebody in at a time: each request's is compared with all of them.
pub const MAX_VALID: usize = 256;
/// Rows that are kept: ten a day for three years.
pub const MAX_EVER: usize = 10_000;
/// Releases that one token may name.
pub const MAX_RELEASES: usize = 64;
/// Ten years, in milliseconds.
pub const MAX_LASTS_MS: u64 = 3_650 * 86_400_000;

#[cfg(test)]
mod tests;
