//! What a command does: a command, the state it meets and the time make effects, or a refusal.
//!
//! Effects are data. Whoever carries them out commits all of their writes at once, then puts the new generation in force, and needs to
//! know nothing of policies.

use std::time::Duration;

use antumbra_engine::Verdict;
use antumbra_policy::document::Tree;

use crate::audit::{DELETE, Draft, READ};
use crate::change::{Change, Edit, Expected, Judged, amended, check};
use crate::difference::{self, Undone};
use crate::document::Document;
use crate::exposure;
use crate::files::Files;
use crate::fingerprint;
use crate::records::{Session, StoredPolicy};
use crate::refusal::Refusal;
use crate::version::Version;

/// What somebody wants done with a release.
pub enum Command {
    /// Change its policy.
    Change(Change),
    /// Put a policy file's document in force, unless it is the one that a file brought before: what was changed at run time since
    /// then outlives a restart.
    Adopt(Box<Document>),
    /// Begin a new session of evidence.
    Reset(Reset),
    /// Take the policy out of force, and forget all that is known of the release but its audit.
    Delete(Delete),
    /// Say in the audit who read exchanges.
    NoteRead(Read),
    /// Begin a new session where the evidence was gathered with other files than those that are here: they may see differences
    /// elsewhere.
    NoteFiles {
        /// The policy's name.
        release: String,
    },
    /// Begin a new session because the stored evidence of the one that went on cannot be read.
    StartOver {
        /// The policy's name.
        release: String,
        /// What cannot be read, as a clause.
        damage: String,
    },
}

/// A new beginning that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// The policy's name.
    pub release: String,
    /// Who asks.
    pub author: String,
    /// Why; may be empty.
    pub reason: String,
}

/// An end that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The policy's name.
    pub release: String,
    /// In which state it must be.
    pub expected: Expected,
    /// Although filters run it.
    pub force: bool,
    /// Who asks.
    pub author: String,
    /// Why; may be empty.
    pub reason: String,
}

/// Exchanges that somebody read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The policy's name.
    pub release: String,
    /// Who read them.
    pub reader: String,
    /// How many captures began.
    pub captures: u64,
    /// How many exchanges were sent.
    pub exchanges: u64,
}

/// What a command meets.
#[derive(Clone, Copy)]
pub struct State<'a> {
    /// The generation in force; none before the first.
    pub current: Option<&'a Version>,
    /// The session of evidence that goes on.
    pub session: Option<Session>,
    /// Which files that session is gathered with, as [`Files::of`] writes them.
    pub gathered_with: &'a str,
    /// What the last policy file of this name said.
    pub known_file: Option<&'a str>,
    /// The document of the last generation that was put, by a file or over HTTP: what changed since then was changed at run time.
    pub last_put: Option<&'a Tree>,
    /// The highest generation that a policy of this name ever had; 0 before the first.
    pub last_generation: u64,
    /// Filter instances that run the policy now.
    pub filters: usize,
    /// How long it will take until it is known which those are that ran it before the comparator started; none if it is known.
    pub awaited: Option<Duration>,
    /// The files that are here.
    pub at_hand: &'a Files,
}

