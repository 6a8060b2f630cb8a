//! Spans: of each request, and of each write until a page shows it.

pub(crate) mod requests;
pub(crate) mod writes;
