//! The contexts of this VM: which are there, and which of them a callback is for.
//!
//! A callback for a context that is not there does nothing. No borrow spans what a context does, because a call that it makes
//! may come back here before it returns: a shadow call can pass through this very filter.
//!
//! Envoy logs a stream before it is done, but under HTTP/3 after, once the client has acknowledged; the ABI leaves it open; and
//! as an upstream filter it never logs. So a stream goes with its log, or, if there is none for a while, without.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::time::Duration;

use antumbra_exchange::Answer;

use crate::host;
use crate::root::Root;
use crate::stream::{Flow, Stream};

/// The host made a context; a root has no root.
pub(crate) fn create(context: u32, root: u32) {
    let made = match root {
        0 => Made::Root(Rc::new(Root::new(context))),
        _ => match self::root(root).and_then(|root| root.instance()) {
            Some(instance) => Made::Stream(Stream::new(instance)),
            None => return,
        },
    };
    if matches!(made, Made::Root(_)) {
        look_at_the_clock();
    }
    with(|contexts| match made {
        Made::Root(root) => contexts.roots.push(root),
        Made::Stream(stream) => contexts.insert(context, stream),
    });
}

/// The root context of this id.
pub(crate) fn root(id: u32) -> Option<Rc<Root>> {
    with(|contexts| contexts.roots.iter().find(|root| root.id() == id).cloned())?
}

/// Runs something with a stream that is there and not running already.
pub(crate) fn with_stream<T>(id: u32, run: impl FnOnce(&mut Stream) -> T) -> Option<T> {
    let mut stream = with(|contexts| contexts.slot(id)?.take()).flatten()?;
    let ran = run(&mut stream);
    with(|contexts| {
        if let Some(slot) = contexts.slot(id) {
            *slot = Some(stream);
        }
    });
    Some(ran)
}

/// A request's headers are there.
pub(crate) fn request_headers(id: u32, end: bool) -> Option<Flow> {
    let (flow, recording) = with_stream(id, |stream| (stream.request_headers(end), stream.is_recording()))?;
    with(|contexts| {
        if flow == Flow::Hold {
            contexts.held.push_back((contexts.ticked.saturating_add(LATEST_BODY), id));
        }
        if recording || flow == Flow::Hold {
            contexts.recording.push_back((contexts.ticked.saturating_add(NEXT_LOOK), id));
        }
    });
    Some(flow)
}

/// A stream is over, and its request can be read once more.
pub(crate) fn log(id: u32) {
    if let Some(mut stream) = with(|contexts| contexts.remove(id)).flatten() {
        stream.log();
    }
}

/// The host wants a context to end. False for a root that has something left to do.
pub(crate) fn done(id: u32) -> bool {
    if with(|contexts| contexts.slot(id).is_some()).unwrap_or(false) {
        with_stream(id, Stream::stop_waiting);
        with(|contexts| contexts.unlogged.push_back((contexts.ticked.saturating_add(LATEST_LOG), id)));
        return true;
    }
    let done = root(id).is_none_or(|root| root.done());
    if done {
        forget(id);
    }
    done
}

/// A root context's clock.
pub(crate) fn tick(id: u32) {
    let Some(root) = root(id) else { return };
    look_at_the_clock();
    give_up_unlogged();
    give_up_bodies(id);
    give_up_recordings();
    root.tick();
    finish(&root);
}

/// A call was answered; whose it was is known by its token alone.
pub(crate) fn answered(context: u32, token: u32, answer: impl FnOnce() -> Answer) {
    let roots = with(|contexts| contexts.roots.clone()).unwrap_or_default();
    let Some((root, call)) = roots.iter().find_map(|root| Some((root, root.take_call(token)?))) else {
        return;
    };
    root.answered(call, answer());
    // Only the root that the host is calling can tell it that it is done.
    if root.id() == context {
        finish(root);
    }
}

/// Ends a root for which the host waits, if nothing is left to wait for.
fn finish(root: &Root) {
    if root.is_drained() {
        forget(root.id());
        root.stop_ticking();
        host::done();
    }
}

fn forget(root: u32) {
    // Dropped outside the borrow.
    let _gone = with(|contexts| {
        let place = contexts.roots.iter().position(|known| known.id() == root)?;
        Some(contexts.roots.swap_remove(place))
    });
}

