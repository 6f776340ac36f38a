//! Sharing requests out, so that a user stays with a variant as long as its share does not shrink.
//!
//! A key has a fixed position among a million, by its hash and the split's salt. With weights, and one or two candidates, the
//! first grows from 0 up and the second from the top down; the holder (the policy's default, else the last listed) has what
//! is left between them, so a candidate that grows takes only from the holder. From three candidates on they follow each
//! other from 0 in the order of the document, and the holder has the rest. With buckets, each variant has the positions that
//! are written, and the policy's default all others.

mod layout;

use std::sync::Arc;

use crate::decision::Reason;
use crate::dice::Dice;
use crate::document::{Field, Map, optional};
use crate::facts::{Facts, Questions};
use crate::key::{self, Keys, Salt};
use crate::request::Request;
use crate::signature::{Secrets, SigningKey};
use crate::sticky::{Cookie, Sticky};
use crate::variant::{Variant, Variants};

pub(crate) use layout::Layout;

/// A rule's `split`.
#[derive(Debug)]
pub(crate) struct Split {
    /// None at all means that each request is on its own.
    keys: Keys,
    salt: Salt,
    layout: Layout,
    on_missing_key: OnMissingKey,
    sticky: Option<Sticky>,
    /// What signatures of this split hold besides the variant.
    scope: String,
    default: Option<Arc<Variant>>,
}

/// What a split takes over from its policy and its rule.
pub(crate) struct Surroundings<'a> {
    pub(crate) variants: &'a Variants,
    pub(crate) default: Option<&'a Arc<Variant>>,
    /// `None` if it could not be read.
    pub(crate) policy: Option<&'a str>,
    /// `None` if the rule has no name of its own.
    pub(crate) rule: Option<&'a str>,
}

/// What a split says of one request.
#[derive(Debug)]
pub(crate) struct Choice<'p> {
    /// `None` leaves the host's own routing alone.
    pub(crate) variant: Option<&'p Arc<Variant>>,
    pub(crate) reason: Reason,
    pub(crate) position: Option<u32>,
    /// Values of `set-cookie`.
    pub(crate) cookies: Vec<String>,
}

#[derive(Debug)]
enum OnMissingKey {
    Random,
    Default,
    /// The client is given this cookie, and so a key.
    Mint(Box<Cookie>),
}

impl Split {
    pub(crate) fn read(
        field: &Field<'_>,
        around: &Surroundings<'_>,
        questions: &mut Questions,
    ) -> Option<Self> {
        let map = field.map(&["by", "salt", "weights", "buckets", "onMissingKey", "sticky"])?;
        let keys = map.get("by").map_or_else(|| Some(Keys::default()), |field| Keys::read(field, questions));
        let salt = read_salt(&map, around);
        let sticky = optional(map.get("sticky").map(|field| Sticky::read(field, around.policy, questions)));
        let layout = Layout::read(&map, around.variants, around.default);
        let cookie = keys.as_ref().map(|keys| keys.first_cookie());
        let attributes = sticky.as_ref().and_then(Option::as_ref).map(Sticky::attributes);
        let on_missing_key = match (map.get("onMissingKey"), cookie) {
            (Some(field), Some(cookie)) => read_missing(field, cookie, attributes),
            _ => Some(OnMissingKey::Random),
        };
        Some(Self {
            keys: keys?,
            salt: salt?,
            layout: layout?,
            on_missing_key: on_missing_key?,
            sticky: sticky?,
            scope: format!("{}/{}", around.policy.unwrap_or_default(), around.rule.unwrap_or_default()),
            default: around.default.cloned(),
        })
    }

    /// The key with which it signs, if it does.
    pub(crate) fn bind(&mut self, secrets: &Secrets) -> Result<(), String> {
        let key = self.sticky.as_mut().and_then(|sticky| sticky.key.as_mut());
        key.map_or(Ok(()), |key: &mut SigningKey| key.bind(secrets))
    }

    /// The keys that place a request.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Which positions each variant has.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The name of the variant at a position; `None` is the host's own routing.
    pub(crate) fn name_at(&self, position: u32) -> Option<&str> {
        self.at(position).map(|variant| variant.name.as_str())
    }

    /// The name of the variant that has what is left.
    pub(crate) fn default_name(&self) -> Option<&str> {
        self.default.as_ref().map(|variant| variant.name.as_str())
    }