/// Something to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Note what the policy file said.
    PutFile(String),
    /// A generation.
    PutPolicy(StoredPolicy),
    /// Who did what.
    Audit(Draft),
    /// The next session; what was gathered, delivered and lost before does not concern it.
    BeginSession {
        /// Its number and the generation that begins it.
        session: Session,
        /// Which files it is gathered with.
        files: String,
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
    /// Take the evidence of a session, which cannot be read, out of the way, but keep it.
    SetAside {
        /// The number of the session.
        session: u64,
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
    /// Forget the policy, all its generations, and all evidence of the release; its audit stays.
    Forget,
}

/// What a command does.
#[derive(Default)]
pub struct Effects {
    /// What is to be written, in this order and in one transaction.
    pub writes: Vec<Effect>,
    /// What is in force once that is durable; none if the generation stays.
    pub version: Option<Version>,
    /// One line per changed field.
    pub diff: Vec<String>,
    /// What was changed at run time and is not so any more.
    pub undone: Vec<Undone>,
    /// What the author of the change should know, in words.
    pub warnings: Vec<String>,
}

impl Command {
    /// The policy's name.
    pub fn release(&self) -> &str {
        match self {
            Self::Change(change) => &change.name,
            Self::Adopt(document) => document.name(),
            Self::Reset(reset) => &reset.release,
            Self::Delete(delete) => &delete.release,
            Self::NoteRead(read) => &read.release,
            Self::NoteFiles { release } | Self::StartOver { release, .. } => release,
        }
    }
}

impl Effects {
    /// The session that begins, if one does.
    pub fn begun(&self) -> Option<Session> {
        self.writes.iter().find_map(|effect| match effect {
            Effect::BeginSession { session, .. } => Some(*session),
            Effect::PutFile(_)
            | Effect::PutPolicy(_)
            | Effect::Audit(_)
            | Effect::SetAside { .. }
            | Effect::Forget => None,
        })
    }

    /// Whether the policy is out of force afterwards.
    pub fn deleted(&self) -> bool {
        self.writes.contains(&Effect::Forget)
    }
}

/// What a command does to a release in this state, at `now_ms` since 1970.
///
/// # Errors
/// The reason why nothing is done.
pub fn decide(command: &Command, state: State<'_>, now_ms: u64) -> Result<Effects, Refusal> {
    match command {
        Command::Change(wanted) => change(wanted, state, now_ms),
        Command::Adopt(document) => adopt(document, state, now_ms),
        Command::Reset(wanted) => reset(wanted, state, now_ms),
        Command::Delete(wanted) => delete(wanted, state, now_ms),
        Command::NoteRead(read) => note_read(read, state, now_ms),
        Command::NoteFiles { release } => note_files(release, state, now_ms),
        Command::StartOver { release, damage } => {
            let reason = format!("the stored evidence cannot be read: {damage}");
            let mut effects = start_over(release, reason, state, now_ms)?;
            // Where not even the session is known, what was set aside already still is as of now.
            let session = state.session.map_or(0, |session| session.number);
            effects.writes.insert(0, Effect::SetAside { session, at_ms: now_ms });
            Ok(effects)
        }
    }
}

fn change(change: &Change, state: State<'_>, now_ms: u64) -> Result<Effects, Refusal> {
    let current = state.current;
    let Some(document) = amended(current, change)? else {
        return Ok(Effects { writes: same(change, state, now_ms), ..Effects::default() });
    };
    state.at_hand.refuse_absent(&document, current.map(|current| &current.document))?;
    let warning = against_the_verdict(state, &document, change)?;
    let is_new = current.is_none_or(|current| !current.document.shares_evidence_with(&document));
    let before = current.map_or(&NOTHING, |current| current.document.tree());
    let diff = difference::lines(before, document.tree());
    let undone = state.undone_by(&change.edit, &document);
    let generation = state.next_generation();
    // A file is noted even if it changed nothing: what is changed at run time afterwards is newer than it.
    let file = change.edit.is_file().then(|| Effect::PutFile(document.text()));
    let session = is_new.then(|| state.next_session(&document, generation, now_ms));
    let reason = match change.judged {
        Judged::Failed | Judged::As(Verdict::RollBack) if warning.is_some() => {
            format!("{} {}", change.reason, despite(change.judged))
        }
        _ => change.reason.clone(),
    };
    let by = By { author: &change.author, action: change.edit.action(), reason: reason.trim_start() };
    let version = Version::new(document, generation, now_ms);
    let writes = file.into_iter().chain(put(&version, by, &diff)).chain(session).collect();
    let warnings = warning.into_iter().collect();
    Ok(Effects { writes, version: Some(version), diff, undone, warnings })
}

/// What is written where the document says what is in force already. It was put, all the same: what was changed at run time before is
/// a part of it, and only what is changed afterwards can be taken back.
fn same(change: &Change, state: State<'_>, now_ms: u64) -> Vec<Effect> {
    let Some(current) = state.current.filter(|_| change.edit.is_document()) else { return Vec::new() };
    let file = change.edit.is_file().then(|| Effect::PutFile(current.document.text()));
    let is_put = state.last_put.is_none_or(|put| put == current.document.tree());
    let by = By { author: &change.author, action: change.edit.action(), reason: &change.reason };
    let audit = (!is_put).then(|| Effect::Audit(by.draft(&change.name, current.generation, now_ms, &[])));
    file.into_iter().chain(audit).collect()
}

/// Whether a change, if it is made, gives clients more of a candidate: only then somebody has to ask for the verdict.
pub fn raises(current: Option<&Version>, wanted: &Change) -> bool {
    let (Some(now), Ok(Some(next))) = (current, amended(current, wanted)) else { return false };
    !exposure::raised(now.document.tree(), next.tree()).is_empty()
}

/// Clients get more of a candidate that is shown to be worse only if somebody says so; of one of which too little is known, with a warning.
fn against_the_verdict(
    state: State<'_>,
    next: &Document,
    change: &Change,
) -> Result<Option<String>, Refusal> {
    let Some(current) = state.current else { return Ok(state.without_the_evidence(next, change)) };
    let raised = exposure::raised(current.document.tree(), next.tree());
    let Some(raised) = raised.first() else { return Ok(None) };
    match change.judged {
        // The policy changed since the change was looked at.
        Judged::Unasked => Err(Refusal::Unjudged),
        Judged::Failed | Judged::As(Verdict::RollBack) if !change.despite_verdict => {
            Err(Refusal::Verdict { raised: raised.to_string() })
        }
        Judged::Failed => Ok(Some(format!("the verdict could not be told, and {raised}"))),
        Judged::As(Verdict::RollBack) => Ok(Some(format!("the verdict is roll back, and {raised}"))),
        Judged::As(Verdict::Wait) if next.mirrors() => {
            Ok(Some(format!("the verdict is wait: too little is known of the candidate, and {raised}")))
        }
        Judged::As(Verdict::Wait | Verdict::Promote) | Judged::Waived => Ok(None),
    }
}

/// What the audit has behind the reason of a change that was made all the same.
fn despite(judged: Judged) -> &'static str {
    match judged {
        Judged::Failed => "(though the verdict could not be told)",
        _ => "(despite the verdict roll back)",
    }
}

