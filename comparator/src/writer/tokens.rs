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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use antumbra_control::token::{Digest, Wanted};
    use antumbra_control::{Command, Reset, Role};
    use antumbra_store::{Accounts, Store};

    use super::*;
    use crate::Descriptors;
    use crate::api::principal::{Dismissed, Principal};
    use crate::live::Live;
    use crate::plugins::Plugins;
    use crate::writer::{Handle, Job};

    /// A request may wait for the writer, and what ends its token may come before it there.
    #[tokio::test]
    async fn the_writer_does_nothing_for_those_who_are_not_let_in_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("a.db")).unwrap();
        let live = Live::new(Descriptors::default(), Accounts::default());
        let (handle, inbox) = Handle::new(Arc::clone(&live.ledger));
        let keep = Duration::from_secs(3_600);
        let thread = Thread::new(store, live, &Plugins::default(), inbox, keep).unwrap();
        let running = std::thread::spawn(move || thread.run());
        let asked = async |wish: Wish, by: &Principal| {
            let asker = by.clone().into();
            handle
                .ask(|reply| Job::Token(wish, asker, reply))
                .await
                .unwrap()
                .map(|made| made.unwrap().unwrap())
        };
        let create = |name: &str| {
            let (name, digest, by) = (name.to_owned(), Digest([7; 32]), "ana".to_owned());
            Wish::Create(Wanted { name, digest, role: Role::Admin, releases: Vec::new(), lasts_ms: None, by })
        };
        let anybody = Principal::Anybody;
        let root = Principal::Bearer(asked(create("root"), &anybody).await.unwrap());
        assert_eq!(asked(create("late"), &anybody).await, Err(Dismissed::Unknown));
        let second = Principal::Bearer(asked(create("second"), &root).await.unwrap());
        let revoke = Wish::Revoke { name: "second".to_owned(), by: "root".to_owned() };
        asked(revoke, &root).await.unwrap();
        assert!(
            matches!(asked(create("third"), &second).await, Err(Dismissed::Ended { token, .. }) if token == "second")
        );
        let (release, author, reason) = ("shop".to_owned(), "second".to_owned(), String::new());
        let reset = Box::new(Command::Reset(Reset { release, author, reason }));
        let done = handle.ask(|reply| Job::Command(reset, second.into(), reply)).await.unwrap();
        assert!(matches!(done, Err(Dismissed::Ended { .. })));
        handle.stop();
        running.join().unwrap();
    }
}
