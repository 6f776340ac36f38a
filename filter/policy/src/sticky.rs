//! Cookies that a split sets: the one that remembers a client's variant, and the one that gives a client a key.
//!
//! A sticky cookie remembers every variant, the default too: if only candidates stuck, each reload would be another chance
//! to get one, and in the end all would have it. It is sent only when it changes.

use std::time::Duration;

use crate::document::{Field, MAX_NAME, Map};
use crate::facts::{Facts, Questions};
use crate::names::{COOKIE_NAMES, is_cookie_name};
use crate::place::CookieSlot;
use crate::request::Request;
use crate::signature::SigningKey;

/// How a split remembers its choice.
#[derive(Debug)]
pub(crate) struct Sticky {
    cookie: Cookie,
    slot: CookieSlot,
    /// A client whose variant has no share left is decided anew; else it stays.
    pub(crate) evicts: bool,
    /// Whether the default sticks too.
    pub(crate) sticks_default: bool,
    pub(crate) key: Option<SigningKey>,
}

/// A cookie's name and attributes (RFC 6265bis, section 4.1).
#[derive(Debug, Clone)]
pub(crate) struct Cookie {
    name: String,
    /// Everything behind the value but its age.
    attributes: String,
    max_age: Option<Duration>,
}

impl Sticky {
    /// `policy` names the cookie if the document does not.
    pub(crate) fn read(field: &Field<'_>, policy: Option<&str>, questions: &mut Questions) -> Option<Self> {
        let map = field.map(&FIELDS)?;
        let cookie = Cookie::read(&map, policy);
        let evicts = map
            .get("onZeroWeight")
            .map_or(Some(true), |field| field.one_of(&[("evict", true), ("keep", false)]));
        let sticks_default = map
            .get("stick")
            .map_or(Some(true), |field| field.one_of(&[("all", true), ("candidates", false)]));
        let key = crate::document::optional(map.get("signedWith").map(SigningKey::read));
        let cookie = cookie?;
        let slot = questions.cookie(&cookie.name);
        Some(Self { cookie, slot, evicts: evicts?, sticks_default: sticks_default?, key: key? })
    }

    /// The name of the variant that the client's cookie has, if it is genuine. `scope` is what the signature holds besides.
    pub(crate) fn remembered<R: Request + ?Sized>(
        &self,
        facts: &mut Facts<'_, R>,
        scope: &[u8],
    ) -> Option<String> {
        let value = facts.cookie(self.slot)?;
        let name = match &self.key {
            None => value,
            Some(key) => {
                let divider = value.iter().position(|b| *b == SIGNED)?;
                let (name, signature) =
                    value.split_at_checked(divider).filter(|(name, _)| name.len() <= MAX_NAME)?;
                key.verifies(&[b"sticky", scope, name], signature.get(1..)?).then_some(name)?
            }
        };
        std::str::from_utf8(name).ok().map(str::to_owned)
    }

    /// The `set-cookie` that remembers a variant; `None` if it cannot be signed.
    pub(crate) fn remember(&self, variant: &str, scope: &[u8]) -> Option<String> {
        let Some(key) = &self.key else { return Some(self.cookie.set(variant)) };
        let signature = key.sign(&[b"sticky", scope, variant.as_bytes()])?;
        Some(self.cookie.set(&format!("{variant}{}{signature}", char::from(SIGNED))))
    }

    /// The `set-cookie` that forgets, if the client has a cookie.
    pub(crate) fn forget<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> Option<String> {
        facts.cookie(self.slot).map(|_| self.cookie.expired())
    }

    /// The attributes, for a cookie of another name.
    pub(crate) fn attributes(&self) -> &Cookie {
        &self.cookie
    }
}

impl Cookie {
    /// A cookie with these attributes, or with the usual ones and a year to live.
    pub(crate) fn minted(name: &str, like: Option<&Self>) -> Self {
        let usual = || Self { name: String::new(), attributes: USUAL.to_owned(), max_age: Some(YEAR) };
        let mut cookie = like.cloned().unwrap_or_else(usual);
        // Browsers want such names to have these attributes and no others.
        if name.starts_with("__Host-") || name.starts_with("__Secure-") {
            USUAL.clone_into(&mut cookie.attributes);
        }
        Self { name: name.to_owned(), ..cookie }
    }

