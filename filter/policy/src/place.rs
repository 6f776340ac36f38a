//! The places of a request that have a value, as numbers of what a policy asks for.

/// A place of a request that has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Header(HeaderSlot),
    /// The path without its query; the slot is that of `:path`.
    Path(HeaderSlot),
    /// The host without port and last dot; the slot is that of `:authority`.
    Host(HeaderSlot),
    Cookie(CookieSlot),
    Query(QuerySlot),
    Property(PropertySlot),
    Form(FormSlot),
    Json(JsonSlot),
}

/// The place of a header, pseudo headers included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeaderSlot(pub(crate) usize);

/// The place of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CookieSlot(pub(crate) usize);

/// The place of a query parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QuerySlot(pub(crate) usize);

/// The place of a property of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PropertySlot(pub(crate) usize);

/// The place of a form field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FormSlot(pub(crate) usize);

/// The place of a field of a JSON body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JsonSlot(pub(crate) usize);

impl Place {
    /// Whether its values may have line feeds. Those of headers have none: they are lines.
    pub(crate) fn has_lines(self) -> bool {
        match self {
            Self::Header(_) | Self::Path(_) | Self::Host(_) | Self::Cookie(_) => false,
            Self::Query(_) | Self::Property(_) | Self::Form(_) | Self::Json(_) => true,
        }
    }

    /// Whether it may have to be waited for.
    pub(crate) fn is_in_a_body(self) -> bool {
        matches!(self, Self::Form(_) | Self::Json(_))
    }
}
