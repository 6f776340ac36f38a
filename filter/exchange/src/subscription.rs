//! The policy as the comparator has it: asked for, taken or refused, and what the operator is told of that.
//!
//! One instance of the proxy asks for all of them, so a document and the news that the comparator lives may come from another one.
//! A bad document leaves the last good one in force, is counted, and is said once: it comes again with every heartbeat.

use std::sync::Arc;
use std::time::Duration;

use antumbra_observation::{Instance, MAX_TROUBLES, NotMirrored, RUN_HEADER, Trouble, TroubleKind};
use antumbra_policy::document::{Invalid, Problem, Tree};
use antumbra_policy::{Dice, Policy, Secrets};
use xxhash_rust::xxh3::xxh3_64;

use crate::comparator::{brought_policy, is_the_comparators, trouble};
use crate::election::{Election, Found, Known, News, Step};
use crate::headers::first;
use crate::link::Link;
use crate::report::{LONGEST_SILENCE, Report, Said};
use crate::settings::Comparator;
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
    /// `None` without a comparator.
    election: Option<Election>,
    report: Report,
    /// Of the comparator; its `silent` is the link's to tell.
    known: Known,
    /// The last document, if the others may have to hear of it.
    document: Option<Vec<u8>>,
    rejected: Option<Invalid>,
    /// The same for the comparator, as long as that document is the last.
    troubles: Vec<Trouble>,
    /// The hash of the document that was refused last.
    refused: Option<u64>,
    refusals: u64,
    notice: Option<String>,
}

