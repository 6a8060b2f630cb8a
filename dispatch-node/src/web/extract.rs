//! Input from outside, parsed: bodies, parameters, and faults to inject. Each extractor either yields a valid value or refuses with a
//! problem document.

pub(crate) mod body;
pub(crate) mod domain;
pub(crate) mod fault;
pub(crate) mod parameters;
pub(crate) mod schema;
