//! Who may choose a variant by a header: clients at trusted addresses, and holders of a signature.
//!
//! A signed choice is `<variant>;expires=<seconds since 1970>;signature=<hex>`, the signature over the policy's name, the
//! variant and the expiry, so that it is good for one release and ends by itself.

use std::sync::Arc;

use crate::address::AddressSet;
use crate::document::{Field, MAX_NAME, optional};
use crate::facts::{Facts, Questions};
use crate::headers::own_name;
use crate::place::HeaderSlot;
use crate::request::Request;
use crate::signature::{Secrets, SigningKey};
use crate::variant::Variant;

/// A policy's `override`.
#[derive(Debug)]
pub(crate) struct Override {
    /// The header, in lower case.
    pub(crate) header: String,
    slot: HeaderSlot,
    trusted: Option<AddressSet>,
    key: Option<SigningKey>,
}

impl Override {
    pub(crate) fn read(field: &Field<'_>, questions: &mut Questions) -> Option<Self> {
        let map = field.map(&["header", "trustedCidrs", "signedWith"])?;
        let header = map.required("header").and_then(|field| own_name(field, field.text()?));
        let trusted = optional(map.get("trustedCidrs").map(AddressSet::read));
        let key = optional(map.get("signedWith").map(SigningKey::read));
        if map.get("trustedCidrs").is_none() && map.get("signedWith").is_none() {
            field.note("lets every client choose, must have trustedCidrs or signedWith".to_owned());
            return None;
        }
        let header = header?;
        let slot = questions.header(&header);
        Some(Self { header, slot, trusted: trusted?, key: key? })
    }

    pub(crate) fn bind(&mut self, secrets: &Secrets) -> Result<(), String> {
        self.key.as_mut().map_or(Ok(()), |key| key.bind(secrets))
    }

    pub(crate) fn is_signed(&self) -> bool {
        self.key.is_some()
    }

    pub(crate) fn slot(&self) -> HeaderSlot {
        self.slot
    }

    /// Whether the client's address is trusted.
    pub(crate) fn trusts<R: Request + ?Sized>(&self, facts: &mut Facts<'_, R>) -> bool {
        let Some(trusted) = &self.trusted else { return false };
        facts.address().is_some_and(|address| trusted.contains(address))
    }

    /// The variant that the client chose, if it may, and if that is not red.
    pub(crate) fn chosen<'p, R: Request + ?Sized>(
        &self,
        policy: &str,
        variants: &'p [Arc<Variant>],
        facts: &mut Facts<'_, R>,
    ) -> Option<&'p Arc<Variant>> {
        let value = facts.header(self.slot)?.to_vec();
        let name = match value.iter().position(|b| *b == b';') {
            None => self.trusts(facts).then_some(value.as_slice())?,
            Some(_) => self.signed(policy, &value, facts)?,
        };
        variants.iter().find(|variant| variant.name.as_bytes() == name).filter(|variant| !variant.is_red())
    }

    fn signed<'v, R: Request + ?Sized>(
        &self,
        policy: &str,
        value: &'v [u8],
        facts: &mut Facts<'_, R>,
    ) -> Option<&'v [u8]> {
        let mut parts = value.splitn(3, |b| *b == b';');
        let variant = parts.next()?;
        let expires = parts.next()?.strip_prefix(b"expires=")?;
        let signature = parts.next()?.strip_prefix(b"signature=")?;
        // Neither is longer if it is genuine, and what is not need not be hashed.
        if variant.len().max(expires.len()) > MAX_NAME {
            return None;
        }
        let signed: [&[u8]; 4] = [b"override", policy.as_bytes(), variant, expires];
        if !self.key.as_ref()?.verifies(&signed, signature) {
            return None;
        }
        let seconds: i64 = std::str::from_utf8(expires).ok()?.parse().ok()?;
        (facts.now().0 <= seconds.checked_mul(1_000_000)?).then_some(variant)
    }
}

/// The value of an override header that this secret allows until `expires`, in seconds since 1970.
pub fn signed_override(secret: &[u8], policy: &str, variant: &str, expires: u64) -> String {
    let expires = expires.to_string();
    let parts: [&[u8]; 4] = [b"override", policy.as_bytes(), variant.as_bytes(), expires.as_bytes()];
    let signature = SigningKey::of(secret).sign(&parts).unwrap_or_default();
    format!("{variant};expires={expires};signature={signature}")
}