impl Subscription {
    /// With a policy to begin with. The first heartbeat asks for one all the same: the keys may be others now, and the
    /// comparator, if there is somebody to ask.
    pub(crate) fn new(
        release: &str,
        secrets: &Secrets,
        policy: Option<Arc<Policy>>,
        comparator: Option<&Comparator>,
        me: Instance,
    ) -> Self {
        Self {
            release: release.to_owned(),
            secrets: secrets.clone(),
            policy,
            generation: None,
            link: comparator.map(|comparator| Link::new(comparator.poll)),
            election: comparator.map(|comparator| Election::new(me, comparator)),
            report: Report::default(),
            known: Known::default(),
            document: None,
            rejected: None,
            troubles: Vec::new(),
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
    pub(crate) fn lease(&self, now: Duration) -> Result<(), NotMirrored> {
        let (Some(link), Some(policy)) = (&self.link, &self.policy) else {
            return Err(NotMirrored::NoComparator);
        };
        if link.holds(now, policy.lease()) { Ok(()) } else { Err(NotMirrored::Lease) }
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

    /// Whether to poll now, or to report where another instance polls; if so, the poll counts as under way.
    pub(crate) fn poll(&mut self, said: &Said, now: Duration, dice: &mut Dice) -> bool {
        let (Some(link), Some(election)) = (&mut self.link, &self.election) else { return false };
        let reports = || self.report.is_due(said, link.is_lively(now), now);
        let wanted = link.is_due(now) && (!election.follows() || reports());
        wanted && link.poll(now, dice)
    }

    /// What is sent now says this.
    pub(crate) fn says(&mut self, said: Said, now: Duration) {
        self.report.say(said, now);
    }

    /// What was wrong with the document that was refused last, as long as no other was taken.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.troubles.iter()
    }

    /// The time within which the instance speaks again, whether it polls or another one does.
    pub(crate) fn longest_silence(&self) -> Option<Duration> {
        self.link.as_ref().map(|link| link.interval().max(LONGEST_SILENCE))
    }

    /// What was sent last may have reached nobody.
    pub(crate) fn unheard(&mut self) {
        self.report.unheard();
    }

    /// The instance is to end: another one has to ask from now on.
    pub(crate) fn leave(&mut self) {
        if let Some(election) = &mut self.election {
            election.leave();
        }
    }

    /// Looks at what the instances of the proxy share.
    pub(crate) fn look(&mut self, found: &Found, now: Duration) -> Step {
        let (Some(link), Some(election)) = (&self.link, &mut self.election) else { return Step::Wait };
        let own = Known { silent: link.silence(now), ..self.known };
        let (written, news) = election.look(found, own, now);
        if let Some((record, over)) = written {
            return Step::Write { document: self.document.take(), record, over };
        }
        let reads = news.is_some_and(|news| self.heard(news, now));
        if reads { Step::Read } else { Step::Wait }
    }

    /// Whether there is a document to read.
    fn heard(&mut self, news: News, now: Duration) -> bool {
        // A clock that is younger than the silence has no time to call it.
        let answered = news.known.silent.and_then(|silent| now.checked_sub(silent));
        if let (Some(answered), Some(link)) = (answered, &mut self.link) {
            link.alive(answered);
        }
        if news.known.run != 0 {
            self.known.run = news.known.run;
        }
        if news.restarted {
            self.report.unheard();
            self.hurry(now);
        }
        news.new_document && news.known.document != 0 && news.known.document != self.known.document
    }

    /// Takes the document that the instances share. If it is not the one that was announced, or older than the one in force, the
    /// comparator itself is asked.
    pub(crate) fn read(&mut self, found: &Found, now: Duration) {
        let announced = self.election.as_ref().and_then(Election::announced);
        match found {
            Found::Value(document, _) if Some(xxh3_64(document)) == announced => {
                self.install(document, Source::Instance);
            }
            Found::Value(..) | Found::Nothing | Found::Unavailable => {}
        }
        self.report.unheard();
        self.hurry(now);
    }

    fn hurry(&mut self, now: Duration) {
        if let Some(link) = &mut self.link {
            link.hurry(now);
        }
    }

    /// A poll is under way, whatever the time.
    pub(crate) fn begin_poll(&mut self) {
        if let Some(link) = &mut self.link {
            link.begin_poll();
        }
    }

    /// Whether what is sent now had better carry the next poll: it is near, or nobody may know this instance yet, whose observations a
    /// comparator that asks for tokens would refuse.
    pub(crate) fn rides_along(&mut self, now: Duration) -> bool {
        let near = self.link.as_mut().is_some_and(|link| link.rides_along(now));
        near || self.report.is_unheard()
    }

    /// The answer to a poll: 200 brings a policy, 204 says that ours is the newest; anything else leaves all as it is.
    pub(crate) fn polled(&mut self, answer: &Answer, now: Duration) {
        self.poll_over(trouble(answer, &self.release));
        self.met(is_the_comparators(answer), now);
        let Answer::Complete { headers, body, .. } = answer else { return self.unheard() };
        match shadow::status(headers) {
            Some(200) => self.install(body, Source::Comparator),
            Some(204) => {}
            _ => return self.unheard(),
        }
        self.answered(answer, now);
    }

    /// The answer to a batch that a heartbeat rode along with brings a policy as the answer to a poll does.
    pub(crate) fn acknowledged(&mut self, answer: &Answer, now: Duration) {
        self.answered(answer, now);
        self.met(true, now);
        if let Some(link) = &mut self.link {
            link.acknowledged(now);
        }
        if let Some(document) = brought_policy(answer) {
            self.install(document, Source::Comparator);
        }
    }

    fn answered(&mut self, answer: &Answer, now: Duration) {
        self.alive(now);
        if let Answer::Complete { headers, .. } = answer
            && let Some(run) = first(headers, RUN_HEADER)
        {
            self.known.run = xxh3_64(run);
        }
    }

    /// Whether somebody answered a poll.
    fn met(&mut self, somebody: bool, now: Duration) {
        match &mut self.election {
            Some(election) if somebody => election.reached(),
            Some(election) => election.missed(now),
            None => {}
        }
    }

    /// A poll could not be sent.
    pub(crate) fn unreachable(&mut self, cluster: &str, now: Duration) {
        self.unheard();
        self.met(false, now);
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

    fn install(&mut self, document: &[u8], source: Source) {
        let hash = xxh3_64(document);
        if source == Source::Comparator && hash != self.known.document {
            let follows = self.election.as_ref().is_none_or(Election::follows);
            self.document = Some(document).filter(|d| !follows && d.len() <= MAX_SHARED).map(<[u8]>::to_vec);
        }
        if self.refused == Some(hash) {
            self.known.document = hash;
            return;
        }
        match self.compiled(document) {
            // Another instance may have asked before this one did.
            Ok(policy) if source == Source::Instance && policy.generation() < self.generation => {}
            Ok(policy) => {
                self.known.document = hash;
                self.generation = policy.generation();
                self.policy = Some(Arc::new(policy));
                self.refused = None;
                self.troubles = Vec::new();
            }
            Err(Refused { kind, generation, invalid }) => {
                let trouble = |problem: &Problem| {
                    Trouble::new(kind, &problem.path, &problem.message).of_generation(generation)
                };
                self.troubles = invalid.problems.iter().take(MAX_TROUBLES).map(trouble).collect();
                self.known.document = hash;
                self.rejected = Some(invalid);
                self.refused = Some(hash);
                self.refusals = self.refusals.saturating_add(1);
            }
        }
    }
}

/// Why a document was not taken.
struct Refused {
    kind: TroubleKind,
    generation: Option<u64>,
    invalid: Invalid,
}

impl Subscription {
    fn compiled(&self, document: &[u8]) -> Result<Policy, Refused> {
        let refused = |kind, generation| move |invalid| Refused { kind, generation, invalid };
        if document.len() > MAX_DOCUMENT {
            let message = format!("has {} bytes, must have at most {MAX_DOCUMENT}", document.len());
            return Err(refused(TroubleKind::PolicyRefused, None)(Invalid::single("document", message)));
        }
        let tree = Tree::from_json(document).map_err(refused(TroubleKind::PolicyRefused, None))?;
        let generation = match tree.get("generation") {
            Some(Tree::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let policy = Policy::from_tree(&tree).map_err(refused(TroubleKind::PolicyRefused, generation))?;
        policy.bind(&self.secrets).map_err(refused(TroubleKind::MissingSecret, generation))
    }
}

/// Who brings a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Comparator,
    Instance,
}

/// Bytes of a document that is read at all: as many as a policy may take in memory. Reading holds up the requests of a worker.
const MAX_DOCUMENT: usize = 16 << 20;
/// Bytes of a document that the instances share; of a longer one they only hear, and each asks for it.
const MAX_SHARED: usize = 1 << 20;
