//! Names that HTTP allows: of headers, methods and cookies.

/// The name of a header in lower case.
pub(crate) fn header_name(name: &str) -> Option<String> {
    is_token(name).then(|| name.to_ascii_lowercase())
}

/// The name of a header that rules may test, in lower case: `:path` is the path with its query as sent.
pub(crate) fn tested_header(name: &str) -> Option<String> {
    if name == ":path" { Some(name.to_owned()) } else { header_name(name) }
}

/// Whether `name` can be a cookie's; wider than RFC 6265, since servers meet wider names.
pub(crate) fn is_cookie_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'=' | b';' | b','))
}

/// A token of RFC 9110, section 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

pub(crate) const HEADER_NAMES: &str = "must be a header's: letters, digits and any of !#$%&'*+-.^_`|~";
pub(crate) const COOKIE_NAMES: &str = "must be a cookie's: visible ASCII without '=', ';' and ','";
pub(crate) const TESTED_HEADERS: &str =
    "must be a header's: letters, digits and any of !#$%&'*+-.^_`|~, or :path";
