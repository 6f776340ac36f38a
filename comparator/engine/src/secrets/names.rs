//! The names of places whose values are secrets, in any spelling: `newPassword2`, `X-Api-Key`, `PHPSESSID`.
//!
//! A name is taken apart into its words, at case, digits and marks. Long words count wherever they stand in a run of letters, also joined
//! over marks from the beginning of a word; short ones only as a word by themselves.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use smallvec::SmallVec;

use super::kind::SecretKind;
use super::kind::SecretKind::{
    Account, Authorization, Card, Code, Cookie, Key, Password, Person, PrivateKey, Session, Signature, Token,
};

/// Returns what the value is that stands at a name: of a member of JSON, a header, a cookie, a field, a part or an element. A name of more than
/// 4 KiB is taken for a secret's, since nobody looks it through.
pub(super) fn of_name(name: &[u8]) -> Option<SecretKind> {
    if name.len() > MAX_NAME {
        return Some(Token);
    }
    let words = Words::of(name);
    if words.is_harmless() {
        return None;
    }
    words.long().or_else(|| words.short())
}

/// Returns the same of a parameter of a query, a path or a form, of a header or of a cookie. There `code` and `key` let somebody in; in
/// a body they are ordinary words.
pub(super) fn of_parameter(name: &[u8]) -> Option<SecretKind> {
    of_name(name).or_else(|| Words::of(name).of_parameter())
}

/// A name in lower case without what joins its words.
struct Words {
    letters: SmallVec<[u8; 32]>,
    /// Where words begin in it.
    words: SmallVec<[usize; 8]>,
    /// Where runs begin in it: what stands between two marks.
    runs: SmallVec<[usize; 4]>,
}

impl Words {
    fn of(name: &[u8]) -> Self {
        let mut words = Self {
            letters: SmallVec::with_capacity(name.len()),
            words: SmallVec::new(),
            runs: SmallVec::new(),
        };
        let mut before = b'-';
        for (at, &byte) in name.iter().enumerate() {
            if is_letter(byte) {
                let next = name.get(at + 1).copied().unwrap_or(b'-');
                let starts = !is_letter(before);
                let turns = byte.is_ascii_uppercase()
                    && (before.is_ascii_lowercase() || before.is_ascii_digit() || next.is_ascii_lowercase());
                if starts {
                    words.runs.push(words.letters.len());
                }
                if starts || turns {
                    words.words.push(words.letters.len());
                }
                words.letters.push(byte.to_ascii_lowercase());
            }
            before = byte;
        }
        words
    }

    /// Long words, wherever they stand in a run, or from the beginning of a word over marks. Of several the first of the list counts.
    fn long(&self) -> Option<SecretKind> {
        let found = WORDS.find_overlapping_iter(&self.letters);
        let counts =
            found.filter(|found| self.is_one(found.pattern().as_usize(), found.start(), found.end()));
        let first = counts.map(|found| found.pattern().as_usize()).min()?;
        LONG.get(first).map(|(_, kind)| *kind)
    }

    fn is_one(&self, word: usize, start: usize, end: usize) -> bool {
        let crosses = self.runs.iter().any(|run| (start + 1..end).contains(run));
        let rest = self.letters.get(end..).unwrap_or_default();
        let is_longer = LONGER.iter().any(|(short, ends)| {
            LONG.get(word).is_some_and(|(word, _)| word == short)
                && ends.iter().any(|end| rest.starts_with(end.as_bytes()))
        });
        !is_longer && (!crosses || self.words.binary_search(&start).is_ok())
    }

    fn each(&self) -> SmallVec<[&[u8]; 8]> {
        let ends = self.words.iter().skip(1).copied().chain([self.letters.len()]);
        let word = |(from, to): (usize, usize)| {
            let word = self.letters.get(from..to).unwrap_or_default();
            let digits = word.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            word.get(..word.len() - digits).unwrap_or_default()
        };
        self.words.iter().copied().zip(ends).map(word).collect()
    }

