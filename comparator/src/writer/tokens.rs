//! Tokens at the writer: what is wanted is decided in the control crate, stored, and then in force.

use std::sync::Arc;

use antumbra_control::Token;
use antumbra_control::token::{Held, Wish, decide};

use super::handle::TokenError;
use super::thread::Thread;
use crate::clock;

impl Thread {
    /// Does what somebody wants done with a token, once it is durable. None if nothing changes.
    pub(super) fn wish(&mut self, wish: &Wish) -> Result<Option<Arc<Token>>, TokenError> {
        let (stored, unreadable) = (self.tokens.stored(), self.tokens.unreadable());
        let tokens: Vec<&Token> = stored.iter().map(|token| &**token).collect();
        let file = self.tokens.of_file().is_some();
        let held = Held { tokens: &tokens, unreadable: &unreadable, file };
        let Some(token) = decide(wish, held, clock::now_ms())? else { return Ok(None) };
        self.store.transaction(|writing| writing.put_token(&token))?;
        match &token.revoked {
            None => tracing::info!(
                token = token.name,
                role = %token.role,
                releases = %token.scope,
                by = token.created.by,
                "a token was created"
            ),
            Some(revoked) => tracing::info!(token = token.name, by = revoked.by, "a token was revoked"),
        }
        Ok(Some(self.tokens.put(token)))
    }
}