    fn read(map: &Map<'_>, policy: Option<&str>) -> Option<Self> {
        let name = match map.get("cookie") {
            Some(field) => read_name(field),
            None => Some(format!("__Host-antumbra-{}", policy.unwrap_or_default())),
        };
        let max_age = crate::document::optional(
            map.get("maxAge").map(|field| field.duration(Duration::from_secs(1)..=LONGEST)),
        );
        let secure = map.get("secure").map_or(Some(true), Field::boolean);
        let http_only = map.get("httpOnly").map_or(Some(true), Field::boolean);
        let partitioned = map.get("partitioned").map_or(Some(false), Field::boolean);
        let words = [("Lax", "Lax"), ("Strict", "Strict"), ("None", "None")];
        let same_site = map.get("sameSite").map_or(Some("Lax"), |field| field.one_of(&words));
        let path = map.get("path").map_or(Some("/"), |field| read_attribute(field, true));
        let domain = crate::document::optional(map.get("domain").map(|field| read_attribute(field, false)));
        let (name, secure, partitioned, same_site) = (name?, secure?, partitioned?, same_site?);
        let (path, domain) = (path?, domain?);
        check_prefix(map, &name, secure, path, domain)?;
        for (needs, field) in [(same_site == "None", "sameSite"), (partitioned, "partitioned")] {
            if let (true, false, Some(field)) = (needs, secure, map.get(field)) {
                field.problem("must not stand beside secure: false: browsers refuse such a cookie");
                return None;
            }
        }
        let mut attributes = format!("; Path={path}");
        if let Some(domain) = domain {
            attributes.push_str("; Domain=");
            attributes.push_str(domain);
        }
        for (given, attribute) in [(secure, "; Secure"), (http_only?, "; HttpOnly")] {
            attributes.push_str(if given { attribute } else { "" });
        }
        attributes.push_str("; SameSite=");
        attributes.push_str(same_site);
        attributes.push_str(if partitioned { "; Partitioned" } else { "" });
        Some(Self { name, attributes, max_age: max_age? })
    }

    /// The value of a `set-cookie` header.
    pub(crate) fn set(&self, value: &str) -> String {
        let Self { name, attributes, max_age } = self;
        let age = max_age.map_or_else(String::new, |age| format!("; Max-Age={}", age.as_secs()));
        format!("{name}={value}{age}{attributes}")
    }

    fn expired(&self) -> String {
        let Self { name, attributes, .. } = self;
        format!("{name}=; Max-Age=0{attributes}")
    }
}

/// The prefixes of RFC 6265bis, section 4.1.3: browsers refuse such a cookie with other attributes.
fn check_prefix(map: &Map<'_>, name: &str, secure: bool, path: &str, domain: Option<&str>) -> Option<()> {
    let host = name.starts_with("__Host-");
    let wrong = if (host || name.starts_with("__Secure-")) && !secure {
        ("secure", "must be true")
    } else if host && path != "/" {
        ("path", "must be \"/\"")
    } else if host && domain.is_some() {
        ("domain", "must be absent")
    } else {
        return Some(());
    };
    if let Some(field) = map.get(wrong.0) {
        field.problem(format!("{} for the cookie {name:?}: browsers refuse it otherwise", wrong.1));
    }
    None
}

fn read_name(field: &Field<'_>) -> Option<String> {
    let name = field.text()?;
    if is_cookie_name(name) && crate::names::is_token(name) {
        return Some(name.to_owned());
    }
    field.problem(format!("with a name that {COOKIE_NAMES}"));
    None
}

fn read_attribute<'a>(field: &Field<'a>, path: bool) -> Option<&'a str> {
    let text = field.text()?;
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b';' | b','));
    if plain && !text.is_empty() && text.starts_with('/') == path {
        return Some(text);
    }
    field.problem(if path { "must be a path that begins with '/'" } else { "must be a domain" });
    None
}

const FIELDS: [&str; 11] = [
    "cookie",
    "maxAge",
    "path",
    "domain",
    "secure",
    "httpOnly",
    "sameSite",
    "partitioned",
    "onZeroWeight",
    "stick",
    "signedWith",
];
/// Between a variant's name and its signature: in no name, and allowed in a cookie.
const SIGNED: u8 = b'~';
const USUAL: &str = "; Path=/; Secure; HttpOnly; SameSite=Lax";
const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// Browsers keep no cookie longer (RFC 6265bis, section 5.5).
const LONGEST: Duration = Duration::from_secs(400 * 86_400);
