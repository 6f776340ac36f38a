//! The policy as the comparator has it: asked for, taken or refused, and what the operator is told of that.
//!
//! A bad document leaves the last good one in force, is counted, and is said once: it comes again with every heartbeat.

use std::sync::Arc;
use std::time::Duration;

use antumbra_policy::document::{Invalid, Tree};
use antumbra_policy::{Dice, Policy, Secrets};

use crate::comparator::{brought_policy, trouble};
use crate::link::Link;
use crate::shadow::{self, Answer};

/// One instance's.
pub(crate) struct Subscription {
    release: String,
    secrets: Secrets,
    policy: Option<Arc<Policy>>,
    /// The generation that the comparator gave; an inline policy has none.
    generation: Option<u64>,
    /// `None` without a comparator.
    link: Option<Link>,
    rejected: Option<Invalid>,
    /// The hash of the document that was refused last.
    refused: Option<u64>,
    refusals: u64,
    notice: Option<String>,
}

impl Subscription {
    /// With a policy to begin with. The first heartbeat asks for one all the same: the keys may be others now, and the
    /// comparator. `poll`: about how often to ask, if there is somebody to ask.
    pub(crate) fn new(
        release: &str,
        secrets: &Secrets,
        policy: Option<Arc<Policy>>,
        poll: Option<Duration>,
    ) -> Self {
        Self {
            release: release.to_owned(),
            secrets: secrets.clone(),
            policy,
            generation: None,
            link: poll.map(Link::new),
            rejected: None,
            refused: None,
            refusals: 0,
            notice: None,
        }
    }

    /// The policy in force.
    pub(crate) fn policy(&self) -> Option<&Arc<Policy>> {
        self.policy.as_ref()
    }

    /// What a heartbeat says to run.
    pub(crate) fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// Documents that could not be taken.
    pub(crate) fn refusals(&self) -> u64 {
        self.refusals
    }

    /// What was wrong with the last document, once.
    pub(crate) fn take_rejected(&mut self) -> Option<Invalid> {
        self.rejected.take()
    }

    /// What the operator should know, once.
    pub(crate) fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    /// Whether the comparator answered lately enough, by the policy's lease; or why nothing may be mirrored.
    pub(crate) fn lease(&self, now: Duration) -> Result<(), &'static str> {
        let (Some(link), Some(policy)) = (&self.link, &self.policy) else { return Err("no_comparator") };
        if link.holds(now, policy.lease()) { Ok(()) } else { Err("lease") }
    }

    /// The comparator answered something that only it answers.
    pub(crate) fn alive(&mut self, now: Duration) {
        if let Some(link) = &mut self.link {
            link.alive(now);
        }
    }

    /// Whether there is anybody to ask.
    pub(crate) fn has_comparator(&self) -> bool {
        self.link.is_some()
    }

    /// Whether a poll is under way.
    pub(crate) fn is_polling(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_polling)
    }

    /// Whether to poll now; if so, the poll counts as under way.
    pub(crate) fn poll(&mut self, now: Duration, dice: &mut Dice) -> bool {
        self.link.as_mut().is_some_and(|link| link.poll(now, dice))
    }

    /// A poll is under way, whatever the time.
    pub(crate) fn begin_poll(&mut self) {
        if let Some(link) = &mut self.link {
            link.begin_poll();
        }
    }

    /// Whether what is sent now had better carry the next poll.
    pub(crate) fn rides_along(&mut self, now: Duration) -> bool {
        self.link.as_mut().is_some_and(|link| link.rides_along(now))
    }

    /// The answer to a poll: 200 brings a policy, 204 says that ours is the newest; anything else leaves all as it is.
    pub(crate) fn polled(&mut self, answer: Answer, now: Duration) {
        self.poll_over(trouble(&answer, &self.release));
        let Answer::Complete { headers, body, .. } = answer else { return };
        match shadow::status(&headers) {
            Some(200) => self.install(&body),
            Some(204) => {}
            _ => return,
        }
        self.alive(now);
    }

    /// The answer to a batch that a heartbeat rode along with brings a policy as the answer to a poll does.
    pub(crate) fn acknowledged(&mut self, answer: &Answer, now: Duration) {
        self.alive(now);
        if let Some(link) = &mut self.link {
            link.acknowledged(now);
        }
        if let Some(document) = brought_policy(answer) {
            self.install(document);
        }
    }

    /// A poll could not be sent.
    pub(crate) fn unreachable(&mut self, cluster: &str) {
        self.poll_over(Some(format!(
            "no call to the comparator is possible: is there a cluster {cluster:?}?"
        )));
    }

    /// Nobody waits for an answer any more, nor for what it would say.
    pub(crate) fn abandon(&mut self) {
        self.poll_over(None);
        self.notice = None;
    }

    fn poll_over(&mut self, trouble: Option<String>) {
        let told = self.link.as_mut().and_then(|link| link.polled(trouble));
        self.notice = told.or(self.notice.take());
    }

    fn install(&mut self, document: &[u8]) {
        let hash = xxhash_rust::xxh3::xxh3_64(document);
        if self.refused == Some(hash) {
            return;
        }
        let compiled = Tree::from_json(document)
            .and_then(|tree| Policy::from_tree(&tree))
            .and_then(|policy| policy.bind(&self.secrets));
        match compiled {
            Ok(policy) => {
                self.generation = policy.generation();
                self.policy = Some(Arc::new(policy));
                self.refused = None;
            }
            Err(invalid) => {
                self.rejected = Some(invalid);
                self.refused = Some(hash);
                self.refusals = self.refusals.saturating_add(1);
            }
        }
    }
}
