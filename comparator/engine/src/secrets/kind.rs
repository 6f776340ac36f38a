//! The kinds of secrets, as a reader is told of them.

use std::fmt;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// Who asks, as in the header `authorization`.
    Authorization,
    /// The value of a cookie.
    Cookie,
    /// A password or a passphrase.
    Password,
    /// A token, as of OAuth, of a service or against forged requests.
    Token,
    /// A key of a service or of a cloud.
    Key,
    /// The name of a session.
    Session,
    /// A signature that lets somebody in, as of a presigned URL.
    Signature,
    /// A one-time code or a PIN.
    Code,
    /// The number of a payment card, or the code on its back.
    Card,
    /// The number of a bank account.
    Account,
    /// A number that a state gives to a person.
    Person,
    /// A private key.
    PrivateKey,
    /// A text that looks drawn at random, as in a link that lets somebody in.
    Drawn,
    /// A value that the policy names.
    Named,
}

impl SecretKind {
    /// Returns what a reader is told, as `password`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorization => "credentials",
            Self::Cookie => "cookie",
            Self::Password => "password",
            Self::Token => "token",
            Self::Key => "key",
            Self::Session => "session",
            Self::Signature => "signature",
            Self::Code => "code",
            Self::Card => "card number",
            Self::Account => "account number",
            Self::Person => "personal number",
            Self::PrivateKey => "private key",
            Self::Drawn => "random text",
            Self::Named => "secret of the policy",
        }
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
