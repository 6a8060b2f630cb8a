//! Spans: of each HTTP request, and of each write until a page receives it.

pub(crate) mod requests;
pub(crate) mod writes;
