//! Which requests are also sent to a candidate, and which of those a second time to the stable version.

use std::sync::Arc;
use std::time::Duration;

use crate::dice::Dice;
use crate::document::{Field, Map, optional};
use crate::headers::HeaderChanges;
use crate::matching::read_methods;
use crate::share::Share;
use crate::variant::{Variant, Variants, read_authority};

/// One entry of a rule's `mirror`: which requests are also sent to which candidate, and how.
#[derive(Debug)]
pub struct Mirror {
    /// The name of the rule that the mirror belongs to.
    pub rule: String,
    /// The candidate, whose answers are compared with the primary's.
    pub to: Arc<Variant>,
    /// The share of the requests that may be mirrored which is mirrored.
    pub share: Share,
    /// Who answers a second time for the stable version, to tell noise from change; `None` if nobody does.
    pub control: Option<Control>,
    /// How long a shadow call may take, 1 ms to 60 s.
    pub timeout: Duration,
    /// How long a request's body may be for the request to be mirrored, in bytes, at most 8 MiB.
    pub max_body_bytes: u64,
    /// How many exchanges of this mirror may wait for answers at a time, per worker; `None` is no bound but the worker's own.
    pub max_in_flight: Option<usize>,
    /// Who makes the shadow calls.
    pub via: Via,
    /// Replaces the `:authority` of the shadow request, if it is given.
    pub host: Option<String>,
    /// Is put before the path of the shadow request, if it is given; it begins with `/` and does not end with one.
    pub path_prefix: Option<String>,
    /// What is changed in the headers of the shadow request.
    pub headers: HeaderChanges,
    methods: Methods,
    sample: Sample,
}

/// The second call to the stable version, by which noise is told from change.
#[derive(Debug)]
pub struct Control {
    /// The variant that answers for the stable version: another one than the candidate.
    pub to: Arc<Variant>,
    /// The share of the mirrored requests that is also sent to the control.
    pub share: Share,
}

/// Who makes the shadow calls of a mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The proxy makes the calls, through its own clusters.
    Host,
    /// The comparator makes the calls, and needs an address for each cluster. A service that misbehaves does not meet the proxy
    /// at all.
    Comparator,
}

/// One shadow that a request gets: the mirror that sampled it, and whether the control is asked too.
#[derive(Debug, Clone, Copy)]
pub struct Mirrored<'p> {
    /// The mirror, which says what to send where.
    pub mirror: &'p Arc<Mirror>,
    /// Whether the control answers this request too.
    pub control: bool,
}

/// What a mirror does with a request.
#[derive(Debug)]
pub(crate) enum Drawn<'p> {
    Mirrored(Mirrored<'p>),
    NotSampled,
    Red,
    UnsafeMethod,
    /// Its `methods` leave this one out.
    NotListed,
}

/// What a share is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sample {
    /// Requests: each takes its chance.
    Request,
    /// Those who ask: all requests of some.
    Key,
}

#[derive(Debug)]
struct Methods {
    /// `None`: the safe ones, or every one where unsafe ones are allowed.
    listed: Option<Vec<Box<[u8]>>>,
    unsafe_allowed: bool,
}

impl Mirror {
    pub(crate) fn read(field: &Field<'_>, rule: &str, variants: &Variants) -> Option<Self> {
        let map = field.map(&FIELDS)?;
        let to = map.required("to").and_then(|field| variants.named(field));
        let share = read_share(&map);
        let methods = read_mirrored_methods(&map);
        let control = match map.get("control") {
            Some(field) => read_control(field, to.as_ref(), variants).map(Some),
            None => Some(None),
        };
        let timeout = map.get("timeout").map_or(Some(TIMEOUT), |field| field.duration(SHORTEST..=LONGEST));
        let max_body_bytes =
            map.get("maxBodyBytes").map_or(Some(BODY_BYTES), |field| field.integer(0..=MAX_BODY_BYTES));
        let samples = [("request", Sample::Request), ("key", Sample::Key)];
        let sample = map.get("sample").map_or(Some(Sample::Request), |field| field.one_of(&samples));
        let max_in_flight = optional(
            map.get("maxInFlight")
                .map(|field| field.integer(1..=MAX_IN_FLIGHT).and_then(|most| usize::try_from(most).ok())),
        );
        let via = map.get("via").map_or(Some(Via::Host), |field| field.one_of(&VIAS));
        let host = optional(map.get("host").map(read_authority));
        let path_prefix = optional(map.get("pathPrefix").map(read_path_prefix));
        let headers = map.get("headers").map_or_else(|| Some(HeaderChanges::default()), HeaderChanges::read);
        Some(Self {
            rule: rule.to_owned(),
            to: to?,
            share: share?,
            control: control?,
            timeout: timeout?,
            max_body_bytes: max_body_bytes?,
            max_in_flight: max_in_flight?,
            via: via?,
            host: host?,
            path_prefix: path_prefix?,
            headers: headers?,
            methods: methods?,
            sample: sample?,
        })
    }

