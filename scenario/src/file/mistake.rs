//! A mistake in a file, with its place in bytes.

use std::ops::Range;

use toml::Spanned;

/// A mistake, and the bytes that it is about.
pub(super) struct Mistake {
    pub(super) span: Range<usize>,
    pub(super) what: String,
}

/// Returns a mistake about this value.
pub(super) fn mistake<T>(at: &Spanned<T>, what: impl Into<String>) -> Mistake {
    Mistake { span: at.span(), what: what.into() }
}
