//! The tokens that let somebody in now, and those that did.

use std::sync::{Arc, PoisonError, RwLock};

use antumbra_control::token::{self, Deed, Digest};
use antumbra_control::{Role, Scope, Token};
use antumbra_store::UnreadableToken;

use crate::api::principal::{Admits, Dismissed, Principal};
use crate::{bearer, clock};

/// All tokens that ever were. Written by the writer's thread alone.
#[derive(Default)]
pub(crate) struct Tokens(RwLock<Held>);

#[derive(Default)]
struct Held {
    /// The token of the file that the server was started with.
    file: Option<Arc<Token>>,
    /// Those that nobody took back, oldest first.
    living: Vec<Arc<Token>>,
    revoked: Vec<Arc<Token>>,
    /// The names of the store's rows that are not as they were written.
    unreadable: Vec<String>,
}

impl Tokens {
    /// Takes over what was stored, beside the token of the file.
    pub(crate) fn restore(&self, stored: Vec<Result<Token, UnreadableToken>>, file: Option<&str>) {
        let mut restored = Held { file: file.map(|secret| Arc::new(of_file(secret))), ..Held::default() };
        for row in stored {
            match row {
                Ok(token) => restored.add(Arc::new(token)),
                Err(UnreadableToken { name, error }) => {
                    tracing::error!(%error, "the row lets nobody in, and every request needs a token");
                    restored.unreadable.push(name);
                }
            }
        }
        self.write(|held| *held = restored);
    }

    /// Whether every request needs a token: one was created once, or the server was started with one. That all of them ended opens
    /// nothing.
    pub(crate) fn are_required(&self) -> bool {
        self.read(|held| {
            let any = held.file.is_some() || !held.living.is_empty() || !held.revoked.is_empty();
            any || !held.unreadable.is_empty()
        })
    }

    /// Whose secret it is at `now_ms` since 1970.
    pub(crate) fn bearer_of(&self, secret: &str, now_ms: u64) -> Result<Arc<Token>, Dismissed> {
        let given = bearer::digest(secret);
        self.read(|held| {
            let living = with_digest(held.file.iter().chain(&held.living), given);
            let token = living.or_else(|| with_digest(held.revoked.iter(), given));
            let token = token.ok_or(Dismissed::Unknown)?;
            refuse_ended(token, now_ms)?;
            Ok(Arc::clone(token))
        })
    }

    /// Those that were stored.
    pub(crate) fn stored(&self) -> Vec<Arc<Token>> {
        self.read(|held| held.living.iter().chain(&held.revoked).cloned().collect())
    }

    /// The names of the rows that are not as they were written.
    pub(crate) fn unreadable(&self) -> Vec<String> {
        self.read(|held| held.unreadable.clone())
    }

    /// The token of the file that the server was started with.
    pub(crate) fn of_file(&self) -> Option<Arc<Token>> {
        self.read(|held| held.file.clone())
    }

    /// Puts a token in force, new or changed.
    pub(crate) fn put(&self, token: Token) -> Arc<Token> {
        let token = Arc::new(token);
        self.write(|held| {
            held.living.retain(|known| known.name != token.name);
            held.add(Arc::clone(&token));
        });
        token
    }

    fn read<T>(&self, read: impl FnOnce(&Held) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, write: impl FnOnce(&mut Held)) {
        write(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Admits for Tokens {
    fn admit_again(&self, by: &Principal) -> Result<(), Dismissed> {
        let Principal::Bearer(token) = by else {
            return if self.are_required() { Err(Dismissed::Unknown) } else { Ok(()) };
        };
        self.read(|held| {
            let mut ever = held.file.iter().chain(&held.living).chain(&held.revoked);
            let known = ever.find(|known| known.name == token.name).ok_or(Dismissed::Unknown)?;
            refuse_ended(known, clock::now_ms())
        })
    }
}

fn refuse_ended(token: &Token, now_ms: u64) -> Result<(), Dismissed> {
    match token.ended(now_ms) {
        None => Ok(()),
        Some(ended) => Err(Dismissed::Ended { token: token.name.clone(), ended }),
    }
}

impl Held {
    fn add(&mut self, token: Arc<Token>) {
        let list = if token.revoked.is_some() { &mut self.revoked } else { &mut self.living };
        list.push(token);
    }
}

/// The one with this digest. All are looked at, whichever it is: time tells nothing about any.
fn with_digest<'t>(tokens: impl Iterator<Item = &'t Arc<Token>>, given: Digest) -> Option<&'t Arc<Token>> {
    tokens.fold(None, |found, token| if token.digest.is(&given) { Some(token) } else { found })
}

/// Who can start the server may do everything.
fn of_file(secret: &str) -> Token {
    Token {
        name: token::FILE.to_owned(),
        digest: bearer::digest(secret),
        role: Role::Admin,
        scope: Scope::All,
        created: Deed { at_ms: 0, by: "antumbra serve".to_owned() },
        expires_ms: None,
        revoked: None,
    }
}
