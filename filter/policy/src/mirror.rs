//! Which requests are also sent to a candidate, and which of those a second time to the stable version.

use std::sync::Arc;
use std::time::Duration;

use crate::decision::Mirrored;
use crate::dice::Dice;
use crate::document::{Field, Map};
use crate::matching::read_methods;
use crate::share::Share;
use crate::variant::{Variant, Variants};

/// One entry of a rule's `mirror`.
#[derive(Debug)]
pub struct Mirror {
    /// The rule that it belongs to.
    pub rule: String,
    /// The candidate.
    pub to: Arc<Variant>,
    /// How many of the requests that it may mirror are mirrored.
    pub share: Share,
    /// Who answers a second time for the stable version, to tell noise from change.
    pub control: Option<Control>,
    /// How long a shadow call may take, 1 ms to 60 s.
    pub timeout: Duration,
    /// Bytes of a request body beyond which a request is not mirrored, at most 8 MiB.
    pub max_body_bytes: u64,
    methods: Methods,
}

/// The second call to the stable version.
#[derive(Debug)]
pub struct Control {
    /// A variant other than the mirror's own.
    pub to: Arc<Variant>,
    /// How many of the mirrored requests go there too.
    pub share: Share,
}

/// What a mirror does with a request.
#[derive(Debug)]
pub(crate) enum Drawn<'p> {
    Mirrored(Mirrored<'p>),
    NotSampled,
    UnsafeMethod,
    /// Its `methods` leave this one out.
    NotListed,
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
            map.get("maxBodyBytes").map_or(Some(BODY_BYTES), |field| field.integer(0..=MOST_BODY_BYTES));
        Some(Self {
            rule: rule.to_owned(),
            to: to?,
            share: share?,
            control: control?,
            timeout: timeout?,
            max_body_bytes: max_body_bytes?,
            methods: methods?,
        })
    }

    /// Whether this request is mirrored. Nobody writes twice into production: a control gets an unsafe method only if
    /// its variant is isolated.
    pub(crate) fn draw(self: &Arc<Self>, method: &[u8], dice: &mut Dice) -> Drawn<'_> {
        let safe = is_safe(method);
        if !safe && !self.methods.unsafe_allowed {
            return Drawn::UnsafeMethod;
        }
        if self.methods.listed.as_ref().is_some_and(|listed| !listed.iter().any(|known| **known == *method)) {
            return Drawn::NotListed;
        }
        if !self.share.draws(dice.next()) {
            return Drawn::NotSampled;
        }
        let control = self
            .control
            .as_ref()
            .is_some_and(|control| (safe || control.to.isolated) && control.share.draws(dice.next()));
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

/// Methods that change nothing and that a service may answer twice.
fn is_safe(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS")
}

const FIELDS: [&str; 8] =
    ["to", "percent", "fraction", "methods", "unsafeMethods", "control", "timeout", "maxBodyBytes"];
const TIMEOUT: Duration = Duration::from_secs(2);
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);
const BODY_BYTES: u64 = 64 * 1024;
const MOST_BODY_BYTES: u64 = 8 * 1024 * 1024;