fn adopt(document: &Document, state: State<'_>, now_ms: u64) -> Result<Effects, Refusal> {
    if state.known_file.is_some_and(|known| known == document.text()) {
        return Ok(Effects::default());
    }
    let wanted = Change {
        name: document.name().to_owned(),
        edit: Edit::File(document.tree().clone()),
        expected: Expected::Any,
        author: OURSELVES.to_owned(),
        reason: "policy file at the start".to_owned(),
        judged: Judged::Waived,
        despite_verdict: false,
    };
    change(&wanted, state, now_ms)
}

/// A new session under a new generation of the same document: only by its generation can an observation tell whether it was decided
/// before or after.
fn reset(reset: &Reset, state: State<'_>, now_ms: u64) -> Result<Effects, Refusal> {
    let current = state.current.ok_or_else(|| Refusal::Unknown(reset.release.clone()))?;
    current.refuse_read_only()?;
    let generation = state.next_generation();
    let document = Document::from_tree(current.document.tree().clone())?;
    let session = state.next_session(&document, generation, now_ms);
    let by = By { author: &reset.author, action: RESET, reason: &reset.reason };
    let version = Version::new(document, generation, now_ms);
    let writes = put(&version, by, &[]).into_iter().chain([session]).collect();
    Ok(Effects { writes, version: Some(version), ..Effects::default() })
}

/// The audit says what the policy was, for nothing else will.
fn delete(wanted: &Delete, state: State<'_>, now_ms: u64) -> Result<Effects, Refusal> {
    let current = state.current.ok_or_else(|| Refusal::Unknown(wanted.release.clone()))?;
    check(Some(current), &wanted.expected)?;
    if state.filters > 0 && !wanted.force {
        return Err(Refusal::Running { release: wanted.release.clone(), filters: state.filters });
    }
    if let (Some(awaited), false) = (state.awaited, wanted.force) {
        let seconds = awaited.as_secs().saturating_add(1);
        return Err(Refusal::Awaited { release: wanted.release.clone(), seconds });
    }
    let diff = difference::lines(current.document.tree(), &NOTHING);
    let by = By { author: &wanted.author, action: DELETE, reason: &wanted.reason };
    let audit = Effect::Audit(by.draft(&wanted.release, current.generation, now_ms, &diff));
    Ok(Effects { writes: vec![audit, Effect::Forget], diff, ..Effects::default() })
}

fn note_read(read: &Read, state: State<'_>, now_ms: u64) -> Result<Effects, Refusal> {
    let current = state.current.ok_or_else(|| Refusal::Unknown(read.release.clone()))?;
    let by = By { author: &read.reader, action: READ, reason: "" };
    let how_much =
        [format!("captures begun: {}", read.captures), format!("exchanges sent: {}", read.exchanges)];
    let audit = Effect::Audit(by.draft(&read.release, current.generation, now_ms, &how_much));
    Ok(Effects { writes: vec![audit], ..Effects::default() })
}