    /// Short words by themselves, behind which digits may stand.
    fn short(&self) -> Option<SecretKind> {
        let kind = |word: &[u8]| SHORT.iter().find(|(short, _)| short.as_bytes() == word);
        let found = self.each().into_iter().find_map(kind).map(|(_, kind)| *kind);
        found.or_else(|| self.of_last()).or_else(|| self.of_ending())
    }

    /// What is one only where nothing follows: `user_pass`, and no `pass_rate`; `card`, and no `card_type`.
    fn of_last(&self) -> Option<SecretKind> {
        let last = self.each().into_iter().rev().find(|word| !word.is_empty())?;
        LAST.iter().find(|(word, _)| word.as_bytes() == last).map(|(_, kind)| *kind)
    }

    /// What no other word ends with, where nothing says where words begin: `smsotp`, as HTTP/2 writes `smsOtp`.
    fn of_ending(&self) -> Option<SecretKind> {
        let ends = self.runs.iter().skip(1).copied().chain([self.letters.len()]);
        let mut runs =
            self.runs.iter().copied().zip(ends).filter_map(|(from, to)| self.letters.get(from..to));
        runs.find_map(|run| {
            let digits = run.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            let run = run.get(..run.len() - digits)?;
            ENDINGS.iter().find(|(word, _)| run.ends_with(word.as_bytes())).map(|(_, kind)| *kind)
        })
    }

    fn of_parameter(&self) -> Option<SecretKind> {
        let last = self.each().into_iter().rev().find(|word| !word.is_empty())?;
        let is_ordinary =
            self.each().iter().any(|word| KEYS_OF_THINGS.iter().any(|own| own.as_bytes() == *word));
        let found = PARAMETERS.iter().find(|(word, _)| word.as_bytes() == last).map(|(_, kind)| *kind);
        found.filter(|_| !is_ordinary)
    }

    /// Names with such a word that say something about secrets, and are none.
    fn is_harmless(&self) -> bool {
        if HARMLESS.iter().any(|name| name.as_bytes() == &*self.letters) {
            return true;
        }
        let counted = self.letters.ends_with(b"tokens");
        counted && self.each().iter().any(|word| COUNTED.iter().any(|count| count.as_bytes() == *word))
    }
}

/// Letters, digits, and whatever is not ASCII.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// The longest name that is looked through, in bytes.
const MAX_NAME: usize = 4_096;

static WORDS: LazyLock<AhoCorasick> =
    LazyLock::new(|| AhoCorasick::new(LONG.map(|(word, _)| word)).expect("a few short words"));