/// `root` is the context that the host is calling.
fn give_up_bodies(root: u32) {
    while let Some(id) = with(|contexts| due(&mut contexts.held, contexts.ticked)).flatten() {
        if with(|contexts| contexts.slot(id)?.as_ref().map(Stream::is_held_in_vain)).flatten() == Some(true) {
            host::act_for(id);
            with_stream(id, Stream::give_up_body);
            host::act_for(root);
        }
    }
}

fn give_up_unlogged() {
    while let Some(id) = with(|contexts| due(&mut contexts.unlogged, contexts.ticked)).flatten() {
        if let Some(mut stream) = with(|contexts| contexts.remove(id)).flatten() {
            stream.give_up();
        }
    }
}

/// A stream on which nothing happens holds one of few places; each is looked at once in a while.
fn give_up_recordings() {
    while let Some((now, id)) =
        with(|contexts| Some((contexts.ticked, due(&mut contexts.recording, contexts.ticked)?))).flatten()
    {
        let may_record = with_stream(id, |stream| {
            stream.look_at_the_clock(now);
            stream.is_recording() || stream.is_held()
        });
        if may_record == Some(true) {
            with(|contexts| contexts.recording.push_back((now.saturating_add(NEXT_LOOK), id)));
        }
    }
}

fn look_at_the_clock() {
    let now = host::monotonic();
    with(|contexts| contexts.ticked = now);
}

enum Made {
    Root(Rc<Root>),
    Stream(Stream),
}

struct Contexts {
    roots: Vec<Rc<Root>>,
    /// By the id's remainder: hosts count ids up, so the live ones spread evenly. A stream is away while it runs.
    streams: [Vec<(u32, Option<Stream>)>; BUCKETS],
    /// The clock at the last tick: near enough for what waits seconds, and no stream pays for asking.
    ticked: Duration,
    /// Streams that are done, and until when their log may come.
    unlogged: VecDeque<(Duration, u32)>,
    /// Requests that wait for their bodies, and until when.
    held: VecDeque<(Duration, u32)>,
    /// Requests that were recorded, or held and may yet be, when last looked at, and when to look again.
    recording: VecDeque<(Duration, u32)>,
}

impl Contexts {
    fn bucket(&mut self, id: u32) -> Option<&mut Vec<(u32, Option<Stream>)>> {
        self.streams.get_mut(id as usize % BUCKETS)
    }

    fn insert(&mut self, id: u32, stream: Stream) {
        if let Some(bucket) = self.bucket(id) {
            bucket.push((id, Some(stream)));
        }
    }

    fn slot(&mut self, id: u32) -> Option<&mut Option<Stream>> {
        self.bucket(id)?.iter_mut().find(|(known, _)| *known == id).map(|(_, stream)| stream)
    }

    fn remove(&mut self, id: u32) -> Option<Stream> {
        let bucket = self.bucket(id)?;
        let place = bucket.iter().position(|(known, _)| *known == id)?;
        bucket.swap_remove(place).1
    }
}

/// The first whose time has come.
fn due(queue: &mut VecDeque<(Duration, u32)>, now: Duration) -> Option<u32> {
    queue.pop_front_if(|(until, _)| *until <= now).map(|(_, id)| id)
}

/// `None` if somebody has them already, which is nobody.
fn with<T>(run: impl FnOnce(&mut Contexts) -> T) -> Option<T> {
    thread_local! {
        // Never dropped: the VM ends without destructors, and one would cost each access a check.
        static CONTEXTS: ManuallyDrop<RefCell<Contexts>> = const {
            ManuallyDrop::new(RefCell::new(Contexts {
                roots: Vec::new(),
                streams: [const { Vec::new() }; BUCKETS],
                ticked: Duration::ZERO,
                unlogged: VecDeque::new(),
                held: VecDeque::new(),
                recording: VecDeque::new(),
            }))
        };
    }
    CONTEXTS.with(|contexts| contexts.try_borrow_mut().ok().map(|mut contexts| run(&mut contexts)))
}

const BUCKETS: usize = 256;
/// How long a request may be held before something of its body comes.
const LATEST_BODY: Duration = Duration::from_secs(2);
/// Between two looks at a recording.
const NEXT_LOOK: Duration = Duration::from_millis(500);
/// How long a stream that is done may wait for its log: longer than a client takes to acknowledge.
const LATEST_LOG: Duration = Duration::from_secs(10);