fn note_files(release: &str, state: State<'_>, now_ms: u64) -> Result<Effects, Refusal> {
    let current = state.current.ok_or_else(|| Refusal::Unknown(release.to_owned()))?;
    let files = state.at_hand.of(&current.document);
    if files == state.gathered_with {
        return Ok(Effects::default());
    }
    let reason = match current.document.problems() {
        [] => format!("plugins or descriptors are other files: {files}"),
        _ => format!("the stored policy is compared by other rules or files: {files}"),
    };
    start_over(release, reason, state, now_ms)
}

/// A new session that nobody asked for.
fn start_over(release: &str, reason: String, state: State<'_>, now_ms: u64) -> Result<Effects, Refusal> {
    let current = state.current.ok_or_else(|| Refusal::Unknown(release.to_owned()))?;
    if !current.document.problems().is_empty() {
        return Ok(begin_again(release, current, state, &reason, now_ms));
    }
    let wanted = Reset { release: release.to_owned(), author: OURSELVES.to_owned(), reason };
    reset(&wanted, state, now_ms)
}

/// A new session of a generation that can have no successor. A late observation of before counts in it, but it was decided under the
/// same document.
fn begin_again(release: &str, current: &Version, state: State<'_>, reason: &str, now_ms: u64) -> Effects {
    let by = By { author: OURSELVES, action: RESET, reason };
    let audit = Effect::Audit(by.draft(release, current.generation, now_ms, &[]));
    let session = state.next_session(&current.document, current.generation, now_ms);
    Effects { writes: vec![audit, session], ..Effects::default() }
}

/// What the audit says of whoever does something.
#[derive(Clone, Copy)]
struct By<'a> {
    author: &'a str,
    action: &'a str,
    reason: &'a str,
}

impl By<'_> {
    fn draft(self, release: &str, generation: u64, at_ms: u64, diff: &[String]) -> Draft {
        Draft {
            release: release.to_owned(),
            generation,
            at_ms,
            who: self.author.to_owned(),
            action: self.action.to_owned(),
            reason: self.reason.to_owned(),
            diff: diff.to_vec(),
            document: None,
        }
    }
}

/// Puts a generation in force, and says in the audit who did and why.
fn put(version: &Version, by: By<'_>, diff: &[String]) -> [Effect; 2] {
    let Version { generation, at_ms, document, .. } = version;
    let stored = StoredPolicy { generation: *generation, at_ms: *at_ms, text: document.text() };
    let made = Some(fingerprint::sha256(stored.text.as_bytes()));
    let draft = Draft { document: made, ..by.draft(document.name(), *generation, *at_ms, diff) };
    [Effect::PutPolicy(stored), Effect::Audit(draft)]
}

impl State<'_> {
    fn next_session(&self, document: &Document, since: u64, at_ms: u64) -> Effect {
        let number = self.session.map_or(1, |session| session.number + 1);
        Effect::BeginSession { session: Session { number, since }, files: self.at_hand.of(document), at_ms }
    }

    /// Above that of a policy of the same name that was deleted: a filter that still runs that one takes the new one for newer.
    fn next_generation(&self) -> u64 {
        self.current.map_or(0, |current| current.generation).max(self.last_generation) + 1
    }

    /// What somebody should know who creates a policy anew: what was known of its candidate was deleted with the earlier one.
    fn without_the_evidence(&self, next: &Document, change: &Change) -> Option<String> {
        let again = self.last_generation > 0 && change.judged != Judged::Waived && next.mirrors();
        let given = if again { exposure::given(next.tree()) } else { Vec::new() };
        let first = given.first()?;
        Some(format!("a policy of this name was deleted with what was known of the candidate, and {first}"))
    }

    /// What was changed at run time since a document was put last, and is not so in the one that is put now.
    fn undone_by(&self, edit: &Edit, next: &Document) -> Vec<Undone> {
        match (self.last_put, self.current) {
            (Some(put), Some(current)) if edit.is_document() => {
                difference::undone(put, current.document.tree(), next.tree())
            }
            _ => Vec::new(),
        }
    }
}

/// What a policy is before its first generation.
static NOTHING: Tree = Tree::Map(Vec::new());
/// The action of a new session in the audit.
const RESET: &str = "reset";
/// The author of what nobody asked for.
const OURSELVES: &str = "antumbra serve";

#[cfg(test)]
mod tests;
