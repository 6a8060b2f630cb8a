//! Extractors: parsing of external input. Each returns a valid value or a problem document.

pub(crate) mod accept;
pub(crate) mod domain;
pub(crate) mod fault;
pub(crate) mod list;
pub(crate) mod parameters;