    /// Whether requests keep their place under both splits: the same keys under the same salt.
    pub(crate) fn places_like(&self, other: &Self) -> bool {
        self.salt == other.salt && self.keys.written() == other.keys.written()
    }

    pub(crate) fn choose<R: Request + ?Sized>(
        &self,
        facts: &mut Facts<'_, R>,
        dice: &mut Dice,
    ) -> Choice<'_> {
        let scope = self.scope.as_bytes();
        let remembered = self.sticky.as_ref().and_then(|sticky| sticky.remembered(facts, scope));
        if let (Some(sticky), Some(name)) = (&self.sticky, &remembered)
            && let Some((variant, has_share)) = self.named(name)
            && (has_share || !sticky.evicts)
            && (sticky.sticks_default || Some(variant) != self.default.as_ref())
            && !variant.is_red()
        {
            return Choice {
                variant: Some(variant),
                reason: Reason::Sticky,
                position: None,
                cookies: vec![],
            };
        }
        let mut choice = self.place(facts, dice);
        if choice.reason == Reason::Split {
            choice.cookies.extend(self.stick(facts, choice.variant));
        }
        choice
    }

    /// A variant of this split, and whether it has any position. The default has those that nobody else has.
    fn named(&self, name: &str) -> Option<(&Arc<Variant>, bool)> {
        let default = self.default.as_ref().filter(|default| default.name == name);
        self.layout.named(name).or_else(|| default.map(|default| (default, true)))
    }

    fn place<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>, dice: &mut Dice) -> Choice<'_> {
        let keyed = self.keys.with(facts, |key| key::position(key::hash(Some(&self.salt), key)));
        let mut cookies = Vec::new();
        let position = match (keyed, &self.on_missing_key) {
            (Some(position), _) => position,
            (None, OnMissingKey::Default) if !self.keys.is_empty() => {
                let variant = self.default.as_ref();
                return Choice { variant, reason: Reason::MissingKey, position: None, cookies };
            }
            (None, OnMissingKey::Mint(cookie)) => {
                let minted = format!("{:032x}", dice.key());
                cookies.push(cookie.set(&minted));
                key::position(key::hash(Some(&self.salt), minted.as_bytes()))
            }
            (None, OnMissingKey::Random | OnMissingKey::Default) => key::position(dice.next()),
        };
        let variant = self.at(position);
        Choice { variant, reason: Reason::Split, position: Some(position), cookies }
    }

    /// The variant at a position: a red one's users get the default.
    fn at(&self, position: u32) -> Option<&Arc<Variant>> {
        let chosen = self.layout.at(position).filter(|variant| !variant.is_red());
        chosen.or(self.default.as_ref())
    }

    /// What tells the client's browser what to remember, where that is not what it has.
    fn stick<R: Request + ?Sized>(
        &self,
        facts: &mut Facts<'_, R>,
        chosen: Option<&Arc<Variant>>,
    ) -> Option<String> {
        let sticky = self.sticky.as_ref()?;
        match chosen {
            Some(variant) if sticky.sticks_default || Some(variant) != self.default.as_ref() => {
                sticky.remember(&variant.name, self.scope.as_bytes())
            }
            _ => sticky.forget(facts),
        }
    }
}

fn read_salt(map: &Map<'_>, around: &Surroundings<'_>) -> Option<Salt> {
    match (map.get("salt"), around.rule) {
        (Some(field), _) => Salt::read(field),
        (None, Some(rule)) => Some(Salt::new(&format!("{}/{rule}", around.policy.unwrap_or_default()))),
        (None, None) if map.get("by").is_none() => Some(Salt::new("")),
        (None, None) => {
            map.field().note(
                "has no salt, so its rule must have a name: users would move with each rule added before it"
                    .to_owned(),
            );
            None
        }
    }
}

fn read_missing(field: &Field<'_>, cookie: Option<&str>, like: Option<&Cookie>) -> Option<OnMissingKey> {
    let words = [("random", 'r'), ("default", 'd'), ("mint", 'm')];
    match (field.one_of(&words)?, cookie) {
        ('r', _) => Some(OnMissingKey::Random),
        ('d', _) => Some(OnMissingKey::Default),
        (_, Some(cookie)) => Some(OnMissingKey::Mint(Box::new(Cookie::minted(cookie, like)))),
        (_, None) => {
            field.problem("must stand beside a cookie:<name> in by, which is the cookie that is minted");
            None
        }
    }
}