    /// Whether the mirror may send a request whose method may write.
    pub fn allows_writes(&self) -> bool {
        self.methods.unsafe_allowed
    }

    /// Whether a request of this method is ever sent to the candidate, whatever share is drawn.
    pub fn may_send(&self, method: &[u8]) -> bool {
        self.barred(method).is_none()
    }

    /// Whether a request of this method is ever sent to the control, if it is sent to the candidate. Nobody writes twice into production: a
    /// control gets an unsafe method only if its variant is isolated.
    pub fn may_ask_control(&self, method: &[u8]) -> bool {
        let asked = self.control.as_ref();
        asked.is_some_and(|control| (is_safe(method) || control.to.isolated) && !control.to.is_red())
    }

    /// Why no request of this method is sent to the candidate; none if some are.
    fn barred(&self, method: &[u8]) -> Option<Drawn<'_>> {
        let is_listed = || {
            self.methods.listed.as_ref().is_none_or(|listed| listed.iter().any(|known| **known == *method))
        };
        if self.to.is_red() {
            Some(Drawn::Red)
        } else if !is_safe(method) && !self.methods.unsafe_allowed {
            Some(Drawn::UnsafeMethod)
        } else if !is_listed() {
            Some(Drawn::NotListed)
        } else {
            None
        }
    }

    /// Whether this request is mirrored; `key` is the word by which it is sampled if not by chance.
    pub(crate) fn draw(
        self: &Arc<Self>,
        method: &[u8],
        key: impl FnOnce() -> Option<u64>,
        dice: &mut Dice,
    ) -> Drawn<'_> {
        if let Some(barred) = self.barred(method) {
            return barred;
        }
        let word = match self.sample {
            Sample::Request => None,
            Sample::Key => key(),
        };
        if !self.share.draws(word.unwrap_or_else(|| dice.next())) {
            return Drawn::NotSampled;
        }
        let control = self
            .control
            .as_ref()
            .filter(|_| self.may_ask_control(method))
            .is_some_and(|control| control.share.draws(dice.next()));
        Drawn::Mirrored(Mirrored { mirror: self, control })
    }
}

fn read_share(map: &Map<'_>) -> Option<Share> {
    match (map.get("percent"), map.get("fraction")) {
        (None, None) => Some(Share::ALL),
        (Some(percent), None) => Share::read_percent(percent),
        (None, Some(fraction)) => Share::read_fraction(fraction),
        (Some(percent), Some(fraction)) => {
            map.field().note("has both percent and fraction, must have at most one of them".to_owned());
            Share::read_percent(percent).and(Share::read_fraction(fraction))
        }
    }
}

fn read_mirrored_methods(map: &Map<'_>) -> Option<Methods> {
    let unsafe_allowed = map
        .get("unsafeMethods")
        .map_or(Some(false), |field| field.one_of(&[("deny", false), ("allow", true)]));
    let listed = match map.get("methods") {
        Some(field) => Some(read_methods(field)?),
        None => None,
    };
    let unsafe_allowed = unsafe_allowed?;
    let refused = listed.iter().flatten().find(|method| !unsafe_allowed && !is_safe(method));
    if let (Some(method), Some(field)) = (refused, map.get("methods")) {
        let method = String::from_utf8_lossy(method);
        field.note(format!("has {method}, must be of GET, HEAD and OPTIONS unless unsafeMethods is allow"));
        return None;
    }
    Some(Methods { listed, unsafe_allowed })
}

fn read_control(field: &Field<'_>, candidate: Option<&Arc<Variant>>, variants: &Variants) -> Option<Control> {
    let map = field.map(&["to", "percent"])?;
    let share = map.get("percent").map_or(Some(Share::ALL), Share::read_percent);
    let to_field = map.required("to")?;
    let to = variants.named(to_field)?;
    if Some(&to) == candidate {
        to_field
            .problem("must be another variant than the candidate: a control answers for the stable version");
        return None;
    }
    Some(Control { to, share: share? })
}

fn read_path_prefix(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let bare = text.strip_suffix('/').unwrap_or(text);
    let plain = bare.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#'));
    if plain && bare.starts_with('/') {
        return Some(bare.to_owned());
    }
    field.problem("must be a path that begins with '/'");
    None
}

/// Methods that change nothing and that a service may answer twice.
fn is_safe(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS")
}

const VIAS: [(&str, Via); 2] = [("host", Via::Host), ("comparator", Via::Comparator)];
const FIELDS: [&str; 14] = [
    "to",
    "percent",
    "fraction",
    "sample",
    "methods",
    "unsafeMethods",
    "control",
    "timeout",
    "maxBodyBytes",
    "maxInFlight",
    "via",
    "host",
    "pathPrefix",
    "headers",
];
const TIMEOUT: Duration = Duration::from_secs(2);
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);
const BODY_BYTES: u64 = 64 * 1024;
const MAX_IN_FLIGHT: u64 = 65_536;
const MAX_BODY_BYTES: u64 = 8 * 1024 * 1024;