const LONG: [(&str, SecretKind); 93] = [
    ("authorization", Authorization),
    ("credential", Authorization),
    ("bearer", Authorization),
    ("password", Password),
    ("passwd", Password),
    ("passphrase", Password),
    ("passcode", Password),
    ("passwort", Password),
    ("kennwort", Password),
    ("motdepasse", Password),
    ("contrasena", Password),
    ("contraseña", Password),
    ("csrf", Token),
    ("xsrf", Token),
    ("token", Token),
    ("samlresponse", Token),
    ("samlrequest", Token),
    ("samlassertion", Token),
    ("clientassertion", Token),
    ("codeverifier", Token),
    ("privatekey", PrivateKey),
    ("secret", Key),
    ("apikey", Key),
    ("appkey", Key),
    ("authkey", Key),
    ("accesskey", Key),
    ("accountkey", Key),
    ("clientkey", Key),
    ("consumerkey", Key),
    ("encryptionkey", Key),
    ("decryptionkey", Key),
    ("functionskey", Key),
    ("hostkey", Key),
    ("licensekey", Key),
    ("masterkey", Key),
    ("passkey", Key),
    ("servicekey", Key),
    ("sharedkey", Key),
    ("signingkey", Key),
    ("sshkey", Key),
    ("storagekey", Key),
    ("subscriptionkey", Key),
    ("connectionstring", Key),
    ("mnemonic", Key),
    ("seedphrase", Key),
    ("recoveryphrase", Key),
    ("cookie", Cookie),
    ("session", Session),
    ("sessid", Session),
    ("signature", Signature),
    ("accesscode", Code),
    ("activationcode", Code),
    ("authcode", Code),
    ("authenticationcode", Code),
    ("authorizationcode", Code),
    ("backupcode", Code),
    ("confirmationcode", Code),
    ("logincode", Code),
    ("magiclink", Code),
    ("onetimecode", Code),
    ("onetimepass", Code),
    ("pincode", Code),
    ("recoverycode", Code),
    ("smscode", Code),
    ("verificationcode", Code),
    ("cardnumber", Card),
    ("cardno", Card),
    ("cardnum", Card),
    ("cardcode", Card),
    ("cardpan", Card),
    ("creditcard", Card),
    ("debitcard", Card),
    ("ccnumber", Card),
    ("ccnum", Card),
    ("securitycode", Card),
    ("accountnumber", Account),
    ("bankaccount", Account),
    ("routingnumber", Account),
    ("socialsecurity", Person),
    ("nationalid", Person),
    ("passportnumber", Person),
    ("securityanswer", Password),
    ("devicecode", Code),
    ("usercode", Code),
    ("resetcode", Code),
    ("invitecode", Code),
    ("accountno", Account),
    ("acctnum", Account),
    ("sortcode", Account),
    ("taxid", Person),
    ("nationalinsurance", Person),
    ("driverslicen", Person),
    ("passportno", Person),
];
/// How an ordinary word goes on that begins as one of the list.
const LONGER: [(&str, &[&str]); 5] = [
    ("secret", &["ary", "ari"]),
    ("token", &["iz", "is"]),
    ("password", &["less"]),
    ("bearer", &["ship"]),
    ("cardno", &["t"]),
];
const SHORT: [(&str, SecretKind); 24] = [
    ("pwd", Password),
    ("passw", Password),
    ("psw", Password),
    ("jwt", Token),
    ("jws", Token),
    ("sid", Session),
    ("sess", Session),
    ("sig", Signature),
    ("hmac", Signature),
    ("otp", Code),
    ("totp", Code),
    ("hotp", Code),
    ("pin", Code),
    ("mfa", Code),
    ("tfa", Code),
    ("2fa", Code),
    ("cvv", Card),
    ("cvc", Card),
    ("cvn", Card),
    ("csc", Card),
    ("iban", Account),
    ("ssn", Person),
    ("itin", Person),
    ("nino", Person),
];
const ENDINGS: [(&str, SecretKind); 11] = [
    ("pwd", Password),
    ("jwt", Token),
    ("hmac", Signature),
    ("otp", Code),
    ("userpin", Code),
    ("cardpin", Code),
    ("newpin", Code),
    ("cvv", Card),
    ("cvc", Card),
    ("iban", Account),
    ("ssn", Person),
];
const LAST: [(&str, SecretKind); 3] = [("pass", Password), ("card", Card), ("pan", Card)];
const PARAMETERS: [(&str, SecretKind); 6] = [
    ("auth", Authorization),
    ("authentication", Authorization),
    ("key", Key),
    ("code", Code),
    ("ticket", Token),
    ("assertion", Token),
];
/// Of keys and codes, those that are names of things.
const KEYS_OF_THINGS: [&str; 31] = [
    "idempotency",
    "partition",
    "sort",
    "order",
    "primary",
    "foreign",
    "cache",
    "surrogate",
    "public",
    "object",
    "group",
    "row",
    "country",
    "language",
    "lang",
    "locale",
    "currency",
    "postal",
    "zip",
    "status",
    "error",
    "product",
    "promo",
    "coupon",
    "discount",
    "region",
    "airport",
    "websocket",
    "state",
    "response",
    "exit",
];
const HARMLESS: [&str; 11] = [
    "accesscontrolallowcredentials",
    "tokentype",
    "tokenkind",
    "tokencount",
    "cookiepolicy",
    "cookieconsent",
    "setcookiepolicy",
    "passwordpolicy",
    "sessioncount",
    "sessiontype",
    "signaturetype",
];
const COUNTED: [&str; 11] = [
    "max",
    "min",
    "total",
    "prompt",
    "completion",
    "input",
    "output",
    "used",
    "cached",
    "reasoning",
    "remaining",
];
