//! What server and command line share: the wire's types, header names and problems.

pub(crate) mod allowed;
pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod headers;
pub(crate) mod misread;
pub(crate) mod policies;
pub(crate) mod principal;
pub(crate) mod problem;
pub(crate) mod releases;
pub(crate) mod route;
pub(crate) mod status;
pub(crate) mod tokens;
pub(crate) mod trial;
pub(crate) mod trouble;
